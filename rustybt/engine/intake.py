"""Bars as they come, checked and put in order.

What is harmless is put right and noted: rows without a price (a halt, a holiday) are left out,
rows out of order are sorted, exact repetitions dropped. What would make results wrong is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rustybt.engine.errors import BarDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

Frames = pl.DataFrame | pl.LazyFrame | Mapping[str, pl.DataFrame | pl.LazyFrame]
"""Bars: a frame (with a column ``symbol`` if there are several), or one frame per symbol."""

PRICES: Final = ("open", "high", "low", "close")
NUMBERS: Final = (*PRICES, "volume")
COLUMNS: Final = ("timestamp", *NUMBERS)
LARGEST: Final = 1e18  # the model's exact numbers end there, and have at most 35 decimals
SMALLEST: Final = 1e-18
_SHOWN = 3


class Bars(NamedTuple):
    """The bars of one symbol: floats to decide on, and *exact*, the columns as they came.

    *frame* has ``timestamp`` (microseconds, UTC) and Float64 columns, in order of time.
    """

    symbol: str
    frame: pl.DataFrame
    exact: pl.DataFrame | None
    """The original columns where they are exact (text, decimals); ``None`` if they are floats."""
    notes: tuple[str, ...]


def take_in(data: Frames, *, signed: frozenset[str], name: str = "ASSET") -> list[Bars]:
    """Return the bars of each symbol, by name; one without a usable row is left out with a note.

    *signed* are the symbols whose prices may be zero or negative; *name* is what bars are called
    that do not say. Raise :class:`~rustybt.engine.errors.BarDataError` for bars that cannot be.
    """
    found = [_checked(symbol, frame, symbol in signed) for symbol, frame in _split(data, name)]
    if not any(bars.frame.height for bars in found):
        raise BarDataError(
            "there are no bars" + "".join(f"; {note}" for bars in found for note in bars.notes),
            expected="at least one row with prices",
        )
    return sorted(found, key=lambda bars: bars.symbol)


def _split(data: Frames, name: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the frame of each symbol."""
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, Mapping):
        for symbol, frame in data.items():
            eager = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
            yield symbol, _is_frame(eager)
        return
    if "symbol" not in _is_frame(data).columns:
        yield name, data
        return
    if data["symbol"].null_count():
        raise BarDataError(f"{data['symbol'].null_count()} rows have no symbol")
    for key, part in data.partition_by("symbol", as_dict=True, maintain_order=True).items():
        yield str(key[0]), part


def _is_frame(value: object) -> pl.DataFrame:
    """Return *value* if it is a frame."""
    if isinstance(value, pl.DataFrame):
        return value
    raise BarDataError(
        f"bars came as a {type(value).__name__}",
        expected="a Polars DataFrame, or a mapping of symbols to such frames",
    )


def _checked(symbol: str, frame: pl.DataFrame, signed: bool) -> Bars:  # noqa: FBT001 - internal
    """Return the usable bars of one symbol."""
    if not symbol or symbol != symbol.strip():
        raise BarDataError(f"{symbol!r} is not a symbol", expected="text without blanks around it")
    notes: list[str] = []
    frame = _without_fills(symbol, frame, notes)
    if "volume" not in frame.columns:
        frame = frame.with_columns(volume=pl.lit(0.0))
        notes.append(f"{symbol}: the bars have no volume; it counts as 0")
    frame = _columns(symbol, frame)
    floats = _floats(symbol, frame)
    floats = _without_gaps(symbol, floats, notes)
    if not floats["timestamp"].is_sorted():
        floats = floats.sort("timestamp", maintain_order=True)
        notes.append(f"{symbol}: the rows were not in order of time and were sorted")
    floats = _without_repetitions(symbol, floats, notes)
    _refuse_wrong(symbol, floats, signed=signed)
    rows = floats["row"]
    is_exact = any(not frame.schema[column].is_float() for column in NUMBERS)
    exact = frame.select(NUMBERS)[rows] if is_exact else None
    return Bars(symbol, floats.drop("row"), exact, tuple(notes))


