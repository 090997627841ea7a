"""From text to times and numbers, exactly; what cannot be read becomes null, never a guess."""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from rustybt.data.bars import DECIMAL, DECIMALS, NUMBERS, TIME
from rustybt.data.interval import Interval

_DATE: Final = r"^\d{4}-\d{2}-\d{2}$"
_CLOCK: Final = r"\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?"
_INSTANT: Final = rf"^\d{{4}}-\d{{2}}-\d{{2}}T{_CLOCK}[+-]\d{{2}}:?\d{{2}}$"
_LOCAL: Final = rf"^\d{{4}}-\d{{2}}-\d{{2}}T{_CLOCK}$"
_EPOCH: Final = r"^(?:\d{10}|\d{13}|\d{16})$"
_NUMBER: Final = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$"
_PLAIN: Final = rf"^[+-]?\d{{1,19}}(?:\.\d{{0,{DECIMALS}}}0*)?$"
_LIMIT: Final = Decimal("1e19")
_SMALLEST: Final = Decimal(1).scaleb(-DECIMALS)
_WIDE: Final = Context(prec=38)


def read_times(frame: pl.DataFrame, interval: Interval, zone: ZoneInfo | None) -> pl.DataFrame:
    """Return *frame*, whose column ``timestamp`` is text, with three columns about the times.

    ``time`` is the bar's start in UTC, null if it cannot be told; ``naive`` tells that the text
    lacks the zone it needs, ``unclear`` that a local time in *zone* does not exist or exists twice.
    Understood are ISO 8601, a blank for the T and no seconds allowed, and seconds, milliseconds or
    microseconds since 1970. Of bars known by their day, only the date counts, as it is written.
    """
    frame = frame.with_columns(_text=_normal(pl.col("timestamp")))
    local = _where(_LOCAL).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
    time = _days() if interval.by_day else _instants()
    unclear = pl.lit(value=False)
    naive = pl.lit(value=False) if interval.by_day else _matches(_DATE)
    if zone is None:
        naive = naive | _matches(_LOCAL)
    else:
        placed = local.dt.replace_time_zone(str(zone), ambiguous="null", non_existent="null")
        unclear = local.is_not_null() & placed.is_null()
        time = time.fill_null(_as_start(placed, interval))
    return frame.with_columns(time=time, naive=naive, unclear=unclear).drop("_text")


def _normal(text: pl.Expr) -> pl.Expr:
    """Return times in one spelling: a T, seconds, and the offset in digits."""
    return (
        text.str.strip_chars()
        .str.replace(r"^(\d{4}-\d{2}-\d{2}) +", "${1}T")
        .str.replace(r"(?:Z| UTC)$", "+00:00")
        .str.replace(r"^(\S+T\d{2}:\d{2})($|[+-])", "${1}:00${2}")
    )


def _matches(pattern: str) -> pl.Expr:
    return pl.col("_text").str.contains(pattern).fill_null(value=False)


def _where(pattern: str) -> pl.Expr:
    """Return the text where it matches *pattern*, null elsewhere."""
    return pl.when(_matches(pattern)).then(pl.col("_text"))


def _instants() -> pl.Expr:
    """Return the instants that are written with their zone, or as a count since 1970."""
    written = _where(_INSTANT).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f%z", strict=False, time_unit="us"
    )
    return written.cast(TIME).fill_null(_counted())


def _counted() -> pl.Expr:
    """Return the instants that are counted since 1970; the number of digits tells the unit."""
    count = _where(_EPOCH).cast(pl.Int64, strict=False)
    digits = pl.col("_text").str.len_chars()
    factor = pl.when(digits == 10).then(1_000_000).when(digits == 13).then(1_000).otherwise(1)
    return (count * factor).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _days() -> pl.Expr:
    """Return midnight UTC of the dates that are written, whatever time of day follows them."""
    date = pl.coalesce(_where(_DATE), _where(_INSTANT).str.slice(0, 10))
    day = date.str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    return day.dt.replace_time_zone("UTC").fill_null(_counted().dt.truncate("1d"))


def _as_start(placed: pl.Expr, interval: Interval) -> pl.Expr:
    """Return local times as starts of bars in UTC: as instants, or as their day."""
    if interval.by_day:
        return placed.dt.replace_time_zone(None).dt.truncate("1d").dt.replace_time_zone("UTC")
    return placed.dt.convert_time_zone("UTC")


def read_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with its columns of numbers read as decimals.

    Each keeps its text in ``text.<column>``; ``inexact.<column>`` tells of a number that has more
    digits than a stored one can keep. A null is text that is no finite number, or such a number.
    """
    parts: list[pl.Expr] = []
    for column in NUMBERS:
        text = pl.col(column).str.strip_chars()
        plain = text.str.contains(_PLAIN).fill_null(value=False)
        # Polars rounds what has too many digits and says nothing: it never sees such text.
        parts += [
            pl.col(column).alias(f"text.{column}"),
            pl.when(plain).then(text).cast(DECIMAL, strict=False).alias(column),
            pl.when(~plain & text.str.contains(_NUMBER)).then(text).alias(f"rest.{column}"),
            pl.lit(value=False).alias(f"inexact.{column}"),
        ]
    frame = frame.with_columns(parts)
    rest = [f"rest.{column}" for column in NUMBERS]
    left = frame.select(pl.col(rest).is_not_null().any()).row(0)
    for column, some in zip(NUMBERS, left, strict=True):
        if some:
            frame = _read_rest(frame, column)
    return frame.drop(rest)


def _read_rest(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Read the numbers with an exponent or many digits, one by one: they are rare."""
    rest = frame[f"rest.{column}"]
    fixed = [None if text is None else _fixed(text) for text in rest]
    values = pl.Series(fixed, dtype=pl.String).cast(DECIMAL)
    return frame.with_columns(
        pl.col(column).fill_null(values),
        (rest.is_not_null() & values.is_null()).alias(f"inexact.{column}"),
    )


def _fixed(text: str) -> str | None:
    """Return the number written as *text* without exponent; None if it cannot be kept exactly."""
    value = Decimal(text)
    try:
        kept = value.quantize(_SMALLEST, context=_WIDE)
    except InvalidOperation:
        return None
    return f"{kept:f}" if kept == value and kept.copy_abs() < _LIMIT else None
