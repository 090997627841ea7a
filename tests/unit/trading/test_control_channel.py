"""The channel by which people reach a running engine."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.trading.control import ControlError, ControlServer, NotRunningError, Request, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def _answer(request: Request) -> dict[str, Any]:
    """Say what was asked; refuse to halt."""
    if request.command == "halt":
        raise ControlError("not now", remedy="ask later")
    return {"asked": request.command}


def _talk(path: Path, work: Callable[[], Any]) -> Any:
    """Return what *work* does in a thread while a server listens at *path*."""

    async def talking() -> Any:
        async with ControlServer(path, _answer):
            return await asyncio.to_thread(work)

    return asyncio.run(talking())


def test_a_request_is_answered(tmp_path: Path) -> None:
    """Who asks gets the engine's answer."""
    path = tmp_path / "control.sock"
    assert _talk(path, lambda: ask(path, Request(command="status"))) == {"asked": "status"}


def test_a_refusal_is_an_error_with_its_words(tmp_path: Path) -> None:
    """What the engine refuses is an error that says why."""
    path = tmp_path / "control.sock"
    with pytest.raises(ControlError, match=r"not now.*ask later"):
        _talk(path, lambda: ask(path, Request(command="halt")))


def test_only_the_owner_can_open_the_socket(tmp_path: Path) -> None:
    """The socket's mode is 0600."""
    path = tmp_path / "control.sock"
    assert _talk(path, lambda: stat.S_IMODE(path.stat().st_mode)) == 0o600


def test_the_socket_is_gone_afterwards(tmp_path: Path) -> None:
    """A session that ended leaves no socket, and who asks learns that none runs."""
    path = tmp_path / "control.sock"
    _talk(path, lambda: None)
    assert not path.exists()
    with pytest.raises(NotRunningError, match="no engine is running"):
        ask(path, Request(command="status"))


def test_a_socket_that_a_killed_engine_left_is_replaced(tmp_path: Path) -> None:
    """Nobody listens at a dead engine's socket; the next engine takes its place."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunningError):
        ask(path, Request(command="status"))
    assert _talk(path, lambda: ask(path, Request(command="orders"))) == {"asked": "orders"}


def test_a_deep_home_is_no_obstacle(tmp_path: Path) -> None:
    """A socket's name may have 107 bytes; a home may lie deeper."""
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    folder.mkdir(parents=True)
    path = folder / "control.sock"
    assert _talk(path, lambda: ask(path, Request(command="status"))) == {"asked": "status"}


@pytest.mark.parametrize("line", [b"nonsense\n", b"[1]\n", b'{"\xff\n', b"[" * 10_000 + b"\n"])
def test_what_is_no_request_is_refused(tmp_path: Path, line: bytes) -> None:
    """A line that is no JSON object gets an error, and the next one an answer."""
    path = tmp_path / "control.sock"

    def both() -> tuple[dict[str, Any], dict[str, Any]]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.connect(str(path))
            lines = talk.makefile("rb")
            talk.sendall(line)
            first = json.loads(lines.readline())
            talk.sendall(b'{"command": "status"}\n')
            second = json.loads(lines.readline())
            lines.close()
        return first, second

    refused, answered = _talk(path, both)
    assert refused["ok"] is False
    assert "no request" in refused["error"]
    assert answered == {"ok": True, "asked": "status"}


def test_an_engine_that_ends_cuts_off_who_waits(tmp_path: Path) -> None:
    """A connection that is open when the engine ends is closed, not kept waiting."""
    path = tmp_path / "control.sock"
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def connect() -> None:
        talk.connect(str(path))
        talk.sendall(b'{"command": "status"}\n')
        assert talk.recv(100)

    with talk:
        _talk(path, connect)
        assert talk.recv(100) == b""


def test_an_engine_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """Neither silence nor a hang-up is taken for an answer."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(ControlError, match="does not answer"):
            ask(path, Request(command="status"), patience=0.05)


def test_a_place_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    """A socket that cannot be made is one clear error, for the server and for who asks."""
    path = tmp_path / "missing" / "control.sock"
    with pytest.raises(ControlError, match="cannot listen at"):
        _talk(path, lambda: None)
    plain = tmp_path / "file"
    plain.touch()
    with pytest.raises(ControlError):
        ask(plain / "control.sock", Request(command="status"))
