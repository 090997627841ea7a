"""A manifest is believed when the deployment's key vouches for it, and leads nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rustybt.backup.errors import BackupError
from rustybt.backup.manifest import JournalPart, Manifest, Member, read_manifest
from rustybt.security.keys import key_fingerprint, new_key

if TYPE_CHECKING:
    from pydantic import SecretStr

KEY = new_key()


def member(path: str, **fields: Any) -> Member:
    """Return a member of an archive."""
    given: dict[str, Any] = {"kind": "home", "size": 1, "sha256": "0" * 64, "mode": 0o600} | fields
    return Member(path=path, **given)


def manifest(*members: Member, key: SecretStr = KEY) -> Manifest:
    """Return a manifest of *members*."""
    return Manifest(
        created=datetime(2026, 1, 1, tzinfo=UTC),
        versions={"rustybt": "0.1.0"},
        environment="dev",
        key=key_fingerprint(key),
        journal=JournalPart(path="state/rustybt.db", sequence=3, sha256="1" * 64),
        members=members,
    )


def test_a_manifest_comes_back_with_its_key() -> None:
    """What was vouched for is read again, whichever of the given keys it was."""
    written = manifest(member("a/b"), member("a/c"), member("a", kind="journal"))
    found, key = read_manifest(written.vouched(KEY), [new_key(), KEY])
    assert found.members == written.members
    assert found.journal == written.journal
    assert key == KEY


@pytest.mark.parametrize(
    "path",
    [
        "../x", "a/../../x", "..", ".", "", "/etc/passwd", "a//b", "a/./b", "a/", "a\0b",
    ],
)  # fmt: skip
def test_paths_beyond_the_home_are_refused(path: str) -> None:
    """Even with the right key, a path that leads out of the home, or is none, is refused."""
    with pytest.raises(BackupError, match="no file below a home"):
        read_manifest(manifest(member(path)).vouched(KEY), [KEY])


@pytest.mark.parametrize("paths", [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
def test_paths_in_the_way_of_others_are_refused(paths: tuple[str, ...]) -> None:
    """A file twice, or where another one needs a folder, is refused."""
    with pytest.raises(BackupError, match="in the way"):
        read_manifest(manifest(*map(member, paths)).vouched(KEY), [KEY])


def test_a_secret_and_a_plain_file_of_one_name_are_refused() -> None:
    """The kind of a member is no second place for it."""
    both = manifest(member("a"), member("a", kind="sealed"))
    with pytest.raises(BackupError, match="in the way"):
        read_manifest(both.vouched(KEY), [KEY])


def test_a_size_below_nothing_is_refused() -> None:
    """No file has fewer bytes than none."""
    with pytest.raises(BackupError, match="no file below a home"):
        read_manifest(manifest(member("a", size=-1)).vouched(KEY), [KEY])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sequence":3', b'"sequence":2'),
        (b'"a/b"', b'"a/c"'),
        (b'"mode":384', b'"mode":511'),
        (b'"mac":"', b'"mac":"0'),
        (b'"environment":"dev"', b'"environment":"production"'),
        (b'"mac":"', '"mac":"é'.encode()),
    ],
)
def test_a_manifest_that_was_changed_is_refused(old: bytes, new: bytes) -> None:
    """Whoever changes a value and has no key is found out."""
    data = manifest(member("a/b")).vouched(KEY)
    assert old in data
    with pytest.raises(BackupError, match="was changed"):
        read_manifest(data.replace(old, new), [KEY])


def test_another_key_is_named_by_its_fingerprint() -> None:
    """The message tells which key is needed and which was given, and shows neither."""
    other = new_key()
    with pytest.raises(BackupError) as caught:
        read_manifest(manifest().vouched(KEY), [other])
    said = str(caught.value)
    assert key_fingerprint(KEY) in said
    assert key_fingerprint(other) in said
    assert KEY.get_secret_value() not in said


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b"[" * 100_000, b'{"format":"x"}', b"\xff", b'{"\xff']
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    """Text of any other form is malformed, however deep it nests."""
    with pytest.raises(BackupError, match="malformed"):
        read_manifest(data, [KEY])


def test_another_form_is_refused() -> None:
    """A later version's archive is named as such."""
    newer = msgspec.structs.replace(manifest(), format="rustybt backup 9")
    with pytest.raises(BackupError, match="backup 9"):
        read_manifest(newer.vouched(KEY), [KEY])
