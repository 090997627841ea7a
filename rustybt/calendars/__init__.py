"""When markets trade: sessions, hours, holidays, and how far ahead they are known."""

from rustybt.calendars.calendar import Calendar
from rustybt.calendars.errors import CalendarError, CalendarRangeError, UnknownCalendarError
from rustybt.calendars.lookup import EARLIEST, calendar_names, calendar_on, get_calendar
from rustybt.calendars.session import Session

__all__ = [
    "EARLIEST",
    "Calendar",
    "CalendarError",
    "CalendarRangeError",
    "Session",
    "UnknownCalendarError",
    "calendar_names",
    "calendar_on",
    "get_calendar",
]
