"""The vault keeps credentials, tells their age, and notices what is wrong."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from rustybt.errors import (
    EnvironmentMismatchError,
    HomeError,
    KeyFileError,
    UnknownCredentialError,
    VaultCorruptError,
    VaultError,
    WrongKeyError,
)
from rustybt.security.document import Document, to_bytes
from rustybt.security.keys import key_fingerprint, new_key
from rustybt.security.vault import Vault

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_days(self, days: int) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key() -> SecretStr:
    return new_key()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vault.json"


@pytest.fixture
def vault(path: Path, key: SecretStr, clock: Clock) -> Vault:
    return Vault.create(path, [key], "dev", clock)


def reopened(path: Path, *keys: SecretStr) -> Vault:
    return Vault.open(path, keys, "dev", Clock())


def test_what_is_put_is_got_back_in_another_session(
    vault: Vault, path: Path, key: SecretStr
) -> None:
    """Values survive on the disk, by name and field."""
    vault.put("binance", "api_key", "the key")
    vault.put_all({("binance", "api_secret"): SecretStr("line 1\nline 2"), ("kraken", "uid"): "ü"})
    again = reopened(path, key)
    assert again.get("binance", "api_key").get_secret_value() == "the key"
    assert again.get("binance", "api_secret").get_secret_value() == "line 1\nline 2"
    assert again.get("kraken", "uid").get_secret_value() == "ü"
    assert again.names() == ("binance", "kraken")
    assert again.fields("binance") == ("api_key", "api_secret")
    assert again.fields("nobody") == ()


def test_the_file_is_private_and_shows_no_value(vault: Vault, path: Path, key: SecretStr) -> None:
    """Mode 0600 from the start and after every write; neither value nor key stand in it."""
    vault.put("binance", "api_key", "plain-as-day")
    path.chmod(0o644)
    vault.put("binance", "api_secret", "night")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert "plain-as-day" not in content
    assert key.get_secret_value() not in content
    assert [entry.name for entry in path.parent.iterdir()] == ["vault.json"]


def test_values_and_keys_are_in_no_repr(vault: Vault, key: SecretStr) -> None:
    """Whoever logs a vault, an entry or a value leaks nothing."""
    vault.put("binance", "api_key", "plain-as-day")
    shown = repr((vault, vault.entries(), vault.get("binance", "api_key")))
    assert "plain-as-day" not in shown
    assert key.get_secret_value() not in shown
    assert "Vault(" in shown


def test_an_unknown_credential_is_an_error_that_says_what_to_do(vault: Vault) -> None:
    """Nothing is made up for a credential that is not there."""
    with pytest.raises(UnknownCredentialError, match="holds no binance api_key; to fix it: store"):
        vault.get("binance", "api_key")


def test_age_counts_from_the_last_change_of_the_value(vault: Vault, clock: Clock) -> None:
    """Storing the same value again is no rotation; another value is."""
    assert vault.age(START) is None
    vault.put("binance", "api_key", "one")
    clock.pass_days(10)
    vault.put("binance", "api_key", "one")
    vault.put("binance", "api_secret", "two")
    assert vault.age(clock.now) == timedelta(days=10)
    clock.pass_days(5)
    vault.put("binance", "api_key", "other")
    entry, _ = vault.entries()
    assert (entry.created_at, entry.rotated_at) == (START, START + timedelta(days=15))
    assert entry.age(clock.now) == timedelta(0)
    assert vault.age(clock.now) == timedelta(days=5)


def test_storing_the_same_value_again_writes_nothing(vault: Vault, path: Path) -> None:
    """A repeated command leaves the file as it is."""
    vault.put("binance", "api_key", "one")
    before = path.read_bytes()
    vault.put("binance", "api_key", "one")
    assert path.read_bytes() == before


def test_entries_tell_environment_and_key(vault: Vault, key: SecretStr) -> None:
    """Metadata names the environment and the key's fingerprint, never the key."""
    vault.put("binance", "api_key", "one")
    (entry,) = vault.entries()
    assert entry.environment == vault.environment == "dev"
    assert entry.key_fingerprint == key_fingerprint(key)
    assert vault.key_since == START


