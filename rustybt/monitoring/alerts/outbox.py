"""Alerts on the disk until every channel has them: a crash loses none that was accepted."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rustybt.files import PRIVATE_FOLDER, write_atomic
from rustybt.monitoring.alerts.errors import AlertsError
from rustybt.trading.commands import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CAPACITY: Final = 10_000
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An alert on its way to the channels *pending*. *at* is the session's time, UTC."""

    id: str
    at: datetime
    kind: str
    severity: Severity
    text: str
    details: tuple[tuple[str, str], ...] = ()
    pending: tuple[str, ...] = ()


class Outbox:
    """The folder of messages that are not delivered everywhere yet, a file for each.

    Every method may be called from any thread. What lies there at first was left by a process that
    ended early. Only one process at a time may :meth:`claim` the delivery.
    """

    def __init__(self, folder: Path, *, capacity: int = CAPACITY) -> None:
        self._folder = folder
        self._capacity = capacity
        self._lock = threading.Lock()
        self._claimed: int | None = None
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._messages = {one.id: one for one in self._on_disk()}

    def put(self, message: Message) -> None:
        """Keep *message*: when this returns it survives a crash.

        Raise :class:`AlertsError` if there are *capacity* messages, ``OSError`` if the disk
        refuses.
        """
        with self._lock:
            if len(self._messages) >= self._capacity:
                raise AlertsError(f"{self._capacity} alerts wait for delivery; no more are taken")
            write_atomic(self._file(message.id), _encoded(message))
            self._messages[message.id] = message

    def waiting(self, channel: str) -> list[Message]:
        """Return the messages that *channel* has yet to get, oldest first."""
        with self._lock:
            found = [one for one in self._messages.values() if channel in one.pending]
        return sorted(found, key=lambda one: one.id)

    def delivered(self, messages: Sequence[Message], channel: str) -> None:
        """Take note that *channel* has *messages*; those that all have are removed."""
        with self._lock:
            for message in messages:
                self._settle(message.id, channel)

    def forget_channels_but(self, known: Sequence[str]) -> None:
        """Stop waiting for channels that are not *known* any more."""
        with self._lock:
            gone = {
                (one.id, name)
                for one in self._messages.values()
                for name in one.pending
                if name not in known
            }
            for identity, name in sorted(gone):
                self._settle(identity, name)

    def claim(self) -> bool:
        """Become the process that delivers; tell whether no other one does.

        What another process left is known from then on. The kernel frees the claim of a process
        that dies.
        """
        with self._lock:
            if self._claimed is not None:
                return True
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._claimed = descriptor
            self._messages = {one.id: one for one in self._on_disk()}
            return True

    def close(self) -> None:
        """Give the claim up."""
        with self._lock:
            if self._claimed is not None:
                os.close(self._claimed)
                self._claimed = None

    def _settle(self, identity: str, channel: str) -> None:
        """Take *channel* off a message's list, and the message off the disk with the last one."""
        message = self._messages.get(identity)
        if message is None:
            return
        left = tuple(name for name in message.pending if name != channel)
        if left:
            self._messages[identity] = replace(message, pending=left)
            write_atomic(self._file(identity), _encoded(self._messages[identity]))
        else:
            self._file(identity).unlink(missing_ok=True)
            del self._messages[identity]

    def _on_disk(self) -> list[Message]:
        """Return what lies in the folder. What cannot be read is set aside, not lost."""
        found = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                found.append(_decoded(path.stem, path.read_bytes()))
            except FileNotFoundError:  # somebody else has just delivered it
                continue
            except (ValueError, KeyError, TypeError, AttributeError):
                path.rename(path.with_suffix(".unreadable"))
        return found

    def _file(self, identity: str) -> Path:
        return self._folder / f"{identity}{_SUFFIX}"


def _encoded(message: Message) -> bytes:
    fields: dict[str, Any] = {
        "at": message.at.isoformat(),
        "kind": message.kind,
        "severity": str(message.severity),
        "text": message.text,
        "details": dict(message.details),
        "pending": list(message.pending),
    }
    return json.dumps(fields).encode()


def _decoded(identity: str, data: bytes) -> Message:
    fields = json.loads(data)
    return Message(
        id=identity,
        at=datetime.fromisoformat(fields["at"]),
        kind=str(fields["kind"]),
        severity=Severity(fields["severity"]),
        text=str(fields["text"]),
        details=tuple((str(key), str(value)) for key, value in fields["details"].items()),
        pending=tuple(map(str, fields["pending"])),
    )
