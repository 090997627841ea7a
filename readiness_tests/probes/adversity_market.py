"""Trade by a market that jumps, crashes, opens wide and comes ten times as fast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from readiness_tests.probes.adversity_session import Kept
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar, Quote
from rustybt.model.event import BarClosed, QuoteChanged
from rustybt.model.instrument import Instrument
from rustybt.risk import TradingHours
from rustybt.strategy import Strategy
from rustybt.trading.clocks import SimulatedClock, WallClock
from rustybt.trading.engine import Engine
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Runner
from rustybt.trading.settings import EngineSettings, GuardSettings
from rustybt.trading.simulated import SimulatedVenue

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CASH = Decimal(100_000)
GUARD = GuardSettings(drawdown=Decimal("0.1"), daily_loss=Decimal("0.1"))
_CENT = Decimal("0.01")

Wishes = Mapping[int, Callable[[Strategy], object]]


class Planned(Strategy):
    """Does at some bars what was planned for them."""

    def __init__(self, plan: Wishes) -> None:
        super().__init__()
        self.plan = plan
        self.seen: list[str] = []

    def on_bar(self, bar: Any) -> None:
        """Note *bar*, and do what was planned for it."""
        self.seen.append(f"{bar.symbol} {bar.close:g}")
        wish = self.plan.get(len(self.seen))
        if wish is not None:
            wish(self)


class Script:
    """Reports what is written, at its time, and then ends the session.

    The clock runs *ahead*: what happens within that time comes at once, without a pause.
    """

    def __init__(
        self, runner: Runner, clock: SimulatedClock, events: Sequence[Any], ahead: timedelta
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._events = events
        self._ahead = ahead
        self._task: asyncio.Task[None] | None = None
        self.equities: list[Decimal] = []

    async def start(self, sink: Any, _symbols: Any, _interval: Any) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run(sink))

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, sink: Any) -> None:
        """Report everything; what has the same time comes at once."""
        await self._runner.settled()
        for event in self._events:
            if event.time > self._clock.now():
                await self._runner.settled()
                self._note()
                await self._clock.advance(event.time + self._ahead, self._runner.settled)
            sink(event)
        await self._runner.settled()
        self._note()
        self._runner.abort("the script is over", 0)

    def _note(self) -> None:
        """Note what the account is worth now that all that was told is done."""
        self.equities.append(self._runner.engine.equity)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of each case; *rate* is how many symbols bring *bars* bars each."""
    return {
        "gap": _gap(),
        "crash": _crash(),
        "spread": _spread(),
        "rate": _rate(arguments["rate"], arguments["bars"]),
    }


def _gap() -> dict[str, Any]:
    """A market that opens at 80 while a stop waits at 95."""
    plan: Wishes = {
        1: lambda strategy: strategy.buy("A/USDT", 100),
        3: lambda strategy: strategy.sell("A/USDT", 100, stop="95"),
    }
    engine, _, _ = _traded("gap", plan, _bars("A/USDT", [100, 100, 100, 100, (80, 85, 78, 84), 84]))
    return {"fills": _fills(engine)}


def _crash() -> dict[str, Any]:
    """A market that loses three quarters in four bars, and a strategy that buys all the way."""
    plan: Wishes = {n: lambda strategy: strategy.buy("A/USDT", 200) for n in (1, 5, 6, 7, 8)}
    closes = [100, 100, 100, 90, 45, 30, 25, 25, 25]
    engine, strategy, _ = _traded("crash", plan, _bars("A/USDT", closes))
    return {
        "tripped": engine.breaker.is_tripped,
        "cause": engine.breaker.cause or "",
        "fills": _fills(engine),
        "seen": len(strategy.seen),
    }


def _spread() -> dict[str, Any]:
    """A spread from almost nothing to ten times the price, between quiet bars."""
    plan: Wishes = {1: lambda strategy: strategy.buy("A/USDT", 500)}
    events: list[Any] = _bars("A/USDT", [100, 100, 100, 100, 100])
    at = events[3].time + MINUTE / 2
    one = Decimal(1)
    quote = Quote(
        symbol="A/USDT", time=at, bid=_CENT, ask=Decimal(1000), bid_size=one, ask_size=one
    )
    events.insert(4, QuoteChanged(time=at, quote=quote))
    engine, _, equities = _traded("spread", plan, events)
    return {
        "tripped": engine.breaker.is_tripped,
        "fills": _fills(engine),
        "equities": sorted({f"{each:f}" for each in equities[1:]}),
    }


