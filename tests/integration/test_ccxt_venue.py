"""The venue and the feed of ccxt against the practice exchange, with its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import Access
from rustybt.adapters.venue.feed import CcxtFeed
from rustybt.adapters.venue.markets import read_instruments
from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.records import Trading
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.model.approval import RiskApproved
from rustybt.model.bar import Bar
from rustybt.model.event import (
    BarClosed,
    ConnectionLost,
    ConnectionRestored,
    OrderFilled,
    OrderReplaced,
    OrderUpdated,
)
from rustybt.model.instrument import Side
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import OrderState
from rustybt.risk import PortfolioSnapshot, RiskLimits, RiskManager
from rustybt.trading.clocks import WallClock
from rustybt.trading.reports import (
    InstrumentsChanged,
    OrderFound,
    OrderMissing,
    Outcome,
    RequestFailed,
    VenueSnapshot,
)

ELM = "ELM/USDT"
DAY = timedelta(days=1)


class Desk:
    """A venue at work, and what it has told."""

    def __init__(self, exchange: Exchange, **options: Any) -> None:
        self.exchange = exchange
        self.access = Access("practice", "binance", exchange.ccxt_config())
        self.venue = CcxtVenue(self.access, clock=WallClock(), **options)
        self.told: list[Any] = []

    async def __aenter__(self) -> Desk:
        self.instruments = dict(await self.venue.start(self.told.append))
        await asyncio.wait_for(self.exchange.server.hub.subscribed.wait(), 20)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.venue.stop()

    def order(self, number: int, price: str | None = "50", quantity: str = "1") -> RiskApproved:
        """Return an approved purchase, at a limit if there is a *price*."""
        order = Order(
            client_id=f"RBT-1-{number}",
            symbol=ELM,
            side=Side.BUY,
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            quantity=Decimal(quantity),
            price=None if price is None else Decimal(price),
            created=datetime.now(UTC),
        )
        portfolio = PortfolioSnapshot(
            currency="USDT",
            equity=Decimal(10**9),
            day_start_equity=Decimal(10**9),
            instruments=self.instruments,
            positions={},
            prices={ELM: Decimal(100)},
        )
        answer = RiskManager(RiskLimits()).review(order, portfolio, order.created)
        assert isinstance(answer, RiskApproved)
        return answer

    async def hears(self, kind: type, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the first event of *kind* for which something holds, once it was told."""
        return await heard(self.told, kind, holds)


async def heard(told: list[Any], kind: type, holds: Callable[[Any], bool]) -> Any:
    """Return the first event of *kind* in *told* for which something holds, once it is there."""
    async with asyncio.timeout(60):
        while True:
            for event in told:
                if isinstance(event, kind) and holds(event):
                    return event
            await asyncio.sleep(0.01)


def practise(story: Callable[[Desk], Any], **options: Any) -> None:
    """Run *story* at a venue of its own."""

    async def whole() -> None:
        async with running_exchange(stamp="clock") as exchange, Desk(exchange, **options) as desk:
            await story(desk)

    asyncio.run(whole())


