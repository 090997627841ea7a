"""What can be wrong with a question about trading hours.

.. code-block:: text

    RustyBTError
    └── CalendarError               a calendar cannot be had, or cannot be asked this
        ├── UnknownCalendarError    no calendar has this name
        └── CalendarRangeError      the calendar does not reach that day: it is not known
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class CalendarError(RustyBTError):
    """A calendar that cannot be had, or a question that none can answer."""


class UnknownCalendarError(CalendarError):
    """No calendar has this name."""


class CalendarRangeError(CalendarError):
    """A day beyond a calendar's bounds: whether the market is open then is not known."""
