"""How well a series of returns did.

Statistics, not money: numbers here are floats. *Returns* are simple returns per period (0.01 is
one per cent); a NaN is a period for which nothing was observed: time passed, nothing was earned.
Results are fractions unless stated otherwise, and ``None`` where the statistic is not defined (too
few observations, no dispersion, no loss to compare with): never NaN or infinity, which would
spread through reports unseen.

Formulas and conventions are those of the open-source library empyrical wherever it has the
statistic: sample deviation (one degree of freedom), downside deviation over all periods, returns
compounded. This module needs numpy; importing :mod:`rustybt.accounting` does not import it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from rustybt.model.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_NOISE = 1e-12  # a part of equity that compounding in floats may lose by itself

TRADING_DAYS = 252
"""Trading days a year, the periods that annual figures count by if not told otherwise."""


def _array(name: str, values: ArrayLike | Sequence[Decimal]) -> Floats:
    """Return *values* as a flat array of floats; raise for infinities and other shapes."""
    array = np.asarray(values, dtype=np.float64)
    problems = []
    if array.ndim != 1:
        problems.append(f"they have {array.ndim} dimensions, not 1")
    if np.isinf(array).any():
        problems.append("they contain an infinity")
    if problems:
        raise InvalidValueError(name, problems)
    return array


def _observed(returns: ArrayLike) -> Floats:
    """Return the returns that are not missing."""
    array = _array("returns", returns)
    return array[~np.isnan(array)]


def _deviation(values: Floats) -> float | None:
    """Return the sample standard deviation; ``None`` for fewer than two or all equal values."""
    if values.size < 2 or values.min() == values.max():  # equal values: nothing but rounding noise
        return None
    return float(values.std(ddof=1))


def _finite(value: float) -> float | None:
    """Return *value* unless it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None


def _compounded(rate: float, periods: float) -> float | None:
    """Return what *rate* grows to over *periods*.

    ``None`` for a loss of everything and beyond what a float can hold.
    """
    if rate <= -1:
        return None
    try:
        return float((1 + rate) ** periods - 1)
    except OverflowError:
        return None


def returns_of(equity: ArrayLike | Sequence[Decimal]) -> Floats:
    """Return the simple returns between successive points of *equity*: one fewer than points.

    Raise :class:`~rustybt.model.errors.InvalidValueError` if a point that a return is measured
    from is not positive.
    """
    array = _array("equity", equity)
    if (array[:-1] <= 0).any():
        raise InvalidValueError("equity", ["a return from zero or less has no meaning"])
    return array[1:] / array[:-1] - 1


def total_return(returns: ArrayLike) -> float | None:
    """Return what all *returns* compound to; ``None`` without any period."""
    growth = _growth(returns)
    return float(growth[-1] - 1) if growth.size > 1 else None


def annual_return(returns: ArrayLike, *, periods: float = TRADING_DAYS) -> float | None:
    """Return the yearly return that compounds to the total; *periods* is how many make a year.

    Also known as CAGR. ``None`` without any period and after a loss of everything.
    """
    total = total_return(returns)
    if total is None:
        return None
    return _compounded(total, periods / len(_array("returns", returns)))


def volatility(returns: ArrayLike, *, periods: float = TRADING_DAYS) -> float | None:
    """Return the sample standard deviation a year; ``None`` for fewer than two observations."""
    observed = _observed(returns)
    if observed.size < 2:
        return None
    return (_deviation(observed) or 0.0) * math.sqrt(periods)


def sharpe_ratio(
    returns: ArrayLike, *, risk_free: float = 0.0, periods: float = TRADING_DAYS
) -> float | None:
    """Return the yearly excess over *risk_free* (a return per period) per unit of volatility."""
    excess = _observed(returns) - risk_free
    deviation = _deviation(excess)
    if deviation is None:
        return None
    return float(excess.mean()) / deviation * math.sqrt(periods)


def sortino_ratio(
    returns: ArrayLike, *, required: float = 0.0, periods: float = TRADING_DAYS
) -> float | None:
    """Return the yearly excess over *required* (a return per period) per unit of downside risk.

    ``None`` for fewer than two periods and when none fell short.
    """
    excess = _observed(returns) - required
    if excess.size < 2:
        return None
    downside = math.sqrt(float(np.square(np.minimum(excess, 0)).mean()))
    return float(excess.mean()) / downside * math.sqrt(periods) if downside else None


class Drawdown(Struct, frozen=True, kw_only=True):
    """The deepest fall of equity below an earlier peak.

    *depth* is negative, a fraction of the peak. The points count periods from the start, 0 being
    before the first return: *peak* is the last one at the peak, *recovery* the first one there
    again, or ``None``. *duration* is the number of periods from peak to recovery, or to the end.
    """

    depth: float
    peak: int
    trough: int
    recovery: int | None
    duration: int


