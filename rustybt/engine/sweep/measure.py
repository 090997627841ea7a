"""One combination on shared bars, and its figures: no more work than these need."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, Unpack

import numpy as np

from rustybt.accounting.performance import returns_of
from rustybt.engine.backtest import Backtest
from rustybt.engine.frames import digits
from rustybt.engine.result import Result
from rustybt.engine.scaled import ScaledLog
from rustybt.engine.sweep.task import Figures
from rustybt.model.money import ZERO, add, divide, subtract, total

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.engine.account import FillLog
    from rustybt.engine.sweep.task import Options
    from rustybt.engine.tape import Floats, Integers, Tape
    from rustybt.strategy.base import Strategy

_BLOCK: Final = 8192
_NOISE: Final = 1e-12  # a part of equity that adding up in floats may lose by itself


class Measurement(Backtest):
    """A backtest on a *tape* that other runs use, too; nothing changes it."""

    def __init__(self, strategy: Strategy, tape: Tape, **options: Unpack[Options]) -> None:
        super().__init__(strategy, {}, **options)
        self._shared = tape

    def _tape(self) -> Tape:
        """Return the bars, which have been put in order before."""
        return self._shared

    def figures(self, *, first: int = 0, periods: float, keep_returns: bool = False) -> Figures:
        """Run and return the figures of the slices from number *first* on.

        *periods* is how many slices make a year. Raise what :meth:`Backtest.run` raises.
        """
        desk, state = self._run()
        log = desk.account.log
        result = Result(
            desk, strategy="", parameters={}, path="", initial_cash=self._cash, state=state
        )
        start = result.equity_at(first - 1) if first else self._cash
        gained = subtract(result.final_equity, start)
        curve = result.curve.equity
        before = curve[first - 1] if first else float(self._cash)
        equity = np.concatenate(([before], curve[first:]))
        ruined = bool((curve <= 0).any())
        known = {} if ruined else ratios(equity, float(divide(gained, start)), periods)
        fills = Fills.of(log)
        earlier = int(np.searchsorted(fills.rows, desk.tape.slices[first]))
        later = [number for number in range(earlier, len(log)) if number not in log.entries]
        return Figures(
            final_equity=digits(result.final_equity),
            profit=digits(gained),
            fees=digits(total(log.fees[number] for number in later) if first else result.fees),
            fills=len(later),
            trades=fills.closed(earlier),
            refused=len(desk.refusals),
            ruined=ruined,
            **known,
            returns=returns_of(equity).tolist() if keep_returns and not ruined else None,
        )


class Fills(NamedTuple):
    """Of each fill its row, its symbol, and the units of that symbol after it."""

    rows: Integers
    symbols: Integers
    held: Floats

    @classmethod
    def of(cls, log: FillLog) -> Fills:
        """Return the fills in *log*; their sums are exact before they become floats."""
        if isinstance(log, ScaledLog):
            return cls(*log.places, log.held)
        held: dict[int, Decimal] = {}
        units = []
        for symbol, quantity in zip(log.symbols, log.quantities, strict=True):
            held[symbol] = now = add(held.get(symbol, ZERO), quantity)
            units.append(float(now))
        rows, symbols = (np.array(each, dtype=np.int64) for each in (log.rows, log.symbols))
        return cls(rows, symbols, np.array(units))

    def closed(self, earlier: int) -> int:
        """Return how many positions were closed or turned after the *earlier* fills.

        The number of :attr:`~rustybt.engine.result.Result.trades`, without what each was.
        """
        order = np.argsort(self.symbols, kind="stable")
        side = np.sign(self.held[order])
        before = np.concatenate(([0.0], side))[:-1]
        before[np.diff(self.symbols[order], prepend=-1) != 0] = 0.0
        return int(np.count_nonzero((before != 0) & (side != before) & (order >= earlier)))


def ratios(equity: Floats, gained: float, periods: float) -> dict[str, float | None]:
    """Return the statistics of an *equity* curve that never fell to 0 and *gained* in all.

    They are those of :mod:`rustybt.accounting.performance`, worked out together: a sweep does
    little else.
    """
    moments = _moments(equity)
    year = math.sqrt(periods)
    count = equity.size - 1
    mean, deviation, downside = moments.mean, moments.deviation, moments.downside
    depth = moments.depth if moments.depth < -_NOISE else 0.0
    yearly = _compounded(gained, periods / count)
    return {
        "total_return": gained,
        "annual_return": yearly,
        "volatility": deviation * year if count > 1 else None,
        "sharpe_ratio": mean / deviation * year if deviation else None,
        "sortino_ratio": mean / downside * year if downside and count > 1 else None,
        "calmar_ratio": yearly / -depth if depth and yearly is not None else None,
        "max_drawdown": depth,
    }


class _Moments(NamedTuple):
    """Of returns their mean, sample and downside deviation; of the curve its deepest fall."""

    mean: float
    deviation: float
    downside: float
    depth: float


def _moments(equity: Floats) -> _Moments:
    """Return the moments of a curve, block by block: blocks stay in the processor's cache.

    Returns are summed as differences from the first: equal ones have no deviation, not even noise.
    """
    shift = float(equity[1] / equity[0]) - 1
    linear = square = short = 0.0
    peak, left = 0.0, 1.0
    for first in range(0, equity.size - 1, _BLOCK):
        points = equity[first : first + _BLOCK + 1]
        returns = points[1:] / points[:-1]
        returns -= 1
        losses = np.minimum(returns, 0)
        short += float(np.multiply(losses, losses, out=losses).sum())
        returns -= shift
        linear += float(returns.sum())
        square += float(np.multiply(returns, returns, out=returns).sum())
        peaks = np.maximum.accumulate(points)
        np.maximum(peaks, peak, out=peaks)
        peak = float(peaks[-1])
        left = min(left, float(np.divide(points, peaks, out=peaks).min()))
    count = equity.size - 1
    variance = max(0.0, square - linear * linear / count) / max(1, count - 1)
    return _Moments(shift + linear / count, math.sqrt(variance), math.sqrt(short / count), left - 1)


def _compounded(gained: float, years: float) -> float | None:
    """Return what *gained* comes to after so many *years*; ``None`` beyond what a float holds."""
    try:
        return float((1 + gained) ** years - 1)
    except OverflowError:
        return None