def test_an_order_lives_its_life() -> None:
    """Bought at the market, or resting, changed, found and cancelled; the account tells of it."""

    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.submit([desk.order(1, None)])
        fill = (await desk.hears(OrderFilled)).fill
        assert (fill.client_id, fill.quantity, fill.symbol) == ("RBT-1-1", Decimal(1), ELM)
        venue.submit([desk.order(2)])
        await desk.hears(OrderUpdated, lambda each: each.client_id == "RBT-1-2")
        venue.modify(desk.order(2, "51.5", "2"))
        changed = await desk.hears(OrderReplaced)
        assert (changed.quantity, changed.price) == (Decimal(2), Decimal("51.5"))
        venue.query("RBT-1-2", ELM)
        found = await desk.hears(OrderFound)
        assert (found.order.quantity, found.order.venue_id) == (Decimal(2), changed.venue_id)
        venue.cancel("RBT-1-2")
        await desk.hears(OrderUpdated, lambda each: each.state is OrderState.CANCELLED)
        venue.query("RBT-1-99", ELM)
        assert "does not exist" in (await desk.hears(OrderMissing)).reason
        venue.snapshot([ELM], None)
        account = await desk.hears(VenueSnapshot)
        held = {each.currency: each.free + each.used for each in account.balances}
        assert held["ELM"] == Decimal(1)
        assert (account.orders, len(account.fills)) == ((), 1)
        assert len([each for each in desk.told if isinstance(each, OrderFilled)]) == 1
        venue.query("RBT-1-1", ELM)
        whole = await desk.hears(OrderFound, lambda each: each.client_id == "RBT-1-1")
        assert [each.trade_id for each in whole.fills] == [fill.trade_id]

    practise(story)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (FaultKind.DROP_REPLY, Outcome.UNKNOWN),
        (FaultKind.GARBAGE_REPLY, Outcome.UNKNOWN),
        (FaultKind.UNKNOWN_OUTCOME, Outcome.UNKNOWN),
        (FaultKind.RATE_LIMIT, Outcome.REFUSED),
    ],
)
def test_what_becomes_of_a_create_that_goes_wrong(fault: FaultKind, outcome: Outcome) -> None:
    """It is told once and sent once; after a refusal for haste nothing leaves for a while."""

    async def story(desk: Desk) -> None:
        desk.exchange.faults.add(Fault(kind=fault, method="POST", endpoint="order", count=1))
        desk.venue.submit([desk.order(1)])
        failed = await desk.hears(RequestFailed)
        assert (failed.outcome, failed.client_id) == (outcome, "RBT-1-1")
        assert desk.exchange.secret not in failed.reason
        if fault is FaultKind.RATE_LIMIT:
            assert failed.retry_after
            desk.venue.submit([desk.order(2)])
            held = await desk.hears(RequestFailed, lambda each: each.client_id == "RBT-1-2")
            assert held.outcome is Outcome.NOT_SENT
        elif fault is not FaultKind.UNKNOWN_OUTCOME:
            desk.venue.query("RBT-1-1", ELM)
            assert (await desk.hears(OrderFound)).order.state is OrderState.ACCEPTED

    practise(story)


def test_a_refusal_is_told_and_new_filters_are_read() -> None:
    """Too little money; a tick that changed; what cannot be cancelled or modified."""

    async def story(desk: Desk) -> None:
        venue = desk.venue
        venue.submit([desk.order(1, "60", "100000")])
        failed = await desk.hears(RequestFailed)
        assert (failed.outcome, "InsufficientFunds" in failed.reason) == (Outcome.REFUSED, True)
        wide = Decimal("0.5")
        listed = desk.exchange.venue.floor.instruments[ELM]
        from msgspec.structs import replace

        desk.exchange.venue.set_instrument(replace(listed, tick=wide))
        venue.submit([desk.order(2, "50.01")])
        changed = await desk.hears(InstrumentsChanged)
        assert [each.tick for each in changed.instruments] == [wide]
        venue.submit([desk.order(3, "50.01")])
        refused = await desk.hears(RequestFailed, lambda each: each.client_id == "RBT-1-3")
        assert "tick" in refused.reason
        venue.cancel("RBT-1-98")
        await desk.hears(RequestFailed, lambda each: each.client_id == "RBT-1-98")
        venue.modify(desk.order(97))
        await desk.hears(RequestFailed, lambda each: each.client_id == "RBT-1-97")

    practise(story)


def test_a_stream_that_is_cut_is_opened_again() -> None:
    """It is told as lost, once, and as restored; trades in between come with the snapshot."""

    async def story(desk: Desk) -> None:
        desk.exchange.cut()
        await desk.hears(ConnectionLost)
        await desk.hears(ConnectionRestored)
        desk.venue.submit([desk.order(1, None)])
        await desk.hears(OrderFilled)

    practise(story)


def test_a_reply_behind_its_events_is_no_silence_of_the_stream() -> None:
    """An order of which the stream has told before the reply came is not waited for once more."""

    async def story(desk: Desk) -> None:
        late = Fault(kind=FaultKind.DELAY_REPLY, method="POST", endpoint="order", delay=1.0)
        desk.exchange.faults.add(late)
        desk.venue.submit([desk.order(1, None)])
        await desk.hears(OrderFilled)
        await asyncio.sleep(3)
        assert not [event for event in desk.told if isinstance(event, ConnectionLost)]

    practise(story, silence=0.2)


