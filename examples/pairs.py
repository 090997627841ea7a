r"""Trade two symbols against each other: sell the dear one and buy the cheap one.

    python -m rustybt backtest --strategy examples/pairs.py --data A.csv --data B.csv

One of the two is always short. What it costs to borrow it, and what a margin account would do:

    python -m rustybt backtest --strategy examples/pairs.py --data A.csv --data B.csv \
        --borrow A=0.02 --borrow B=0.005 \
        --margin-call liquidate --initial-margin 0.5 --maintenance-margin 0.25
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rustybt.strategy import Bollinger, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.strategy import StrategyBar


class Pairs(Strategy):
    """The logarithm of the price ratio returns to its mean; both legs have the same value."""

    period = 60
    entry = 2.0
    share = 0.4

    def on_start(self) -> None:
        """Take the two symbols of the data."""
        if len(self.symbols) != 2:
            raise ValueError(f"a pair has two symbols, not {len(self.symbols)}")
        self.band = Bollinger(self.period, self.entry)
        self.side = 0

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Decide once both have closed."""
        first, second = self.symbols
        if first not in bars or second not in bars:
            return
        ratio = math.log(bars[first].close / bars[second].close)
        lower, middle, upper = self.band.update(ratio)
        side = self.wanted(ratio, lower, middle, upper)
        if side != self.side:
            self.side = side
            self.order_target_percent(first, side * self.share)
            self.order_target_percent(second, -side * self.share)

    def wanted(self, ratio: float, lower: float, middle: float, upper: float) -> int:
        """Return 1 to be long the first symbol, -1 to be short it, 0 for neither."""
        if ratio < lower:
            return 1
        if ratio > upper:
            return -1
        returned = (self.side > 0 and ratio >= middle) or (self.side < 0 and ratio <= middle)
        return 0 if returned else self.side
