"""The unmodified ``ccxt.binance`` trades on the practice exchange: sync, async and streaming."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import ccxt  # type: ignore[import-untyped]  # has no types
import ccxt.async_support  # type: ignore[import-untyped]  # has no types
import ccxt.pro  # type: ignore[import-untyped]  # has no types
import pytest

from rustybt.exchange.serving import Exchange, ExchangeProcess, practice_process, running_exchange

SYMBOL = "ELM/USDT"
DAY = 86_400_000


@pytest.fixture(scope="module")
def process() -> Iterator[ExchangeProcess]:
    """Give a practice exchange in a process of its own."""
    with practice_process("--speed", "step", "--balance", "USDT=1000000") as running:
        yield running


@pytest.fixture(scope="module")
def binance(process: ExchangeProcess) -> ccxt.binance:
    """Give ccxt's class with nothing but its addresses changed, and numbers as text."""
    client = ccxt.binance(process.ccxt_config())
    client.number = str
    client.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
    client.load_markets()
    return client


def exact(value: str) -> Decimal:
    """Return what ccxt says as a number; anything but text would have been through a float."""
    assert isinstance(value, str)
    return Decimal(value)


def test_markets_and_their_filters_are_known(binance: ccxt.binance) -> None:
    """Both practice coins are there, with the grid in exact digits."""
    assert sorted(binance.markets) == ["ELM/USDT", "OAK/USDT"]
    market = binance.markets[SYMBOL]
    assert market["active"]
    assert market["precision"]["amount"] == "0.00001"
    assert market["precision"]["price"] == "0.01"
    assert market["limits"]["cost"]["min"] == "5"


def test_time_prices_and_candles_are_told(binance: ccxt.binance) -> None:
    """Time is now; ticker, book and candles speak of the same market."""
    assert abs(binance.fetch_time() - binance.milliseconds()) < 5_000
    candles = binance.fetch_ohlcv(SYMBOL, "1d", limit=3)
    assert [each[0] - candles[0][0] for each in candles] == [0, DAY, 2 * DAY]
    last = exact(candles[-1][4])
    ticker = binance.fetch_ticker(SYMBOL)
    assert exact(ticker["last"]) == last
    book = binance.fetch_order_book(SYMBOL, limit=5)
    assert len(book["bids"]) == len(book["asks"]) == 5
    assert book["bids"][0][0] < float(last) < book["asks"][0][0]
    assert binance.fetch_ohlcv(SYMBOL, "1w")[0][0] % DAY == 0
    assert exact(binance.fetch_trades(SYMBOL)[-1]["price"]) == last
    assert exact(binance.fetch_bids_asks([SYMBOL])[SYMBOL]["bid"]) < last
    again = binance.fetch_ohlcv(SYMBOL, "1d", since=candles[0][0], limit=2)
    assert [each[0] for each in again] == [candles[0][0], candles[1][0]]


def test_a_market_order_fills_and_moves_exact_money(binance: ccxt.binance) -> None:
    """Balance, fee and trade agree to the last digit."""
    before = exact(binance.fetch_balance()["USDT"]["free"])
    order = binance.create_order(SYMBOL, "market", "buy", "2.25040")
    assert order["status"] == "closed"
    assert exact(order["filled"]) == Decimal("2.2504")
    trades = binance.fetch_my_trades(SYMBOL, params={"orderId": order["id"]})
    paid = sum(exact(each["cost"]) + exact(each["fee"]["cost"]) for each in trades)
    balance = binance.fetch_balance()
    assert exact(balance["USDT"]["free"]) == before - paid
    assert exact(order["fee"]["cost"]) == exact(order["cost"]) / 1000
    assert trades[0]["takerOrMaker"] == "taker"
    assert binance.create_order(SYMBOL, "market", "sell", "2.25040")["status"] == "closed"


@pytest.mark.parametrize(
    ("kind", "side", "price", "params", "wire"),
    [
        ("limit", "buy", "0.9", {}, "LIMIT"),
        ("limit", "buy", "0.9", {"postOnly": True}, "LIMIT_MAKER"),
        ("market", "buy", None, {"stopLossPrice": "1.1"}, "STOP_LOSS"),
        ("limit", "buy", "1.2", {"stopLossPrice": "1.1"}, "STOP_LOSS_LIMIT"),
        ("market", "buy", None, {"takeProfitPrice": "0.9"}, "TAKE_PROFIT"),
        ("limit", "buy", "0.9", {"takeProfitPrice": "0.95"}, "TAKE_PROFIT_LIMIT"),
    ],
)
def test_every_type_of_order_can_be_created_found_and_cancelled(
    binance: ccxt.binance,
    kind: str,
    side: str,
    price: str | None,
    params: dict[str, Any],
    wire: str,
) -> None:
    """Prices are given as multiples of the last one here."""
    last = exact(binance.fetch_ticker(SYMBOL)["last"])

    def near(multiple: str) -> str:
        return str(binance.price_to_precision(SYMBOL, str(last * Decimal(multiple))))

    terms = {name: near(each) if isinstance(each, str) else each for name, each in params.items()}
    order = binance.create_order(
        SYMBOL, kind, side, "1.5", None if price is None else near(price), terms
    )
    found = binance.fetch_order(order["id"], SYMBOL)
    assert (found["info"]["type"], found["status"], found["filled"]) == (wire, "open", "0")
    assert exact(found["amount"]) == Decimal("1.5")
    if price is not None:
        assert exact(found["price"]) == Decimal(near(price))
    if found["info"].get("stopPrice"):
        given = next(each for name, each in terms.items() if name.endswith("Price"))
        assert exact(found["triggerPrice"]) == Decimal(given)
    ended = binance.cancel_order(order["id"], SYMBOL)
    assert ended["status"] == "canceled"
    assert ended["info"]["origClientOrderId"] == order["clientOrderId"]