def test_a_halt_is_noticed_without_an_order_and_its_orders_are_still_told_of() -> None:
    """What is traded is read again with snapshots; an order in a market that is halted is known."""

    async def story(desk: Desk) -> None:
        desk.venue.submit([desk.order(1)])
        await desk.hears(OrderUpdated, lambda each: each.state is OrderState.ACCEPTED)
        desk.exchange.venue.set_trading(ELM, Trading.BREAK, desk.exchange.server.now())
        desk.venue.snapshot([ELM], None)
        assert (await desk.hears(InstrumentsChanged)).gone == (ELM,)
        desk.venue.query("RBT-1-1", ELM)
        assert (await desk.hears(OrderFound)).order.state is OrderState.ACCEPTED
        desk.exchange.venue.set_trading(ELM, Trading.TRADING, desk.exchange.server.now())
        desk.venue.snapshot([ELM], None)
        back = await desk.hears(InstrumentsChanged, lambda each: bool(each.instruments))
        assert [each.symbol for each in back.instruments] == [ELM]
        desk.exchange.venue.set_trading(ELM, Trading.DELISTED, desk.exchange.server.now())
        desk.told.clear()
        desk.venue.snapshot([ELM], None)
        account = await desk.hears(VenueSnapshot)
        assert [each.currency for each in account.balances] == ["USDT"]

    practise(story, markets_every=0.0)


def test_an_order_on_its_way_is_not_missing() -> None:
    """What the venue does not know yet may still arrive: the question waits for the request."""

    async def story(desk: Desk) -> None:
        late = Fault(kind=FaultKind.DELAY_REQUEST, method="POST", endpoint="order", delay=1.0)
        desk.exchange.faults.add(late)
        order = desk.order(1, None)
        desk.venue.submit([order])
        desk.venue.query(order.order.client_id, order.order.symbol)
        found = await desk.hears(OrderFound)
        assert found.client_id == order.order.client_id
        assert not [event for event in desk.told if isinstance(event, OrderMissing)]

    practise(story)


def test_a_venue_that_cannot_be_used_says_why() -> None:
    """A wrong secret, nobody there, and a symbol that is not traded."""

    async def story() -> None:
        async with running_exchange() as exchange:
            right = exchange.ccxt_config()
            wrong = Access("practice", "binance", {**right, "secret": "another"})
            with pytest.raises(VenueError, match="practice cannot be used") as raised:
                await CcxtVenue(wrong, clock=WallClock()).start(lambda _: None)
            assert "another" not in str(raised.value)
            access = Access("practice", "binance", right)
            with pytest.raises(VenueError, match="does not trade BTC/EUR"):
                await read_instruments(access, ["BTC/EUR"])
            assert list(await read_instruments(access, [ELM])) == [ELM]
        with pytest.raises(VenueError, match="no markets of practice"):
            await read_instruments(access, [ELM])
        with pytest.raises(VenueError, match="no bars of practice"):
            await CcxtFeed(access, clock=WallClock()).start(lambda _: None, [ELM], DAY)

    asyncio.run(story())


def test_bars_come_once_in_order_and_missed_ones_first() -> None:
    """Over a cut and a silence: each closed bar once, none left out, the feed lost and back."""

    async def story() -> None:
        async with running_exchange() as exchange:
            access = Access("practice", "binance", exchange.ccxt_config())
            feed, told = CcxtFeed(access, clock=WallClock(), silence=2), list[Any]()
            await feed.start(told.append, [ELM], DAY)

            def starts() -> list[datetime]:
                return [each.bar.start for each in told if isinstance(each, BarClosed)]

            async def until(holds: Callable[[], bool], *, steps: bool = False) -> None:
                async with asyncio.timeout(30):
                    while not holds():
                        if steps:
                            exchange.step()
                        await asyncio.sleep(0.1)

            await until(lambda: len(starts()) > 2, steps=True)
            exchange.cut()
            exchange.step(3)
            seen = len(starts())
            await until(lambda: len(starts()) > seen + 3, steps=True)
            back = ConnectionRestored
            await until(lambda: any(isinstance(each, back) for each in told), steps=True)
            await until(lambda: sum(isinstance(each, ConnectionLost) for each in told) > 1)
            seen = len(starts())
            await until(lambda: len(starts()) > seen, steps=True)
            await feed.stop()
            days = starts()
            assert days == [days[0] + number * DAY for number in range(len(days))]
            assert any(isinstance(each, ConnectionRestored) for each in told)
            closes = [each.bar.close for each in told if isinstance(each, BarClosed)]
            candles = {bar.start: bar.close for bar in exchange.venue.tapes[ELM].bars}
            assert all(
                candles.get(day, close) == close for day, close in zip(days, closes, strict=True)
            )

    asyncio.run(story())


