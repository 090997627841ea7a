"""Where market data comes from: the port that every source implements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rustybt.data.interval import Interval

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to one request: *rows* as in `rustybt.data.bars.RAW`, times before *until* only.

    Whatever the source has of the series before *until* has been delivered with this page.
    """

    rows: pl.DataFrame
    until: datetime


class Source(Protocol):
    """Something that delivers bars as it has them; judging them is not its business."""

    @property
    def name(self) -> str:
        """What the source is called in the catalog, the same for every request."""

    @property
    def resumable(self) -> bool:
        """Whether a part that was fetched once need not be fetched again."""

    @property
    def requests_per_minute(self) -> int:
        """How many requests it puts up with; 0 if there is no limit."""

    def pages(
        self, symbol: str, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[Page]:
        """Yield the bars from *start* on and before *end*, a request for every page.

        Raise :class:`~rustybt.data.errors.SourceUnavailableError` for what may pass, and another
        ``SourceError`` or ``MalformedDataError`` for what will not.
        """
