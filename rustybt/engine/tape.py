"""All bars of a backtest in the order in which they happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from rustybt.engine.stack import Stack, stack
from rustybt.model.money import decimal
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from rustybt.engine.intake import Bars

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

T = TypeVar("T")

DAY: Final = timedelta(days=1)
MICROSECOND: Final = timedelta(microseconds=1)
_PART: Final = 65_536  # times that are looked at together


class Tape:
    """Columns over all rows, by time and then symbol; a *slice* is all rows of one instant.

    *starts* are microseconds since 1970, *symbol_of* the index of each row's symbol in *symbols*,
    *slices* the first row of each slice and one past the last row. *next_row* is the next row of
    the same symbol, -1 for its last; *rows_of* lists the rows of each symbol. *interval* is how
    long a bar lasts. All of these are made when they are first asked for: those who need only a few
    rows look at the *stack*, where a symbol's rows are next to each other.
    """

    def __init__(
        self,
        bars: Sequence[Bars] | Stack,
        *,
        interval: timedelta | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if isinstance(bars, Stack):
            self.stack = bars
            self.notes = tuple(notes)
            self._exact: list[pl.DataFrame | None] = [None] * len(bars.symbols)
        else:
            self.stack = stack(bars)
            self.notes = (*notes, *(note for each in bars for note in each.notes))
            self._exact = [each.exact for each in bars]
        self.symbols = self.stack.symbols
        self.height = self.stack.height
        self.columns: Mapping[str, Floats] = _ByTime(self)
        self.is_float = all(source is None for source in self._exact)
        self._is_even = self.stack.is_even
        self._width = len(self.symbols)
        self._length = int(self.stack.edges[1])
        self.interval = interval or self._inferred_interval()
        self.bar_length = self.interval // MICROSECOND

    @cached_property
    def frames(self) -> dict[str, pl.DataFrame]:
        """The bars of each symbol, times in microseconds."""
        return {symbol: self.stack.frame(index) for index, symbol in enumerate(self.symbols)}

    # From rows to positions in the stack and back. Where all symbols have the same times this is
    # a matter of rows and columns of a table; a single symbol is the narrowest of these.

    @cached_property
    def order(self) -> Integers:
        """The position in the stack of each row."""
        if self._is_even:
            places = np.arange(self.height, dtype=np.int64)
            return places if self._width == 1 else places.reshape(self._width, -1).T.ravel()
        # Symbols come in order already, so a stable sort by time alone gives time, then symbol.
        return np.argsort(self.stack.starts, kind="stable").astype(np.int64)

    @cached_property
    def _places(self) -> Integers:
        """The row of each position in the stack."""
        result = np.empty(self.height, dtype=np.int64)
        result[self.order] = np.arange(self.height, dtype=np.int64)
        return result

    def positions(self, rows: Integers) -> Integers:
        """Return the positions of *rows* in the stack."""
        if not self._is_even:
            return self.order[rows]
        return rows if self._width == 1 else rows % self._width * self._length + rows // self._width

    def rows_at(self, positions: Integers) -> Integers:
        """Return the rows of *positions* in the stack."""
        if not self._is_even:
            return self._places[positions]
        if self._width == 1:
            return positions
        return positions % self._length * self._width + positions // self._length

    def _position(self, row: int) -> int:
        """Return the position of one row."""
        if not self._is_even:
            return int(self.order[row])
        return row % self._width * self._length + row // self._width

    def following(self, rows: Integers) -> Integers:
        """Return the next row of the same symbol for each of *rows*, -1 where there is none."""
        if not self._is_even:
            return self.next_row[rows]
        found = rows + self._width
        found[found >= self.height] = -1
        return found

    def symbols_at(self, rows: Integers) -> Integers:
        """Return the index of the symbol of each of *rows*."""
        return rows % self._width if self._is_even else self.symbol_of[rows]

    # By rows

    def stretches(self, size: int) -> Iterator[tuple[int, int]]:
        """Yield the first row and the one past the last of stretches of about *size* rows.

        None of them ends within an instant at which all symbols have bars.
        """
        whole = max(1, size // self._width) * self._width if self._is_even else size
        for first in range(0, self.height, whole):
            yield first, min(first + whole, self.height)

    def numbers(self, name: str, first: int, last: int) -> list[float]:
        """Return a column in one of the :meth:`stretches`, as Python's numbers."""
        if self._width == 1:
            return self.stack.stretch(name, first, last)
        if not self._is_even:
            return list(self.columns[name][first:last].tolist())
        table = self.stack.numbers[name].reshape(self._width, -1)
        part = table[:, first // self._width : last // self._width]
        return list(part.T.ravel().tolist())

    def each(self, items: Sequence[T], first: int, last: int) -> Iterable[T]:
        """Return the item of its symbol for each row of one of the :meth:`stretches`."""
        if not self._is_even:
            return map(items.__getitem__, self.symbol_of[first:last].tolist())
        if self._width == 1:
            return repeat(items[0], last - first)
        return chain.from_iterable(repeat(items, (last - first) // self._width))

    def began_all(self, first: int, last: int) -> list[int]:
        """Return when the rows of one of the :meth:`stretches` began."""
        if not self._is_even:
            return list(self.starts[first:last].tolist())
        times = self.times[first // self._width : last // self._width]
        return list((times if self._width == 1 else np.repeat(times, self._width)).tolist())

    @cached_property
    def starts(self) -> Integers:
        """When each row began, in microseconds since 1970."""
        if self._is_even:
            times = self.stack.times
            return times if self._width == 1 else np.repeat(times, self._width)
        return self.stack.starts[self.order]

    @cached_property
    def symbol_of(self) -> Integers:
        """The index of each row's symbol."""
        symbols = np.arange(self._width, dtype=np.int64)
        if self._is_even:
            return np.tile(symbols, self._length)
        return np.repeat(symbols, np.diff(self.stack.edges))[self.order]

    @cached_property
    def slices(self) -> Integers:
        """The first row of each instant, and one past the last row."""
        if self._is_even:
            return np.arange(self._length + 1, dtype=np.int64) * self._width
        changes = np.flatnonzero(np.diff(self.starts)) + 1
        return np.concatenate(([0], changes, [self.height])).astype(np.int64)

    @cached_property
    def next_row(self) -> Integers:
        """The next row of the same symbol for each row, -1 for its last."""
        if self._is_even:
            return self.following(np.arange(self.height, dtype=np.int64))
        following = np.empty(self.height, dtype=np.int64)
        for rows in self.rows_of:
            following[rows[:-1]] = rows[1:]
            following[rows[-1]] = -1
        return following

    @cached_property
    def rows_of(self) -> list[Integers]:
        """The rows of each symbol, in order."""
        if self._is_even:
            return [
                np.arange(index, self.height, self._width, dtype=np.int64)
                for index in range(self._width)
            ]
        return np.split(self._places, self.stack.edges[1:-1])

    def _inferred_interval(self) -> timedelta:
        """Return the shortest time between two bars; a day if there is only one."""
        times = self.times
        if times.size < 2:
            return DAY
        # A few at a time: the differences of all would need as much memory as the times.
        parts = (times[first : first + _PART + 1] for first in range(0, times.size - 1, _PART))
        return timedelta(microseconds=min(int(np.diff(part).min()) for part in parts))

    @cached_property
    def times(self) -> Integers:
        """The start of each slice, in microseconds since 1970."""
        if self._is_even:
            return self.stack.times
        return self.starts[self.slices[:-1]]

    def slice_of(self, rows: Integers) -> Integers:
        """Return the slice that each of *rows* is in."""
        if self._is_even:
            return rows if self._width == 1 else rows // self._width
        return np.searchsorted(self.slices, rows, side="right") - 1

    def began(self, row: int) -> int:
        """Return when the bar in *row* began, in microseconds since 1970."""
        return int(self.times[row // self._width] if self._is_even else self.starts[row])

    def next_after(self, row: int, symbol: int) -> int:
        """Return the next row of *symbol* after its *row*, -1 if there is none.

        A *row* of -1 stands for the time before its first.
        """
        if self._is_even:
            following = row + self._width if row >= 0 else symbol
            return following if following < self.height else -1
        return int(self.next_row[row]) if row >= 0 else int(self.rows_of[symbol][0])

    def start(self, row: int) -> datetime:
        """Return when the bar in *row* began."""
        return instant(self.began(row))

    def exact(self, row: int, column: str) -> Decimal:
        """Return a number as its exact decimal: a float stands for its shortest text."""
        if self.is_float:
            if self._is_even:
                return Decimal(repr(self.stack.item(column, self._position(row))))
            return Decimal(repr(self.columns[column].item(row)))
        position = self._position(row)
        symbol = int(np.searchsorted(self.stack.edges, position, side="right")) - 1
        return self._exact_at(position, symbol, column)

    def _exact_at(self, position: int, symbol: int, column: str) -> Decimal:
        """Return the exact number at a *position* in the stack, which is one of *symbol*."""
        source = self._exact[symbol]
        if source is None:
            return Decimal(repr(self.stack.item(column, position)))
        return as_decimal(source[position - int(self.stack.edges[symbol]), column])

    def last(self, symbol: int, end: int) -> Decimal:
        """Return the last close of a symbol before the row *end*; it has to have one."""
        first, after = self.stack.edges[symbol : symbol + 2].tolist()
        if end == self.height:
            place = after - 1
        elif self._is_even:
            place = first + (end - symbol - 1) // self._width
        else:
            place = first + int(np.searchsorted(self.rows_of[symbol], end)) - 1
        return self._exact_at(place, symbol, "close")

    def exact_many(self, rows: Integers, column: str) -> list[Decimal]:
        """Return the exact numbers of several *rows*."""
        if self.is_float:
            values = self.stack.at(column, self.positions(rows))
            return list(map(Decimal, map(repr, values.tolist())))
        return [self.exact(row, column) for row in rows.tolist()]


class _ByTime(dict[str, "Floats"]):
    """The columns of a stack in the order of a tape's rows, each sorted when it is asked for."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._tape = tape

    def __missing__(self, name: str) -> Floats:
        tape = self._tape
        if len(tape.symbols) == 1:
            found = tape.stack.numbers[name]
        else:
            found = tape.stack.column(name)[tape.order]
        self[name] = found
        return found


def as_decimal(value: object) -> Decimal:
    """Return a value from a frame as a decimal; a missing one, which only a volume is, as 0."""
    if value is None:
        return Decimal(0)
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value else Decimal(0)
    if isinstance(value, str):
        return decimal(value.strip(), "a number of the bars")
    return Decimal(value)  # type: ignore[arg-type]  # a column of numbers holds nothing else


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
