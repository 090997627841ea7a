"""Write a journal to a file for auditors."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.files import PRIVATE_FILE, flush_folder
from rustybt.journal.database import database_errors, open_database, problems_of, read_file, refusal
from rustybt.journal.errors import JournalError
from rustybt.journal.lines import line_of
from rustybt.journal.reading import checked_records
from rustybt.journal.records import Record, micros_of
from rustybt.journal.statements import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy import Engine


class Exported(Struct, frozen=True, kw_only=True):
    """How many *records* were written, and the numbers of the *first* and the *last*."""

    records: int
    first: int
    last: int


def export_journal(
    url: str, out: Path, *, since: datetime | None = None, until: datetime | None = None
) -> Exported:
    """Write the records of the journal at *url* to the new file *out* (mode 0600), as JSON Lines.

    With *since* and *until* (aware) only those from then on, and before then. Every record of the
    journal is checked on the way. The file appears when it is whole. Raise
    :class:`~rustybt.journal.errors.JournalError` if a record is damaged, none is of that time,
    *out* exists, or the system refuses.
    """
    engine = open_database(url, readonly=True)
    try:
        return _written(out, _wanted(engine, since, until))
    except FileExistsError:
        raise JournalError(f"{out} exists and is left as it is", expected="a new file") from None
    except OSError as error:
        raise JournalError(f"cannot write {out}: {error.strerror}") from error
    except database_errors(engine) as error:
        raise refusal(engine.url, error) from error
    finally:
        engine.dispose()


def snapshot_database(file: Path, out: Path) -> None:
    """Write the SQLite database in *file* to the new file *out* (mode 0600), as of one instant.

    It is a journal, or any other. Another process may write to it meanwhile: it is not held up, and
    what it commits from then on is not in the copy. Raise
    :class:`~rustybt.journal.errors.JournalError` if the database or the system refuses, and if
    *out* exists.
    """
    if out.exists():
        raise JournalError(f"{out} exists and is left as it is", expected="a new file")
    engine = read_file(file)
    try:
        with problems_of(engine):
            connection = engine.raw_connection()
            try:
                connection.cursor().execute(SNAPSHOT, (str(out),))
            finally:
                connection.close()
            _flush(out)
    finally:
        engine.dispose()


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fchmod(descriptor, PRIVATE_FILE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _wanted(engine: Engine, since: datetime | None, until: datetime | None) -> Iterator[Record]:
    earliest = None if since is None else micros_of(since)
    end = None if until is None else micros_of(until)
    for record in checked_records(engine):
        begun = earliest is None or record.micros >= earliest
        if begun and (end is None or record.micros < end):
            yield record


def _written(out: Path, records: Iterator[Record]) -> Exported:
    """Write *records* beside *out*, then link the file into place, which overwrites nothing."""
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            exported = _lines(file.write, records)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, out)
    finally:
        Path(name).unlink(missing_ok=True)
    flush_folder(out.parent)
    return exported


def _lines(write: Callable[[bytes], int], records: Iterator[Record]) -> Exported:
    count, first, last = 0, 0, 0
    for record in records:
        write(line_of(record))
        count, first, last = count + 1, first or record.sequence, record.sequence
    if not count:
        raise JournalError(
            "there is nothing to export: no record is of that time, or there is none at all"
        )
    return Exported(records=count, first=first, last=last)
