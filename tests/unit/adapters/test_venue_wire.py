"""Orders and trades in ccxt's words: no digit lost, no property dropped."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import NEEDED, Access, open_exchange, refuse_plain
from rustybt.adapters.venue.markets import instrument_of, refuse_derivatives
from rustybt.adapters.venue.wire import (
    exact,
    fill_of,
    instant,
    milliseconds,
    order_of,
    plain,
    refusal,
    state_of,
    wanted,
)
from rustybt.model.instrument import Instrument, InstrumentKind, Side
from rustybt.model.order import Order, OrderType, TimeInForce, TrailUnit
from rustybt.model.order_state import OrderState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
BTC = Instrument(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.0001"),
    min_quantity=Decimal("0.0002"),
    min_notional=Decimal(5),
)


def order(**changes: Any) -> Order:
    """Return a limit order with *changes*."""
    fields: dict[str, Any] = {
        "client_id": "RBT-1-1",
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "quantity": Decimal("2.2504"),
        "price": Decimal("100.10"),
        "created": NOW,
    }
    return Order(**(fields | changes))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("2.2504", "2.2504"),
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
        ("100.10", "100.1"),
        ("5.000", "5"),
        ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_numbers_go_out_as_plain_digits(number: str, text: str) -> None:
    """Neither an exponent nor a float on the way."""
    assert plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("limit", "buy", "2.2504", "100.1", {})),
        ({"type": OrderType.MARKET, "price": None}, ("market", "buy", "2.2504", None, {})),
        ({"post_only": True}, ("limit", "buy", "2.2504", "100.1", {"postOnly": True})),
        (
            {"time_in_force": TimeInForce.IOC},
            ("limit", "buy", "2.2504", "100.1", {"timeInForce": "IOC"}),
        ),
        (
            {"type": OrderType.STOP, "price": None, "trigger": Decimal("90.5")},
            ("market", "buy", "2.2504", None, {"stopLossPrice": "90.5"}),
        ),
        (
            {"type": OrderType.STOP_LIMIT, "trigger": Decimal("90.5")},
            ("limit", "buy", "2.2504", "100.1", {"stopLossPrice": "90.5"}),
        ),
        (
            {"type": OrderType.TAKE_PROFIT, "price": None, "trigger": Decimal("90.5")},
            ("market", "buy", "2.2504", None, {"takeProfitPrice": "90.5"}),
        ),
        (
            {"type": OrderType.TAKE_PROFIT, "trigger": Decimal("90.5")},
            ("limit", "buy", "2.2504", "100.1", {"takeProfitPrice": "90.5"}),
        ),
    ],
)
def test_each_type_has_its_words(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """The client id is always among the parameters."""
    kind, side, amount, price, params = expected
    params = {"clientOrderId": "RBT-1-1", **params}

    assert refusal(order(**changes), BTC) == ""
    assert wanted(order(**changes), BTC) == (kind, side, amount, price, params)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {
                "type": OrderType.TRAILING_STOP,
                "price": None,
                "trail": Decimal(1),
                "trail_unit": TrailUnit.PRICE,
            },
            "trailing",
        ),
        ({"time_in_force": TimeInForce.DAY}, "time in force day"),
        (
            {"time_in_force": TimeInForce.GTD, "expires": NOW + timedelta(days=1)},
            "time in force gtd",
        ),
        ({"reduce_only": True}, "never short"),
        ({"quantity": Decimal("0.00015")}, "lot"),
        ({"price": Decimal("100.001")}, "tick"),
        ({"quantity": Decimal("0.0003")}, "notional"),
        (
            {"type": OrderType.MARKET, "price": None, "quantity": Decimal("0.00025")},
            "off the lot",
        ),
        (
            {"type": OrderType.MARKET, "price": None, "quantity": Decimal("0.0001")},
            "below 0.0002",
        ),
    ],
)
def test_what_the_venue_would_not_keep_is_refused(changes: dict[str, Any], said: str) -> None:
    """A property is never dropped, a number never rounded on the way."""
    assert said in refusal(order(**changes), BTC)


def test_a_sale_of_what_is_held_only_reduces() -> None:
    """A spot venue honours reduce-only of a sale by itself; a contract is told."""
    sale = order(side=Side.SELL, reduce_only=True)
    perpetual = Instrument(
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.0001"),
        kind=InstrumentKind.PERPETUAL,
    )

    assert refusal(sale, BTC) == ""
    assert "reduceOnly" not in wanted(sale, BTC).params
    assert wanted(order(reduce_only=True), perpetual).params["reduceOnly"] is True
    assert refusal(sale, None) == "BTC/USDT is not traded here"


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("open", "0", OrderState.ACCEPTED),
        ("open", "1", OrderState.PARTIALLY_FILLED),
        ("closed", "2", OrderState.FILLED),
        ("canceled", "1", OrderState.CANCELLED),
        ("expired", "0", OrderState.EXPIRED),
        ("rejected", None, OrderState.REJECTED),
        (None, None, OrderState.ACCEPTED),
    ],
)
def test_states_come_back(status: str | None, filled: str | None, state: OrderState) -> None:
    """An order that is open and has traded is partially filled."""
    assert state_of({"status": status, "filled": filled}) is state


def test_orders_and_trades_come_back_to_the_digit() -> None:
    """A fee in the quote currency needs no currency; one in the base has it."""
    found = {
        "id": 7,
        "symbol": "BTC/USDT",
        "side": "sell",
        "amount": "2.2504",
        "filled": "1.10",
        "status": "open",
        "price": "100.10",
        "triggerPrice": None,
    }
    trade = {
        "id": 9,
        "order": 7,
        "symbol": "BTC/USDT",
        "side": "sell",
        "amount": "1.10",
        "price": "100.100000000000000001",
        "timestamp": 1772323200123,
        "takerOrMaker": "maker",
        "fee": {"cost": "0.0011", "currency": "BTC"},
    }

    back = order_of(found, "RBT-1-1")
    assert (back.venue_id, back.quantity, back.filled) == ("7", Decimal("2.2504"), Decimal("1.10"))
    assert (back.price, back.trigger) == (Decimal("100.10"), None)
    fill = fill_of(trade, "RBT-1-1", "USDT")
    assert (fill.trade_id, fill.venue_id, fill.side) == ("9", "7", Side.SELL)
    assert fill.price == Decimal("100.100000000000000001")
    assert (fill.fee, fill.fee_currency, str(fill.liquidity)) == (
        Decimal("0.0011"),
        "BTC",
        "maker",
    )
    quoted = fill_of({**trade, "fee": {"cost": "1", "currency": "USDT"}}, "x", "USDT")
    assert quoted.fee_currency is None
    assert milliseconds(fill.time) == 1772323200123
    assert instant(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert [exact(None), exact(""), exact(0.1)] == [Decimal(0), Decimal(0), Decimal("0.1")]


def market(**changes: Any) -> dict[str, Any]:
    """Return a market as ccxt has it."""
    found: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "type": "spot",
        "info": {},
        "precision": {"price": "0.01", "amount": "0.0001"},
        "limits": {"amount": {"min": "0.0002", "max": None}, "cost": {"min": "5"}},
        "contractSize": None,
    }
    return found | changes


def test_filters_are_the_digits_that_the_venue_wrote() -> None:
    """What ccxt made of them comes second; decimal places and steps mean the same grid."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.10000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.00100000", "minQty": "0.002", "maxQty": "90"},
        {"filterType": "NOTIONAL", "minNotional": "7", "maxNotional": "1000"},
    ]
    written = instrument_of(market(info={"filters": filters}), 4)
    assert (written.tick, written.lot) == (Decimal("0.1"), Decimal("0.001"))
    assert (written.min_quantity, written.max_quantity) == (Decimal("0.002"), Decimal(90))
    assert (written.min_notional, written.max_notional) == (Decimal(7), Decimal(1000))

    stepped = instrument_of(market(), 4)
    placed = instrument_of(market(precision={"price": 2, "amount": 4.0}), 2)
    assert stepped == placed
    assert (stepped.tick, stepped.min_notional) == (Decimal("0.01"), Decimal(5))
    assert instrument_of(market(type="swap", contractSize=0.1), 4).multiplier == Decimal("0.1")


