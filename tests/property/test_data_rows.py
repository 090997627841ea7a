"""No digit changes, no gap is hidden, and no span of time is lost or asked for twice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rustybt.data.bars import BARS, raw_rows
from rustybt.data.gaps import GapPolicy, apply_gap_policy, find_gaps
from rustybt.data.manifest import missing, union
from rustybt.data.reading import read_numbers

START = datetime(2025, 1, 1, tzinfo=UTC)
ALL = pl.DataFrame(
    [(START + timedelta(hours=n), *[Decimal(n + 10)] * 5) for n in range(12)], BARS, orient="row"
)
PRICES = st.decimals("0.01", "1e15", allow_nan=False, places=12)


@given(price=PRICES, volume=st.decimals(0, 10**15, allow_nan=False, places=18))
def test_numbers_come_through_to_the_last_digit(price: Decimal, volume: Decimal) -> None:
    """A sound bar is stored with exactly the numbers that were written."""
    row = (START.isoformat(), *[str(price)] * 4, str(volume))
    read = read_numbers(raw_rows([row])).select("open", "high", "low", "close", "volume")
    assert read.row(0) == (price, price, price, price, volume)


@given(present=st.sets(st.integers(0, 11), min_size=1))
def test_policies_account_for_every_expected_bar(present: set[int]) -> None:
    """Gaps are what is not there; filled bars are marked, and real ones never change."""
    times = ALL["timestamp"].to_list()
    expected = ALL["timestamp"]
    bars = ALL[sorted(present)]
    assert sum(gap.bars for gap in find_gaps(bars, expected)) == 12 - len(bars)
    filled = apply_gap_policy(bars, expected, GapPolicy.FORWARD_FILL)
    real = filled.filter(~filled["filled"])
    assert real.drop("filled").equals(bars)
    assert filled["timestamp"].to_list() == times[min(present) :]


@given(
    spans=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6),
    wanted=st.tuples(st.integers(0, 15), st.integers(16, 30)),
)
def test_spans_are_sets_of_hours(spans: list[tuple[int, int]], wanted: tuple[int, int]) -> None:
    """Adding and leaving out spans of time is adding and leaving out the hours in them."""
    hours: set[int] = set()
    covered: tuple[tuple[datetime, datetime], ...] = ()
    at = [START + timedelta(hours=n) for n in range(31)]
    for start, end in spans:
        hours |= set(range(start, end))
        covered = union(covered, (at[start], at[end]))
    left = missing(covered, (at[wanted[0]], at[wanted[1]]))
    found = {n for n in range(31) for start, end in left if start <= at[n] < end}
    assert found == set(range(*wanted)) - hours
    assert all(one[1] < two[0] for one, two in pairwise(covered))
