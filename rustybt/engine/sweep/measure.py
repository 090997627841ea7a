"""One combination on shared bars, and its figures: no more work than these need."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Unpack

import numpy as np

from rustybt.accounting.performance import returns_of
from rustybt.engine.backtest import Backtest
from rustybt.engine.frames import digits
from rustybt.engine.result import Result
from rustybt.engine.sweep.task import Figures
from rustybt.model.money import ZERO, add, divide, subtract, total

if TYPE_CHECKING:
    from rustybt.engine.desk import Desk
    from rustybt.engine.sweep.task import Options
    from rustybt.engine.tape import Floats, Tape
    from rustybt.strategy.base import Strategy

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
        earlier = bisect_left(log.rows, int(desk.tape.slices[first])) if first else 0
        ruined = bool((curve <= 0).any())
        known = {} if ruined else ratios(equity, float(divide(gained, start)), periods)
        return Figures(
            final_equity=digits(result.final_equity),
            profit=digits(gained),
            fees=digits(total(log.fees[earlier:])),
            fills=len(log) - earlier,
            trades=closed_trades(desk, earlier),
            refused=len(desk.refusals),
            ruined=ruined,
            **known,
            returns=returns_of(equity).tolist() if keep_returns and not ruined else None,
        )


def closed_trades(desk: Desk, earlier: int) -> int:
    """Return how many positions were closed or turned after the *earlier* fills of the log.

    The number of :attr:`~rustybt.engine.result.Result.trades`, without working out what each was.
    """
    log = desk.account.log
    symbols = np.asarray(log.symbols, dtype=np.int64)
    count = 0
    for symbol in range(len(desk.account.positions)):
        ours = np.flatnonzero(symbols == symbol)
        traded = [log.quantities[number] for number in ours.tolist()]
        # The sums are exact; only their signs are looked at.
        side = np.sign(list(map(float, accumulate(traded, add, initial=ZERO))))
        ended = (side[:-1] != 0) & (side[1:] != side[:-1])
        count += int(np.count_nonzero(ended[ours >= earlier]))
    return count


def ratios(equity: Floats, gained: float, periods: float) -> dict[str, float | None]:
    """Return the statistics of an *equity* curve that never fell to 0 and *gained* in all.

    They are those of :mod:`rustybt.accounting.performance`, worked out together: a sweep does
    little else.
    """
    returns = equity[1:] / equity[:-1]
    returns -= 1
    year = math.sqrt(periods)
    mean = float(returns.mean())
    short = np.minimum(returns, 0)
    downside = math.sqrt(float(np.square(short, out=short).mean()))
    moves = returns.size > 1 and returns.min() != returns.max()
    deviation = float(returns.std(ddof=1)) if moves else 0.0
    falls = np.maximum.accumulate(equity)
    depth = float(np.divide(equity - falls, falls, out=falls).min())
    depth = depth if depth < -_NOISE else 0.0
    yearly = _compounded(gained, periods / returns.size)
    return {
        "total_return": gained,
        "annual_return": yearly,
        "volatility": deviation * year if returns.size > 1 else None,
        "sharpe_ratio": mean / deviation * year if deviation else None,
        "sortino_ratio": mean / downside * year if downside and returns.size > 1 else None,
        "calmar_ratio": yearly / -depth if depth and yearly is not None else None,
        "max_drawdown": depth,
    }


def _compounded(gained: float, years: float) -> float | None:
    """Return what *gained* comes to after so many *years*; ``None`` beyond what a float holds."""
    try:
        return float((1 + gained) ** years - 1)
    except OverflowError:
        return None
