"""A market's trading hours, seen from now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rustybt.calendars import Calendar, Session, calendar_on


def wall_clock() -> datetime:
    """Return the present time, aware UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class MarketHours:
    """The trading hours of *calendar* with a *clock* to look at."""

    calendar: Calendar
    clock: Callable[[], datetime]

    def is_open_now(self) -> bool:
        """Tell whether the market trades now."""
        return self.calendar.is_open(self.clock())

    def session_now(self) -> Session | None:
        """Return the session that is on now, None between sessions."""
        return self.calendar.session_of(self.clock())

    def next_open(self) -> datetime:
        """Return when trading next begins, in UTC."""
        return self.calendar.next_open(self.clock())

    def next_close(self) -> datetime:
        """Return when trading next ends, in UTC."""
        return self.calendar.next_close(self.clock())


def get_calendar(name: str, clock: Callable[[], datetime] = wall_clock) -> MarketHours:
    """Return the trading hours of the market *name*: NYSE, NASDAQ, 24/7 or another exchange.

    *clock* returns the present time as an aware datetime. Raise
    :class:`~rustybt.calendars.errors.UnknownCalendarError` for a name that no calendar has.
    """
    return MarketHours(calendar_on(name, clock().date()), clock)
