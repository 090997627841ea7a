"""What checks of market data share: how to look at a deployment's bars, and how to break them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pytest_rustybt_ready import Evidence, at_most
from readiness_tests import hours
from readiness_tests.engine import EngineUnderTest
from readiness_tests.hours import ALWAYS, DAY, NEW_YORK
from readiness_tests.subjects import Deployment, owner_of, service_user, utc_now
from rustybt.data.catalog import Catalog
from rustybt.data.interval import Interval
from rustybt.data.manifest import FORMAT
from rustybt.errors import RustyBTError
from rustybt.settings import Settings

# A source may take this long to publish a bar that has ended.
GRACE: Final = timedelta(days=1)
NUMBERS: Final = ("open", "high", "low", "close", "volume")


def settings_of(deployment: Deployment) -> Settings:
    """Return the settings; that they cannot be read is a finding, not a defect of the check."""
    try:
        return deployment.settings
    except RustyBTError as error:
        raise AssertionError(f"the settings cannot be read: {error}") from error


def set_key(deployment: Deployment, key: str, value: str) -> None:
    """Give *key* another value in the settings (controls)."""
    env = deployment.home.env_file
    lines = env.read_text("utf-8").splitlines()
    if not any(line.startswith(f"{key}=") for line in lines):
        raise ValueError(f"{key} is not set in {env.name}")
    changed = [f"{key}={value}" if line.startswith(f"{key}=") else line for line in lines]
    env.write_text("\n".join([*changed, ""]), "utf-8")


def trade_in_new_york(deployment: Deployment) -> None:
    """Let the deployment trade shares of New York (controls)."""
    set_key(deployment, "TRADING_CALENDAR", "NYSE")
    set_key(deployment, "TIMEZONE", NEW_YORK)


def fetched(deployment: Deployment, engine: EngineUnderTest) -> dict[str, Any]:
    """Return what the deployment's source delivered of the last forty days."""
    since = (utc_now() - 40 * DAY).replace(microsecond=0)
    found: dict[str, Any] = engine.run(
        "sources", home=str(deployment.root), since=since.isoformat()
    )
    return found


