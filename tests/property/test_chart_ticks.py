"""The values at a chart's axis, for any range."""

from __future__ import annotations

from itertools import pairwise

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
