"""Performance statistics, against published figures and by hand."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rustybt.accounting import performance as perf
from rustybt.model import InvalidValueError

D = Decimal
NAN = float("nan")

PUBLISHED = [NAN, 0.01, 0.10, -0.04, 0.02, 0.03, 0.02, 0.01, -0.10]
"""The returns that empyrical's own tests use, with a missing first one."""

Statistic = Callable[..., float | None]
OF_RETURNS: list[Statistic] = [
    perf.total_return,
    perf.annual_return,
    perf.volatility,
    perf.sharpe_ratio,
    perf.sortino_ratio,
    perf.calmar_ratio,
    perf.value_at_risk,
    perf.conditional_value_at_risk,
]


def near(value: float | list[float]) -> Any:
    """Return what equals *value* up to the noise of floats."""
    return pytest.approx(value, rel=1e-12, abs=1e-15)


def test_figures_published_by_empyrical() -> None:
    """Sharpe, return, volatility and Calmar of the published example, to the last digits."""
    assert perf.sharpe_ratio(PUBLISHED) == near(1.7238613961706866)
    assert perf.annual_return(PUBLISHED) == near(1.9135925373194231)
    assert perf.volatility(PUBLISHED) == near(0.9136465399704637)
    assert perf.calmar_ratio(PUBLISHED) == near(19.135925373194233)


def test_figures_of_a_small_series_by_hand() -> None:
    """Two years of two periods each: gains of 10 and 20, losses of 10 and 5 per cent."""
    returns = [0.10, -0.10, 0.20, -0.05]
    grown = 1.10 * 0.90 * 1.20 * 0.95
    mean = 0.15 / 4
    deviation = math.sqrt(sum((each - mean) ** 2 for each in returns) / 3)
    assert perf.total_return(returns) == near(grown - 1)
    assert perf.annual_return(returns, periods=2) == near(grown**0.5 - 1)
    assert perf.volatility(returns, periods=2) == near(deviation * math.sqrt(2))
    assert perf.sharpe_ratio(returns, periods=2) == near(mean / deviation * math.sqrt(2))
    downside = math.sqrt((0.10**2 + 0.05**2) / 4)
    assert perf.sortino_ratio(returns, periods=2) == near(mean / downside * math.sqrt(2))
    assert perf.calmar_ratio(returns, periods=2) == near((grown**0.5 - 1) / 0.10)


def test_a_year_has_252_periods_unless_told_otherwise() -> None:
    """The default is the number of trading days."""
    returns = [0.01, -0.02, 0.03]
    for statistic in (
        perf.annual_return,
        perf.volatility,
        perf.sharpe_ratio,
        perf.sortino_ratio,
        perf.calmar_ratio,
    ):
        assert statistic(returns) == statistic(returns, periods=252)
        assert statistic(returns) != statistic(returns, periods=365)


def test_returns_that_compound_beyond_floats_are_refused() -> None:
    """No drawdown and no total can be told of them."""
    for statistic in (perf.total_return, perf.max_drawdown, perf.longest_drawdown):
        with pytest.raises(
            InvalidValueError, match=r"^returns is not valid: they compound to more"
        ):
            statistic([1e200, 1e200])


def test_missing_periods_do_not_move_equity() -> None:
    """A drawdown goes on through them."""
    found = perf.max_drawdown([0.25, NAN, -0.5, NAN, 0.0])
    assert found == perf.Drawdown(depth=-0.5, peak=2, trough=3, recovery=None, duration=3)


def test_a_slope_beyond_floats_is_not_defined() -> None:
    """A benchmark that all but stands still explains nothing."""
    assert perf.beta([1e300, -1e300, 1e300], [1e-150, -1e-150, 2e-150]) is None
    assert perf.beta([0.1, -0.1, 0.2], [1e-200, -1e-200, 2e-200]) is None


def test_what_is_required_is_subtracted() -> None:
    """A risk-free rate or a required return lowers the ratio as if every return were lower."""
    returns = [0.01, -0.02, 0.03, 0.01]
    lower = [each - 0.005 for each in returns]
    assert perf.sharpe_ratio(returns, risk_free=0.005) == near(perf.sharpe_ratio(lower) or 0)
    assert perf.sortino_ratio(returns, required=0.005) == near(perf.sortino_ratio(lower) or 0)
    assert perf.sharpe_ratio(returns) != perf.sharpe_ratio(lower)


@pytest.mark.parametrize("statistic", OF_RETURNS)
@pytest.mark.parametrize("returns", [[], [NAN][:0]])
def test_nothing_has_no_statistics(statistic: Statistic, returns: list[float]) -> None:
    """Without a period every statistic is None, none is NaN."""
    assert statistic(returns) is None


