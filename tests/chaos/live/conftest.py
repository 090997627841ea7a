"""A practice exchange in one process, engines in others, and what there is to ask of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest

from rustybt.deployment import create_home
from rustybt.exchange.serving import ExchangeProcess
from rustybt.exchange.signing import sign
from rustybt.home import Home
from rustybt.journal.places import journal_url
from rustybt.journal.verification import verify_journal
from rustybt.settings import load_settings
from rustybt.trading.clocks import WallClock
from rustybt.trading.control import ControlError, Request, ask, socket_file

HERE = Path(__file__).parent
PATIENCE_S = float(os.environ.get("CHAOS_PATIENCE", "120"))
"""How long what must come may take; no machine should be so slow."""
PAUSE_S = 0.02
LEASE_S = 0.1
WIRE = {"ELMUSDT": "ELM/USDT", "OAKUSDT": "OAK/USDT"}
OPEN = ("NEW", "PARTIALLY_FILLED")
OPEN_HERE = ("accepted", "partially_filled")


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until something holds; say *what* is wrong if it never does."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what()
        time.sleep(PAUSE_S)


class Truth:
    """What the exchange says of the account, asked without the adapter that the engine uses."""

    def __init__(self, exchange: ExchangeProcess) -> None:
        self._exchange = exchange
        self.orders: dict[int, dict[str, Any]] = {}

    def get(self, endpoint: str, **params: object) -> Any:
        """Return the answer to a signed question."""
        query = urlencode({**params, "timestamp": int(time.time() * 1000)})
        signed = f"{query}&signature={sign(self._exchange.secret, query)}"
        request = HttpRequest(  # noqa: S310 - our own exchange on loopback
            f"{self._exchange.url}/api/v3/{endpoint}?{signed}",
            headers={"X-MBX-APIKEY": self._exchange.api_key},
        )
        with urlopen(request, timeout=PATIENCE_S) as reply:  # noqa: S310 - as above
            return json.loads(reply.read())

    def plain(self, endpoint: str, **params: object) -> Any:
        """Return the answer to a question that anybody may ask."""
        address = f"{self._exchange.url}/api/v3/{endpoint}?{urlencode(params)}"
        with urlopen(address, timeout=PATIENCE_S) as reply:  # noqa: S310 - our own exchange
            return json.loads(reply.read())

    def refresh(self) -> None:
        """Ask for the orders that may have changed."""
        for symbol in WIRE:
            own = [each for each in self.orders.values() if each["symbol"] == symbol]
            working = [each["orderId"] for each in own if each["status"] in OPEN]
            newest = max((each["orderId"] for each in own), default=0)
            first = min([*working, newest])
            while found := self.get("allOrders", symbol=symbol, orderId=first, limit=1000):
                self.orders |= {each["orderId"]: each for each in found}
                if len(found) < 1000:
                    break
                first = found[-1]["orderId"] + 1

    def amounts(self) -> dict[str, Decimal]:
        """Return what the account has of everything."""
        balances = self.get("account")["balances"]
        totals = {
            each["asset"]: Decimal(each["free"]) + Decimal(each["locked"]) for each in balances
        }
        return {asset: total for asset, total in totals.items() if total}


class Engines:
    """Starts engines of one home on one exchange, one after the other or beside each other."""

    def __init__(self, exchange: ExchangeProcess, home: Path, maker: subprocess.Popen[str]) -> None:
        self.home = home
        self._exchange, self._maker = exchange, maker
        self.settings = load_settings(home, {})
        self.chance = random.Random(home.name)  # noqa: S311 - repeatable, no secret

    def start(self, lease: float = LEASE_S, **terms: Any) -> int:
        """Start an engine, on *terms* of its process; return that."""
        wanted = {
            "url": self._exchange.url,
            "key": self._exchange.api_key,
            "secret": self._exchange.secret,
            "home": str(self.home),
            "seed": self.chance.randrange(2**32),
            "lease": lease,
            **terms,
        }
        assert self._maker.stdin is not None
        assert self._maker.stdout is not None
        self._maker.stdin.write(json.dumps(wanted) + "\n")
        self._maker.stdin.flush()
        return int(self._maker.stdout.readline())

    def ask(self, command: str, **arguments: str) -> dict[str, Any]:
        """Return what the engine that runs answers; nothing if none does yet."""
        request = Request(command=command, operator="chaos", reason="a test", arguments=arguments)
        with contextlib.suppress(ControlError):
            return ask(socket_file(Home(self.home)), request)
        return {}

    def log(self, last: int = 25) -> str:
        """Return what the engines said last, in so many lines."""
        path = self.home / "engine.log"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return "\n".join(lines[-last:])

    def chain(self) -> None:
        """Look at every record of the journal."""
        report = verify_journal(journal_url(self.settings))
        assert report.ok, report.finding

    @property
    def database(self) -> Path:
        """Where the journal is."""
        return Path(journal_url(self.settings).removeprefix("sqlite:///"))

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return what the journal holds of one kind of event or command."""
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            rows = database.execute("SELECT payload FROM journal ORDER BY sequence").fetchall()
        found = [json.loads(payload) for (payload,) in rows]
        return [each for each in found if each.get("type") == kind]


