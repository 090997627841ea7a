"""What a restore meets in real places: other databases, owners, leftovers, an engine that hangs."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import socket
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rustybt.backup.container import ArchiveReader, ArchiveWriter
from rustybt.backup.errors import BackupError
from rustybt.backup.journals import whole_journal
from rustybt.backup.making import make_backup
from rustybt.backup.manifest import JournalPart
from rustybt.backup.proving import prove_restored
from rustybt.backup.replicating import Replication
from rustybt.backup.restoring import restore_backup
from rustybt.backup.switching import exchange
from rustybt.deployment import create_home
from rustybt.home import Home
from rustybt.journal.errors import JournalError
from rustybt.journal.places import journal_url
from rustybt.journal.store import Journal
from rustybt.settings import ENCRYPTION_KEY, load_settings
from rustybt.trading.control import socket_file

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def clock() -> datetime:
    """Return the time of these tests."""
    return NOW


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment whose journal has ten records."""
    root = create_home(tmp_path / "home", "dev", clock).root
    record(root, 10)
    return root


def record(home: Path, count: int, environ: Mapping[str, str] | None = None) -> None:
    """Add records to the journal."""
    url = journal_url(load_settings(home, environ or {}))
    with Journal.open(url, session="s", clock=clock) as journal:
        for _ in range(count):
            journal.append("heartbeat", b"{}")
        journal.commit()


def length(home: Path, environ: Mapping[str, str] | None = None) -> int:
    """Return how many records the journal has."""
    url = journal_url(load_settings(home, environ or {}))
    with Journal.open(url, session="r", clock=clock, readonly=True) as journal:
        return journal.committed.sequence


def test_another_database_is_copied_as_of_one_instant(home: Path) -> None:
    """What is committed to it is in the backup, though it stands in its log and others write."""
    path = home / "state" / "other.db"
    with sqlite3.connect(path, isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE t (x TEXT)")
        database.execute("INSERT INTO t VALUES ('committed')")
        database.execute("BEGIN")
        database.execute("INSERT INTO t VALUES ('not yet')")
        made = make_backup(home, {}, clock)
        database.execute("ROLLBACK")
    database.close()
    member = next(each for each in made.manifest.members if each.path == "state/other.db")
    assert member.kind == "sealed"
    assert not [each for each in made.manifest.members if each.path.endswith(("-wal", "-shm"))]
    restore_backup(made.path, home, {}, clock)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT x FROM t").fetchall() == [("committed",)]
    database.close()


def test_a_database_that_is_damaged_is_told(home: Path) -> None:
    """A file that begins like a database and is none makes no backup."""
    (home / "state" / "other.db").write_bytes(b"SQLite format 3\0" + b"x" * 8192)
    with pytest.raises(JournalError, match=r"other\.db fails"):
        make_backup(home, {}, clock)
    assert list((home / "backups").iterdir()) == []


def test_an_engine_that_hangs_is_taken_for_one_that_runs(home: Path) -> None:
    """Where something listens at the engine's socket and says nothing, nothing is restored."""
    made = make_backup(home, {}, clock)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(socket_file(Home(home))))
        listener.listen()

        def hang_up() -> None:
            listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(BackupError, match="stop it first") as caught:
            restore_backup(made.path, home, {}, clock)
        hanging_up.join()
    assert "seems to run" in str(caught.value)
    restore_backup(made.path, home, {}, clock)  # a socket that nobody listens at is a leftover


def test_leftovers_of_killed_restores_are_swept(home: Path) -> None:
    """A folder that a killed restore left beside the home is gone after the next one."""
    made = make_backup(home, {}, clock)
    left = home.with_name(f".{home.name}.x.restoring")
    left.mkdir()
    (left / "secret").write_text("")
    restore_backup(made.path, home, {}, clock)
    assert not left.exists()


def test_an_empty_folder_is_taken(home: Path, tmp_path: Path) -> None:
    """A restore to an empty folder keeps nothing, because there was nothing."""
    made = make_backup(home, {}, clock)
    (tmp_path / "empty").mkdir()
    key = load_settings(home, {}).encryption_keys()[0].get_secret_value()
    done = restore_backup(made.path, tmp_path / "empty", {ENCRYPTION_KEY: key}, clock)
    assert done.kept is None
    assert length(tmp_path / "empty") == 10


def test_an_earlier_home_is_never_overwritten(home: Path) -> None:
    """Where the name for the old home is taken, it gets that of the next second."""
    made = make_backup(home, {}, clock)
    first = restore_backup(made.path, home, {}, clock)
    (home / "config" / "mine").write_text("")
    second = restore_backup(made.path, home, {}, clock)
    assert first.kept == home.with_name("home.before-20260101_000000")
    assert second.kept == home.with_name("home.before-20260101_000001")
    assert not (first.kept / "config" / "mine").exists()
    assert (second.kept / "config" / "mine").exists()
    assert not (home / "config" / "mine").exists()


