"""Bars of the past, told as if they happened now."""

from __future__ import annotations

import asyncio
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from rustybt.model.event import BarClosed, ConnectionLost
from rustybt.trading.clocks import SimulatedClock
from rustybt.trading.settings import FEED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import timedelta

    from rustybt.model.bar import Bar
    from rustybt.trading.ports import Clock, Sink


class ReplayFeed:
    """Reports *bars* in order of the times at which they end. It is a ``trading.ports.Feed``.

    With a :class:`~rustybt.trading.clocks.SimulatedClock` it leads the clock: the next instant
    comes as soon as *settled* says that all that followed from the last one is done. By any other
    clock a bar comes when it ends; bars that had ended when the feed began come at once. After the
    last bar the feed is lost for the reason :data:`ENDED`, and *ended* is called.
    """

    ENDED = "the data ended"

    def __init__(
        self,
        bars: Iterable[Bar],
        clock: Clock,
        *,
        settled: Callable[[], Awaitable[None]],
        ended: Callable[[], object] | None = None,
    ) -> None:
        self._bars = sorted(bars, key=attrgetter("end", "symbol"))
        self._clock = clock
        self._settled = settled
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self.reported = 0

    def __len__(self) -> int:
        return len(self._bars)

    async def start(self, sink: Sink, symbols: Sequence[str], interval: timedelta) -> None:
        """Begin to report the bars of *symbols* that are of *interval*."""
        wanted = set(symbols)
        bars = [
            bar for bar in self._bars if bar.symbol in wanted and bar.end - bar.start == interval
        ]
        self._task = asyncio.get_running_loop().create_task(self._run(sink, bars))

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, sink: Sink, bars: Sequence[Bar]) -> None:
        """Report all *bars*."""
        await self._settled()
        for end, together in groupby(bars, attrgetter("end")):
            if isinstance(self._clock, SimulatedClock):
                await self._clock.advance(end, self._settled)
            else:
                await self._clock.sleep_until(end)
            for bar in together:
                sink(BarClosed(time=max(end, self._clock.now()), bar=bar))
                self.reported += 1
            await self._settled()
        sink(ConnectionLost(time=self._clock.now(), component=FEED, reason=self.ENDED))
        await self._settled()
        if self._ended is not None:
            self._ended()
