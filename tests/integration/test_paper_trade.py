"""``paper-trade`` and ``live-trade`` from the command line."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 3, 2, tzinfo=UTC)
STRATEGY = '''
from rustybt.strategy import Strategy


class Swing(Strategy):
    """Goes in and out, an order at a time."""

    def on_bar(self, bar):
        if not self.open_orders(bar.symbol):
            self.order_target_percent(bar.symbol, "0" if self.position(bar.symbol) else "0.05")
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    """Write a strategy."""
    path = tmp_path / "swing.py"
    path.write_text(STRATEGY)
    return path


def bars(folder: Path, count: int) -> Path:
    """Write bars of a minute."""
    chance = random.Random(1)  # noqa: S311 - bars, no secrets
    lines, price = ["timestamp,symbol,open,high,low,close,volume"], 10_000
    for number in range(count):
        begin, price = price, price + chance.randint(-40, 40)
        time = f"{START + number * timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        prices = (begin, max(begin, price) + 5, min(begin, price) - 5, price)
        lines.append(",".join([time, "ELM/USDT", *(f"{each / 100:.2f}" for each in prices), "50"]))
    path = folder / "bars.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def trade(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run paper-trade; return the result that it prints."""
    capsys.readouterr()
    code = run(["paper-trade", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    document: dict[str, Any] = json.loads(captured.out)
    return document


def test_a_simulated_session_trades_the_deployments_bars(
    home: Path, strategy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a file the bars are those of the deployment; the audit log is whole afterwards."""
    found = trade(capsys, "--home", home, "--strategy", strategy, "--broker", "simulated")
    assert found["reason"] == "stopped: the data ended"
    assert found["fills"] > 100
    assert found["orders"] >= found["fills"]
    assert found["open_orders"] == 0
    assert run(["verify-audit", "--home", str(home)]) == 0
    assert run(["status", "--home", str(home)]) == 0


def test_a_session_goes_on_where_the_last_one_ended(
    home: Path, strategy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second session begins behind the bars of the first, with what that one left."""
    common = ("--home", home, "--strategy", strategy, "--broker", "simulated")
    half = ("--data", bars(tmp_path, 60), "--duration", "30m")
    first = trade(capsys, *common, *half)
    assert "time of the session is over" in first["reason"]
    second = trade(capsys, *common, "--data", tmp_path / "bars.csv")
    assert second["session"] == first["session"] + 1
    assert second["fills"] > 5
    assert run(["verify-audit", "--home", str(home)]) == 0


def test_a_session_on_a_practice_exchange(
    home: Path, strategy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exchange is started for the session, and trades over the network like a real venue."""
    data = bars(tmp_path, 60)
    arguments = ("--home", home, "--strategy", strategy, "--broker", "practice", "--data", data)
    found = trade(capsys, *arguments, "--speed", "600x")
    assert found["reason"] == "stopped: the data ended"
    assert found["fills"] > 0
    assert found["breaker"]["tripped"] is False
    assert (home / "state" / "practice-exchange.db").exists()


def test_people_get_a_table(
    home: Path, strategy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result names what was traded and where the journal is."""
    data = str(bars(tmp_path, 20))
    arguments = ["--home", str(home), "--strategy", str(strategy), "--data", data]
    assert run(["paper-trade", *arguments, "--broker", "simulated", "--speed", "max"]) == 0
    shown = capsys.readouterr().out
    for word in ("orders", "fills", "denials", "equity", "breaker", "journal"):
        assert word in shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--speed", "quick"], "neither max nor like 60x"),
        (["--speed", "0x"], "neither max nor like 60x"),
        (["--duration", "soon"], "not like 30d or 12h"),
        (["--broker", "binance", "--speed", "60x"], "a pace of its own"),
        (["--broker", "binance"], "binance"),
        (["--broker", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    home: Path,
    strategy: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    problem: str,
) -> None:
    """One clear error, and nothing is traded."""
    given = ["--home", str(home), "--strategy", str(strategy), "--broker", "simulated"]
    assert run(["paper-trade", *given, *arguments]) in (1, 2)
    assert problem in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert not (home / "state" / "rustybt.db").exists()


def test_live_trade_wants_to_be_confirmed(
    home: Path, strategy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --confirm it shows what would be traded, with which limits and where, and refuses."""
    given = ["--home", str(home), "--strategy", str(strategy), "--broker", "binance"]
    assert run(["live-trade", *given]) == 1
    captured = capsys.readouterr()
    for word in ("Swing", "binance", "testnet", "max daily loss", "0.05", "ELM/USDT"):
        assert word in captured.out
    assert "--confirm" in captured.err
    assert run(["live-trade", *given, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["confirmed"] is False


def test_live_trade_needs_credentials_and_a_venue(
    home: Path, strategy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A venue without credentials is refused by their names; practice is no venue for it."""
    given = ["--home", str(home), "--strategy", str(strategy), "--confirm"]
    assert run(["live-trade", *given, "--broker", "binance"]) == 1
    assert "api_key" in capsys.readouterr().err
    assert run(["live-trade", *given, "--broker", "practice"]) == 2
    assert "paper-trade" in capsys.readouterr().err


def test_the_books_of_two_accounts_are_never_added_up(
    home: Path, strategy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A home that traded on paper refuses an account at a venue, and says what to do."""
    paper = ["--home", str(home), "--strategy", str(strategy), "--json"]
    assert run(["paper-trade", *paper, "--broker", "simulated"]) == 0
    capsys.readouterr()

    assert run(["paper-trade", *paper, "--broker", "practice", "--speed", "max"]) != 0
    said = capsys.readouterr().err
    assert "holds the books of paper" in said
    assert "another home" in said
