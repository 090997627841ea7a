"""What times of orders come to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustybt.benchmark.latency import (
    ACKNOWLEDGED,
    DECIDED,
    SENT,
    Stamps,
    histogram,
    percentile,
    slope,
    summary,
)

LATENCIES = st.lists(st.floats(1e-6, 10), min_size=1, max_size=50).map(sorted)


def test_only_the_first_time_of_a_step_counts() -> None:
    """A second report of the same order changes nothing, and foreign ids are nobody's."""
    times = iter(range(1, 10))
    stamps = Stamps(lambda: float(next(times)), room=1)
    stamps.mark("RBT-1-7", DECIDED)
    stamps.mark("RBT-1-7", SENT)
    stamps.mark("RBT-1-7", SENT)
    stamps.mark("somebody", SENT)
    stamps.mark("RBT-1-7", ACKNOWLEDGED, 9.0)
    assert [stamps.count(step) for step in (DECIDED, SENT, ACKNOWLEDGED)] == [1, 1, 1]
    assert (stamps.seconds(SENT), stamps.seconds(ACKNOWLEDGED)) == ([1.0], [8.0])
    assert stamps.span() == 8.0


def test_what_never_arrived_has_no_latency() -> None:
    """Orders that were decided on only are counted as such."""
    stamps = Stamps(lambda: 1.0, room=2)
    stamps.mark("RBT-1-0", DECIDED)
    assert (stamps.count(DECIDED), stamps.seconds(ACKNOWLEDGED), stamps.span()) == (1, [], 0.0)
    assert summary([]) == {"count": 0, "histogram": {}}


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 2.0), (75, 3.0), (99, 4.0)])
def test_a_percentile_is_one_of_the_numbers(percent: int, expected: float) -> None:
    """The smallest one that so many per cent do not exceed."""
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == expected


@given(LATENCIES)
def test_percentiles_are_exceeded_by_no_more_than_they_say(ordered: list[float]) -> None:
    """At least so many per cent are not above, and no smaller number has that."""
    for percent in (50, 95, 99):
        found = percentile(ordered, percent)
        assert sum(each <= found for each in ordered) * 100 >= percent * len(ordered)
        assert sum(each < found for each in ordered) * 100 < percent * len(ordered)


@given(LATENCIES)
def test_a_histogram_counts_everything_once(ordered: list[float]) -> None:
    """Each latency is in the one bin that is not below it and whose half is."""
    found = histogram(ordered)
    assert sum(found.values()) == len(ordered)
    assert list(map(float, found)) == sorted(map(float, found))
    longest = max(map(float, found))
    assert longest >= 1000 * ordered[-1] * (1 - 1e-12)
    assert all(math.log2(float(bound)).is_integer() for bound in found)


def test_the_slope_is_that_of_the_line() -> None:
    """Points on a line give its slope, fewer than two nothing."""
    assert slope([(x, 5 + 3 * x) for x in range(10)]) == pytest.approx(3.0)
    assert slope([(1, 5)]) == slope([]) == 0.0