@pytest.mark.parametrize("statistic", [perf.volatility, perf.sharpe_ratio, perf.sortino_ratio])
def test_one_observation_has_no_dispersion(statistic: Statistic) -> None:
    """Two observations are needed; missing ones do not count."""
    assert statistic([-0.01]) is None
    assert statistic([-0.01, NAN]) is None
    assert statistic([-0.01, 0.02]) is not None


def test_without_dispersion_there_is_no_ratio() -> None:
    """Equal returns have zero volatility and no Sharpe ratio, whatever floats make of them."""
    assert perf.volatility([0.1] * 10) == 0
    assert perf.sharpe_ratio([0.1] * 10) is None
    assert perf.sharpe_ratio([0.1] * 10, risk_free=0.3) is None


def test_without_a_shortfall_there_is_no_sortino_ratio() -> None:
    """Nothing below what is required: no downside to divide by."""
    assert perf.sortino_ratio([0.01, 0.02]) is None
    assert perf.sortino_ratio([0.01, 0.02], required=0.015) is not None


def test_a_total_loss_has_no_annual_return() -> None:
    """Nothing is left to compound; nor is it below nothing."""
    assert perf.total_return([0.5]) == 0.5
    assert perf.total_return([0.5, -1.0]) == -1
    assert perf.annual_return([0.5, -1.0]) is None
    assert perf.annual_return([0.5, -1.5]) is None
    assert perf.calmar_ratio([0.5, -1.0]) is None
    assert perf.alpha([-2.0, -2.0, -2.0], [0.1, 0.2, -0.1], periods=2.5) is None


def test_a_return_beyond_floats_is_not_defined() -> None:
    """An hour's luck compounded over a year is no number."""
    assert perf.annual_return([1e10], periods=1e6) is None
    assert perf.alpha([1e10, 2e10, 1e11], [0.1, 0.2, -0.1], periods=1e6) is None


def test_missing_periods_pass_without_earning() -> None:
    """They lengthen the time, and are left out of means and deviations."""
    returns = [0.01, -0.02, 0.03]
    gaps = [NAN, 0.01, NAN, -0.02, 0.03, NAN]
    assert perf.total_return(gaps) == near(perf.total_return(returns) or 0)
    assert perf.sharpe_ratio(gaps) == near(perf.sharpe_ratio(returns) or 0)
    assert perf.annual_return(gaps, periods=6) == near(perf.total_return(returns) or 0)
    assert perf.value_at_risk(gaps) == perf.value_at_risk(returns)


@pytest.mark.parametrize("statistic", [*OF_RETURNS, perf.max_drawdown, perf.longest_drawdown])
def test_bad_returns_are_refused(statistic: Callable[..., object]) -> None:
    """Infinities and tables are named, both at once."""
    with pytest.raises(InvalidValueError) as caught:
        statistic([[math.inf]])
    assert str(caught.value) == (
        "returns is not valid: they have 2 dimensions, not 1; they contain an infinity"
    )
    with pytest.raises(InvalidValueError, match=r"they contain an infinity$"):
        statistic([0.1, -math.inf])


def test_returns_of_an_equity_curve() -> None:
    """One fewer than points, from decimals or floats."""
    assert perf.returns_of([D("100"), D("110"), D("99")]).tolist() == near([0.1, -0.1])
    assert perf.returns_of([100.0]).tolist() == []
    assert perf.returns_of([]).tolist() == []
    assert perf.returns_of([100, 0]).tolist() == [-1.0]
    assert perf.returns_of([0.5, 0.25]).tolist() == [-0.5]
    with pytest.raises(InvalidValueError, match=r"^equity is not valid: they contain an infinity"):
        perf.returns_of([1, math.inf])


@pytest.mark.parametrize("equity", [[0, 1], [100, 0, 1], [-1, 1]])
def test_a_return_from_nothing_has_no_meaning(equity: list[float]) -> None:
    """Equity that is zero or negative cannot be measured from."""
    with pytest.raises(InvalidValueError) as caught:
        perf.returns_of(equity)
    assert str(caught.value) == ("equity is not valid: a return from zero or less has no meaning")


def returns_to(*equity: float) -> list[float]:
    """Return the returns that lead from 1 through *equity*."""
    points = [1.0, *equity]
    return [after / before - 1 for before, after in pairwise(points)]


