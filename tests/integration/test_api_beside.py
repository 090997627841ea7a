"""A session serves the API itself, in a process that lives and dies with it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rustybt.api.beside import ApiProcess
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.settings import Settings, load_settings

STRATEGY = '''
from rustybt.strategy import Strategy


class Idle(Strategy):
    """Does nothing."""

    def on_bar(self, bar):
        pass
'''
PATIENCE_S = 60


@pytest.fixture
def port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def home(tmp_path: Path, port: int) -> Path:
    """Make a deployment that wants its API served, and a strategy beside it."""
    (tmp_path / "idle.py").write_text(STRATEGY, "utf-8")
    made = create_home(tmp_path / "home", "dev", lambda: datetime.now(UTC)).root
    env = made / ".env"
    text = env.read_text("utf-8").replace("API_ENABLED=false", "API_ENABLED=true")
    env.write_text(text.replace("API_PORT=8000", f"API_PORT={port}"), "utf-8")
    return made


@pytest.fixture
def settings(home: Path, port: int) -> Settings:
    """Return its settings."""
    found = load_settings(home, {})
    assert (found.api_enabled, found.api_port) == (True, port)
    return found


def asked(port: int) -> dict[str, Any] | None:
    """Return what ``/health`` says, ``None`` if nobody answers."""
    try:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
    except OSError:
        return None
    found: dict[str, Any] = json.loads(text)
    return found


def until(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; tell whether it does."""
    pause, tries = threading.Event(), int(PATIENCE_S / 0.05)
    return any(holds() or pause.wait(0.05) for _ in range(tries))


@contextlib.contextmanager
def session(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a session that lasts, in a process of its own."""
    command = [sys.executable, "-m", "rustybt", "paper-trade", "--home", str(home)]
    command += ["--strategy", str(home.parent / "idle.py"), "--broker", "simulated"]
    process = subprocess.Popen(
        [*command, "--speed", "3600x"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def is_healthy(port: int) -> bool:
    """Tell whether the engine behind the API answers."""
    found = asked(port)
    return found is not None and bool(found["components"]["engine"]["ok"])


def test_a_session_serves_the_api_until_it_is_stopped(home: Path, port: int) -> None:
    """Its own engine is running; with the session the server is gone, in good order."""
    with session(home) as process:
        assert until(lambda: is_healthy(port))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert asked(port) is None
    (file,) = (home / "logs").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    told = [line["event"] for line in lines if "API" in line["event"]]
    assert told == ["the API is served"]


def test_a_session_that_is_killed_leaves_no_server(home: Path, port: int) -> None:
    """The port is free for the next one."""
    with session(home) as process:
        assert until(lambda: is_healthy(port))
        process.kill()
        process.wait()
        assert until(lambda: asked(port) is None)


def test_a_server_that_ends_is_started_again(settings: Settings, port: int) -> None:
    """Whoever asks meanwhile waits; the log hears of it."""
    told: list[tuple[str, object]] = []
    with ApiProcess(settings, lambda level, _event, **fields: told.append((level, fields))) as api:
        assert until(lambda: asked(port) is not None)
        assert api.process is not None
        os.kill(api.process.pid, signal.SIGKILL)
        assert until(lambda: len(told) == 2)
        assert until(lambda: asked(port) is not None)
    assert told[1] == ("warning", {"code": -signal.SIGKILL, "seconds": 1.0})
    assert asked(port) is None


def test_an_address_that_is_taken_stops_no_session(
    home: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The session says so, in the log as well, and trades."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        strategy = str(home.parent / "idle.py")
        command = ["paper-trade", "--home", str(home), "--strategy", strategy]
        assert run([*command, "--broker", "simulated"]) == 0
    assert "the API is not served: cannot listen at 127.0.0.1" in capsys.readouterr().err
    (file,) = (home / "logs").glob("*.jsonl")
    assert '"event":"the API is not served"' in file.read_text("utf-8")
