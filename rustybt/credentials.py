"""Move credentials into the vault, and the vault to a new key; a crash leaves a step to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rustybt.deployment import open_vault
from rustybt.errors import KeyFileError, RustyBTError, SettingsError, SettingsProblem, VaultError
from rustybt.files import expanded, locked, sweep_temporaries, write_atomic
from rustybt.home import Home
from rustybt.security.keys import key_fingerprint, new_key
from rustybt.security.vault import Clock, Vault
from rustybt.settings import (
    ENCRYPTION_KEY,
    EnvFile,
    Settings,
    credential_of,
    load_settings,
    read_env_file,
    venue_key,
    venue_variables,
)

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str, str]  # venue, field
# Shorter values are too likely to stand in a comment by chance.
_MIN_TELLING_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """What `encrypt_credentials` did, by key; no values.

    *stored* are now in the vault, *removed* are no longer in ``.env``, *in_environment* still
    stand in the process environment, *leftover_lines* are lines of ``.env`` (comments, mostly)
    where a stored value still stands.
    """

    stored: tuple[str, ...]
    removed: tuple[str, ...]
    in_environment: tuple[str, ...]
    leftover_lines: tuple[int, ...]


def encrypt_credentials(
    root: Path,
    environ: Mapping[str, str],
    clock: Clock,
    *,
    venue: str | None = None,
    given: Mapping[Place, SecretStr] | None = None,
) -> Encrypted:
    """Store the credentials that stand in clear in the vault of the home *root*, then forget them.

    They come from ``.env``, from *environ* (those of *venue*, or of the configured broker) and
    from *given*; with *venue* only that venue's are touched. The vault is written and read back
    before ``.env`` is rewritten without them, all its other bytes kept; so after a crash between
    the two a second call finishes. Raises `SettingsError` if two sources disagree on a value,
    `RustyBTError` if there is nothing to encrypt, and whatever `load_settings` and `Vault.open`
    raise.
    """
    settings = load_settings(root, environ)
    home = Home(settings.home)
    in_file = _in_clear(read_env_file(home.env_file), venue)
    in_environment = {
        (venue or settings.broker, field): SecretStr(value)
        for field, value in venue_variables(environ, venue or settings.broker).items()
    }
    found = _agreed({".env": in_file, "environment": in_environment, "input": given or {}})
    if not found:
        raise RustyBTError(
            f"there is nothing to encrypt: no credential{f' of {venue}' if venue else ''} stands "
            f"in clear in {home.env_file} or in the environment",
            remedy="put it there as BINANCE_API_KEY=... or give it on standard input with --stdin",
        )
    _store(settings, clock, found)
    removed = _forget(home, found)
    return Encrypted(
        stored=_keys(found),
        removed=_keys(removed),
        in_environment=_keys(in_environment),
        leftover_lines=_leftover_lines(home, found),
    )


def _keys(places: Mapping[Place, SecretStr]) -> tuple[str, ...]:
    return tuple(venue_key(*place) for place in sorted(places))


def _in_clear(env_file: EnvFile, venue: str | None) -> dict[Place, SecretStr]:
    """Return the credentials that *env_file* gives a value."""
    found = {
        place: SecretStr(assignment.value)
        for assignment in env_file.assignments
        if assignment.value and (place := credential_of(assignment.key)) is not None
    }
    return {place: value for place, value in found.items() if venue in {None, place[0]}}


def _agreed(sources: Mapping[str, Mapping[Place, SecretStr]]) -> dict[Place, SecretStr]:
    """Return the credentials of all *sources*; raise if two of them differ on one."""
    agreed: dict[Place, SecretStr] = {}
    problems = []
    for source, found in sources.items():
        for place, value in found.items():
            if agreed.setdefault(place, value) != value:
                problems.append(
                    SettingsProblem(
                        source=source,
                        key=venue_key(*place),
                        value="***",
                        problem="differs from the value found elsewhere",
                        expected="one value; remove the outdated one",
                    )
                )
    if problems:
        raise SettingsError(problems)
    return agreed


def _store(settings: Settings, clock: Clock, found: Mapping[Place, SecretStr]) -> None:
    """Put *found* into the vault and read it back from the disk."""
    open_vault(settings, clock).put_all(found)
    written = open_vault(settings, clock)
    if any(written.get(*place) != value for place, value in found.items()):
        raise VaultError("the vault does not hold what was just stored; .env was left alone")


def _forget(home: Home, found: Mapping[Place, SecretStr]) -> dict[Place, SecretStr]:
    """Rewrite ``.env`` without those of *found* that stand in it, and return these."""
    with locked(home.root):
        env_file = read_env_file(home.env_file)  # somebody may have edited it meanwhile
        stored = dict(_in_clear(env_file, None).items() & found.items())
        if stored:
            _rewrite(home.env_file, env_file.without(_keys(stored)))
    return stored


def _leftover_lines(home: Home, found: Mapping[Place, SecretStr]) -> tuple[int, ...]:
    """Return the lines of ``.env`` where a value of *found* still stands, in a comment say."""
    left = read_env_file(home.env_file)
    values = [value.get_secret_value() for value in found.values()]
    telling = [value for value in values if len(value) >= _MIN_TELLING_LENGTH]
    return tuple(sorted({line for value in telling for line in left.lines_containing(value)}))


def _rewrite(path: Path, text: str) -> None:
    sweep_temporaries(path)
    write_atomic(path, text.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The fingerprints before and after a rotation, and where the key stands.

    *finished* is false when the old key is still in force as a second one, because it stands in
    the process environment, which only the operator can change.
    """

    old: str
    new: str
    place: str
    finished: bool