@pytest.mark.parametrize(
    ("equity", "depth", "points"),
    [
        ([2, 1, 1.5, 2, 3], -0.5, (1, 2, 4, 3)),
        ([0.5, 0.75], -0.5, (0, 1, None, 2)),
        ([2, 3, 1.5, 2.5], -0.5, (2, 3, None, 2)),
        ([2, 1.6, 2, 1.5, 1, 4], -0.5, (3, 5, 6, 3)),
        ([4, 3, 4, 3, 4], -0.25, (1, 2, 3, 2)),
        ([4, 2, 1, 2, 4, 5], -0.75, (1, 3, 5, 4)),
        ([0.5], -0.5, (0, 1, None, 1)),
    ],
)
def test_where_the_deepest_drawdown_was(
    equity: list[float], depth: float, points: tuple[int, int, int | None, int]
) -> None:
    """From the last time at the peak to the recovery or the end; the first of equals."""
    found = perf.max_drawdown(returns_to(*equity))
    assert found is not None
    assert found.depth == near(depth)
    assert (found.peak, found.trough, found.recovery, found.duration) == points


def test_a_drawdown_by_hand() -> None:
    """All of it: depth, peak, trough, recovery, duration."""
    assert perf.max_drawdown(returns_to(2, 1, 1.5, 2, 3)) == perf.Drawdown(
        depth=-0.5, peak=1, trough=2, recovery=4, duration=3
    )
    assert perf.max_drawdown(returns_to(2, 1, 1.5)) == perf.Drawdown(
        depth=-0.5, peak=1, trough=2, recovery=None, duration=2
    )


def test_the_drawdown_of_an_equity_curve() -> None:
    """From decimals, without the way through returns; points count from the first."""
    curve = [D("100"), D("200"), D("150"), D("180"), D("200"), D("199")]
    assert perf.equity_drawdown(curve) == perf.Drawdown(
        depth=-0.25, peak=1, trough=2, recovery=4, duration=3
    )
    assert perf.equity_drawdown([100.0, 100.0, 0.0]) == perf.Drawdown(
        depth=-1.0, peak=1, trough=2, recovery=None, duration=1
    )
    assert perf.equity_drawdown([]) is None
    assert perf.equity_drawdown([1.0, 2.0]) is None


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ([1.0, NAN], "points are missing"),
        ([0.0, 1.0], "a return from zero or less has no meaning"),
        ([[1.0]], "they have 2 dimensions, not 1"),
    ],
)
def test_a_curve_without_meaning_has_no_drawdown(equity: Any, expected: str) -> None:
    """It is refused, not measured."""
    with pytest.raises(InvalidValueError) as caught:
        perf.equity_drawdown(equity)
    assert str(caught.value) == f"equity is not valid: {expected}"


def test_rounding_noise_is_no_drawdown() -> None:
    """A recovery that floats miss by their last digit is one, and so small a fall is none."""
    found = perf.max_drawdown([-0.5, 1 - 1e-14, 0.1])
    assert found is not None
    assert found.recovery == 2
    assert perf.longest_drawdown([-0.5, 1 - 1e-14, 0.1]) == 2
    assert perf.max_drawdown([0.1, -1e-14]) is None
    assert perf.longest_drawdown([0.1, -1e-14]) == 0
    assert perf.max_drawdown([0.1, -1e-11]) is not None
    assert perf.longest_drawdown([0.1, -1e-11]) == 1


@pytest.mark.parametrize("equity", [[], [1], [2, 3, 3, 4]])
def test_equity_that_never_fell_has_no_drawdown(equity: list[float]) -> None:
    """Nothing to recover from, and no Calmar ratio."""
    assert perf.max_drawdown(returns_to(*equity)) is None
    assert perf.longest_drawdown(returns_to(*equity)) == 0
    assert perf.calmar_ratio(returns_to(*equity)) is None


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ([2, 1, 2, 1.9, 1.8, 1.9, 2, 3], 4),
        ([2, 1, 2, 3, 2.9], 2),
        ([2, 3, 2.9], 1),
        ([2, 3, 2.9, 2.9, 2.9], 3),
        ([0.5, 1, 2], 2),
        ([2, 2, 2, 3], 0),
    ],
)
def test_the_longest_time_below_a_peak(equity: list[float], expected: int) -> None:
    """From peak to recovery, or to the end; standing still at a peak is not below it."""
    assert perf.longest_drawdown(returns_to(*equity)) == expected


