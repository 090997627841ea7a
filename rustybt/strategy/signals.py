"""Targets said as columns instead of orders said bar by bar."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from rustybt.strategy.errors import StrategyError

if TYPE_CHECKING:
    import polars as pl


class TargetKind(StrEnum):
    """What the numbers of a target column are."""

    UNITS = "units"
    """Units of the instrument, negative for a short position."""
    VALUE = "value"
    """Value of the position in quote currency at the close of the bar."""
    PERCENT = "percent"
    """Value of the position as a fraction of equity at the close of the bar."""


class Signals(NamedTuple):
    """The position that is wanted after each bar of each symbol.

    *target* is evaluated over the bars of one symbol at a time, with the columns ``symbol``,
    ``timestamp``, ``open``, ``high``, ``low``, ``close``, ``volume``. A null or NaN wants no
    change. An order is placed where the number differs from the last one that was there (0 at the
    beginning), and only there: a value or fraction is not topped up while it stays the same.
    """

    target: pl.Expr
    kind: TargetKind = TargetKind.UNITS


def as_signals(value: object, strategy: str) -> Signals:
    """Return what ``signals`` of *strategy* gave as :class:`Signals`; raise for anything else."""
    import polars as pl

    if isinstance(value, pl.Expr):
        return Signals(value)
    if isinstance(value, Signals) and isinstance(value.target, pl.Expr):
        return value
    raise StrategyError(
        f"signals() of {strategy} returned a {type(value).__name__}",
        expected="a Polars expression of target units, or Signals(expression, kind)",
    )
