"""At any instant a calendar's answers agree with its own schedule."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustybt.calendars import Calendar, Session, get_calendar

START, END = date(2025, 1, 1), date(2026, 12, 31)
NAMES = ["NYSE", "XHKG", "CMES", "24/7"]
CALENDARS = {name: get_calendar(name, start=START, end=END) for name in NAMES}
SCHEDULES = {name: CALENDARS[name].sessions(START, END) for name in NAMES}
TICK = timedelta(microseconds=1)


def stretches(session: Session) -> list[tuple[datetime, datetime]]:
    if session.break_start is None or session.break_end is None:
        return [(session.open, session.close)]
    return [(session.open, session.break_start), (session.break_end, session.close)]


STRETCHES = {name: [one for s in SCHEDULES[name] for one in stretches(s)] for name in NAMES}
ANYWHERE = st.datetimes(
    datetime(2025, 2, 1), datetime(2026, 11, 30), timezones=st.just(UTC)  # noqa: DTZ001 - ditto
)


@st.composite
def instants(draw: st.DrawFn, name: str) -> datetime:
    """Any instant, or one at or right beside a boundary."""
    if draw(st.booleans()):
        return draw(ANYWHERE)
    pair = draw(st.sampled_from(STRETCHES[name][50:-50]))
    return draw(st.sampled_from(pair)) + draw(st.integers(-1, 1)) * TICK


def check(calendar: Calendar, at: datetime) -> None:
    inside = [(start, end) for start, end in STRETCHES[calendar.name] if start <= at < end]
    assert len(inside) <= 1
    assert calendar.is_open(at) is bool(inside)
    session = calendar.session_of(at)
    holding = [one for one in SCHEDULES[calendar.name] if one.open <= at < one.close]
    assert ([session] if session else []) == holding
    opens, closes = calendar.next_open(at), calendar.next_close(at)
    assert opens == min(start for start, _ in STRETCHES[calendar.name] if start > at)
    assert closes == min(end for _, end in STRETCHES[calendar.name] if end > at)
    assert calendar.is_open(opens)
    assert calendar.is_open(closes - TICK)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_answers_agree_with_the_schedule(name: str, data: st.DataObject) -> None:
    """Open, session, next opening and closing are what a search through all sessions finds."""
    check(CALENDARS[name], data.draw(instants(name)))