def test_value_at_risk_and_the_tail_beyond_it() -> None:
    """On 21 evenly spaced returns the 5 % quantile is the second worst."""
    returns = [each / 100 for each in range(-10, 11)]
    assert perf.value_at_risk(returns) == near(-0.09)
    assert perf.conditional_value_at_risk(returns) == near(-0.095)
    assert perf.value_at_risk(returns, cutoff=0.5) == near(0)
    assert perf.conditional_value_at_risk(returns, cutoff=0.5) == near(-0.05)
    assert perf.value_at_risk(returns, cutoff=0) == near(-0.10)
    assert perf.conditional_value_at_risk(returns, cutoff=1) == near(0)


@pytest.mark.parametrize("statistic", [perf.value_at_risk, perf.conditional_value_at_risk])
@pytest.mark.parametrize("cutoff", [-0.01, 1.01, NAN])
def test_a_cutoff_is_a_share(statistic: Statistic, cutoff: float) -> None:
    """Anything outside 0 to 1 is refused, even without returns."""
    with pytest.raises(InvalidValueError) as caught:
        statistic([], cutoff=cutoff)
    assert str(caught.value) == f"cutoff is not valid: {cutoff} is not between 0 and 1"


def test_beta_and_alpha_of_a_straight_line() -> None:
    """Half the benchmark plus a constant: beta is a half, alpha the constant compounded."""
    benchmark = [0.01, -0.02, 0.03, 0.005]
    returns = [0.5 * each + 0.001 for each in benchmark]
    assert perf.beta(returns, benchmark) == near(0.5)
    assert perf.alpha(returns, benchmark, periods=12) == near(1.001**12 - 1)
    assert perf.alpha(returns, benchmark) == near(1.001**252 - 1)
    with_rate = perf.alpha(returns, benchmark, risk_free=0.004, periods=12)
    assert with_rate == near((1.001 - 0.004 + 0.5 * 0.004) ** 12 - 1)


def test_the_information_ratio_measures_the_excess() -> None:
    """Mean excess over its deviation, a year."""
    benchmark = [0.01, -0.02, 0.03, 0.005]
    excess = [0.001, -0.002, 0.004, 0.001]
    returns = [one + other for one, other in zip(benchmark, excess, strict=True)]
    mean = sum(excess) / 4
    deviation = math.sqrt(sum((each - mean) ** 2 for each in excess) / 3)
    assert perf.information_ratio(returns, benchmark, periods=4) == near(2 * mean / deviation)
    daily = perf.information_ratio(returns, benchmark)
    assert daily == near(math.sqrt(252) * mean / deviation)


@pytest.mark.parametrize("statistic", [perf.beta, perf.alpha, perf.information_ratio])
def test_comparisons_need_two_common_periods(statistic: Statistic) -> None:
    """Only periods that both observed count; too few, or no movement, and there is no figure."""
    assert statistic([], []) is None
    assert statistic([0.01], [0.02]) is None
    assert statistic([0.01, NAN, 0.02], [0.02, 0.01, NAN]) is None
    assert statistic([0.02, 0.02], [0.01, 0.01]) is None
    whole = statistic([0.01, 0.02, 0.05], [0.02, 0.01, 0.03])
    gaps = statistic([0.01, NAN, 0.02, 0.07, 0.05], [0.02, 0.08, 0.01, NAN, 0.03])
    assert gaps == near(whole or 0)


@pytest.mark.parametrize(
    "statistic", [perf.beta, perf.alpha, perf.information_ratio, perf.exposure, perf.turnover]
)
def test_series_of_different_length_are_refused(statistic: Statistic) -> None:
    """They cannot be of the same periods."""
    with pytest.raises(InvalidValueError) as caught:
        statistic([0.01, 0.02], [0.01])
    assert str(caught.value) == ("benchmark is not valid: it has 1 periods, the returns have 2")


def test_the_bad_series_of_a_comparison_is_named() -> None:
    """The returns or the benchmark."""
    with pytest.raises(InvalidValueError, match=r"^returns is not valid: they contain"):
        perf.beta([math.inf], [0.1])
    with pytest.raises(InvalidValueError, match=r"^benchmark is not valid: they contain"):
        perf.beta([0.1], [math.inf])


def test_win_rate_counts_profits_above_zero() -> None:
    """Breaking even is not winning."""
    assert perf.win_rate([D(1), D(-1), D(0), D("0.01")]) == 0.5
    assert perf.win_rate([D(-1)]) == 0
    assert perf.win_rate([]) is None


