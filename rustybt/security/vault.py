"""The vault: a deployment's credentials in one encrypted file.

The file is JSON of mode 0600. Values are Fernet tokens under one key; names, times and the
environment stand in clear, and a MAC under the same key covers the whole, so that nothing in it
can be changed, swapped, dropped or aged without being noticed. (An older copy of the whole file
put back is not noticed: that takes a record outside of it.) Every write replaces the file
atomically, under a lock that writers share; readers need none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from rustybt.errors import (
    EnvironmentMismatchError,
    KeyFileError,
    UnknownCredentialError,
    VaultError,
)
from rustybt.files import create_exclusively, locked, sweep_temporaries, write_atomic
from rustybt.security.document import (
    NAME,
    Document,
    Stored,
    corrupt,
    fitting_key,
    parse,
    read,
    to_bytes,
)
from rustybt.security.keys import check_key, check_keys, fingerprint, key_fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.settings import Environment

Clock = Callable[[], datetime]

MAX_SECRET_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What may be told about a credential: everything but its value.

    *created_at* is when it was first stored, *rotated_at* when its value last changed to another
    one (``None``: never); re-encrypting it, or storing the same value again, is no rotation.
    *key_fingerprint* names the encryption key. Times are aware UTC.
    """

    name: str
    field: str
    environment: Environment
    created_at: datetime
    rotated_at: datetime | None
    key_fingerprint: str

    @property
    def changed_at(self) -> datetime:
        """When the value became what it is."""
        return self.rotated_at or self.created_at

    def age(self, now: datetime) -> timedelta:
        """Return for how long the value has been in use at *now* (aware)."""
        return now - self.changed_at


