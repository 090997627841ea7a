"""Find out whether a journal is the one that was written, however long it is."""

from __future__ import annotations

import contextlib
import struct
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from rustybt.journal.connection import Row, rows
from rustybt.journal.database import database_errors, file_of, open_database, problems_of
from rustybt.journal.errors import JournalError
from rustybt.journal.heads import HeadStore, SignedHead
from rustybt.journal.records import FIRST, GENESIS, Head, time_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Engine

    from rustybt.journal.signing import VerifyingKey

_numbers = struct.Struct(">Qq").pack
_lengths = struct.Struct(">II").pack
_ATTEMPTS = 3


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing that is wrong: at which record, of what *time* and *kind*, where known."""

    sequence: int
    problem: str
    time: datetime | None = None
    kind: str | None = None

    def __str__(self) -> str:
        known = [self.time.isoformat()] if self.time else []
        known += [self.kind] if self.kind else []
        details = f" ({', '.join(known)})" if known else ""
        return f"record {self.sequence}{details}: {self.problem}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and the first thing that is wrong (None: nothing is).

    *records* are whole, from the first one on to *head*; *first* and *last* are their times.
    *heads* is how many signed heads were compared, *signed* the number of the last record that one
    of them names (0: none does); *keys* the fingerprints that their signatures were checked with.
    """

    records: int
    head: Head
    first: datetime | None
    last: datetime | None
    heads: int
    signed: int
    keys: tuple[str, ...]
    finding: Finding | None

    @property
    def ok(self) -> bool:
        """Whether there are records, and all is as it was written."""
        return self.finding is None and self.records > 0


def verify_journal(
    url: str, *, keys: Collection[VerifyingKey] = (), heads: Path | None = None
) -> Report:
    """Look at every record of the journal at *url* and compare it with the signed heads.

    The heads are those in the database and in the file *heads*. With *keys* every head must be
    signed by one of them; without, signatures are not looked at. Nothing is changed. Raise
    :class:`~rustybt.journal.errors.JournalError` if there is no journal, or nothing in it and no
    head that says there was.
    """
    for _ in range(_ATTEMPTS):
        before = _state(url)
        engine = open_database(url, readonly=True)
        try:
            report = examine(engine, keys=keys, heads=heads)
        finally:
            engine.dispose()
        # A writer that began after us may have confused the reading; then it is done anew.
        if report.ok or _state(url) == before:
            break
    if report.finding is None and not report.records:
        raise JournalError(
            "there is nothing to verify: the journal is empty",
            remedy="name the journal that the engine writes to",
        )
    return report


def examine(
    engine: Engine, *, keys: Collection[VerifyingKey] = (), heads: Path | None = None
) -> Report:
    """Do what `verify_journal` does with a database that is open, and may be empty."""
    with problems_of(engine):
        signed = list(dict.fromkeys(HeadStore(engine, heads).all()))  # most are kept twice
    return Scan(signed, keys).run(_chunks(engine))


def _state(url: str) -> tuple[object, ...]:
    """Return what changes when something writes to the file of *url*."""
    file = file_of(url)
    if file is None or not file.exists():
        return ()
    found = file.stat()
    return (found.st_mtime_ns, found.st_size, file.with_name(f"{file.name}-wal").exists())


class _Unreadable(Exception):  # noqa: N818 - it ends a reading, and is no error of ours
    """The database does not give the next record."""


def _chunks(engine: Engine) -> Iterator[list[Row]]:
    """Yield the rows; raise `_Unreadable` behind the last one that can be read."""
    sequence, errors = None, database_errors(engine)
    try:
        for chunk in rows(engine):
            yield chunk
            sequence = chunk[-1][0]
    except errors:
        yield from _one_by_one(engine, sequence, errors)


def _one_by_one(
    engine: Engine, after: int | None, errors: tuple[type[Exception], ...]
) -> Iterator[list[Row]]:
    try:
        yield from rows(engine, chunk=1) if after is None else rows(engine, after + 1, chunk=1)
    except errors as error:
        raise _Unreadable(" ".join(str(error).split())) from error