def test_profit_factor_is_gains_over_losses() -> None:
    """Without a loss there is nothing to divide by."""
    assert perf.profit_factor([D(3), D(-1), D(0), D(2), D("-1.5")]) == 2
    assert perf.profit_factor([D(-1)]) == 0
    assert perf.profit_factor([D(1)]) is None
    assert perf.profit_factor([]) is None
    assert perf.profit_factor([D("0.5"), D("-0.5")]) == 1


def test_exposure_is_the_mean_share_of_equity() -> None:
    """Point by point, missing points left out."""
    assert perf.exposure([0, 50, 150, NAN], [100, 100, 100, 100]) == near(2 / 3)
    assert perf.exposure([100, 100], [50, 200]) == near(1.25)
    assert perf.exposure([0.25], [0.5]) == 0.5
    assert perf.exposure([], []) is None
    assert perf.exposure([1, 1], [1, 0]) is None
    assert perf.exposure([1, 1], [-1, 1]) is None


def test_exposure_time_is_the_share_of_points_with_a_position() -> None:
    """Long or short, large or small."""
    assert perf.exposure_time([0, 5, 0.01, -1]) == 0.75
    assert perf.exposure_time([0]) == 0
    assert perf.exposure_time([]) is None


def test_turnover_is_what_was_traded_over_equity_a_year() -> None:
    """100 a period on 1000 is a tenth a period."""
    assert perf.turnover([100, 0, 200], [1000, 900, 1100], periods=12) == near(1.2)
    assert perf.turnover([100, 0, 200], [1000, 900, 1100]) == near(25.2)
    assert perf.turnover([0.25], [0.5], periods=2) == 1
    assert perf.turnover([], []) is None
    assert perf.turnover([1], [0]) is None
    assert perf.turnover([1], [-1]) is None


def test_the_summary_holds_each_statistic() -> None:
    """Every field is what its function returns, with the same options."""
    returns, benchmark = [0.01, -0.03, 0.02, 0.015, -0.005], [0.01, -0.02, 0.01, 0.02, 0.0]
    returns, benchmark = returns * 2, benchmark * 2
    profits: Sequence[Decimal] = [D(5), D(-2)]
    made = perf.summarise(
        returns, profits, benchmark=benchmark, risk_free=0.001, periods=12, cutoff=0.4
    )
    drawdown = perf.max_drawdown(returns)
    assert drawdown is not None
    assert made == perf.Performance(
        total_return=perf.total_return(returns),
        annual_return=perf.annual_return(returns, periods=12),
        volatility=perf.volatility(returns, periods=12),
        sharpe_ratio=perf.sharpe_ratio(returns, risk_free=0.001, periods=12),
        sortino_ratio=perf.sortino_ratio(returns, required=0.001, periods=12),
        calmar_ratio=perf.calmar_ratio(returns, periods=12),
        max_drawdown=drawdown.depth,
        max_drawdown_duration=drawdown.duration,
        longest_drawdown=perf.longest_drawdown(returns),
        value_at_risk=perf.value_at_risk(returns, cutoff=0.4),
        conditional_value_at_risk=perf.conditional_value_at_risk(returns, cutoff=0.4),
        trades=2,
        win_rate=0.5,
        profit_factor=2.5,
        alpha=perf.alpha(returns, benchmark, risk_free=0.001, periods=12),
        beta=perf.beta(returns, benchmark),
        information_ratio=perf.information_ratio(returns, benchmark, periods=12),
    )
    assert None not in [getattr(made, name) for name in made.__struct_fields__]


def test_the_defaults_of_the_summary() -> None:
    """Days, no risk-free rate, the worst twentieth; no benchmark, no trades, no fall."""
    returns = [0.01, 0.03, 0.02]
    made = perf.summarise(returns)
    assert made.sharpe_ratio == perf.sharpe_ratio(returns)
    assert made.annual_return == perf.annual_return(returns)
    assert made.value_at_risk == perf.value_at_risk(returns)
    assert made.conditional_value_at_risk == perf.conditional_value_at_risk(returns)
    assert (made.max_drawdown, made.max_drawdown_duration, made.longest_drawdown) == (0.0, 0, 0)
    assert (made.alpha, made.beta, made.information_ratio) == (None, None, None)
    assert (made.trades, made.win_rate, made.profit_factor) == (0, None, None)


def test_inputs_are_not_changed() -> None:
    """An array that is passed in stays what it was."""
    returns = np.array(PUBLISHED)
    before = returns.copy()
    perf.summarise(returns, benchmark=returns)
    assert np.array_equal(returns, before, equal_nan=True)


def test_the_ledger_does_not_need_numpy() -> None:
    """Importing the package leaves the heavy import to whoever wants statistics."""
    code = "import sys, rustybt.accounting; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
