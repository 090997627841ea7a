"""Fills in the books: positions, cash, cost and fees, each exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.accounting import (
    CostMethod,
    Ledger,
    LedgerError,
    Position,
    UnknownInstrumentError,
)
from rustybt.model import ConflictingFillError, Fill, Instrument, InstrumentKind, Side
from rustybt.model.money import add

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)
_ids = count()

BTC = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick=D("0.01"), lot=D("0.00001"))
ETH = Instrument(symbol="ETHUSDT", base="ETH", quote="USDT", tick=D("0.01"), lot=D("0.0001"))
SPY = Instrument(
    symbol="SPY", base="SPY", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.EQUITY
)
ES = Instrument(
    symbol="ESM4",
    base="ES",
    quote="USD",
    tick=D("0.25"),
    lot=D(1),
    kind=InstrumentKind.FUTURE,
    multiplier=D(50),
)
ALL = (BTC, ETH, SPY, ES)


def buy(quantity: str, price: str, symbol: str = "BTCUSDT", **changes: Any) -> Fill:
    """Return a purchase under a trade id of its own."""
    made = Fill(f"t{next(_ids)}", "o", symbol, Side.BUY, D(quantity), D(price), NOW)
    return replace(made, **changes)


def sell(quantity: str, price: str, symbol: str = "BTCUSDT", **changes: Any) -> Fill:
    """Return a sale under a trade id of its own."""
    return buy(quantity, price, symbol, **{"side": Side.SELL, **changes})


def books(*fills: Fill, method: CostMethod = CostMethod.AVERAGE) -> Ledger:
    """Return a ledger with *fills* booked."""
    ledger = Ledger(ALL, method=method)
    for fill in fills:
        assert ledger.apply(fill)
    return ledger


def position(*fills: Fill, method: CostMethod = CostMethod.AVERAGE) -> Position:
    """Return the position that *fills* of one symbol make."""
    return books(*fills, method=method).position(fills[0].symbol)


def numbers(made: Position) -> tuple[Decimal, Decimal | None, Decimal]:
    """Return quantity, average price and realised profit."""
    return made.quantity, made.average_price, made.realised


def test_an_empty_ledger_is_flat_and_has_nothing() -> None:
    """Nothing booked: no cash, no position, no currency."""
    ledger = Ledger(ALL)
    assert ledger.currencies == ()
    assert ledger.positions() == {}
    assert ledger.cash("USDT") == 0
    assert ledger.holdings() == {}
    assert ledger.symbols == ("BTCUSDT", "ESM4", "ETHUSDT", "SPY")
    assert ledger.method is CostMethod.AVERAGE
    assert numbers(ledger.position("SPY")) == (D(0), None, D(0))


def test_a_purchase_and_its_sale() -> None:
    """Open, close: the profit is the difference, and it is in cash."""
    ledger = books(buy("0.5", "30000.10"), sell("0.5", "31000.20"))
    assert numbers(ledger.position("BTCUSDT")) == (D(0), None, D("500.05"))
    assert ledger.cash("USDT") == D("500.05")
    assert ledger.quantity("BTCUSDT") == 0
    assert ledger.positions() == {}
    assert ledger.currencies == ("USDT",)


def test_a_position_increases_at_its_average_price() -> None:
    """1 at 100 and 3 at 104 are 4 at 103."""
    assert numbers(position(buy("1", "100"), buy("3", "104"))) == (D(4), D(103), D(0))


def test_a_position_decreases_at_its_average_price() -> None:
    """The average stays, the difference is realised."""
    made = position(buy("1", "100"), buy("3", "104"), sell("1", "105"))
    assert numbers(made) == (D(3), D(103), D(2))
    assert made.cost == 309
    assert made.unrealised(D(110)) == 21
    assert made.value(D(110)) == 330


def test_a_short_position_is_the_mirror_image() -> None:
    """Sold at 100 and 104, bought back lower: negative quantity and cost, positive profit."""
    made = position(sell("1", "100"), sell("3", "104"), buy("1", "101"))
    assert numbers(made) == (D(-3), D(103), D(2))
    assert made.cost == -309
    assert made.unrealised(D(100)) == 9
    assert made.value(D(100)) == -300


@pytest.mark.parametrize("method", CostMethod)
def test_a_flip_closes_and_opens(method: CostMethod) -> None:
    """Selling 5 of 2 realises 2 and is short 3 at the new price; and back again."""
    down = [buy("2", "100"), sell("5", "110")]
    assert numbers(position(*down, method=method)) == (D(-3), D(110), D(20))
    up = [*down, buy("4", "105")]
    assert numbers(position(*up, method=method)) == (D(1), D(105), D(35))


def test_fifo_closes_the_oldest_first() -> None:
    """The first lots give the cost of what is sold, across lots and within one."""
    fills = [buy("1", "100"), buy("2", "104"), buy("3", "108"), sell("2", "110")]
    made = position(*fills, method=CostMethod.FIFO)
    assert made.realised == D(10 + 6)
    assert made.cost == D(104 + 3 * 108)
    rest = position(*fills, sell("1", "110"), sell("3", "110"), method=CostMethod.FIFO)
    assert numbers(rest) == (D(0), None, D(10 + 12 + 6))


def test_fifo_of_a_short_position() -> None:
    """Buying back covers the oldest sale first."""
    made = position(sell("1", "100"), sell("2", "90"), buy("2", "95"), method=CostMethod.FIFO)
    assert (made.realised, made.cost) == (D(5 - 5), D(-90))


def test_fifo_lots_of_exactly_one_unit() -> None:
    """A lot of one unit costs its price, whole or in parts."""
    made = position(buy("1", "7"), buy("1", "9"), sell("0.25", "10"), method=CostMethod.FIFO)
    assert made.cost == D("5.25") + 9


def test_a_third_has_no_last_digit_and_still_balances() -> None:
    """Average cost of 10/3 cannot be written down; realised and cost still add up exactly."""
    made = position(buy("1", "1"), buy("2", "4.5"), sell("1", "5"))
    assert str(made.cost) == "6." + "6" * 38 + "7"
    assert made.average_price == D("3." + "3" * 38 + "4")
    assert made.proceeds == -5
    assert made.realised == add(made.cost, D(-5))


def test_closing_at_once_or_in_parts_costs_the_same() -> None:
    """After any parts, the cost is the same share of the same lot."""
    start = [buy("3", "1"), buy("4", "2.1")]
    whole = position(*start, sell("6", "3"))
    parts = position(*start, sell("1", "3"), sell("2", "3"), sell("3", "3"))
    assert whole.cost == parts.cost
    assert whole.realised == parts.realised


def test_adding_after_a_reduction_averages_what_is_left() -> None:
    """4 at 103, one sold, one bought at 111: 4 at 105."""
    fills = [buy("1", "100"), buy("3", "104"), sell("1", "105"), buy("1", "111")]
    assert numbers(position(*fills)) == (D(4), D(105), D(2))


def test_a_fee_in_the_quote_currency_is_paid_in_cash() -> None:
    """Named or by default; it is no part of the cost."""
    ledger = books(
        buy("1", "100", fee=D("0.1")), buy("1", "100", fee=D("0.2"), fee_currency="USDT")
    )
    made = ledger.position("BTCUSDT")
    assert made.fees == D("0.3")
    assert made.cost == 200
    assert ledger.cash("USDT") == D("-200.3")


def test_a_fee_in_the_base_currency_makes_the_position_smaller() -> None:
    """A coin less a thousandth arrives; the fee counts at the price of the trade."""
    ledger = books(buy("1", "30000", fee=D("0.001"), fee_currency="BTC"))
    made = ledger.position("BTCUSDT")
    assert made.quantity == D("0.999")
    assert made.fees == 30
    assert made.average_price == 30000
    assert ledger.cash("USDT") == -30000
    assert ledger.holdings() == {"USDT": D(-30000), "BTC": D("0.999")}


def test_all_that_arrived_can_be_sold() -> None:
    """Selling exactly what is left is flat, and the loss is the fee."""
    ledger = books(buy("1", "30000", fee=D("0.001"), fee_currency="BTC"), sell("0.999", "30000"))
    made = ledger.position("BTCUSDT")
    assert (made.quantity, made.realised, made.fees) == (D(0), D(0), D(30))
    assert ledger.cash("USDT") == -30


def test_a_base_fee_on_a_sale_takes_more_coins() -> None:
    """What was sold and the fee both leave the position."""
    ledger = books(buy("2", "100"), sell("1", "110", fee=D("0.5"), fee_currency="BTC"))
    made = ledger.position("BTCUSDT")
    assert made.quantity == D("0.5")
    assert made.fees == 55
    assert made.realised == 15
    assert ledger.cash("USDT") == -200 + 110


def test_a_base_fee_as_large_as_the_purchase_leaves_nothing() -> None:
    """The smallest trade may be eaten by its fee."""
    made = position(buy("1", "100", fee=D(1), fee_currency="BTC"))
    assert (made.quantity, made.fees, made.realised) == (D(0), D(100), D(0))


def test_a_fee_in_a_third_currency_is_paid_from_its_cash() -> None:
    """It is no part of the position's fees, whose currency is another."""
    ledger = books(buy("1", "100", fee=D("0.01"), fee_currency="BNB"))
    assert ledger.position("BTCUSDT").fees == 0
    assert ledger.cash("BNB") == D("-0.01")
    assert ledger.account("BNB").fees == D("0.01")
    assert ledger.cash("USDT") == -100
    assert ledger.currencies == ("BNB", "USDT")


