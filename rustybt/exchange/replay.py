"""Bars to be shown one instant after the other, from a file or the practice ones."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rustybt.data.practice import PRACTICE_SYMBOLS, practice_file
from rustybt.exchange.errors import ExchangeError
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.model.money import decimal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
QUOTES: Final = ("USDT", "USDC", "USD", "EUR", "BTC")


class Replay:
    """Bars in order of time; those that begin together are shown together."""

    def __init__(self, bars: Iterable[Bar]) -> None:
        ordered = sorted(bars, key=lambda bar: (bar.start, bar.symbol))
        self._instants = [list(group) for _, group in groupby(ordered, key=lambda bar: bar.start)]
        self.position = 0

    @property
    def left(self) -> int:
        """How many instants are still to come."""
        return len(self._instants) - self.position

    @property
    def length(self) -> timedelta:
        """The length of the next bar, or of the last one; none without bars."""
        if not self._instants:
            return timedelta(0)
        first = self._instants[min(self.position, len(self._instants) - 1)][0]
        return first.end - first.start

    def next(self) -> list[Bar]:
        """Return the bars of the next instant, none at the end."""
        if not self.left:
            return []
        self.position += 1
        return self._instants[self.position - 1]

    def skip(self, until: datetime) -> Iterator[Bar]:
        """Yield the bars that end by *until*, and go on after them."""
        while self.left and self._instants[self.position][0].end <= until:
            yield from self.next()


def practice_bars(last: date, symbols: Sequence[str] = PRACTICE_SYMBOLS) -> list[Bar]:
    """Return the daily practice bars of *symbols* to the day *last*, included."""
    rows = csv.DictReader(practice_file(last, symbols).splitlines())
    return [
        _bar(
            row["symbol"],
            datetime.fromisoformat(f"{row['timestamp']}T00:00:00+00:00"),
            timedelta(days=1),
            row,
        )
        for row in rows
    ]


def _bar(symbol: str, start: datetime, length: timedelta, row: dict[str, str]) -> Bar:
    """Return the bar that *row* describes."""
    return Bar(
        symbol,
        start,
        start + length,
        decimal(row["open"], "open"),
        decimal(row["high"], "high"),
        decimal(row["low"], "low"),
        decimal(row["close"], "close"),
        decimal(row["volume"], "volume"),
    )


def file_bars(path: Path, symbols: Sequence[str] = ()) -> list[Bar]:
    """Return the bars in a CSV or Parquet file: those of *symbols*, or of all.

    A file without a column of symbols is of the one that is named. Raise
    :class:`~rustybt.engine.errors.BarDataError` for bars that cannot be read and
    :class:`ExchangeError` for symbols that are no pairs or not there.
    """
    from rustybt.engine.bar_files import read_bars
    from rustybt.engine.intake import take_in

    name = symbols[0] if len(symbols) == 1 else path.stem
    taken = {each.symbol: each for each in take_in(read_bars(path), signed=frozenset(), name=name)}
    unknown = [symbol for symbol in symbols if symbol not in taken]
    if unknown:
        raise ExchangeError(
            f"{path} has no bars of {', '.join(unknown)}", expected=", ".join(taken)
        )
    bars: list[Bar] = []
    for symbol in symbols or taken:
        frame = taken[symbol].frame
        prices = frame if taken[symbol].exact is None else taken[symbol].exact
        assert prices is not None  # noqa: S101 - one of the two is there
        starts = [_EPOCH + timedelta(microseconds=each) for each in frame["timestamp"].to_list()]
        length = _length(path, symbol, starts)
        for start, row in zip(starts, prices.iter_rows(named=True), strict=True):
            written = {column: _written(value) for column, value in row.items()}
            bars.append(_bar(symbol, start, length, written))
    return bars


def _length(path: Path, symbol: str, starts: list[datetime]) -> timedelta:
    """Return the length of bars that begin then: the shortest distance."""
    if len(starts) < 2:
        raise ExchangeError(f"{path} has a single bar of {symbol}", expected="two or more")
    return min(second - first for first, second in pairwise(starts))


def _written(value: object) -> str:
    """Return a number with the digits that it was read from."""
    return repr(value) if isinstance(value, float) else "0" if value is None else str(value)


def pair(symbol: str) -> tuple[str, str]:
    """Return base and quote of *symbol*, such as ``BTC/USDT`` or ``BTCUSDT``."""
    base, slash, quote = symbol.partition("/")
    if slash and base and quote:
        return base, quote
    for quote in QUOTES:
        if not slash and symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise ExchangeError(
        f"{symbol!r} is no pair", expected="a base and a quote currency, such as BTC/USDT"
    )


def instrument_for(symbol: str, bars: Iterable[Bar] = ()) -> Instrument:
    """Return an instrument whose grid holds all prices of *bars*: cents, or finer."""
    base, quote = pair(symbol)
    digits = 2
    for bar in bars:
        for price in (bar.open, bar.high, bar.low, bar.close):
            exponent = price.normalize().as_tuple().exponent
            digits = max(digits, -exponent if isinstance(exponent, int) else 0)
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=decimal(1).scaleb(-min(digits, 8)),
        lot=decimal("0.00001"),
        min_quantity=decimal("0.00001"),
        max_quantity=decimal("9000000"),
        min_notional=decimal("5"),
        max_notional=decimal("9000000"),
    )
