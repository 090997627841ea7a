"""Signed heads: who holds one finds out when records are cut from the end, or written anew."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert, select

from rustybt.files import PRIVATE_FILE, flush_folder
from rustybt.journal.errors import JournalError
from rustybt.journal.records import micros_of, time_of
from rustybt.journal.tables import HEADS
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Engine, Select

    from rustybt.journal.records import Head
    from rustybt.journal.signing import SigningKey, VerifyingKey

# No signature of anything else can be taken for one of a head.
_PREFIX = b"rustybt journal head 1\0"
_fixed = struct.Struct(">Q32sq").pack
# More than a few lines: the newest head is the last of them.
_TAIL = 4096


class SignedHead(msgspec.Struct, frozen=True, kw_only=True):
    """The record *sequence* with the hash *own* was the last at *micros*; signed by *public*.

    *micros* counts from 1970-01-01 UTC; *public* is the key, 32 bytes, *signature* 64.
    """

    sequence: int
    own: bytes
    micros: int
    public: bytes
    signature: bytes

    @property
    def time(self) -> datetime:
        """When it was signed, in UTC."""
        return time_of(self.micros)

    def is_of(self, key: VerifyingKey) -> bool:
        """Tell whether *key* signed this, every bit of it."""
        try:
            said = _message(self.sequence, self.own, self.micros)
        except struct.error:
            return False
        return self.public == key.raw and key.accepts(self.signature, said)


def sign(key: SigningKey, last: Head, now: datetime) -> SignedHead:
    """Return the head that says that *last* was the last record at *now*."""
    micros = micros_of(now)
    return SignedHead(
        sequence=last.sequence,
        own=last.own,
        micros=micros,
        public=key.public.raw,
        signature=key.sign(_message(last.sequence, last.own, micros)),
    )


def _message(sequence: int, own: bytes, micros: int) -> bytes:
    if len(own) != 32:
        raise struct.error("a hash has 32 bytes")
    return _PREFIX + _fixed(sequence, own, micros)


_COLUMNS = [HEADS.c[name] for name in SignedHead.__struct_fields__]


class HeadStore:
    """Keeps signed heads in the database and, where *file* is given, in that file, line by line.

    The file belongs on another disk, or another machine: it tells of a database that was replaced.
    """

    def __init__(self, engine: Engine, file: Path | None) -> None:
        self._engine = engine
        self._file = file

    def keep(self, head: SignedHead) -> None:
        """Add *head* to both; raise ``OSError`` or the database's errors."""
        with self._engine.begin() as connection:
            connection.execute(insert(HEADS).values(**msgspec.structs.asdict(head)))
        if self._file is not None:
            _append_line(self._file, msgspec.json.encode(head))

    def all(self) -> list[SignedHead]:
        """Return what both hold; raise `JournalError` for a line of the file that is none."""
        kept = self._stored(select(*_COLUMNS).order_by(HEADS.c.number))
        return kept + (read_heads(self._file) if self._file else [])

    def newest(self) -> SignedHead | None:
        """Return the head of the highest number, whoever signed it."""
        kept = self._stored(select(*_COLUMNS).order_by(HEADS.c.sequence.desc()).limit(1))
        kept += read_heads(self._file, last=_TAIL) if self._file else []
        return max(kept, key=lambda head: head.sequence, default=None)

    def _stored(self, wanted: Select[Any]) -> list[SignedHead]:
        with self._engine.begin() as connection:
            return [
                SignedHead(
                    sequence=row.sequence,
                    own=bytes(row.own),
                    micros=row.micros,
                    public=bytes(row.public),
                    signature=bytes(row.signature),
                )
                for row in connection.execute(wanted)
            ]


def read_heads(file: Path, *, last: int | None = None) -> list[SignedHead]:
    """Return the heads in *file*, or in its *last* bytes; none if there is no file.

    A last line without its end is what a power cut leaves, and no head. Raise `JournalError` for
    any other that is none, and if the file cannot be read.
    """
    try:
        lines, number = _lines(file, last)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise JournalError(f"cannot read {file}: {error.strerror}") from error
    return [_head_of(file, at, line) for at, line in enumerate(lines, start=number)]


def _lines(file: Path, last: int | None) -> tuple[list[bytes], int]:
    """Return the whole lines of *file*, or of its *last* bytes, and the number of the first."""
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        start = 0 if last is None else max(size - last, 0)
        opened.seek(start)
        lines = opened.read().split(b"\n")[:-1]
    return (lines[1:], 2) if start else (lines, 1)  # in the middle, the first is a part of one


def _head_of(file: Path, number: int, line: bytes) -> SignedHead:
    try:
        return msgspec.json.decode(line, type=SignedHead)
    except MALFORMED as error:
        raise JournalError(
            f"{file}, line {number}, is no signed head: {error}",
            remedy="compare the file with its backup: it was changed",
        ) from error


def _append_line(file: Path, line: bytes) -> None:
    """Add *line* to *file* and let it reach the disk; a torn last line is taken off first."""
    new = not file.exists()
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        if torn:
            _cut_torn(descriptor, size)
        os.write(descriptor, line + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if new:
        flush_folder(file.parent)


def _cut_torn(descriptor: int, size: int) -> None:
    """Take the last line off, which a power cut left without its end: it was never believed."""
    start = max(size - _TAIL, 0)
    os.ftruncate(descriptor, start + os.pread(descriptor, size - start, start).rfind(b"\n") + 1)
