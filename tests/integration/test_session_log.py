"""What a session leaves in its log: JSON lines with its name, and no secret."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rustybt.cli import run
from rustybt.deployment import create_home

STRATEGY = '''
from rustybt.strategy import Strategy


class Fails(Strategy):
    """Raises at its first bar."""

    def on_bar(self, bar):
        raise ValueError("the strategy is broken")
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment with a strategy beside it."""
    (tmp_path / "fails.py").write_text(STRATEGY, "utf-8")
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
