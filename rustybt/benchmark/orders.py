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
        record["load"] = carried(load, lambda done: say(alone + done))
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


def carried(load: Load, say: Callable[[int], object]) -> dict[str, object]:
    """Return what became of a peak; raise `BenchmarkError` if something was lost."""
    memory: list[tuple[int, int]] = []
    late = 0.0

    async def trade(stage: Stage) -> None:
        nonlocal late
        began = perf_counter()
        for second in range(load.seconds):
            wait = began + second - perf_counter()
            late = max(late, -wait)
            await asyncio.sleep(max(wait, 0.0))
            await asyncio.to_thread(stage.exchange.step)
            memory.append((stage.session.runner.events, _resident()))
            say((second + 1) * load.orders)
        await _arrived(stage, bars=load.seconds * load.symbols, orders=load.seconds * load.orders)

    with staged(load.symbols, load.seconds, share=load.orders, of=load.symbols) as stage:
        asyncio.run(_session(stage, trade))
        settled = memory[len(memory) // 2 :]  # until then caches fill
        return {
            **load._asdict(),
            "bars": stage.strategy.seen,
            "acknowledged": (acknowledged := stage.stamps.count(ACKNOWLEDGED)),
            "lost": load.seconds * (load.symbols + load.orders)
            - stage.strategy.seen
            - acknowledged,
            "orders_per_second": round(acknowledged / stage.stamps.span(), 1),
            "latest_second_ms": round(1000 * late, 1),
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
