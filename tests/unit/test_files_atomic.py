"""Files are whole or absent, private, and locked against other writers."""

import contextlib
import os
import resource
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rustybt.deployment import create_home
from rustybt.errors import HomeError, VaultError
from rustybt.files import (
    create_exclusively,
    expanded,
    locked,
    read_bounded,
    sweep_temporaries,
    tree_digest,
    write_atomic,
)
from rustybt.security.keys import new_key
from rustybt.security.vault import Vault

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AS_ROOT = os.geteuid() == 0


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_folder_of_nobody_is_refused() -> None:
    """A path that starts with `~` is expanded, or refused with what to do instead."""
    assert expanded(Path("~/data")) == Path.home() / "data"
    assert expanded(Path("a/~b")) == Path("a/~b")
    with pytest.raises(HomeError, match=r"^~no-such-user/data: nobody .* write the path in full"):
        expanded(Path("~no-such-user/data"))


def test_a_write_replaces_the_file_and_sets_its_mode(tmp_path: Path) -> None:
    """The new content is private even where the old one was not, and nothing is left beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed(tmp_path: Path) -> None:
    """Operators who link a file from elsewhere keep their link."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_atomic(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_root_leaves_the_owner_alone(tmp_path: Path) -> None:
    """A service can still read its file after root has changed it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 12345, 12346)
    write_atomic(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    """A folder in the way makes the rename fail; the temporary file goes."""
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="irectory"):
        write_atomic(tmp_path / "taken", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@contextlib.contextmanager
def disk_that_takes(size: int) -> Iterator[None]:
    """Make the kernel refuse to let any file grow beyond *size* bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """When the bytes do not fit, the old file stays and the temporary one goes."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with disk_that_takes(1000), pytest.raises(OSError, match="too large"):
        write_atomic(path, b"x" * 5000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_vault(tmp_path: Path) -> None:
    """The vault says so in its own words, keeps what it had, and goes on working."""
    key = new_key()
    path = tmp_path / "vault.json"
    vault = Vault.create(path, [key], "dev", lambda: NOW)
    vault.put("binance", "api_key", "one")
    with disk_that_takes(1000), pytest.raises(VaultError, match="cannot write the vault"):
        vault.put("binance", "api_secret", "x" * 5000)
    assert Vault.open(path, [key], "dev", lambda: NOW).fields("binance") == ("api_key",)
    vault.put("binance", "api_secret", "two")
    assert vault.fields("binance") == ("api_key", "api_secret")
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_no_half_home(tmp_path: Path) -> None:
    """Nothing of a home that could not be completed stays behind."""
    with disk_that_takes(100), pytest.raises(HomeError, match="cannot create the home"):
        create_home(tmp_path / "home", "dev", lambda: NOW)
    assert list(tmp_path.iterdir()) == []


def test_an_exclusive_file_is_never_overwritten(tmp_path: Path) -> None:
    """The second of two writers fails, and the first one's file stays."""
    path = tmp_path / "file"
    create_exclusively(path, b"first")
    with pytest.raises(FileExistsError):
        create_exclusively(path, b"second")
    assert path.read_bytes() == b"first"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_writers_are_swept(tmp_path: Path) -> None:
    """Only the file's own temporaries go."""
    own, other = tmp_path / ".file.abc.tmp", tmp_path / ".another.abc.tmp"
    own.write_bytes(b"")
    other.write_bytes(b"")
    sweep_temporaries(tmp_path / "file")
    assert list(tmp_path.iterdir()) == [other]


def test_the_lock_excludes_other_processes_and_ends_with_its_holder(tmp_path: Path) -> None:
    """While a process holds the lock others are refused; its death frees the lock."""
    script = """
        import sys, time
        from pathlib import Path
        from rustybt.files import locked
        with locked(Path(sys.argv[1])):
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(HomeError, match="locked by another process"),
            locked(tmp_path, seconds=0.05),
        ):
            raise AssertionError
        holder.kill()
    with locked(tmp_path, seconds=5):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_cannot_be_locked(tmp_path: Path) -> None:
    """The error names the folder."""
    with pytest.raises(HomeError, match="nowhere"), locked(tmp_path / "nowhere"):
        raise AssertionError


def test_bounded_reads_refuse_what_is_no_file_or_too_large(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe, and one byte too many are each a clear error."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(HomeError, match="too large; expected at most 4 bytes"):
        read_bounded(path, 4)
    with pytest.raises(HomeError, match="No such file"):
        read_bounded(tmp_path / "missing", 5)
    for name in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(HomeError, match="not a regular file"):
            read_bounded(name, 5)


def change_content(root: Path) -> None:
    (root / "a").write_bytes(b"2")


def change_mode(root: Path) -> None:
    (root / "a").chmod(0o640)


def add_file(root: Path) -> None:
    (root / "folder" / ".hidden").touch()


def add_folder(root: Path) -> None:
    (root / "new").mkdir()


def rename(root: Path) -> None:
    (root / "a").rename(root / "b")


def move_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("folder")


def change_root(root: Path) -> None:
    root.chmod(0o750)


@pytest.mark.parametrize(
    "change",
    [change_content, change_mode, add_file, add_folder, rename, move_link, change_root],
)
def test_the_digest_notices_every_kind_of_change(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Contents, modes, hidden files, empty folders, names and links all count; times do not."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "a").write_bytes(b"1")
    (root / "link").symlink_to("a")
    before = tree_digest(root)
    os.utime(root / "a", (0, 0))
    assert tree_digest(root) == before
    change(root)
    assert tree_digest(root) != before


def test_what_cannot_be_read_has_no_digest(tmp_path: Path) -> None:
    """Leaving a part out would make two different folders equal."""
    with pytest.raises(FileNotFoundError):
        tree_digest(tmp_path / "missing")
