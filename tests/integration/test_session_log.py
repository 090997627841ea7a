"""What a session leaves in its log: JSON lines with its name, and no secret."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.settings import load_settings
from rustybt.system.logs import known_secrets

STRATEGY = '''
from rustybt.strategy import Strategy


class Fails(Strategy):
    """Raises at its first bar."""

    def on_bar(self, bar):
        raise ValueError("the strategy is broken")
'''

BUYS = '''
from rustybt.strategy import Strategy


class Buys(Strategy):
    """Buys once; later orders more than it may."""

    def on_start(self):
        self.seen = 0

    def on_bar(self, bar):
        self.seen += 1
        if self.seen == 1:
            self.buy(bar.symbol, 1)
        if self.seen == 5:
            self.buy(bar.symbol, 1_000_000)
'''
KEY = "canary-of-the-vault-1234"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment with a strategy beside it."""
    (tmp_path / "fails.py").write_text(STRATEGY, "utf-8")
    (tmp_path / "buys.py").write_text(BUYS, "utf-8")
    return create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root


def test_a_session_logs_how_it_began_what_went_wrong_and_how_it_ended(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is one object with time, level, event and the session; alerts are among them."""
    strategy = str(home.parent / "fails.py")
    run(["paper-trade", "--home", str(home), "--strategy", strategy, "--broker", "simulated"])
    capsys.readouterr()

    (file,) = (home / "logs").glob("rustybt-*.jsonl")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [lines[0]["event"], lines[-1]["event"]] == ["session begins", "session ended"]
    assert len({line["session"] for line in lines}) == 1
    assert all({"time", "level"} <= line.keys() for line in lines)
    told = [line["event"] for line in lines if line["level"] == "critical"]
    assert any("the strategy is broken" in event for event in told)


def trade(home: Path) -> int:
    """Run a session that buys; return its exit code."""
    bought = ["--strategy", str(home.parent / "buys.py"), "--symbol", "ELM/USDT"]
    return run(["paper-trade", "--home", str(home), "--broker", "simulated", *bought])


def test_each_step_of_an_order_names_the_order(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sent, accepted, filled; an order that is not sent; who enabled and who stopped trading."""
    assert trade(home) == 0
    capsys.readouterr()

    (file,) = (home / "logs").glob("rustybt-*.jsonl")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    steps = [line["event"] for line in lines if line.get("order", "").endswith("-1-1")]
    assert steps == ["order sent", "order accepted", "order filled"]
    (filled,) = (line for line in lines if line["event"] == "order filled")
    assert (filled["symbol"], filled["quantity"]) == ("ELM/USDT", "1")
    assert any(line["event"].startswith("denied: ") and line.get("order") for line in lines)
    said = [line["event"] for line in lines]
    assert {"the engine starts", "enable was commanded", "stop was commanded"} <= set(said)


def test_a_log_that_cannot_be_written_stops_nobody(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the folder of the log should be there is a file: the session trades as ever."""
    env = home / ".env"
    env.write_text(env.read_text("utf-8").replace("LOG_DIR=logs", "LOG_DIR=no-folder"), "utf-8")
    (home / "no-folder").write_text("", "utf-8")
    assert trade(home) == 0

    assert "1, 0 still open" in capsys.readouterr().out
    assert not list(home.rglob("rustybt-*.jsonl"))


def test_secrets_of_settings_and_vault_are_known(home: Path) -> None:
    """The session hides what it does not use itself, too."""
    with (home / ".env").open("a", encoding="utf-8") as file:
        file.write(f"KRAKEN_API_KEY={KEY}\nKRAKEN_API_SECRET={KEY}-2\n")
    assert run(["encrypt-credentials", "--home", str(home)]) == 0
    with (home / ".env").open("a", encoding="utf-8") as file:
        file.write(f"BITGET_API_KEY={KEY}-3\n")
    url = "postgresql://user:" + KEY + "-4@localhost/db"
    settings = load_settings(home, {"DB_URL": url})
    found = known_secrets(settings, lambda: datetime.now(UTC))

    assert {KEY, f"{KEY}-2", f"{KEY}-3", f"{KEY}-4"} <= set(found)
    assert {key.get_secret_value() for key in settings.encryption_keys()} <= set(found)


def test_with_lines_for_people_there_is_no_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LOG_FORMAT=console puts them on stderr, each alert once."""
    env = home / ".env"
    env.write_text(env.read_text("utf-8").replace("LOG_FORMAT=json", "LOG_FORMAT=console"))
    strategy = str(home.parent / "fails.py")
    run(["paper-trade", "--home", str(home), "--strategy", strategy, "--broker", "simulated"])
    said = capsys.readouterr().err

    assert not list((home / "logs").glob("rustybt-*.jsonl"))
    assert "session begins" in said
    assert said.count("trading stopped") == 1
