"""The suite order-execution: how long orders take to the exchange, one by one and at peak load."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rustybt.benchmark.errors import BenchmarkError
from rustybt.benchmark.latency import ACKNOWLEDGED, DECIDED, SENT, slope, summary
from rustybt.benchmark.record import heading
from rustybt.benchmark.stage import staged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rustybt.benchmark.record import Record
    from rustybt.benchmark.stage import Stage

SUITE: Final = "order-execution"
EACH: Final = 100
"""Orders of one iteration."""
ITERATIONS: Final = 50
WANTED: Final = {"wire_p99_ms": 5.0, "acknowledged_p99_ms": 25.0}
ARREARS: Final = 10
"""How many seconds' worth may be on its way at once, and for how long the rest is waited for."""
_PATIENCE: Final = 60.0
_LOOK: Final = 0.002  # seconds between two looks at what has arrived


class Load(NamedTuple):
    """A peak: so many *symbols* with a bar each *second*, and *orders* in each of them.

    One that is not *paced* goes as fast as everything is carried, however long a second takes.
    """

    seconds: int = 60
    symbols: int = 500
    orders: int = 200
    paced: bool = True


def measure_orders(
    *,
    iterations: int = ITERATIONS,
    size: int = EACH,
    load: Load | None = None,
    now: Callable[[], datetime],
    progress: Callable[[int, int], object] | None = None,
) -> Record:
    """Trade on a practice exchange in another process, and return the record of it.

    First *iterations* times *size* orders are sent one by one: each when the one before it has
    traded. Then *load* is carried, if there is any. The journal is a SQLite file that is written
    through to the disk. Raise :class:`~rustybt.benchmark.errors.BenchmarkError`
    if an order or a bar is lost.
    """
    alone = iterations * size
    total = alone + (0 if load is None else load.seconds * load.orders)

    def say(done: int) -> None:
        if progress is not None:
            progress(done, total)

    record = {**heading(now()), "suite": SUITE, "iterations": iterations}
    record["latency"] = _one_by_one(alone, say)
    if load is not None:
        record["peak"] = found = carried(load, lambda done: say(alone + done))
        if found["lost"]:
            raise BenchmarkError(
                f"{found['lost']} bars and orders of the peak have not arrived",
                remedy="see whether anything else keeps this machine busy, then run it again",
            )
    return record


def _one_by_one(count: int, say: Callable[[int], object]) -> dict[str, object]:
    """Return how long *count* orders took that had the engine for themselves."""

    async def trade(stage: Stage) -> None:
        for number in range(count):
            await asyncio.to_thread(stage.exchange.step)
            await _arrived(stage, bars=number + 1, orders=number + 1)
            say(number + 1)

    with staged(1, count) as stage:
        asyncio.run(_session(stage, trade))
        return {"orders": count, **_latencies(stage), "wanted": dict(WANTED)}


def carried(load: Load, say: Callable[[int], object] = lambda _: None) -> dict[str, object]:
    """Return what became of a peak: how much of it arrived, how late, and what memory it took.

    It is given up when more than :data:`ARREARS` seconds' worth has not arrived.
    """
    peak = _Peak(load, say)
    with staged(load.symbols, load.seconds, share=load.orders, of=load.symbols) as stage:
        asyncio.run(_session(stage, peak.carry))
        return peak.account(stage)


