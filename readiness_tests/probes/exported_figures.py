"""What ``/metrics`` exports after each bar of a session whose course is known.

The venue answers after known delays of simulated time, so that no machine's speed is measured.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from readiness_tests.probes import session
from rustybt.api.metrics import exposition
from rustybt.api.watch import Watch
from rustybt.deployment import create_home
from rustybt.home import Home
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.event import OrderUpdated
from rustybt.settings import load_settings
from rustybt.trading.control import ControlServer, Request, socket_file
from rustybt.trading.engine import Engine
from rustybt.trading.feeds import ReplayFeed
from rustybt.trading.runner import Runner
from rustybt.trading.summary import summary

BEGIN = datetime(2026, 3, 2, 23, 57, tzinfo=UTC)
SYMBOL = "ELM/USDT"


class Slow(session.Watched):
    """A venue whose words about its orders come after *delays*, in seconds, one for each order."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.delays: list[float] = []
        self._late: set[asyncio.Task[None]] = set()

    async def start(self, sink: Any) -> Any:
        """Report to *sink*, with the time at which it is told."""

        def stamped(event: Any) -> None:
            told = isinstance(event, OrderUpdated)
            sink(replace(event, time=self._clock.now()) if told else event)

        return await super().start(stamped)

    def submit(self, orders: Sequence[Any], group: Any = None) -> None:
        """Take each order after its delay; those that nobody can send come back at once."""
        lost = [each for each in orders if each.order.price == session.UNREACHABLE]
        super().submit(lost, group)
        for approved in orders:
            if approved not in lost:
                task = asyncio.ensure_future(self._take(approved, self.delays.pop(0)))
                self._late.add(task)
                task.add_done_callback(self._late.discard)

    async def _take(self, approved: Any, delay: float) -> None:
        """Take an order late."""
        await self._clock.sleep_until(self._clock.now() + timedelta(seconds=delay))
        super().submit([approved])


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures after each bar, by the end of the bar, and at the end of the session.

    *prices*, *script* and *limits* are those of the probe ``session``, *delays* the seconds after
    which the venue speaks of each order.
    """
    return asyncio.run(_run(arguments, f"sqlite:///{Path(session.JOURNAL).resolve()}"))


async def _run(arguments: Mapping[str, Any], database: str) -> dict[str, Any]:
    clock = session.Serious(BEGIN)
    instruments = {SYMBOL: session.instrument_of(SYMBOL)}
    found: dict[str, dict[str, float]] = {}
    with Journal.open(database, session="S", clock=clock.now, key=SigningKey.generate()) as journal:
        venue = Slow(
            instruments, {"USDT": session.CASH}, clock=clock, rules=session.rules_of(arguments)
        )
        venue.delays = [float(each) for each in arguments["delays"]]
        engine = Engine(
            session.Scripted(script=json.dumps(arguments["script"])),
            instruments,
            session.settings_of(arguments, (SYMBOL,)),
        )
        watch = _watch(database, clock)

        def feed(run: Runner) -> ReplayFeed:
            async def settled() -> None:
                await run.settled()
                found[clock.now().isoformat()] = await asyncio.to_thread(_figures, watch)

            bars = session.bars_of(arguments["prices"], BEGIN)
            return ReplayFeed(
                bars,
                clock,
                settled=settled,
                ended=lambda: run.operate("stop", "somebody", "the data ended"),
            )

        runner = Runner(
            engine,
            venue=venue,
            feed=feed,
            clock=clock,
            journal=journal,
            notifier=session.Alerts(),
            started=session.started_at(BEGIN),
            wall=clock.now,
        )
        venue.runner = runner
        async with ControlServer(socket_file(Home(watch.settings.home)), _answering(engine)):
            ending = await runner.run(enabled_by="somebody", reason="a check")
            end = await asyncio.to_thread(_figures, watch)
    return {"bars": found, "end": end, "code": ending.code}


def _answering(engine: Engine) -> Callable[[Request], Awaitable[dict[str, Any]]]:
    """Return what tells how *engine* stands, as that of a session does."""

    async def answer(_request: Request) -> dict[str, Any]:
        return {"status": summary(engine.state)}

    return answer


def _watch(database: str, clock: session.Serious) -> Watch:
    """Return what the interface of a deployment with this journal looks through."""
    home = create_home(Path("home"), "dev", lambda: BEGIN).root
    return Watch(load_settings(home, {"DB_URL": database}), clock.now)


def _figures(watch: Watch) -> dict[str, float]:
    """Return the figures that are exported now, by name and labels."""
    text = exposition(watch.view()).decode()
    return dict(_read(text.splitlines()))


def _read(lines: Iterable[str]) -> Iterable[tuple[str, float]]:
    """Yield name and value of each figure."""
    for line in lines:
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, float(Decimal(value)) if value != "+Inf" else float("inf")
