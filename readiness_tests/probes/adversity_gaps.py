"""Trade by data with holes: bars left out, an outage, late, old and partial bars, silence."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from readiness_tests.probes.adversity_market import MINUTE, START, Planned, bar_at, session
from readiness_tests.probes.adversity_session import IMPATIENCE_S, PATIENCE_S, SYMBOL
from rustybt.adapters.venue.exchange import Access
from rustybt.adapters.venue.feed import CcxtFeed
from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed, ConnectionLost, ConnectionRestored
from rustybt.trading.clocks import WallClock
from rustybt.trading.settings import GuardSettings

DAY = timedelta(days=1)
FEED = "feed"


def main(_: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of each case."""
    return asyncio.run(_feeds()) | {
        "hole": _hole(),
        "cut off": _cut_off(),
        "late": _late(),
        "old": _old(),
        "silent": _silent(),
    }


# The feed, on the practice exchange


class Listener:
    """A feed that is running, and what it has told; none waits long after one waited in vain."""

    patience: ClassVar[float] = PATIENCE_S

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.told: list[Any] = []
        access = Access("practice", "binance", exchange.ccxt_config())
        self.feed = CcxtFeed(access, clock=WallClock())

    @property
    def bars(self) -> list[Bar]:
        """The bars that were told."""
        return [each.bar for each in self.told if isinstance(each, BarClosed)]

    def count(self, kind: type) -> int:
        """Return how many events of *kind* were told."""
        return sum(isinstance(each, kind) for each in self.told)

    async def until(self, holds: Callable[[], bool], *, steps: bool = False) -> bool:
        """Wait until something holds or patience has ended, and tell which."""
        end = asyncio.get_running_loop().time() + self.patience
        while not holds():
            if asyncio.get_running_loop().time() > end:
                Listener.patience = IMPATIENCE_S
                return False
            if steps:
                self.exchange.step()
            await asyncio.sleep(0.1)
        return True

    def account(self) -> dict[str, Any]:
        """Return how the bars that were told compare with those that the exchange has shown."""
        tape = {bar.start: bar for bar in self.exchange.venue.tapes[SYMBOL].bars}
        bars = self.bars
        return {
            "bars": len(bars),
            "apart": sorted({(b.start - a.start).days for a, b in itertools.pairwise(bars)}),
            "wrong": [f"{bar.start:%m-%d}" for bar in bars if _differs(bar, tape.get(bar.start))],
            "lost": self.count(ConnectionLost),
            "restored": self.count(ConnectionRestored),
        }


def _differs(bar: Bar, shown: Bar | None) -> bool:
    """Tell whether a bar is not what the exchange shows."""
    if shown is None:
        return True
    return (bar.open, bar.high, bar.low, bar.close) != (
        shown.open,
        shown.high,
        shown.low,
        shown.close,
    )


async def _feeds() -> dict[str, Any]:
    """Return what the feed made of each case."""
    return {
        "left out": await _listening(_leave_out),
        "outage": await _listening(_break_down),
        "partial": await _listening(_show_partial),
    }


async def _listening(story: Callable[[Listener], Any]) -> dict[str, Any]:
    """Run *story* on a feed that has told two bars."""
    async with running_exchange() as exchange:
        listener = Listener(exchange)
        await listener.feed.start(listener.told.append, [SYMBOL], DAY)
        try:
            await listener.until(lambda: len(listener.bars) > 1, steps=True)
            await story(listener)
        finally:
            await listener.feed.stop()
        return listener.account()


async def _leave_out(listener: Listener) -> None:
    """The stream leaves three bars out."""
    seen = len(listener.bars)
    fault = Fault(kind=FaultKind.DROP_EVENT, endpoint="kline", count=None)
    number = listener.exchange.faults.add(fault)
    listener.exchange.step(3)
    await asyncio.sleep(0.3)
    listener.exchange.faults.remove(number)
    await listener.until(lambda: len(listener.bars) > seen + 4, steps=True)


