"""Where a session's "now" comes from: the wall, the wall in a hurry, or a test's hand."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LONGEST_SLEEP: Final = 1.0
"""Seconds: a clock that is set, or a machine that slept, is noticed after so long."""


class WallClock:
    """The time of this machine."""

    kind = "wall"

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, time: datetime) -> None:
        """Return at *time*, at once if it has passed."""
        await _doze(lambda: _seconds(time, self.now()))


class ScaledClock:
    """A clock that begins at *start* and runs *speed* times as fast as *base*."""

    kind = "scaled"

    def __init__(
        self, start: datetime, speed: float, *, base: Callable[[], datetime] | None = None
    ) -> None:
        if not speed > 0:
            raise ValueError(f"a clock cannot run {speed} times as fast")
        self._base = WallClock().now if base is None else base
        self._start = start
        self._began = self._base()
        self._speed = speed

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return self._start + (self._base() - self._began) * self._speed

    async def sleep_until(self, time: datetime) -> None:
        """Return at *time*, at once if it has passed."""
        await _doze(lambda: _seconds(time, self.now()) / self._speed)


def _seconds(time: datetime, now: datetime) -> float:
    """Return the seconds from *now* to *time*."""
    return (time - now).total_seconds()


async def _doze(left: Callable[[], float]) -> None:
    """Sleep until no seconds are *left*, looking at the clock now and then."""
    seconds = left()
    while seconds > 0:
        await asyncio.sleep(min(seconds, _LONGEST_SLEEP))
        seconds = left()
    await asyncio.sleep(0)


class SimulatedClock:
    """A clock that stands still until somebody lets it :meth:`advance`."""

    kind = "simulated"

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._number = count()

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return self._now

    async def sleep_until(self, time: datetime) -> None:
        """Return at *time*, at once if it has passed."""
        if time <= self._now:
            await asyncio.sleep(0)
            return
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (time, next(self._number), awake))
        await awake

    async def advance(self, to: datetime, settled: Callable[[], Awaitable[None]]) -> None:
        """Let the time come to *to*, waking who sleeps in order of their times.

        *settled* is awaited after each: it returns when all that followed from it is done.
        """
        while self._sleepers and self._sleepers[0][0] <= to:
            time, _, awake = heapq.heappop(self._sleepers)
            if awake.done():  # who slept was cancelled
                continue
            self._now = max(self._now, time)
            awake.set_result(None)
            await settled()
        self._now = max(self._now, to)
