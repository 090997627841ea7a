"""Polars expressions for strategies that say their targets as columns.

They agree with :mod:`rustybt.strategy.indicators` to within its tolerance. All of them look back
only: a row never depends on later ones.
"""

from __future__ import annotations

import polars as pl

from rustybt.strategy.indicators import TOLERANCE

CLOSE = pl.col("close")


def sma(period: int, of: pl.Expr = CLOSE) -> pl.Expr:
    """Return the mean of the last *period* values, null until there are as many."""
    return of.rolling_mean(period)


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
    slack = pl.max_horizontal(fast.abs(), slow.abs()) * tolerance
    difference = fast - slow
    return (difference > slack).cast(pl.Int8) - (difference < -slack).cast(pl.Int8)


def crossing(fast: pl.Expr, slow: pl.Expr, tolerance: float = TOLERANCE) -> pl.Expr:
    """Return 1 where *fast* has just come out above *slow*, -1 where below, otherwise 0.

    As :class:`~rustybt.strategy.indicators.Crossing`: from one strict side to the other in one bar.
    """
    now = side(fast, slow, tolerance)
    return pl.when(now + now.shift(1) == 0).then(now).otherwise(0)


def hold(enter: pl.Expr, leave: pl.Expr, amount: float | pl.Expr) -> pl.Expr:
    """Return *amount* from where *enter* holds until *leave* does, 0 otherwise.

    A bar on which both hold enters.
    """
    change = pl.when(enter).then(amount).when(leave).then(0.0)
    return change.forward_fill().fill_null(0.0)
