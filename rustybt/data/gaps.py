"""Bars that the calendar expects and the data lacks, and what to do without them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import polars as pl
from msgspec import Struct

from rustybt.data.bars import DECIMAL, PRICES, TIME
from rustybt.data.errors import GapError
from rustybt.data.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator


class TradingSession(Protocol):
    """What has to be known of a session; `rustybt.calendars.Session` is one."""

    @property
    def day(self) -> date:
        """The date the exchange gives the session."""

    @property
    def open(self) -> datetime:
        """The instant trading begins."""

    @property
    def close(self) -> datetime:
        """The instant trading has ended."""

    @property
    def break_start(self) -> datetime | None:
        """The instant a break begins, None without one."""

    @property
    def break_end(self) -> datetime | None:
        """The instant a break has ended, None without one."""


class TradingCalendar(Protocol):
    """What has to be known of a calendar; `rustybt.calendars.Calendar` is one."""

    def sessions(self, start: date, end: date) -> Sequence[TradingSession]:
        """Return the sessions from *start* to *end*, both included."""


class GapPolicy(StrEnum):
    """What to do about missing bars."""

    RAISE = "raise"
    """Refuse the data."""
    SKIP = "skip"
    """Go on without them: nothing is made up."""
    FORWARD_FILL = "forward-fill"
    """Put bars of no volume at the last close there, each marked as filled."""


class Gap(Struct, frozen=True):
    """*bars* missing in a row, the first of which starts at *first* and the last one at *last*."""

    first: datetime
    last: datetime
    bars: int


def expected_times(
    interval: Interval, calendar: TradingCalendar, start: datetime, end: datetime
) -> pl.Series:
    """Return when bars start that the calendar expects from *start* on and before *end*.

    A bar of a week is expected on every Monday of a week with a session.
    """
    sessions = calendar.sessions(start.date(), end.date())
    if interval is Interval.W1:
        days = {one.day - timedelta(days=one.day.weekday()) for one in sessions}
        times = [_midnight(day) for day in sorted(days)]
    elif interval.by_day:
        times = [_midnight(one.day) for one in sessions]
    else:
        times = [at for one in sessions for at in _starts(one, interval.length)]
    return pl.Series("timestamp", [at for at in times if start <= at < end], dtype=TIME)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _starts(session: TradingSession, length: timedelta) -> Iterator[datetime]:
    """Return the starts of a session's bars, counted from its opening and again after a break."""
    stretches = [(session.open, session.close)]
    if session.break_start is not None and session.break_end is not None:
        stretches = [(session.open, session.break_start), (session.break_end, session.close)]
    for opens, closes in stretches:
        for number in range(-((opens - closes) // length)):
            yield opens + number * length


def find_gaps(bars: pl.DataFrame, expected: pl.Series) -> tuple[Gap, ...]:
    """Return the runs of *expected* times for which there is no bar, in order."""
    table = pl.DataFrame({"timestamp": expected}).with_row_index("position")
    missing = table.join(bars.select("timestamp"), on="timestamp", how="anti").sort("position")
    position = pl.col("position").cast(pl.Int64)
    runs = (
        missing.with_columns(run=position - pl.int_range(pl.len()))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("timestamp").first().alias("first"),
            pl.col("timestamp").last().alias("last"),
            pl.len().alias("bars"),
        )
    )
    return tuple(Gap(first, last, count) for _, first, last, count in runs.iter_rows())


def apply_gap_policy(
    bars: pl.DataFrame, expected: pl.Series, policy: GapPolicy = GapPolicy.RAISE
) -> pl.DataFrame:
    """Return *bars* with a column ``filled`` that is true for bars that nobody traded.

    Raise :class:`~rustybt.data.errors.GapError` naming the gaps under ``RAISE``. ``SKIP`` leaves
    them. ``FORWARD_FILL`` fills them from the last real close; before the first bar there is none,
    so nothing is put there. Whoever feeds a strategy has to tell it of ``filled`` bars.
    """
    gaps = find_gaps(bars, expected)
    marked = bars.with_columns(filled=pl.lit(value=False))
    if policy is GapPolicy.RAISE and gaps:
        raise _missing(gaps)
    if policy is not GapPolicy.FORWARD_FILL or not gaps or bars.is_empty():
        return marked
    absent = expected.filter(~expected.is_in(bars["timestamp"].implode()))
    added = pl.DataFrame({"timestamp": absent.filter(absent > bars["timestamp"][0])})
    last = pl.col("close").fill_null(strategy="forward")
    return (
        pl.concat([marked, added], how="diagonal")
        .sort("timestamp")
        .with_columns(
            *(pl.col(name).fill_null(last) for name in PRICES),
            pl.col("volume").fill_null(pl.lit(0, DECIMAL)),
            pl.col("filled").fill_null(value=True),
        )
    )


def _missing(gaps: Sequence[Gap]) -> GapError:
    total = sum(gap.bars for gap in gaps)
    named = ", ".join(describe(gap) for gap in gaps[:5])
    more = f" and {len(gaps) - 5} more gaps" if len(gaps) > 5 else ""
    return GapError(
        f"{total} bars are missing: {named}{more}",
        expected="a bar for every one that the calendar expects",
        remedy="fetch them, or choose the policy skip or forward-fill",
    )


def describe(gap: Gap) -> str:
    """Return *gap* in words."""
    if gap.bars == 1:
        return f"{gap.first:%Y-%m-%d %H:%M}"
    return f"{gap.first:%Y-%m-%d %H:%M} to {gap.last:%Y-%m-%d %H:%M} ({gap.bars} bars)"
