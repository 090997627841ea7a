"""Closed bars of a venue, as they close: by stream where there is one, else by asking."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import close, hang_up, open_exchange
from rustybt.adapters.venue.wire import exact, instant, milliseconds
from rustybt.model.bar import Bar
from rustybt.model.errors import InvalidValueError
from rustybt.model.event import BarClosed, ConnectionLost, ConnectionRestored
from rustybt.security.redaction import Redactor
from rustybt.trading.settings import FEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from rustybt.adapters.venue.exchange import Access
    from rustybt.trading.ports import Clock, Sink

_GRACE_MS: Final = 2000
"""Milliseconds after its end within which a venue finishes a candle."""
_LONGEST_PAUSE: Final = 30.0
_PAGE: Final = 500
_SILENT_BARS: Final = 3
_LEAST_SILENCE: Final = 60.0
_CACHED: Final = 20
"""Candles of each symbol that ccxt keeps; what was missed for longer is fetched."""

Candle = list[Any]
"""Start in milliseconds, open, high, low, close, volume: the numbers as text."""


class CcxtFeed:
    """Reports each complete bar once, those of a symbol in order. It is a ``trading.ports.Feed``.

    A candle is complete when the venue says so, when a newer one has begun, or, where the venue's
    market goes by the present time, when it ended a moment ago. The first candle that is reported
    is the first to be completed after the start. After a connection was lost, or was silent for
    *silence* seconds, what was missed is fetched and reported first.
    """

    def __init__(self, access: Access, *, clock: Clock, silence: float | None = None) -> None:
        self._access = access
        self._clock = clock
        self._silence = silence
        self._exchange: Any = None
        self._sink: Sink | None = None
        self._interval_ms = 0
        self._timeframe = ""
        self._done: dict[str, int] = {}  # start of the newest bar reported, by symbol
        self._open: dict[str, Candle] = {}  # the newest candle, complete or not
        self._closed: dict[str, int] = {}  # start of the newest that the venue called complete
        self._lost: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._redact = Redactor(access.secrets()).text

    async def start(self, sink: Sink, symbols: Sequence[str], interval: timedelta) -> None:
        """Begin to report."""
        self._sink = sink
        self._interval_ms = int(interval.total_seconds() * 1000)
        self._exchange = open_exchange(self._access, ("fetchOHLCV",))
        self._exchange.options["OHLCVLimit"] = _CACHED
        self._timeframe = timeframe_of(self._exchange, interval)
        self._hear_what_is_complete()
        try:
            await self._exchange.load_markets()
            for symbol in symbols:
                for candle in await self._fetch(symbol, None, 2):
                    self._done[symbol] = candle[0] - (0 if self._is_complete(symbol, candle) else 1)
        except Exception as error:  # noqa: BLE001 - each becomes one clear error
            await self._exchange.close()
            raise VenueError(f"no bars of {self._access.name}: {self._said(error)}") from None
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow(symbol)) for symbol in symbols]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await close(self._exchange)
        self._sink = None

    # Following one symbol

    async def _follow(self, symbol: str) -> None:
        """Report what comes of *symbol*, for ever."""
        pause = 1.0
        while True:
            try:
                if symbol in self._lost:
                    await self._catch_up(symbol)
                await self._next(symbol)
                self._restore(symbol)
                pause = 1.0
            except Exception as error:  # noqa: BLE001 - whatever it is, bars may be missed
                self._lose(symbol, self._said(error))
                await hang_up(self._exchange)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _next(self, symbol: str) -> None:
        """Wait for news of *symbol*; report what is complete by them."""
        seconds = self._interval_ms / 1000
        if self._exchange.has.get("watchOHLCV"):
            silence = self._silence or max(_SILENT_BARS * seconds, _LEAST_SILENCE)
            async with asyncio.timeout(silence):
                candles = await self._exchange.watch_ohlcv(symbol, self._timeframe)
        else:
            await asyncio.sleep(min(max(seconds / 4, 1.0), 15.0))
            candles = await self._fetch(symbol, self._done.get(symbol), _PAGE)
        known = self._open.get(symbol)
        if known is not None and candles and candles[0][0] > known[0] + self._interval_ms:
            await self._catch_up(symbol)  # some were left out
        self._take(symbol, candles)

    async def _catch_up(self, symbol: str) -> None:
        """Fetch what was missed, however much."""
        while True:
            since = self._done.get(symbol)
            candles = await self._fetch(symbol, since, _PAGE)
            self._take(symbol, candles)
            if len(candles) < _PAGE or self._done.get(symbol) == since:
                return

    def _take(self, symbol: str, candles: Sequence[Candle]) -> None:
        """Report the complete ones of *candles*, which are in order of time."""
        newest = max(candles, key=lambda each: each[0], default=None)
        known = self._open.get(symbol)
        waiting = sorted([*([known] if known else []), *candles], key=lambda each: each[0])
        latest = {each[0]: each for each in waiting}  # a later version of the same replaces it
        for candle in latest.values():
            if (newest is not None and candle[0] < newest[0]) or self._is_complete(symbol, candle):
                self._report(symbol, candle)
        if newest is not None and (known is None or newest[0] >= known[0]):
            self._open[symbol] = newest

    def _is_complete(self, symbol: str, candle: Candle) -> bool:
        """Tell whether the newest candle will not change any more."""
        if self._closed.get(symbol, -1) >= candle[0]:
            return True
        age = milliseconds(self._clock.now()) - (candle[0] + self._interval_ms)
        # Where it ended long ago the venue's market is not one of now, and the clock says nothing.
        return bool(_GRACE_MS <= age <= _GRACE_MS + self._interval_ms)

    def _report(self, symbol: str, candle: Candle) -> None:
        """Report a bar, unless it was."""
        start = candle[0]
        if start <= self._done.get(symbol, -1) or self._sink is None:
            return
        self._done[symbol] = start
        opened, high, low, close, volume = (exact(number) for number in candle[1:6])
        end = instant(start + self._interval_ms)
        try:
            bar = Bar(
                symbol=symbol,
                start=instant(start),
                end=end,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=volume,
            )
        except InvalidValueError as error:
            self._lose(symbol, str(error))
            return
        self._sink(BarClosed(time=max(end, self._clock.now()), bar=bar))

    # How it is done

    async def _fetch(self, symbol: str, since: int | None, limit: int) -> list[Candle]:
        """Return candles from *since* on, in order."""
        found: list[Candle] = await self._exchange.fetch_ohlcv(
            symbol, self._timeframe, since, limit
        )
        return found

    def _hear_what_is_complete(self) -> None:
        """Note what venues that say so call complete; ccxt drops it from the candles."""
        original = getattr(self._exchange, "handle_ohlcv", None)
        if original is None:
            return

        def listening(client: Any, message: Any) -> None:
            candle = message.get("k") if isinstance(message, dict) else None
            if isinstance(candle, dict) and candle.get("x") is True:
                market = self._exchange.safe_market(message.get("s"), None, None, "spot")
                start = int(candle["t"])
                symbol = market["symbol"]
                self._closed[symbol] = max(start, self._closed.get(symbol, -1))
            original(client, message)

        self._exchange.handle_ohlcv = listening

    def _lose(self, symbol: str, reason: str) -> None:
        """Report the feed as lost when the first symbol is."""
        if not self._lost and self._sink is not None:
            reason = f"{symbol}: {reason}"
            self._sink(ConnectionLost(time=self._clock.now(), component=FEED, reason=reason))
        self._lost[symbol] = reason

    def _restore(self, symbol: str) -> None:
        """Report the feed as restored when the last symbol is."""
        if self._lost.pop(symbol, None) and not self._lost and self._sink is not None:
            self._sink(ConnectionRestored(time=self._clock.now(), component=FEED))

    def _said(self, error: BaseException) -> str:
        """Return what *error* says, without secrets."""
        if isinstance(error, TimeoutError):
            return "nothing was heard for too long"
        text = self._redact(" ".join(str(error).split()))[:200]
        return f"{type(error).__name__}: {text}"


def timeframe_of(exchange: Any, interval: timedelta) -> str:
    """Return what *exchange* calls candles of *interval*; raise if it has none."""
    seconds = interval.total_seconds()
    offered: Mapping[str, Any] = exchange.timeframes or {}
    for name in offered:
        if name != "1M" and exchange.parse_timeframe(name) == seconds:
            return str(name)
    raise VenueError(f"{exchange.id} has no bars of {interval}", expected=", ".join(offered))