def rotate_keys(root: Path, environ: Mapping[str, str], clock: Clock) -> Rotated:
    """Encrypt the vault of the home *root* anew under a new key and return the fingerprints.

    The key's place (``.env`` or the key file) first holds new and old key, then the vault is
    rewritten and read back, then the old key is removed: at every instant the keys in force open
    the vault, and a second call finishes what a crash interrupted. A key that comes from the
    process environment is the operator's to change: with ``new,old`` there, the vault moves to the
    new one. Raises `KeyFileError` if only one key is there.
    """
    with locked(expanded(root)):
        settings = load_settings(root, environ)
        place = dict(settings.origins).get(ENCRYPTION_KEY, "")
        if place == "environment":
            return _move_vault(settings, settings.encryption_keys(), clock, place)
        return _rotate_stored(settings, place, environ, clock)


def _move_vault(
    settings: Settings, keys: tuple[SecretStr, ...], clock: Clock, place: str
) -> Rotated:
    """Bring the vault under the first of *keys*."""
    if len(keys) < 2:
        raise KeyFileError(
            "the encryption key comes from the environment, which this command cannot change",
            remedy="make a key with `keygen --stdout`, set RUSTYBT_ENCRYPTION_KEY=new,old there, "
            "run this again, then remove the old key",
        )
    vault = open_vault(settings, clock)
    old, new = vault.key_fingerprint, key_fingerprint(keys[0])
    if old != new:
        vault.rotate(keys[0])
    _verify(settings, keys[0], clock)
    return Rotated(old=old, new=new, place=place, finished=False)


def _rotate_stored(
    settings: Settings, place: str, environ: Mapping[str, str], clock: Clock
) -> Rotated:
    """Rotate a key that stands in one of the home's files."""
    keys = settings.encryption_keys()
    before = open_vault(settings, clock).key_fingerprint  # also: nothing changes for a wrong key
    if len(keys) < 2:
        keys = (new_key(), *keys)
        _write_keys(settings, keys)
    settings = load_settings(settings.home, environ)
    moved = _move_vault(settings, keys, clock, place)
    _write_keys(settings, keys[:1])
    return Rotated(old=before, new=moved.new, place=place.partition(":")[0], finished=True)


def _verify(settings: Settings, key: SecretStr, clock: Clock) -> None:
    """Read every credential back from the disk under *key* alone."""
    vault = Vault.open(Home(settings.home).vault_file, [key], settings.environment, clock)
    for entry in vault.entries():
        vault.get(entry.name, entry.field)


def _write_keys(settings: Settings, keys: tuple[SecretStr, ...]) -> None:
    """Replace the keys where they stand: in ``.env``, or else in the key file."""
    home = Home(settings.home)
    text = ",".join(key.get_secret_value() for key in keys)
    if home.key_file.exists():
        _rewrite(home.key_file, f"{text}\n")
    else:
        _rewrite(home.env_file, read_env_file(home.env_file).with_value(ENCRYPTION_KEY, text))
