"""Find out whether the journal in a backup, or in a home that was restored, is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.backup.errors import BackupError
from rustybt.journal.connection import rows
from rustybt.journal.database import open_database, problems_of
from rustybt.journal.places import heads_file, public_key_file
from rustybt.journal.signing import VerifyingKey
from rustybt.journal.verification import Report, examine

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.backup.manifest import JournalPart
    from rustybt.home import Home


def report_on(url: str, *, home: Home | None = None) -> Report:
    """Return what a pass over the whole journal at *url*, which may be empty, finds.

    With *home* every head that is signed there has to be by its key, and of a record that is here.
    Raise :class:`~rustybt.journal.errors.JournalError` if it cannot be opened.
    """
    engine = open_database(url, readonly=True)
    try:
        if home is None:
            return examine(engine)
        public = public_key_file(home)
        keys = [VerifyingKey.load(public)] if public.exists() else []
        return examine(engine, keys=keys, heads=heads_file(home))
    finally:
        engine.dispose()


def whole_journal(url: str, part: JournalPart, home: Home) -> Report:
    """Return the report on the journal at *url* if it is whole and holds what *part* tells of.

    It may have gone on since. Raise `BackupError` if it is not so.
    """
    report = report_on(url, home=home)
    if report.finding is not None:
        raise BackupError(f"the journal is not as it was written: {report.finding}")
    if not holds(url, part.sequence, part.sha256):
        raise BackupError(
            f"the journal does not hold record {part.sequence}, which was its last one when the "
            "backup was made",
            expected=f"the hash {part.sha256}",
        )
    return report


def holds(url: str, sequence: int, sha256: str) -> bool:
    """Tell whether record *sequence* of the journal at *url* has the hash *sha256* (hex).

    Every journal holds number 0, the start.
    """
    if sequence == 0:
        return True
    engine = open_database(url, readonly=True)
    try:
        with problems_of(engine):
            chunk = next(rows(engine, sequence, upto=sequence), [])
    finally:
        engine.dispose()
    return bool(chunk) and chunk[0][6].hex() == sha256


def sqlite_url(database: Path) -> str:
    """Return the URL of the SQLite *database*, as settings write it."""
    return f"sqlite:///{database}"