def test_an_order_is_found_by_its_own_name_and_edited_into_a_new_one(
    binance: ccxt.binance,
) -> None:
    """Editing is cancel-replace: a new id, the old order cancelled."""
    order = binance.create_order(SYMBOL, "limit", "buy", "1", "80", {"clientOrderId": "mine"})
    named = binance.fetch_order("", SYMBOL, {"origClientOrderId": "mine"})
    assert named["id"] == order["id"]
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate"):
        binance.create_order(SYMBOL, "limit", "buy", "1", "80", {"clientOrderId": "mine"})
    edited = binance.edit_order(order["id"], SYMBOL, "limit", "buy", "2", "81")
    assert edited["id"] != order["id"]
    assert (edited["amount"], edited["price"], edited["status"]) == ("2", "81", "open")
    assert binance.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    assert [each["id"] for each in binance.fetch_open_orders(SYMBOL)] == [edited["id"]]
    binance.create_order(SYMBOL, "limit", "buy", "1", "79")
    assert len(binance.fetch_open_orders()) == 2
    assert len(binance.cancel_all_orders(SYMBOL)) == 2
    assert binance.fetch_open_orders(SYMBOL) == []
    assert edited["id"] in [each["id"] for each in binance.fetch_orders(SYMBOL)]


def test_refusals_become_the_exceptions_that_ccxt_has_for_them(
    process: ExchangeProcess, binance: ccxt.binance
) -> None:
    """Each code means to ccxt what it means on the real venue."""
    create = binance.create_order
    with pytest.raises(ccxt.InsufficientFunds):
        create(SYMBOL, "limit", "buy", "90000", "80")
    with pytest.raises(ccxt.BadRequest, match="NOTIONAL"):
        create(SYMBOL, "limit", "buy", "0.01", "80")
    with pytest.raises(ccxt.OrderNotFound):
        binance.fetch_order("999999", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        binance.cancel_order("999999", SYMBOL)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        create(SYMBOL, "limit", "buy", "1", "200", {"postOnly": True})
    config = process.ccxt_config()
    with pytest.raises(ccxt.AuthenticationError):
        ccxt.binance({**config, "secret": "wrong"}).fetch_balance()
    with pytest.raises(ccxt.AuthenticationError):
        ccxt.binance({**config, "apiKey": "wrong"}).fetch_balance()
    late = ccxt.binance(config)
    late.options["timeDifference"] = 60_000
    with pytest.raises(ccxt.InvalidNonce):
        late.fetch_balance()


def with_pro(work: Callable[[Exchange, Any], Awaitable[None]], *, pro: bool = True) -> None:
    """Run *work* with an exchange in this process and an asynchronous ccxt class."""

    async def run() -> None:
        async with running_exchange() as exchange:
            module = ccxt.pro if pro else ccxt.async_support
            client = module.binance(exchange.ccxt_config())
            client.number = str
            try:
                await client.load_markets()
                await asyncio.wait_for(work(exchange, client), 60)
            finally:
                await client.close()

    asyncio.run(run())


def test_the_asynchronous_class_trades_too() -> None:
    """The same calls over aiohttp."""

    async def work(exchange: Exchange, client: Any) -> None:
        order = await client.create_order(SYMBOL, "limit", "buy", "1.5", "80")
        assert exact(order["amount"]) == Decimal("1.5")
        assert (await client.fetch_balance())["USDT"]["used"] == "120.0"
        assert [each["id"] for each in await client.fetch_open_orders(SYMBOL)] == [order["id"]]
        assert (await client.cancel_order(order["id"], SYMBOL))["status"] == "canceled"
        assert exchange.venue.open_orders(exchange.account) == []

    with_pro(work, pro=False)


def test_candles_come_over_the_stream() -> None:
    """Every step of the market sends the candle that closed."""

    async def work(exchange: Exchange, client: Any) -> None:
        first = asyncio.ensure_future(client.watch_ohlcv(SYMBOL, "1d"))
        await exchange.server.hub.subscribed.wait()
        exchange.step()
        bar = exchange.venue.tapes[SYMBOL].last
        assert bar is not None
        seen = (await first)[-1]
        assert seen[0] == int(bar.start.timestamp() * 1000)
        assert [Decimal(str(each)) for each in seen[1:]] == [
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
        ]

    with_pro(work)


def test_orders_trades_and_balances_come_over_the_user_stream() -> None:
    """An acceptance, a fill and a cancel reach who watches orders, with exact amounts."""

    async def work(exchange: Exchange, client: Any) -> None:
        watching = asyncio.ensure_future(client.watch_orders(SYMBOL))
        await exchange.server.hub.subscribed.wait()
        order = await client.create_order(SYMBOL, "limit", "buy", "1.5", "80")
        (accepted,) = await watching
        assert (accepted["id"], accepted["status"]) == (order["id"], "open")
        watching = asyncio.ensure_future(client.watch_orders(SYMBOL))
        await client.cancel_order(order["id"], SYMBOL)
        ended = (await watching)[-1]
        assert (ended["id"], ended["status"]) == (order["id"], "canceled")
        assert ended["clientOrderId"] == order["clientOrderId"]
        trading = asyncio.ensure_future(client.watch_my_trades(SYMBOL))
        balance = asyncio.ensure_future(client.watch_balance())
        await asyncio.sleep(0)
        bought = await client.create_order(SYMBOL, "market", "buy", "1.25")
        (trade,) = await trading
        assert (trade["order"], exact(trade["amount"])) == (bought["id"], Decimal("1.25"))
        await balance

    with_pro(work)
