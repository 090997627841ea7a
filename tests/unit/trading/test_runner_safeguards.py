"""A runner writes before it sends, survives those who listen, and ends when it may not go on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.journal.lease import Lease
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.strategy import Strategy
from rustybt.trading.clocks import WallClock
from rustybt.trading.engine import Engine
from rustybt.trading.feeds import ReplayFeed
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import FAILED, Ending, Runner, RunnerSettings
from rustybt.trading.settings import EngineSettings
from rustybt.trading.simulated import SimulatedVenue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rustybt.model.approval import RiskApproved
    from rustybt.model.group import OrderGroup
    from rustybt.trading.commands import Alert

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)


class Buys(Strategy):
    """Does what a test wants, then buys a unit, on each bar."""

    before: Callable[[], object] = staticmethod(lambda: None)

    def on_bar(self, bar: Any) -> None:
        """Do it."""
        self.before()
        self.buy(bar.symbol, 1)


class Counting(SimulatedVenue):
    """Counts what is sent; breaks when a test wants it to."""

    sent = 0
    broken = False

    def submit(self, orders: Sequence[RiskApproved], group: OrderGroup | None = None) -> None:
        """Count, then trade."""
        if self.broken:
            raise RuntimeError("the venue has a defect")
        self.sent += len(orders)
        super().submit(orders, group)


class Listener:
    """Keeps alerts; one that is deaf raises."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.deaf = False

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep it."""
        if self.deaf:
            raise OSError("nobody listens")
        self.alerts.append(alert)


class Stage:
    """A runner with everything real around it; the journal is a file."""

    def __init__(self, folder: Path, *, bars: int = 4, ends: bool = True) -> None:
        clock = WallClock()
        self.journal = Journal.open(
            f"sqlite:///{folder / 'journal.db'}",
            session="s1",
            clock=clock.now,
            key=SigningKey.generate(),
        )
        self.strategy, self.listener = Buys(), Listener()
        self.venue = Counting({"BTC/USDT": BTC}, {"USDT": Decimal(10_000)}, clock=clock)
        self.settings = RunnerSettings(lease_for=timedelta(seconds=0.06))
        self.lease = Lease.acquire(
            self.journal.engine,
            "account",
            owner="first",
            now=clock.now(),
            ttl=timedelta(hours=1),
        )
        price = Decimal(100)
        shown = [
            Bar(
                symbol="BTC/USDT",
                start=START + number * MINUTE,
                end=START + (number + 1) * MINUTE,
                open=price,
                high=price,
                low=price,
                close=price,
                volume=Decimal(10),
            )
            for number in range(bars)
        ]

        def feed(runner: Runner) -> ReplayFeed:
            over = (lambda: runner.operate("stop", "test", "the end")) if ends else None
            return ReplayFeed(shown, clock, settled=runner.settled, ended=over)

        self.runner = Runner(
            Engine(
                self.strategy,
                {"BTC/USDT": BTC},
                EngineSettings(symbols=("BTC/USDT",), interval=MINUTE, currency="USDT"),
            ),
            venue=self.venue,
            feed=feed,
            clock=clock,
            journal=self.journal,
            notifier=self.listener,
            started=SessionStarted(
                time=clock.now(),
                session="s1",
                mode="paper",
                clock=clock.kind,
                venue="simulated",
                account="account",
                strategy="Buys",
                digest="d",
                version="1",
            ),
            wall=clock.now,
            settings=self.settings,
            lease=self.lease,
        )

    def run(self) -> Ending:
        """Run the session."""
        try:
            return asyncio.run(self.runner.run(enabled_by="test", reason="a test"))
        finally:
            self.journal.close()


def test_a_session_trades_and_ends_in_good_order(tmp_path: Path) -> None:
    """Orders are sent, the end is planned and code 0."""
    stage = Stage(tmp_path)
    ending = stage.run()
    assert (ending.code, ending.reason) == (0, "stopped: the end")
    assert stage.venue.sent == 4


def test_nothing_is_sent_that_could_not_be_written_down(tmp_path: Path) -> None:
    """A journal that takes no more ends the session before the order leaves, and people know."""
    stage = Stage(tmp_path)
    stage.strategy.before = stage.journal.close
    ending = stage.run()
    assert ending.code == FAILED
    assert "takes no more records" in ending.reason
    assert stage.venue.sent == 0
    assert [alert.kind for alert in stage.listener.alerts if alert.kind == "session_failed"]


def test_whoever_listens_cannot_stop_trading(tmp_path: Path) -> None:
    """Alerts that cannot be delivered are counted, nothing else."""
    stage = Stage(tmp_path)
    stage.listener.deaf = True
    assert stage.run().code == 0
    assert stage.venue.sent == 4
    assert stage.runner.unsent_alerts > 0


def test_a_defect_ends_the_session_and_is_told(tmp_path: Path) -> None:
    """What nobody had foreseen ends the session with its code; the error is kept."""
    stage = Stage(tmp_path)
    stage.venue.broken = True
    ending = stage.run()
    assert ending.code == FAILED
    assert "the venue has a defect" in ending.reason
    assert isinstance(stage.runner.error, RuntimeError)


def test_a_lease_that_was_taken_over_ends_the_session(tmp_path: Path) -> None:
    """Once another engine has the account, this one stops at once."""
    stage = Stage(tmp_path, ends=False)
    later = WallClock().now() + timedelta(hours=2)

    def take_over() -> None:
        Lease.acquire(
            stage.journal.engine, "account", owner="second", now=later, ttl=timedelta(hours=1)
        )
        stage.strategy.before = type(stage.strategy).before

    stage.strategy.before = take_over
    ending = stage.run()
    assert ending.code == FAILED
    assert "taken over" in ending.reason


@pytest.mark.parametrize("code", [0, 4])
def test_a_session_can_be_ended_at_once(tmp_path: Path, code: int) -> None:
    """Abort sends nothing more; the first reason counts."""
    stage = Stage(tmp_path, ends=False)

    def give_up() -> None:
        stage.runner.abort("enough", code)
        stage.runner.abort("again", 9)

    stage.strategy.before = give_up
    ending = stage.run()
    assert (ending.code, ending.reason) == (code, "enough")
