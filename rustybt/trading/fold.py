"""What a journal adds up to: the state of the engine that wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from rustybt.model.errors import InvalidValueError
from rustybt.trading.books import Books
from rustybt.trading.commands import Recorded
from rustybt.trading.recorded import record
from rustybt.trading.reports import EngineEvent
from rustybt.trading.taking import take

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rustybt.trading.state import EngineState

EVENT = "event"
"""The kind of the records that hold an event."""
COMMAND = "command"
"""The kind of the records that hold what is kept of a command."""

_to_event = msgspec.json.Decoder(EngineEvent).decode
_to_command = msgspec.json.Decoder(Recorded).decode


class Entry(Protocol):
    """The part of a journal's record that counts here."""

    @property
    def sequence(self) -> int:
        """Its number."""
        ...

    @property
    def kind(self) -> str:
        """What the payload is."""
        ...

    @property
    def payload(self) -> bytes:
        """JSON."""
        ...


def fold(records: Iterable[Entry], state: EngineState | None = None) -> EngineState:
    """Return the state after *records*, which follow on *state* (``None``: from the beginning).

    Raise what :func:`add` raises.
    """
    books = Books(state)
    for entry in records:
        add(books, entry)
    return books.state()


def add(books: Books, entry: Entry) -> EngineEvent | Recorded | None:
    """Let *books* go on by *entry*, and return what it says; one of another kind does not count.

    Raise :class:`~rustybt.model.errors.InvalidValueError` for one that cannot be read, naming it.
    """
    kind = entry.kind
    try:
        if kind == EVENT:
            event: EngineEvent = _to_event(entry.payload)
            take(books, event)
            return event
        if kind == COMMAND:
            command: Recorded = _to_command(entry.payload)
            record(books, command)
            return command
    except msgspec.MsgspecError as error:
        raise InvalidValueError(f"record {entry.sequence} ({kind})", [str(error)]) from error
    return None
