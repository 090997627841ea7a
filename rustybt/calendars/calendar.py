"""Questions about trading hours, answered from a table of sessions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rustybt.calendars.errors import CalendarError, CalendarRangeError
from rustybt.calendars.session import Session

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The sessions of a market in columns, ascending, none overlapping: what a source delivers.

    *days* are proleptic ordinals, *opens* and *closes* seconds since 1970 in UTC, one of each per
    session. *breaks* maps a session's position to start and end of its break. *early* and *late*
    are the ordinals of days with an early close and a late open, *weekdays* the days of the week
    with regular sessions (Monday is 0).
    """

    days: Sequence[int]
    opens: Sequence[int]
    closes: Sequence[int]
    breaks: Mapping[int, tuple[int, int]]
    early: frozenset[int]
    late: frozenset[int]
    weekdays: frozenset[int]


class Calendar:
    """The trading hours of the market *name* on all days from *first_day* to *horizon*.

    A market is open from the instant of an opening until just before the instant of a closing.
    Instants are aware datetimes in any zone; answers are in UTC. A question about a day that is
    not covered raises :class:`~rustybt.calendars.errors.CalendarRangeError` rather than being
    answered with "closed"; one with a naive datetime raises ``CalendarError``.
    """

    def __init__(
        self, name: str, zone: ZoneInfo, first_day: date, horizon: date, timetable: Timetable
    ) -> None:
        self.name: Final = name
        self.zone: Final = zone
        self.first_day: Final = first_day
        self.horizon: Final = horizon
        self._table: Final = timetable
        self._starts, self._ends = _stretches(timetable)
        self._known_from = _midnight(first_day, zone)
        self._known_until = _midnight(horizon + _DAY, zone)

    def __repr__(self) -> str:
        return f"<Calendar {self.name} {self.first_day}..{self.horizon} {self.zone}>"

    def is_open(self, at: datetime) -> bool:
        """Tell whether the market trades at the instant *at*."""
        second = self._second(at)
        position = bisect_right(self._starts, second) - 1
        return position >= 0 and second < self._ends[position]

    def session_of(self, at: datetime) -> Session | None:
        """Return the session that *at* falls into, its break included; None between sessions."""
        second = self._second(at)
        position = bisect_right(self._table.opens, second) - 1
        if position < 0 or second >= self._table.closes[position]:
            return None
        return self._session(position)

    def next_open(self, after: datetime) -> datetime:
        """Return the first instant after *after* at which a session, or its second part, opens."""
        return self._next(self._starts, after)

    def next_close(self, after: datetime) -> datetime:
        """Return the first instant after *after* at which a session, or its first part, closes."""
        return self._next(self._ends, after)

    def is_session(self, day: date) -> bool:
        """Tell whether there is a session on *day*."""
        return self.session_on(day) is not None

    def session_on(self, day: date) -> Session | None:
        """Return the session of *day*, None if that is a holiday or a weekend."""
        found = self.sessions(day, day)
        return found[0] if found else None

    def sessions(self, start: date, end: date) -> tuple[Session, ...]:
        """Return the sessions of all days from *start* to *end*, both included."""
        return tuple(map(self._session, self._positions(start, end)))

    def early_closes(self, start: date, end: date) -> tuple[Session, ...]:
        """Return the sessions from *start* to *end* that close earlier than usual."""
        return tuple(session for session in self.sessions(start, end) if session.early_close)

    def holidays(self, start: date, end: date) -> tuple[date, ...]:
        """Return the days from *start* to *end* that lack the session their weekday would have."""
        trading = {self._table.days[position] for position in self._positions(start, end)}
        days = range(start.toordinal(), end.toordinal() + 1)
        missing = (date.fromordinal(day) for day in days if day not in trading)
        return tuple(day for day in missing if day.weekday() in self._table.weekdays)

    def _second(self, at: datetime) -> int:
        """Return *at* in whole seconds since 1970; require that it is aware and known."""
        if at.tzinfo is None:
            raise CalendarError(f"{at} has no time zone", expected="an aware datetime")
        if not self._known_from <= at < self._known_until:
            raise self._beyond(f"{at}")
        return (at - _EPOCH) // _SECOND

    def _next(self, instants: Sequence[int], after: datetime) -> datetime:
        position = bisect_right(instants, self._second(after))
        if position == len(instants):
            raise self._beyond(f"what follows {after}")
        return _instant(instants[position])

    def _positions(self, start: date, end: date) -> range:
        """Return the positions of the sessions from *start* to *end*, which must be covered."""
        if start < self.first_day or end > self.horizon:
            raise self._beyond(f"{start} to {end}")
        return range(
            bisect_left(self._table.days, start.toordinal()),
            bisect_right(self._table.days, end.toordinal()),
        )

    def _session(self, position: int) -> Session:
        table = self._table
        pause = table.breaks.get(position)
        day = table.days[position]
        return Session(
            day=date.fromordinal(day),
            open=_instant(table.opens[position]),
            close=_instant(table.closes[position]),
            break_start=_instant(pause[0]) if pause else None,
            break_end=_instant(pause[1]) if pause else None,
            early_close=day in table.early,
            late_open=day in table.late,
        )

    def _beyond(self, what: str) -> CalendarRangeError:
        return CalendarRangeError(
            f"{what}: not known to the calendar {self.name}",
            expected=f"days from {self.first_day} to {self.horizon}",
            remedy="ask for a calendar with other bounds, or update exchange-calendars",
        )


def _stretches(table: Timetable) -> tuple[Sequence[int], Sequence[int]]:
    """Return starts and ends of uninterrupted trading: a break divides a session in two."""
    if not table.breaks:
        return table.opens, table.closes
    starts: list[int] = []
    ends: list[int] = []
    for position, (start, end) in enumerate(zip(table.opens, table.closes, strict=True)):
        pause = table.breaks.get(position)
        starts += [start, pause[1]] if pause else [start]
        ends += [pause[0], end] if pause else [end]
    return starts, ends


def _instant(second: int) -> datetime:
    return _EPOCH + second * _SECOND


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant in UTC at which *day* begins in *zone*."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
