"""Records of a journal, and whether they are the ones that were written.

Each record holds the hash of the one before it, so that none can be changed, taken out, put in or
moved without breaking the chain from there on. What is cut from the end leaves a whole chain; only
a `Head` that was kept elsewhere tells.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.journal.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable

GENESIS = bytes(32)
"""What the first record holds as the hash of the one before it."""

FIRST = 1
"""The sequence number of the first record."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The lengths of both names are hashed: no text can move from one into the other.
_fixed = struct.Struct(">32sQqII").pack


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happened.

    *sequence* counts from 1 without gaps. *micros* is the time in microseconds since 1970-01-01
    UTC. *session* names the run of the engine, *kind* what the *payload* (canonical JSON) is.
    *previous* and *own* are the SHA-256 of the record before and of this one, 32 bytes each.
    """

    sequence: int
    micros: int
    session: str
    kind: str
    payload: bytes
    previous: bytes
    own: bytes

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return time_of(self.micros)


class Head(Struct, frozen=True, kw_only=True, gc=False):
    """Which record was the last at some time: its *sequence* and its hash *own*."""

    sequence: int
    own: bytes


class Break(Struct, frozen=True, kw_only=True, gc=False):
    """The first thing that is wrong with a chain.

    *position* counts the records read, from 1; *sequence* is the number that should stand there.
    """

    position: int
    sequence: int
    problem: str

    def __str__(self) -> str:
        return f"record {self.sequence} (number {self.position} read): {self.problem}"


def micros_of(time: datetime) -> int:
    """Return *time* in microseconds since 1970-01-01 UTC; raise `JournalError` without a zone."""
    if time.tzinfo is None:
        raise JournalError(f"the time {time} has no zone", expected="an aware time")
    return (time - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """Return the time, in UTC, that is *micros* microseconds after 1970-01-01."""
    return _EPOCH + timedelta(microseconds=micros)


def chain(
    last: Record | None, *, time: datetime, session: str, kind: str, payload: bytes
) -> Record:
    """Return the record that follows *last* (None: it is the first one).

    Raise :class:`~rustybt.journal.errors.JournalError` for a *time* that is not aware, for an
    empty *session* or *kind*, and for text that is no Unicode.
    """
    micros = micros_of(time)
    if not (session and kind):
        raise JournalError(f"session {session!r} and kind {kind!r} must both be given")
    sequence = FIRST if last is None else last.sequence + 1
    previous = GENESIS if last is None else last.own
    try:
        own = digest(sequence, micros, session, kind, payload, previous)
    except UnicodeEncodeError as error:
        raise JournalError(f"session {session!r} or kind {kind!r} is no Unicode text") from error
    return Record(
        sequence=sequence,
        micros=micros,
        session=session,
        kind=kind,
        payload=payload,
        previous=previous,
        own=own,
    )


def digest(
    sequence: int, micros: int, session: str, kind: str, payload: bytes, previous: bytes
) -> bytes:
    """Return the SHA-256 over all that a record says and the 32 bytes *previous*.

    Hashed are, big-endian: *previous*, *sequence* (8 bytes), *micros* (8, signed), the lengths of
    both names in bytes (4 each), then *session* and *kind* in UTF-8, and *payload*. Raise
    ``struct.error`` for numbers beyond that and ``UnicodeEncodeError`` for text that is no Unicode.
    """
    run, what = session.encode(), kind.encode()
    fixed = _fixed(previous, sequence, micros, len(run), len(what))
    return sha256(fixed + run + what + payload).digest()


def verify(records: Iterable[Record], *, head: Head | None = None) -> Break | None:
    """Return the first thing that is wrong with *records*, read once from the first one on.

    Without *head*, records that were cut from the end are not missed; nor is a chain that was
    written anew as a whole. With the *head* of an earlier time, both are found.
    """
    sequence, previous, position = FIRST, GENESIS, 0
    wanted = head.sequence if head else None
    for position, record in enumerate(records, start=1):
        if record.sequence != sequence or record.previous != previous or not is_whole(record):
            return Break(
                position=position, sequence=sequence, problem=_blame(record, sequence, previous)
            )
        previous = record.own
        if sequence == wanted and head and previous != head.own:
            return Break(position=position, sequence=sequence, problem=_REWRITTEN)
        sequence += 1
    if head and sequence <= head.sequence:
        problem = f"the end is cut off: the head names record {head.sequence} as the last"
        return Break(position=position + 1, sequence=sequence, problem=problem)
    return None


_REWRITTEN = "the chain is whole, but it is not the one that the head was made of"


def is_whole(record: Record) -> bool:
    """Tell whether a record's own hash is the one of what it says."""
    try:
        return record.own == digest(
            record.sequence,
            record.micros,
            record.session,
            record.kind,
            record.payload,
            record.previous,
        )
    except (struct.error, UnicodeEncodeError):
        return False


def _blame(record: Record, sequence: int, previous: bytes) -> str:
    """Say what is wrong with *record* where number *sequence* after *previous* should stand."""
    if record.sequence != sequence:
        return f"a record with the number {record.sequence} stands here"
    if record.previous != previous:
        return "it does not follow the record before it: the hash it holds is another one's"
    return "it was changed: its hash is not the one of what it says"
