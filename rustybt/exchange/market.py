"""What was traded so far, and what the venue tells of it: candles, prices, a book made from bars.

A replayed market has no order book of its own. The one shown is invented from the last bar, the
same for the same bar: the last price in the middle, a tick of spread, sizes that are shares of the
volume.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.model.bar import Bar
from rustybt.model.money import ZERO, add, divide, multiply, subtract, total

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from rustybt.model.instrument import Instrument

HISTORY: Final = 5_000
_LEVELS: Final = 20
_SHARE: Final = Decimal("0.01")


class Level(NamedTuple):
    """So many units at that price."""

    price: Decimal
    quantity: Decimal


class Depth(NamedTuple):
    """Bids from the highest down, asks from the lowest up."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class DayTicker(NamedTuple):
    """The bars of the last 24 hours, summed up."""

    first: Bar
    last: Bar
    high: Decimal
    low: Decimal
    volume: Decimal
    value: Decimal
    bars: int


class Tape:
    """The bars of one symbol that were shown; the newest :data:`HISTORY` are kept."""

    def __init__(self, bars: Iterable[Bar] = (), shown: int = 0) -> None:
        self.bars: deque[Bar] = deque(bars, maxlen=HISTORY)
        self.shown = shown

    def show(self, bar: Bar) -> None:
        """Add the next bar."""
        self.bars.append(bar)
        self.shown += 1

    @property
    def last(self) -> Bar | None:
        """The newest bar."""
        return self.bars[-1] if self.bars else None

    @property
    def price(self) -> Decimal | None:
        """The last price."""
        return self.bars[-1].close if self.bars else None

    def candles(
        self, start: datetime | None, end: datetime | None, limit: int, interval: timedelta
    ) -> list[Bar]:
        """Return at most *limit* candles of *interval* that begin from *start* to *end* on.

        With a *start* they are the first ones, without it the last ones. Only whole candles count.
        """
        if start is None and end is None and self._is_native(interval):
            return list(islice(reversed(self.bars), limit))[::-1]
        found = [
            bar
            for bar in self._whole(interval)
            if (start is None or bar.start >= start) and (end is None or bar.start <= end)
        ]
        return found[:limit] if start is not None else found[-limit:]

    def _is_native(self, interval: timedelta) -> bool:
        """Tell whether the bars are candles of *interval* as they are."""
        return not self.bars or self.bars[-1].end - self.bars[-1].start == interval

    def _whole(self, interval: timedelta) -> list[Bar]:
        """Return the candles of *interval* that the bars fill."""
        if self._is_native(interval):
            return list(self.bars)
        groups: dict[int, list[Bar]] = {}
        for bar in self.bars:
            groups.setdefault(
                int(bar.start.timestamp()) // int(interval.total_seconds()), []
            ).append(bar)
        merged = [merge(group) for group in groups.values()]
        return [bar for bar in merged if bar.end - bar.start == interval]

    def begun(self, interval: timedelta) -> Bar | None:
        """Return the candle of *interval* that begins where the last bar ended.

        Nothing was traded in it yet: its prices are the last one. ``None`` before the first bar and
        within a longer candle.
        """
        last = self.last
        if last is None or not self._is_native(interval):
            return None
        price = last.close
        return Bar(last.symbol, last.end, last.end + interval, price, price, price, price, ZERO)

    def day(self, span: timedelta) -> DayTicker | None:
        """Return what was traded in the *span* before the end of the last bar."""
        last = self.last
        if last is None:
            return None
        bars = [bar for bar in self.bars if bar.start >= last.end - span] or [last]
        return DayTicker(
            first=bars[0],
            last=last,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            volume=total(bar.volume for bar in bars),
            value=total(multiply(bar.volume, bar.close) for bar in bars),
            bars=len(bars),
        )

    def depth(self, instrument: Instrument) -> Depth:
        """Return a book around the last price, empty before the first bar."""
        last = self.last
        if last is None:
            return Depth((), ())
        size = max(instrument.round_quantity(multiply(last.volume, _SHARE)), instrument.lot)
        steps = [multiply(instrument.tick, Decimal(step)) for step in range(1, _LEVELS + 1)]
        bids = (subtract(last.close, step) for step in steps)
        return Depth(
            tuple(Level(price, size) for price in bids if price > ZERO),
            tuple(Level(add(last.close, step), size) for step in steps),
        )


def merge(bars: list[Bar]) -> Bar:
    """Return one bar for *bars*, which are in order and of one symbol."""
    return Bar(
        symbol=bars[0].symbol,
        start=bars[0].start,
        end=bars[-1].end,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=total(bar.volume for bar in bars),
    )


def average_price(day: DayTicker) -> Decimal:
    """Return the price weighted by volume, the last one where nothing was traded; 40 digits."""
    return divide(day.value, day.volume) if day.volume else day.last.close
