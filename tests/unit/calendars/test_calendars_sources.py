"""Two sources that know nothing of each other agree on when markets trade."""

import warnings
from datetime import UTC, date, datetime, timedelta

import pytest

from rustybt.calendars import get_calendar

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # the oracle's own use of pandas
    import pandas_market_calendars

START, END = date(2014, 1, 1), date(2027, 12, 31)
Hours = dict[date, tuple[datetime, datetime]]


def oracle(name: str, start: date = START, end: date = END) -> Hours:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = pandas_market_calendars.get_calendar(name).schedule(str(start), str(end))
    return {
        day.date(): (opens.to_pydatetime(), closes.to_pydatetime())
        for day, opens, closes in zip(
            schedule.index, schedule["market_open"], schedule["market_close"], strict=True
        )
    }


def ours(name: str, start: date = START, end: date = END) -> Hours:
    calendar = get_calendar(name, start=start, end=end)
    return {one.day: (one.open, one.close) for one in calendar.sessions(start, end)}


@pytest.mark.parametrize("name", ["NYSE", "NASDAQ"])
def test_sessions_opens_and_closes_agree(name: str) -> None:
    """Fourteen years of sessions, early closes included, are the same to the minute."""
    expected = oracle(name)
    assert len(expected) > 3500
    assert ours(name) == expected


def test_london_agrees() -> None:
    """London opens and closes at the same instants over the years ahead, in both seasons."""
    expected = oracle("LSE", date(2023, 1, 1), date(2026, 12, 31))
    assert ours("LSE", date(2023, 1, 1), date(2026, 12, 31)) == expected


def test_early_closes_are_named() -> None:
    """The sessions that the other source ends before the usual time are called early closes."""
    calendar = get_calendar("NYSE", start=START, end=END)
    zone = calendar.zone
    early = {
        day for day, (_, closes) in oracle("NYSE").items() if closes.astimezone(zone).hour < 16
    }
    assert date(2026, 11, 27) in early
    assert {one.day for one in calendar.early_closes(START, END)} == early


def test_holidays_are_the_weekdays_without_session() -> None:
    """What the other source leaves out between Monday and Friday is a holiday."""
    calendar = get_calendar("NYSE", start=START, end=END)
    expected = oracle("NYSE")
    days = (START + timedelta(days=i) for i in range((END - START).days + 1))
    missing = tuple(day for day in days if day.weekday() < 5 and day not in expected)
    assert calendar.holidays(START, END) == missing
    assert date(2027, 3, 26) in missing  # Good Friday


@pytest.mark.parametrize("change", [date(2026, 3, 8), date(2026, 11, 1), date(2027, 3, 14)])
def test_both_clock_changes_open_at_the_right_instant(change: date) -> None:
    """The session before and the one after a clock change open an hour apart in UTC."""
    calendar = get_calendar("NYSE", start=START, end=END)
    before, after = (change - timedelta(days=2), change + timedelta(days=1))
    expected = oracle("NYSE", before, after)
    opens = [one.open for one in calendar.sessions(before, after)]
    assert opens == [expected[before][0], expected[after][0]]
    summer, winter = (13, 14) if change.month == 3 else (14, 13)
    assert [moment.hour for moment in opens] == [winter, summer]
    for session in calendar.sessions(before, after):
        assert calendar.is_open(session.open)
        assert not calendar.is_open(session.open - timedelta(hours=1))
        assert not calendar.is_open(session.close)


def test_lunch_breaks_agree() -> None:
    """Hong Kong's break is the same on full days; the other source has no half days there."""
    start, end = date(2025, 1, 1), date(2025, 12, 31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        schedule = pandas_market_calendars.get_calendar("HKEX").schedule(str(start), str(end))
    expected = {
        day.date(): (row.break_start.to_pydatetime(), row.break_end.to_pydatetime())
        for day, row in schedule.iterrows()
    }
    sessions = get_calendar("XHKG", start=start, end=end).sessions(start, end)
    full = {one.day: (one.break_start, one.break_end) for one in sessions if one.break_start}
    half = {one.day for one in sessions if not one.break_start}
    assert half == {date(2025, 1, 28), date(2025, 12, 24), date(2025, 12, 31)}
    assert full == {day: hours for day, hours in expected.items() if day not in half}


def test_the_year_ahead_agrees() -> None:
    """Opens and closes of the next twelve months agree: what the readiness check asks."""
    today = datetime.now(UTC).date()
    end = today + timedelta(days=365)
    assert ours("NYSE", today, end) == oracle("NYSE", today, end)
