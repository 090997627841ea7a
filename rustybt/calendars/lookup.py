"""Calendars by name: a market's own from exchange_calendars, and one that never closes."""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from rustybt.calendars.calendar import Calendar, Timetable
from rustybt.calendars.errors import CalendarRangeError, UnknownCalendarError

EARLIEST: Final = date(1990, 1, 1)
"""Where a calendar begins when no start is asked for."""

ALWAYS_OPEN: Final = "24/7"
YEARS_AHEAD: Final = 2
_SECONDS_A_DAY: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# The day after the last has to exist, too: that is when it ends.
_FIRST, _LAST = date(1900, 1, 1), date(9998, 12, 31)


def get_calendar(name: str, *, start: date = EARLIEST, end: date) -> Calendar:
    """Return the calendar *name* for all days from *start* to *end*, both included.

    *name* is an exchange's (NYSE, NASDAQ, LSE, ...), its ISO 10383 code (XNYS, ...) or ``24/7``,
    whose sessions are the days of UTC. Calendars are cached. Raise
    :class:`~rustybt.calendars.errors.UnknownCalendarError` for another name,
    ``CalendarRangeError`` where holidays are not known for so early or so late a day, and
    ``CalendarError`` when the calendar cannot be computed.
    """
    if start > end:
        raise CalendarRangeError(f"{start} is after {end}", expected="a start before the end")
    return _cached(name, start, end)


def calendar_on(name: str, today: date) -> Calendar:
    """Return the calendar *name* from 1990 to the end of the second year after *today*'s.

    Where holidays are known for fewer days the calendar covers these: look at its ``first_day``
    and ``horizon``. Raise as :func:`get_calendar` does.
    """
    first, last = _limits(name)
    return _cached(name, max(EARLIEST, first), min(date(today.year + YEARS_AHEAD, 12, 31), last))


def calendar_names() -> tuple[str, ...]:
    """Return every name that :func:`get_calendar` takes, sorted."""
    from rustybt.calendars import exchange

    return tuple(sorted({*exchange.names(), ALWAYS_OPEN}))


@lru_cache(maxsize=32)
def _cached(name: str, start: date, end: date) -> Calendar:
    first, last = _limits(name)
    if start < first or end > last:
        raise CalendarRangeError(
            f"the calendar {name} cannot cover {start} to {end}",
            expected=f"days from {first} to {last}, for which its holidays are known",
        )
    if name == ALWAYS_OPEN:
        return _always_open(start, end)
    from rustybt.calendars import exchange

    zone, timetable = exchange.timetable(name, start, end)
    return Calendar(name, zone, start, end, timetable)


def _limits(name: str) -> tuple[date, date]:
    """Return the first and the last day for which the holidays of *name* are known."""
    if name == ALWAYS_OPEN:
        return _FIRST, _LAST
    from rustybt.calendars import exchange

    if name not in exchange.names():
        raise _unknown(name)
    first, last = exchange.bounds(name)
    return first or _FIRST, last or _LAST


def _unknown(name: str) -> UnknownCalendarError:
    close = get_close_matches(name.upper(), calendar_names(), cutoff=0.5)
    return UnknownCalendarError(
        f"there is no calendar {name!r}",
        expected=f"{' or '.join(close) or 'NYSE, NASDAQ, 24/7'}, or another exchange's name",
    )


def _always_open(start: date, end: date) -> Calendar:
    """Return a calendar whose sessions are the days of UTC, one after the other."""
    # A day more on either side: what is open at an edge has an opening and a closing.
    days = range(start.toordinal() - 1, end.toordinal() + 2)
    first, last = days.start - _EPOCH_DAY, days.stop - _EPOCH_DAY
    opens = range(first * _SECONDS_A_DAY, last * _SECONDS_A_DAY, _SECONDS_A_DAY)
    return Calendar(
        ALWAYS_OPEN,
        ZoneInfo("UTC"),
        start,
        end,
        Timetable(
            days=days,
            opens=opens,
            closes=range(opens.start + _SECONDS_A_DAY, opens.stop + _SECONDS_A_DAY, _SECONDS_A_DAY),
            breaks={},
            early=frozenset(),
            late=frozenset(),
            weekdays=frozenset(range(7)),
        ),
    )