class _Peak:
    """A peak while it is carried."""

    def __init__(self, load: Load, say: Callable[[int], object]) -> None:
        self._load = load
        self._say = say
        self._late = 0.0
        self._seconds = 0
        self._memory: list[tuple[int, int]] = []

    async def carry(self, stage: Stage) -> None:
        """Show a second's bars after another, and wait for what is still on its way."""
        load, began = self._load, perf_counter()
        while self._seconds < load.seconds:
            if self._is_behind(stage):
                return
            if load.paced:
                await self._until(began + self._seconds)
            else:
                await self._settle(stage)
            await asyncio.to_thread(stage.exchange.step)
            self._seconds += 1
            self._memory.append((stage.session.runner.events, _resident()))
            self._say(self._seconds * load.orders)
        await self._settle(stage)

    def _is_behind(self, stage: Stage) -> bool:
        """Tell whether too many bars or acknowledgements have not arrived."""
        load, late = self._load, self._seconds - ARREARS
        orders = stage.stamps.count(ACKNOWLEDGED)
        return orders < late * load.orders or stage.strategy.seen < late * load.symbols

    def _missing(self, stage: Stage) -> int:
        """Return how many bars and acknowledgements have not arrived."""
        arrived = stage.strategy.seen + stage.stamps.count(ACKNOWLEDGED)
        return self._seconds * (self._load.symbols + self._load.orders) - arrived

    async def _until(self, time: float) -> None:
        """Wait for a time, and note by how much it was missed."""
        wait = time - perf_counter()
        self._late = max(self._late, -wait)
        await asyncio.sleep(max(wait, 0.0))

    async def _settle(self, stage: Stage) -> None:
        """Wait until everything has arrived, but not for ever."""
        deadline = perf_counter() + ARREARS
        while self._missing(stage) and perf_counter() < deadline:  # noqa: ASYNC110 - several counts
            await asyncio.sleep(_LOOK)

    def account(self, stage: Stage) -> dict[str, object]:
        """Return the part of the record."""
        settled = self._memory[len(self._memory) // 2 :]  # until then caches fill
        acknowledged, span = stage.stamps.count(ACKNOWLEDGED), stage.stamps.span()
        return {
            **self._load._asdict(),
            "carried_seconds": self._seconds,
            "bars": stage.strategy.seen,
            "acknowledged": acknowledged,
            "lost": self._missing(stage),
            "orders_per_second": round(acknowledged / span, 1) if span else 0.0,
            "latest_second_ms": round(1000 * self._late, 1),
            "events": stage.session.runner.events,
            "resident_mib": [round(each / 2**20, 1) for _, each in settled],
            "bytes_per_event": round(slope(settled), 1),
            **_latencies(stage),
        }


def _latencies(stage: Stage) -> dict[str, object]:
    """Return what the orders' times come to."""
    return {
        "wire_ms": summary(stage.stamps.seconds(SENT)),
        "acknowledged_ms": summary(stage.stamps.seconds(ACKNOWLEDGED)),
    }


async def _session(stage: Stage, trade: Callable[[Stage], Any]) -> None:
    """Run the session while *trade* shows bars; raise if it ends before it is told to."""
    runner = stage.session.runner
    running = asyncio.ensure_future(
        stage.session.run_async(enabled_by="benchmark", reason="to be measured")
    )
    trading = asyncio.ensure_future(_when_ready(stage, trade))
    await asyncio.wait((running, trading), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        trading.cancel()
    runner.abort("measured", 0)
    ending = await running
    await asyncio.gather(trading, return_exceptions=True)
    if trading.cancelled() or ending.code:
        raise _interrupted(stage, ending.reason)
    trading.result()


async def _when_ready(stage: Stage, trade: Callable[[Stage], Any]) -> None:
    """Do *trade* as soon as the session hears of the account and of every symbol."""
    symbols = len(stage.strategy.symbols)
    deadline = perf_counter() + _PATIENCE
    while True:
        heard = await asyncio.to_thread(stage.exchange.admin, "GET", "heard")
        if heard["streams"] >= symbols > 0 and heard["users"] and _is_trading(stage):
            break
        if perf_counter() > deadline:
            raise _interrupted(stage, f"it was not ready within {_PATIENCE:g} s")
        symbols = len(stage.strategy.symbols)
        await asyncio.sleep(0.05)
    await trade(stage)


def _is_trading(stage: Stage) -> bool:
    return str(stage.session.runner.engine.phase) == "ready"


async def _arrived(stage: Stage, *, bars: int, orders: int) -> None:
    """Wait until so many bars were seen and so many orders acknowledged and ended; no fewer."""
    deadline = perf_counter() + _PATIENCE
    while not (
        stage.strategy.seen == bars
        and stage.stamps.count(ACKNOWLEDGED) == orders
        and not stage.session.runner.engine.orders.open()
    ):
        if perf_counter() > deadline:
            seen, known = stage.strategy.seen, stage.stamps.count(ACKNOWLEDGED)
            decided = stage.stamps.count(DECIDED)
            raise _interrupted(
                stage, f"{seen} of {bars} bars seen, {known} of {decided} orders acknowledged"
            )
        await asyncio.sleep(_LOOK)


def _interrupted(stage: Stage, reason: str) -> BenchmarkError:
    said = f"; people were told: {stage.alerts.said[-1]}" if stage.alerts.said else ""
    return BenchmarkError(
        f"the session could not be measured: {reason}{said}",
        remedy="see whether anything else keeps this machine busy, then run it again",
    )


def _resident() -> int:
    """Return how many bytes of memory this process has; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