class Vault:
    """The credentials of one deployment in one environment; see `Vault.open`."""

    def __init__(self, path: Path, key: SecretStr, document: Document, clock: Clock) -> None:
        self._path = path
        self._key = key
        self._document = document
        self._clock = clock

    def __repr__(self) -> str:
        return f"Vault({str(self._path)!r}, environment={self.environment!r})"

    @classmethod
    def create(
        cls, path: Path, keys: Sequence[SecretStr], environment: Environment, clock: Clock
    ) -> Vault:
        """Create an empty vault at *path*, encrypted under the first of *keys*, and return it.

        Raises `KeyFileError` for a weak key and `VaultError` if something is at *path* already.
        """
        key = check_keys(keys)[0]
        document = Document(
            environment=environment, key_fingerprint=key_fingerprint(key), key_since=_now(clock)
        ).sealed(key)
        try:
            create_exclusively(path, to_bytes(document))
        except FileExistsError:
            raise VaultError(f"there is a vault at {path} already") from None
        except OSError as error:
            raise VaultError(f"cannot create the vault {path}: {error.strerror}") from error
        return cls(path, key, document, clock)

    @classmethod
    def open(
        cls, path: Path, keys: Sequence[SecretStr], environment: Environment, clock: Clock
    ) -> Vault:
        """Open the vault at *path* with whichever of *keys* fits. Reads only.

        *environment* is the one that asks, *clock* gives the time (aware) of later changes.
        Raises `KeyFileError` if a key is malformed or weak or there is none,
        `EnvironmentMismatchError` if the vault belongs to another environment, `WrongKeyError` if
        no key fits, `VaultCorruptError` if the file is damaged or was tampered with, and
        `VaultError` if there is none. No message holds a key or a credential.
        """
        ring = check_keys(keys)
        document = read(path)
        if document.environment != environment:
            raise EnvironmentMismatchError(
                f"the vault {path} belongs to {document.environment}, not to {environment}",
                remedy="correct RUSTYBT_ENV, or give this environment a vault and keys of its own",
            )
        return cls(path, fitting_key(ring, document, path), document, clock)

    @property
    def environment(self) -> Environment:
        """The environment that the vault belongs to."""
        return self._document.environment

    @property
    def key_fingerprint(self) -> str:
        """The fingerprint of the key that the vault is encrypted under."""
        return self._document.key_fingerprint

    @property
    def key_since(self) -> datetime:
        """Since when (UTC) the vault is encrypted under its present key."""
        return self._document.key_since

    def entries(self) -> tuple[Entry, ...]:
        """Return what may be told about each credential, ordered by name and field."""
        return tuple(
            Entry(
                name=stored.name,
                field=stored.field,
                environment=self.environment,
                created_at=stored.created_at,
                rotated_at=stored.rotated_at,
                key_fingerprint=self.key_fingerprint,
            )
            for stored in self._document.entries
        )

    def names(self) -> tuple[str, ...]:
        """Return the names that have credentials, such as ``binance``, in order."""
        return tuple(dict.fromkeys(stored.name for stored in self._document.entries))

    def fields(self, name: str) -> tuple[str, ...]:
        """Return the fields stored for *name*, in order; empty if there are none."""
        return tuple(stored.field for stored in self._document.entries if stored.name == name)

    def age(self, now: datetime) -> timedelta | None:
        """Return the age of the oldest credential at *now* (aware), ``None`` if there is none."""
        return max((entry.age(now) for entry in self.entries()), default=None)

    def get(self, name: str, field: str) -> SecretStr:
        """Return a credential; raise `UnknownCredentialError` if the vault does not hold it."""
        for stored in self._document.entries:
            if (stored.name, stored.field) == (name, field):
                return self._decrypt(stored)
        raise UnknownCredentialError(
            f"the vault {self._path} holds no {name} {field}",
            remedy=f"store it with `python -m rustybt encrypt-credentials --broker {name}`",
        )

    def fingerprint(self, name: str, field: str) -> str:
        """Return 16 hex digits, equal exactly for equal values, also in other vaults."""
        return fingerprint(self.get(name, field))

    def put(self, name: str, field: str, secret: SecretStr | str) -> None:
        """Store one credential; see `put_all`."""
        self.put_all({(name, field): secret})

    def put_all(self, secrets: Mapping[tuple[str, str], SecretStr | str]) -> None:
        """Store each ``(name, field): secret``, all of them in one write.

        A value that is there already stays as it is, with its age. Raises `VaultError` for an
        empty or overlong value or a malformed name, and whatever `open` raises if the file was
        changed by others; the file is then untouched.
        """
        checked = {_check_name(place): _check_secret(value) for place, value in secrets.items()}
        with locked(self._path.parent):
            self._reload()
            changed = self._merged(checked)
            if changed != self._document.entries:
                self._save(self._document.model_copy(update={"entries": changed}), self._key)

    def rotate(self, new_key: SecretStr) -> None:
        """Encrypt everything anew under *new_key*, which then alone opens the vault.

        The new file is decrypted and compared before it replaces the old one. Credentials keep
        their age. Raises `KeyFileError` if the key is weak or is the present one.
        """
        check_key(new_key, name="the new encryption key")
        with locked(self._path.parent):
            self._reload()
            if key_fingerprint(new_key) == self.key_fingerprint:
                raise KeyFileError("the new encryption key is the one in use already")
            ring = MultiFernet([_fernet(new_key), _fernet(self._key)])
            entries = tuple(
                stored.model_copy(update={"token": ring.rotate(stored.token).decode()})
                for stored in self._document.entries
            )
            rotated = self._document.model_copy(
                update={
                    "entries": entries,
                    "key_fingerprint": key_fingerprint(new_key),
                    "key_since": _now(self._clock),
                }
            )
            self._save(rotated, new_key)

    def _reload(self) -> None:
        """Take in what other writers did since; the caller holds the lock."""
        document = read(self._path)
        fitting_key([self._key], document, self._path)
        self._document = document

    def _merged(self, secrets: Mapping[tuple[str, str], SecretStr]) -> tuple[Stored, ...]:
        """Return the entries with *secrets* among them, in order."""
        entries = {(stored.name, stored.field): stored for stored in self._document.entries}
        for place, secret in secrets.items():
            old = entries.get(place)
            if old is None or self._decrypt(old) != secret:
                entries[place] = self._encrypted(place, secret, old)
        return tuple(entries[place] for place in sorted(entries))

    def _encrypted(self, place: tuple[str, str], secret: SecretStr, old: Stored | None) -> Stored:
        now = _now(self._clock)
        token = _fernet(self._key).encrypt_at_time(
            secret.get_secret_value().encode(), int(now.timestamp())
        )
        return Stored(
            name=place[0],
            field=place[1],
            created_at=old.created_at if old else now,
            rotated_at=now if old else None,
            token=token.decode(),
        )

    def _decrypt(self, stored: Stored) -> SecretStr:
        try:
            return SecretStr(_fernet(self._key).decrypt(stored.token).decode())
        except (InvalidToken, UnicodeDecodeError):
            raise corrupt(self._path, f"{stored.name} {stored.field} does not decrypt") from None

    def _save(self, document: Document, key: SecretStr) -> None:
        """Write *document* under *key*, once its every value has been read back from the bytes."""
        data = to_bytes(document.sealed(key))
        written = Vault(self._path, key, parse(data, self._path), self._clock)
        for stored in written._document.entries:
            written._decrypt(stored)
        try:
            sweep_temporaries(self._path)
            write_atomic(self._path, data)
        except OSError as error:
            raise VaultError(f"cannot write the vault {self._path}: {error.strerror}") from error
        self._key, self._document = key, written._document


def _fernet(key: SecretStr) -> Fernet:
    return Fernet(key.get_secret_value())


def _now(clock: Clock) -> datetime:
    return clock().astimezone(UTC)


def _check_name(place: tuple[str, str]) -> tuple[str, str]:
    for part in place:
        if not re.fullmatch(NAME, part):
            raise VaultError(
                f"{part[:64]!r} cannot name a credential",
                expected="at most 64 of a-z, 0-9, _ and -, beginning with a letter or digit",
            )
    return place


def _check_secret(secret: SecretStr | str) -> SecretStr:
    """Return *secret*; raise `VaultError`, without showing it, if nobody could use it."""
    value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    size = len(value.encode("utf-8", "surrogatepass"))
    is_text = not any("\ud800" <= character <= "\udfff" for character in value)
    if not value.strip() or size > MAX_SECRET_BYTES or not is_text:
        raise VaultError(
            "a credential is empty, too long, or not Unicode text",
            expected=f"1 to {MAX_SECRET_BYTES} bytes of text",
        )
    return SecretStr(value)
