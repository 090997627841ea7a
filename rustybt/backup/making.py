"""Make a backup: copied aside, packed, read back, and only then under its name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
from datetime import UTC, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.backup.container import ArchiveWriter, Entry, file_chunks
from rustybt.backup.contents import gather
from rustybt.backup.errors import BackupError
from rustybt.backup.journals import holds
from rustybt.backup.manifest import MAX_BYTES, NAME, Manifest
from rustybt.backup.names import archive_name
from rustybt.backup.reading import Unpacked, journal_in, try_out, unpack
from rustybt.backup.retention import Kept, prune
from rustybt.errors import RustyBTError
from rustybt.files import PRIVATE_FOLDER, expanded, flush_folder, locked
from rustybt.journal.migrations import SCHEMA
from rustybt.security.keys import check_keys, key_fingerprint
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from pydantic import SecretStr

    from rustybt.journal.verification import Report
    from rustybt.security.vault import Clock
    from rustybt.settings import Settings

_SECOND: Final = timedelta(seconds=1)
_UNFINISHED: Final = ".rustybt_backup_"


class Made(NamedTuple):
    """A backup: the archive at *path*, how large it is, what it holds.

    *report* is on the journal that was read back from it, ``None`` where there is none.
    """

    path: Path
    size: int
    sha256: str
    manifest: Manifest
    report: Report | None
    pruned: Kept


def make_backup(
    root: Path,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    to: Path | None = None,
    keep_days: int | None = None,
) -> Made:
    """Back the home *root* up into the folder *to*, else ``BACKUP_DIR``; an engine may trade on.

    The archive is read back as a restore would read it before it gets its name. With *keep_days*
    older backups in the folder are removed, as :mod:`rustybt.backup.retention` has it. Raise a
    :class:`~rustybt.errors.RustyBTError` if anything fails; there is no archive then.
    """
    if keep_days is not None and keep_days < 1:
        raise BackupError(f"to keep backups for {keep_days} days is none", expected="1 or more")
    settings = load_settings(root, environ)
    keys = check_keys(settings.encryption_keys())
    folder = expanded(to).absolute() if to is not None else settings.backup_dir
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with locked(folder), _working_in(folder) as work:
            making = _Making(settings, keys, work, folder, environ, clock)
            return making.run(keep_days)
    except OSError as error:
        raise BackupError(
            f"cannot write a backup to {folder}: {error.strerror or error}",
            remedy="see that the disk has room and lets this user write",
        ) from error


def look_into(
    path: Path, keys: Sequence[SecretStr], environ: Mapping[str, str], clock: Clock, within: Path
) -> tuple[Unpacked, Report | None]:
    """Unpack the archive at *path* into the empty folder *within*, and try out what is in it."""
    unpacked = unpack(path, keys, within)
    try:
        return unpacked, try_out(unpacked, environ, clock)
    except RustyBTError as error:
        raise BackupError(
            f"what is in {path} is of no use: {error.problem}",
            expected=error.expected,
            remedy=error.remedy,
        ) from error


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[Path]:
    """Yield a new folder in *folder* that is gone afterwards, as are those of killed backups."""
    for stale in folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(stale)
    work = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Making(NamedTuple):
    """One backup, under the lock of the folder that it goes to."""

    settings: Settings
    keys: Sequence[SecretStr]
    work: Path
    folder: Path
    environ: Mapping[str, str]
    clock: Clock

    def run(self, keep_days: int | None) -> Made:
        """Copy aside, pack, read back, give it its name."""
        now = self.clock().astimezone(UTC)
        while (target := self.folder / archive_name(now)).exists():
            now += _SECOND  # two in one second: the later one gets the next second's name
        archive = self._packed(target.name, now)
        trial = self.work / "trial"
        trial.mkdir(mode=PRIVATE_FOLDER)
        unpacked, report = look_into(archive, self.keys[:1], self.environ, self.clock, trial)
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.link(archive, target)
        flush_folder(self.folder)
        pruned = Kept((), ())
        if keep_days is not None:
            pruned = self._pruned(target, keep_days, now, journal_in(unpacked))
        return Made(target, target.stat().st_size, digest, unpacked.manifest, report, pruned)

    def _packed(self, name: str, now: datetime) -> Path:
        aside = self.work / "aside"
        aside.mkdir(mode=PRIVATE_FOLDER)
        manifest = _manifest(self.settings, aside, self.keys[0], now)
        archive = self.work / name
        _pack(archive, manifest.vouched(self.keys[0]), manifest, aside)
        shutil.rmtree(aside)
        return archive

    def _pruned(self, target: Path, days: int, now: datetime, journal: str | None) -> Kept:
        def held(sequence: int, sha256: str) -> bool:
            return sequence == 0 or (journal is not None and holds(journal, sequence, sha256))

        return prune(self.folder, target, self.keys, days=days, now=now, holds=held)


def _manifest(settings: Settings, aside: Path, key: SecretStr, now: datetime) -> Manifest:
    gathered = gather(settings, aside, key, now)
    return Manifest(
        created=now,
        versions={
            "rustybt": version("rustybt"),
            "python": platform.python_version(),
            "journal schema": str(SCHEMA),
        },
        environment=settings.environment,
        key=key_fingerprint(key),
        journal=gathered.journal,
        members=gathered.members,
        left_out=gathered.left_out,
    )


def _pack(archive: Path, vouched: bytes, manifest: Manifest, aside: Path) -> None:
    if len(vouched) > MAX_BYTES:
        raise BackupError(
            f"a home of {len(manifest.members)} files is too large for a manifest",
            remedy="move what is not the engine's out of the home",
        )
    with archive.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        writer = ArchiveWriter(file)
        writer.add(Entry(NAME, len(vouched)), iter([vouched]))
        for member in manifest.members:
            entry = Entry(member.name, member.size)
            writer.add(entry, file_chunks(aside / member.name, member.size))
        writer.finish()
        file.flush()
        os.fsync(file.fileno())
