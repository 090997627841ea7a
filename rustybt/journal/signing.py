"""Ed25519 keys: the private one signs a journal's heads, the public one is for auditors."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from rustybt.errors import HomeError
from rustybt.files import PRIVATE_FILE, create_exclusively, read_bounded
from rustybt.journal.errors import JournalError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_READABLE = 0o644
_MOST_BYTES = 4096


class SigningKey:
    """A private key. Its representation shows its fingerprint only."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = VerifyingKey(private.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.fingerprint})"

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key that is in memory only."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def create(cls, path: Path, public: Path) -> SigningKey:
        """Make a new key in the new file *path* (mode 0600, PKCS #8) and in *public* (mode 0644).

        Raise `JournalError` if one of them exists, or the system refuses; none is overwritten.
        """
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        made = Ed25519PrivateKey.generate()
        text = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key = cls(made)
        _write_new(path, text, mode=PRIVATE_FILE)
        try:
            _write_new(public, key.public.pem(), mode=_READABLE)
        except JournalError:
            path.unlink()  # a key that nobody can check is of no use
            raise
        return key

    @classmethod
    def load(cls, path: Path) -> SigningKey:
        """Return the key in the file *path*; raise `JournalError` if it holds none."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            key = serialization.load_pem_private_key(_read(path), password=None)
        except (ValueError, TypeError) as error:
            raise _no_key(path) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(path)
        return cls(key)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes, of *message*."""
        return self._private.sign(message)


class VerifyingKey:
    """A public key, 32 bytes *raw*."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"VerifyingKey({self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the key's SHA-256."""
        return sha256(self.raw).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> VerifyingKey:
        """Return the key in the file *path*; raise `JournalError` if it holds none."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            key = serialization.load_pem_public_key(_read(path))
        except ValueError as error:
            raise _no_key(path) from error
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(path)
        return cls(key.public_bytes_raw())

    def pem(self) -> bytes:
        """Return the key as other tools read it, too (SubjectPublicKeyInfo)."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def accepts(self, signature: bytes, message: bytes) -> bool:
        """Tell whether *signature* is this key's of *message*."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    try:
        create_exclusively(path, data, mode=mode)
    except FileExistsError:
        raise JournalError(f"{path} exists and is left as it is", expected="a new file") from None
    except OSError as error:
        raise JournalError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, _MOST_BYTES)
    except HomeError as error:
        raise JournalError(error.problem) from error


def _no_key(path: Path) -> JournalError:
    return JournalError(f"{path} holds no Ed25519 key", expected="a PEM file without a password")
