"""Ask the engine when a market trades."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from rustybt.calendars import calendar_on
from rustybt.errors import RustyBTError


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the calendar says of the days from *start* to *end*, or why it says nothing."""
    today, start, end = (date.fromisoformat(arguments[key]) for key in ("today", "start", "end"))
    try:
        calendar = calendar_on(arguments["calendar"], today)
        until = min(end, calendar.horizon)
        sessions = calendar.sessions(start, until) if start <= until else ()
        holidays = calendar.holidays(start, until) if start <= until else ()
    except RustyBTError as error:
        return {"error": str(error)}
    return {
        "error": "",
        "zone": str(calendar.zone),
        "horizon": calendar.horizon.isoformat(),
        "sessions": {one.day.isoformat(): [one.open, one.close] for one in sessions},
        "early": [one.day.isoformat() for one in sessions if one.early_close],
        "holidays": [day.isoformat() for day in holidays],
    }
