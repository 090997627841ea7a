"""Under any sequence of operations the vault holds what a dictionary would."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustybt.errors import VaultCorruptError, VaultError
from rustybt.security.keys import new_key
from rustybt.security.vault import Vault

# A thousand examples would otherwise spend their time waiting for the disk.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder in it

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = st.sampled_from(["binance", "kraken"])
FIELDS = st.sampled_from(["api_key", "api_secret"])
SECRETS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
OPERATIONS = st.lists(st.one_of(st.tuples(NAMES, FIELDS, SECRETS), st.none()), max_size=2)


@given(OPERATIONS)
def test_the_vault_is_a_dictionary_that_remembers_when(
    operations: list[tuple[str, str, str] | None],
) -> None:
    """Puts and rotations (None) in any order: values, ages and the one key that opens it."""
    now = [START]
    key = new_key()
    values: dict[tuple[str, str], str] = {}
    changed: dict[tuple[str, str], datetime] = {}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "vault.json"
        vault = Vault.create(path, [key], "dev", lambda: now[0])
        for operation in operations:
            now[0] += timedelta(days=1)
            if operation is None:
                key = new_key()
                vault.rotate(key)
            else:
                *place, value = operation
                vault.put(place[0], place[1], value)
                if values.get((place[0], place[1])) != value:
                    changed[place[0], place[1]] = now[0]
                values[place[0], place[1]] = value
        again = Vault.open(path, [key], "dev", lambda: now[0])
    entries = again.entries()
    assert {
        (e.name, e.field): again.get(e.name, e.field).get_secret_value() for e in entries
    } == values
    assert {(e.name, e.field): e.changed_at for e in entries} == changed


@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    """A flipped bit anywhere is noticed, or (white space, say) changes nothing that is read."""
    position = data.draw(st.integers(0, len(SEALED) - 1))
    bit = data.draw(st.integers(0, 7))
    damaged = bytearray(SEALED)
    damaged[position] ^= 1 << bit
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "vault.json"
        path.write_bytes(damaged)
        try:
            vault = Vault.open(path, [KEY], "dev", lambda: START)
        except VaultError:
            return
        assert vault.entries() == ENTRIES
        assert vault.get("binance", "api_key").get_secret_value() == "the secret"


def _sealed() -> tuple[bytes, tuple[object, ...]]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "vault.json"
        vault = Vault.create(path, [KEY], "dev", lambda: START)
        vault.put("binance", "api_key", "the secret")
        return path.read_bytes(), vault.entries()


KEY = new_key()
SEALED, ENTRIES = _sealed()


@given(st.binary(max_size=200))
def test_any_bytes_in_its_place_are_refused(content: bytes) -> None:
    """Opening never fails in another way than with the vault's own error."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path = Path(folder) / "vault.json"
        path.write_bytes(content)
        with pytest.raises(VaultCorruptError, match="restore it from a backup"):
            Vault.open(path, [KEY], "dev", lambda: START)
