"""All bars of a backtest in the order in which they happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rustybt.engine.intake import NUMBERS
from rustybt.model.money import decimal
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rustybt.engine.intake import Bars

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

DAY: Final = timedelta(days=1)
MICROSECOND: Final = timedelta(microseconds=1)


class Tape:
    """Columns over all rows, by time and then symbol; a *slice* is all rows of one instant.

    *starts* are microseconds since 1970, *symbol_of* the index of each row's symbol in *symbols*,
    *slices* the first row of each slice and one past the last row. *next_row* is the next row of
    the same symbol, -1 for its last; *rows_of* lists the rows of each symbol. *interval* is how
    long a bar lasts.
    """

    def __init__(
        self,
        bars: Sequence[Bars],
        *,
        interval: timedelta | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.symbols = tuple(each.symbol for each in bars)
        self.notes = (*notes, *(note for each in bars for note in each.notes))
        self.frames = {each.symbol: each.frame for each in bars}
        self._exact = [each.exact for each in bars]
        counts = [each.frame.height for each in bars]
        self.height = sum(counts)
        starts = _joined(bars, "timestamp")
        index = np.repeat(np.arange(len(bars), dtype=np.int64), counts)
        # Symbols come in order already, so a stable sort by time alone gives time, then symbol.
        order = None if len(bars) == 1 else np.argsort(starts, kind="stable")
        self.starts: Integers = _sorted(starts, order)
        self.symbol_of: Integers = _sorted(index, order)
        self.columns: dict[str, Floats] = {
            name: _sorted(_joined(bars, name), order) for name in NUMBERS
        }
        self.slices: Integers = self._slices()
        self.rows_of = self._rows_by_symbol(counts)
        self.next_row: Integers = self._next_rows()
        self.interval = interval or self._inferred_interval()
        self.bar_length = self.interval // MICROSECOND

    def _slices(self) -> Integers:
        """Return the first row of each instant, and one past the last row."""
        if len(self.symbols) == 1:
            return np.arange(self.height + 1, dtype=np.int64)
        changes = np.flatnonzero(np.diff(self.starts)) + 1
        return np.concatenate(([0], changes, [self.height])).astype(np.int64)

    def _next_rows(self) -> Integers:
        """Return the next row of the same symbol for each row, -1 for its last."""
        following = np.arange(1, self.height + 1, dtype=np.int64)
        for rows in self.rows_of if len(self.symbols) > 1 else ():
            following[rows[:-1]] = rows[1:]
        following[[rows[-1] for rows in self.rows_of]] = -1
        return following

    def _rows_by_symbol(self, counts: Sequence[int]) -> list[Integers]:
        """Return the rows of each symbol, in order."""
        if len(counts) == 1:
            return [np.arange(self.height, dtype=np.int64)]
        order = np.argsort(self.symbol_of, kind="stable").astype(np.int64)
        return np.split(order, np.cumsum(counts)[:-1])

    def _inferred_interval(self) -> timedelta:
        """Return the shortest time between two bars; a day if there is only one."""
        times = self.starts[self.slices[:-1]]
        return timedelta(microseconds=int(np.diff(times).min())) if times.size > 1 else DAY

    @property
    def times(self) -> Integers:
        """The start of each slice, in microseconds since 1970."""
        return self.starts[self.slices[:-1]]

    def slice_of(self, rows: Integers) -> Integers:
        """Return the slice that each of *rows* is in."""
        if len(self.symbols) == 1:
            return rows
        return np.searchsorted(self.slices, rows, side="right") - 1

    def start(self, row: int) -> datetime:
        """Return when the bar in *row* began."""
        return instant(int(self.starts[row]))

    def exact(self, row: int, column: str) -> Decimal:
        """Return a number as its exact decimal: a float stands for its shortest text."""
        source = self._exact[int(self.symbol_of[row])]
        if source is None:
            return Decimal(repr(float(self.columns[column][row])))
        position = int(np.searchsorted(self.rows_of[int(self.symbol_of[row])], row))
        return as_decimal(source[position, column])

    def exact_many(self, rows: Integers, column: str) -> list[Decimal]:
        """Return the exact numbers of several *rows*."""
        if all(source is None for source in self._exact):
            return [Decimal(repr(value)) for value in self.columns[column][rows].tolist()]
        return [self.exact(row, column) for row in rows.tolist()]


def as_decimal(value: object) -> Decimal:
    """Return a value from a frame as a decimal; a missing one, which only a volume is, as 0."""
    if value is None:
        return Decimal(0)
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value else Decimal(0)
    if isinstance(value, str):
        return decimal(value.strip(), "a number of the bars")
    return Decimal(value)  # type: ignore[arg-type]  # a column of numbers holds nothing else


def _joined(bars: Sequence[Bars], column: str) -> NDArray[Any]:
    """Return one column of all symbols; without a copy if there is only one."""
    if len(bars) == 1:
        return bars[0].frame[column].to_numpy()
    return pl.concat([each.frame[column] for each in bars]).to_numpy()


def _sorted(values: NDArray[Any], order: Integers | None) -> NDArray[Any]:
    """Return *values* in *order*."""
    return values if order is None else values[order]


class ExactBar:
    """A row as matching sees it: prices become decimals when they are asked for."""

    __slots__ = ("_row", "_tape", "end", "start", "symbol")

    def __init__(self, tape: Tape, row: int) -> None:
        self._tape = tape
        self._row = row
        self.symbol = tape.symbols[int(tape.symbol_of[row])]
        self.start = tape.start(row)
        self.end = self.start + tape.interval

    @property
    def open(self) -> Decimal:
        """First price."""
        return self._tape.exact(self._row, "open")

    @property
    def high(self) -> Decimal:
        """Highest price."""
        return self._tape.exact(self._row, "high")

    @property
    def low(self) -> Decimal:
        """Lowest price."""
        return self._tape.exact(self._row, "low")

    @property
    def close(self) -> Decimal:
        """Last price."""
        return self._tape.exact(self._row, "close")

    @property
    def volume(self) -> Decimal:
        """Units traded."""
        return self._tape.exact(self._row, "volume")
