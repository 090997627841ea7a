"""The channel by which people reach an engine that runs: a socket that only its owner can open.

A request is one JSON object in a line, ``{"command": "halt", "operator": "ann", "reason": "..."}``;
so is the answer, ``{"ok": true, ...}`` or ``{"ok": false, "error": "..."}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rustybt.errors import RustyBTError
from rustybt.files import PRIVATE_FILE
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from rustybt.home import Home

    Answer = Callable[["Request"], Awaitable[dict[str, Any]]]
    """Does what a request wants and says what came of it; ``RustyBTError`` is told to the asker."""

_PATIENCE: Final = 10.0
"""Seconds that an engine may take to answer."""
_LONGEST: Final = 16_000_000
"""Bytes of a line: an engine with very many open orders."""


class ControlError(RustyBTError):
    """A running engine could not be asked, or refused."""


class NotRunningError(ControlError):
    """No engine listens."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants of a running engine."""

    command: str
    operator: str = ""
    reason: str = ""
    arguments: dict[str, str] = {}


def socket_file(home: Home) -> Path:
    """Return the socket of the engine that runs for *home*; mode 0600."""
    return home.state / "control.sock"


class ControlServer:
    """Listens at *path* and lets *answer* deal with requests, while it is entered.

    A socket that a killed engine left is replaced: the lease of the account, not this file, keeps a
    second engine out. Raise :class:`ControlError` if the socket cannot be made.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> ControlServer:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.unlink(missing_ok=True)
            with _short(self._path) as name:
                listener.bind(name)
            self._path.chmod(PRIVATE_FILE)
        except OSError as error:
            listener.close()
            raise ControlError(f"cannot listen at {self._path}: {error.strerror}") from error
        self._server = await asyncio.start_unix_server(self._accept, sock=listener, limit=_LONGEST)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        with contextlib.suppress(OSError):
            self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the lines of one who asks."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._talks.add(task)
        # Who asks may hang up at any time, or send a line without end.
        try:
            with contextlib.suppress(ConnectionError, ValueError):
                while line := await reader.readline():
                    writer.write(json.dumps(await self._answered(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            self._talks.discard(task)
            writer.close()

    async def _answered(self, line: bytes) -> dict[str, Any]:
        """Return the answer to one line."""
        try:
            request = msgspec.json.decode(line, type=Request)
            return {"ok": True, **await self._answer(request)}
        except MALFORMED as error:
            return {"ok": False, "error": f"this is no request: {error}"}
        except RustyBTError as error:
            return {"ok": False, "error": str(error)}


def ask(path: Path, request: Request, *, patience: float = _PATIENCE) -> dict[str, Any]:
    """Return what the engine that listens at *path* answers.

    Raise :class:`NotRunningError` if none does, :class:`ControlError` with its words if it refuses
    or takes longer than *patience* seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(patience)
        try:
            with _short(path) as name:
                talk.connect(name)
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunningError(
                f"no engine is running (nothing listens at {path})",
                remedy="start one with paper-trade or live-trade",
            ) from None
        except OSError as error:
            raise ControlError(f"cannot ask the engine at {path}: {error}") from None
        return _answer_of(talk, path, request)


def _answer_of(talk: socket.socket, path: Path, request: Request) -> dict[str, Any]:
    """Ask over a connection."""
    try:
        talk.sendall(msgspec.json.encode(request) + b"\n")
        with talk.makefile("rb") as lines:
            line = lines.readline()
    except OSError as error:
        raise ControlError(f"the engine at {path} does not answer: {error}") from None
    if not line:
        raise ControlError(f"the engine at {path} ended before it answered")
    answer: dict[str, Any] = json.loads(line)
    if not answer.pop("ok", False):
        raise ControlError(f"the engine refuses: {answer.get('error')}")
    return answer


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a name for *path* that fits into the 107 bytes that a socket's may have."""
    text = str(path)
    if len(os.fsencode(text)) <= 100:
        yield text
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
