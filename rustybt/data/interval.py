"""How long a bar is."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from rustybt.data.errors import DataError


class Interval(StrEnum):
    """The length of a bar, as venues write it.

    A bar shorter than a day is known by the instant it starts at, a longer one by its (first) day,
    written as midnight UTC.
    """

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def length(self) -> timedelta:
        """The time from a bar's start to its end."""
        units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
        return timedelta(**{units[self.value[-1]]: int(self.value[:-1])})

    @property
    def by_day(self) -> bool:
        """Whether bars are known by their day."""
        return self.length >= timedelta(days=1)


def parse_interval(text: str) -> Interval:
    """Return the interval written as *text*; raise ``DataError`` if there is none."""
    try:
        return Interval(text)
    except ValueError:
        names = ", ".join(Interval)
        raise DataError(f"{text!r} is no interval of bars", expected=f"one of {names}") from None
