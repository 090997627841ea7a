"""Take out of an archive what the deployment's key vouches for, and try it out."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from typing import IO, TYPE_CHECKING, NamedTuple

from rustybt.backup.container import ArchiveReader, Entry
from rustybt.backup.errors import BackupError
from rustybt.backup.journals import sqlite_url, whole_journal
from rustybt.backup.manifest import MAX_BYTES, NAME, Manifest, Member, read_manifest
from rustybt.backup.sealing import decrypted
from rustybt.deployment import open_vault
from rustybt.files import PRIVATE_FOLDER
from rustybt.home import Home
from rustybt.journal.database import file_of
from rustybt.journal.places import journal_url
from rustybt.journal.replication import restore_segments
from rustybt.settings import ENCRYPTION_KEY, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic import SecretStr

    from rustybt.journal.verification import Report
    from rustybt.security.vault import Clock
    from rustybt.settings import Settings

_SPARE = 16 * 1024 * 1024
JOURNAL = "journal"
"""The folder beside the unpacked home for the segments of a journal that is kept elsewhere."""


class Unpacked(NamedTuple):
    """A home that was unpacked into the folder *home*, and what the manifest tells of it."""

    home: Path
    segments: Path
    manifest: Manifest
    key: SecretStr
    digests: tuple[tuple[str, str], ...]


def manifest_of(path: Path, keys: Sequence[SecretStr]) -> Manifest:
    """Return the manifest of the archive at *path*, whose every byte is as it was written.

    Raise `BackupError` if it is not, or if none of *keys* vouches for it.
    """
    with _opened(path) as reader:
        return _manifest(reader, keys)[0]


def unpack(path: Path, keys: Sequence[SecretStr], into: Path) -> Unpacked:
    """Unpack the archive at *path* into the empty folder *into*, every file flushed to the disk.

    The digests that are returned are SHA-256 of the files as they now are, by their path below the
    home. Nothing is written before the manifest is known to be by one of *keys*, nothing that it
    does not tell of, and nothing beyond *into*. Raise `BackupError` if anything is not as it was
    written, and ``OSError`` if the disk refuses.
    """
    with _opened(path) as reader:
        manifest, key = _manifest(reader, keys)
        _refuse_without_room(manifest, into)
        home, segments = into / "home", into / JOURNAL
        for folder in (home, segments):
            folder.mkdir(mode=PRIVATE_FOLDER)
        digests = []
        for member in manifest.members:
            if member.kind == "journal":
                _extract(reader, member, segments / member.path, key)
            else:
                digest = _extract(reader, member, home / member.path, key)
                digests.append((member.path, digest))
        if reader.entry() is not None:
            raise reader.refusal("it holds more than its manifest tells")
    return Unpacked(home, segments, manifest, key, tuple(digests))


def try_out(unpacked: Unpacked, environ: Mapping[str, str], clock: Clock) -> Report | None:
    """Open everything in a home that was unpacked: settings, vault, the journal from its start.

    Return the report on the journal, ``None`` if there is none in the backup. Raise a
    :class:`~rustybt.errors.RustyBTError` if anything is not as the engine will need it.
    """
    settings = settings_in(unpacked, environ)
    open_vault(settings, clock)
    part, url = unpacked.manifest.journal, journal_in(unpacked)
    if part is None or url is None:
        return None
    if not part.path:
        restore_segments(str(unpacked.segments), url)
    return whole_journal(url, part, Home(unpacked.home))


def journal_in(unpacked: Unpacked) -> str | None:
    """Return the URL of the journal in what was unpacked, for trials; ``None`` if there is none.

    The segments of one that is kept elsewhere are put together beside the home by `try_out`.
    """
    part = unpacked.manifest.journal
    if part is None or not (part.path or part.sequence):
        return None
    beside = unpacked.segments.with_name("journal.db")
    return sqlite_url(unpacked.home / part.path if part.path else beside)


def settings_in(unpacked: Unpacked, environ: Mapping[str, str]) -> Settings:
    """Return the settings of the home that was unpacked.

    The key that opened the archive is theirs where it was kept outside of the home.
    """
    settings = load_settings(unpacked.home, environ)
    if settings.encryption_keys():
        return settings
    return load_settings(
        unpacked.home, {**environ, ENCRYPTION_KEY: unpacked.key.get_secret_value()}
    )


def database_in(unpacked: Unpacked, settings: Settings) -> Path | None:
    """Return the file in the unpacked home that `DB_URL` names there; None if it is elsewhere."""
    database = file_of(journal_url(settings))
    return None if database is None or not database.is_relative_to(unpacked.home) else database


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[ArchiveReader]:
    """Yield the reader of an archive; whatever is wrong inside is told with its path."""
    try:
        file = _file(path)
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror}") from error
    with file:
        try:
            yield _reader(file, path)
        except BackupError as error:
            if str(path) in error.problem:
                raise
            raise BackupError(
                f"{path}: {error.problem}", expected=error.expected, remedy=error.remedy
            ) from error


def _file(path: Path) -> IO[bytes]:
    # Non-blocking: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.fdopen(descriptor, "rb")
    except OSError:  # a folder
        os.close(descriptor)
        raise


def _reader(file: IO[bytes], path: Path) -> ArchiveReader:
    try:
        return ArchiveReader(file, path)
    except OSError as error:  # a pipe, a disk that fails
        raise BackupError(f"cannot read {path}: {error.strerror or error}") from error


def _manifest(reader: ArchiveReader, keys: Sequence[SecretStr]) -> tuple[Manifest, SecretStr]:
    entry = reader.entry()
    if entry is None or entry.name != NAME or entry.size > MAX_BYTES:
        raise reader.refusal(f"it does not begin with {NAME}")
    return read_manifest(b"".join(reader.content(entry)), keys)


def _refuse_without_room(manifest: Manifest, into: Path) -> None:
    needed = sum(member.size for member in manifest.members) + _SPARE
    free = shutil.disk_usage(into).free
    if free < needed:
        raise BackupError(
            f"there are {free} bytes free at {into.parent}",
            expected=f"{needed} bytes, which the backup needs unpacked",
        )


def _extract(reader: ArchiveReader, member: Member, target: Path, key: SecretStr) -> str:
    """Write *member* to *target* and return the digest of what was written."""
    entry = reader.entry()
    if entry != Entry(member.name, member.size):
        raise reader.refusal(f"{member.name!r} is not where its manifest says")
    stored, written = hashlib.sha256(), hashlib.sha256()
    chunks = _noted(reader.content(entry), stored)
    if member.kind == "sealed":
        chunks = decrypted(chunks, key)
    target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, member.mode & 0o700), "wb") as file:
        for chunk in _noted(chunks, written):
            file.write(chunk)
        os.fchmod(file.fileno(), member.mode & 0o777)
        file.flush()
        os.fsync(file.fileno())
    if stored.hexdigest() != member.sha256:
        raise reader.refusal(f"{member.name!r} in it has another checksum than its manifest says")
    return written.hexdigest()


def _noted(chunks: Iterator[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
