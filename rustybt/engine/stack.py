"""The columns of all symbols on top of one another, and the quick way to them.

Bars that are whole and in order, in floats, are looked at all at once. Whatever else comes goes
through :mod:`rustybt.engine.intake`, which puts it right or says what is wrong, symbol by symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rustybt.engine.intake import COLUMNS, LARGEST, NUMBERS, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rustybt.engine.intake import Bars, Frames

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


class Stack:
    """Bars of several *symbols*, one symbol after the other, each in order of time.

    A *position* counts these rows. *edges* are the first position of each symbol and one past the
    last; *numbers* are the columns from open to volume, as arrays that are made when they are asked
    for: of most columns of many symbols only a few numbers are ever needed. Where all symbols have
    bars at the same times, *is_even* says so and *times* are these, in microseconds since 1970.
    """

    def __init__(self, frames: Mapping[str, pl.DataFrame], whole: pl.DataFrame) -> None:
        """Take the *frames* of the symbols and the *whole* that they make."""
        self.symbols = tuple(frames)
        self.edges = np.cumsum([0, *(each.height for each in frames.values())], dtype=np.int64)
        self.height = whole.height
        self._whole = whole.with_columns(pl.col("timestamp").to_physical())
        self.numbers: Mapping[str, Floats] = _Columns(self._whole)
        self._is_whole = whole.n_chunks() == 1  # an array of a column is no copy then
        first, *others = (frame["timestamp"] for frame in frames.values())
        self.is_even = all(times.equals(first) for times in others)
        self.times: Integers = first.to_physical().to_numpy() if self.is_even else self.starts[:0]

    @cached_property
    def starts(self) -> Integers:
        """When each bar began, in microseconds since 1970."""
        return self._whole["timestamp"].to_numpy()

    def column(self, name: str) -> Floats:
        """Return a column that is not kept."""
        return self._whole[name].to_numpy()

    def at(self, name: str, positions: Integers) -> Floats:
        """Return the numbers of a column at some *positions*."""
        column = self.numbers.get(name)
        if column is not None:
            return column[positions]
        return self._whole[name].gather(positions).to_numpy()

    def item(self, name: str, position: int) -> float:
        """Return the number of a column at one position."""
        if self._is_whole or name in self.numbers:
            return self.numbers[name].item(position)
        found: float = self._whole[name][position]
        return found

    def stretch(self, name: str, first: int, last: int) -> list[float]:
        """Return the numbers of a column from one position until before another."""
        return self._whole[name].slice(first, last - first).to_list()

    def frame(self, index: int) -> pl.DataFrame:
        """Return the columns of one symbol."""
        first, after = self.edges[index : index + 2].tolist()
        return self._whole.slice(first, after - first)


class _Columns(dict[str, "Floats"]):
    """The columns of a frame as arrays, each made when it is asked for."""

    def __init__(self, whole: pl.DataFrame) -> None:
        super().__init__()
        self._whole = whole

    def __missing__(self, name: str) -> Floats:
        self[name] = found = self._whole[name].to_numpy()
        return found


def stack(bars: Sequence[Bars]) -> Stack:
    """Return the frames of *bars*, none of them empty, on top of one another."""
    frames = {each.symbol: each.frame for each in bars}
    return Stack(frames, _concatenated(frames))


def _concatenated(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Return one frame of all *frames*, which share the memory."""
    parts = list(frames.values())
    return pl.concat(parts) if len(parts) > 1 else parts[0]


def stack_at_once(data: Frames, *, name: str) -> Stack | None:
    """Return the bars in *data* if there is nothing to put right or to refuse, otherwise ``None``.

    *name* is what bars are called that do not say. All prices are above 0 then.
    """
    frames = _frames(data, name)
    if frames is None:
        return None
    try:
        whole = _concatenated(frames)
    except pl.exceptions.PolarsError:
        return None  # the frames differ in their columns
    if not _is_familiar(whole):
        return None
    whole = whole.select(COLUMNS)
    if any(whole.null_count().row(0)):
        return None
    found = Stack(frames, whole)
    return found if _is_ordered(found) and _is_sound(whole) else None


def _frames(data: Frames, name: str) -> dict[str, pl.DataFrame] | None:
    """Return the frame of each symbol, by name; ``None`` for what needs a closer look."""
    if isinstance(data, pl.DataFrame):
        if "symbol" not in data.columns:
            data = {name: data}
        elif data.schema["symbol"] == pl.String and not data["symbol"].null_count():
            parts = data.partition_by("symbol", as_dict=True, maintain_order=True)
            data = {str(key[0]): part for key, part in parts.items()}
    if not isinstance(data, Mapping) or not data:
        return None
    frames: dict[str, pl.DataFrame] = {}
    for symbol in sorted(data):
        frame = data[symbol]
        if not isinstance(frame, pl.DataFrame) or not frame.height or symbol.strip() != symbol:
            return None
        frames[symbol] = frame
    return None if "" in frames else frames


def _is_familiar(frame: pl.DataFrame) -> bool:
    """Tell whether the columns are there, in the types that need no conversion."""
    kinds = frame.schema
    time = kinds.get("timestamp")
    return (
        isinstance(time, pl.Datetime)
        and time.time_unit == "us"
        and time.time_zone in (None, "UTC")
        and all(kinds.get(column) == pl.Float64 for column in NUMBERS)
        and "filled" not in kinds  # bars that nobody traded may be among them
    )


def _is_ordered(found: Stack) -> bool:
    """Tell whether each symbol's times go up."""
    times = found.times if found.is_even else found.starts
    up = times[1:] > times[:-1]
    if not found.is_even:
        up[found.edges[1:-1] - 1] = True  # from one symbol to the next
    return bool(up.all())


def _is_sound(frame: pl.DataFrame) -> bool:
    """Tell whether all prices are above 0, within low and high, and all volumes possible."""
    opened, high, low, close, volume = map(pl.col, NUMBERS)
    # To Polars NaN is above all numbers: one in another price than the high fails a comparison.
    wrong = frame.select(
        a=high.is_nan().any(),
        b=(low > opened).any(),
        c=(opened > high).any(),
        d=(low > close).any(),
        e=(close > high).any(),
        f=low.min() < SMALLEST,
        g=high.max() >= LARGEST,
        h=volume.is_nan().any(),
        i=volume.max() >= LARGEST,
        j=volume.min() < SMALLEST,
    ).row(0)
    if any(wrong[:-1]):
        return False
    return not wrong[-1] or not frame.select(((volume < SMALLEST) & (volume != 0)).any()).item()