def malformed(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows that are no bars, in order, by reckoning of our own."""
    times = [row[0] for row in rows]
    wrong = [] if times == sorted(set(times)) else ["the times do not ascend"]
    return wrong + [",".join(map(str, row)) for row in rows if not _is_bar(row[1:])]


def _is_bar(numbers: Sequence[str]) -> bool:
    try:
        opened, high, low, close, volume = map(Decimal, numbers)
    except InvalidOperation:
        return False
    finite = all(number.is_finite() for number in (opened, high, low, close, volume))
    return finite and 0 < low <= min(opened, close) <= max(opened, close) <= high and volume >= 0


def expect_fresh(settings: Settings, evidence: Evidence, symbol: str, newest: str) -> None:
    """Expect that no finished session lies between *newest* and a day ago."""
    last = datetime.fromisoformat(newest).date()
    evidence.record(f"{symbol}: newest bar", newest)
    late = [day for day in ended_sessions(settings, last) if day > last]
    evidence.expect(f"{symbol}: finished sessions since", at_most(0), observed=len(late))


def ended_sessions(settings: Settings, start: date) -> list[date]:
    """Return the sessions from *start* on that ended long enough ago to be published.

    Of bars of a week, it is the Mondays of the weeks that have.
    """
    from rustybt.calendars import get_calendar

    known, today = utc_now() - GRACE, utc_now().date()
    if settings.trading_calendar == ALWAYS:  # no need to ask: the sessions are the days
        ended = hours.days(start, known.date() - DAY)
    else:
        calendar = get_calendar(settings.trading_calendar, start=min(start, today), end=today)
        ended = [one.day for one in calendar.sessions(start, today) if one.close <= known]
    if settings.data_interval != "1w":
        return ended
    mondays = {day - day.weekday() * DAY for day in ended}
    return sorted(day for day in mondays if start <= day <= known.date() - 7 * DAY)


def days_held(
    catalog: Catalog, symbol: str, settings: Settings
) -> tuple[set[date], datetime | None]:
    """Return the days of which the catalog has a bar of *symbol*, and when it was written."""
    interval = Interval(settings.data_interval)
    try:
        times = catalog.read(symbol, interval)["timestamp"].to_list()
        written = catalog.manifest(symbol, interval).newest.written
    except RustyBTError:
        return set(), None
    zone = UTC if interval.by_day else ZoneInfo(settings.timezone)
    return {at.astimezone(zone).date() for at in times}, written


def bar_file(deployment: Deployment) -> Path:
    """Return the file that bars come from."""
    path = deployment.settings.data_path
    assert path is not None, "the sandbox has no file of bars"
    return path


def edit_bars(deployment: Deployment, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the file that bars come from (controls)."""
    path = bar_file(deployment)
    lines = path.read_text("utf-8").splitlines()
    changed = change(lines)
    if changed == lines:
        raise ValueError(f"{path.name}: nothing was changed")
    path.write_text("\n".join([*changed, ""]), "utf-8")


def _age(line: str) -> int | None:
    """Return how many days old the bar in *line* is; None for the header."""
    if not line[:1].isdigit():
        return None
    return (utc_now().date() - date.fromisoformat(line[:10])).days


def without_ages(lines: list[str], *ages: int) -> list[str]:
    """Return the lines but those of bars that are so many days old."""
    return [line for line in lines if _age(line) not in ages]


def with_low_high(line: str) -> str:
    """Return the line of a bar with a high that is none."""
    cells = line.split(",")
    cells[3] = "0.01"
    return ",".join(cells)


def store_again(deployment: Deployment, change: Callable[[list[str]], list[str]]) -> None:
    """Fill the catalog anew, from a file with other lines (controls)."""
    edit_bars(deployment, change)
    settings = deployment.settings
    words = ("--source", "csv", "--path", str(settings.data_path), "--replace")
    done = deployment.rustybt("fetch-data", *words, "--symbols", ",".join(settings.data_symbols))
    if done.returncode != 0:
        raise ValueError(f"the catalog could not be filled: {done.stderr}")


def refused_rows(found: dict[str, Any]) -> list[tuple[list[str], dict[str, str]]]:
    """Return the rules and the text of each row that was set aside."""
    wanted = ("timestamp", *NUMBERS)
    return [(row["rules"], {key: row[key] for key in wanted}) for row in found["refused"]]


def exact(row: Sequence[str]) -> tuple[datetime, *tuple[Decimal, ...]]:
    """Return the time of a row as an instant, its numbers as numbers."""
    return datetime.fromisoformat(row[0]), *map(Decimal, row[1:])


def daily(at: datetime, close: Decimal) -> list[str]:
    """Return a bar that opens at half a unit below its close."""
    around = (close - Decimal("0.5"), close + 1, close - 1, close, 10)
    return [f"{at:%Y-%m-%d}", *map(str, around)]


def told(one: dict[str, Any]) -> tuple[str, list[list[Any]]]:
    """Return the error and the bars that a policy made, its numbers as numbers."""
    bars = [[at, Decimal(close), Decimal(volume), mark] for at, close, volume, mark in one["bars"]]
    return one["error"], bars


def is_writable(folder: Path) -> bool:
    """Tell whether the service user may write: as owner, by the mode, on a disk that allows it."""
    owns = owner_of(folder) == service_user() and folder.stat().st_mode & 0o300 == 0o300
    allowed = os.access(folder, os.W_OK | os.X_OK)  # always true for root: hence the mode, too
    return owns and allowed and not os.statvfs(folder).f_flag & os.ST_RDONLY


def read_manifest(path: Path, damaged: list[str]) -> dict[str, Any]:
    """Return what a manifest says, or nothing and a line in *damaged*."""
    checksum, _, body = path.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        damaged.append(str(path))
        return {"versions": [], "format": FORMAT}
    found: dict[str, Any] = json.loads(body)
    return found


def wrong_files(folder: Path, document: dict[str, Any]) -> list[str]:
    """Return the files of a series that are missing or not what the manifest says."""
    wrong = []
    for version in document["versions"]:
        file = folder / f"{version['sha256']}.parquet"
        data = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(data).hexdigest() != version["sha256"] or len(data) != version["size"]:
            wrong.append(str(file))
    return wrong
