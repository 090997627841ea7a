"""Bring a source's bars into the catalog: in pages, at its pace, going on where a run ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rustybt.data.bars import between, empty_bars
from rustybt.data.errors import DataError, SourceUnavailableError, UnknownSeriesError
from rustybt.data.manifest import Manifest, Span, Version, missing
from rustybt.data.quality import Circumstances, Rule, sift

if TYPE_CHECKING:
    from rustybt.data.catalog import Catalog
    from rustybt.data.interval import Interval
    from rustybt.data.source import Page, Source

BATCH: Final = 50_000
"""Rows that are stored at once: what a killed run has to fetch again, at most."""
ATTEMPTS: Final = 5
_FIRST_PAUSE_SECONDS: Final = 1.0
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(slots=True)
class Pace:
    """Keep requests apart, and wait longer each time one fails.

    *monotonic* returns seconds, *sleep* waits for that many; both can be replaced by a simulation.
    """

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _next: float = field(default=0.0, init=False)

    def wait(self, per_minute: int) -> None:
        """Wait until a request is due at *per_minute* requests a minute, 0 for no limit."""
        if per_minute == 0:
            return
        now = self.monotonic()
        if now < self._next:
            self.sleep(self._next - now)
        self._next = max(now, self._next) + 60 / per_minute

    def back_off(self, failures: int) -> None:
        """Wait after the *failures*-th failure in a row: 1, 2, 4, 8 seconds."""
        self.sleep(_FIRST_PAUSE_SECONDS * 2 ** (failures - 1))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: rows received and refused so far, and up to when."""

    symbol: str
    received: int
    refused: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did: bars *added*, rows *refused* by rule, and where these are kept.

    *version* is the newest of the series. *requested* are the spans that were asked for: none if
    all was there.
    """

    symbol: str
    version: Version
    added: int
    refused: int
    rules: Mapping[str, int]
    quarantine: tuple[Path, ...]
    requested: tuple[Span, ...]


@dataclass(slots=True, kw_only=True)
class Ingest:
    """One symbol's bars from *start* on and before *end*, from *source* into *catalog*.

    *circumstances* say what is judged by, *rules* (all by default) by which rules. With *revise*
    the source wins over what is stored; with *replace* nothing that is stored is kept.
    """

    source: Source
    catalog: Catalog
    symbol: str
    start: datetime
    end: datetime
    circumstances: Circumstances
    rules: Mapping[str, Rule] | None = None
    calendar: str = "24/7"
    revise: bool = False
    replace: bool = False
    pace: Pace = field(default_factory=Pace)
    progress: Callable[[Progress], None] = lambda _: None
    _end: datetime = field(init=False)
    _begun: bool = field(default=False, init=False)
    _received: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _counts: dict[str, int] = field(default_factory=dict, init=False)
    _quarantine: list[Path] = field(default_factory=list, init=False)

    @property
    def interval(self) -> Interval:
        """The length of the bars."""
        return self.circumstances.interval

    def run(self) -> Ingested:
        """Fetch what is missing and store it, about 50 000 rows at a time.

        A run that is killed leaves what it had stored, and the next one goes on from there. Raise
        ``DataError`` if the source has nothing at all, or as source and catalog do.
        """
        # A bar that has not ended is not asked for: what is covered must not be asked for again.
        finished = self.circumstances.now - self.interval.length + _INSTANT
        self._end = min(self.end, finished)
        if self.start >= self._end:
            raise DataError(
                f"no {self.interval} bar from {self.start} on has ended before {self._end}",
                expected="a start before the end, and both in the past",
            )
        before = self._stored()
        spans = self._spans(before)
        for span in spans:
            self._fetch(span)
        after = self._stored()
        if after is None:
            raise self._nothing()
        rows = before.newest.rows if before and not self.replace else 0
        return Ingested(
            self.symbol,
            after.newest,
            after.newest.rows - rows,
            self._refused,
            self._counts,
            tuple(dict.fromkeys(self._quarantine)),
            spans,
        )

    def _stored(self) -> Manifest | None:
        try:
            return self.catalog.manifest(self.symbol, self.interval)
        except UnknownSeriesError:
            return None

    def _spans(self, stored: Manifest | None) -> tuple[Span, ...]:
        """Return what has to be asked for."""
        fresh = stored is None or self.replace or self.revise
        if stored is None or fresh or not self.source.resumable:
            return ((self.start, self._end),)
        if stored.newest.source != self.source.name:
            return ((self.start, self._end),)  # the catalog will say that they do not mix
        return missing(stored.newest.covered, (self.start, self._end))

    def _fetch(self, span: Span) -> None:
        """Fetch *span* and store it in batches."""
        rows: list[pl.DataFrame] = []
        begun = span[0]
        until = begun
        for page in self._pages(span):
            rows.append(page.rows)
            until = page.until
            if sum(map(len, rows)) >= BATCH:
                begun = self._store(rows, (begun, until))
                rows = []
        if rows:
            self._store(rows, (begun, until))

    def _pages(self, span: Span) -> Iterator[Page]:
        """Yield the pages of *span*; after a passing failure ask again from where it was."""
        start, failures = span[0], 0
        while start < span[1]:
            pages = self.source.pages(self.symbol, self.interval, start, span[1])
            try:
                while True:
                    self.pace.wait(self.source.requests_per_minute)
                    page = next(pages, None)
                    if page is None:
                        return
                    start, failures = page.until, 0
                    yield page
            except SourceUnavailableError:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                self.pace.back_off(failures)

    def _store(self, rows: list[pl.DataFrame], span: Span) -> datetime:
        """Judge and store *rows*; return the time before which nothing is missing now."""
        raw = pl.concat(rows)
        judged = sift(raw, self._judged_by(span[0]), self.rules)
        bars = between(judged.bars, *span)
        self._count(len(raw), judged.refused, judged.counts, span[1])
        if bars.is_empty():
            return span[0]
        # Beyond the last bar nothing is known to be missing: it may only be late.
        last: datetime = bars["timestamp"][-1]
        covered = (span[0], last + self.interval.length)
        self._put(bars, covered if self.source.resumable else None)
        self._begun = True
        return min(covered[1], span[1])

    def _put(self, bars: pl.DataFrame, covered: Span | None) -> None:
        source, calendar = self.source.name, self.calendar
        where = (self.symbol, self.interval, bars)
        if self.replace and not self._begun:
            self.catalog.write(*where, source=source, calendar=calendar, covered=covered)
            return
        self.catalog.extend(
            *where, source=source, calendar=calendar, covered=covered, revise=self.revise
        )

    def _judged_by(self, start: datetime) -> Circumstances:
        """Return the circumstances with the closes that were stored last before *start*."""
        try:
            before = self.catalog.read(self.symbol, self.interval, end=start)
        except UnknownSeriesError:
            before = empty_bars()
        if before.is_empty() or (self.replace and not self._begun):
            return self.circumstances
        return replace(self.circumstances, previous=tuple(before["close"].tail(2)))

    def _count(
        self, received: int, refused: pl.DataFrame, counts: Mapping[str, int], until: datetime
    ) -> None:
        path = self.catalog.set_aside(self.symbol, self.interval, refused)
        self._quarantine += [path] if path else []
        self._received += received
        self._refused += len(refused)
        for name, count in counts.items():
            self._counts[name] = self._counts.get(name, 0) + count
        self.progress(Progress(self.symbol, self._received, self._refused, until))

    def _nothing(self) -> DataError:
        if not self._received:
            return DataError(
                f"{self.source.name} has no {self.interval} bars of {self.symbol} from "
                f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}",
                remedy="check symbol, interval and dates",
            )
        broken = ", ".join(f"{name} {count}" for name, count in self._counts.items())
        where = ", ".join(map(str, self._quarantine))
        return DataError(
            f"none of {self._received} rows of {self.symbol} is a bar to keep ({broken})",
            remedy=f"look at the refused rows in {where}" if where else "check the dates",
        )
