"""Bars from CSV and Parquet files, for those who have a file and no catalog."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import polars as pl

from rustybt.engine.errors import BarDataError
from rustybt.engine.intake import COLUMNS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_TIME_NAMES: Final = ("timestamp", "datetime", "date", "time", "")
_ZONE = r"(?:Z|[+-]\d{2}:?\d{2})$"
_FORMATS: Final = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
)
_EXPECTED_TIME: Final = (
    "dates like 2024-01-31 or times like 2024-01-31 15:30:00 or 2024-01-31T15:30Z"
)
_FLOAT_DIGITS: Final = 15  # a decimal of so many digits is what its float is printed as
_SHOWN: Final = 5


def read_bars(path: Path) -> pl.DataFrame:
    """Return the bars in a CSV or Parquet file, by the ending of its name.

    Columns are known by their names, whatever their case; the time may also be called date,
    datetime or time. A time without a zone is UTC; a date is the midnight that begins it. Empty
    prices are missing ones. Raise :class:`~rustybt.engine.errors.BarDataError` naming the file and,
    for a CSV, the lines that cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise BarDataError(f"{path} is neither a .csv nor a .parquet file")
    try:
        return _read_csv(path) if kind == ".csv" else _read_parquet(path)
    except FileNotFoundError:
        raise BarDataError(f"there is no file {path}") from None
    except OSError as error:
        raise BarDataError(f"cannot read {path}: {error.strerror or error}") from None


def _read_parquet(path: Path) -> pl.DataFrame:
    """Return the bars in a Parquet file."""
    try:
        frame = pl.read_parquet(path.read_bytes())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        first = str(error).splitlines()[0]
        raise BarDataError(f"{path} is not a whole Parquet file: {first}") from None
    frame = _named(path, frame)
    return frame.with_columns(times_of(path, frame["timestamp"])) if _is_text(frame) else frame


def _is_text(frame: pl.DataFrame) -> bool:
    """Tell whether the times are text."""
    return frame.schema["timestamp"] == pl.String


def _read_csv(path: Path) -> pl.DataFrame:
    """Return the bars in a CSV file."""
    data = path.read_bytes()
    try:
        frame = pl.read_csv(data, infer_schema=False)
    except pl.exceptions.NoDataError:
        raise BarDataError(f"{path} is empty") from None
    except pl.exceptions.PolarsError as error:
        problems = list(_ragged(path))
        first = str(error).splitlines()[0]
        raise BarDataError(f"{path}: {_some(problems) or first}") from None
    frame = _named(path, frame)
    if any(frame[column].null_count() for column in COLUMNS if column in frame.columns):
        problems = list(_ragged(path))
        if problems:
            raise BarDataError(f"{path}: {_some(problems)}")
    numbers = [column for column in NUMBERS if column in frame.columns]
    frame = frame.with_columns(pl.col(numbers).str.strip_chars())
    _refuse_words(path, frame, numbers)
    return frame.with_columns(
        times_of(path, frame["timestamp"]), *(_number(frame[column]) for column in numbers)
    )


def _named(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with the names that bars have; raise for missing and doubtful ones."""
    names: dict[str, str] = {}
    for column in frame.columns:
        plain = column.strip().lower()
        if plain in (*NUMBERS, "symbol"):
            names.setdefault(plain, column)
    known = {column.strip().lower(): column for column in reversed(frame.columns)}
    time = next((name for name in _TIME_NAMES if name in known), None)
    missing = [name for name in NUMBERS if name not in names and name != "volume"]
    if time is None:
        missing.insert(0, "timestamp")
    if missing or time is None:
        raise BarDataError(
            f"{path} lacks {', '.join(missing)}; its columns are {', '.join(frame.columns)}",
            expected="timestamp, open, high, low, close, volume and, for several, symbol",
        )
    names["timestamp"] = known[time]
    return frame.select(pl.col(column).alias(name) for name, column in names.items())


def times_of(path: Path, times: pl.Series) -> pl.Series:
    """Return times from text."""
    text = times.str.strip_chars()
    zoned = text.str.contains(_ZONE).any()
    if zoned:
        text = text.str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d{2})(\d{2})$", "${1}:${2}")
    best: pl.Series | None = None
    for pattern in _FORMATS:
        found = text.str.to_datetime(
            pattern + ("%:z" if zoned else ""), strict=False, time_unit="us"
        )
        if best is None or found.null_count() < best.null_count():
            best = found
        if best.null_count() == times.null_count():
            return best.alias("timestamp")
    missing = pl.Series([]) if best is None else best.is_null() & times.is_not_null()
    _refuse(path, times, missing, "is no time that can be read", _EXPECTED_TIME)
    return times


def _refuse_words(path: Path, frame: pl.DataFrame, numbers: Sequence[str]) -> None:
    """Refuse prices and volumes that are text and no numbers."""
    for column in numbers:
        text = frame[column]
        read = text.cast(pl.Float64, strict=False)
        wrong = read.is_null() & text.is_not_null() & (text != "")
        if wrong.any():
            _refuse(path, text, wrong, f"is no number ({column})", "numbers with a point")


def _refuse(path: Path, values: pl.Series, wrong: pl.Series, what: str, expected: str) -> None:
    """Raise for the *wrong* ones among *values*, with the lines they are in."""
    rows = wrong.arg_true().to_list()
    where = _lines(path) if path.suffix.lower() == ".csv" else (lambda row: f"row {row + 1}")
    problems = [f"{where(row)}: {values[row]!r} {what}" for row in rows[:_SHOWN]]
    rest = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    raise BarDataError(f"{path}: {'; '.join(problems)}{rest}", expected=expected)


def _lines(path: Path) -> Callable[[int], str]:
    """Return a function that names the line on which a row ends."""
    ends = [line for line, _ in _records(path)]
    return lambda row: f"line {ends[row + 1]}" if row + 1 < len(ends) else f"row {row + 1}"


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each record and the line that it ends on."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.reader(file)
        for fields in reader:
            yield reader.line_num, fields


def _ragged(path: Path) -> Iterator[str]:
    """Name the lines that have more or fewer fields than the first."""
    width = 0
    for line, fields in _records(path):
        width = width or len(fields)
        if fields and len(fields) != width:
            yield f"line {line} has {len(fields)} fields, the first line {width}"


def _some(problems: Sequence[str]) -> str:
    """Return the first *problems*, and how many more there are."""
    rest = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + rest


def _number(text: pl.Series) -> pl.Series:
    """Return numbers as floats if these say the same as the text, otherwise as they are."""
    digits = text.str.replace_all(r"[^0-9]", "").str.strip_chars_start("0").str.len_chars()
    longest = digits.max()
    if isinstance(longest, int) and longest > _FLOAT_DIGITS:
        return text.replace("", None)
    return text.cast(pl.Float64, strict=False)
