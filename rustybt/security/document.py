"""The vault's file: its form, the seal over it, and how its damage is noticed."""

from __future__ import annotations

import hmac
import json
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from rustybt.errors import VaultCorruptError, VaultError, WrongKeyError
from rustybt.files import read_bounded
from rustybt.security.keys import check_key, key_fingerprint
from rustybt.settings import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024
NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
_Name = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
_Instant = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


class Stored(BaseModel):
    """One credential as the file holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: _Name
    field: _Name
    created_at: _Instant
    rotated_at: _Instant | None
    token: str


class Document(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    format: Literal["rustybt-vault"] = "rustybt-vault"
    version: Literal[1] = 1
    environment: Environment
    key_fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    key_since: _Instant
    entries: tuple[Stored, ...] = ()
    mac: str = ""

    def sealed(self, key: SecretStr) -> Document:
        """Return the document with the MAC that *key* gives it."""
        return self.model_copy(update={"mac": self.mac_under(key)})

    def mac_under(self, key: SecretStr) -> str:
        """Return the MAC that *key* gives everything but the MAC itself."""
        content = self.model_dump(mode="json", exclude={"mac"})
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        mac_key = hmac.digest(check_key(key), b"rustybt vault mac v1", "sha256")
        return hmac.digest(mac_key, canonical, "sha256").hex()


def to_bytes(document: Document) -> bytes:
    """Return the file's content for *document*."""
    return document.model_dump_json(indent=2).encode() + b"\n"


def read(path: Path) -> Document:
    """Read the file at *path*, its seal unchecked; raise `VaultError` if there is none."""
    if not path.exists():
        raise VaultError(
            f"there is no vault at {path}",
            remedy="make a home with `python -m rustybt init`, or restore a backup",
        )
    return parse(read_bounded(path, MAX_BYTES), path)


def parse(data: bytes, path: Path) -> Document:
    """Parse the content of the file at *path*; raise `VaultCorruptError` if it is malformed."""
    try:
        return Document.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise corrupt(path, f"{where}: {first['type']}") from None


def fitting_key(ring: Sequence[SecretStr], document: Document, path: Path) -> SecretStr:
    """Return the key of *ring* that the document is sealed with."""
    for key in ring:
        if hmac.compare_digest(document.mac_under(key).encode(), document.mac.encode()):
            return key
    if document.key_fingerprint in map(key_fingerprint, ring):
        raise corrupt(path, "its seal is broken")
    given = ", ".join(map(key_fingerprint, ring))
    raise WrongKeyError(
        f"the key with fingerprint {given} does not open the vault {path}",
        expected=f"the key with fingerprint {document.key_fingerprint}",
        remedy="set RUSTYBT_ENCRYPTION_KEY to the key that this vault was made with",
    )


def corrupt(path: Path, reason: str) -> VaultCorruptError:
    """Return the error for a file that the vault did not write so."""
    return VaultCorruptError(
        f"the vault {path} is damaged or was changed by another program: {reason}",
        remedy="restore it from a backup, and find out who changed it",
    )