def test_rotation_moves_everything_to_the_new_key(
    vault: Vault, path: Path, key: SecretStr, clock: Clock
) -> None:
    """Afterwards only the new key opens it; values and ages are as before."""
    vault.put_all({("binance", "api_key"): "one", ("kraken", "api_key"): "two"})
    clock.pass_days(30)
    new = new_key()
    vault.rotate(new)
    assert vault.get("binance", "api_key").get_secret_value() == "one"
    vault.put("binance", "api_secret", "three")
    again = reopened(path, new)
    assert [again.get(entry.name, entry.field).get_secret_value() for entry in again.entries()] == [
        "one",
        "three",
        "two",
    ]
    assert again.age(clock.now) == timedelta(days=30)
    assert again.key_since == clock.now
    with pytest.raises(WrongKeyError):
        reopened(path, key)


def test_any_key_of_a_ring_opens_the_vault(vault: Vault, path: Path, key: SecretStr) -> None:
    """During a rotation two keys are in force; what is put stays under the vault's own."""
    vault.put("binance", "api_key", "one")
    reopened(path, new_key(), key).put("binance", "api_secret", "two")
    assert reopened(path, key).get("binance", "api_secret").get_secret_value() == "two"


def test_rotation_to_the_present_key_is_refused(vault: Vault, key: SecretStr) -> None:
    """A rotation that changes nothing must not look like one."""
    with pytest.raises(KeyFileError, match="in use already"):
        vault.rotate(key)


def test_a_wrong_key_is_told_from_damage_and_never_shown(vault: Vault, path: Path) -> None:
    """The message names fingerprints and what to do."""
    wrong = new_key()
    with pytest.raises(WrongKeyError) as caught:
        reopened(path, wrong)
    message = str(caught.value)
    assert key_fingerprint(wrong) in message
    assert vault.key_fingerprint in message
    assert "RUSTYBT_ENCRYPTION_KEY" in message
    assert wrong.get_secret_value() not in message


def test_another_environments_vault_is_refused(vault: Vault, path: Path, key: SecretStr) -> None:
    """Even with the right key, production does not run on dev's credentials."""
    with pytest.raises(EnvironmentMismatchError, match="belongs to dev, not to production"):
        Vault.open(path, [key], "production", Clock())


def edit(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def first(document: dict[str, object]) -> dict[str, object]:
    entries = document["entries"]
    assert isinstance(entries, list)
    assert isinstance(entries[0], dict)
    return entries[0]


def swap_values(document: dict[str, object]) -> None:
    entries = document["entries"]
    assert isinstance(entries, list)
    entries[0]["token"], entries[1]["token"] = entries[1]["token"], entries[0]["token"]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: first(document).update(created_at="2026-02-01T00:00:00Z"),
        lambda document: first(document).update(rotated_at="2026-02-01T00:00:00Z"),
        lambda document: first(document).update(field="api_key2"),
        lambda document: document.update(entries=[first(document)]),
        lambda document: document.update(key_since="2026-02-01T00:00:00Z"),
        lambda document: document.update(mac=""),
        swap_values,
    ],
)
def test_tampering_is_noticed(
    vault: Vault, path: Path, key: SecretStr, change: Callable[[dict[str, object]], object]
) -> None:
    """Changed times, renamed, dropped and swapped entries all break the seal."""
    vault.put_all({("binance", "api_key"): "one", ("binance", "api_secret"): "two"})
    edit(path, change)
    with pytest.raises(VaultCorruptError, match="seal is broken"):
        reopened(path, key)
    with pytest.raises(VaultCorruptError):
        vault.put("kraken", "api_key", "three")


def test_a_vault_relabelled_for_another_environment_is_noticed(
    vault: Vault, path: Path, key: SecretStr
) -> None:
    """The environment is under the seal as well."""
    edit(path, lambda document: document.update(environment="production"))
    with pytest.raises(VaultCorruptError):
        Vault.open(path, [key], "production", Clock())


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff\xfe", b'{"format": "rustybt-vault"', b"null", b"9" * 5000],
)
def test_a_file_that_is_no_vault_is_a_clear_error(
    vault: Vault, path: Path, key: SecretStr, content: bytes
) -> None:
    """Empty, truncated, foreign and binary files: one error with a remedy."""
    path.write_bytes(content)
    with pytest.raises(VaultCorruptError, match="restore it from a backup"):
        reopened(path, key)


def test_extra_fields_are_refused(vault: Vault, path: Path, key: SecretStr) -> None:
    """What the vault did not write does not pass through it."""
    edit(path, lambda document: document.update(extra="x"))
    with pytest.raises(VaultCorruptError, match="extra"):
        reopened(path, key)


