"""The engine with floats in place of exact decimals: a yardstick, not for use.

It takes bars in and walks them as :class:`~rustybt.engine.Backtest` does on its callback path, and
keeps the same books; only money is a float. So the ratio of the two times is what exactness costs.
"""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rustybt.benchmark.workload import FAST, SLOW, UNITS
from rustybt.engine.intake import NUMBERS, take_in
from rustybt.engine.tape import Tape
from rustybt.strategy import SMA, Crossing, StrategyBar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Row = tuple[int, int, int, float, float, float, float, float]

_CHUNK = 50_000


class Waiting(NamedTuple):
    """A market order on its way to the next open; *quantity* is signed."""

    client_id: str
    quantity: float


class FloatLog:
    """One entry per fill in parallel lists."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.times: list[int] = []
        self.symbols: list[int] = []
        self.client_ids: list[str] = []
        self.quantities: list[float] = []
        self.prices: list[float] = []
        self.fees: list[float] = []
        self.cash: list[float] = []


class FloatDesk:
    """Carries out market orders at the next open."""

    def __init__(self, tape: Tape, cash: float, fee_rate: float) -> None:
        self.tape = tape
        self.cash = cash
        self.fee_rate = fee_rate
        self.bars = [StrategyBar(symbol) for symbol in tape.symbols]
        self.indices = {symbol: index for index, symbol in enumerate(tape.symbols)}
        self.positions = [0.0] * len(tape.symbols)
        self.waiting: dict[int, list[Waiting]] = {}
        self.log = FloatLog()
        self.active = False
        self._ids = 0
        self._fine: set[tuple[int, float]] = set()

    def order_target(self, symbol: str, quantity: float) -> None:
        """Order what is missing to a position of *quantity* units."""
        index = self.indices[symbol]
        pending = 0.0
        for order in self.waiting.get(index, ()):
            pending += order.quantity
        missing = quantity - (self.positions[index] + pending)
        if missing:
            self.market(index, missing)

    def market(self, index: int, quantity: float) -> None:
        """Order at the next open."""
        self._ids += 1
        if (index, quantity) not in self._fine:
            self._fine.add((index, quantity))
        self.waiting.setdefault(index, []).append(Waiting(f"O{self._ids}", quantity))
        self.active = True

    def open_slice(self, first: int, last: int) -> None:
        """Fill what waits for one of the rows from *first* until before *last*."""
        for index in sorted(self.waiting):
            row = int(self.tape.next_row[self.bars[index].row])
            if first <= row < last:
                for order in self.waiting.pop(index):
                    self._fill(index, row, order)
        self.active = bool(self.waiting)

    def _fill(self, index: int, row: int, order: Waiting) -> None:
        """Book an order at the open of *row*."""
        client_id, quantity = order
        price = float(self.tape.columns["open"][row])
        cost = quantity * price
        fee = abs(cost) * self.fee_rate
        self.cash = cash = self.cash - (cost + fee)
        self.positions[index] += quantity
        log = self.log
        log.rows.append(row)
        log.times.append(int(self.tape.starts[row]))
        log.symbols.append(index)
        log.client_ids.append(client_id)
        log.quantities.append(quantity)
        log.prices.append(price)
        log.fees.append(fee)
        log.cash.append(cash)


class FloatBars:
    """The crossing of one symbol; see :class:`~rustybt.benchmark.workload.Bars`."""

    def __init__(self, desk: FloatDesk) -> None:
        self.desk = desk
        self.fast, self.slow, self.crossing = SMA(FAST), SMA(SLOW), Crossing()

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        crossed = self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))
        if crossed:
            self.desk.order_target(bar.symbol, float(UNITS) if crossed > 0 else 0.0)


class ManyFloatBars:
    """The same for any number of symbols."""

    def __init__(self, desk: FloatDesk) -> None:
        self.desk = desk
        self.averages = {symbol: (SMA(FAST), SMA(SLOW), Crossing()) for symbol in desk.tape.symbols}

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        fast, slow, crossing = self.averages[bar.symbol]
        crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
        if crossed:
            self.desk.order_target(bar.symbol, float(UNITS) if crossed > 0 else 0.0)


class FloatResult(NamedTuple):
    """What the run ended with: equity at the last closes, fills, and the equity curve."""

    final_equity: float
    fills: int
    curve: Floats


def run_floats(frames: Mapping[str, pl.DataFrame], *, cash: float, points: float) -> FloatResult:
    """Run the crossing over *frames* with a commission of so many basis *points*."""
    tape = Tape(take_in(dict(frames), signed=frozenset(), name="S"))
    desk = FloatDesk(tape, cash, points / 10_000)
    if len(tape.symbols) == 1:
        _walk_one(tape, desk, FloatBars(desk))
    else:
        _walk_many(tape, desk, ManyFloatBars(desk))
    curve = _curve(tape, desk, cash)
    return FloatResult(float(curve[-1]), len(desk.log.rows), curve)


def _walk_one(tape: Tape, desk: FloatDesk, strategy: FloatBars) -> None:
    """Walk the bars of a single symbol."""
    bar = desk.bars[0]
    on_bar = strategy.on_bar
    last = tape.height - 1
    for rows in _chunks(tape):
        for bar.row, _, bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume in rows:
            on_bar(bar)
            if desk.active and bar.row < last:
                desk.open_slice(bar.row + 1, bar.row + 2)


def _walk_many(tape: Tape, desk: FloatDesk, strategy: ManyFloatBars) -> None:
    """Walk the bars of several symbols, one instant after the other."""
    bars, on_bar, first = desk.bars, strategy.on_bar, 0
    rows = (row for chunk in _chunks(tape) for row in chunk)
    for last in tape.slices[1:].tolist():
        if desk.active:
            desk.open_slice(first, last)
        closed = []
        for row, symbol, start, opened, high, low, close, volume in islice(rows, last - first):
            bar = bars[symbol]
            bar.row, bar.start, bar.volume = row, start, volume
            bar.open, bar.high, bar.low, bar.close = opened, high, low, close
            closed.append(bar)
        for bar in closed:
            on_bar(bar)
        first = last


def _chunks(tape: Tape) -> Iterator[Iterator[Row]]:
    """Yield the rows of the tape as Python's numbers, a chunk at a time."""
    columns = [tape.symbol_of, tape.starts, *(tape.columns[name] for name in NUMBERS)]
    for first in range(0, tape.height, _CHUNK):
        last = min(first + _CHUNK, tape.height)
        yield zip(
            range(first, last), *(column[first:last].tolist() for column in columns), strict=True
        )


