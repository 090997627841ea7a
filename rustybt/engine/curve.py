"""The equity curve, worked out for all bars at once when a backtest is over."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from rustybt.engine.scaled import ScaledLog
from rustybt.model.money import ONE, ZERO, add

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from numpy.typing import NDArray

    from rustybt.engine.account import Account, FillLog
    from rustybt.engine.tape import Floats, Integers, Tape

_DAY: Final = 86_400_000_000  # microseconds
_WEEKDAYS, _ALL_DAYS, _WEEKS, _MONTHS = 252.0, 365.0, 52.0, 12.0


class Curve:
    """One point per slice, in floats: *equity*, *cash*, and *gross*, the value of all positions."""

    def __init__(
        self, equity: Floats, cash: Floats, positions: Callable[[], Iterator[Floats]]
    ) -> None:
        self.equity = equity
        self.cash = cash
        self._positions = positions

    @cached_property
    def gross(self) -> Floats:
        """The value of all positions without their signs: worked out when it is asked for."""
        result = np.zeros(self.equity.size)
        for value in self._positions():
            result += np.abs(value)
        return result


def equity_curve(tape: Tape, account: Account, initial_cash: float) -> Curve:
    """Return what the account was worth at the close of every slice.

    Cash is exact at each fill and a float only in the curve; a position without a bar in a slice
    is worth its last close.
    """
    log = account.log
    rows, symbols, cash_levels, held = _levels(log)
    levels = np.concatenate(([initial_cash], cash_levels))
    cash = _steps(tape.times.size, tape.slice_of(rows), levels)

    def positions() -> Iterator[Floats]:
        """Yield the value of each symbol that was traded, at every slice."""
        return _values(tape, account, rows, symbols, held)

    equity = cash
    for value in positions():
        equity = np.add(equity, value, out=value if equity is cash else equity)
    return Curve(equity, cash, positions)


def _levels(log: FillLog) -> tuple[Integers, Integers, Floats, Floats]:
    """Return the rows and symbols of all fills, and what cash and units were after each."""
    if isinstance(log, ScaledLog):
        return *log.places, log.cash_floats(), log.held
    held: dict[int, Decimal] = {}
    units = []
    for symbol, quantity in zip(log.symbols, log.quantities, strict=True):
        held[symbol] = now = add(held.get(symbol, ZERO), quantity)
        units.append(float(now))
    rows, symbols = (np.array(column, dtype=np.int64) for column in (log.rows, log.symbols))
    return rows, symbols, np.array(list(map(float, log.cash)), np.float64), np.array(units)


def _values(
    tape: Tape, account: Account, rows: Integers, symbols: Integers, held: Floats
) -> Iterator[Floats]:
    """Yield what the position in each symbol was worth at every slice.

    *held* are the units of the symbol in question after each of the fills in *rows*.
    """
    count = tape.times.size
    order = np.argsort(symbols, kind="stable")
    edges = np.flatnonzero(np.diff(symbols[order], prepend=-1)).tolist()
    for first, last in pairwise([*edges, symbols.size]):
        ours = order[first:last]
        symbol = int(symbols[ours[0]])
        units = np.concatenate(([0.0], held[ours]))
        value = _steps(count, tape.slice_of(rows[ours]), units)
        value *= closes(tape, symbol)
        if account.multipliers[symbol] != ONE:
            value *= float(account.multipliers[symbol])
        yield value


def _steps(count: int, changes: Integers, levels: Floats) -> Floats:
    """Return *count* points: level 0 until the first of *changes*, then the next level, and so on.

    Of several changes at one point the last counts.
    """
    edges = np.concatenate(([0], changes, [count]))
    return np.repeat(levels, np.diff(edges))


def closes(tape: Tape, symbol: int) -> Floats:
    """Return the last close of a symbol at every slice; 0 before its first bar."""
    edges = tape.stack.edges
    prices = tape.stack.numbers["close"][edges[symbol] : edges[symbol + 1]]
    if prices.size == tape.times.size:
        return prices
    have = tape.slice_of(tape.rows_of[symbol])
    levels = np.concatenate(([0.0], prices))
    return _steps(tape.times.size, have, levels)


def periods_per_year(times: NDArray[np.int64]) -> float:
    """Return how many slices make a year, from their *times* in microseconds.

    Daily bars count 252, 365 if there are any on weekends; weekly ones 52, monthly ones 12. Others
    are counted per day.
    """
    if times.size < 2:
        return _WEEKDAYS
    days = times // _DAY
    weekend = bool(np.isin((days + 4) % 7, (0, 6)).any())  # 1970 began on a Thursday
    count = 1 + np.count_nonzero(np.diff(days))
    year = _ALL_DAYS if weekend else _WEEKDAYS
    spacing = float(np.median(np.diff(times))) / _DAY
    if spacing >= 20:
        return _MONTHS
    if spacing >= 5:
        return _WEEKS
    return year * times.size / count