async def _break_down(listener: Listener) -> None:
    """Connections are cut, and for a while candles cannot be fetched either."""
    seen = len(listener.bars)
    refused = Fault(kind=FaultKind.DROP_REQUEST, method="GET", endpoint="klines", count=2)
    listener.exchange.faults.add(refused)
    listener.exchange.cut(users=False)
    await listener.until(lambda: listener.count(ConnectionLost) > 0)
    listener.exchange.step(4)
    await listener.until(lambda: len(listener.bars) > seen + 4, steps=True)
    await listener.until(lambda: listener.count(ConnectionRestored) > 0, steps=True)


async def _show_partial(listener: Listener) -> None:
    """What is fetched after a cut ends with a candle that has only begun."""
    seen = len(listener.bars)
    listener.exchange.faults.add(
        Fault(kind=FaultKind.PARTIAL_CANDLE, endpoint="klines", count=None)
    )
    listener.exchange.cut(users=False)
    await listener.until(lambda: listener.count(ConnectionLost) > 0)
    listener.exchange.step(2)
    await listener.until(lambda: len(listener.bars) > seen + 4, steps=True)


# The engine, on a script


def _wishes(count: int) -> dict[int, Callable[[Any], object]]:
    """Return the wish to buy one at each of the first *count* bars that are seen."""
    return {n: lambda strategy: strategy.buy("A/USDT", 1) for n in range(1, count + 1)}


def _minute(number: int, price: int = 100, symbol: str = "A/USDT") -> BarClosed:
    """Return the event of the bar of a minute."""
    return bar_at(symbol, START + number * MINUTE, (price,) * 4)


def _run(name: str, events: list[Any], **settings: Any) -> dict[str, Any]:
    """Return what a session over *events* saw and sent, and what people were told."""
    strategy = Planned(_wishes(len(events)))
    told: list[str] = []
    engine, _, _ = asyncio.run(session(name, strategy, events, told=told, **settings))
    sent = sorted(order.created for order in engine.orders.orders())
    return {
        "seen": strategy.seen,
        "sent": [int((created - START) / MINUTE) for created in sent],
        "told": sorted(set(told)),
        "tripped": engine.breaker.is_tripped,
        "cause": (engine.breaker.cause or "").partition(":")[0],
    }


def _hole() -> dict[str, Any]:
    """Two minutes have no bar at all."""
    return _run("hole", [_minute(n) for n in (0, 1, 4, 5)])


def _cut_off() -> dict[str, Any]:
    """The feed says that it is lost; a bar comes all the same, and then it is back."""
    lost = ConnectionLost(time=_minute(1).time, component=FEED, reason="an outage")
    back = ConnectionRestored(time=_minute(2).time, component=FEED)
    return _run("cut off", [_minute(0), _minute(1), lost, _minute(2), back, _minute(3)])


def _late() -> dict[str, Any]:
    """A bar comes again, with another price, after the one that follows it."""
    again = BarClosed(time=_minute(2).time, bar=_minute(1, 50).bar)
    return _run("late", [_minute(0), _minute(1), _minute(2), again, _minute(3)])


def _old() -> dict[str, Any]:
    """What was missed in an outage comes when it is ten minutes old."""
    late = [BarClosed(time=_minute(12).time, bar=_minute(n).bar) for n in (1, 2)]
    return _run("old", [_minute(0), *late, _minute(13)], max_bar_age=MINUTE)


def _silent() -> dict[str, Any]:
    """One of two symbols falls silent."""
    events: list[Any] = []
    for number in range(12):
        events.append(_minute(number, symbol="B/USDT"))
        if number < 2 or number > 10:
            events.append(_minute(number))
    guard = GuardSettings(stale_after=5 * MINUTE, daily_loss=Decimal("0.5"))
    return _run("silent", events, guard=guard)