def test_shares_are_not_a_currency() -> None:
    """A fee that bears the name of a share's base is cash of that name, not shares."""
    ledger = books(buy("10", "400", "SPY", fee=D(1), fee_currency="SPY"))
    assert ledger.quantity("SPY") == 10
    assert ledger.cash("SPY") == -1
    assert ledger.holdings() == {"SPY": D(-1), "USD": D(-4000)}


def test_a_rebate_is_a_negative_fee() -> None:
    """Makers are paid."""
    ledger = books(buy("1", "100", fee=D("-0.02")))
    assert ledger.position("BTCUSDT").fees == D("-0.02")
    assert ledger.cash("USDT") == D("-99.98")


def test_contracts_pay_gains_not_prices() -> None:
    """A future binds no cash at the trade; its realised profit, times the multiplier, does."""
    opened = buy("2", "5000.25", "ESM4", fee=D("4.5"))
    ledger = books(opened)
    assert ledger.cash("USD") == D("-4.5")
    assert ledger.position("ESM4").unrealised(D("5010.25")) == 1000
    assert ledger.position("ESM4").average_price == D("5000.25")
    assert ledger.account("USD").cash == D("-4.5")
    ledger.apply(sell("1", "5010.25", "ESM4"))
    assert ledger.cash("USD") == D("495.5")
    assert ledger.account("USD").cash == D("495.5")
    assert ledger.account("USD").margined_cost == D("250012.5")
    assert ledger.holdings() == {"USD": D("495.5")}


