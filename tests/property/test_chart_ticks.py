"""The values at a chart's axis, for any range."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rustybt.engine.charts import ticks

bounds = st.tuples(st.floats(-1e15, 1e15), st.floats(1e-9, 1e15))


@given(bounds, st.booleans())
def test_ticks_are_round_and_within(bound: tuple[float, float], percent: bool) -> None:
    """Two to six evenly spaced values lie between the ends, and no two are written alike."""
    low, width = bound
    assume(low + width - low >= abs(low) * 1e-9)
    shown = ticks(low, low + width, percent=percent)
    values = [value for value, _ in shown]
    assert 2 <= len(shown) <= 6
    assert low - width * 1e-6 <= values[0] < values[-1] <= low + width * (1 + 1e-6)
    steps = {round((b - a) / width, 6) for a, b in pairwise(values)}
    assert max(steps) - min(steps) <= 1e-5
    assert len({text for _, text in shown}) == len(shown)


@pytest.mark.parametrize(
    ("low", "high", "percent", "expected"),
    [
        (100_000, 104_768, False, ["100,000", "101,000", "102,000", "103,000", "104,000"]),
        (-0.021, 0, True, ["-2.0%", "-1.5%", "-1.0%", "-0.5%", "0.0%"]),
        (99.9, 100.1, False, ["99.90", "99.95", "100.00", "100.05", "100.10"]),
        (1e-12, 3e-12, False, ["1e-12", "1.5e-12", "2e-12", "2.5e-12", "3e-12"]),
        (1e15, 1.2e15, False, ["1e+15", "1.05e+15", "1.1e+15", "1.15e+15", "1.2e+15"]),
    ],
)
def test_ticks_are_written_with_no_digit_too_many(
    low: float, high: float, percent: bool, expected: list[str]
) -> None:
    """Amounts, shares, prices, and numbers that only an exponent keeps short."""
    assert [text for _, text in ticks(low, high, percent=percent)] == expected