def _growth(returns: ArrayLike) -> Floats:
    """Return the value of 1 invested: one point more than *returns*, missing ones earning 0."""
    array = np.nan_to_num(_array("returns", returns), nan=0.0)
    with np.errstate(over="ignore"):
        growth = np.concatenate(([1.0], np.cumprod(array + 1)))
    if not np.isfinite(growth).all():
        raise InvalidValueError("returns", ["they compound to more than a float can hold"])
    return growth


def max_drawdown(returns: ArrayLike) -> Drawdown | None:
    """Return the deepest drawdown, the first of equals; ``None`` if equity never fell."""
    return _deepest(_growth(returns))


def equity_drawdown(equity: ArrayLike | Sequence[Decimal]) -> Drawdown | None:
    """Return the deepest drawdown of *equity*, point 0 being its first.

    Where the curve itself is at hand this is a digit more exact than going through its returns.
    Raise :class:`~rustybt.model.errors.InvalidValueError` for a missing point and for one that is
    not positive before the last.
    """
    points = _array("equity", equity)
    if np.isnan(points).any():
        raise InvalidValueError("equity", ["points are missing"])
    returns_of(points)  # raises for what cannot be measured from
    return _deepest(points) if points.size else None


def _deepest(growth: Floats) -> Drawdown | None:
    """Return the deepest drawdown of a curve."""
    peaks = np.maximum.accumulate(growth)
    depths = (growth - peaks) / peaks
    trough = int(depths.argmin())
    if depths[trough] >= -_NOISE:
        return None
    level = peaks[trough] * (1 - _NOISE)
    peak = int(np.flatnonzero(growth[:trough] >= level)[-1])
    after = np.flatnonzero(growth[trough:] >= level)
    recovery = trough + int(after[0]) if after.size else None
    end = growth.size - 1 if recovery is None else recovery
    return Drawdown(
        depth=float(depths[trough]),
        peak=peak,
        trough=trough,
        recovery=recovery,
        duration=end - peak,
    )


def longest_drawdown(returns: ArrayLike) -> int:
    """Return the most periods from a peak until it was reached again, or until the end."""
    growth = _growth(returns)
    peaks = np.flatnonzero(growth >= np.maximum.accumulate(growth) * (1 - _NOISE))
    gaps = np.diff(peaks)
    recovered = gaps[gaps > 1]  # from one peak to the very next equity did not fall
    unrecovered = growth.size - 1 - int(peaks[-1])
    return max(unrecovered, int(recovered.max(initial=0)))


def calmar_ratio(returns: ArrayLike, *, periods: float = TRADING_DAYS) -> float | None:
    """Return the annual return per unit of maximum drawdown; ``None`` if equity never fell."""
    drawdown = max_drawdown(returns)
    annual = annual_return(returns, periods=periods)
    if drawdown is None or annual is None:
        return None
    return annual / -drawdown.depth


def value_at_risk(returns: ArrayLike, *, cutoff: float = 0.05) -> float | None:
    """Return the return that the share *cutoff* of all periods fell below (historical VaR)."""
    observed = _observed(returns)
    _check_cutoff(cutoff)
    return float(np.percentile(observed, 100 * cutoff)) if observed.size else None


def conditional_value_at_risk(returns: ArrayLike, *, cutoff: float = 0.05) -> float | None:
    """Return the mean of the worst returns up to the share *cutoff* (expected shortfall)."""
    observed = np.sort(_observed(returns))
    _check_cutoff(cutoff)
    if not observed.size:
        return None
    return float(observed[: int((observed.size - 1) * cutoff) + 1].mean())


def _check_cutoff(cutoff: float) -> None:
    """Raise unless *cutoff* is a share."""
    if not 0 <= cutoff <= 1:
        raise InvalidValueError("cutoff", [f"{cutoff} is not between 0 and 1"])


def _pairs(returns: ArrayLike, benchmark: ArrayLike) -> tuple[Floats, Floats]:
    """Return both series for the periods in which both were observed."""
    ours, theirs = _array("returns", returns), _array("benchmark", benchmark)
    if ours.size != theirs.size:
        raise InvalidValueError(
            "benchmark", [f"it has {theirs.size} periods, the returns have {ours.size}"]
        )
    both = ~(np.isnan(ours) | np.isnan(theirs))
    return ours[both], theirs[both]


def beta(returns: ArrayLike, benchmark: ArrayLike) -> float | None:
    """Return the slope of *returns* on *benchmark*; ``None`` if the benchmark does not move."""
    ours, theirs = _pairs(returns, benchmark)
    if _deviation(theirs) is None:
        return None
    residual = theirs - theirs.mean()
    variance = float(np.square(residual).mean())
    return _finite(float((residual * ours).mean()) / variance) if variance else None


