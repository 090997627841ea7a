"""An ingest takes what is missing, at the source's pace, and goes on where it was stopped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rustybt.calendars import get_calendar
from rustybt.data.bars import raw_rows
from rustybt.data.catalog import Catalog
from rustybt.data.errors import (
    ConflictingBarsError,
    DataError,
    SourceError,
    SourceUnavailableError,
    UnknownSeriesError,
)
from rustybt.data.ingest import ATTEMPTS, BATCH, Ingest, Ingested, Pace, Progress
from rustybt.data.interval import Interval
from rustybt.data.probe import probe
from rustybt.data.quality import Circumstances
from rustybt.data.source import Page

DAY = timedelta(days=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = START + 100 * DAY
DAILY = Circumstances(now=NOW, interval=Interval.D1)


@dataclass
class Series:
    """A source that has a bar for every day, *size* to a page, and fails when told to."""

    size: int = 10
    price: str = "10"
    failures: list[Exception] = field(default_factory=list)
    begin: datetime = START
    stop: datetime = NOW
    bad: frozenset[int] = frozenset()
    name: str = "series"
    resumable: bool = True
    requests_per_minute: int = 60
    requests: list[tuple[int, int]] = field(default_factory=list)

    def pages(
        self,
        symbol: str,  # noqa: ARG002 - it has the same bars of every symbol
        interval: Interval,  # noqa: ARG002 - they are of a day
        start: datetime,
        end: datetime,
    ) -> Iterator[Page]:
        while start < end:
            until = min(end, start + self.size * DAY)
            self.requests.append(((start - START).days, (until - START).days))
            if self.failures:
                raise self.failures.pop()
            yield Page(raw_rows(self.rows(start, until)), until)
            start = until

    def rows(self, start: datetime, until: datetime) -> Iterator[list[str]]:
        while start < until:
            if self.begin <= start < self.stop:
                price = "-1" if (start - START).days in self.bad else self.price
                yield [start.isoformat(), price, price, price, price, "1"]
            start += DAY


@dataclass
class Time:
    """Seconds that pass only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pace(self) -> Pace:
        return Pace(monotonic=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog", lambda: NOW)


def run(
    catalog: Catalog, source: Series, start: int = 0, end: int = 100, **options: Any
) -> Ingested:
    options = {"circumstances": DAILY, "pace": Time().pace(), **options}
    return Ingest(
        source=source,
        catalog=catalog,
        symbol="X",
        start=START + start * DAY,
        end=START + end * DAY,
        **options,
    ).run()


def stored(catalog: Catalog) -> list[int]:
    return [(at - START).days for at in catalog.read("X", Interval.D1)["timestamp"]]


def test_all_pages_are_stored(catalog: Catalog) -> None:
    """Bars of all pages are there, and what was done is told."""
    seen: list[Progress] = []
    done = run(catalog, Series(), 0, 25, progress=seen.append)
    assert stored(catalog) == list(range(25))
    assert (done.added, done.refused, done.rules, done.quarantine) == (25, 0, {}, ())
    assert done.requested == ((START, START + 25 * DAY),)
    assert (seen[-1].symbol, seen[-1].received, seen[-1].until) == ("X", 25, START + 25 * DAY)


def test_only_what_is_missing_is_asked_for(catalog: Catalog) -> None:
    """A second run asks for what lies before and after; a third one for nothing."""
    run(catalog, Series(), 10, 20)
    source = Series()
    done = run(catalog, source, 5, 30)
    assert source.requests == [(5, 10), (20, 30)]
    assert (done.added, done.version.rows) == (15, 25)
    assert run(catalog, source, 5, 30).requested == ()
    assert stored(catalog) == list(range(5, 30))


@dataclass
class Dying(Series):
    """The same, but the run is interrupted before its second page."""

    def pages(
        self, symbol: str, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[Page]:
        yield next(super().pages(symbol, interval, start, end))
        raise KeyboardInterrupt


def test_a_run_that_dies_is_continued(catalog: Catalog) -> None:
    """What was stored in batches is not fetched again."""
    late = START + 100_000 * DAY
    options = {"circumstances": Circumstances(now=late, interval=Interval.D1)}
    with pytest.raises(KeyboardInterrupt):
        run(catalog, Dying(size=BATCH, stop=late), 0, 60_000, **options)
    assert len(stored(catalog)) == BATCH
    source = Series(size=BATCH, stop=late)
    assert run(catalog, source, 0, 60_000, **options).version.rows == 60_000
    assert source.requests == [(BATCH, 60_000)]


def test_requests_keep_the_sources_pace(catalog: Catalog) -> None:
    """With 60 requests a minute they are a second apart; without a limit nobody waits."""
    time = Time()
    run(catalog, Series(), 0, 30, pace=time.pace())
    assert time.slept == [1.0, 1.0, 1.0]
    free = Time()
    run(catalog, Series(requests_per_minute=0), 30, 60, pace=free.pace())
    assert free.slept == []


def test_passing_failures_are_waited_out(catalog: Catalog) -> None:
    """After each failure in a row the wait doubles, and the fetch goes on where it was."""
    time = Time()
    away = [SourceUnavailableError("away") for _ in range(3)]
    source = Series(failures=away, requests_per_minute=0)
    run(catalog, source, 0, 20, pace=time.pace())
    assert time.slept == [1.0, 2.0, 4.0]
    assert source.requests == [(0, 10)] * 4 + [(10, 20)]
    assert stored(catalog) == list(range(20))


def test_lasting_failures_end_the_run(catalog: Catalog) -> None:
    """Five failures in a row are reported, as is at once what will not pass; nothing is stored."""
    source = Series(failures=[SourceUnavailableError("away") for _ in range(9)])
    with pytest.raises(SourceUnavailableError, match="away"):
        run(catalog, source)
    assert len(source.requests) == ATTEMPTS
    with pytest.raises(SourceError, match="no such symbol"):
        run(catalog, Series(failures=[SourceError("no such symbol")]))
    assert catalog.names() == ()


def test_refused_rows_are_set_aside(catalog: Catalog) -> None:
    """They are counted by rule and kept with the series; the others are stored."""
    done = run(catalog, Series(bad=frozenset({3, 4})), 0, 10)
    assert stored(catalog) == [0, 1, 2, 5, 6, 7, 8, 9]
    assert (done.refused, done.rules) == (2, {"negative_price": 2})
    assert [row["row"] for row in catalog.refused("X", Interval.D1)] == [4, 5]
    assert all(path.exists() for path in done.quarantine)


def test_new_rows_are_judged_by_what_is_stored(catalog: Catalog) -> None:
    """The first new bar is compared with the last stored ones."""
    run(catalog, Series(), 0, 10)
    done = run(catalog, Series(price="20"), 0, 12)
    assert done.rules == {"split_jump": 1}
    assert stored(catalog) == [*range(10), 11]


def test_what_has_not_ended_is_not_asked_for(catalog: Catalog) -> None:
    """Today's bar is fetched tomorrow, once it has ended."""
    source = Series(stop=NOW + 9 * DAY)
    run(catalog, source, 95, 120)
    assert stored(catalog) == [95, 96, 97, 98, 99]
    later = Circumstances(now=NOW + 2 * DAY, interval=Interval.D1)
    run(catalog, source, 95, 120, circumstances=later)
    assert stored(catalog) == list(range(95, 102))


def test_a_bar_that_comes_late_is_asked_for_again(catalog: Catalog) -> None:
    """Beyond the last bar nothing counts as fetched."""
    run(catalog, Series(stop=START + 20 * DAY), 0, 30)
    source = Series()
    run(catalog, source, 0, 30)
    assert source.requests == [(20, 30)]
    assert stored(catalog) == list(range(30))


def test_nothing_is_an_error(catalog: Catalog) -> None:
    """No rows, none that is sound, and no time to fetch for are told apart."""
    with pytest.raises(DataError, match="series has no 1d bars of X from 2025-01-01 to"):
        run(catalog, Series(begin=NOW))
    with pytest.raises(DataError, match=r"none of 5 rows of X is a bar to keep \(negative_price 5"):
        run(catalog, Series(price="-1"), 0, 5)
    with pytest.raises(DataError, match="expected a start before the end, and both in the past"):
        run(catalog, Series(), 5, 5)
    with pytest.raises(DataError, match="has ended before"):
        run(catalog, Series(), 100, 200)
    with pytest.raises(UnknownSeriesError):
        catalog.read("X", Interval.D1)


def test_contradictions_need_a_word(catalog: Catalog) -> None:
    """Other values are refused, revised, or replace the series; another source likewise."""
    run(catalog, Series(resumable=False), 0, 10)
    other = Series(price="12", resumable=False)
    with pytest.raises(ConflictingBarsError, match="other values for 5 stored bars"):
        run(catalog, other, 5, 12)
    with pytest.raises(ConflictingBarsError, match="comes from series, not from elsewhere"):
        run(catalog, Series(name="elsewhere"), 20, 30)
    assert run(catalog, other, 5, 12, revise=True).added == 2
    assert stored(catalog) == list(range(12))
    replaced = run(catalog, Series(name="elsewhere", price="99"), 20, 30, replace=True)
    assert (replaced.added, replaced.version.source) == (10, "elsewhere")
    assert stored(catalog) == list(range(20, 30))


def test_a_probe_stores_nothing_and_tells_the_age() -> None:
    """Bars, refused rows and how many are missing at the end."""
    calendar = get_calendar("24/7", start=date(2025, 1, 1), end=date(2025, 12, 31))
    source = Series(stop=NOW - 3 * DAY, bad=frozenset({92}))
    found = probe(source, "X", DAILY, calendar, START + 90 * DAY)
    assert (found.bars, found.behind, dict(found.refused)) == (6, 3, {"negative_price": 1})
    assert (found.first, found.last) == (START + 90 * DAY, START + 96 * DAY)
    with pytest.raises(SourceError, match="gave no sound 1d bar of X since 2025-04-01"):
        probe(Series(begin=NOW), "X", DAILY, calendar, START + 90 * DAY)
    with pytest.raises(SourceError, match=r"rows were refused: {'negative_price': 10}"):
        probe(Series(price="-1"), "X", DAILY, calendar, START + 90 * DAY)
    with pytest.raises(SourceError, match="check symbol and interval"):
        probe(source, "X", DAILY, calendar, NOW + DAY)
