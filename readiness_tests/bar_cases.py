"""Rows of market data with one that each rule has to refuse: worked out without the engine."""

from __future__ import annotations

from typing import Any, Final

NOW: Final = "2026-02-01T12:00:00+00:00"
BERLIN: Final = "Europe/Berlin"
GOOD: Final = ("100", "101", "99", "100.5", "10")
HALF: Final = ("50.2", "50.8", "49.8", "50.3", "20")

Row = tuple[str, ...]


def _at(hour: int, values: Row = GOOD, minute: int = 0) -> Row:
    return (f"2026-01-05T{hour:02}:{minute:02}:00Z", *values)


BEFORE: Final = [_at(hour) for hour in range(3)]
AFTER: Final = [_at(hour) for hour in range(4, 7)]


def _case(bad: Row, after: list[Row] = AFTER, zone: str = "") -> dict[str, Any]:
    """Return a case: sound rows before and after *bad*, which is to be the only one refused."""
    rows = [*BEFORE, bad, *after]
    return {"bad": bad, "good": [*BEFORE, *after], "rows": rows, "interval": "1h", "zone": zone}


CASES: Final[dict[str, dict[str, Any]]] = {
    "missing_value": _case(_at(3, ("100", "101", "99", "100.5", ""))),
    "not_a_number": _case(_at(3, ("100", "101", "99", "nan", "10"))),
    "too_precise": _case(_at(3, ("100", "101", "99", "100.1234567890123456789", "10"))),
    "unreadable_time": _case(("2026-13-05T03:00:00Z", *GOOD)),
    "naive_time": _case(("2026-01-05T03:00:00", *GOOD)),
    "clock_change": _case(("2025-03-30T02:30:00", *GOOD), zone=BERLIN),
    "future_time": _case(("2026-02-02T00:00:00Z", *GOOD), after=[]),
    "unfinished_bar": _case(("2026-02-01T11:30:00Z", *GOOD), after=[]),
    "high_below_low": _case(_at(3, ("98.5", "98", "99", "98.5", "10"))),
    "open_outside_range": _case(_at(3, ("102", "101", "99", "100.5", "10"))),
    "close_outside_range": _case(_at(3, ("100", "101", "99", "98.9", "10"))),
    "negative_price": _case(_at(3, ("100", "101", "-1", "100.5", "10"))),
    "zero_price": _case(_at(3, ("100", "101", "0", "100.5", "10"))),
    "negative_volume": _case(_at(3, ("100", "101", "99", "100.5", "-10"))),
    "out_of_order": _case(_at(1, minute=30)),
    "duplicate_time": _case(_at(2, ("100", "101", "99", "100.6", "10"))),
    "outlier": _case(_at(3, ("100", "301", "99", "300", "10"))),
    "split_jump": _case(_at(3, HALF), after=[_at(hour, HALF) for hour in range(4, 7)]),
}
