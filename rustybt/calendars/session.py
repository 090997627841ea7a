"""One trading session."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct


class Session(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A market's trading on one *day*, from *open* until just before *close*, in UTC.

    *day* is the date the exchange gives the session; an overnight session opens on the evening
    before. Nothing is traded from *break_start* until just before *break_end*, where there is a
    break. *early_close* and *late_open* tell that hours differ from the regular ones.
    """

    day: date
    open: datetime
    close: datetime
    break_start: datetime | None = None
    break_end: datetime | None = None
    early_close: bool = False
    late_open: bool = False
