"""Bars from CSV files."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from rustybt.data.bars import NUMBERS, RAW, raw_rows
from rustybt.data.errors import MalformedDataError, SourceError
from rustybt.data.interval import Interval
from rustybt.data.source import Page

TIMES: Final = ("timestamp", "datetime", "date", "time")
"""Columns that may hold the time, the first of them that is there does; case does not matter."""
SHOWN_PROBLEMS: Final = 20
MAX_BYTES: Final = 2 << 30
_SYMBOL: Final = "symbol"
_PLACE: Final = "{symbol}"
# Whether a NaN is acceptable is for the rules to say; what is no number at all is malformed.
_NUMERIC: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|[+-]?(?:nan|inf|infinity)", re.I
)
_NUMERIC_TEXT: Final = rf"(?i)^(?:{_NUMERIC.pattern})?$"


@dataclass(slots=True)
class CsvSource:
    """The bars in *path*: a file, with a column ``symbol`` where it holds several of them.

    ``{symbol}`` in *path* stands for the symbol asked for. A file has a header with a time (see
    ``TIMES``), open, high, low, close and volume in any order and case; other columns are ignored.
    """

    path: Path
    name: str = field(default="csv", init=False)
    resumable: bool = field(default=False, init=False)  # a file may have been corrected
    requests_per_minute: int = field(default=0, init=False)

    def pages(
        self,
        symbol: str,
        interval: Interval,  # noqa: ARG002 - part of the port; a file has the bars it has
        start: datetime,  # noqa: ARG002 - rows out of the span are judged, too: see Ingest
        end: datetime,
    ) -> Iterator[Page]:
        """Yield the whole file's rows of *symbol* as one page.

        Raise ``SourceError`` if there is no such file or symbol, and ``MalformedDataError`` with
        the line numbers of what is wrong with it.
        """
        yield Page(self.rows(symbol), end)

    def rows(self, symbol: str) -> pl.DataFrame:
        """Return the rows of *symbol* as text, numbered by their lines; raise as `pages` does."""
        path = Path(str(self.path).replace(_PLACE, symbol))
        table = read_csv(path)
        if _SYMBOL not in table.columns:
            return table
        rows = table.filter(pl.col(_SYMBOL).str.strip_chars() == symbol).drop(_SYMBOL)
        if rows.is_empty():
            known = sorted(set(table[_SYMBOL].str.strip_chars().drop_nulls()))[:10]
            raise SourceError(
                f"{path} has no rows of {symbol}", expected=f"one of {', '.join(known)}"
            )
        return rows

    def require(self, symbols: Sequence[str]) -> None:
        """Read every file that *symbols* need before any is used; raise as `pages` does."""
        several = len(symbols) > 1 and _PLACE not in str(self.path)
        if several and _SYMBOL not in read_csv(self.path).columns:
            raise SourceError(
                f"{self.path} does not say whose bars it holds",
                expected=f"a column {_SYMBOL}, or {_PLACE} in the path, for several symbols",
            )
        for symbol in symbols:
            self.rows(symbol)


def read_csv(path: Path) -> pl.DataFrame:
    """Return a file's rows as in `rustybt.data.bars.RAW`, and ``symbol`` if it has that column.

    ``row`` is the number of the line. Raise ``SourceError`` if it cannot be read,
    ``MalformedDataError`` with all problems if it is no table of bars.
    """
    text = _text(path)
    header = next(csv.reader(io.StringIO(text)), [])
    columns = _columns(path, header)
    table = _quickly(text, header, columns)
    return table if table is not None else _carefully(path, text, columns, len(header))


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SourceError(f"{path} is not a regular file")
        if path.stat().st_size > MAX_BYTES:
            raise SourceError(f"{path} is larger than {MAX_BYTES >> 30} GiB", remedy="divide it")
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MalformedDataError(str(path), [f"line {line}: it is not UTF-8"], 1) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise MalformedDataError(str(path), [f"line {line}: it has a NUL character"], 1)
    return text


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Return the positions of the columns that are used, by their names in the table."""
    names = [name.strip().lower() for name in header]
    if not any(names):
        raise MalformedDataError(str(path), ["line 1: there is no header, the file is empty"], 1)
    time = next((name for name in TIMES if name in names), None)
    wanted = {"timestamp": time, **{name: name for name in NUMBERS}}
    problems = [
        f"line 1: no column {name if name != 'timestamp' else ' or '.join(TIMES)}; "
        f"the header has {', '.join(header)[:200]}"
        for name, found in wanted.items()
        if found not in names
    ]
    problems += [
        f"line 1: {names.count(name)} columns are called {name}"
        for name in (*filter(None, wanted.values()), _SYMBOL)
        if names.count(name) > 1
    ]
    if problems:
        raise MalformedDataError(str(path), problems, len(problems))
    if _SYMBOL in names:
        wanted[_SYMBOL] = _SYMBOL
    return {name: names.index(found) for name, found in wanted.items() if found}


