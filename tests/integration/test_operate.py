"""What a person asks and tells an engine from the command line, while it runs and afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.journal.errors import LeaseHeldError
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, paper_session
from rustybt.trading.settings import GuardSettings

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.trading.commands import Alert

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)


class Resting(Strategy):
    """Keeps a buy order far below the market, and buys one unit on the first bar."""

    def on_bar(self, bar: Any) -> None:
        """Order twice."""
        if not self.state:
            self.state["done"] = True
            self.buy(bar.symbol, 1)
            self.buy(bar.symbol, 1, limit="1")


class Quiet:
    """Takes alerts and keeps them."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep it."""
        self.alerts.append(alert)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: START).root


def bars() -> list[Bar]:
    """Return two bars at 100, and one that nobody will live to see."""
    price = Decimal(100)
    times = [START, START + MINUTE, START + timedelta(days=36_500)]
    return [
        Bar("BTC/USDT", time, time + MINUTE, price, price, price, price, Decimal(10))
        for time in times
    ]


def session(home: Path) -> Session:
    """Return a paper session that trades at once and does not end by itself."""
    return paper_session(
        load_settings(home, {}),
        Resting(),
        source=b"",
        bars=bars(),
        instruments={"BTC/USDT": BTC},
        cash={"USDT": Decimal(10_000)},
        notifier=Quiet(),
        speed=6000.0,
        guard=GuardSettings(),
        reconcile_every=timedelta(days=1),
    )


def command(home: Path, *arguments: str) -> int:
    """Run a command on the deployment; return its exit code."""
    return run([*arguments, "--home", str(home)])


def answer(home: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return the JSON document that a command prints."""
    capsys.readouterr()
    assert command(home, *arguments, "--json") == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_running_engine_answers(
    home: Path, capsys: pytest.CaptureFixture[str], while_it_runs: Any
) -> None:
    """Status, balance and orders are those of the engine, and people get tables."""

    def look() -> tuple[dict[str, Any], ...]:
        found = tuple(answer(home, capsys, each) for each in ("status", "balance", "orders"))
        assert [command(home, each) for each in ("status", "balance", "orders")] == [0, 0, 0]
        return found

    status, balance, orders = while_it_runs(session(home), look)
    shown = capsys.readouterr().out
    assert status["running"] is True
    assert status["enabled"] is True
    assert status["phase"] == "ready"
    assert status["breaker"]["tripped"] is False
    assert Decimal(balance["cash"]["USDT"]) == 9900
    assert Decimal(balance["positions"]["BTC/USDT"]["quantity"]) == 1
    assert [order["price"] for order in orders["orders"]] == ["1.00"]
    assert "running" in shown
    assert "BTC/USDT" in shown


def test_a_person_halts_and_resumes(
    home: Path, capsys: pytest.CaptureFixture[str], while_it_runs: Any
) -> None:
    """Halt trips the breaker and cancels what is open; resume resets it; both are on record."""

    def work() -> tuple[dict[str, Any], ...]:
        answer(home, capsys, "halt", "--reason", "too hot", "--operator", "ann")
        halted = answer(home, capsys, "status")
        answer(home, capsys, "resume", "--reason", "cooled down", "--operator", "ann")
        return halted, answer(home, capsys, "status")

    halted, resumed = while_it_runs(session(home), work)
    assert halted["breaker"]["tripped"] is True
    assert "too hot" in halted["breaker"]["cause"]
    assert resumed["breaker"]["tripped"] is False
    assert resumed["open_orders"] == 0
    journal = home.parent / "audit.jsonl"
    assert command(home, "export-audit", "--out", str(journal)) == 0
    said = journal.read_text()
    assert "too hot" in said
    assert "cooled down" in said
    assert "ann" in said


def test_a_person_cancels_an_order(
    home: Path, capsys: pytest.CaptureFixture[str], while_it_runs: Any
) -> None:
    """Cancel ends the order that is named; one that is not there is an error that names those."""

    def work() -> tuple[int, dict[str, Any]]:
        client_id = answer(home, capsys, "orders")["orders"][0]["client_id"]
        unknown = command(home, "cancel", "nothing", "--reason", "a test")
        assert client_id in capsys.readouterr().err
        answer(home, capsys, "cancel", client_id, "--reason", "a test")
        return unknown, answer(home, capsys, "orders", "--all")

    unknown, orders = while_it_runs(session(home), work)
    assert unknown == 1
    assert sorted(order["state"] for order in orders["orders"]) == ["cancelled", "filled"]


def test_afterwards_the_journal_answers(
    home: Path, capsys: pytest.CaptureFixture[str], while_it_runs: Any
) -> None:
    """Without a running engine the journal tells how things were left; nothing can be told."""
    while_it_runs(session(home), lambda: None)
    assert answer(home, capsys, "status")["running"] is False
    assert Decimal(answer(home, capsys, "balance")["cash"]["USDT"]) == 9900
    assert len(answer(home, capsys, "orders", "--all")["orders"]) == 2
    assert command(home, "status") == command(home, "orders", "--all") == 0
    assert "not running" in capsys.readouterr().out
    for each in ("halt", "resume", "flatten", "enable", "disable", "stop"):
        assert command(home, each, "--reason", "a test") == 1
        assert "no engine is running" in capsys.readouterr().err


def test_a_command_needs_a_reason(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person tells an engine is put on record with a reason; without one it is not told."""
    assert command(home, "resume") == 2
    assert command(home, "resume", "--reason", " ") == 2
    assert "--reason" in capsys.readouterr().err


def test_a_deployment_that_never_traded_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no journal there is nothing to show, and that is an error."""
    assert command(home, "status") == 1
    assert "there is no journal" in capsys.readouterr().err


def test_a_second_engine_is_refused(home: Path, while_it_runs: Any) -> None:
    """While one engine has the account, another does not start, and learns who has it."""

    def second() -> None:
        with pytest.raises(LeaseHeldError, match=r"is held by .*process .* until"):
            session(home)

    while_it_runs(session(home), second)
