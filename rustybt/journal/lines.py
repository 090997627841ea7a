"""Records as JSON Lines: for people, for other tools, and for copies elsewhere."""

from __future__ import annotations

import msgspec

from rustybt.journal.errors import JournalError
from rustybt.journal.records import Record, is_whole


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sequence: int
    time: str
    micros: int
    session: str
    kind: str
    payload: msgspec.Raw
    previous: str
    own: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def line_of(record: Record) -> bytes:
    """Return *record* as one line of JSON, with its end; decimals are the text they were.

    The payload stands in it byte for byte, so that `record_from` gives the same record again.
    """
    line = _Line(
        sequence=record.sequence,
        time=record.time.isoformat(timespec="microseconds"),
        micros=record.micros,
        session=record.session,
        kind=record.kind,
        payload=msgspec.Raw(record.payload),
        previous=record.previous.hex(),
        own=record.own.hex(),
    )
    return _encode(line) + b"\n"


def record_from(line: bytes) -> Record:
    """Return the record that `line_of` wrote; raise `JournalError` if *line* is no whole one."""
    try:
        read = _decode(line)
        record = Record(
            sequence=read.sequence,
            micros=read.micros,
            session=read.session,
            kind=read.kind,
            payload=bytes(read.payload),
            previous=bytes.fromhex(read.previous),
            own=bytes.fromhex(read.own),
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise JournalError(f"a line is no record: {error}") from error
    if not is_whole(record):
        raise JournalError(f"the line of record {record.sequence} was changed")
    return record
