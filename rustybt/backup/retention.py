"""Which backups may go: none that holds anything of the audit that no newer one holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from rustybt.backup.errors import BackupError
from rustybt.backup.names import archives_in, made_at
from rustybt.backup.reading import manifest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from pydantic import SecretStr

    from rustybt.backup.manifest import JournalPart

AUDIT: Final = timedelta(days=2557)
"""For how long records of the audit are kept: seven years, two of them with a leap day."""

Holds: TypeAlias = "Callable[[int, str], bool]"
"""Tells whether the newest backup's journal holds a record: its number and its hash (hex)."""


class Kept(NamedTuple):
    """What was decided of the backups in a folder: which were removed, which stay, and why."""

    removed: tuple[Path, ...]
    kept: tuple[tuple[Path, str], ...]


class Candidate(NamedTuple):
    """A backup that a newer one may stand for: when it was made and how far its journal goes."""

    path: Path
    made: datetime
    journal: JournalPart | None


def prune(
    folder: Path,
    newest: Path,
    keys: Sequence[SecretStr],
    *,
    days: int,
    now: datetime,
    holds: Holds,
) -> Kept:
    """Remove from *folder* the backups older than *days* that `reason_to_keep` lets go.

    *newest* was made and verified just now, and *holds* asks its journal. A backup that cannot be
    opened with *keys* stays.
    """
    removed, kept = [], []
    for path in archives_in(folder):
        reason = _reason(path, newest, keys, timedelta(days=days), now, holds)
        if reason is None:
            path.unlink()
            removed.append(path)
        else:
            kept.append((path, reason))
    return Kept(tuple(removed), tuple(kept))


def _reason(
    path: Path,
    newest: Path,
    keys: Sequence[SecretStr],
    age: timedelta,
    now: datetime,
    holds: Holds,
) -> str | None:
    made = made_at(path.name)
    if path == newest or made is None or now - made <= age:
        return "it is recent"
    try:
        journal = manifest_of(path, keys).journal
    except BackupError:
        return "it cannot be opened with the present key"
    return reason_to_keep(Candidate(path, made, journal), now, holds)


def reason_to_keep(candidate: Candidate, now: datetime, holds: Holds) -> str | None:
    """Return why the old backup *candidate* has to stay; ``None`` if it may go.

    It may where the newest backup's journal goes on from this one's, so that no record is lost, or
    once the time is over that audits ask for.
    """
    if now - candidate.made > AUDIT:
        return None
    journal = candidate.journal
    if journal is None or holds(journal.sequence, journal.sha256):
        return None
    return "it holds records that the newest backup does not"
