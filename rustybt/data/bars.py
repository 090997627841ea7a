"""The two tables that market data is in: text as a source wrote it, and exact bars.

Bars have the columns ``timestamp`` (when a bar starts, UTC, microseconds), ``open``, ``high``,
``low``, ``close`` and ``volume``, all of one decimal type, ascending, no time twice, no nulls.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from rustybt.data.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DECIMALS: Final = 18
"""Digits after the point that a stored number keeps: as many as the finest coin has."""
DECIMAL: Final = pl.Decimal(38, DECIMALS)
TIME: Final = pl.Datetime("us", "UTC")
PRICES: Final = ("open", "high", "low", "close")
NUMBERS: Final = (*PRICES, "volume")
BARS: Final = pl.Schema({"timestamp": TIME, **dict.fromkeys(NUMBERS, DECIMAL)})
RAW: Final = pl.Schema(
    {"row": pl.Int64(), "timestamp": pl.String(), **dict.fromkeys(NUMBERS, pl.String())}
)


def raw_rows(rows: Iterable[Sequence[object]], *, first: int = 1) -> pl.DataFrame:
    """Return *rows* of time, open, high, low, close and volume as text, numbered from *first*.

    None stays null: a value that the source does not have.
    """
    table = [
        (number, *(None if cell is None else str(cell) for cell in row))
        for number, row in enumerate(rows, first)
    ]
    return pl.DataFrame(table, schema=RAW, orient="row")


def empty_bars() -> pl.DataFrame:
    """Return a table of no bars."""
    return pl.DataFrame(schema=BARS)


def require_bars(frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* if it is a table of bars; raise ``DataError`` saying why it is none."""
    if frame.schema != BARS:
        raise DataError(f"a table of {dict(frame.schema)}", expected=f"bars: {dict(BARS)}")
    missing = [column for column in frame.columns if frame[column].null_count()]
    if missing:
        raise DataError(f"bars without a value for {', '.join(missing)}")
    if not _ascends(frame["timestamp"]):
        raise DataError("bars that are out of order, or two for one time")
    return frame


def _ascends(times: pl.Series) -> bool:
    return times.is_sorted() and times.n_unique() == len(times)


def between(frame: pl.DataFrame, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Return the bars from *start* on, and before *end*; None is no limit."""
    if start is not None:
        frame = frame.filter(pl.col("timestamp") >= start)
    return frame if end is None else frame.filter(pl.col("timestamp") < end)
