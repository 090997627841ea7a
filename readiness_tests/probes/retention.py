"""Make and remove backups for years of daily work; tell for how long each record was kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from rustybt.backup.container import ArchiveWriter, Entry
from rustybt.backup.manifest import JournalPart, Manifest
from rustybt.backup.names import archive_name
from rustybt.backup.retention import prune
from rustybt.security.keys import key_fingerprint, new_key

START = datetime(2026, 1, 1, tzinfo=UTC)
FOLDER = Path("backups")
KEY = new_key()


class Held(NamedTuple):
    """What a backup holds: the records of the journal that began on a day, to the one of another.

    A journal gets a record each day, and ends when it begins anew.
    """

    began: int
    day: int


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return for how many days, at least, a record was in some backup over *days* days.

    The journal begins anew every *life* days; backups older than *keep* days may go, every *every*
    days.
    """
    FOLDER.mkdir()
    backups: dict[Path, Held] = {}
    shortest: int | None = None
    removed = 0
    for day in range(arguments["days"]):
        held = Held(day - day % arguments["life"], day)
        newest = _made(held)
        backups[newest] = held
        if day % arguments["every"] == 0:
            gone = _pruned(newest, held, arguments["keep"])
            lost = [days for path in gone for days in _lost(backups, path, gone, day)]
            shortest = min([*lost, *([] if shortest is None else [shortest])], default=None)
            removed += len(gone)
            for path in gone:
                del backups[path]
    return {"shortest": shortest, "removed": removed, "left": len(list(FOLDER.iterdir()))}


def _made(held: Held) -> Path:
    """Write a backup of a journal."""
    at = START + timedelta(days=held.day)
    sequence = held.day - held.began + 1
    told = Manifest(
        created=at,
        versions={},
        environment="dev",
        key=key_fingerprint(KEY),
        journal=JournalPart(path="j", sequence=sequence, sha256=_hash(held.began, sequence)),
        members=(),
    ).vouched(KEY)
    path = FOLDER / archive_name(at)
    with path.open("xb") as file:
        writer = ArchiveWriter(file)
        writer.add(Entry("manifest.json", len(told)), iter([told]))
        writer.finish()
    return path


def _hash(began: int, sequence: int) -> str:
    """Return what stands for the hash of a record."""
    return hashlib.sha256(f"{began} {sequence}".encode()).hexdigest()


def _pruned(newest: Path, held: Held, keep: int) -> tuple[Path, ...]:
    """Let old backups go; return which did."""

    def holds(sequence: int, sha256: str) -> bool:
        last = held.day - held.began + 1
        return sequence <= last and sha256 == _hash(held.began, sequence)

    now = START + timedelta(days=held.day)
    return prune(FOLDER, newest, [KEY], days=keep, now=now, holds=holds).removed


def _lost(
    backups: Mapping[Path, Held], path: Path, gone: tuple[Path, ...], today: int
) -> list[int]:
    """Return the ages of the records in *path* that no backup holds any more."""
    began, last = backups[path]
    still = [
        held.day for other, held in backups.items() if other not in gone and held.began == began
    ]
    return [today - day for day in range(max([*still, began - 1]) + 1, last + 1)]
