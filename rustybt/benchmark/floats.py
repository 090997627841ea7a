"""The callback path with floats in place of exact decimals: a yardstick, not for use.

The engine takes the bars in and walks them as ever; orders, fills, fees, cash and positions are
kept in floats by :class:`FloatBook`, which does what the engine does for a market order at the next
open. So the ratio of the two times is what exactness costs.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rustybt.benchmark.workload import CASH, FAST, POINTS, SLOW, UNITS
from rustybt.engine import Backtest
from rustybt.strategy import SMA, Crossing, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rustybt.benchmark.workload import Frames
    from rustybt.strategy import StrategyBar

    Floats = NDArray[np.float64]


class Order(NamedTuple):
    """A market order on its way to the next open; *quantity* is signed."""

    client_id: str
    quantity: float


class Trade(NamedTuple):
    """One fill; *cash* is what was left after it, *held* the units."""

    client_id: str
    symbol: str
    time: int
    quantity: float
    price: float
    fee: float
    cash: float
    held: float


class FloatBook:
    """Cash, positions, orders and trades in floats."""

    def __init__(self, cash: float, fee_rate: float) -> None:
        self.cash = cash
        self.fee_rate = fee_rate
        self.positions: dict[str, float] = {}
        self.waiting: dict[str, list[Order]] = {}
        self.trades: list[Trade] = []
        self._ids = 0

    def order_target(self, symbol: str, quantity: float) -> None:
        """Order what is missing to a position of *quantity* units, at the next open."""
        pending = 0.0
        for order in self.waiting.get(symbol, ()):
            pending += order.quantity
        missing = quantity - (self.positions.get(symbol, 0.0) + pending)
        if missing:
            self._ids += 1
            self.waiting.setdefault(symbol, []).append(Order(f"O{self._ids}", missing))

    def open(self, bar: StrategyBar) -> None:
        """Fill what waits for *bar*, at its open."""
        symbol, price = bar.symbol, bar.open
        for client_id, quantity in self.waiting.pop(symbol, ()):
            cost = quantity * price
            fee = abs(cost) * self.fee_rate
            self.cash -= cost + fee
            held = self.positions[symbol] = self.positions.get(symbol, 0.0) + quantity
            self.trades.append(
                Trade(client_id, symbol, bar.start, quantity, price, fee, self.cash, held)
            )


class FloatStrategy(Strategy):
    """A strategy that keeps its own books."""

    def on_start(self) -> None:
        """Open the books."""
        self.book = FloatBook(float(CASH), POINTS / 10_000)
        self.waiting = self.book.waiting


class FloatBars(FloatStrategy):
    """The crossing of one symbol; see :class:`~rustybt.benchmark.workload.Bars`."""

    def on_start(self) -> None:
        """Make the indicators."""
        super().on_start()
        self.fast, self.slow, self.crossing = SMA(FAST), SMA(SLOW), Crossing()

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        if self.waiting:
            self.book.open(bar)
        crossed = self.crossing.update(self.fast.update(bar.close), self.slow.update(bar.close))
        if crossed:
            self.book.order_target(bar.symbol, float(UNITS) if crossed > 0 else 0.0)


class ManyFloatBars(FloatStrategy):
    """The same for any number of symbols."""

    def on_start(self) -> None:
        """Make the indicators of each symbol."""
        super().on_start()
        self.averages = {symbol: (SMA(FAST), SMA(SLOW), Crossing()) for symbol in self.symbols}

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        if self.waiting:
            self.book.open(bar)
        fast, slow, crossing = self.averages[bar.symbol]
        crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
        if crossed:
            self.book.order_target(bar.symbol, float(UNITS) if crossed > 0 else 0.0)


class FloatResult(NamedTuple):
    """What the run ended with: equity at the last closes, trades, and the equity curve."""

    final_equity: float
    trades: list[Trade]
    curve: Floats


def run_floats(frames: Frames) -> FloatResult:
    """Run the crossing over *frames*, which have the same times, to its equity curve."""
    strategy = FloatBars() if len(frames) == 1 else ManyFloatBars()
    Backtest(strategy, frames, cash=CASH).run()
    curve = _curve(frames, strategy.book.trades)
    return FloatResult(float(curve[-1]), strategy.book.trades, curve)


def _curve(frames: Frames, trades: list[Trade]) -> Floats:
    """Return the equity at the close of every bar."""
    times = next(iter(frames.values()))["timestamp"].cast(int).to_numpy()
    rows = np.searchsorted(times, np.array([trade.time for trade in trades], dtype=np.int64))
    equity = _steps(times.size, rows, [float(CASH), *(trade.cash for trade in trades)])
    by_symbol: dict[str, list[int]] = {}
    for number, trade in enumerate(trades):
        by_symbol.setdefault(trade.symbol, []).append(number)
    for symbol, numbers in by_symbol.items():
        held = accumulate((trades[number].quantity for number in numbers), initial=0.0)
        units = _steps(times.size, rows[numbers], list(held))
        units *= frames[symbol]["close"].to_numpy()
        equity += units
    return equity


def _steps(count: int, changes: NDArray[np.int64], levels: list[float]) -> Floats:
    """Return *count* points: level 0 until the first of *changes*, then the next level, and on."""
    edges = np.concatenate(([0], changes, [count]))
    return np.repeat(np.array(levels), np.diff(edges))
