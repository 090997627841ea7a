"""Segments: sealed files of records, each bound to the one before it by a hash."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from rustybt.journal.errors import JournalError
from rustybt.journal.lines import line_of, record_from
from rustybt.journal.records import GENESIS, Head, Record
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMAT = "rustybt journal segment 1"
_NAME = re.compile(r"(\d{20})-(\d{20})\.jsonl")


class _Opening(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    first: int
    last: int
    previous: str
    own: str


class _Seal(msgspec.Struct, frozen=True, kw_only=True):
    sha256: str


def segment_name(first: int, last: int) -> str:
    """Return the name of the segment of the records *first* to *last*; names sort by number."""
    return f"{first:020d}-{last:020d}.jsonl"


def range_of(name: str) -> tuple[int, int] | None:
    """Return the first and the last number that *name* tells, None if it is no segment's."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def sealed(records: Sequence[Record]) -> bytes:
    """Return the segment of *records*, which follow one another: a line about them, they, a seal.

    The first line tells which they are and holds the hash before them and the last one's; the last
    line the SHA-256 of all lines before it.
    """
    opening = _Opening(
        format=FORMAT,
        first=records[0].sequence,
        last=records[-1].sequence,
        previous=records[0].previous.hex(),
        own=records[-1].own.hex(),
    )
    body = msgspec.json.encode(opening) + b"\n" + b"".join(map(line_of, records))
    return body + msgspec.json.encode(_Seal(sha256=sha256(body).hexdigest())) + b"\n"


def opening_of(name: str, lines: Iterator[bytes]) -> Head:
    """Return the head that the first line of segment *name* tells, unchecked."""
    opening = _opening(name, next(lines, b""))
    return Head(sequence=opening.last, own=bytes.fromhex(opening.own))


def unsealed(name: str, lines: Iterator[bytes], after: Head) -> Iterator[Record]:
    """Yield the records of segment *name* from its *lines*, which have to follow *after*.

    Raise `JournalError` if anything in it was changed or is missing, at the latest at its end.
    """
    opened = next(lines, b"")
    opening, hashed = _opening(name, opened), sha256(opened)
    if opening.previous != after.own.hex():
        raise JournalError(f"the segment {name} does not follow the one before it")
    for sequence in range(after.sequence + 1, opening.last + 1):
        line = next(lines, b"")
        hashed.update(line)
        record = record_from(line)
        if record.sequence != sequence or record.previous != after.own:
            raise JournalError(f"in {name}, record {sequence} does not follow the one before it")
        after = Head(sequence=sequence, own=record.own)
        yield record
    if next(lines, b"") != msgspec.json.encode(_Seal(sha256=hashed.hexdigest())) + b"\n":
        raise JournalError(f"the segment {name} was changed: its checksum is another")


def start() -> Head:
    """Return the head that the first segment follows."""
    return Head(sequence=0, own=GENESIS)


def _opening(name: str, line: bytes) -> _Opening:
    try:
        opening = msgspec.json.decode(line, type=_Opening)
        bytes.fromhex(opening.own)
    except (*MALFORMED, ValueError) as error:
        raise JournalError(f"{name} is no segment of a journal: {error}") from error
    if opening.format != FORMAT or range_of(name) != (opening.first, opening.last):
        raise JournalError(f"{name} is no segment of a journal, or not the one it is named")
    return opening
