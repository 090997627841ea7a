"""The equity curve, worked out for all bars at once when a backtest is over."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rustybt.model.money import ONE, ZERO, add

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rustybt.engine.account import Account
    from rustybt.engine.tape import Floats, Integers, Tape

_DAY: Final = 86_400_000_000  # microseconds
_WEEKDAYS, _ALL_DAYS, _WEEKS, _MONTHS = 252.0, 365.0, 52.0, 12.0


class Curve(NamedTuple):
    """One point per slice, in floats: *equity*, *cash*, and *gross*, the value of all positions."""

    equity: Floats
    cash: Floats
    gross: Floats


def equity_curve(tape: Tape, account: Account, initial_cash: float) -> Curve:
    """Return what the account was worth at the close of every slice.

    Cash is exact at each fill and a float only in the curve; a position without a bar in a slice
    is worth its last close.
    """
    log = account.log
    count = tape.slices.size - 1
    rows = np.asarray(log.rows, dtype=np.int64)
    fills = tape.slice_of(rows)
    cash = _steps(count, fills, np.array([initial_cash, *map(float, log.cash)]))
    equity, gross = cash, np.zeros(0)
    symbols = np.asarray(log.symbols, dtype=np.int64)
    for symbol in np.unique(symbols).tolist():
        ours = np.flatnonzero(symbols == symbol)
        traded = [log.quantities[number] for number in ours.tolist()]
        held = np.array([float(units) for units in accumulate(traded, add, initial=ZERO)])
        value = _steps(count, fills[ours], held) * closes(tape, symbol)
        if account.multipliers[symbol] != ONE:
            value *= float(account.multipliers[symbol])
        equity = equity + value
        size = np.abs(value, out=value)
        gross = gross + size if gross.size else size
    return Curve(equity, cash, gross if gross.size else np.zeros(count))


def _steps(count: int, changes: Integers, levels: Floats) -> Floats:
    """Return *count* points: level 0 until the first of *changes*, then the next level, and so on.

    Of several changes at one point the last counts.
    """
    edges = np.concatenate(([0], changes, [count]))
    return np.repeat(levels, np.diff(edges))


def closes(tape: Tape, symbol: int) -> Floats:
    """Return the last close of a symbol at every slice; 0 before its first bar."""
    prices = tape.columns["close"][tape.rows_of[symbol]]
    if len(tape.symbols) == 1:
        return prices
    have = tape.slice_of(tape.rows_of[symbol])
    levels = np.concatenate(([0.0], prices))
    return _steps(tape.slices.size - 1, have, levels)


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
