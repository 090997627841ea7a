"""What is measured: a crossing of two averages of 20 and 50 bars, long or flat, in cents.

:func:`series` makes the bars, :class:`Bars` and :class:`Column` say the strategy in the two ways
that the engine knows, and :func:`bare` does its arithmetic in a loop and nothing else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rustybt.engine import Backtest
from rustybt.execution import BasisPointCommission
from rustybt.strategy import SMA, Crossing, Strategy
from rustybt.strategy import expressions as ex

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.engine import Result
    from rustybt.strategy import StrategyBar

FAST, SLOW = 20, 50
UNITS: Final = 10
POINTS: Final = 10
"""Commission in basis points of notional."""
CASH: Final = 1_000_000
MINUTE: Final = 60_000_000  # microseconds

Frames = dict[str, pl.DataFrame]


class Bars(Strategy):
    """The crossing of one symbol, bar by bar."""

    def on_start(self) -> None:
        """Make the indicators."""
        self.fast, self.slow, self.crossing = SMA(FAST), SMA(SLOW), Crossing()

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        crossed = self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, UNITS if crossed > 0 else 0)


class ManyBars(Strategy):
    """The same for any number of symbols."""

    def on_start(self) -> None:
        """Make the indicators of each symbol."""
        self.averages = {symbol: (SMA(FAST), SMA(SLOW), Crossing()) for symbol in self.symbols}

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        fast, slow, crossing = self.averages[bar.symbol]
        crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, UNITS if crossed > 0 else 0)


class Column(Strategy):
    """The same as a column of targets."""

    def signals(self) -> pl.Expr:
        """Say the target."""
        return ex.switch(ex.crossing(ex.sma(FAST), ex.sma(SLOW)), on=UNITS)


def series(symbols: int, bars: int) -> Frames:
    """Return so many one-minute *bars* of each of *symbols*: walks in whole cents, always the same.

    A walk is turned back at 10 dollars.
    """
    random = np.random.default_rng(1)
    times = pl.Series(np.arange(bars) * MINUTE).cast(pl.Datetime("us", "UTC"))
    return {f"S{number:04}": _walk(random, times, bars) for number in range(symbols)}


def _walk(random: np.random.Generator, times: pl.Series, count: int) -> pl.DataFrame:
    """Return the bars of one symbol."""
    close = 1_000 + np.abs(9_000 + np.cumsum(random.integers(-9, 10, count)))
    opened = close - random.integers(-4, 5, count)
    return pl.DataFrame(
        {
            "timestamp": times,
            "open": opened / 100,
            "high": np.maximum(opened, close) / 100,
            "low": np.minimum(opened, close) / 100,
            "close": close / 100,
            "volume": np.full(count, 1000.0),
        }
    )


def bare(frames: Mapping[str, pl.DataFrame]) -> int:
    """Do the strategy's arithmetic on plain numbers and count the crossings."""
    found = 0
    for frame in frames.values():
        fast, slow, crossing = SMA(FAST).update, SMA(SLOW).update, Crossing().update
        for close in frame["close"].to_list():
            if crossing(fast(close), slow(close)):
                found += 1
    return found


def run(strategy: type[Strategy], frames: Frames) -> Result:
    """Run *strategy* from *frames* in memory to the final equity and the equity curve."""
    result = Backtest(
        strategy, frames, cash=CASH, commission=BasisPointCommission(Decimal(POINTS))
    ).run()
    _ = result.final_equity, result.curve  # both are worked out when they are asked for
    return result
