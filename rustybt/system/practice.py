"""A practice exchange for the time of a session, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rustybt.adapters.venue.exchange import Access
from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.serving import running_exchange
from rustybt.settings.venues import PRACTICE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from rustybt.exchange.serving import Exchange
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.bar import Bar

_START_SECONDS: Final = 60.0
T = TypeVar("T")


class PracticeThread:
    """A practice exchange that replays *bars* once :meth:`replay` is called. Made by `practising`.

    Trades are stamped with the present time; the same *state* file keeps account and orders.
    """

    def __init__(
        self,
        bars: Sequence[Bar],
        *,
        history: int,
        state: Path | None,
        rules: MatchingRules | None,
    ) -> None:
        self._bars, self._history, self._state, self._rules = bars, history, state, rules
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._exchange: Exchange | None = None
        self._thread = threading.Thread(target=self._run, name="practice exchange", daemon=True)

    @property
    def exchange(self) -> Exchange:
        """The exchange; its methods belong to its own thread."""
        assert self._exchange is not None  # noqa: S101 - `practising` waits for it
        return self._exchange

    def access(self) -> Access:
        """Return what opens the account."""
        return Access(name=PRACTICE, exchange="binance", config=self.exchange.ccxt_config())

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Let the exchange's own thread do *work*."""
        assert self._loop is not None  # noqa: S101 - `practising` waits for it
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def replay(self, speed: float, ended: Callable[[], object]) -> None:
        """Show the bars, *speed* seconds of the market in one of ours; call *ended* afterwards.

        It begins once somebody hears the bars of every symbol, and what becomes of the orders.
        """
        assert self._loop is not None  # noqa: S101 - `practising` waits for it

        async def showing() -> None:
            await self.heard()
            await self.exchange.server.run_replay(speed)
            ended()

        def begin() -> None:
            self.exchange.server.keep_running(asyncio.ensure_future(showing()))

        self._loop.call_soon_threadsafe(begin)

    async def heard(self) -> None:
        """Return once every symbol and the account have a listener."""
        hub = self.exchange.server.hub
        wanted = {bar.symbol.replace("/", "").lower() for bar in self._bars}
        while True:
            listeners = tuple(hub.listeners)
            streams = {name.partition("@kline_")[0] for each in listeners for name in each.streams}
            if wanted <= streams and any(each.hears_users for each in listeners):
                return
            hub.subscribed.clear()
            await hub.subscribed.wait()

    def start(self) -> None:
        """Return once it serves; raise :class:`ExchangeError` if it cannot."""
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise ExchangeError("the practice exchange did not start")
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Return once it has ended."""
        if self._loop is not None and self._end is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _run(self) -> None:
        """Serve until the end is wanted."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is raised where the session starts
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        async with running_exchange(
            bars=self._bars,
            history=self._history,
            rules=self._rules,
            state=self._state,
            stamp="clock",
        ) as exchange:
            self._exchange = exchange
            self._ready.set()
            await self._end.wait()


@contextlib.contextmanager
def practising(
    bars: Sequence[Bar],
    *,
    history: int = 30,
    state: Path | None = None,
    rules: MatchingRules | None = None,
) -> Iterator[PracticeThread]:
    """Run a practice exchange for as long as the context lasts."""
    running = PracticeThread(bars, history=history, state=state, rules=rules)
    running.start()
    try:
        yield running
    finally:
        running.stop()