def test_contracts_do_not_disturb_the_cash_of_others() -> None:
    """Shares and contracts in one currency are settled each in its own way."""
    ledger = books(buy("1", "5000", "ESM4"), buy("3", "400", "SPY"), buy("1", "100"))
    assert ledger.cash("USD") == -1200
    assert ledger.cash("USDT") == -100
    account = ledger.account("USD")
    assert (account.cost, account.margined_cost, account.proceeds) == (
        D(251200),
        D(250000),
        D(-251200),
    )


def test_negative_prices_are_booked_as_they_are() -> None:
    """Who bought oil at -37 was paid; sold at 10, the gain is 47 a unit."""
    made = position(buy("1", "-37", "ESM4"), sell("1", "10", "ESM4"))
    assert made.realised == 47 * 50


def test_huge_and_tiny_numbers_keep_every_digit() -> None:
    """1e15 coins at 1e-12 beside one at 99999999.99, to the last digit."""
    ledger = books(
        buy("1000000000000000", "0.000000000001", fee=D("1E-12")),
        buy("0.00001", "99999999.99"),
    )
    assert str(ledger.cash("USDT")) == "-1999.999999900001"
    assert ledger.quantity("BTCUSDT") == D("1000000000000000.00001")


def test_a_repeated_fill_is_booked_once() -> None:
    """The second report says False and changes nothing, even with another fee and time."""
    fill = buy("1", "100", fee=D(1))
    ledger = books(fill)
    before = ledger.state()
    assert ledger.apply(fill) is False
    assert ledger.apply(replace(fill, fee=D(2), client_id="x")) is False
    assert ledger.state() == before


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({"price": D(101)}, "1 at 101"),
        ({"quantity": D(2)}, "2 at 100"),
        ({"side": Side.SELL}, "-1 at 100"),
    ],
)
def test_one_trade_id_cannot_stand_for_two_trades(changes: dict[str, Any], now: str) -> None:
    """Another trade under a known id is an error with both, and nothing is booked."""
    fill = buy("1", "100", trade_id="t")
    ledger = books(fill)
    before = ledger.state()
    with pytest.raises(ConflictingFillError) as caught:
        ledger.apply(replace(fill, **changes))
    assert str(caught.value) == (
        f"trade 't' of BTCUSDT was booked as 1 at 100 and is now reported as {now};"
        " expected one trade per trade id; to fix it: stop trading and reconcile with the venue"
    )
    assert ledger.state() == before