def _without_fills(symbol: str, frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Leave out bars that a gap policy made up: strategies see and trade only what was traded."""
    if frame.schema.get("filled") != pl.Boolean:
        return frame
    traded = frame.filter(~pl.col("filled").fill_null(value=False))
    if traded.height < frame.height:
        notes.append(
            f"{symbol}: {frame.height - traded.height} bars were filled in where nobody traded "
            "and are left out"
        )
    return traded


def _columns(symbol: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that count; raise for missing ones and a time that is none."""
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise BarDataError(
            f"{symbol}: the bars lack {', '.join(missing)}; they have {', '.join(frame.columns)}",
            expected="the columns " + ", ".join(COLUMNS),
        )
    kind = frame.schema["timestamp"]
    if not isinstance(kind, pl.Datetime | pl.Date):
        raise BarDataError(
            f"{symbol}: timestamp is of type {kind}",
            expected="a Polars Datetime in UTC (or a Date, for the midnight that begins it)",
        )
    time = pl.col("timestamp")
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        time = time.dt.convert_time_zone("UTC")
    return frame.select(time.cast(pl.Datetime("us")).cast(pl.Int64), *NUMBERS)


def _floats(symbol: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with its numbers as Float64 and the column ``row`` counting them."""
    try:
        return frame.with_columns(pl.col(NUMBERS).cast(pl.Float64)).with_row_index("row")
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise BarDataError(
            f"{symbol}: prices or volumes are not numbers: {first}",
            expected="floats, integers, decimals, or text that is a number",
        ) from None


def _without_gaps(symbol: str, frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Leave out the rows without all prices or a time; refuse those with an infinity."""
    # The usual case costs one look at each column.
    whole = frame.select(pl.col(NUMBERS).is_finite().all()).row(0)
    if all(whole) and not sum(frame.null_count().row(0)):
        return frame
    missing = pl.any_horizontal(pl.col("timestamp", *PRICES).is_null(), pl.col(PRICES).is_nan())
    found = frame.select(
        missing=missing.any(), infinite=pl.any_horizontal(pl.col(NUMBERS).is_infinite().any())
    ).row(0, named=True)
    if found["infinite"]:
        infinite = frame.select(pl.any_horizontal(pl.col(NUMBERS).is_infinite())).to_series()
        raise BarDataError(f"{symbol}: {_rows(frame, infinite)} have infinite numbers")
    if found["missing"]:
        priced = frame.filter(~missing)
        dropped = frame.height - priced.height
        notes.append(f"{symbol}: {dropped} of {frame.height} rows lack a price and were left out")
        frame = priced
    return frame.with_columns(pl.col("volume").fill_nan(0.0).fill_null(0.0))


def _without_repetitions(symbol: str, frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    """Drop rows that repeat another; refuse two different ones of the same time."""
    if bool((np.diff(frame["timestamp"].to_numpy()) > 0).all()):
        return frame
    distinct = frame.unique(COLUMNS, keep="first", maintain_order=True)
    double = distinct["timestamp"].is_duplicated()
    if double.any():
        raise BarDataError(
            f"{symbol}: {_rows(distinct, double)} have the same times and different numbers",
            expected="one bar per time",
        )
    notes.append(f"{symbol}: {frame.height - distinct.height} repeated rows were left out")
    return distinct


def _refuse_wrong(symbol: str, frame: pl.DataFrame, *, signed: bool) -> None:
    """Raise one error that names everything wrong with the numbers."""
    if not signed and _is_plain(frame):
        return
    prices = pl.col(PRICES)
    low, high = pl.col("low"), pl.col("high")
    wrong = {
        "have a low above the high": low > high,
        "have an open or close outside low and high": (pl.col("open") < low)
        | (pl.col("open") > high)
        | (pl.col("close") < low)
        | (pl.col("close") > high),
        "have a negative volume": pl.col("volume") < 0,
        f"have numbers below {SMALLEST:g} that are not 0": pl.any_horizontal(
            (pl.col(NUMBERS).abs() < SMALLEST) & (pl.col(NUMBERS) != 0)
        ),
        f"have numbers of {LARGEST:g} or more": pl.any_horizontal(pl.col(NUMBERS).abs() >= LARGEST),
    }
    if not signed:
        wrong["have a price that is not above 0 (only futures and perpetuals may)"] = (
            pl.any_horizontal(prices <= 0)
        )
    if not any(frame.select(**{name: each.any() for name, each in wrong.items()}).row(0)):
        return
    found = frame.select(**wrong)
    problems = [f"{_rows(frame, found[name])} {name}" for name in wrong if found[name].any()]
    raise BarDataError(f"{symbol}: {'; '.join(problems)}")


def _is_plain(frame: pl.DataFrame) -> bool:
    """Tell, at the least cost, that nothing is wrong with the numbers."""
    opened, low, high, close = (pl.col(name) for name in ("open", "low", "high", "close"))
    volume = pl.col("volume")
    doubts = frame.select(
        a=(low > opened).any(),
        b=(low > close).any(),
        c=(opened > high).any(),
        d=(close > high).any(),
        e=low.min() < SMALLEST,
        f=high.max() >= LARGEST,
        g=volume.min() < 0,
        h=volume.max() >= LARGEST,
        i=((volume > 0) & (volume < SMALLEST)).any(),
    )
    return not any(doubts.row(0))


def _rows(frame: pl.DataFrame, which: pl.Series) -> str:
    """Name the first rows in question, counted from 1 as they came, and say how many there are."""
    found = frame.filter(which)
    times = found["timestamp"].cast(pl.Datetime("us")).dt.to_string("%Y-%m-%d %H:%M")
    shown = [
        f"{row + 1} ({time})"
        for row, time in zip(found["row"][:_SHOWN], times[:_SHOWN], strict=True)
    ]
    rest = f" and {found.height - _SHOWN} more" if found.height > _SHOWN else ""
    return f"rows {', '.join(shown)}{rest}"
