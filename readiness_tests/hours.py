"""A second opinion on when markets trade, from a source that knows nothing of the engine's.

The engine asks exchange_calendars. pandas_market_calendars keeps holidays of its own for some
markets and repeats exchange_calendars for the others: only the former count here. For a market that
never closes, arithmetic is source enough.
"""

from __future__ import annotations

import warnings
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

ALWAYS: Final = "24/7"
NEW_YORK: Final = "America/New_York"
DAY: Final = timedelta(days=1)
# Calendars that pandas_market_calendars has rules of its own for, by the other names they go by.
_ALIASES: Final = {"XNYS": "NYSE", "XNAS": "NASDAQ", "XLON": "LSE", "XTSE": "TSX", "XSWX": "SIX"}


class NoSecondSourceError(Exception):
    """Nobody here but the engine's own source knows the market."""


class Hours(NamedTuple):
    """When one session opens and closes, in UTC."""

    opens: datetime
    closes: datetime


class Market(NamedTuple):
    """A market's zone, its sessions by day, and where they come from."""

    zone: str
    sessions: dict[date, Hours]
    source: str

    @property
    def regular(self) -> tuple[time, time]:
        """The local times at which most sessions open and close."""
        local = Counter(
            (_local(hours.opens, self.zone), _local(hours.closes, self.zone))
            for hours in self.sessions.values()
        )
        return local.most_common(1)[0][0]

    @property
    def early_closes(self) -> set[date]:
        """The days on which trading ends before the regular time."""
        regular = self.regular[1]
        always = self.zone == "UTC" and regular == time()
        if always:
            return set()
        return {
            day for day, hours in self.sessions.items() if _local(hours.closes, self.zone) < regular
        }

    def holidays(self, start: date, end: date) -> list[date]:
        """Return the days without session on weekdays that have one otherwise."""
        weekdays = {day.weekday() for day in self.sessions}
        return [
            day
            for day in days(start, end)
            if day.weekday() in weekdays and day not in self.sessions
        ]


def _local(at: datetime, zone: str) -> time:
    return at.astimezone(ZoneInfo(zone)).time()


def days(start: date, end: date) -> list[date]:
    """Return the days from *start* to *end*, both included."""
    return [start + number * DAY for number in range((end - start).days + 1)]


@cache
def market(name: str, start: date, end: date) -> Market:
    """Return what the second source knows; raise NoSecondSourceError if there is none."""
    if name == ALWAYS:
        return Market("UTC", {day: _whole(day) for day in days(start, end)}, "arithmetic")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pandas thinks of the library is its business
            return _looked_up(_ALIASES.get(name, name), start, end)
    except ImportError as error:
        raise NoSecondSourceError("pandas_market_calendars is not installed") from error


def _whole(day: date) -> Hours:
    begins = datetime.combine(day, time(), UTC)
    return Hours(begins, begins + DAY)


def _looked_up(name: str, start: date, end: date) -> Market:
    import pandas_market_calendars  # type: ignore[import-untyped] # it has no types

    try:
        calendar: Any = pandas_market_calendars.get_calendar(name)
    except RuntimeError as error:
        raise NoSecondSourceError(f"pandas_market_calendars has no {name}") from error
    if any(kind.__module__.endswith(".mirror") for kind in type(calendar).__mro__):
        raise NoSecondSourceError(f"pandas_market_calendars repeats what the engine uses: {name}")
    table = calendar.schedule(str(start), str(end))
    sessions = {
        day.date(): Hours(opens.to_pydatetime(), closes.to_pydatetime())
        for day, opens, closes in zip(
            table.index, table["market_open"], table["market_close"], strict=True
        )
    }
    return Market(str(calendar.tz), sessions, f"pandas_market_calendars, {name}")


def new_york_offset(day: date) -> timedelta:
    """Return New York's distance from UTC at noon of *day*, by the law of 2005."""
    summer = _sunday(day.year, 3, 2) <= day < _sunday(day.year, 11, 1)
    return timedelta(hours=-4 if summer else -5)


def clock_changes(start: date, end: date) -> list[date]:
    """Return the days from *start* to *end* on which New York's clocks change."""
    return [day for day in days(start, end) if new_york_offset(day) != new_york_offset(day - DAY)]


def _sunday(year: int, month: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