def test_trade_ids_are_unique_per_symbol_only() -> None:
    """Venues number the trades of each symbol on their own."""
    ledger = books(buy("1", "100", trade_id="1"), buy("2", "50", "ETHUSDT", trade_id="1"))
    assert ledger.quantity("BTCUSDT") == 1
    assert ledger.quantity("ETHUSDT") == 2


def test_an_unknown_symbol_is_named_with_the_known_ones() -> None:
    """A fill that comes before its instrument is refused, not lost: it can be booked later."""
    fill = buy("1", "1", "XRPUSDT")
    ledger = Ledger([BTC, ETH])
    with pytest.raises(UnknownInstrumentError) as caught:
        ledger.apply(fill)
    assert str(caught.value) == (
        "the ledger has no instrument 'XRPUSDT'; expected BTCUSDT, ETHUSDT;"
        " to fix it: add the instrument, then book again"
    )
    ledger.add_instrument(replace(BTC, symbol="XRPUSDT", base="XRP"))
    assert ledger.apply(fill)
    with pytest.raises(UnknownInstrumentError, match="expected an instrument to be added first"):
        Ledger().position("X")


def test_new_filters_take_the_place_of_the_old_ones() -> None:
    """A venue may change ticks during a session; the position stays."""
    ledger = books(buy("1", "100"))
    changed = replace(BTC, tick=D("0.1"))
    ledger.add_instrument(changed)
    assert ledger.instrument("BTCUSDT") == changed
    assert ledger.quantity("BTCUSDT") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", InstrumentKind.FUTURE),
        ("base", "WBTC"),
        ("quote", "USDC"),
        ("multiplier", D(2)),
    ],
)
def test_what_the_books_are_kept_in_cannot_change(name: str, value: Any) -> None:
    """Another currency or multiplier would change what was already booked."""
    ledger = Ledger([BTC])
    with pytest.raises(LedgerError) as caught:
        ledger.add_instrument(replace(BTC, **{name: value}))
    assert str(caught.value) == (
        f"{name} of BTCUSDT cannot change from {getattr(BTC, name)} to {value};"
        " expected the same instrument with other filters;"
        " to fix it: give the new contract a symbol of its own"
    )
    assert ledger.instrument("BTCUSDT") == BTC


def test_positions_are_listed_by_symbol() -> None:
    """Only those that are open, in alphabetical order."""
    ledger = books(
        buy("1", "5", "SPY"), buy("1", "5"), buy("1", "5", "ETHUSDT"), sell("1", "5", "ETHUSDT")
    )
    assert list(ledger.positions()) == ["BTCUSDT", "SPY"]
    assert ledger.positions()["SPY"] == ledger.position("SPY")
    assert ledger.quantities() == {"BTCUSDT": 1, "SPY": 1}


def test_holdings_add_coins_of_several_pairs_to_cash() -> None:
    """Coins bought in two pairs and the same currency as cash are one holding."""
    euro = replace(BTC, symbol="BTCEUR", quote="EUR")
    cross = replace(ETH, symbol="ETHBTC", quote="BTC")
    ledger = Ledger([BTC, euro, cross])
    for fill in (buy("1", "100"), buy("2", "90", "BTCEUR"), buy("10", "0.05", "ETHBTC")):
        ledger.apply(fill)
    assert ledger.holdings() == {
        "BTC": D("2.5"),
        "ETH": D(10),
        "EUR": D(-180),
        "USDT": D(-100),
    }


def test_a_position_is_a_value() -> None:
    """What was read does not change with the next fill."""
    ledger = books(buy("1", "100"))
    before = ledger.position("BTCUSDT")
    state = ledger.state()
    ledger.apply(sell("0.5", "100"))
    assert before.quantity == 1
    assert state.books[0].lots[0].quantity == 1
    assert state != ledger.state()