@pytest.mark.parametrize("mode", [3, 4])
def test_a_market_without_a_grid_is_refused(mode: int) -> None:
    """Significant digits are no grid, and nothing is none either."""
    precision = {"price": 5, "amount": 5} if mode == 3 else {"price": None, "amount": "0.1"}
    with pytest.raises(VenueError, match="BTC/USDT: the venue does not say its tick or its lot"):
        instrument_of(market(precision=precision), mode)


def test_contracts_are_not_traded_live() -> None:
    """Their positions are in no balance, so a fill that went missing would never be noticed."""
    spot = instrument_of(market(), 4)
    refuse_derivatives({"BTC/USDT": spot})
    swaps = {
        symbol: instrument_of(market(symbol=symbol, type=kind, contractSize=1), 4)
        for symbol, kind in (("BTC/USDT:USDT", "swap"), ("ETH/USDT:USDT-260327", "future"))
    }
    with pytest.raises(VenueError) as caught:
        refuse_derivatives({"BTC/USDT": spot, **swaps})
    assert "BTC/USDT:USDT, ETH/USDT:USDT-260327: contracts" in str(caught.value)


@pytest.mark.parametrize("address", ["http://example.org/api", "ws://203.0.113.7:80/x"])
def test_nothing_goes_out_in_clear(address: str) -> None:
    """Plain HTTP and WebSocket are for loopback only, wherever among the addresses they are."""
    with pytest.raises(VenueError, match="is not encrypted"):
        refuse_plain({"a": "https://example.org", "b": {"c": address}})
    refuse_plain({"a": "http://127.0.0.1:1/x", "b": {"c": "ws://localhost:9", "d": 5}})
    refuse_plain({"a": "http://[::1]:80/"})


