"""How fast a venue may be spoken to, and when not at all."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Limiter:
    """A bucket of *burst* tokens that gains *rate* a second by *monotonic* (seconds).

    Whoever waits in front (urgent ones: cancels) goes first; within a class, who came first.
    """

    def __init__(self, rate: float, burst: int, *, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._now = monotonic
        self._tokens = float(burst)
        self._filled = monotonic()
        self._quiet_until = 0.0
        self._urgent: deque[asyncio.Future[bool]] = deque()
        self._others: deque[asyncio.Future[bool]] = deque()
        self._impatient: set[asyncio.Future[bool]] = set()
        self._server: asyncio.Task[None] | None = None

    @property
    def quiet_for(self) -> float:
        """Seconds for which nothing may be sent at all."""
        return max(self._quiet_until - self._now(), 0.0)

    def be_quiet(self, seconds: float) -> None:
        """Send nothing for so long; whoever is not patient waits no more."""
        self._quiet_until = max(self._quiet_until, self._now() + seconds)
        for turn in tuple(self._impatient):
            if not turn.done():
                turn.set_result(False)

    async def acquire(self, *, urgent: bool = False, patient: bool = True) -> bool:
        """Return true when one request may be sent.

        Whoever is not *patient* waits for a token, but not for the end of a silence that the venue
        wants: return false as soon as there is one.
        """
        if not patient and self.quiet_for:
            return False
        if not (self._urgent or self._others) and self._wait() <= 0:
            self._tokens -= 1
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._others).append(turn)
        if self._server is None or self._server.done():
            self._server = asyncio.get_running_loop().create_task(self._serve())
        if not patient:
            self._impatient.add(turn)
            turn.add_done_callback(self._impatient.discard)
        return await turn

    def close(self) -> None:
        """Let nobody wait any more."""
        if self._server is not None:
            self._server.cancel()
        for turn in (*self._urgent, *self._others):
            turn.cancel()

    def _wait(self) -> float:
        """Return the seconds until a token is there, and talking is allowed."""
        now = self._now()
        self._tokens = min(self._tokens + (now - self._filled) * self._rate, float(self._burst))
        self._filled = now
        missing = 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._rate
        return max(missing, self._quiet_until - now)

    async def _serve(self) -> None:
        """Give the tokens to who waits."""
        while self._urgent or self._others:
            seconds = self._wait()
            if seconds > 0:
                await asyncio.sleep(seconds)
                continue
            turn = (self._urgent or self._others).popleft()
            if not turn.done():
                self._tokens -= 1
                turn.set_result(True)
