"""Put a backup in the place of a home, in one step, and keep what was there."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from pydantic import SecretStr

from rustybt.backup.errors import BackupError
from rustybt.backup.journals import holds, sqlite_url
from rustybt.backup.making import look_into
from rustybt.backup.manifest import JournalPart
from rustybt.backup.names import archives_in
from rustybt.backup.reading import Unpacked, database_in, settings_in
from rustybt.backup.switching import exchange
from rustybt.errors import RustyBTError
from rustybt.files import (
    PRIVATE_FOLDER,
    create_exclusively,
    expanded,
    flush_folder,
    locked,
    read_bounded,
)
from rustybt.home import Home
from rustybt.journal.errors import JournalError
from rustybt.journal.places import journal_url
from rustybt.journal.replication import restore_segments
from rustybt.security.keys import check_keys
from rustybt.settings import ENCRYPTION_KEY, load_settings
from rustybt.trading.control import NotRunningError, Request, ask, socket_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rustybt.security.vault import Clock

_MAX_KEY_FILE_BYTES: Final = 4096


class Restoration(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored, as the home itself keeps it on record.

    *archive* is the name of the backup, *created* when it was made, *restored* when it was put in
    place, *journal* how far its journal went, *files* the SHA-256 of every file by its path.
    """

    archive: str
    created: datetime
    restored: datetime
    journal: JournalPart | None
    files: dict[str, str]


class Restored(NamedTuple):
    """A home that was restored: where it is, where the earlier one is kept, what is on record."""

    home: Path
    kept: Path | None
    record: Restoration


def restoration_file(home: Home) -> Path:
    """Return the file that tells what was restored."""
    return home.state / "restored.json"


def restore_backup(
    archive: Path,
    root: Path,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    key_file: Path | None = None,
    replica: str | None = None,
) -> Restored:
    """Put the backup *archive* in the place of the home *root*; whole, or nothing is changed.

    All is unpacked and tried out beside *root* first. A home that was there is kept beside it, and
    its local backups stay. The key is found in *key_file*, the environment, or the home that is
    there. With *replica*, the folder or URL that ``replicate`` ships to, the journal goes on to
    where that ends. Raise a :class:`~rustybt.errors.RustyBTError` if the archive is not to be
    believed, an engine runs in *root*, or the system refuses.
    """
    root = expanded(root).resolve()
    _refuse_running(Home(root))
    keys = keys_for(root, environ, key_file)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root.parent):
            for stale in root.parent.glob(f".{root.name}.*{_SUFFIX}"):
                shutil.rmtree(stale)
            return _Restoring(archive, root, environ, clock, keys, replica).run()
    except OSError as error:
        raise BackupError(
            f"cannot restore to {root}: {error.strerror or error}",
            remedy="see that the disk has room and lets this user write",
        ) from error


_SUFFIX: Final = ".restoring"


def keys_for(
    root: Path, environ: Mapping[str, str], key_file: Path | None
) -> tuple[SecretStr, ...]:
    """Return the keys that may open a backup: of *key_file*, else of the environment and *root*.

    Raise :class:`~rustybt.errors.KeyFileError` if one is no key, `BackupError` if there is none.
    """
    if key_file is not None:
        data = read_bounded(expanded(key_file), _MAX_KEY_FILE_BYTES)
        found = data.decode("ascii", "replace").split()
    else:
        found = [key for key in environ.get(ENCRYPTION_KEY, "").split(",") if key]
        found += _keys_of(root)
    if not found:
        raise BackupError(
            "there is no encryption key to open a backup with",
            expected="the one of the home that was backed up",
            remedy="name its file with --key-file, or set RUSTYBT_ENCRYPTION_KEY",
        )
    return check_keys(map(SecretStr, dict.fromkeys(found)))


def _keys_of(root: Path) -> list[str]:
    """Return the keys of the home that is there, if it is one that can be read."""
    try:
        settings = load_settings(root, {})
    except RustyBTError:  # it is to be replaced: nothing is wrong with its being broken
        return []
    return [key.get_secret_value() for key in settings.encryption_keys()]


def _refuse_running(home: Home) -> None:
    """Raise if an engine runs in *home*: it would trade on in a home that was moved away."""
    if not socket_file(home).exists():
        return
    try:
        ask(socket_file(home), Request(command="status"))
    except NotRunningError:
        return
    except RustyBTError as error:
        raise BackupError(
            f"an engine seems to run in {home.root}: {error.problem}", remedy="stop it first"
        ) from error
    raise BackupError(f"an engine runs in {home.root}", remedy="stop it first, then restore")