def _curve(tape: Tape, desk: FloatDesk, cash: float) -> Floats:
    """Return the equity at the close of every slice."""
    log = desk.log
    count = tape.slices.size - 1
    fills = tape.slice_of(np.asarray(log.rows, dtype=np.int64))
    equity = _steps(count, fills, [cash, *log.cash])
    symbols = np.asarray(log.symbols, dtype=np.int64)
    for symbol in np.unique(symbols).tolist():
        ours = np.flatnonzero(symbols == symbol)
        traded = [log.quantities[number] for number in ours.tolist()]
        held = _steps(count, fills[ours], list(accumulate(traded, initial=0.0)))
        equity = equity + held * _closes(tape, symbol, count)
    return equity


def _closes(tape: Tape, symbol: int, count: int) -> Floats:
    """Return the last close of a symbol at every slice; 0 before its first bar."""
    rows = tape.rows_of[symbol]
    return _steps(count, tape.slice_of(rows), [0.0, *tape.columns["close"][rows]])


def _steps(count: int, changes: NDArray[np.int64], levels: list[float]) -> Floats:
    """Return *count* points: level 0 until the first of *changes*, then the next level, and on."""
    edges = np.concatenate(([0], changes, [count]))
    return np.repeat(np.array(levels), np.diff(edges))