def alpha(
    returns: ArrayLike,
    benchmark: ArrayLike,
    *,
    risk_free: float = 0.0,
    periods: float = TRADING_DAYS,
) -> float | None:
    """Return the yearly return that the benchmark does not explain (Jensen's alpha, compounded)."""
    slope = beta(returns, benchmark)
    if slope is None:
        return None
    ours, theirs = _pairs(returns, benchmark)
    mean = float((ours - risk_free - slope * (theirs - risk_free)).mean())
    return _compounded(mean, periods)


def information_ratio(
    returns: ArrayLike, benchmark: ArrayLike, *, periods: float = TRADING_DAYS
) -> float | None:
    """Return the yearly excess over *benchmark* per unit of its deviation (tracking error)."""
    ours, theirs = _pairs(returns, benchmark)
    excess = ours - theirs
    error = _deviation(excess)
    return None if error is None else float(excess.mean()) / error * math.sqrt(periods)


def win_rate(profits: Sequence[Decimal]) -> float | None:
    """Return the share of trades with a profit above zero; ``None`` without trades."""
    return sum(profit > 0 for profit in profits) / len(profits) if profits else None


def profit_factor(profits: Sequence[Decimal]) -> float | None:
    """Return the sum of all profits over that of all losses; ``None`` without a loss."""
    gains = math.fsum(float(profit) for profit in profits if profit > 0)
    losses = math.fsum(float(profit) for profit in profits if profit < 0)
    return gains / -losses if losses else None


def exposure(gross: ArrayLike, equity: ArrayLike) -> float | None:
    """Return the mean of gross exposure over equity, point by point; 1 is fully invested."""
    ours, base = _pairs(gross, equity)
    if not base.size or (base <= 0).any():
        return None
    return float((ours / base).mean())


def exposure_time(gross: ArrayLike) -> float | None:
    """Return the share of points at which any position was open."""
    observed = _observed(gross)
    return float((observed != 0).mean()) if observed.size else None


def turnover(
    traded: ArrayLike, equity: ArrayLike, *, periods: float = TRADING_DAYS
) -> float | None:
    """Return the notional traded in a year, purchases and sales alike, over the mean equity.

    *traded* is the notional traded in each period, *equity* its equity.
    """
    values, base = _pairs(traded, equity)
    if not base.size or base.mean() <= 0:
        return None
    return float(values.mean() / base.mean() * periods)


class Performance(Struct, frozen=True, kw_only=True):
    """All statistics of one run; see the functions of the same names. ``None``: not defined."""

    total_return: float | None
    annual_return: float | None
    volatility: float | None
    sharpe_ratio: float | None
    sortino_ratio: float | None
    calmar_ratio: float | None
    max_drawdown: float
    max_drawdown_duration: int
    longest_drawdown: int
    value_at_risk: float | None
    conditional_value_at_risk: float | None
    trades: int
    win_rate: float | None
    profit_factor: float | None
    alpha: float | None
    beta: float | None
    information_ratio: float | None


def summarise(
    returns: ArrayLike,
    profits: Sequence[Decimal] = (),
    *,
    benchmark: ArrayLike | None = None,
    risk_free: float = 0.0,
    periods: float = TRADING_DAYS,
    cutoff: float = 0.05,
) -> Performance:
    """Return all statistics of *returns* and of the *profits* of the closed trades.

    *risk_free* is a return per period and also what the Sortino ratio requires. Without a
    *benchmark*, what compares with one is ``None``.
    """
    drawdown = max_drawdown(returns)
    compared: dict[str, float | None] = dict.fromkeys(("alpha", "beta", "information_ratio"))
    if benchmark is not None:
        compared = {
            "alpha": alpha(returns, benchmark, risk_free=risk_free, periods=periods),
            "beta": beta(returns, benchmark),
            "information_ratio": information_ratio(returns, benchmark, periods=periods),
        }
    return Performance(
        total_return=total_return(returns),
        annual_return=annual_return(returns, periods=periods),
        volatility=volatility(returns, periods=periods),
        sharpe_ratio=sharpe_ratio(returns, risk_free=risk_free, periods=periods),
        sortino_ratio=sortino_ratio(returns, required=risk_free, periods=periods),
        calmar_ratio=calmar_ratio(returns, periods=periods),
        max_drawdown=0.0 if drawdown is None else drawdown.depth,
        max_drawdown_duration=0 if drawdown is None else drawdown.duration,
        longest_drawdown=longest_drawdown(returns),
        value_at_risk=value_at_risk(returns, cutoff=cutoff),
        conditional_value_at_risk=conditional_value_at_risk(returns, cutoff=cutoff),
        trades=len(profits),
        win_rate=win_rate(profits),
        profit_factor=profit_factor(profits),
        **compared,
    )