def test_an_interval_that_nobody_offers_is_refused() -> None:
    """The ones that there are, are named."""

    async def story() -> None:
        async with running_exchange() as exchange:
            access = Access("practice", "binance", exchange.ccxt_config())
            with pytest.raises(VenueError, match="has no bars of 0:00:07"):
                await CcxtFeed(access, clock=WallClock()).start(
                    lambda _: None, [ELM], timedelta(seconds=7)
                )

    asyncio.run(story())


def test_orders_that_wait_are_not_sent_after_a_ban() -> None:
    """Those in the bucket are told as not sent when the ban begins, not traded when it ends."""

    async def story(desk: Desk) -> None:
        limit = Fault(kind=FaultKind.RATE_LIMIT, method="POST", endpoint="order", retry_after=60)
        desk.exchange.faults.add(limit)
        desk.venue.submit([desk.order(1)])
        desk.venue.submit([desk.order(2)])
        failed = await desk.hears(RequestFailed, lambda each: each.client_id == "RBT-1-2")
        assert failed.outcome is Outcome.NOT_SENT
        assert not any(isinstance(each, OrderUpdated) for each in desk.told)

    practise(story, rate=0.01, burst=1)


def test_a_secret_is_masked_before_a_message_is_cut() -> None:
    """A key that lies across the end of a long message shows none of its digits."""
    key = "0123456789abcdef" * 4
    venue = CcxtVenue(Access("practice", "binance", {"apiKey": key}), clock=WallClock())
    assert "01234567" not in venue._said(ValueError("x " * 130 + key))


def test_an_outage_longer_than_two_pages_leaves_no_gap() -> None:
    """Bars missed while the feed was cut off are fetched page by page."""

    async def story() -> None:
        minute, began, number = timedelta(minutes=1), datetime(2024, 1, 1, tzinfo=UTC), Decimal(100)
        bars = [
            Bar(
                symbol=ELM,
                start=began + each * minute,
                end=began + (each + 1) * minute,
                open=number,
                high=number,
                low=number,
                close=number,
                volume=number,
            )
            for each in range(1900)
        ]
        async with running_exchange(bars=bars) as exchange:
            access = Access("practice", "binance", exchange.ccxt_config())
            feed, told = CcxtFeed(access, clock=WallClock()), list[Any]()
            await feed.start(told.append, [ELM], minute)

            def starts() -> list[datetime]:
                return [each.bar.start for each in told if isinstance(each, BarClosed)]

            async with asyncio.timeout(60):
                while not starts():
                    exchange.step()
                    await asyncio.sleep(0.05)
                exchange.cut()
                exchange.step(1600)
                while len(starts()) < 1600:
                    exchange.step()
                    await asyncio.sleep(0.05)
            await feed.stop()
            found = starts()
            assert found == [found[0] + each * minute for each in range(len(found))]

    asyncio.run(story())


def test_a_snapshot_says_whether_it_has_every_trade() -> None:
    """More trades than a page are all told, of the right orders; as far back as one likes, not."""

    async def story(desk: Desk) -> None:
        first = datetime.now(UTC) - timedelta(minutes=1)
        count = 520
        for number in range(count):
            desk.venue.submit([desk.order(1000 + number, None, "0.1")])
        await desk.hears(OrderFilled, lambda each: each.fill.client_id == f"RBT-1-{999 + count}")
        reader = CcxtVenue(desk.access, clock=WallClock())  # it knows of none of the orders
        told: list[Any] = []
        await reader.start(told.append)
        reader.snapshot([ELM], first)
        whole = await heard(told, VenueSnapshot, lambda each: each.since == first)
        reader.snapshot([ELM], None)
        newest = await heard(told, VenueSnapshot, lambda each: each.since is None)
        await reader.stop()
        assert whole.complete
        named = {f"RBT-1-{1000 + number}" for number in range(count)}
        assert {fill.client_id for fill in whole.fills} == named
        assert len(whole.fills) == count
        assert not newest.complete
        assert len(newest.fills) < count

    practise(story, rate=10_000.0, burst=10_000)


def test_clocks_that_are_apart_are_no_start() -> None:
    """An order signed at another time than the venue's may be refused at any moment."""

    async def story() -> None:
        def ahead() -> datetime:
            return datetime.now(UTC) + timedelta(seconds=3)

        async with running_exchange(clock=ahead) as exchange:
            access = Access("practice", "binance", exchange.ccxt_config())
            with pytest.raises(VenueError, match="ms ahead of this machine's"):
                await CcxtVenue(access, clock=WallClock()).start(lambda _: None)

    asyncio.run(story())