class _Restoring:
    """One restore, under the lock of the folder that the home is in."""

    def __init__(
        self,
        archive: Path,
        root: Path,
        environ: Mapping[str, str],
        clock: Clock,
        keys: tuple[SecretStr, ...],
        replica: str | None,
    ) -> None:
        self._archive, self._root, self._keys = archive, root, keys
        self._environ, self._clock, self._replica = environ, clock, replica
        self._now = clock().astimezone(UTC)

    def run(self) -> Restored:
        """Unpack, try out, put into place."""
        work = tempfile.mkdtemp(
            prefix=f".{self._root.name}.", suffix=_SUFFIX, dir=self._root.parent
        )
        folder = self._root.parent / work
        try:
            unpacked, _ = look_into(self._archive, self._keys, self._environ, self._clock, folder)
            self._place_journal(unpacked)
            record = self._recorded(unpacked)
            _flush_folders(unpacked.home)
            return Restored(self._root, self._switched(unpacked.home), record)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _place_journal(self, unpacked: Unpacked) -> None:
        """Put the journal where the restored settings look for it."""
        part = unpacked.manifest.journal
        settings = settings_in(unpacked, self._environ)
        if part is None:
            return
        inside = database_in(unpacked, settings)
        if part.path and inside != unpacked.home / part.path:
            self._refuse_other_place(part, settings.db_url)
        if self._replica is not None:
            self._go_on(part, unpacked, None if part.path else journal_url(settings))
        elif not part.path:
            self._fill(str(unpacked.segments), journal_url(settings), part)

    def _refuse_other_place(self, part: JournalPart, url: SecretStr) -> None:
        """Raise unless *url* names the journal in the home as it is going to be."""
        if url.get_secret_value() != sqlite_url(self._root / part.path):
            raise BackupError(
                f"DB_URL in the backup does not name {part.path} in {self._root}, where the "
                "journal was",
                expected=f"sqlite:///{part.path}, or a restore to the folder that it was made in",
                remedy=f"set DB_URL=sqlite:///{part.path} in the environment of this command",
            )

    def _go_on(self, part: JournalPart, unpacked: Unpacked, url: str | None) -> None:
        """Take the whole journal from the copy, which has to hold the one of the backup."""
        fresh = unpacked.home.with_name("replicated.db")
        target = sqlite_url(fresh) if url is None else url
        self._fill(str(self._replica), target, part)
        if not holds(target, part.sequence, part.sha256):
            raise BackupError(
                f"the copy of the journal does not hold record {part.sequence} of the backup",
                expected="the copy that replicate made of this journal",
            )
        if url is None:
            fresh.replace(unpacked.home / part.path)

    def _fill(self, source: str, url: str, part: JournalPart) -> None:
        """Write the records in *source* into the database at *url*, or find that they are there.

        They are if an earlier restore was interrupted behind this.
        """
        if part.sequence == 0:
            return
        try:
            restore_segments(source, url)
        except JournalError as error:
            if "holds records" not in error.problem or not holds(url, part.sequence, part.sha256):
                raise

    def _recorded(self, unpacked: Unpacked) -> Restoration:
        """Keep on record in the home what it was made of, and lay out the folders it lacks."""
        manifest, home = unpacked.manifest, Home(unpacked.home)
        for folder in home.folders:
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        unlike = {restoration_file(home).relative_to(home.root).as_posix()}
        if manifest.journal is not None:  # it has its own proof, and may go on
            unlike.add(manifest.journal.path)
        record = Restoration(
            archive=self._archive.name,
            created=manifest.created,
            restored=self._now,
            journal=manifest.journal,
            files={path: digest for path, digest in unpacked.digests if path not in unlike},
        )
        restoration_file(home).unlink(missing_ok=True)  # of a restore before the backup
        create_exclusively(restoration_file(home), msgspec.json.encode(record))
        return record

    def _switched(self, fresh: Path) -> Path | None:
        """Put *fresh* in the place of the home; return where the old one is kept."""
        root = self._root
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            fresh.rename(root)
            flush_folder(root.parent)
            return None
        _keep_owner(root, fresh)
        _link_archives(Home(root).backups, Home(fresh).backups)
        at = self._now
        while (kept := root.with_name(f"{root.name}.before-{at:%Y%m%d_%H%M%S}")).exists():
            at += timedelta(seconds=1)
        # It gets the name that the old home will have: whatever is cut off, no sweep deletes it.
        fresh.rename(kept)
        try:
            exchange(kept, root)
        except OSError:
            kept.rename(fresh)
            raise
        flush_folder(root.parent)
        return kept


def _flush_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root):
        flush_folder(root / folder)


def _keep_owner(root: Path, fresh: Path) -> None:
    """Give everything in *fresh* the owner of *root*: root must not take a service's home away."""
    owner, mine = root.stat(), fresh.stat()
    if (owner.st_uid, owner.st_gid) == (mine.st_uid, mine.st_gid):
        return
    for folder, _, names in os.walk(fresh):
        for name in ("", *names):
            os.chown(os.path.join(folder, name), owner.st_uid, owner.st_gid)  # noqa: PTH118 - walk


def _link_archives(there: Path, here: Path) -> None:
    """Let the backups in the old home stand in the new one, too: they are the same files."""
    for archive in archives_in(there):
        os.link(archive, here / archive.name)
