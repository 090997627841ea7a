"""Engines in processes of their own, each forked from one that has everything imported.

Run by path. Each line of JSON on the standard input makes one: where its home is, how to get into
the exchange, the seed of its strategy, for how long it holds the account, in seconds. The answer is
a line with its process id. What it has to say goes into ``engine.log`` of its home.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import random
import resource
import signal
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rustybt.adapters.venue.exchange import Access
from rustybt.errors import RustyBTError
from rustybt.exchange.serving import ccxt_config
from rustybt.journal.errors import LeaseHeldError
from rustybt.risk.limits import RiskLimits
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, live_session
from rustybt.trading.commands import Alert
from rustybt.trading.runner import RunnerSettings
from rustybt.trading.settings import GuardSettings
from rustybt.trading.simulation.strategy import RandomStrategy

PAUSE_S = 0.02


class Told(Strategy):
    """Orders at each bar of ELM/USDT what the next line of a file wants; counts what is done."""

    def __init__(self, wishes: Path) -> None:
        super().__init__()
        self._wishes = wishes

    def on_bar(self, bar: Any) -> None:
        """Do what is wished."""
        if bar.symbol != "ELM/USDT" or not self._wishes.exists():
            return
        done = int(self.state.get("done", 0))
        lines = self._wishes.read_text("utf-8").splitlines()
        if done < len(lines):
            quantity, limit = json.loads(lines[done])
            self.state["done"] = done + 1
            self.order(bar.symbol, quantity, limit=limit)


class Broken:
    """Cannot tell anybody anything."""

    def notify(self, alert: Alert, now: datetime) -> None:
        """Fail."""
        raise ConnectionError(f"{now}: nobody hears of {alert.kind}")


class Teller:
    """Tells people by writing it down."""

    def notify(self, alert: Alert, now: datetime) -> None:
        """Write it down."""
        tell(f"{now:%H:%M:%S.%f} {alert.severity} {alert.kind}: {alert.message}")


def tell(line: str) -> None:
    """Write a line into the log."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def engine(wanted: dict[str, Any]) -> Session:
    """Return a session that is ready to run."""
    access = Access(
        "practice", "binance", ccxt_config(wanted["url"], wanted["key"], wanted["secret"])
    )
    home = Path(wanted["home"])
    chance = random.Random(wanted["seed"])  # noqa: S311 - repeatable chance, no secret
    stale = wanted.get("stale_after")
    return live_session(
        load_settings(home, {}),
        Told(home / "wishes") if wanted.get("told") else RandomStrategy(chance),
        source=b"",
        access=access,
        symbols=["ELM/USDT", "OAK/USDT"],
        interval=timedelta(minutes=1),
        notifier=Broken() if wanted.get("broken_notifier") else Teller(),
        runner_settings=RunnerSettings(lease_for=timedelta(seconds=wanted["lease"])),
        silence=wanted.get("silence"),
        guard=GuardSettings(
            max_errors=None,
            max_rejections=None,
            max_snapshot_failures=None,
            stale_after=None if stale is None else timedelta(seconds=stale),
        ),
        limits=RiskLimits(),
        reconcile_every=timedelta(seconds=0.5),
        overlap=timedelta(minutes=10),
        query_after=timedelta(seconds=0.1),
        query_threshold=timedelta(seconds=0.4),
        query_tries=3,
    )


def wired(wanted: dict[str, Any]) -> Session:
    """Return a session as soon as the account is free; it is refused before that."""
    refused = False
    while True:
        try:
            return engine(wanted)
        except LeaseHeldError as error:
            if not refused:
                tell(f"refused: {error}")
            refused = True
        time.sleep(PAUSE_S)


def live(wanted: dict[str, Any]) -> int:
    """Be an engine; return the exit code."""
    log = os.open(Path(wanted["home"]) / "engine.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 2)
    os.dup2(log, 1)
    tell(f"== process {os.getpid()}")
    if "largest_file" in wanted:  # a disk that is full: files grow no further
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["largest_file"],) * 2)
    try:
        session = wired(wanted)
        ending = asyncio.run(session.run_async(enabled_by=None, reason=""))
    except RustyBTError as error:
        tell(f"failed: {error}")
        return 2
    tell(f"== ended with {ending.code}: {ending.reason}")
    session.close()
    return ending.code


def main() -> None:
    """Make engines until nobody wants any more."""
    for name in ("ccxt", "ccxt.pro", "ccxt.async_support"):
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for what was killed
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(live(json.loads(line)))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
