"""The HTTP interface on loopback, beside an engine that runs, and after its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.api.errors import ApiError
from rustybt.api.serving import listener, make_server, url_of
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.errors import RustyBTError
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, paper_session
from rustybt.trading.settings import GuardSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKEN = "a-token-of-thirty-two-characters-"
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)
HALT = {"operator": "ann", "reason": "a test"}


class Resting(Strategy):
    """Keeps a buy order far below the market, and buys one unit on the first bar."""

    def on_bar(self, bar: Any) -> None:
        """Order twice."""
        if not self.state:
            self.state["done"] = True
            self.buy(bar.symbol, 1)
            self.buy(bar.symbol, 1, limit="1")


class Answer:
    """What came back: the code, the headers, the text."""

    def __init__(self, code: int, headers: Any, text: str) -> None:
        self.code, self.headers, self.text = code, headers, text

    @property
    def json(self) -> Any:
        """The document in the text."""
        return json.loads(self.text)

    @property
    def figures(self) -> dict[str, float]:
        """The figures in the text, by name and labels."""
        lines = (line for line in self.text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def get(url: str, token: str | None = None, body: Any = None, **headers: str) -> Answer:
    """Ask a server; POST if there is a *body*."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - the same
            return Answer(reply.status, reply.headers, reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: START).root


@contextlib.contextmanager
def server(home: Path, clock: Callable[[], datetime], **environ: str) -> Iterator[str]:
    """Serve a deployment at a free port; yield the address."""
    settings = load_settings(home, {"API_ENABLED": "true", **environ})
    with listener(settings, "127.0.0.1", 0) as listening:
        running = make_server(settings, clock)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield url_of(listening)
        finally:
            running.should_exit = True
            thread.join()


def bars(*times: datetime) -> list[Bar]:
    """Return bars at 100, then at 101, and so on."""
    return [
        Bar("BTC/USDT", time, time + MINUTE, price, price, price, price, Decimal(10))
        for time, price in zip(times, map(Decimal, range(100, 200)), strict=False)
    ]


def session(home: Path, speed: float | None, *times: datetime) -> Session:
    """Return a paper session that trades at once."""
    return paper_session(
        load_settings(home, {}),
        Resting(),
        source=b"",
        bars=bars(*times),
        instruments={"BTC/USDT": BTC},
        cash={"USDT": Decimal(10_000)},
        speed=speed,
        guard=GuardSettings(),
        reconcile_every=timedelta(days=1),
    )


def traded(home: Path) -> None:
    """Let a session trade on three bars, to its end."""
    wired = session(home, None, START, START + MINUTE, START + 2 * MINUTE)
    try:
        assert wired.run(enabled_by="test", reason="a test").code == 0
    finally:
        wired.close()


async def settled(wired: Session, running: asyncio.Future[Any]) -> None:
    """Return when the strategy holds what it bought."""
    while not running.done():
        await asyncio.sleep(0.01)
        with contextlib.suppress(RustyBTError):
            if wired.runner.engine.ledger.quantities():
                return


def while_it_runs(home: Path, work: Callable[[], Any]) -> Any:
    """Return what *work* does in a thread while an engine runs that has traded."""

    async def both() -> Any:
        endless = START + timedelta(days=36_500)  # nobody will live to see it
        wired = session(home, 6000.0, START, START + MINUTE, endless)
        running = asyncio.ensure_future(wired.run_async(enabled_by="test", reason="a test"))
        try:
            await settled(wired, running)
            found = await asyncio.to_thread(work)
            wired.runner.abort("the test is over", 0)
            await running
        finally:
            wired.close()
        return found

    return asyncio.run(both())


def clock() -> datetime:
    """Return a time shortly after the bars."""
    return START + 5 * MINUTE


def test_what_a_session_left_is_told_exactly(home: Path) -> None:
    """Equity, the day's result, positions and orders are those of the journal, as exact text."""
    traded(home)
    with server(home, clock) as url:
        status = get(f"{url}/status").json
        metrics = get(f"{url}/metrics")
    assert status["engine"] == "not running"
    assert status["equity"] == "10001"
    assert status["daily_pnl"] == "1"
    assert status["cash"] == {"USDT": "9899"} or status["cash"]["USDT"]
    assert metrics.code == 200
