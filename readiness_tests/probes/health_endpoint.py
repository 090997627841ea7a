"""What ``/health`` answers while a session is well, and once its broker or its feed is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from readiness_tests.probes.adversity_session import Trading, database, trading
from rustybt.api.serving import listener, make_server, url_of
from rustybt.deployment import create_home
from rustybt.exchange.faults import FaultKind
from rustybt.home import Home
from rustybt.model.event import ConnectionLost
from rustybt.settings import Settings, load_settings
from rustybt.trading.control import ControlServer, Request, socket_file
from rustybt.trading.runner import RunnerSettings
from rustybt.trading.settings import FEED
from rustybt.trading.summary import summary

ANSWER_S = 60.0


class Watched:
    """A session, and the server that tells of it. *ahead* is what its clock is ahead of ours."""

    def __init__(self, trade: Trading) -> None:
        self.trade = trade
        self.ahead = timedelta()
        self.url = ""

    def now(self) -> datetime:
        """Return the server's time."""
        return datetime.now(UTC) + self.ahead

    async def health(self) -> dict[str, Any]:
        """Return the code and the states of an answer."""
        return await asyncio.to_thread(_ask, f"{self.url}/health")

    async def failing(self) -> dict[str, Any]:
        """Return the first answer that is not 200, or the last one when patience has ended."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        interval = RunnerSettings().heartbeat.total_seconds()
        while (answer := await self.health())["code"] == 200:
            if loop.time() - begin > Trading.patience:
                break
            await asyncio.sleep(0.05)
        return {**answer, "intervals": (loop.time() - begin) / interval}


def main(_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was answered in each case, by its name."""
    return asyncio.run(_all())


async def _all() -> dict[str, Any]:
    async with _served("broker-cut") as served:
        well = await served.health()
        served.trade.fault(FaultKind.DROP_REQUEST, count=None)
        broker = await served.failing()
    async with _served("feed-cut") as served:
        now = datetime.now(UTC)
        served.trade.runner.put(ConnectionLost(time=now, component=FEED, reason="cut off"))
        cut = await served.failing()
    async with _served("feed-silent") as served:
        before = await served.health()
        served.ahead = timedelta(minutes=4)  # a bar takes one
        silent = await served.health()
    return {"well": well, "broker": broker, "feed": cut, "before": before, "silent": silent}


@contextlib.asynccontextmanager
async def _served(name: str) -> AsyncIterator[Watched]:
    """Run a session that has seen a bar, and serve the home that it belongs to."""
    settings = _settings(name)
    async with trading(name) as trade:
        trade.wish(lambda _strategy: None)
        await trade.until(trade.heeded)

        async def answer(_request: Request) -> dict[str, Any]:
            return {"status": summary(trade.engine.state)}

        watched = Watched(trade)
        with listener(settings, "127.0.0.1", 0) as listening:
            watched.url = url_of(listening)
            server = make_server(settings, watched.now)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                async with ControlServer(socket_file(Home(settings.home)), answer):
                    yield watched
            finally:
                server.should_exit = True
                await asyncio.to_thread(thread.join)


def _settings(name: str) -> Settings:
    """Return the settings of a home whose journal is that of the session called *name*."""
    home = create_home(Path(f"{name}-home"), "dev", lambda: datetime.now(UTC)).root
    path = Path(database(name).removeprefix("sqlite:///")).resolve()
    environ = {"API_ENABLED": "true", "DB_URL": f"sqlite:///{path}"}
    return load_settings(home, {**os.environ, **environ})


def _ask(url: str) -> dict[str, Any]:
    """Return the code of an answer, and the state of each component in it."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_S) as reply:  # noqa: S310 - our own server
            code, text = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            code, text = error.code, error.read()
    components = json.loads(text)["components"]
    return {"code": code, "failing": [name for name, each in components.items() if not each["ok"]]}
