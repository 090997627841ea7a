"""Expressions that numpy can work out for all symbols at once, only to where a target changes.

Polars evaluates an expression column by column and symbol by symbol, and most of what it writes
down says that nothing happens. The expressions here carry a plan of what they mean: it goes through
the closes in blocks that stay in the processor's cache and keeps only the rows where something
turns. Evaluated by Polars they are ordinary expressions, with the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import as_strided, sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

LONGEST: Final = 512
"""The longest window that is planned for; longer ones are left to Polars."""
_BLOCK: Final = 1024  # closes that are summed up in one go: few enough to keep 12 digits
_GROUP: Final = 16  # blocks that are worked on together
_TAME: Final = 100.0  # largest and smallest of a group may be so far apart


class Line(Protocol):
    """A number for each row that depends on the close there and on *lead* closes before."""

    @property
    def lead(self) -> int:
        """How many rows before a row are needed."""
        ...

    def of(self, block: Block) -> Floats:
        """Return the numbers in each line of *block* for all places but the first *lead*."""
        ...


class Block:
    """Stretches of closes, one a line."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        low, high = values.min(), values.max()
        # Differences of sums are as good as what was summed up is of one order of magnitude.
        self.sums = _sums(values) if low > 0.0 and high <= _TAME * low else None


def _sums(values: Floats) -> Floats:
    """Return the sums from the beginning of each line, with 0 before the first."""
    sums = np.empty((values.shape[0], values.shape[1] + 1))
    sums[:, 0] = 0.0
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


class Close(NamedTuple):
    """The close itself."""

    lead: int = 0

    def of(self, block: Block) -> Floats:
        """Return the closes."""
        return block.values


class Mean(NamedTuple):
    """The mean of the last closes, one more than *lead*."""

    lead: int

    def of(self, block: Block) -> Floats:
        """Return the means."""
        count = self.lead + 1
        if block.sums is None:
            means: Floats = sliding_window_view(block.values, count, axis=1).mean(axis=2)
            return means
        means = block.sums[:, count:] - block.sums[:, :-count]
        means /= count
        return means


class Turns(NamedTuple):
    """Where *fast* comes out above or below *slow*; both sides have to be clear by *tolerance*."""

    fast: Line
    slow: Line
    tolerance: float

    def find(self, closes: Floats, edges: Integers) -> tuple[Integers, NDArray[np.bool_]]:
        """Return the positions of all turns, and for each whether it goes up.

        *closes* are those of all symbols, one symbol after the other, *edges* where each begins and
        the last ends.
        """
        lead = max(self.fast.lead, self.slow.lead) + 1
        found = [self._in(values, lead, first) for first, values in _blocks(closes, lead)]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.bool_)
        positions = np.concatenate([each[0] for each in found])
        upwards = np.concatenate([each[1] for each in found])
        begins = edges[np.searchsorted(edges, positions, side="right") - 1]
        whole = positions - begins >= lead  # what reaches back into another symbol is no turn
        return positions[whole], upwards[whole]

    def _in(self, values: Floats, lead: int, first: int) -> tuple[Integers, NDArray[np.bool_]]:
        """Return the turns in *values*, whose lines follow one another from position *first* on."""
        block = Block(values)
        fast, slow = (line.of(block)[:, lead - 1 - line.lead :] for line in (self.fast, self.slow))
        above = fast - slow
        lines, places = np.nonzero(above[:, 1:] * above[:, :-1] < 0)
        clear = np.ones(lines.size, dtype=np.bool_)
        for at in (places, places + 1):
            size = np.maximum(np.abs(fast[lines, at]), np.abs(slow[lines, at]))
            clear &= np.abs(above[lines, at]) > size * self.tolerance
        lines, places = lines[clear], places[clear]
        width = values.shape[1] - lead
        positions = first + lead + lines * width + places
        return positions, above[lines, places + 1] > 0


def _blocks(closes: Floats, lead: int) -> Iterator[tuple[int, Floats]]:
    """Yield groups of stretches of *closes*, each repeating the last *lead* of the one before.

    With each group comes the position of its first close.
    """
    closes = np.ascontiguousarray(closes)
    whole = max(closes.size - lead, 0) // _BLOCK
    for first in range(0, whole, _GROUP):
        count = min(_GROUP, whole - first)
        shape, strides = (count, _BLOCK + lead), (_BLOCK * closes.itemsize, closes.itemsize)
        start = first * _BLOCK
        yield start, as_strided(closes[start:], shape, strides, writeable=False)
    rest = closes[whole * _BLOCK :]
    if rest.size > lead:
        yield whole * _BLOCK, rest[np.newaxis]


class Switch(NamedTuple):
    """The level *on* from an upward turn to a downward one, *off* from there, 0 before either."""

    turns: Turns
    on: float
    off: float

    def changes(self, closes: Floats, edges: Integers) -> tuple[Integers, Floats]:
        """Return the positions after which the level is another one, and that level."""
        positions, upwards = self.turns.find(closes, edges)
        levels = np.where(upwards, self.on, self.off)
        before = np.concatenate(([0.0], levels[:-1])) if levels.size else levels
        if len(edges) > 2:
            symbols = np.searchsorted(edges, positions, side="right")
            before[np.diff(symbols, prepend=0) != 0] = 0.0
        changed = levels != before
        return positions[changed], levels[changed]


class Planned(pl.Expr):
    """An expression with a *plan*. Whatever is made out of it is an ordinary expression."""

    plan: object

    @classmethod
    def of(cls, expression: pl.Expr, plan: object) -> Planned:
        """Return *expression* with a *plan*."""
        result = cls.__new__(cls)
        result._pyexpr = expression._pyexpr  # noqa: SLF001 - all there is to an expression
        result.plan = plan
        return result


def plan_of(expression: object) -> object:
    """Return the plan that *expression* has, ``None`` if it has none."""
    return getattr(expression, "plan", None) if isinstance(expression, Planned) else None