def test_an_account_shows_no_secret() -> None:
    """Its fingerprint tells keys apart; its repr has none of the configuration."""
    one = Access("binance", "binance", {"apiKey": "KEY-1", "secret": "SECRET-1"})
    two = Access("binance", "binance", {"apiKey": "KEY-2"})

    assert "KEY-1" not in repr(one)
    assert one.secrets() == ["KEY-1", "SECRET-1"]
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize("name", ["binance", "kraken", "bybit"])
def test_venues_that_are_looked_after_can_do_what_is_needed(name: str) -> None:
    """They offer all that a session asks of a venue, streams of bars included."""
    exchange = open_exchange(Access(name, name, {}), (*NEEDED, "watchOHLCV", "fetchTime"))

    assert exchange.id == name


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (Access("x", "atlantis"), "'atlantis' is no exchange"),
        (Access("x", "binance", {"urls": {}}, testnet=True), "has no testnet"),
        (Access("x", "exchanges"), "'exchanges' is no exchange"),
        (Access("x", "coinspot"), "'coinspot' is no exchange with streams"),
        (Access("x", "luno"), "luno offers no watchOrders"),
        (
            Access("x", "binance", {"urls": {"api": {"public": "http://example.org"}}}),
            "not encrypted",
        ),
    ],
)
def test_what_cannot_be_traded_at_is_refused(access: Access, said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(VenueError, match=said):
        open_exchange(access)


def test_codes_of_spot_markets_are_known_everywhere() -> None:
    """Also at an address that is not the official one; digits stay text."""
    exchange = open_exchange(Access("x", "binance", {}))
    assert "-2010" in exchange.exceptions["exact"]
    assert exchange.number is str
    assert exchange.enableRateLimit is False
