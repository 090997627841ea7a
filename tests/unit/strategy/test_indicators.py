"""Indicators against plain definitions over the whole series, and against their expressions."""

import math
import statistics

import numpy as np
import polars as pl
import pytest

from rustybt.strategy import (
    ATR,
    EMA,
    RSI,
    SMA,
    Bollinger,
    Crossing,
    RollingMax,
    RollingMin,
    StrategyError,
    Wilder,
    compare,
)
from rustybt.strategy import expressions as ex

VALUES = np.random.default_rng(7).normal(100, 5, 300).round(2).tolist()
FRAME = pl.DataFrame({"close": VALUES})


def column(expression: pl.Expr) -> list[float]:
    """Evaluate an expression; missing is nan, as in indicators."""
    return FRAME.select(expression.cast(pl.Float64).fill_null(math.nan)).to_series().to_list()


def test_sma_is_the_mean_of_the_window() -> None:
    """Exactly the mean of the last values, missing before; the expression says the same."""
    average = SMA(7)
    found = [average.update(value) for value in VALUES]
    wanted = [math.nan] * 6 + [statistics.fmean(VALUES[i - 6 : i + 1]) for i in range(6, 300)]

    assert found == pytest.approx(wanted, rel=1e-14, nan_ok=True)
    assert column(ex.sma(7)) == pytest.approx(wanted, rel=1e-12, nan_ok=True)


def test_sma_forgets_what_has_left_the_window() -> None:
    """A huge value leaves no rounding error behind once it is out for a round."""
    average = SMA(5)
    for value in [1e15, *[0.1] * 20]:
        average.update(value)

    assert average.value == pytest.approx(0.1, rel=1e-15)


def test_ema_is_the_recursive_average() -> None:
    """As Polars defines it without adjustment."""
    average = EMA(9)
    found = [average.update(value) for value in VALUES]

    assert found == pytest.approx(column(ex.ema(9)), rel=1e-12, nan_ok=True)
    assert math.isnan(found[7])
    assert not math.isnan(found[8])


def test_rsi_is_wilders() -> None:
    """From averages of gains and losses, by Wilder's recursion."""
    period, strength = 14, RSI(14)
    found = [strength.update(value) for value in VALUES]
    moves = np.diff(VALUES)
    gain = float(np.maximum(moves[:period], 0).mean())
    loss = float(np.maximum(-moves[:period], 0).mean())
    wanted = [math.nan] * period + [100 - 100 / (1 + gain / loss)]
    for move in moves[period:].tolist():
        gain = (gain * (period - 1) + max(move, 0)) / period
        loss = (loss * (period - 1) + max(-move, 0)) / period
        wanted.append(100 - 100 / (1 + gain / loss))

    assert found == pytest.approx(wanted, rel=1e-11, nan_ok=True)


def test_rsi_of_a_flat_series_is_in_the_middle() -> None:
    """Where nothing moves neither side is stronger; only gains give 100."""
    flat, rising = RSI(3), RSI(3)
    for number in range(6):
        flat.update(5.0)
        rising.update(float(number))

    assert (flat.value, rising.value) == (50.0, 100.0)


def test_atr_counts_gaps() -> None:
    """The true range reaches to the close before."""
    average = ATR(2)
    assert math.isnan(average.update(12.0, 10.0, 11.0))
    assert average.update(16.0, 15.0, 15.5) == (2 + 5) / 2
    assert average.update(15.0, 14.0, 14.5) == (3.5 + 1.5) / 2
    assert average.value == 2.5


def test_bollinger_uses_the_population_deviation() -> None:
    """Mean and deviations of the window."""
    bands = Bollinger(10, 1.5)
    found = [bands.update(value) for value in VALUES]
    window = VALUES[-10:]
    reach = 1.5 * statistics.pstdev(window)

    assert math.isnan(found[8].middle)
    assert found[-1].middle == pytest.approx(statistics.fmean(window))
    assert found[-1].upper - found[-1].middle == pytest.approx(reach)
    assert found[-1].middle - found[-1].lower == pytest.approx(reach)
    assert column(ex.deviation(10))[-1] * 1.5 == pytest.approx(reach)


def test_rolling_extremes() -> None:
    """The greatest and least of the window, as a slice says."""
    highest, lowest = RollingMax(8), RollingMin(8)
    highs = [highest.update(value) for value in VALUES]
    lows = [lowest.update(value) for value in VALUES]

    assert highs[7:] == [max(VALUES[i - 7 : i + 1]) for i in range(7, 300)]
    assert lows[7:] == [min(VALUES[i - 7 : i + 1]) for i in range(7, 300)]
    assert column(ex.highest(8)) == pytest.approx(highs, nan_ok=True)
    assert column(ex.lowest(8)) == pytest.approx(lows, nan_ok=True)


def test_missing_values_are_passed_over() -> None:
    """A nan that comes in changes nothing in any indicator."""
    nan = math.nan
    for make in (SMA, EMA, Wilder, RSI, RollingMax, RollingMin):
        plain, gappy = make(3), make(3)
        for value in VALUES[:9]:
            plain.update(value)
            gappy.update(value)
            before = gappy.value
            assert gappy.update(nan) == pytest.approx(before, nan_ok=True)
        assert gappy.value == plain.value
    bands = Bollinger(3)
    assert math.isnan(bands.update(nan).middle)


def test_a_crossing_goes_from_side_to_side_in_one_step() -> None:
    """A tie in between, a missing value and the first comparison are no crossings."""
    pairs = [(1, 2), (3, 2), (2, 2), (1, 2), (3, 2), (1, 2), (math.nan, 2), (3, 2), (1, 2)]
    crossing = Crossing()
    found = [crossing.update(*pair) for pair in pairs]
    frame = pl.DataFrame(
        {"fast": [p[0] for p in pairs], "slow": [p[1] for p in pairs]}, strict=False
    )
    said = frame.select(ex.crossing(pl.col("fast"), pl.col("slow"))).to_series().to_list()

    assert found == [0, 1, 0, 0, 1, -1, 0, 0, -1]
    assert said == found


def test_equal_within_the_tolerance_is_equal() -> None:
    """Digits that only rounding made are on neither side."""
    assert compare(0.1 + 0.2, 0.3) == 0
    assert compare(1.0, 1.0 + 2e-9) == -1
    assert compare(1.0, 1.0 + 2e-9, tolerance=1e-8) == 0
    assert compare(math.nan, 1.0) == 0
    assert compare(0.0, 0.0) == 0
    sides = FRAME.head(2).select(
        ex.side(pl.lit(pl.Series([1.0, 0.3])), pl.lit(pl.Series([0.5, 0.1 + 0.2])))
    )
    assert sides.to_series().to_list() == [1, 0]


def test_targets_hold_until_they_are_left() -> None:
    """Hold and switch keep a position between the bars that say something."""
    frame = pl.DataFrame({"x": [0, 1, 0, 0, -1, 0, 1]})
    x = pl.col("x")
    found = frame.select(a=ex.hold(x == 1, x == -1, 2.5), b=ex.switch(x, 3, -3))

    assert found["a"].to_list() == [0, 2.5, 2.5, 2.5, 0, 0, 2.5]
    assert found["b"].to_list() == [0, 3, 3, 3, -3, -3, 3]


@pytest.mark.parametrize("period", [0, -3, 2.5, "7", True])
def test_a_period_is_a_whole_number(period: object) -> None:
    """Other periods are refused, with the value."""
    with pytest.raises(StrategyError, match="a period of"):
        SMA(period)  # type: ignore[arg-type]  # wrong on purpose
