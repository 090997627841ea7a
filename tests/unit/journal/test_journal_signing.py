"""Keys that sign heads, and the file that heads are kept in."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rustybt.journal import JournalError
from rustybt.journal.heads import HeadStore, SignedHead, read_heads
from rustybt.journal.signing import SigningKey, VerifyingKey
from rustybt.journal.store import Journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """The private file has mode 0600, the public one others may read; both give the same key."""
    private, public = tmp_path / "key", tmp_path / "key.pub"
    made = SigningKey.create(private, public)

    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    signature = SigningKey.load(private).sign(b"said")
    auditor = VerifyingKey.load(public)
    assert auditor.accepts(signature, b"said")
    assert not auditor.accepts(signature, b"sand")
    assert auditor.raw == made.public.raw
    assert repr(made) == f"SigningKey({auditor.fingerprint})"
    assert repr(auditor) == f"VerifyingKey({auditor.fingerprint})"


def test_no_key_is_overwritten(tmp_path: Path) -> None:
    """If one of the files exists, neither is changed nor made."""
    private, public = tmp_path / "key", tmp_path / "key.pub"
    public.write_text("mine")
    with pytest.raises(JournalError, match="exists and is left as it is"):
        SigningKey.create(private, public)
    assert not private.exists()
    with pytest.raises(JournalError, match="cannot write"):
        SigningKey.create(tmp_path / "none" / "key", tmp_path / "other")
    assert public.read_text() == "mine"


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    """What is no Ed25519 key of the right half is refused by name, and so is a missing file."""
    private, public, other = tmp_path / "key", tmp_path / "key.pub", tmp_path / "other"
    SigningKey.create(private, public)
    other.write_text("no key")
    for load in (SigningKey.load, VerifyingKey.load):
        with pytest.raises(JournalError, match="other holds no Ed25519 key"):
            load(other)
        with pytest.raises(JournalError, match="cannot read"):
            load(tmp_path / "none")
    with pytest.raises(JournalError, match="holds no Ed25519 key"):
        SigningKey.load(public)
    with pytest.raises(JournalError, match="holds no Ed25519 key"):
        VerifyingKey.load(private)


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    """An X25519 key cannot sign."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key, file = X25519PrivateKey.generate(), tmp_path / "key"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(JournalError, match="holds no Ed25519 key"):
        SigningKey.load(file)
    file.write_bytes(
        key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(JournalError, match="holds no Ed25519 key"):
        VerifyingKey.load(file)


def signed(file: Path | None, count: int) -> list[SignedHead]:
    """Sign a head behind each of *count* records."""
    clock = lambda: NOW  # noqa: E731 - short
    with Journal.open(
        "sqlite://", session="s", clock=clock, key=SigningKey.generate(), heads=file
    ) as journal:
        heads = []
        for _ in range(count):
            journal.append("event", b"{}")
            journal.commit()
            heads.append(journal.sign_head())
        assert HeadStore(journal.engine, file).newest() == heads[-1]
    return heads


def test_heads_are_added_to_a_file(tmp_path: Path) -> None:
    """Each is a line of its own in a private file that only grows; none are no heads."""
    file = tmp_path / "heads"
    assert read_heads(file) == []
    heads = signed(file, 40)
    assert read_heads(file) == heads
    assert read_heads(file, last=1000) == heads[-len(read_heads(file, last=1000)) :]
    assert 0 < len(read_heads(file, last=1000)) < 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_torn_last_line_is_no_head(tmp_path: Path) -> None:
    """What a power cut left of the last line is passed over, and the next head takes its place."""
    file = tmp_path / "heads"
    first = signed(file, 2)
    with file.open("rb+") as torn:
        torn.truncate(file.stat().st_size - 1)
    assert read_heads(file) == first[:1]


def test_the_next_head_takes_the_place_of_a_torn_one(tmp_path: Path) -> None:
    """A line without its end is taken off when the next head is written."""
    file = tmp_path / "heads"
    file.write_bytes(b'{"sequ')
    assert read_heads(file) == []
    assert read_heads(file) + signed(file, 1) == read_heads(file)


def test_a_changed_line_is_named(tmp_path: Path) -> None:
    """A line that is no head, and a file that is none, are errors."""
    file = tmp_path / "heads"
    signed(file, 2)
    whole = file.read_bytes()
    for line in (b"{}", b'{"\xff'):
        file.write_bytes(line + b"\n" + whole)
        with pytest.raises(JournalError, match="line 1, is no signed head"):
            read_heads(file)
    with pytest.raises(JournalError, match="cannot read"):
        read_heads(tmp_path)
