"""What a calendar answers, and what it refuses to guess."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rustybt.calendars import (
    Calendar,
    CalendarError,
    CalendarRangeError,
    Session,
    UnknownCalendarError,
    calendar_names,
    calendar_on,
    get_calendar,
)
from rustybt.utils import calendar_utils

END = date(2027, 12, 31)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def nyse() -> Calendar:
    return get_calendar("NYSE", start=date(2020, 1, 1), end=END)


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-23 14:29:59.999999", False),
        ("2026-11-23 14:30", True),
        ("2026-11-23 20:59:59.999999", True),
        ("2026-11-23 21:00", False),
        ("2026-11-26 15:00", False),  # Thanksgiving
        ("2026-11-27 17:59:59", True),  # the day after closes at 13:00
        ("2026-11-27 18:00", False),
        ("2026-11-28 15:00", False),  # Saturday
        ("2020-01-01 15:00", False),  # the first day covered is a holiday
        ("2027-12-31 22:00", False),  # the last one, after the close
    ],
)
def test_open_from_the_opening_until_just_before_the_closing(
    nyse: Calendar, at: str, open_: bool
) -> None:
    """An instant is inside hours from the opening until just before the closing."""
    assert nyse.is_open(utc(at)) is open_
    assert (nyse.session_of(utc(at)) is not None) is open_


def test_instants_of_any_zone_are_the_same_instant(nyse: Calendar) -> None:
    """Local time and UTC give one answer, also in the hour that a clock change repeats."""
    at = datetime(2026, 11, 23, 9, 30, tzinfo=ZoneInfo("America/New_York"))
    assert nyse.is_open(at)
    assert not nyse.is_open(at - timedelta(microseconds=1))
    always = get_calendar("24/7", end=END)
    repeated = datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"), fold=1)
    session = always.session_of(repeated)
    assert session is not None
    assert session.day == date(2026, 11, 1)


def test_next_open_and_close(nyse: Calendar) -> None:
    """They lie strictly ahead, over weekends and holidays, and at the boundary itself."""
    assert nyse.next_open(utc("2026-11-25 21:00")) == utc("2026-11-27 14:30")
    assert nyse.next_close(utc("2026-11-25 21:00")) == utc("2026-11-27 18:00")
    assert nyse.next_open(utc("2026-11-27 14:30")) == utc("2026-11-30 14:30")
    assert nyse.next_close(utc("2026-11-27 17:59:59.5")) == utc("2026-11-27 18:00")


def test_sessions_of_days(nyse: Calendar) -> None:
    """A session knows its day, its hours and whether they are unusual."""
    early = Session(
        day=date(2026, 11, 27),
        open=utc("2026-11-27 14:30"),
        close=utc("2026-11-27 18:00"),
        early_close=True,
    )
    assert nyse.session_on(date(2026, 11, 27)) == early
    assert nyse.session_of(utc("2026-11-27 15:00")) == early
    assert nyse.early_closes(date(2026, 11, 1), date(2026, 11, 30)) == (early,)
    assert nyse.is_session(date(2026, 11, 25))
    assert not nyse.is_session(date(2026, 11, 26))
    assert nyse.holidays(date(2026, 11, 20), date(2026, 12, 31)) == (
        date(2026, 11, 26),
        date(2026, 12, 25),
    )


def test_a_break_is_closed_but_part_of_the_session() -> None:
    """Nothing is traded in Hong Kong's break; its end is an opening and its start a closing."""
    hong_kong = get_calendar("XHKG", start=date(2025, 1, 1), end=date(2025, 12, 31))
    noon = utc("2025-06-03 04:00")
    assert hong_kong.is_open(noon - timedelta(seconds=1))
    assert not hong_kong.is_open(noon)
    assert hong_kong.is_open(utc("2025-06-03 05:00"))
    session = hong_kong.session_of(noon)
    assert session is not None
    assert (session.break_start, session.break_end) == (noon, utc("2025-06-03 05:00"))
    assert hong_kong.next_open(noon) == utc("2025-06-03 05:00")
    assert hong_kong.next_close(utc("2025-06-03 01:30")) == noon


def test_an_overnight_session_belongs_to_the_next_day() -> None:
    """Futures of Sunday evening are traded in Monday's session, also at the edge of the range."""
    globex = get_calendar("CMES", start=date(2026, 1, 5), end=date(2026, 1, 9))
    session = globex.session_of(utc("2026-01-05 06:00"))  # midnight in Chicago
    assert session is not None
    assert (session.day, session.open) == (date(2026, 1, 5), utc("2026-01-04 23:00"))
    late = globex.session_of(utc("2026-01-08 23:30"))
    assert late is not None
    assert late.day == date(2026, 1, 9)
    assert globex.next_open(utc("2026-01-09 23:00")) == utc("2026-01-11 23:00")


def test_what_never_closes_is_always_open() -> None:
    """24/7 has a session for every day of UTC, one ending as the next begins; no holidays."""
    always = get_calendar("24/7", start=date(2024, 1, 1), end=date(2024, 12, 31))
    assert always.is_open(utc("2024-01-01 00:00"))
    assert always.is_open(utc("2024-12-31 23:59:59.999999"))
    assert always.next_close(utc("2024-02-28 12:00")) == utc("2024-02-29 00:00")
    assert always.next_open(utc("2024-12-31 23:00")) == utc("2025-01-01 00:00")
    assert len(always.sessions(date(2024, 1, 1), date(2024, 12, 31))) == 366
    assert always.holidays(date(2024, 1, 1), date(2024, 12, 31)) == ()
    assert always.zone == ZoneInfo("UTC")


