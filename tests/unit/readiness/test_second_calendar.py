"""The second opinion on trading hours, and how a slope is told from noise."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from readiness_tests.hours import (
    ALWAYS,
    NEW_YORK,
    NoSecondSourceError,
    clock_changes,
    days,
    market,
    new_york_offset,
)
from readiness_tests.test_04_benchmarks import _resolution, _slope
from readiness_tests.trading_days import instants_to_try, is_open, opening

START, END = date(2026, 1, 1), date(2026, 12, 31)


def test_a_market_that_never_closes_is_arithmetic() -> None:
    """Its sessions are the days of UTC, one after the other, without holidays or early closes."""
    found = market(ALWAYS, START, END)
    assert list(found.sessions) == days(START, END)
    assert all(one.closes - one.opens == timedelta(days=1) for one in found.sessions.values())
    assert (found.early_closes, found.holidays(START, END)) == (set(), [])


@pytest.mark.parametrize("name", ["NYSE", "XNYS"])
def test_new_york_is_known_by_both_its_names(name: str) -> None:
    """The other source has its regular hours, holidays and early closes."""
    found = market(name, START, END)
    assert found.zone == NEW_YORK
    assert [f"{one:%H:%M}" for one in found.regular] == ["09:30", "16:00"]
    assert found.early_closes == {date(2026, 11, 27), date(2026, 12, 24)}
    assert date(2026, 4, 3) in found.holidays(START, END)  # Good Friday


@pytest.mark.parametrize("name", ["XETR", "XPAR", "ATLANTIS"])
def test_what_only_repeats_the_engines_source_is_no_second_one(name: str) -> None:
    """Calendars that the other library takes from the engine's source do not count."""
    with pytest.raises(NoSecondSourceError, match="pandas_market_calendars"):
        market(name, START, END)


def test_new_yorks_clocks_change_as_the_law_says() -> None:
    """The rule gives the same distances from UTC as the time zone database, for twenty years."""
    zone = ZoneInfo(NEW_YORK)
    for day in days(date(2015, 1, 1), date(2034, 12, 31)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
        assert new_york_offset(day) == noon.utcoffset()
    assert clock_changes(START, END) == [date(2026, 3, 8), date(2026, 11, 1)]


def test_openings_are_told_in_utc() -> None:
    """Half past nine in New York is an hour earlier in UTC while summer time lasts."""
    half_past_nine = market("NYSE", START, END).regular[0]
    assert opening(NEW_YORK, date(2026, 3, 6), half_past_nine) == "2026-03-06T14:30:00+00:00"
    assert opening(NEW_YORK, date(2026, 3, 9), half_past_nine) == "2026-03-09T13:30:00+00:00"
    assert opening("UTC", date(2026, 3, 9), half_past_nine) == "2026-03-09T09:30:00+00:00"


def test_instants_to_try_lie_on_both_sides_of_every_edge() -> None:
    """Among thousands of instants are open and closed ones, early closes to the microsecond."""
    second = market("NYSE", START, END)
    instants = instants_to_try(second, START)
    opened = [at for at in instants if is_open(second, at)]
    assert len(instants) > 2000
    assert 500 < len(opened) < len(instants) - 500
    closes = datetime(2026, 11, 27, 18, tzinfo=UTC)
    assert closes in instants
    assert closes not in opened
    assert closes - timedelta(microseconds=1) in opened


def test_a_leak_is_told_from_noise() -> None:
    """A steady rise is one whatever the noise; one step, and pages here and there, are none."""
    flat = [(number * 50_000, 140_000_000) for number in range(21)]
    assert _slope(flat) == (0, 0)
    leaking = [(events, size + 8 * events) for events, size in flat]
    assert _slope(leaking)[1] > _resolution(leaking)
    stepping = [(events, size + 4_000_000 * (events > 500_000)) for events, size in flat]
    assert _slope(stepping)[1] <= _resolution(stepping)
    creeping = [(events, size + 4096 * (events // 100_000)) for events, size in flat]
    assert _slope(creeping)[1] <= _resolution(creeping)