def _quickly(text: str, header: Sequence[str], columns: dict[str, int]) -> pl.DataFrame | None:
    """Return the rows if the file is simple and sound; None if it has to be looked at closely."""
    # With a quote, a lone carriage return or an empty line, rows and lines may differ.
    if '"' in text or re.search(r"\r(?!\n)|\n[ \t]*\r?\n|\A\s*\n", text):
        return None
    try:
        cells = pl.read_csv(
            io.BytesIO(text.encode()), has_header=False, skip_rows=1, infer_schema=False
        )
    except pl.exceptions.PolarsError:
        return None
    if cells.width != len(header):
        return None
    table = cells.select(
        (pl.int_range(pl.len(), dtype=pl.Int64) + 2).alias("row"),
        *(pl.nth(position).alias(name) for name, position in columns.items()),
    )
    numeric = pl.all_horizontal(
        pl.col(name).str.strip_chars().str.contains(_NUMERIC_TEXT) for name in NUMBERS
    )
    sound = table.select(numeric.all()).item() and not table["timestamp"].null_count()
    complete = not cells[:, -1].null_count()
    return table if sound and complete else None


def _carefully(path: Path, text: str, columns: dict[str, int], width: int) -> pl.DataFrame:
    """Return the rows of a file, line by line; raise with everything that is wrong with it."""
    problems: list[str] = []
    total = 0
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells, error in _records(text):
        found = [error] if error else _wrong(cells, columns, width)
        total += len(found)
        problems += [f"line {line}: {one}" for one in found][: SHOWN_PROBLEMS - len(problems)]
        if not total:
            rows.append([cells[position] for position in columns.values()])
            lines.append(line)
    if total == 0 and not rows:
        total, problems = 1, ["there is no row below the header"]
    if total:
        raise MalformedDataError(str(path), problems, total)
    table = raw_rows(row[: len(RAW) - 1] for row in rows).with_columns(
        row=pl.Series(lines, dtype=pl.Int64)
    )
    if _SYMBOL in columns:
        table = table.with_columns(pl.Series(_SYMBOL, [row[-1] for row in rows], dtype=pl.String))
    return table


def _records(text: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield the line, the cells, and what is wrong with their form, of all records but the first.

    Empty lines are left out. After a quote that is not closed nothing can be told.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 0
    while True:
        begun = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield begun, [], f"{error}"
            return
        if cells is None:
            return
        if line and any(cell.strip() for cell in cells):
            yield begun, cells, ""
        line = begun


def _wrong(cells: Sequence[str], columns: dict[str, int], width: int) -> list[str]:
    """Return what is wrong with one record."""
    if len(cells) != width:
        return [f"{len(cells)} fields; the header has {width}"]
    return [
        f"{name} is {cells[columns[name]][:40]!r}, not a number"
        for name in NUMBERS
        if (cell := cells[columns[name]].strip()) and not _NUMERIC.fullmatch(cell)
    ]
