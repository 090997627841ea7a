"""The columns of all symbols on top of one another, and the quick way to them.

Bars that are whole and in order, in floats, are looked at all at once. Whatever else comes goes
through :mod:`rustybt.engine.intake`, which puts it right or says what is wrong, symbol by symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import polars as pl

from rustybt.engine.intake import COLUMNS, LARGEST, NUMBERS, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rustybt.engine.intake import Bars, Frames

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

_BLOCK: Final = 16_384  # rows that are looked at together: what fits into a processor's cache


class Stack(NamedTuple):
    """Bars of several *symbols*, one symbol after the other, each in order of time.

    A *position* counts these rows. *edges* are the first position of each symbol and one past the
    last; *starts* are microseconds since 1970, *numbers* the columns from open to volume.
    """

    symbols: tuple[str, ...]
    edges: Integers
    starts: Integers
    numbers: Mapping[str, Floats]

    @property
    def height(self) -> int:
        """Rows over all symbols."""
        return int(self.edges[-1])

    def is_even(self) -> bool:
        """Tell whether all symbols have bars at the same times."""
        count = len(self.symbols)
        if count == 1:
            return True
        if not np.array_equal(self.edges, np.arange(count + 1) * self.edges[1]):
            return False
        times = self.starts.reshape(count, -1)
        return bool((times == times[0]).all())

    def frame(self, index: int) -> pl.DataFrame:
        """Return the columns of one symbol."""
        part = slice(int(self.edges[index]), int(self.edges[index + 1]))
        numbers = {name: column[part] for name, column in self.numbers.items()}
        return pl.DataFrame({"timestamp": self.starts[part], **numbers})


def stack(bars: Sequence[Bars]) -> Stack:
    """Return the frames of *bars*, none of them empty, on top of one another."""
    heights = [each.frame.height for each in bars]
    return Stack(
        tuple(each.symbol for each in bars),
        _edges(heights),
        _joined(bars, "timestamp"),
        {name: _joined(bars, name) for name in NUMBERS},
    )


def _edges(heights: Sequence[int]) -> Integers:
    """Return where each symbol begins, and where the last ends."""
    return np.cumsum([0, *heights], dtype=np.int64)


def _joined(bars: Sequence[Bars], column: str) -> NDArray[Any]:
    """Return one column of all symbols; without a copy if there is only one."""
    if len(bars) == 1:
        return bars[0].frame[column].to_numpy()
    return pl.concat([each.frame[column] for each in bars]).to_numpy()


def stack_at_once(data: Frames, *, name: str) -> Stack | None:
    """Return the bars in *data* if there is nothing to put right or to refuse, otherwise ``None``.

    *name* is what bars are called that do not say. All prices are above 0 then.
    """
    frames = _frames(data, name)
    if frames is None:
        return None
    try:
        whole = pl.concat(list(frames.values())) if len(frames) > 1 else next(iter(frames.values()))
    except pl.exceptions.PolarsError:
        return None  # the frames differ in their columns
    if not _is_familiar(whole):
        return None
    whole = whole.select(COLUMNS)
    if any(whole.null_count().row(0)):
        return None
    found = Stack(
        tuple(frames),
        _edges([frame.height for frame in frames.values()]),
        whole["timestamp"].to_physical().to_numpy(),
        {column: whole[column].to_numpy() for column in NUMBERS},
    )
    return found if _is_ordered(found) and _is_sound(found.numbers) else None


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
    )


def _is_ordered(found: Stack) -> bool:
    """Tell whether each symbol's times go up."""
    if len(found.symbols) > 1 and found.is_even():
        return _goes_up(found.starts[: found.edges[1]], ())
    return _goes_up(found.starts, found.edges[1:-1])


def _goes_up(times: Integers, edges: Integers | tuple[()]) -> bool:
    """Tell whether *times* go up at every step but those to the *edges*."""
    up = times[1:] > times[:-1]
    if len(edges):
        up[np.asarray(edges) - 1] = True
    return bool(up.all())


def _is_sound(numbers: Mapping[str, Floats]) -> bool:
    """Tell whether all prices are above 0, within low and high, and all volumes possible.

    What is not a number compares as false, so it is not sound.
    """
    columns = [numbers[name] for name in NUMBERS]
    for first in range(0, columns[0].size, _BLOCK):
        opened, high, low, close, volume = (each[first : first + _BLOCK] for each in columns)
        if not (
            low.min() >= SMALLEST
            and high.max() < LARGEST
            and (low <= opened).all()
            and (opened <= high).all()
            and (low <= close).all()
            and (close <= high).all()
            and volume.max() < LARGEST
            and (volume.min() >= SMALLEST or ((volume >= SMALLEST) | (volume == 0)).all())
        ):
            return False
    return True
