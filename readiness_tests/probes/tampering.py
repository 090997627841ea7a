"""Change copies of a journal in every way there is, and let each be verified."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rustybt.journal.payload import canonical
from rustybt.journal.signing import SigningKey, VerifyingKey
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal

START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
TEXTS = ("session", "kind")
BLOBS = ("payload", "previous", "own")

Change = tuple[str, int, list[tuple[str, tuple[Any, ...]]]]
"""What is done, at which record it is to be noticed, and how."""


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found in the journal of *records* itself, and in each changed copy.

    *flips* is how many bits are flipped in each column, at places that *seed* chooses.
    """
    count = arguments["records"]
    original, public = Path("audit.db"), Path("audit.pub")
    _write(original, SigningKey.create(Path("audit.key"), public), count)
    keys = [VerifyingKey.load(public)]
    untouched = verify_journal(f"sqlite:///{original}", keys=keys)
    found = []
    for name, place, statements in _changes(original, count, arguments):
        copy = Path("copy.db")
        shutil.copyfile(original, copy)
        with sqlite3.connect(copy) as database:
            database.execute("PRAGMA synchronous=OFF")
            for statement, values in statements:
                database.execute(statement, values)
        database.close()
        finding = verify_journal(f"sqlite:///{copy}", keys=keys).finding
        found.append([name, place, None if finding is None else finding.sequence])
    return {"records": untouched.records, "whole": untouched.ok, "changes": found}


def _write(path: Path, key: SigningKey, count: int) -> None:
    """Keep a journal of *count* records whose head is signed."""
    moments = iter(START + timedelta(seconds=number) for number in range(10 * count))
    url = f"sqlite:///{path}"
    with Journal.open(url, session="S-1", clock=lambda: next(moments), key=key) as journal:
        for number in range(count):
            kind = ("event", "command", "event")[number % 3]
            journal.append(kind, canonical({"order": f"O-{number}", "price": "0.1"}))
        journal.commit()
        journal.sign_head()
    # One file holds it all, so that a copy of the file is a copy of the journal.
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    database.close()


def _changes(path: Path, count: int, arguments: Mapping[str, Any]) -> Iterator[Change]:
    """Yield every change."""
    chance = random.Random(arguments["seed"])  # noqa: S311 - the same every time, on purpose
    with sqlite3.connect(path) as database:
        rows = {row[0]: row for row in database.execute("SELECT * FROM journal")}
    database.close()
    yield from _flips(rows, arguments["flips"], chance)
    yield from _moves(count)


def _flips(
    rows: Mapping[int, tuple[Any, ...]], flips: int, chance: random.Random
) -> Iterator[Change]:
    """Yield bits that are flipped: in times, in names, in what a record says and in its hashes."""
    columns = {"micros": 1, "session": 2, "kind": 3, "payload": 4, "previous": 5, "own": 6}
    for column, index in columns.items():
        for _ in range(flips):
            sequence = chance.choice(sorted(rows))
            value = _flipped(rows[sequence][index], chance)
            update = f"UPDATE journal SET {column} = ? WHERE sequence = ?"  # noqa: S608 - our names
            yield f"a bit of {column}", sequence, [(update, (value, sequence))]


def _flipped(value: int | str | bytes, chance: random.Random) -> int | str | bytes:
    """Return *value* with one bit changed."""
    if isinstance(value, int):
        return value ^ (1 << chance.randrange(50))
    if isinstance(value, str):
        raw = bytearray(value, "ascii")
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(5)
        return raw.decode("ascii")
    changed = bytearray(value)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _moves(count: int) -> Iterator[Change]:
    """Yield records that are taken out, put in, exchanged, and ends that are cut off."""
    delete = "DELETE FROM journal WHERE sequence = ?"
    cut = "DELETE FROM journal WHERE sequence >= ?"
    number = "UPDATE journal SET sequence = ? WHERE sequence = ?"
    columns = "micros, session, kind, payload, previous, own"
    copy = f"INSERT INTO journal SELECT ?, {columns} FROM journal WHERE sequence = ?"  # noqa: S608 - our names
    for at in range(1, count + 1):
        yield "deleted", at, [(delete, (at,))]
        if at > 1:
            yield "cut off from here", at, [(cut, (at,))]
        room: list[tuple[str, tuple[Any, ...]]] = [
            (number, (later + 1, later)) for later in range(count, at, -1)
        ]
        yield "put in after it", at + 1, [*room, (copy, (at + 1, at))]
        if at < count:
            exchange = [(number, pair) for pair in ((-1, at), (at, at + 1), (at + 1, -1))]
            yield "exchanged with the next", at, list(exchange)
