"""Polars expressions for strategies that say their targets as columns.

They agree with :mod:`rustybt.strategy.indicators` to within its tolerance. All of them look back
only: a row never depends on later ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rustybt.strategy.indicators import TOLERANCE
from rustybt.strategy.plans import LONGEST, Close, Mean, Planned, Switch, Turns, plan_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CLOSE = pl.col("close")


def sma(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the mean of the last *period* values, null until there are as many."""
    mean = of.rolling_mean(period)
    return Planned.of(mean, Mean(period - 1)) if of is CLOSE and 1 <= period <= LONGEST else mean


def ema(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the exponential average with the weight ``2 / (period + 1)``."""
    return of.ewm_mean(span=period, adjust=False, min_samples=period)


def deviation(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the population deviation of the last *period* values."""
    return of.rolling_std(period, ddof=0)


def highest(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the largest of the last *period* values."""
    return of.rolling_max(period)


def lowest(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the smallest of the last *period* values."""
    return of.rolling_min(period)


def side(fast: pl.Expr, slow: pl.Expr, tolerance: float = TOLERANCE) -> pl.Expr:
    """Return 1 where *fast* is above *slow*, -1 where it is below, 0 where they are equal."""
    # Polars works a subexpression out once for each time that it is mentioned; here it is once.
    return pl.map_batches(
        [fast, slow], lambda both: pl.Series(_side(both, tolerance)), return_dtype=pl.Int8
    )


def crossing(fast: pl.Expr, slow: pl.Expr, tolerance: float = TOLERANCE) -> pl.Expr:
    """Return 1 where *fast* has just come out above *slow*, -1 where below, otherwise 0.

    As :class:`~rustybt.strategy.indicators.Crossing`: from one strict side to the other in one bar.
    """
    turns = pl.map_batches(
        [fast, slow], lambda both: pl.Series(_crossings(both, tolerance)), return_dtype=pl.Int8
    )
    ours, other = _line(fast), _line(slow)
    return (
        turns if ours is None or other is None else Planned.of(turns, Turns(ours, other, tolerance))
    )


def _line(expression: pl.Expr) -> Close | Mean | None:
    """Return the plan of a line, if there is one."""
    plan = Close() if expression is CLOSE else plan_of(expression)
    return plan if isinstance(plan, Close | Mean) else None


def _side(both: Sequence[pl.Series], tolerance: float) -> NDArray[np.int8]:
    """Return the side on which the first column is of the second; 0 where either is missing."""
    fast, slow = (column.cast(pl.Float64).to_numpy() for column in both)
    difference = fast - slow
    slack = np.maximum(np.abs(fast), np.abs(slow)) * tolerance
    above, below = difference > slack, difference < -slack
    result: NDArray[np.int8] = above.astype(np.int8) - below.astype(np.int8)
    return result


def _crossings(both: Sequence[pl.Series], tolerance: float) -> NDArray[np.int8]:
    """Return where the side changes from one strict one to the other."""
    fast, slow = (column.cast(pl.Float64).to_numpy() for column in both)
    difference = fast - slow
    above, below = difference > 0, difference < 0
    crossed = np.zeros(fast.size, dtype=np.int8)
    turns = 1 + np.flatnonzero((above[1:] & below[:-1]) | (below[1:] & above[:-1]))
    # Only here can there be a crossing: the tolerance is not asked for anywhere else.
    clear = np.ones(turns.size, dtype=bool)
    for rows in (turns, turns - 1):
        slack = np.maximum(np.abs(fast[rows]), np.abs(slow[rows])) * tolerance
        clear &= np.abs(difference[rows]) > slack
    found = turns[clear]
    crossed[found] = np.where(above[found], 1, -1)
    return crossed


def switch(signal: pl.Expr, on: float, off: float = 0.0) -> pl.Expr:
    """Return *on* from where *signal* is 1 until it is -1, *off* from there; 0 before either."""
    levels = signal.map_batches(
        lambda column: pl.Series(_switched(column, on, off)), return_dtype=pl.Float64
    )
    turns = plan_of(signal)
    if isinstance(turns, Turns) and math.isfinite(on) and math.isfinite(off):
        return Planned.of(levels, Switch(turns, float(on), float(off)))
    return levels


def _switched(signal: pl.Series, on: float, off: float) -> NDArray[np.float64]:
    """Return the level that the last 1 or -1 set."""
    said = signal.cast(pl.Float64).fill_null(0.0).to_numpy()
    turns = np.flatnonzero((said == 1) | (said == -1))
    levels = np.concatenate(([0.0], np.where(said[turns] == 1, on, off)))
    return np.repeat(levels, np.diff(np.concatenate(([0], turns, [said.size]))))


def hold(enter: pl.Expr, leave: pl.Expr, amount: float | pl.Expr) -> pl.Expr:
    """Return *amount* from where *enter* holds until *leave* does, 0 otherwise.

    A bar on which both hold enters.
    """
    change = pl.when(enter).then(amount).when(leave).then(0.0)
    return change.forward_fill().fill_null(0.0)
