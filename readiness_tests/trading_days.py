"""What checks of trading hours share: the engine's calendar, the second source, instants to try."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from pytest_rustybt_ready import Evidence
from readiness_tests import hours
from readiness_tests.engine import EngineUnderTest
from readiness_tests.hours import DAY, NEW_YORK, Market, NoSecondSourceError
from readiness_tests.subjects import utc_now

YEAR: Final = timedelta(days=365)


def calendar_days(engine: EngineUnderTest, name: str, today: date | None = None) -> dict[str, Any]:
    """Return what the engine knows of the twelve months from *today* on."""
    begin = today or utc_now().date()
    found: dict[str, Any] = engine.run(
        "calendar_days",
        calendar=name,
        today=begin.isoformat(),
        start=begin.isoformat(),
        end=(begin + YEAR).isoformat(),
    )
    return found


def second_source(evidence: Evidence, name: str, today: date) -> Market:
    """Return what the second source knows of twelve months; end as unproven if there is none."""
    try:
        return hours.market(name, today, today + YEAR)
    except NoSecondSourceError as error:
        evidence.unproven(
            f"no second source for {name}: {error}",
            remedy="pip install pandas-market-calendars, or compare with the exchange's own pages",
        )


def opening(zone: str, day: date, opens: time) -> str:
    """Return the instant, in UTC, at which clocks in *zone* show *opens* on *day*."""
    if zone != NEW_YORK:
        return datetime.combine(day, opens, ZoneInfo(zone)).astimezone(UTC).isoformat()
    return (datetime.combine(day, opens, UTC) - hours.new_york_offset(day)).isoformat()


def instants_to_try(second: Market, today: date) -> list[datetime]:
    """Return instants around every edge of the sessions ahead, and others at random."""
    random = Random(20_260_101)  # noqa: S311 - the same instants every time, no secret
    tiny, minute = timedelta(microseconds=1), timedelta(minutes=1)
    steps = (-minute, -tiny, timedelta(0), tiny, minute)
    edges = [
        edge
        for day, one in second.sessions.items()
        if day > today
        for edge in (one.opens, one.closes)
    ]
    begin = datetime.combine(today + DAY, time(), UTC)
    span = YEAR - 10 * DAY
    near = [edge + step for edge in edges for step in steps if edge < begin + span]
    # On days that are special: the times at which a whole session would have been open.
    special = {*second.early_closes, *second.holidays(today + DAY, today + span)}
    whole = [
        datetime.combine(day, time(hour, half), UTC)
        for day in special
        for hour in range(13, 23)
        for half in (0, 30)
    ]
    anywhere = [begin + span * random.random() for _ in range(500)]
    return sorted({*near, *(at for at in whole if at < begin + span), *anywhere})


def is_open(second: Market, at: datetime) -> bool:
    """Tell by the second source whether the market is open at *at*."""
    day = at.astimezone(ZoneInfo(second.zone)).date()
    one = second.sessions.get(day)
    return one is not None and one.opens <= at < one.closes
