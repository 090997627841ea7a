"""What exchange_calendars knows, as timetables. Only here is it imported: that takes a second."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from rustybt.calendars.calendar import Timetable
from rustybt.calendars.errors import CalendarError

# Longer than any closure: the sessions that surround the days asked for are known, too.
_MARGIN: Final = timedelta(days=14)


@cache
def names() -> frozenset[str]:
    """Return the names and aliases of all exchanges."""
    with _quiet():
        import exchange_calendars  # type: ignore[import-untyped] # it has no types

        return frozenset(exchange_calendars.get_calendar_names(include_aliases=True))


@cache
def bounds(name: str) -> tuple[date | None, date | None]:
    """Return the first and last day that can be asked about; None where there is no bound."""
    with _quiet():
        from exchange_calendars import calendar_utils

        # Bounds belong to the class; making an instance without bounds might already fail.
        factories = calendar_utils._default_calendar_factories  # noqa: SLF001 - no public way
        factory = factories[calendar_utils.resolve_alias(name)]
        first, last = factory.bound_min(), factory.bound_max()
    return (first.date() if first else None), (last.date() if last else None)


def timetable(name: str, start: date, end: date) -> tuple[ZoneInfo, Timetable]:
    """Return zone and timetable of *name*, days from *start* to *end* within its bounds.

    The table reaches some days further where it can. Raise ``CalendarError`` when the library
    cannot compute the calendar.
    """
    first, last = bounds(name)
    since = max(start - _MARGIN, first) if first else start - _MARGIN
    until = min(end + _MARGIN, last) if last else end + _MARGIN
    with _quiet():
        from exchange_calendars import get_calendar

        try:
            source: Any = get_calendar(name, start=str(since), end=str(until))
            return ZoneInfo(str(source.tz)), _table(source)
        except (ValueError, NotImplementedError) as error:
            raise CalendarError(
                f"exchange_calendars cannot compute {name} for {since} to {until}: {error}",
                remedy="ask for other days, or install another version of it",
            ) from error


def _table(source: Any) -> Timetable:
    breaks = zip(_seconds(source.break_starts), _seconds(source.break_ends), strict=True)
    return Timetable(
        days=[day.toordinal() for day in source.sessions],
        opens=_seconds(source.opens),
        closes=_seconds(source.closes),
        breaks={i: pair for i, pair in enumerate(breaks) if pair[0] != _NO_TIME},
        early=frozenset(day.toordinal() for day in source.early_closes),
        late=frozenset(day.toordinal() for day in source.late_opens),
        weekdays=frozenset(i for i, digit in enumerate(source.weekmask) if digit == "1"),
    )


# How NumPy writes "not a time".
_NO_TIME: Final = -(2**63)


def _seconds(instants: Any) -> list[int]:
    """Return a column of instants in seconds since 1970."""
    values = instants.to_numpy(dtype="datetime64[s]").astype("int64")
    return [int(value) for value in values]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what the library's own use of pandas is warned about: it is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
