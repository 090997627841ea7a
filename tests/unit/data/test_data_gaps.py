"""What is missing is found, and no policy hides it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from rustybt.calendars import get_calendar
from rustybt.data.bars import BARS, empty_bars
from rustybt.data.errors import GapError
from rustybt.data.gaps import Gap, GapPolicy, apply_gap_policy, expected_times, find_gaps
from rustybt.data.interval import Interval

NYSE = get_calendar("NYSE", start=date(2025, 1, 1), end=date(2025, 12, 31))
ALWAYS = get_calendar("24/7", start=date(2025, 1, 1), end=date(2025, 12, 31))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bars(*times: datetime) -> pl.DataFrame:
    rows = [
        (time, Decimal(i), Decimal(i + 2), Decimal(i), Decimal(i + 1), Decimal(100))
        for i, time in enumerate(times, 1)
    ]
    return pl.DataFrame(rows, schema=BARS, orient="row")


def test_days_are_those_of_the_calendar() -> None:
    """Weekends and holidays are not expected; the week of Thanksgiving has four bars."""
    found = expected_times(Interval.D1, NYSE, at("2025-11-24"), at("2025-12-01"))
    assert [time.day for time in found] == [24, 25, 26, 28]


def test_weeks_begin_on_monday() -> None:
    """A weekly bar is expected on the Monday of every week with a session."""
    found = expected_times(Interval.W1, NYSE, at("2025-11-24"), at("2025-12-09"))
    assert found.to_list() == [at("2025-11-24"), at("2025-12-01"), at("2025-12-08")]


def test_hours_are_counted_from_the_opening() -> None:
    """Bars lie within hours, an early close and a clock change included."""
    found = expected_times(Interval.H1, NYSE, at("2025-11-28"), at("2025-11-29"))
    assert [f"{time:%H:%M}" for time in found] == ["14:30", "15:30", "16:30", "17:30"]
    monday = expected_times(Interval.M30, NYSE, at("2025-03-10"), at("2025-03-11"))
    assert (monday[0], len(monday)) == (at("2025-03-10 13:30"), 13)
    around_the_clock = expected_times(Interval.H1, ALWAYS, at("2025-03-09"), at("2025-03-10"))
    assert len(around_the_clock) == 24


def test_no_bar_is_expected_in_a_break() -> None:
    """Hong Kong has bars before and after its break."""
    calendar = get_calendar("XHKG", start=date(2025, 6, 1), end=date(2025, 6, 30))
    found = expected_times(Interval.H1, calendar, at("2025-06-03"), at("2025-06-04"))
    assert [time.hour for time in found] == [1, 2, 3, 5, 6, 7]


DAYS = [at(f"2025-06-{day:02}") for day in range(1, 11)]
WITH_GAPS = bars(DAYS[0], DAYS[1], DAYS[4], DAYS[5], DAYS[7])
EXPECTED = pl.Series("timestamp", DAYS[:9], dtype=BARS["timestamp"])


def test_gaps_are_runs_of_missing_bars() -> None:
    """Each gap has its first and last missing bar, a trailing one too; none where all is there."""
    assert find_gaps(WITH_GAPS, EXPECTED) == (
        Gap(DAYS[2], DAYS[3], 2),
        Gap(DAYS[6], DAYS[6], 1),
        Gap(DAYS[8], DAYS[8], 1),
    )
    assert find_gaps(bars(*DAYS), EXPECTED) == ()
    assert find_gaps(empty_bars(), EXPECTED) == (Gap(DAYS[0], DAYS[8], 9),)


def test_by_default_a_gap_is_an_error_that_names_it() -> None:
    """Nobody goes on without having chosen to."""
    with pytest.raises(GapError) as caught:
        apply_gap_policy(WITH_GAPS, EXPECTED)
    assert "4 bars are missing: 2025-06-03 00:00 to 2025-06-04 00:00 (2 bars), 2025-06-07" in str(
        caught.value
    )
    many = pl.Series("timestamp", [DAYS[0] + timedelta(days=2 * i) for i in range(20)])
    with pytest.raises(GapError, match="and 5 more gaps"):
        apply_gap_policy(bars(*many[1::2]), many.cast(BARS["timestamp"]))


def test_whole_data_passes_every_policy_unchanged() -> None:
    """Without a gap nothing is filled."""
    whole = bars(*DAYS[:9])
    for policy in GapPolicy:
        found = apply_gap_policy(whole, EXPECTED, policy)
        assert found.drop("filled").equals(whole)
        assert not found["filled"].any()


def test_skip_makes_nothing_up() -> None:
    """The bars are those that were there."""
    found = apply_gap_policy(WITH_GAPS, EXPECTED, GapPolicy.SKIP)
    assert found.drop("filled").equals(WITH_GAPS)
    assert not found["filled"].any()


def test_forward_fill_marks_what_it_made_up() -> None:
    """Filled bars have the last close, no volume, and the mark; real ones are untouched."""
    found = apply_gap_policy(WITH_GAPS, EXPECTED, GapPolicy.FORWARD_FILL)
    assert found["timestamp"].to_list() == DAYS[:9]
    assert found.filter(~pl.col("filled")).drop("filled").equals(WITH_GAPS)
    filled = found.filter(pl.col("filled"))
    assert filled["timestamp"].to_list() == [DAYS[2], DAYS[3], DAYS[6], DAYS[8]]
    for column in ("open", "high", "low", "close"):
        assert filled[column].to_list() == [Decimal(3), Decimal(3), Decimal(5), Decimal(6)]
    assert filled["volume"].to_list() == [Decimal(0)] * 4
    assert found.drop("filled").schema == BARS


def test_nothing_is_filled_before_the_first_bar() -> None:
    """Before a symbol begins to trade it has no price."""
    found = apply_gap_policy(bars(DAYS[3]), EXPECTED, GapPolicy.FORWARD_FILL)
    assert found["timestamp"].to_list() == DAYS[3:9]
    assert apply_gap_policy(empty_bars(), EXPECTED, GapPolicy.FORWARD_FILL).is_empty()
