"""Encryption keys: made, checked, and named by fingerprint so that nobody needs to show them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet
from pydantic import SecretStr

from rustybt.errors import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_BYTES = 32
# 32 random bytes hold about 30 different values; fewer than 16 has odds below 1e-15.
_MIN_DISTINCT_BYTES = 16
_LONGEST_STEADY_RUN = 8
_FINGERPRINT_CHARACTERS = 16
_REMEDY = "make one with `python -m rustybt keygen`"


def new_key() -> SecretStr:
    """Return a new random Fernet key."""
    return SecretStr(Fernet.generate_key().decode())


def check_key(key: SecretStr, *, name: str = "the encryption key") -> bytes:
    """Return the 32 bytes of *key*; raise `KeyFileError`, calling it *name*, if it is no good key.

    Refused are keys that are not 32 bytes in URL-safe base64, and keys that nobody's random
    generator made: few distinct bytes, one pattern repeated, or counting up or down.
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
    if len(set(raw)) < _MIN_DISTINCT_BYTES or _longest_steady_run(raw) > _LONGEST_STEADY_RUN:
        raise KeyFileError(
            f"{name} is weak: its bytes follow a pattern",
            expected="32 random bytes",
            remedy=_REMEDY,
        )
    return raw


def _longest_steady_run(raw: bytes) -> int:
    """Return the length of the longest stretch whose bytes differ by one constant step."""
    steps = [(after - before) % 256 for before, after in itertools.pairwise(raw)]
    longest = run = 1
    for before, after in itertools.pairwise(steps):
        run = run + 1 if before == after else 1
        longest = max(longest, run)
    return longest + 1


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