def lives(pid: int) -> bool:
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(pid: int) -> None:
    """Kill an engine at once, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid), lambda: f"{pid} does not die")


def differences(engines: Engines, truth: Truth, pid: int) -> list[str]:
    """Return in what the engine and the exchange differ: orders, trades, amounts."""
    said = engines.ask("orders", ended="yes")
    balance, status = engines.ask("balance"), engines.ask("status")
    if not (said and balance and status):
        return ["the engine does not answer"]
    if not status["status"]["session_id"].endswith(f"-{pid}"):
        return ["the session has not begun"]
    truth.refresh()
    here = {each["client_id"]: each for each in said["orders"]}
    there = {each["clientOrderId"]: each for each in truth.orders.values()}
    found = [f"{len(truth.orders)} orders at the exchange with {len(there)} ids"]
    if len(there) == len(truth.orders):
        found.clear()
    found += [f"{each} is at the exchange and unknown here" for each in there.keys() - here.keys()]
    found += [text for each in here.values() if (text := _differs(each, there))]
    ours = {asset: Decimal(text) for asset, text in balance["balance"]["cash"].items()}
    for symbol, position in balance["balance"]["positions"].items():
        ours[symbol.partition("/")[0]] = Decimal(position["quantity"])
    ours = {asset: amount for asset, amount in ours.items() if amount}
    if ours != (theirs := truth.amounts()):
        found.append(f"here {ours}, at the exchange {theirs}")
    if status["status"]["phase"] != "ready" or status["status"]["in_doubt"]:
        found.append(f"{status['status']['phase']}, {status['status']['in_doubt']} in doubt")
    if status["status"]["breaker"]["tripped"]:
        found.append(f"the breaker has tripped: {status['status']['breaker']['cause']}")
    return found


def _differs(order: dict[str, Any], there: dict[str, Any]) -> str:
    """Say in what an order differs from what the exchange has under its id."""
    placed = there.get(order["client_id"])
    is_open = order["state"] in OPEN_HERE
    if placed is None:
        lost = is_open or Decimal(order["filled"])
        return f"{order['client_id']} is {order['state']}, and nowhere else" if lost else ""
    if Decimal(placed["executedQty"]) != Decimal(order["filled"]):
        return f"{order['client_id']} traded {order['filled']}, not {placed['executedQty']}"
    if is_open != (placed["status"] in OPEN):
        return f"{order['client_id']} is {order['state']}, not {placed['status']}"
    return ""


@contextlib.contextmanager
def script(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a file of this folder."""
    with subprocess.Popen(
        [sys.executable, "-P", str(HERE / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(stream: IO[str] | None) -> dict[str, Any]:
    """Return the document in the first line."""
    assert stream is not None
    document: dict[str, Any] = json.loads(stream.readline())
    return document


class World:
    """An exchange whose market moves only while it is let, and engines that trade on it."""

    def __init__(self, exchange: ExchangeProcess, engines: Engines, seed: int) -> None:
        self.exchange, self.engines, self.truth = exchange, engines, Truth(exchange)
        self.chance = random.Random(seed)  # noqa: S311 - repeatable chance, no secret
        self.pid = 0

    def start(self, **terms: Any) -> int:
        """Start an engine; return its process."""
        self.pid = self.engines.start(**terms)
        return self.pid

    def until(self, holds: Callable[[], object]) -> World:
        """Wait until something holds."""
        until(lambda: bool(holds()), self.engines.log)
        return self

    def agree(self, pid: int = 0) -> World:
        """Wait until the engine that runs and the exchange say the same of everything."""
        found: list[str] = []

        def same() -> bool:
            found[:] = differences(self.engines, self.truth, pid or self.pid)
            return not found

        until(same, lambda: f"{found[:10]}\n{self.engines.log()}")
        return self

    def trade(self, **terms: Any) -> World:
        """Start an engine that may trade as soon as it has recovered."""
        self.start(**terms)
        self.agree()
        self.engines.ask("enable")
        return self.until(lambda: self.status("enabled"))

    def status(self, name: str) -> Any:
        """Return one thing that the engine says of itself; nothing if it does not answer."""
        return self.engines.ask("status").get("status", {}).get(name)

    def kill(self, pid: int = 0) -> World:
        """Kill an engine."""
        kill(pid or self.pid)
        return self

    def ended(self) -> World:
        """Wait until the engine has ended by itself."""
        return self.until(lambda: not lives(self.pid))

    def wish(self, quantity: str, limit: str | None = None) -> World:
        """Let an engine that does as it is told order so much at its next bar."""
        with (self.engines.home / "wishes").open("a") as wishes:
            wishes.write(json.dumps([quantity, limit]) + "\n")
        return self

    def placed(self) -> list[dict[str, Any]]:
        """Return the orders that the exchange has, oldest first."""
        self.truth.refresh()
        return [self.truth.orders[each] for each in sorted(self.truth.orders)]

    def ordered(self, count: int) -> World:
        """Let the market move until the exchange has so many orders."""
        with self.market():
            return self.until(lambda: len(self.placed()) >= count)

    @contextlib.contextmanager
    def market(self) -> Iterator[None]:
        """Let the market move."""
        over = threading.Event()

        def move() -> None:
            while not over.wait(PAUSE_S):
                self.exchange.step()

        mover = threading.Thread(target=move)
        mover.start()
        try:
            yield
        finally:
            over.set()
            mover.join()


@pytest.fixture(scope="session")
def maker() -> Iterator[subprocess.Popen[str]]:
    """Return what makes engines."""
    with script("engine_process.py") as process:
        yield process


@pytest.fixture
def world(
    request: pytest.FixtureRequest, tmp_path: Path, maker: subprocess.Popen[str]
) -> Iterator[World]:
    """Return an exchange with a home to trade on it."""
    seed = int(getattr(request, "param", 0))
    wanted = json.dumps({"seed": seed, "bars": 100_000})
    home = create_home(tmp_path / f"home{seed}", "dev", WallClock().now).root
    with script("exchange_process.py", wanted) as serving:
        said = first_line(serving.stdout)
        exchange = ExchangeProcess(
            url=said["url"],
            api_key=said["key"],
            secret=said["secret"],
            token=said["token"],
            account=said["account"],
            pid=serving.pid,
        )
        world = World(exchange, Engines(exchange, home, maker), seed)
        yield world
        if world.pid:
            world.kill()
