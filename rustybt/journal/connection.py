"""The one connection that writes records, below SQLAlchemy because it is hot."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import astuple

from rustybt.journal.database import database_errors
from rustybt.journal.errors import JournalError, LeaseLostError
from rustybt.journal.records import GENESIS, Head, Record
from rustybt.journal.statements import HEAD, LAST, kinds_for, statements_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import Engine
    from sqlalchemy.pool import PoolProxiedConnection

CHUNK = 4096
"""How many records are read at a time."""

Row = tuple[int, int, str, str, bytes, bytes, bytes]

_LOWEST = -(2**63)
_HIGHEST = 2**63 - 1


class Fence(NamedTuple):
    """What has to hold for a commit: the lease *name* is still at *token*."""

    name: str
    token: int


class Writer:
    """Appends groups of records, each group whole or not at all. Not safe for threads."""

    def __init__(self, engine: Engine) -> None:
        self._connection: PoolProxiedConnection = engine.raw_connection()
        self._cursor = self._connection.cursor()
        self._errors = database_errors(engine)
        self._sqlite = engine.dialect.name == "sqlite"
        self._statements = statements_for(engine)

    def append(self, group: Sequence[Record], after: Head, fence: Fence | None = None) -> None:
        """Write *group* behind *after*; when this returns it is on disk.

        Raise `JournalError` if something else than *after* is last by now, `LeaseLostError` if the
        lease of *fence* has another token, and the driver's errors. Nothing is written then, except
        where a server was lost while it committed: only reading tells.
        """
        with self._whole_or_not():
            self._begin()
            self._refuse_others(after)
            if fence is not None:
                self._refuse_lost(fence)
            self._cursor.executemany(self._statements.insert, [astuple(record) for record in group])
            self._connection.commit()

    def restore(self, groups: Iterator[list[Record]]) -> Head:
        """Write all *groups* into an empty journal, whole or not at all; return the last's head.

        Raise `JournalError` if the journal holds records, and what *groups* raise.
        """
        head = Head(sequence=0, own=GENESIS)
        with self._whole_or_not():
            self._begin()
            self._cursor.execute(HEAD)
            if self._cursor.fetchone() is not None:
                raise JournalError(
                    "the journal to restore into holds records", expected="an empty database"
                )
            for group in groups:
                self._cursor.executemany(
                    self._statements.insert, [astuple(record) for record in group]
                )
                head = Head(sequence=group[-1].sequence, own=group[-1].own)
            self._connection.commit()
        return head

    def last(self) -> Record | None:
        """Return the last record that is on disk."""
        self._cursor.execute(LAST)
        row = self._cursor.fetchone()
        self._connection.rollback()
        return None if row is None else record_of(row)

    def close(self) -> None:
        """Give the connection back."""
        self._cursor.close()  # SQLite keeps a file open as long as a statement of it is
        self._connection.close()

    @contextlib.contextmanager
    def _whole_or_not(self) -> Iterator[None]:
        """Take back what was done if anything fails; the first error is the one to tell of."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(*self._errors):
                self._connection.rollback()
            raise

    def _begin(self) -> None:
        if self._sqlite:  # the other begins by itself
            self._cursor.execute("BEGIN IMMEDIATE")

    def _refuse_others(self, after: Head) -> None:
        self._cursor.execute(HEAD)
        found = self._cursor.fetchone()
        sequence, own = (0, GENESIS) if found is None else (found[0], bytes(found[1]))
        if (sequence, own) != (after.sequence, after.own):
            raise JournalError(
                f"something else wrote to the journal: its last record is number {sequence}",
                expected=f"number {after.sequence}, the last that this process knows of",
                remedy="stop the other process, then start this one anew",
            )

    def _refuse_lost(self, fence: Fence) -> None:
        self._cursor.execute(self._statements.lease, (fence.name,))
        found = self._cursor.fetchone()
        if found is None or found[0] != fence.token:
            raise LeaseLostError(f"the lease {fence.name!r} is another's by now")


def record_of(row: Sequence[Any]) -> Record:
    """Return the record of a *row*; raise `JournalError` if its columns hold other types."""
    sequence, micros, session, kind, payload, previous, own = row
    if not (type(session) is type(kind) is str and type(payload) is bytes and type(micros) is int):
        raise JournalError(f"record {sequence} is damaged: it holds values of other types")
    return Record(
        sequence=sequence,
        micros=micros,
        session=session,
        kind=kind,
        payload=payload,
        previous=previous,
        own=own,
    )


def rows(
    engine: Engine,
    first: int = _LOWEST,
    *,
    kinds: Collection[str] | None = None,
    upto: int | None = None,
    chunk: int = CHUNK,
) -> Iterator[list[Row]]:
    """Yield the rows from number *first* to *upto* in their order, *chunk* at a time.

    Each chunk is a transaction of its own: a long reading holds up nobody. The driver's errors
    are raised.
    """
    known = statements_for(engine)
    statement = known.read if kinds is None else known.read_kinds
    last = _HIGHEST if upto is None else upto
    among = [] if kinds is None else [kinds_for(engine, kinds)]
    while True:
        found = _fetch(engine, statement, (first, last, *among, chunk))
        if found:
            yield found
        if len(found) < chunk:
            return
        first = found[-1][0] + 1


def _fetch(engine: Engine, statement: str, values: tuple[object, ...]) -> list[Row]:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(statement, values)
        return cursor.fetchall()  # type: ignore[return-value]  # the columns say what rows hold
    finally:
        connection.close()