def test_a_huge_file_is_refused(vault: Vault, path: Path, key: SecretStr) -> None:
    """Memory is bounded whatever lies there."""
    path.write_bytes(b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(HomeError, match="too large"):
        reopened(path, key)


def test_a_value_under_another_key_is_damage(
    vault: Vault, path: Path, key: SecretStr, clock: Clock
) -> None:
    """A vault opened before somebody rotated it refuses to write over the rotated file."""
    vault.put("binance", "api_key", "one")
    late = reopened(path, key)
    vault.rotate(new_key())
    with pytest.raises(WrongKeyError):
        late.put("binance", "api_secret", "two")
    assert late.get("binance", "api_key").get_secret_value() == "one"


def test_a_token_that_does_not_decrypt_is_damage(vault: Vault, path: Path, key: SecretStr) -> None:
    """Even under a right seal, what cannot be read is an error that names the credential."""
    vault.put("binance", "api_key", "one")
    document = Document.model_validate_json(path.read_bytes())
    entry = document.entries[0].model_copy(update={"token": Fernet.generate_key().decode()})
    path.write_bytes(to_bytes(document.model_copy(update={"entries": (entry,)}).sealed(key)))
    with pytest.raises(VaultCorruptError, match="binance api_key does not decrypt"):
        reopened(path, key).get("binance", "api_key")


def test_writers_see_each_others_work(vault: Vault, path: Path, key: SecretStr) -> None:
    """Two open vaults on one file lose nothing of each other."""
    other = reopened(path, key)
    vault.put("binance", "api_key", "one")
    other.put("binance", "api_secret", "two")
    assert reopened(path, key).fields("binance") == ("api_key", "api_secret")


def test_a_missing_vault_is_not_made_up(path: Path, key: SecretStr) -> None:
    """Opening never creates."""
    with pytest.raises(VaultError, match="there is no vault"):
        reopened(path, key)
    assert not path.exists()


def test_creating_never_overwrites(vault: Vault, path: Path, key: SecretStr, clock: Clock) -> None:
    """A second vault in the same place is refused, and the first one stays."""
    vault.put("binance", "api_key", "one")
    with pytest.raises(VaultError, match="already"):
        Vault.create(path, [key], "dev", clock)
    assert reopened(path, key).names() == ("binance",)


def test_a_disk_that_refuses_is_a_vault_error(tmp_path: Path, key: SecretStr) -> None:
    """The operating system's reason is in the message."""
    with pytest.raises(VaultError, match="No such file"):
        Vault.create(tmp_path / "missing" / "vault.json", [key], "dev", Clock())


@pytest.mark.parametrize(
    ("name", "field"), [("", "x"), ("Binance", "x"), ("x", "a b"), ("x" * 65, "x"), ("x", "é")]
)
def test_malformed_names_are_refused(vault: Vault, path: Path, name: str, field: str) -> None:
    """Names are plain identifiers, so that listings and messages are too."""
    before = path.read_bytes()
    with pytest.raises(VaultError, match="cannot name a credential"):
        vault.put(name, field, "secret")
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", ["", "  ", "x" * 65537, "\ud800"])
def test_unusable_values_are_refused_unseen(vault: Vault, path: Path, value: str) -> None:
    """Empty, huge and undecodable values are refused, all or nothing."""
    before = path.read_bytes()
    with pytest.raises(VaultError) as caught:
        vault.put_all({("binance", "api_key"): "fine", ("binance", "api_secret"): value})
    assert "xxx" not in str(caught.value)
    assert caught.value.__context__ is None
    assert path.read_bytes() == before


def test_fingerprints_compare_values_across_vaults(
    vault: Vault, tmp_path: Path, clock: Clock
) -> None:
    """Equal credentials in two environments are found without showing either."""
    other = Vault.create(tmp_path / "production.json", [new_key()], "production", clock)
    vault.put("binance", "api_key", "shared")
    other.put_all({("binance", "api_key"): "shared", ("binance", "api_secret"): "own"})
    assert vault.fingerprint("binance", "api_key") == other.fingerprint("binance", "api_key")
    assert other.fingerprint("binance", "api_key") != other.fingerprint("binance", "api_secret")
    assert len(vault.fingerprint("binance", "api_key")) == 16


def test_a_clock_in_another_zone_is_stored_as_utc(tmp_path: Path, key: SecretStr) -> None:
    """All times of the file are UTC."""
    zone = START.astimezone().tzinfo
    vault = Vault.create(tmp_path / "v.json", [key], "dev", lambda: START.astimezone(zone))
    assert reopened(tmp_path / "v.json", key).key_since == START
    assert vault.key_since.tzinfo == UTC