class Scan:
    """One pass over the records, and the heads that wait for theirs. `run` is called once."""

    def __init__(self, signed: Sequence[SignedHead], keys: Collection[VerifyingKey]) -> None:
        self._keys = keys
        valid = [head for head in signed if not keys or any(map(head.is_of, keys))]
        self._forged = next((head for head in signed if head not in valid), None)
        self._heads = sorted(valid, key=lambda head: head.sequence)
        self._compared = 0
        self._sequence, self._previous = FIRST, GENESIS
        self._first: int | None = None
        self._last: int | None = None
        self._names: dict[tuple[str, str], bytes] = {}

    def run(self, chunks: Iterator[list[Row]]) -> Report:
        """Read *chunks* to the end or to the first thing that is wrong."""
        finding = self._read(chunks) or self._cut() or self._forgery()
        return Report(
            records=self._sequence - FIRST,
            head=Head(sequence=self._sequence - FIRST, own=self._previous),
            first=None if self._first is None else time_of(self._first),
            last=None if self._last is None else time_of(self._last),
            heads=self._compared,
            signed=max((head.sequence for head in self._heads), default=0),
            keys=tuple(key.fingerprint for key in self._keys),
            finding=finding,
        )

    def _read(self, chunks: Iterator[list[Row]]) -> Finding | None:
        try:
            for chunk in chunks:
                finding = self._chunk(chunk)
                if finding is not None:
                    return finding
        except _Unreadable as error:
            return Finding(sequence=self._sequence, problem=f"it cannot be read: {error}")
        return None

    def _chunk(self, chunk: list[Row]) -> Finding | None:
        start = self._sequence
        whole = self._whole(chunk)
        if whole:
            self._first = chunk[0][1] if self._first is None else self._first
            self._last = chunk[whole - 1][1]
        rewritten = self._compare(chunk, start)
        if rewritten is None and whole < len(chunk):
            return self._blame(chunk[whole])
        return rewritten

    def _whole(self, chunk: list[Row]) -> int:
        """Return how many records at the start of *chunk* are whole: the loop that has to be fast.

        What `digest` hashes is put together here from parts that many records share.
        """
        previous, sequence, names = self._previous, self._sequence, self._names
        hashed, numbers = sha256, _numbers
        # A value of another type, or beyond what can be hashed, ends it as any changed one does.
        with contextlib.suppress(struct.error, TypeError, AttributeError, UnicodeEncodeError):
            for number, micros, session, kind, payload, before, own in chunk:
                try:
                    both = names[session, kind]
                except KeyError:
                    both = names[session, kind] = _both(session, kind)
                said = before + numbers(sequence, micros) + both + payload
                if before != previous or number != sequence or own != hashed(said).digest():
                    break
                previous = own
                sequence += 1
        whole = sequence - self._sequence
        self._previous, self._sequence = previous, sequence
        return whole

    def _compare(self, chunk: list[Row], start: int) -> Finding | None:
        """Compare the records since *start* with the heads that name them."""
        for head in self._heads[self._compared :]:
            if head.sequence >= self._sequence:
                break
            row = chunk[max(head.sequence - start, 0)]
            if head.own != row[6] or head.sequence < FIRST:
                return _found(
                    row, head.sequence, "it is not the record that was signed as the last"
                )
            self._compared += 1
        return None

    def _blame(self, row: Row) -> Finding:
        """Say what is wrong with *row*, which should follow what was read."""
        if row[0] != self._sequence:
            problem = f"a record with the number {row[0]} stands here"
        elif row[5] != self._previous:
            problem = "it does not follow the record before it: the hash it holds is another one's"
        else:
            problem = "it was changed: its hash is not the one of what it says"
        return _found(row, self._sequence, problem)

    def _cut(self) -> Finding | None:
        if self._compared == len(self._heads):
            return None
        head = self._heads[-1]
        return Finding(
            sequence=self._sequence,
            problem=f"the end is cut off: at {head.time.isoformat()} record {head.sequence} was "
            "signed as the last",
        )

    def _forgery(self) -> Finding | None:
        if self._forged is None:
            return None
        return Finding(
            sequence=self._forged.sequence,
            problem="the head that names it as the last is signed by none of the given keys",
        )


def _both(session: str, kind: str) -> bytes:
    run, what = session.encode(), kind.encode()
    return _lengths(len(run), len(what)) + run + what


def _found(row: Row, sequence: int, problem: str) -> Finding:
    """Return a finding with what the *row* says of itself, as far as that makes sense."""
    try:
        time = time_of(row[1])
    except (OverflowError, TypeError):
        time = None
    kind: object = row[3]  # where it was changed, it need not be text
    return Finding(
        sequence=sequence,
        problem=problem,
        time=time,
        kind=kind if isinstance(kind, str) else None,
    )
