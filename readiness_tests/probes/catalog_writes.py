"""Kill processes that write into a catalog, and read what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from rustybt.data.bars import BARS, NUMBERS
from rustybt.data.catalog import Catalog
from rustybt.data.interval import Interval
from rustybt.errors import RustyBTError

SYMBOL, INTERVAL = "X", Interval.M1
ROWS = 20_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_S = 60.0


def main(arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Kill a writer so many seconds after a write began, once for each of *delays*.

    Return for each kill: the last version that the writer reported as done, the one that is read
    afterwards, whether all of it is there, what is damaged, and the unfinished files left behind.
    """
    root = Path("catalog")
    return [_killed(root, delay) for delay in arguments["delays"]]


def _killed(root: Path, delay: float) -> dict[str, Any]:
    """Start a writer, kill it in the middle of a later write than its first, and look."""
    command = [sys.executable, "-P", "-m", __name__, str(root.resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline()]
        if reported[0]:  # or else it has ended by itself: it could not write
            _wait_for_a_write(root)
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
        reported += writer.stdout.readlines()
    numbers = [int(line) for line in reported if line.endswith("\n")]
    return {
        "reported": max(numbers, default=0),
        "killed": writer.returncode == -signal.SIGKILL,
    } | _read(root)


def _wait_for_a_write(root: Path) -> None:
    """Wait until there is an unfinished file; raise TimeoutError if none is ever seen."""
    until = time.monotonic() + PATIENCE_S
    while not _unfinished(root):
        if time.monotonic() > until:
            raise TimeoutError("no write was seen to begin")


def _unfinished(root: Path) -> list[str]:
    return [path.name for path in root.glob("*/*/.*.tmp")]


def _read(root: Path) -> dict[str, Any]:
    """Return what a reader finds."""
    left = len(_unfinished(root))
    catalog = Catalog(root, _now)
    try:
        problems = list(catalog.problems(SYMBOL, INTERVAL))
        number = catalog.manifest(SYMBOL, INTERVAL).newest.number
        whole = catalog.read(SYMBOL, INTERVAL).equals(_bars(number))
    except RustyBTError as error:
        return {"read": 0, "whole": False, "damaged": [str(error)], "unfinished": left}
    return {"read": number, "whole": whole, "damaged": problems, "unfinished": left}


def _now() -> datetime:
    return datetime.now(UTC)


def _bars(number: int) -> pl.DataFrame:
    """Return the bars of version *number*: no two versions are alike."""
    times = [BEGIN + row * timedelta(minutes=1) for row in range(ROWS)]
    price = pl.Series([(row * 7919 + number) % 100_003 + 1 for row in range(ROWS)])
    return pl.DataFrame({"timestamp": times, **dict.fromkeys(NUMBERS, price)}).cast(BARS)


def _write_for_ever(root: Path) -> None:
    """Write one version after the other and report each when it is done."""
    catalog = Catalog(root, _now)
    try:
        number = catalog.manifest(SYMBOL, INTERVAL).newest.number
    except RustyBTError:
        number = 0
    while True:
        number += 1
        catalog.write(SYMBOL, INTERVAL, _bars(number), source="probe")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _write_for_ever(Path(sys.argv[1]))
