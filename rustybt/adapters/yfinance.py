"""Bars from Yahoo Finance, through yfinance."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rustybt.data.bars import raw_rows
from rustybt.data.errors import SourceError, SourceUnavailableError
from rustybt.data.interval import Interval
from rustybt.data.source import Page

if TYPE_CHECKING:
    import polars as pl

# What Yahoo calls an interval, and the days it answers at once.
_OFFERED: Final = {
    Interval.M1: ("1m", 7),
    Interval.M5: ("5m", 58),
    Interval.M15: ("15m", 58),
    Interval.M30: ("30m", 58),
    Interval.H1: ("1h", 365),
    Interval.D1: ("1d", 3650),
    Interval.W1: ("1wk", 3650),
}
# Time out and too many requests: the refusals that pass.
_PASSING: Final = frozenset({408, 429})
_COLUMNS: Final = ("Open", "High", "Low", "Close", "Volume")


@dataclass(slots=True)
class YfinanceSource:
    """Yahoo's bars: adjusted for splits, not for dividends.

    *session* is what yfinance takes as one, None for its own. Raise ``SourceError`` if yfinance is
    not installed.
    """

    session: Any = None
    name: str = field(default="yfinance", init=False)
    resumable: bool = field(default=True, init=False)
    requests_per_minute: int = field(default=60, init=False)

    def __post_init__(self) -> None:
        _set_up_yfinance()

    def pages(
        self, symbol: str, interval: Interval, start: datetime, end: datetime
    ) -> Iterator[Page]:
        """Yield as many bars at a time as Yahoo answers at once.

        Raise ``SourceUnavailableError`` if Yahoo cannot be reached or limits the rate, and
        ``SourceError`` for an interval it does not offer or a symbol it does not have.
        """
        if interval not in _OFFERED:
            offered = ", ".join(_OFFERED)
            raise SourceError(f"Yahoo has no {interval} bars", expected=f"one of {offered}")
        name, days = _OFFERED[interval]
        while start < end:
            until = min(end, start + timedelta(days=days))
            yield Page(raw_rows(self._rows(symbol, name, start, until)), until)
            start = until

    def dividends(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Return the dividends from *start* on and before *end* as actions for a backtest.

        They fit the bars that come from here: Yahoo adjusts both for splits, which therefore must
        not be applied again. Each is dated by its ex-date. Raise as :meth:`pages` does.
        """
        import polars as pl

        table = self._history(symbol, "1d", start, end, actions=True)
        paid = [
            (symbol, at.date(), "dividend", _digits(amount))
            for at, amount in table["Dividends"].items()
            if amount > 0
        ]
        schema = {"symbol": pl.String, "timestamp": pl.Date, "kind": pl.String, "amount": pl.String}
        return pl.DataFrame(paid, schema=schema, orient="row")

    def _rows(
        self, symbol: str, name: str, start: datetime, until: datetime
    ) -> list[tuple[str | None, ...]]:
        table = self._history(symbol, name, start, until)
        columns = [[_digits(value) for value in table[column]] for column in _COLUMNS]
        times = [at.isoformat() for at in table.index]
        return list(zip(times, *columns, strict=True))

    def _history(
        self, symbol: str, name: str, start: datetime, until: datetime, *, actions: bool = False
    ) -> Any:
        import yfinance  # type: ignore[import-untyped] # it has no types
        from yfinance import exceptions

        try:
            with warnings.catch_warnings():
                # What pandas thinks of yfinance's use of it is not ours to mend.
                warnings.simplefilter("ignore", DeprecationWarning)
                return yfinance.Ticker(symbol, session=self.session).history(
                    start=start,
                    end=until,
                    interval=name,
                    auto_adjust=False,
                    actions=actions,
                    keepna=True,
                )
        except (exceptions.YFException, OSError) as error:
            raise _refusal(error, f"{name} bars of {symbol}") from error


def _refusal(error: Exception, wanted: str) -> SourceError:
    """Return what *error*, of yfinance or of the library below it that talks HTTP, means to us."""
    from yfinance import exceptions

    kind = type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    lasting = status is not None and 400 <= status < 500 and status not in _PASSING
    if isinstance(error, exceptions.YFRateLimitError) or (
        isinstance(error, OSError) and not lasting
    ):
        return SourceUnavailableError(
            f"Yahoo cannot be reached or refuses for now ({kind})",
            remedy="check the network, and try again later",
        )
    return SourceError(
        f"Yahoo has no {wanted} for us ({kind})",
        expected="a symbol such as AAPL, and days that Yahoo keeps",
    )


def _digits(value: Any) -> str | None:
    """Return the number that was meant by a float: Yahoo sends what single precision kept of it.

    185.64 arrives as 185.63999938964844. The shortest text that is the same number in single
    precision has the digits back; a number that is no such number keeps all of its own.
    """
    import numpy as np

    if np.isnan(value):
        return "NaN"
    with np.errstate(over="ignore"):
        single = np.float32(value)
    shorter = np.format_float_positional(single, trim="-")
    longer = np.format_float_positional(np.float64(value), trim="-")
    return shorter if float(single) == float(value) else longer


def _set_up_yfinance() -> None:
    """Make yfinance raise what went wrong; raise SourceError where it is not installed."""
    try:
        import yfinance
    except ImportError as error:
        raise SourceError(
            "yfinance is not installed", remedy="pip install 'rustybt[live]'"
        ) from error
    # Otherwise it logs what went wrong and returns no bars, as if there were none.
    yfinance.config.debug.hide_exceptions = False
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
