"""Make a backup: copied aside, packed, read back, and only then under its name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.backup.container import ArchiveWriter, Entry, file_chunks
from rustybt.backup.contents import gather
from rustybt.backup.errors import BackupError
from rustybt.backup.manifest import MAX_BYTES, NAME, Manifest
from rustybt.backup.reading import Unpacked, try_out, unpack
from rustybt.errors import RustyBTError
from rustybt.files import PRIVATE_FOLDER, expanded, flush_folder, locked
from rustybt.journal.migrations import SCHEMA
from rustybt.security.keys import check_keys, key_fingerprint
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import SecretStr

    from rustybt.journal.verification import Report
    from rustybt.security.vault import Clock
    from rustybt.settings import Settings

_UNFINISHED: Final = ".rustybt_backup_"
_NAME: Final = re.compile(r"rustybt_backup_(\d{8}_\d{6})\.tar\.gz")


class Made(NamedTuple):
    """A backup: the archive at *path*, how large it is, what it holds.

    *report* is on the journal that was read back from it, ``None`` where there is none.
    """

    path: Path
    size: int
    sha256: str
    manifest: Manifest
    report: Report | None


def make_backup(
    root: Path, environ: Mapping[str, str], clock: Clock, *, to: Path | None = None
) -> Made:
    """Back the home *root* up into the folder *to*, else ``BACKUP_DIR``; an engine may trade on.

    The archive is read back as a restore would read it before it gets its name. Raise a
    :class:`~rustybt.errors.RustyBTError` if anything fails; there is no archive then.
    """
    settings = load_settings(root, environ)
    keys = check_keys(settings.encryption_keys())
    folder = expanded(to).absolute() if to is not None else settings.backup_dir
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with locked(folder), _working_in(folder) as work:
            return _made(settings, keys[0], work, folder, environ, clock)
    except OSError as error:
        raise BackupError(
            f"cannot write a backup to {folder}: {error.strerror or error}",
            remedy="see that the disk has room and lets this user write",
        ) from error


def archive_name(at: datetime) -> str:
    """Return the name of a backup that is made *at* (aware)."""
    return f"rustybt_backup_{at.astimezone(UTC):%Y%m%d_%H%M%S}.tar.gz"


def archives_in(folder: Path) -> list[Path]:
    """Return the backups in *folder*, by their names, the oldest first."""
    found = folder.glob("rustybt_backup_*.tar.gz")
    return sorted(path for path in found if made_at(path.name) is not None)


def made_at(name: str) -> datetime | None:
    """Return when the backup *name* was made (UTC); ``None`` if it is no backup's name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


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


def _made(
    settings: Settings,
    key: SecretStr,
    work: Path,
    folder: Path,
    environ: Mapping[str, str],
    clock: Clock,
) -> Made:
    now = clock().astimezone(UTC)
    target = folder / archive_name(now)
    if target.exists():
        raise BackupError(f"{target} exists and is left as it is", remedy="wait a second")
    aside = work / "aside"
    aside.mkdir(mode=PRIVATE_FOLDER)
    manifest = _manifest(settings, aside, key, now)
    archive = work / target.name
    _pack(archive, manifest.vouched(key), manifest, aside)
    shutil.rmtree(aside)
    trial = work / "trial"
    trial.mkdir(mode=PRIVATE_FOLDER)
    unpacked, report = look_into(archive, [key], environ, clock, trial)
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    os.link(archive, target)
    flush_folder(folder)
    return Made(target, target.stat().st_size, digest, unpacked.manifest, report)


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