@pytest.mark.parametrize("name", ["NYSE", "24/7"])
def test_beyond_its_bounds_a_calendar_does_not_guess(name: str) -> None:
    """A day that is not covered is an error that names the bounds, never "closed"."""
    calendar = get_calendar(name, start=date(2024, 1, 1), end=date(2024, 12, 31))
    for at in (utc("2023-12-29 15:00"), utc("2025-01-02 15:00")):
        for question in (
            calendar.is_open,
            calendar.session_of,
            calendar.next_open,
            calendar.next_close,
        ):
            with pytest.raises(CalendarRangeError, match="2024-01-01 to 2024-12-31"):
                question(at)
    with pytest.raises(CalendarRangeError, match="not known to the calendar"):
        calendar.sessions(date(2024, 6, 1), date(2025, 1, 1))
    with pytest.raises(CalendarRangeError, match="not known"):
        calendar.holidays(date(2023, 12, 31), date(2024, 1, 1))


def test_a_naive_instant_is_refused(nyse: Calendar) -> None:
    """An instant without zone could be anywhere."""
    naive = datetime(2026, 11, 23, 15)  # noqa: DTZ001 - what is to be refused
    with pytest.raises(CalendarError, match="has no time zone; expected an aware datetime"):
        nyse.is_open(naive)


def test_names(nyse: Calendar) -> None:
    """Names and codes of exchanges are known; another name is answered with similar ones."""
    assert {"NYSE", "XNYS", "NASDAQ", "XNAS", "LSE", "24/7"} <= set(calendar_names())
    assert list(calendar_names()) == sorted(calendar_names())
    with pytest.raises(UnknownCalendarError, match="no calendar 'NYSSE'; expected NYSE"):
        get_calendar("NYSSE", end=END)
    with pytest.raises(UnknownCalendarError, match="expected NYSE, NASDAQ, 24/7, or another"):
        calendar_on("!", END)
    assert "NYSE 2020-01-01..2027-12-31 America/New_York" in repr(nyse)


def test_bounds_are_those_asked_for_and_cached() -> None:
    """The same bounds give the same object; what nobody knows yet is refused or left out."""
    first = get_calendar("NYSE", start=date(2020, 1, 1), end=END)
    assert first is get_calendar("NYSE", start=date(2020, 1, 1), end=END)
    assert (first.first_day, first.horizon) == (date(2020, 1, 1), END)
    ahead = calendar_on("NYSE", date(2025, 6, 1))
    assert (ahead.first_day, ahead.horizon) == (date(1990, 1, 1), END)
    with pytest.raises(CalendarRangeError, match="2025-01-02 is after 2025-01-01"):
        get_calendar("NYSE", start=date(2025, 1, 2), end=date(2025, 1, 1))
    with pytest.raises(CalendarRangeError, match="holidays are known"):
        get_calendar("XSHG", start=date(2020, 1, 1), end=date(2090, 1, 1))
    shanghai = calendar_on("XSHG", date(2090, 1, 1))
    assert shanghai.horizon < date(2090, 1, 1)
    assert shanghai.first_day == date(1990, 12, 3)
    assert not shanghai.is_open(
        datetime(shanghai.horizon.year, 12, 31, 23, 59, tzinfo=shanghai.zone)
    )
    with pytest.raises(CalendarRangeError, match="what follows"):
        shanghai.next_open(datetime(shanghai.horizon.year, 12, 31, 23, 59, tzinfo=shanghai.zone))


def test_what_the_library_cannot_compute_is_one_clear_error() -> None:
    """Days before its rules can be evaluated give an error that names calendar and days."""
    with pytest.raises(CalendarError, match="cannot compute XTAE for 1989-12-18"):
        get_calendar("XTAE", start=date(1990, 1, 1), end=date(1991, 1, 1))


def test_hours_as_seen_from_now() -> None:
    """With a clock the questions need no instant; the checklist's import path works."""
    now = utc("2026-11-27 15:00")
    hours = calendar_utils.get_calendar("NYSE", clock=lambda: now)
    assert hours.is_open_now()
    assert hours.session_now() == hours.calendar.session_on(date(2026, 11, 27))
    assert hours.next_open() == utc("2026-11-30 14:30")
    assert hours.next_close() == utc("2026-11-27 18:00")
    assert hours.calendar.horizon == date(2028, 12, 31)
    later = calendar_utils.get_calendar("NASDAQ", clock=lambda: utc("2026-11-27 18:00"))
    assert not later.is_open_now()
    assert calendar_utils.get_calendar("24/7").is_open_now()


def test_only_an_exchanges_calendar_imports_what_is_heavy() -> None:
    """24/7, which most deployments use, starts without pandas."""
    code = (
        "import sys; from rustybt.utils.calendar_utils import get_calendar;"
        "assert get_calendar('24/7').is_open_now();"
        "assert not {'pandas', 'numpy', 'exchange_calendars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
