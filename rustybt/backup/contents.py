"""What of a home goes into an archive, copied aside as of one moment while the engine trades."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.backup.container import file_chunks
from rustybt.backup.errors import BackupError
from rustybt.backup.journals import report_on, sqlite_url
from rustybt.backup.manifest import JournalPart, Kind, Member
from rustybt.backup.sealing import encrypted
from rustybt.files import PRIVATE_FILE, PRIVATE_FOLDER
from rustybt.home import Home
from rustybt.journal.database import file_of
from rustybt.journal.export import snapshot_database
from rustybt.journal.places import heads_file, journal_url, public_key_file
from rustybt.journal.replication import Replicator
from rustybt.journal.store import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pydantic import SecretStr

    from rustybt.settings import Settings

_SQLITE: Final = b"SQLite format 3\0"
_ATTEMPTS: Final = 3
_BESIDE: Final = ("-wal", "-shm", "-journal")


class Gathered(NamedTuple):
    """The files that were copied aside, the journal among them, and what was left out, and why."""

    members: tuple[Member, ...]
    journal: JournalPart | None
    left_out: tuple[str, ...]


def gather(settings: Settings, aside: Path, key: SecretStr, now: datetime) -> Gathered:
    """Copy what belongs into a backup to *aside*, each member under its name in the archive.

    Everything in the home does but earlier backups, sockets and temporary files. Files that may
    hold a secret are encrypted with *key*; only what the engine keeps free of them is not.
    Databases are copied as of one instant. The journal comes last: no file knows of a record that
    is not in it. Raise `BackupError` or ``OSError`` if something cannot be copied.
    """
    return _Gathering(settings, aside, key, now).run()


class _Gathering:
    """One pass over a home."""

    def __init__(self, settings: Settings, aside: Path, key: SecretStr, now: datetime) -> None:
        self._settings, self._home = settings, Home(settings.home)
        self._aside, self._key, self._now = aside, key, now
        self._database = file_of(journal_url(settings))
        self._members: list[Member] = []
        self._left_out: list[str] = []

    def run(self) -> Gathered:
        # The signed heads first, the journal last: no head names a record that is not copied.
        for path in sorted(self._files(), key=lambda path: path != heads_file(self._home)):
            try:
                self._take(path)
            except FileNotFoundError:
                self._leave_out(path, "it vanished while it was copied")
        journal = self._journal()
        return Gathered(tuple(self._members), journal, tuple(self._left_out))

    def _files(self) -> Iterator[Path]:
        """Yield the files in the home that belong into a backup; links to files are read."""
        for folder, folders, names in os.walk(self._home.root, onerror=_raise):
            here = Path(folder)
            folders[:] = [name for name in sorted(folders) if self._is_walked(here / name)]
            yield from (here / name for name in sorted(names) if self._belongs(here / name))

    def _is_walked(self, folder: Path) -> bool:
        if folder.is_symlink():
            self._leave_out(folder, "it is a link to a folder")
            return False
        return folder.resolve() not in {
            self._settings.backup_dir.resolve(),
            self._home.backups.resolve(),
        }

    def _belongs(self, path: Path) -> bool:
        if path.is_socket() or (path.name.startswith(".") and path.name.endswith(".tmp")):
            return False
        if _is_log_of_database(path) or self._is_journal(path):
            return False
        if not path.is_file():
            self._leave_out(path, "it is no file, or a link to none")
            return False
        return True

    def _is_journal(self, path: Path) -> bool:
        return self._database is not None and path.resolve() == self._database.resolve()

    def _leave_out(self, path: Path, reason: str) -> None:
        self._left_out.append(f"{path.relative_to(self._home.root)}: {reason}")

    def _take(self, path: Path) -> None:
        relative = path.relative_to(self._home.root)
        kind: Kind = "home" if self._is_free_of_secrets(relative) else "sealed"
        mode = stat.S_IMODE(path.stat().st_mode) & 0o777
        if not _is_database(path):
            self._copy(path, relative, kind, mode)
            return
        snapshot = self._aside / "snapshot.db"
        snapshot_database(path, snapshot)
        self._copy(snapshot, relative, kind, mode)
        snapshot.unlink()

    def _is_free_of_secrets(self, relative: Path) -> bool:
        path, home = self._home.root / relative, self._home
        return path in (home.vault_file, heads_file(home), public_key_file(home)) or any(
            path.is_relative_to(folder)
            for folder in (home.catalog, home.data, home.logs, home.readiness)
        )

    def _copy(self, source: Path, relative: Path, kind: Kind, mode: int) -> None:
        """Copy as much of *source* as there is now: a log grows on."""
        chunks = file_chunks(source, source.stat().st_size)
        if kind == "sealed":
            chunks = encrypted(chunks, self._key, self._now)
        self._add(relative.as_posix(), kind, mode, chunks)

    def _add(self, path: str, kind: Kind, mode: int, chunks: Iterator[bytes]) -> None:
        copy = self._aside / kind / path
        copy.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with copy.open("xb") as file:
            for chunk in chunks:
                digest.update(chunk)
                size += file.write(chunk)
        member = Member(path=path, kind=kind, size=size, sha256=digest.hexdigest(), mode=mode)
        self._members.append(member)

    def _journal(self) -> JournalPart | None:
        if self._database is None:
            return self._segments()
        if not self._database.exists():
            return None
        inside = self._database.resolve().is_relative_to(self._home.root.resolve())
        return self._snapshot(self._database) if inside else self._segments()

    def _snapshot(self, database: Path) -> JournalPart:
        """Copy the journal's database; what another process begins meanwhile may need a repeat."""
        path = database.resolve().relative_to(self._home.root.resolve()).as_posix()
        for attempt in range(1, _ATTEMPTS + 1):
            snapshot = self._aside / f"journal-{attempt}.db"
            snapshot_database(database, snapshot)
            report = report_on(sqlite_url(snapshot))
            if report.finding is None:
                break
        else:
            raise BackupError(
                f"the journal is not as it was written: {report.finding}",
                remedy="run verify-audit; restore the journal from an earlier backup",
            )
        chunks = file_chunks(snapshot, snapshot.stat().st_size)
        self._add(path, "home", PRIVATE_FILE, chunks)
        head = report.head
        return JournalPart(path=path, sequence=head.sequence, sha256=head.own.hex())

    def _segments(self) -> JournalPart | None:
        """Copy the records of a journal that is no file in the home, as sealed segments."""
        folder = self._aside / "journal"
        folder.mkdir(mode=PRIVATE_FOLDER)
        with Journal.open(
            journal_url(self._settings), session="backup", clock=lambda: self._now, readonly=True
        ) as journal:
            state = Replicator(journal, str(folder), clock=lambda: self._now).ship()
            head = journal.committed
        if state.problem is not None:
            raise BackupError(f"the journal cannot be copied: {state.problem}")
        for copy in sorted(folder.iterdir()):
            chunks = file_chunks(copy, copy.stat().st_size)
            digest = hashlib.sha256()
            for chunk in chunks:
                digest.update(chunk)
            self._members.append(
                Member(
                    path=copy.name,
                    kind="journal",
                    size=copy.stat().st_size,
                    sha256=digest.hexdigest(),
                    mode=PRIVATE_FILE,
                )
            )
        return JournalPart(path="", sequence=head.sequence, sha256=head.own.hex())


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _is_log_of_database(path: Path) -> bool:
    """Tell whether SQLite keeps *path* beside a database: what counts of it is in the snapshot."""
    owners = [path.name.removesuffix(end) for end in _BESIDE if path.name.endswith(end)]
    return any(owner and path.with_name(owner).is_file() for owner in owners)


def _raise(error: OSError) -> None:
    raise error
