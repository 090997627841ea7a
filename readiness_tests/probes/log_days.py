"""Write a log for many days, as two processes do; see what is left and what got lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rustybt.monitoring.logfile import LogFile, day_of
from rustybt.monitoring.logging import make_logger

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
FOLDER = Path("logs")
DAY = timedelta(days=1)
MOMENTS = (timedelta(0), timedelta(hours=12), DAY - timedelta(microseconds=1))
"""When something is written each day: around midnight, too."""
WRITERS = 2


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.time = BEGIN

    def now(self) -> datetime:
        """Return it."""
        return self.time


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the days whose files are left after *days* days, and how many lines are missing.

    *retention* is how many days are kept. Lines of days that were removed are not missed; those of
    a day are all those written while it was the present one.
    """
    days = range(arguments["days"])
    clock = Clock()
    logs = [_log(clock, arguments["retention"]) for _ in range(WRITERS)]
    seen: dict[str, int] = {}
    for day in days:
        for number, moment in enumerate(MOMENTS):
            clock.time = BEGIN + day * DAY + moment
            for writer, log in enumerate(logs):
                log.info("line", day=day, number=number, writer=writer)
        name = f"{clock.time:%Y-%m-%d}"
        seen[name] = _lines(FOLDER / f"rustybt-{name}.jsonl")
    left = sorted(path for path in FOLDER.iterdir() if day_of(path.name) is not None)
    expected = len(MOMENTS) * WRITERS
    return {
        "left": [f"{day_of(path.name)}" for path in left],
        "days": sorted(seen),
        "lost": sum(expected - count for count in seen.values()),
        "lost_later": sum(expected - _lines(path) for path in left),
    }


def _log(clock: Clock, retention: int) -> Any:
    """Return a log as a process opens it."""
    file = LogFile(FOLDER, clock=clock.now, retention=retention)
    return make_logger(level="INFO", clock=clock.now, file=file)


def _lines(path: Path) -> int:
    """Return how many lines of ours are in a file."""
    if not path.exists():
        return 0
    return sum(json.loads(line)["event"] == "line" for line in path.read_bytes().splitlines())
