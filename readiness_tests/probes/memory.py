"""Show a strategy a long stream of bars and look at the process's memory on the way."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import psutil

from rustybt.engine import Backtest
from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar

MINUTE = 60_000_000  # microseconds


class Watching(Strategy):
    """Keeps two averages and never trades: what it needs does not grow."""

    def on_start(self) -> None:
        """Make the averages."""
        self.fast, self.slow, self.crossing = SMA(20), SMA(50), Crossing()
        self.events = 0

    def on_bar(self, bar: StrategyBar) -> None:
        """Count the bar and look for a crossing."""
        self.events += 1
        self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))


class Trading(Watching):
    """Goes in and out at the crossings."""

    def on_bar(self, bar: StrategyBar) -> None:
        """Order what is missing to the target."""
        self.events += 1
        crossed = self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, 10 if crossed > 0 else 0)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return events seen so far and resident bytes, after each of many runs and in a long one.

    The first are *runs* with orders, of *each* bars; the last streams *bars* without an order.
    """
    process = psutil.Process()

    def resident() -> int:
        gc.collect()
        return int(process.memory_info().rss)

    frame = _bars(arguments["each"])
    across: list[tuple[int, int]] = []
    events = fills = 0
    for _ in range(arguments["runs"]):
        trading = Trading()
        fills += len(Backtest(trading, frame).run().fills)
        events += trading.events
        across.append((events, resident()))
    # The long run comes last: what it leaves unused would hide what later runs leave behind.
    within: list[tuple[int, int]] = []
    watching = Watching()

    def look(_done: int, _of: int) -> None:
        within.append((watching.events, resident()))

    Backtest(watching, _bars(arguments["bars"]), progress=look).run()
    return {"one long run": within, "run after run": across, "fills": fills}


def _bars(count: int) -> pl.DataFrame:
    """Return *count* bars of a walk in cents, the same every time."""
    walk = np.random.default_rng(3).integers(-9, 10, count)
    close = (1_000 + np.abs(9_000 + np.cumsum(walk))) / 100
    times = pl.Series(np.arange(count) * MINUTE).cast(pl.Datetime("us", "UTC"))
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return pl.DataFrame({"timestamp": times, **prices, "volume": np.full(count, 1000.0)})
