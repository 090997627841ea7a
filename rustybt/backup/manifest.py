"""What an archive holds, as its first member tells, vouched for by the deployment's key."""

from __future__ import annotations

import hmac
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from rustybt.backup.errors import BackupError
from rustybt.malformed import MALFORMED
from rustybt.security.keys import check_key, key_fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr

FORMAT: Final = "rustybt backup 1"
NAME: Final = "manifest.json"
MAX_BYTES: Final = 32 * 1024 * 1024
"""How long a manifest may be: it is in memory as a whole."""

_PURPOSE: Final = b"rustybt backup manifest 1\0"
Kind = Literal["home", "sealed", "journal"]


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file in the archive.

    *path* is where it belongs below the home, or for the kind ``journal`` its name as a segment.
    What is ``sealed`` is encrypted; *size* and *sha256* are of what stands in the archive. *mode*
    are the file's permission bits.
    """

    path: str
    kind: Kind
    size: int
    sha256: str
    mode: int

    @property
    def name(self) -> str:
        """Its name in the archive."""
        return f"{self.kind}/{self.path}"


class JournalPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The journal in the archive: up to which record, with which hash (hex).

    *path* is that of the SQLite database below the home. It is empty where the database is
    elsewhere: its records are in segments then, from the first one on.
    """

    path: str
    sequence: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an archive holds.

    *created* is when it was begun (UTC), *versions* what it was made with, *key* the fingerprint of
    the encryption key that opens it, *journal* ``None`` where no session ever ran, *left_out* what
    of the home is not in it, and why. *mac* covers all of it.
    """

    format: str = FORMAT
    created: datetime
    versions: dict[str, str]
    environment: str
    key: str
    journal: JournalPart | None
    members: tuple[Member, ...]
    left_out: tuple[str, ...] = ()
    mac: str = ""

    def vouched(self, key: SecretStr) -> bytes:
        """Return the member of the archive: this manifest with the code that *key* gives it."""
        return msgspec.json.encode(msgspec.structs.replace(self, mac=_mac(self, key)))


def read_manifest(data: bytes, keys: Sequence[SecretStr]) -> tuple[Manifest, SecretStr]:
    """Return the manifest that *data* hold, and which of *keys* vouches for it.

    Raise `BackupError` if it is malformed, names a file beyond the home, or no key fits.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except MALFORMED as error:
        raise BackupError(f"its manifest is malformed: {error}") from error
    if manifest.format != FORMAT:
        raise BackupError(f"its manifest is of the form {manifest.format!r}", expected=FORMAT)
    key = next((key for key in keys if _is_by(manifest, key)), None)
    if key is None:
        raise _unvouched(manifest, keys)
    _refuse_places(manifest)
    return manifest, key


def _is_by(manifest: Manifest, key: SecretStr) -> bool:
    return hmac.compare_digest(_mac(manifest, key).encode(), manifest.mac.encode())


def _mac(manifest: Manifest, key: SecretStr) -> str:
    said = msgspec.json.encode(msgspec.structs.replace(manifest, mac=""), order="sorted")
    return hmac.digest(check_key(key), _PURPOSE + said, "sha256").hex()


def _unvouched(manifest: Manifest, keys: Sequence[SecretStr]) -> BackupError:
    given = [key_fingerprint(key) for key in keys]
    if manifest.key in given:
        return BackupError(
            "its manifest was changed: the encryption key does not vouch for it",
            remedy="find out who changed the archive",
        )
    return BackupError(
        f"the key with fingerprint {', '.join(given) or 'none'} does not open it",
        expected=f"the key with fingerprint {manifest.key}",
        remedy="name the file of that key with --key-file, or set RUSTYBT_ENCRYPTION_KEY",
    )


def _refuse_places(manifest: Manifest) -> None:
    """Raise `BackupError` for a path that leads out of the home, or stands in another's way."""
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for member in manifest.members:
        parts = member.path.split("/")
        inside = all(part not in ("", ".", "..") for part in parts) and "\0" not in member.path
        if not inside or PurePosixPath(member.path).is_absolute() or member.size < 0:
            raise BackupError(f"its manifest names {member.path!r}, which is no file below a home")
        place = (str(member.kind == "journal"), *parts)
        above = {place[:end] for end in range(1, len(place))}
        if place in files or place in folders or above & files:
            raise BackupError(f"its manifest names {member.path!r} in the way of another file")
        files.add(place)
        folders |= above
