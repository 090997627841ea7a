"""Encryption keys are random, checked, and named without being shown."""

import base64
import hashlib

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from rustybt.errors import KeyFileError
from rustybt.security.keys import check_key, check_keys, key_fingerprint, new_key

GOOD = base64.urlsafe_b64encode(hashlib.sha256(b"a key").digest()).decode()


def encoded(raw: bytes) -> SecretStr:
    return SecretStr(base64.urlsafe_b64encode(raw).decode())


def test_new_keys_are_valid_and_different() -> None:
    """Each call makes a key that Fernet takes and the checks accept."""
    keys = [new_key() for _ in range(200)]
    assert len({key.get_secret_value() for key in keys}) == 200
    for key in [*keys, SecretStr(GOOD)]:
        Fernet(key.get_secret_value())
        assert len(check_key(key)) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "é" * 44,
        "a" * 44,
        "!" * 43 + "=",
        GOOD[:-1],
        f"{GOOD}\n",
        base64.urlsafe_b64encode(b"x" * 31).decode(),
        base64.urlsafe_b64encode(b"x" * 33).decode(),
    ],
)
def test_malformed_keys_are_refused(text: str) -> None:
    """Only 32 bytes in URL-safe base64 are a key."""
    with pytest.raises(KeyFileError, match="malformed"):
        check_key(SecretStr(text))


@pytest.mark.parametrize(
    "raw",
    [
        bytes(32),
        b"\xff" * 32,
        bytes([1, 200] * 16),
        bytes(range(32)),
        bytes(range(200, 168, -1)),
        bytes(range(0, 224, 7)),
        bytes(range(100, 116)) * 2,
        b"correct horse battery staple 123",
        bytes(range(15)) + bytes([14] * 17),
    ],
)
def test_weak_keys_are_refused_unseen(raw: bytes) -> None:
    """Constant, repeated, counted and typed bytes are nobody's random numbers."""
    key = encoded(raw)
    with pytest.raises(KeyFileError, match="weak") as caught:
        check_key(key, name="key 1")
    assert key.get_secret_value() not in str(caught.value)


def test_a_missing_key_says_how_to_make_one() -> None:
    """No key at all is an error, not an open door."""
    with pytest.raises(KeyFileError, match=r"there is no encryption key.*keygen"):
        check_keys([])
    keys = (new_key(), new_key())
    assert check_keys(keys) == keys
    with pytest.raises(KeyFileError, match="encryption key 2 of 2"):
        check_keys([keys[0], SecretStr("bad")])


def test_fingerprints_tell_keys_apart() -> None:
    """Equal keys have equal fingerprints of 16 hex digits, others differ."""
    key = new_key()
    assert key_fingerprint(key) == key_fingerprint(SecretStr(key.get_secret_value()))
    assert key_fingerprint(key) != key_fingerprint(new_key())
    assert len(key_fingerprint(key)) == 16
    assert key_fingerprint(key) not in key.get_secret_value()
