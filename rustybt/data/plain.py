"""Exact bars as floats, where these say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rustybt.data.bars import DECIMALS, NUMBERS

if TYPE_CHECKING:
    from decimal import Decimal

_FLOAT_DIGITS: Final = 15  # a decimal of so many digits is what its float is printed as


def with_floats(bars: pl.DataFrame) -> pl.DataFrame:
    """Return *bars* with those columns as Float64 whose every number prints as it was written.

    A column with a number of more than 15 digits stays exact: nothing is ever rounded.
    """
    return bars.with_columns(_plain(bars[column]) for column in NUMBERS)


def _plain(numbers: pl.Series) -> pl.Series:
    """Return *numbers* as floats if that loses nothing."""
    largest: Decimal | None = numbers.abs().max()  # type: ignore[assignment]  # a column of decimals
    if largest is None:
        return numbers.cast(pl.Float64)
    whole = len(str(int(largest))) if largest >= 1 else 0
    places = _FLOAT_DIGITS - whole
    if places < 0:
        return numbers
    if places >= DECIMALS or bool((numbers.round(places) == numbers).all()):
        return numbers.cast(pl.Float64)
    return numbers
