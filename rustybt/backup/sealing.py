"""Encrypt files for an archive, a piece at a time, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken

from rustybt.backup.container import CHUNK
from rustybt.backup.errors import BackupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pydantic import SecretStr


def encrypted(chunks: Iterator[bytes], key: SecretStr, at: datetime) -> Iterator[bytes]:
    """Yield a line for each of *chunks*, which hold `CHUNK` bytes at most; only *key* opens them.

    *at* is the time that stands beside them.
    """
    fernet, second = Fernet(key.get_secret_value()), int(at.timestamp())
    for chunk in chunks:
        yield fernet.encrypt_at_time(chunk, second) + b"\n"


def decrypted(pieces: Iterator[bytes], key: SecretStr) -> Iterator[bytes]:
    """Yield what `encrypted` was given, from *pieces* of its lines cut anywhere.

    Raise `BackupError` if a line is not by *key*.
    """
    fernet = Fernet(key.get_secret_value())
    for line in _lines(pieces):
        try:
            yield fernet.decrypt(line)
        except InvalidToken:
            raise BackupError("an encrypted file in it does not decrypt") from None


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    waiting = b""
    for piece in pieces:
        *lines, waiting = (waiting + piece).split(b"\n")
        yield from lines
        if len(waiting) > 2 * CHUNK:  # a token is a third longer than what is in it
            break
    if waiting:
        raise BackupError("an encrypted file in it does not end as one does")
