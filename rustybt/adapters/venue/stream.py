"""The stream of account events: kept open, and not believed when it is silent for no reason."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.exchange import hang_up
from rustybt.model.event import ConnectionLost, ConnectionRestored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rustybt.trading.ports import Clock
    from rustybt.trading.reports import EngineEvent

COMPONENT: Final = "user stream"
_SETTLED: Final = 1.0
"""Seconds after which a stream that has not failed counts as open."""
_LONGEST_PAUSE: Final = 30.0
SILENCE: Final = 10.0
"""Seconds within which the stream has to tell of an order that was acknowledged."""
_REMEMBERED: Final = 10_000
"""Of how many orders is remembered that the stream has told of them."""


class UserStream:
    """Calls *on_order* and *on_trade* with what the venue tells of the account.

    When the stream breaks, or says nothing of an order that the venue has acknowledged, it is
    reported as lost, opened again after a pause that grows, and reported as restored. *silence* is
    how many seconds it may say nothing, *chance* spreads the pauses, so that many clients do not
    come back at once.
    """

    def __init__(
        self,
        exchange: Any,
        *,
        clock: Clock,
        tell: Callable[[EngineEvent], None],
        on_order: Callable[[Mapping[str, Any]], None],
        on_trade: Callable[[Mapping[str, Any]], None],
        said: Callable[[BaseException], str],
        silence: float = SILENCE,
        chance: random.Random | None = None,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._tell = tell
        self._on_order = on_order
        self._on_trade = on_trade
        self._said = said
        self._chance = random.Random() if chance is None else chance  # noqa: S311 - no secret
        self._task: asyncio.Task[None] | None = None
        self._is_lost = False
        self._silence = silence
        self._expected: dict[str, float] = {}
        self._heard: dict[str, None] = {}

    def start(self) -> None:
        """Open the stream."""
        self._task = asyncio.get_running_loop().create_task(self._keep_open())

    async def stop(self) -> None:
        """Close it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def expect(self, venue_id: str) -> None:
        """Expect the stream to tell of an order that was acknowledged just now, or before that."""
        if venue_id not in self._heard:  # the events of an order may overtake the reply
            self._expected[venue_id] = asyncio.get_running_loop().time() + self._silence

    async def _keep_open(self) -> None:
        """Watch, and watch again when it breaks."""
        failures = 0
        while True:
            began = asyncio.get_running_loop().time()
            reason = await self._watch()
            self._lose(reason)
            lasted = asyncio.get_running_loop().time() - began
            failures = 0 if lasted > _LONGEST_PAUSE else failures + 1
            pause = min(2.0 ** (failures - 1), _LONGEST_PAUSE) if failures else 0.0
            await asyncio.sleep(pause * (0.5 + self._chance.random() / 2))

    async def _watch(self) -> str:
        """Watch orders and trades until something breaks; return what it was."""
        loop = asyncio.get_running_loop()
        works = [self._read("watch_orders", self._orders), self._listen()]
        if self._exchange.has.get("watchMyTrades"):
            works.append(self._read("watch_my_trades", self._trades))
        tasks = [loop.create_task(work) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await hang_up(self._exchange)

    async def _read(self, method: str, take: Callable[[list[Any]], None]) -> str:
        """Hand on what *method* of ccxt brings, until it fails."""
        try:
            while True:
                take(await getattr(self._exchange, method)())
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream is broken
            return self._said(error)

    async def _listen(self) -> str:
        """Notice that the stream is open again, and later that it is silent."""
        await asyncio.sleep(_SETTLED)
        if self._is_lost:
            self._is_lost = False
            self._tell(ConnectionRestored(time=self._clock.now(), component=COMPONENT))
        while True:
            await asyncio.sleep(_SETTLED)
            now = asyncio.get_running_loop().time()
            silent = [order for order, until in self._expected.items() if until < now]
            if silent:
                self._expected.clear()
                return f"it says nothing of order {silent[0]}, which the venue has acknowledged"

    def _orders(self, found: list[Any]) -> None:
        """Take reports of orders."""
        for order in found:
            venue_id = str(order["id"])
            self._expected.pop(venue_id, None)
            self._heard[venue_id] = None
            if len(self._heard) > _REMEMBERED:
                del self._heard[next(iter(self._heard))]
            self._on_order(order)

    def _trades(self, found: list[Any]) -> None:
        """Take reports of trades."""
        for trade in found:
            self._on_trade(trade)

    def _lose(self, reason: str) -> None:
        """Report the stream as lost, once."""
        self._expected.clear()
        if not self._is_lost:
            self._is_lost = True
            self._tell(ConnectionLost(time=self._clock.now(), component=COMPONENT, reason=reason))
