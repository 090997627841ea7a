"""An archive that has the right key, but lies, writes nothing beyond its folder."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from rustybt.backup.container import ArchiveWriter, Entry
from rustybt.backup.errors import BackupError
from rustybt.backup.manifest import NAME, Manifest, Member
from rustybt.backup.reading import manifest_of, unpack
from rustybt.backup.sealing import decrypted, encrypted
from rustybt.security.keys import key_fingerprint, new_key

if TYPE_CHECKING:
    from pathlib import Path

KEY = new_key()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def member(path: str, data: bytes, *, sha256: str = "", sealed: bool = False) -> Member:
    """Return the member that tells of *data*, or of another *sha256*."""
    return Member(
        path=path,
        kind="sealed" if sealed else "home",
        size=len(data),
        sha256=sha256 or hashlib.sha256(data).hexdigest(),
        mode=0o640,
    )


def write(path: Path, members: list[Member], files: list[tuple[str, bytes]]) -> Path:
    """Write an archive whose manifest tells of *members*, and that holds *files*."""
    told = Manifest(
        created=NOW,
        versions={},
        environment="dev",
        key=key_fingerprint(KEY),
        journal=None,
        members=tuple(members),
    ).vouched(KEY)
    with path.open("xb") as file:
        writer = ArchiveWriter(file)
        for name, data in [(NAME, told), *files]:
            writer.add(Entry(name, len(data)), iter([data]))
        writer.finish()
    return path


def test_files_are_unpacked_with_their_modes(tmp_path: Path) -> None:
    """What is sealed comes out in clear; modes and digests are those of the files."""
    secret = b"".join(encrypted(iter([b"secret"]), KEY, NOW))
    members = [member("a/plain", b"plain"), member(".env", secret, sealed=True)]
    files = [("home/a/plain", b"plain"), ("sealed/.env", secret)]
    archive = write(tmp_path / "x", members, files)
    (tmp_path / "into").mkdir()
    found = unpack(archive, [KEY], tmp_path / "into")
    assert (found.home / "a/plain").read_bytes() == b"plain"
    assert (found.home / "a/plain").stat().st_mode & 0o777 == 0o640
    assert (found.home / ".env").read_bytes() == b"secret"
    assert dict(found.digests)[".env"] == hashlib.sha256(b"secret").hexdigest()
    assert manifest_of(archive, [KEY]).members == tuple(members)


@pytest.mark.parametrize(
    ("members", "files", "said"),
    [
        ([member("a", b"x")], [("home/a", b"x"), ("home/b", b"y")], "more than its manifest"),
        ([member("a", b"x"), member("b", b"y")], [("home/a", b"x")], "not where its manifest"),
        ([member("a", b"x")], [("home/../a", b"x")], "not where its manifest"),
        ([member("a", b"x")], [("home/a", b"longer")], "not where its manifest"),
        ([member("a", b"x")], [("sealed/a", b"x")], "not where its manifest"),
        ([member("a", b"x", sha256="0" * 64)], [("home/a", b"x")], "another checksum"),
        ([member("a", b"x\n", sealed=True)], [("sealed/a", b"x\n")], "does not decrypt"),
        ([member("a", b"x", sealed=True)], [("sealed/a", b"x")], "does not end"),
    ],
)
def test_an_archive_that_is_not_as_its_manifest_is_refused(
    members: list[Member], files: list[tuple[str, bytes]], said: str, tmp_path: Path
) -> None:
    """More, less, other names, sizes, checksums or keys than the manifest's are refused."""
    archive = write(tmp_path / "x", members, files)
    (tmp_path / "into").mkdir()
    with pytest.raises(BackupError, match=said) as caught:
        unpack(archive, [KEY], tmp_path / "into")
    assert str(archive) in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"x", "into"}


def test_an_archive_without_a_manifest_is_refused(tmp_path: Path) -> None:
    """Whatever else begins it is no backup."""
    path = tmp_path / "x"
    with path.open("xb") as file:
        writer = ArchiveWriter(file)
        writer.add(Entry("home/a", 1), iter([b"x"]))
        writer.finish()
    with pytest.raises(BackupError, match=r"does not begin with manifest\.json"):
        manifest_of(path, [KEY])


def test_a_backup_larger_than_the_disk_is_refused_first(tmp_path: Path) -> None:
    """What would fill the disk is known before a byte is unpacked."""
    free = shutil.disk_usage(tmp_path).free
    large = Member(path="bomb", kind="home", size=free, sha256="0" * 64, mode=0o600)
    archive = write(tmp_path / "x", [large], [])
    (tmp_path / "into").mkdir()
    with pytest.raises(BackupError, match="bytes free"):
        unpack(archive, [KEY], tmp_path / "into")
    assert not list((tmp_path / "into").iterdir())


def test_secrets_survive_however_the_lines_are_cut() -> None:
    """Pieces of any size add up to what was encrypted; a piece left over is refused."""
    parts = [b"a" * 1000, b"", b"b"]
    sealed = b"".join(encrypted(iter(parts), KEY, NOW))
    for size in (1, 7, 64, len(sealed)):
        pieces = (sealed[at : at + size] for at in range(0, len(sealed), size))
        assert list(decrypted(pieces, KEY)) == parts
    with pytest.raises(BackupError, match="does not end"):
        list(decrypted(iter([sealed[:-1]]), KEY))
    with pytest.raises(BackupError, match="does not end"):
        list(decrypted(iter([b"x" * 1024 * 1024] * 100), KEY))