def _rate(symbols: int, bars: int) -> dict[str, Any]:
    """The bars of many symbols, and those of ten instants at once."""
    names = [f"S{number}/USDT" for number in range(symbols)]
    events = [_bar(name, n, (100 + n % 7,) * 4) for n in range(bars) for name in names]
    engine, strategy, _ = _traded("rate", {}, events, 9 * MINUTE)
    return {
        "sent": len(events),
        "seen": len(strategy.seen),
        "in order": strategy.seen == [f"{e.bar.symbol} {e.bar.close:f}" for e in events],
        "tripped": engine.breaker.is_tripped,
    }


def _bar(symbol: str, number: int, prices: Sequence[int]) -> BarClosed:
    """Return the event of one bar, so many minutes after the start."""
    return bar_at(symbol, START + number * MINUTE, prices)


def bar_at(symbol: str, start: datetime, prices: Sequence[int]) -> BarClosed:
    """Return the event of the bar that begins at *start*."""
    opened, high, low, close = (Decimal(price) for price in prices)
    bar = Bar(
        symbol=symbol,
        start=start,
        end=start + MINUTE,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=Decimal(1_000_000),
    )
    return BarClosed(time=bar.end, bar=bar)


def _bars(symbol: str, prices: Sequence[int | tuple[int, int, int, int]]) -> list[Any]:
    """Return the events of bars, each of one price or of four."""
    fours = [(each,) * 4 if isinstance(each, int) else each for each in prices]
    return [_bar(symbol, number, four) for number, four in enumerate(fours)]


def _traded(
    name: str, plan: Wishes, events: Sequence[Any], ahead: timedelta = timedelta()
) -> tuple[Engine, Planned, list[Decimal]]:
    """Run a session over *events*."""
    return asyncio.run(session(name, Planned(plan), events, ahead))


async def session(
    name: str,
    strategy: Planned,
    events: Sequence[Any],
    ahead: timedelta = timedelta(),
    *,
    hours: TradingHours | None = None,
    told: list[str] | None = None,
    **changes: Any,
) -> tuple[Engine, Planned, list[Decimal]]:
    """Run a session over *events*; return what is left of it.

    *hours* are those of its market; of which kinds people were told goes into *told*; *changes*
    are settings.
    """
    symbols = tuple(sorted({each.bar.symbol for each in events if isinstance(each, BarClosed)}))
    clock = SimulatedClock(events[0].bar.start)
    instruments = {
        symbol: Instrument(
            symbol=symbol, base=symbol.partition("/")[0], quote="USDT", tick=_CENT, lot=_CENT
        )
        for symbol in symbols
    }
    terms: dict[str, Any] = {"guard": GUARD, **changes}
    settings = EngineSettings(symbols=symbols, interval=MINUTE, currency="USDT", **terms)
    engine = Engine(strategy, instruments, settings, hours=hours)
    started = SessionStarted(
        time=clock.now(),
        session=name,
        mode="paper",
        clock="simulated",
        venue="simulated",
        account=name,
        strategy="Planned",
        digest="none",
        version="0",
    )
    scripts: list[Script] = []

    def scripted(runner: Runner) -> Script:
        scripts.append(Script(runner, clock, events, ahead))
        return scripts[0]

    key, alerts = SigningKey.generate(), Kept()
    with Journal.open(f"sqlite:///{name}.db", session=name, clock=clock.now, key=key) as journal:
        runner = Runner(
            engine,
            venue=SimulatedVenue(instruments, {"USDT": CASH}, clock=clock),
            feed=scripted,
            clock=clock,
            journal=journal,
            notifier=alerts,
            started=started,
            wall=WallClock().now,
        )
        await runner.run(enabled_by="readiness", reason=name)
    if told is not None:
        told += [kind for kind, _ in alerts.said]
    return engine, strategy, scripts[0].equities


def _fills(engine: Engine) -> list[str]:
    """Return what was traded, in order."""
    fills = sorted(
        (fill for order in engine.orders.orders() for fill in order.fills),
        key=lambda each: each.time,
    )
    return [f"{each.side} {each.quantity:f} at {each.price:f}" for each in fills]
