"""The fills of a backtest as a sequence of values that are made when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, overload

from rustybt.model.fill import Fill

if TYPE_CHECKING:
    from rustybt.engine.account import FillLog


class Fills(Sequence[Fill]):
    """All fills in a *log*, in order; what is no trade is left out. Equal to a tuple of the same.

    How many there are costs nothing, one is made at a time, all are made once.
    """

    def __init__(self, log: FillLog, symbols: Sequence[str]) -> None:
        self._log = log
        self._symbols = symbols

    @cached_property
    def _all(self) -> tuple[Fill, ...]:
        facts = self._log.facts(self._symbols)
        return tuple(fact for fact in facts if isinstance(fact, Fill))

    def __len__(self) -> int:
        return len(self._log) - len(self._log.entries)

    @overload
    def __getitem__(self, index: int) -> Fill: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Fill, ...]: ...
    def __getitem__(self, index: int | slice) -> Fill | tuple[Fill, ...]:
        if isinstance(index, slice) or self._log.entries:
            return self._all[index]
        return self._log.fill(range(len(self))[index], self._symbols)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fills | tuple):
            return NotImplemented
        return self._all == tuple(other)

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return repr(self._all)
