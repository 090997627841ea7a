"""How fast backtests are, as ratios within one run.

    python benchmarks/backtest.py [--bars 100000 1000000] [--rounds 5] [--json]

For each size, rounds of three measurements follow one another, so that all feel the same machine:
a bare Python loop that only does the strategy's arithmetic, the callback path and the signal path
(both from columns in memory to the final equity and the equity curve, with 10 bps commission).
Medians and the medians of the ratios of each round are shown. It fails if the two paths differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from rustybt.engine import Backtest, Result
from rustybt.execution import BasisPointCommission
from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar
from rustybt.strategy import expressions as ex

MINUTE = 60_000_000
FAST, SLOW = 20, 50


class Bars(Strategy):
    """A crossing of two averages, bar by bar."""

    def on_start(self) -> None:
        """Make the indicators."""
        self.fast, self.slow, self.crossing = SMA(FAST), SMA(SLOW), Crossing()

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        crossed = self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, 10 if crossed > 0 else 0)


class Column(Strategy):
    """The same as a column."""

    def signals(self) -> pl.Expr:
        """Say the target."""
        return ex.switch(ex.crossing(ex.sma(FAST), ex.sma(SLOW)), on=10)


def series(count: int) -> pl.DataFrame:
    """Return *count* one-minute bars of a random walk in cents, the same every time."""
    random = np.random.default_rng(1)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.0005, count))), 2)
    opened = np.round(close * (1 + random.normal(0, 0.0002, count)), 2)
    return pl.DataFrame(
        {
            "timestamp": pl.Series(np.arange(count) * MINUTE).cast(pl.Datetime("us", "UTC")),
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(count, 1000.0),
        }
    )


def bare(frame: pl.DataFrame) -> int:
    """Do the strategy's arithmetic on plain numbers and count the crossings."""
    fast, slow, crossing = SMA(FAST).update, SMA(SLOW).update, Crossing().update
    found = 0
    for close in frame["close"].to_list():
        if crossing(fast(close), slow(close)):
            found += 1
    return found


def run(kind: type[Strategy], frame: pl.DataFrame) -> Result:
    """Run one path to its final equity and its curve."""
    result = Backtest(kind, {"X": frame}, commission=BasisPointCommission(Decimal(10))).run()
    assert result.curve.equity.size == frame.height  # noqa: S101 - it makes the curve
    return result


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def measure(count: int, rounds: int) -> dict[str, object]:
    """Return medians and ratios for *count* bars."""
    frame = series(count)
    by_bars, by_column = run(Bars, frame), run(Column, frame)  # warm, and the same?
    if (by_bars.final_equity, by_bars.fills) != (by_column.final_equity, by_column.fills):
        sys.exit(f"the paths differ: {by_bars.final_equity} and {by_column.final_equity}")
    times: dict[str, list[float]] = {"bare": [], "callback": [], "signals": []}
    for _ in range(rounds):
        times["bare"].append(seconds(lambda: bare(frame)))
        times["callback"].append(seconds(lambda: run(Bars, frame)))
        times["signals"].append(seconds(lambda: run(Column, frame)))
    both = list(zip(times["bare"], times["callback"], times["signals"], strict=True))
    return {
        "bars": count,
        "fills": len(by_bars.fills),
        "final_equity": str(by_bars.final_equity),
        **{f"{name}_bars_per_second": round(count / median(each)) for name, each in times.items()},
        "callback_over_bare": round(median(c / b for b, c, _ in both), 2),
        "callback_over_signals": round(median(c / s for _, c, s in both), 2),
    }


def main() -> None:
    """Measure what is asked for and print it."""
    parser = argparse.ArgumentParser(description="Measure the two paths of a backtest.")
    parser.add_argument("--bars", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measure(count, options.rounds) for count in options.bars]
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for each in found:
        sys.stdout.write(
            "\n".join(f"{name:28} {value:>16}" for name, value in each.items()) + "\n\n"
        )


if __name__ == "__main__":
    main()
