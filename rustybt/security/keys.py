"""Encryption keys: made, checked, and named by fingerprint so that nobody needs to show them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from pydantic import SecretStr

from rustybt.errors import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_BYTES = 32
_MIN_DISTINCT_BYTES = 16
_FINGERPRINT_CHARACTERS = 16
_REMEDY = "make one with `python -m rustybt keygen`"


def new_key() -> SecretStr:
    """Return a new random Fernet key."""
    return SecretStr(Fernet.generate_key().decode())


def check_key(key: SecretStr, *, name: str = "the encryption key") -> bytes:
    """Return the 32 bytes of *key*; raise `KeyFileError`, calling it *name*, if it is no good key.

    Refused are keys that are not 32 bytes in URL-safe base64, and keys that nobody's random
    generator made: few distinct bytes, a repeated pattern, counting, or a typed phrase.
    """
    try:
        text = key.get_secret_value().encode("ascii")
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise KeyFileError(
            f"{name} is malformed",
            expected=f"{KEY_BYTES} bytes in URL-safe base64, 44 characters",
            remedy=_REMEDY,
        )
    if any(looks_made_up(raw) for looks_made_up in _WEAKNESSES):
        raise KeyFileError(
            f"{name} is weak: its bytes are not random",
            expected=f"{KEY_BYTES} random bytes",
            remedy=_REMEDY,
        )
    return raw


def _few_distinct(raw: bytes) -> bool:
    return len(set(raw)) < _MIN_DISTINCT_BYTES


def _periodic(raw: bytes) -> bool:
    return any(raw[step:] == raw[:-step] for step in range(1, len(raw) // 2 + 1))


def _typed(raw: bytes) -> bool:
    """Tell whether the bytes are a typed phrase: all of them printable ASCII."""
    return all(32 <= byte < 127 for byte in raw)


def _counting(raw: bytes) -> bool:
    """Tell whether most bytes differ from the one before by the same step."""
    steps = [(after - before) % 256 for before, after in pairwise(raw)]
    return max(steps.count(step) for step in steps) > len(steps) // 2


# Each of these is seen in less than one of 10^13 random keys.
_WEAKNESSES = (_few_distinct, _periodic, _typed, _counting)


def check_keys(keys: Iterable[SecretStr]) -> tuple[SecretStr, ...]:
    """Return *keys* as they are; raise `KeyFileError` if one is bad or there is none."""
    checked = tuple(keys)
    for number, key in enumerate(checked, start=1):
        check_key(key, name=f"encryption key {number} of {len(checked)}")
    if not checked:
        raise KeyFileError(
            "there is no encryption key",
            expected="RUSTYBT_ENCRYPTION_KEY in .env or in the environment, or a key file",
            remedy=_REMEDY,
        )
    return checked


def key_fingerprint(key: SecretStr) -> str:
    """Return 16 hex digits that name *key* and say nothing about it: its bytes are random."""
    digest = hashlib.sha256(b"rustybt encryption key v1\0" + key.get_secret_value().encode())
    return digest.hexdigest()[:_FINGERPRINT_CHARACTERS]


def fingerprint(secret: SecretStr) -> str:
    """Return 16 hex digits that are equal for equal *secret* values, in any vault of anybody's.

    Scrypt makes guessing a short secret from its fingerprint cost about 50 ms and 16 MB a guess;
    the salt is fixed, because fingerprints of separate deployments must be comparable.
    """
    digest = hashlib.scrypt(
        secret.get_secret_value().encode(), salt=b"rustybt credential v1", n=2**14, r=8, p=1
    )
    return digest.hex()[:_FINGERPRINT_CHARACTERS]
