"""Timers that a trading engine sets, and that tell it when they are due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rustybt.model.event import TimerFired

if TYPE_CHECKING:
    from datetime import datetime

    from rustybt.trading.ports import Clock, Sink


class Timers:
    """Sends ``TimerFired`` to *sink* when a timer is due by *clock*; one of a name at a time."""

    def __init__(self, clock: Clock, sink: Sink) -> None:
        self._clock = clock
        self._sink = sink
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def set(self, name: str, due: datetime) -> None:
        """Let the timer *name* fire at *due*, and no more when it was due before."""
        self.clear(name)
        self._tasks[name] = asyncio.get_running_loop().create_task(self._wait(name, due))

    def clear(self, name: str) -> None:
        """Forget the timer *name*."""
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    def clear_all(self) -> None:
        """Forget all timers."""
        for name in tuple(self._tasks):
            self.clear(name)

    async def _wait(self, name: str, due: datetime) -> None:
        """Sleep, then tell."""
        await self._clock.sleep_until(due)
        del self._tasks[name]
        self._sink(TimerFired(time=max(due, self._clock.now()), name=name))