def test_a_broken_home_is_replaced(home: Path) -> None:
    """A home whose settings nobody can read any more is what restores are for."""
    made = make_backup(home, {}, clock)
    key = load_settings(home, {}).encryption_keys()[0].get_secret_value()
    (home / ".env").write_text("RUSTYBT_ENV=nothing\n")
    restore_backup(made.path, home, {ENCRYPTION_KEY: key}, clock)
    assert prove_restored(home, {}, clock).records == 10


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others")
def test_root_leaves_the_home_to_its_owner(home: Path) -> None:
    """What root restores belongs to whom the old home belonged to."""
    made = make_backup(home, {}, clock)
    for folder, _, names in os.walk(home):
        for name in ("", *names):
            os.chown(Path(folder, name), 12345, 12345)
    restore_backup(made.path, home, {}, clock)
    owners = {path.stat().st_uid for path in [home, *home.rglob("*")]}
    archives = {path.stat().st_uid for path in (home / "backups").iterdir()}
    assert owners == {12345}
    assert archives == {12345}


def test_a_database_named_in_full_comes_back_to_its_place_only(home: Path, tmp_path: Path) -> None:
    """A DB_URL with the whole path fits the old place, and is told where it does not."""
    env = home / ".env"
    env.write_text(env.read_text().replace("state/rustybt.db", f"{home}/state/rustybt.db"))
    made = make_backup(home, {}, clock)
    restore_backup(made.path, home, {}, clock)
    assert length(home) == 10
    key = load_settings(home, {}).encryption_keys()[0].get_secret_value()
    with pytest.raises(BackupError, match="DB_URL in the backup does not name"):
        restore_backup(made.path, tmp_path / "other", {ENCRYPTION_KEY: key}, clock)
    assert not (tmp_path / "other").exists()


def test_the_copy_of_a_journal_elsewhere_fills_its_database(home: Path, tmp_path: Path) -> None:
    """With replicate's copy a database outside of the home is filled to the copy's end."""
    environ = {"DB_URL": f"sqlite:///{tmp_path}/elsewhere.db"}
    record(home, 4, environ)
    made = make_backup(home, environ, clock)
    record(home, 3, environ)
    (tmp_path / "copy").mkdir()
    Replication(home, environ, clock, target=str(tmp_path / "copy")).ship()
    for file in tmp_path.glob("elsewhere.db*"):
        file.unlink()
    restore_backup(made.path, home, environ, clock, replica=str(tmp_path / "copy"))
    assert length(home, environ) == 7


def test_records_of_another_journal_are_not_written_over(home: Path, tmp_path: Path) -> None:
    """A database outside of the home that holds other records is left as it is."""
    environ = {"DB_URL": f"sqlite:///{tmp_path}/elsewhere.db"}
    record(home, 4, environ)
    made = make_backup(home, environ, clock)
    for file in tmp_path.glob("elsewhere.db*"):
        file.unlink()
    record(home, 2, environ)
    with pytest.raises(JournalError, match="holds records"):
        restore_backup(made.path, home, environ, clock)
    assert length(home, environ) == 2


def test_an_empty_journal_is_backed_up(tmp_path: Path) -> None:
    """A database without a record, in the home or not, is no reason to fail."""
    home = create_home(tmp_path / "home", "dev", clock).root
    for number, environ in enumerate(({}, {"DB_URL": f"sqlite:///{tmp_path}/elsewhere.db"})):
        record(home, 0, environ)
        at = NOW + timedelta(seconds=number)
        made = make_backup(home, environ, lambda at=at: at)  # type: ignore[misc]  # a default
        restore_backup(made.path, home, environ, lambda at=at: at)  # type: ignore[misc]  # ditto
        assert prove_restored(home, environ, clock).ok


def test_a_journal_without_its_records_is_told(home: Path) -> None:
    """One that is whole, but is not the one of the backup, is refused."""
    url = journal_url(load_settings(home, {}))
    for sequence in (10, 11):
        part = JournalPart(path="state/rustybt.db", sequence=sequence, sha256="0" * 64)
        with pytest.raises(BackupError, match=f"does not hold record {sequence}"):
            whole_journal(url, part, Home(home))


def test_folders_of_which_one_is_missing_are_not_exchanged(tmp_path: Path) -> None:
    """The kernel refuses, and what is there stays."""
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one").exists()


def test_an_archive_whose_gzip_does_not_end_is_refused() -> None:
    """A checksum over half a gzip, as somebody could make it, is no reason to believe it."""
    file = io.BytesIO()
    ArchiveWriter(file).finish()
    whole = file.getvalue()
    body = gzip.compress(bytes(1024))[:-9]
    mine = hashlib.sha256(whole[:-58]).digest()
    seal = whole[-58:].replace(mine, hashlib.sha256(body).digest())
    with pytest.raises(BackupError, match="cannot be believed"):
        ArchiveReader(io.BytesIO(body + seal), Path("x")).entry()


def test_a_replica_that_is_away_is_on_record(home: Path, tmp_path: Path) -> None:
    """While the store is away the time at risk grows; when it is back, all arrives once."""
    copy = tmp_path / "copy"
    times = iter(NOW + timedelta(seconds=number) for number in range(0, 400, 10))
    replication = Replication(home, {}, lambda: next(times), target=str(copy))
    copy.mkdir()
    assert replication.ship().problem is None
    copy.rename(tmp_path / "away")
    record(home, 5)
    away = replication.ship()
    assert away.problem is not None
    assert away.pending == 5
    later = replication.ship()
    assert later.rpo_seconds is not None
    assert away.rpo_seconds is not None
    assert later.rpo_seconds > away.rpo_seconds
    (tmp_path / "away").rename(copy)
    back = replication.ship()
    assert back.shipped == 15
    assert back.worst_seconds == back.rpo_seconds
    assert len(list(copy.iterdir())) == 2
    shutil.rmtree(copy)
