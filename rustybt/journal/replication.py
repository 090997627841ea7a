"""Copy a journal elsewhere while it grows, and make a journal of the copies again."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from rustybt.journal.connection import CHUNK, Writer
from rustybt.journal.database import open_database, problems_of
from rustybt.journal.errors import JournalError
from rustybt.journal.records import Head
from rustybt.journal.segments import opening_of, range_of, sealed, segment_name, start, unsealed
from rustybt.journal.sinks import Sink, open_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta

    from rustybt.journal.records import Record
    from rustybt.journal.store import Journal

PATIENCE = 10.0
"""For how many seconds the end of the last attempt is waited for."""

SEGMENT = 10_000
"""How many records a segment holds at most."""


class Replication(Struct, frozen=True, kw_only=True):
    """How far the copy is.

    *shipped* is the last record in it (number 0: none), *pending* how many on disk are not, *since*
    when the last attempt that failed began to fail (None: it succeeded), *problem* why, *complete*
    when the copy last held everything.
    """

    shipped: int
    pending: int
    since: datetime | None
    problem: str | None
    complete: datetime | None


class Replicator:
    """Ships what a journal committed to *target* as sealed segments, whenever `ship` is called.

    *target* is a folder, which has to be there, or a URL that fsspec knows. Nothing that was
    shipped is written again: what is there is found out when the sink is first reached, and after
    each failure.
    """

    def __init__(
        self,
        journal: Journal,
        target: str,
        *,
        clock: Callable[[], datetime],
        segment: int = SEGMENT,
    ) -> None:
        self._journal, self._clock, self._segment = journal, clock, segment
        self._sink = open_sink(target)
        self._shipped: Head | None = None
        self._lock = threading.Lock()
        self._state = Replication(shipped=0, pending=0, since=None, problem=None, complete=None)

    @property
    def state(self) -> Replication:
        """How far the copy was after the last `ship`."""
        return self._state

    def ship(self) -> Replication:
        """Seal and copy everything that is on disk by now, and return how far that went.

        Never raises because of the sink or the journal: the problem is in what is returned, and the
        next call takes up from what the sink holds.
        """
        with self._lock:
            problem = self._attempt()
            now = self._clock()
            shipped = self._shipped.sequence if self._shipped else self._state.shipped
            self._state = Replication(
                shipped=shipped,
                pending=max(self._journal.committed.sequence - shipped, 0),
                since=None if problem is None else self._state.since or now,
                problem=problem,
                complete=now if problem is None else self._state.complete,
            )
            return self._state

    def _attempt(self) -> str | None:
        try:
            self._copy()
        except Exception as error:  # noqa: BLE001 - a sink may raise anything; trading goes on
            self._shipped = None
            return _said(error)
        return None

    def _copy(self) -> None:
        if self._shipped is None:
            self._shipped = self._found()
        upto = self._journal.committed.sequence
        waiting = self._journal.records(self._shipped.sequence, upto=upto)
        while group := list(islice(waiting, self._segment)):
            if group[0].previous != self._shipped.own:
                raise JournalError("the copy is of another journal: it ends in another record")
            self._sink.put(segment_name(group[0].sequence, group[-1].sequence), sealed(group))
            self._shipped = Head(sequence=group[-1].sequence, own=group[-1].own)

    def _found(self) -> Head:
        """Return the head of what the sink holds; raise `JournalError` if it is another's."""
        names = segments_in(self._sink)
        if not names:
            return start()
        head = opening_of(names[-1], iter(self._sink.lines(names[-1])))
        mine = next(self._journal.records(head.sequence - 1, upto=head.sequence), None)
        if mine is None or mine.own != head.own:
            raise JournalError(
                f"the copy holds record {head.sequence}, and it is not the journal's",
                expected="a copy of this journal, or an empty place",
            )
        return head


def _said(error: Exception) -> str:
    """Return what *error* says where that is our own or the system's; a library's may be secret."""
    if isinstance(error, JournalError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


class Shipping:
    """Calls `Replicator.ship` every *every* in a thread of its own while the ``with`` block runs.

    A sink that hangs holds up nobody: leaving the block ships once more, but waits *patience*
    seconds at most.
    """

    def __init__(
        self, replicator: Replicator, every: timedelta, *, patience: float = PATIENCE
    ) -> None:
        self._replicator, self._seconds = replicator, every.total_seconds()
        self._patience = patience
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-copy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(self._patience)

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            self._replicator.ship()
        self._replicator.ship()


def segments_in(sink: Sink) -> list[str]:
    """Return the names of the segments in *sink*, in their order; raise if one is missing.

    Raises `JournalError` for a gap and for two segments that overlap.
    """
    names = sorted(name for name in sink.names() if range_of(name))
    wanted = 1
    for name in names:
        first, last = range_of(name) or (0, 0)
        if first != wanted or last < first:
            raise JournalError(f"the copy lacks the segment of record {wanted} before {name}")
        wanted = last + 1
    return names


def restore_segments(source: str, url: str) -> Head:
    """Make the journal at *url*, which must be empty or absent, of the segments in *source*.

    Everything is checked while it is read, and written in one transaction: whole or not at all.
    Return the head of what was restored. Raise :class:`~rustybt.journal.errors.JournalError` if a
    segment is missing or was changed, there is none, or *url* holds records.
    """
    sink = open_sink(source)
    names = _listed(source, sink)
    engine = open_database(url)
    try:
        with problems_of(engine):
            writer = Writer(engine)
            try:
                return writer.restore(_groups(_restored(sink, names)))
            finally:
                writer.close()
    finally:
        engine.dispose()


def _listed(source: str, sink: Sink) -> list[str]:
    try:
        names = segments_in(sink)
    except OSError as error:
        raise JournalError(f"cannot read {source}: {error.strerror}") from error
    if not names:
        raise JournalError(f"there is no copy of a journal in {source}")
    return names


def _restored(sink: Sink, names: list[str]) -> Iterator[Record]:
    head = start()
    for name in names:
        for record in unsealed(name, iter(sink.lines(name)), head):
            head = Head(sequence=record.sequence, own=record.own)
            yield record


def _groups(records: Iterator[Record]) -> Iterator[list[Record]]:
    while group := list(islice(records, CHUNK)):
        yield group
