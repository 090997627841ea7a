"""Every single bit of a journal of 1000 records, turned alone, is found where it is.

As part of the suite each hundredth record is taken; with ``RUSTYBT_CHAOS=1`` every one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import astuple
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from rustybt.journal import Record, canonical
from rustybt.journal.connection import Row
from rustybt.journal.store import Journal
from rustybt.journal.verification import Scan

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = 1000
STEP = 1 if os.environ.get("RUSTYBT_CHAOS") == "1" else 100
# The full run in ten parts, so that none takes longer than a test may.
PARTS = [range(start, COUNT + 1, max(STEP, 10)) for start in (range(1, 11) if STEP == 1 else [1])]
COLUMNS = ("micros", "session", "kind", "payload", "previous", "own")


def fill(journal: Journal) -> list[Record]:
    """Append and commit the records."""
    records = [
        journal.append(
            "event", canonical({"n": number, "price": "0.10"}), NOW + timedelta(seconds=number)
        )
        for number in range(COUNT)
    ]
    journal.commit()
    return records


def first_bad(rows: list[Row], after: Record | None = None) -> int | None:
    """Return the number of the first bad one of *rows*, which follow *after*."""
    scan = Scan([], ())
    if after is not None:
        scan._sequence, scan._previous = after.sequence + 1, after.own
    finding = scan.run(iter([rows])).finding
    return finding.sequence if finding else None


def flips(value: int | str | bytes) -> Iterator[int | bytes]:
    """Yield *value* with each of its bits turned: a number has 64, with its sign."""
    if isinstance(value, int):
        yield from (value ^ (1 << bit) for bit in range(63))
        yield value - 2**63
        return
    raw = value.encode() if isinstance(value, str) else value
    for bit in range(len(raw) * 8):
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        yield bytes(turned)


@pytest.mark.parametrize("part", PARTS)
def test_every_bit_of_a_record_is_found(url: str, part: range) -> None:
    """It is stored so in the database, read again, and found at its record."""
    with Journal.open(url, session="run-1", clock=lambda: NOW) as journal:
        records = fill(journal)
        with journal.engine.connect() as connection:
            for sequence in part:
                turn_every_bit(connection, records, sequence)
            connection.rollback()


def turn_every_bit(connection: Connection, records: list[Record], sequence: int) -> None:
    """Turn each bit of the record *sequence* and look at it and the next one."""
    sqlite = connection.dialect.name == "sqlite"
    mark = "?" if sqlite else "%s"
    reading = f"SELECT sequence, {', '.join(COLUMNS)} FROM journal WHERE sequence = {sequence}"  # noqa: S608 - ours
    before = records[sequence - 2] if sequence > 1 else None
    behind = [astuple(record) for record in records[sequence : sequence + 1]]
    for column in COLUMNS:
        text = column in ("session", "kind")
        given = f"CAST({mark} AS TEXT)" if text and sqlite else mark
        writing = f"UPDATE journal SET {column} = {given} WHERE sequence = {sequence}"  # noqa: S608 - ours
        value = getattr(records[sequence - 1], column)
        for turned in flips(value):
            stored: object = turned
            if text and not sqlite:
                stored = as_text(turned)
                if stored is None:
                    continue  # the server itself takes no such text
            connection.exec_driver_sql(writing, (stored,))
            assert found(connection, reading, before, behind) == sequence, (column, turned)
        connection.exec_driver_sql(writing, (value.encode() if text and sqlite else value,))


def as_text(turned: int | bytes) -> str | None:
    """Return the bytes as PostgreSQL keeps them, None if it does not."""
    try:
        text = bytes(turned).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def found(
    connection: Connection, reading: str, before: Record | None, behind: list[Row]
) -> int | None:
    """Return the number of the first bad record from this one on."""
    try:
        rows: list[Row] = [tuple(row) for row in connection.exec_driver_sql(reading)]
    except OperationalError:  # of text that is none: `examine` names the record, too
        return before.sequence + 1 if before else 1
    return first_bad(rows + behind, before)


def test_every_bit_of_a_number_is_found() -> None:
    """A record that is given another number is missing where it was, or stands before the first."""
    with Journal.open("sqlite://", session="run-1", clock=lambda: NOW) as journal:
        rows: list[Row] = [astuple(record) for record in fill(journal)]
    taken = range(1, COUNT + 1)
    for sequence in range(1, COUNT + 1, STEP):
        for number in flips(sequence):
            assert isinstance(number, int)
            changed = (number, *rows[sequence - 1][1:])
            others = rows[: sequence - 1] + rows[sequence:]
            at = first_bad(sorted([*others, changed], key=lambda row: row[0]))
            if number in taken:  # the database refuses two of one number; yet neither is believed
                assert at is not None
            else:
                assert at == (sequence if number > 0 else 1)
