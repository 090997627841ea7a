"""Performance statistics against empyrical, an oracle that nobody here wrote."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import empyrical  # type: ignore[import-untyped]  # it ships no types
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rustybt.accounting import performance as perf

series = st.lists(st.integers(-9_000, 22_000), max_size=14).map(
    lambda drawn: [value / 100_000 if value <= 20_000 else math.nan for value in drawn]
)
pairs = st.lists(st.tuples(st.integers(-9_000, 20_000), st.integers(-9_000, 20_000)), max_size=12)
rates = st.integers(0, 50).map(lambda value: value / 100_000)


def agree(ours: float | None, theirs: float) -> None:
    """Require the same figure; what the oracle calls NaN or infinite is not defined here."""
    if ours is None:
        assert not math.isfinite(theirs)
    else:
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def some(values: list[float]) -> Any:
    """Return *values* as an array of which at least two points are known and differ."""
    array = np.array(values)
    known = array[~np.isnan(array)]
    assume(known.size > 2 and np.ptp(known) > 1e-9)
    return array


@given(series, rates)
def test_returns_and_ratios_agree(values: list[float], rate: float) -> None:
    """Total and annual return, volatility, Sharpe and Sortino ratio."""
    returns = some(values)
    agree(perf.total_return(returns), empyrical.cum_returns_final(returns))
    agree(perf.annual_return(returns), empyrical.annual_return(returns))
    agree(perf.volatility(returns), empyrical.annual_volatility(returns))
    agree(perf.sharpe_ratio(returns, risk_free=rate), empyrical.sharpe_ratio(returns, rate))
    agree(perf.sortino_ratio(returns, required=rate), empyrical.sortino_ratio(returns, rate))


@given(series)
def test_drawdowns_agree(values: list[float]) -> None:
    """Maximum drawdown and Calmar ratio."""
    returns = some(values)
    found = perf.max_drawdown(returns)
    expected = empyrical.max_drawdown(np.nan_to_num(returns))
    assert (found.depth if found else 0.0) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if found is not None:
        agree(perf.calmar_ratio(returns), perf_calmar(returns, expected))


def perf_calmar(returns: Any, drawdown: float) -> float:
    """Return the oracle's annual return per unit of its drawdown."""
    return float(empyrical.annual_return(returns) / abs(drawdown))


@given(series, st.integers(0, 100).map(lambda value: value / 100))
def test_tail_risks_agree(values: list[float], cutoff: float) -> None:
    """Value at risk and the mean beyond it; the oracle's VaR knows no missing points."""
    returns = some(values)
    known = returns[~np.isnan(returns)]
    agree(perf.value_at_risk(returns, cutoff=cutoff), empyrical.value_at_risk(known, cutoff))
    theirs = empyrical.conditional_value_at_risk(returns, cutoff)
    agree(perf.conditional_value_at_risk(returns, cutoff=cutoff), theirs)


@given(pairs, rates)
def test_comparisons_with_a_benchmark_agree(drawn: list[tuple[int, int]], rate: float) -> None:
    """Alpha, beta and information ratio, the oracle's not being a yearly one."""
    assume(len(drawn) > 2)
    returns, benchmark = np.array(drawn).T / 100_000
    assume(np.ptp(benchmark) > 1e-4 and np.ptp(returns - benchmark) > 1e-9)
    agree(perf.beta(returns, benchmark), empyrical.beta_aligned(returns, benchmark))
    theirs = empyrical.excess_sharpe(returns, benchmark) * math.sqrt(252)
    agree(perf.information_ratio(returns, benchmark), theirs)
    slope = perf.beta(returns, benchmark)
    assert slope is not None
    mean = float((returns - rate - slope * (benchmark - rate)).mean())
    assume(mean > -1)
    agree(
        perf.alpha(returns, benchmark, risk_free=rate),
        empyrical.alpha_aligned(returns, benchmark, rate),
    )


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=12))
def test_returns_lead_from_the_first_to_the_last_equity(points: list[int]) -> None:
    """Compounded, the returns of a curve are its total return, whatever lies between."""
    returns = perf.returns_of([Decimal(point) for point in points])
    expected = points[-1] / points[0] - 1
    assert perf.total_return(returns) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12))
def test_drawdowns_are_those_of_a_search(points: list[int]) -> None:
    """Depth and longest time under water, against looking at every pair of points."""
    curve = [10, *points]
    returns = perf.returns_of(curve)
    depth = min(later / before - 1 for at, before in enumerate(curve) for later in curve[at:])
    found = perf.max_drawdown(returns)
    assert (found.depth if found else 0.0) == pytest.approx(depth, abs=1e-9)
    longest = 0
    for at, before in enumerate(curve):
        below = 0
        while at + below + 1 < len(curve) and curve[at + below + 1] < before:
            below += 1
        recovered = at + below + 1 < len(curve)
        longest = max(longest, (below + recovered) if below else 0)
    assert perf.longest_drawdown(returns) == longest


@given(series)
def test_no_statistic_is_ever_nan(values: list[float]) -> None:
    """Whatever the returns, every figure is a finite number or None."""
    made = perf.summarise(values, benchmark=values)
    for name in made.__struct_fields__:
        figure = getattr(made, name)
        assert figure is None or math.isfinite(figure)
