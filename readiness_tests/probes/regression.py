"""Measure paths of the engine beside loops of the same nature that know nothing of it.

A loop's time says how quick this machine is at such work just now; a path is judged by how many
times as long it takes. Processor time, in rounds that take turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from time import process_time
from typing import Any

import numpy as np
import polars as pl

from rustybt.accounting import CostMethod
from rustybt.benchmark import booking, workload
from rustybt.benchmark.rounds import take_turns

BARS, COLUMN_BARS, FILLS = 20_000, 250_000, 5_000

Work = Callable[[], object]


def main(arguments: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Return for each path the seconds of *rounds* rounds, its own and its reference's."""
    return {
        name: take_turns({"path": path, "reference": reference}, arguments["rounds"], process_time)
        for name, (path, reference) in _pairs().items()
    }


def _pairs() -> dict[str, tuple[Work, Work]]:
    """Return each path and what it is held against, all of them run once."""
    frames, long = workload.series(1, BARS), workload.series(1, COLUMN_BARS)
    many = workload.series(20, BARS // 20)
    fills = booking.fills(FILLS)
    plain = [(each.symbol, each.signed_quantity, each.price, each.fee) for each in fills]
    average, lots = booking.METHODS
    pairs: dict[str, tuple[Work, Work]] = {
        "backtest, bar by bar": (lambda: workload.run(workload.Bars, frames), _bars(frames)),
        "backtest, many symbols": (lambda: workload.run(workload.ManyBars, many), _bars(many)),
        "backtest, by signals": (lambda: workload.run(workload.Column, long), _columns(long)),
        "ledger, average cost": (_booking(fills, average), lambda: _decimals(plain)),
        "ledger, lots": (_booking(fills, lots), lambda: _decimals(plain)),
    }
    for path, reference in pairs.values():
        path(), reference()
    return pairs


def _booking(fills: Sequence[Any], method: CostMethod) -> Work:
    return lambda: booking.book(fills, method)


class _Mean:
    """The mean of the last so many numbers."""

    __slots__ = ("count", "last", "total")

    def __init__(self, count: int) -> None:
        self.count, self.last, self.total = count, deque([0.0] * count), 0.0

    def update(self, number: float) -> float:
        """Take one more and return the mean."""
        self.total += number - self.last.popleft()
        self.last.append(number)
        return self.total / self.count


def _bars(frames: Mapping[str, pl.DataFrame]) -> Work:
    """Return a walk over plain rows: objects, calls and comparisons, as in any strategy."""

    def walk() -> int:
        crossings = 0
        for frame in frames.values():
            fast, slow, above = _Mean(20), _Mean(50), False
            for opened, high, low, close in frame[["open", "high", "low", "close"]].iter_rows():
                now = fast.update(close) > slow.update(close)
                if now is not above and low <= opened <= high:
                    crossings, above = crossings + 1, now
        return crossings

    return walk


def _columns(frames: Mapping[str, pl.DataFrame]) -> Work:
    """Return work on whole columns, and exact sums where two averages cross."""
    (frame,) = frames.values()

    def work() -> Decimal:
        close = frame["close"]
        above = (close.rolling_mean(20) > close.rolling_mean(50)).fill_null(value=False).to_numpy()
        rows = np.flatnonzero(np.diff(above))
        cash, price = Decimal(0), Decimal(0)
        for number in close.gather(rows).to_list():
            price = Decimal(repr(number))
            cash += price * 10 - price * Decimal("0.01")
        worth = np.cumsum(np.diff(close.to_numpy()) * above[1:])
        return cash + Decimal(float(np.maximum.accumulate(worth)[-1]))

    return work


def _decimals(fills: Sequence[tuple[str, Decimal, Decimal, Decimal]]) -> Decimal:
    """Keep books of a sort: exact sums and products, and a dictionary of what is held."""
    cash = Decimal(0)
    held: dict[str, tuple[Decimal, Decimal]] = {}
    for symbol, quantity, price, fee in fills:
        units, cost = held.get(symbol, (Decimal(0), Decimal(0)))
        amount = quantity * price
        cash = cash - amount - fee
        if units and (units > 0) is not (quantity > 0):
            cost += cost * quantity / units
        else:
            cost += amount
        held[symbol] = (units + quantity, cost.quantize(Decimal("0.00000001")))
    return cash
