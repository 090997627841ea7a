"""Copies of a journal: they grow with it, are never written again, and become a journal again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import astuple

from rustybt.journal import JournalError, canonical
from rustybt.journal.replication import Replicator, Shipping, restore_segments
from rustybt.journal.segments import segment_name
from rustybt.journal.sinks import open_sink
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """Return what it was set to."""
        return self.now


def opened(url: str) -> Journal:
    return Journal.open(url, session="s-1", clock=lambda: NOW)


def write(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append("event", canonical({"n": number, "price": "0.10"}))
    journal.commit()


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the inode and the content of every file in *folder*."""
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}


def test_a_copy_grows_and_becomes_the_same_journal(
    new_url: Callable[[], str], tmp_path: Path
) -> None:
    """What is shipped is never written again, and gives the same records, byte for byte."""
    with opened(new_url()) as journal:
        copy = tmp_path / "copy"
        copy.mkdir()
        replicator = Replicator(journal, str(copy), clock=lambda: NOW, segment=4)
        write(journal, 10)
        state = replicator.ship()
        assert (state.shipped, state.pending, state.problem, state.complete) == (10, 0, None, NOW)
        before = files(copy)
        assert len(before) == 3

        write(journal, 1)
        again = Replicator(journal, copy.as_uri(), clock=lambda: NOW, segment=4)
        assert again.ship().shipped == 11
        assert again.ship() == again.state
        assert {name: files(copy)[name] for name in before} == before
        records = list(journal.records())

    url = new_url()
    assert restore_segments(str(copy), url).sequence == 11
    with opened(url) as restored:
        assert list(restored.records()) == records
        write(restored, 1)
    assert verify_journal(url).records == 12
    with pytest.raises(JournalError, match="holds records"):
        restore_segments(str(copy), url)


def test_a_sink_that_is_down_stops_nothing_and_catches_up(tmp_path: Path) -> None:
    """The problem is reported with the time since when; nothing is raised; later all is there."""
    clock, copy = Clock(), tmp_path / "mount"
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        replicator = Replicator(journal, str(copy), clock=clock)
        write(journal, 3)
        state = replicator.ship()
        assert (state.shipped, state.pending, state.since) == (0, 3, NOW)
        assert state.problem == "FileNotFoundError: there is no such folder: is its disk mounted?"

        clock.now += timedelta(minutes=1)
        assert replicator.ship().since == NOW
        copy.mkdir()
        state = replicator.ship()
        assert (state.shipped, state.pending, state.since) == (3, 0, None)
        assert state.complete == clock.now

        copy.rename(tmp_path / "gone")
        write(journal, 2)
        state = replicator.ship()
        assert (state.shipped, state.pending) == (3, 2)
        (tmp_path / "gone").rename(copy)
        assert replicator.ship().pending == 0
    assert restore_segments(str(copy), f"sqlite:///{tmp_path}/k.db").sequence == 5


def test_a_copy_of_another_journal_is_left_alone(tmp_path: Path) -> None:
    """A place that holds another journal's copy gets nothing, and that is said."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with named(tmp_path, "a") as one, named(tmp_path, "b") as two:
        early = Replicator(two, str(copy), clock=lambda: NOW)
        assert early.ship().problem is None  # it found the place empty
        write(one, 2)
        write(two, 2)
        assert Replicator(one, str(copy), clock=lambda: NOW).ship().problem is None
        before = files(copy)

        assert "the copy holds another" in str(early.ship().problem)
        late = Replicator(two, str(copy), clock=lambda: NOW).ship()
        assert "the copy holds record 2, and it is not" in str(late.problem)
        assert (late.shipped, late.pending) == (0, 2)
    assert files(copy) == before


def named(folder: Path, session: str) -> Journal:
    """Return a journal of its own for *session*."""
    return Journal.open(f"sqlite:///{folder}/{session}.db", session=session, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda files: files[0].unlink(), "lacks the segment of record 1"),
        (lambda files: [file.unlink() for file in files], "no copy"),
        (lambda files: change(files[0], b'"n":1', b'"n":7'), "line of record 2 was changed"),
        (lambda files: change(files[0], b'{"sha256":"', b'{"sha256":"0'), "checksum"),
        (lambda files: change(files[0], b'"first":1', b'"first":2'), "no segment"),
        (lambda files: change(files[0], b'"format"', b'"forma"'), "no segment"),
        (lambda files: files[0].write_bytes(b""), "no segment"),
        (lambda files: cut(files[0], 2), "no record"),
        (lambda files: cut(files[1], 1), "checksum"),
        (lambda files: swap(files[0]), "does not follow"),
        (lambda files: change(files[1], b'"previous":"', b'"previous":"0'), "not follow"),
    ],
)
def test_a_damaged_copy_is_refused_as_a_whole(
    tmp_path: Path, damage: Callable[[list[Path]], object], said: str
) -> None:
    """A segment that is missing, cut or changed makes no journal, not even a part of one."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        write(journal, 6)
        Replicator(journal, str(copy), clock=lambda: NOW, segment=4).ship()
    damage(sorted(copy.iterdir()))

    with pytest.raises(JournalError, match=said):
        restore_segments(str(copy), f"sqlite:///{tmp_path}/k.db")
    with opened(f"sqlite:///{tmp_path}/k.db") as empty:
        assert empty.last is None


def change(path: Path, old: bytes, new: bytes) -> None:
    """Replace *old* in the file where it first stands."""
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))


def cut(path: Path, lines: int) -> None:
    """Take lines off the end."""
    kept = path.read_bytes().splitlines(keepends=True)[:-lines]
    path.write_bytes(b"".join(kept))


def swap(path: Path) -> None:
    """Swap two records."""
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1], lines[2] = lines[2], lines[1]
    path.write_bytes(b"".join(lines))


def test_copies_go_to_whatever_fsspec_reaches(tmp_path: Path) -> None:
    """A URL with another scheme is reached by fsspec; a segment that is there is left alone."""
    pytest.importorskip("fsspec")
    target = f"memory://{tmp_path.name}-{os.getpid()}/copy"
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        replicator = Replicator(journal, target, clock=lambda: NOW, segment=2)
        assert replicator.ship().problem is None  # nothing yet to ship
        write(journal, 5)
        assert replicator.ship().shipped == 5
        write(journal, 2)
        assert Replicator(journal, target, clock=lambda: NOW).ship().shipped == 7
    assert restore_segments(target, f"sqlite:///{tmp_path}/k.db").sequence == 7
    with pytest.raises(JournalError, match="no copy of a journal"):
        restore_segments(f"memory://{tmp_path.name}/none", f"sqlite:///{tmp_path}/l.db")


def test_a_source_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder that is not there is an error with its name."""
    with pytest.raises(JournalError, match=r"cannot read .*nowhere: there is no such folder"):
        restore_segments(f"{tmp_path}/nowhere", f"sqlite:///{tmp_path}/k.db")


def test_an_unknown_scheme_stops_nothing(tmp_path: Path) -> None:
    """What a library says of a URL is not repeated: it may hold a secret."""
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        write(journal, 1)
        state = Replicator(journal, "nosuch://user:hush@host/x", clock=lambda: NOW).ship()
    assert state.problem == "ValueError"


def test_a_journal_that_was_replaced_is_not_mixed_with_its_copy(tmp_path: Path) -> None:
    """If other records stand in the journal than those that were shipped, nothing more is."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with named(tmp_path, "a") as one, named(tmp_path, "b") as two:
        write(one, 2)
        write(two, 3)
        replicator = Replicator(one, str(copy), clock=lambda: NOW)
        replicator.ship()
        write(one, 1)
        with one.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM journal")
            for record in two.records():
                connection.exec_driver_sql(
                    "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(record)
                )
        assert "the copy is of another journal" in str(replicator.ship().problem)
    assert len(files(copy)) == 1


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_a_sink_writes_nothing_twice(tmp_path: Path, kind: str) -> None:
    """What is there stays; the same again is no error, and other content is."""
    if kind == "memory":
        pytest.importorskip("fsspec")
    sink = open_sink(str(tmp_path) if kind == "folder" else f"memory://{tmp_path.name}/sink")
    sink.put("name", b"one\ntwo")
    sink.put("name", b"one\ntwo")
    with pytest.raises(JournalError, match="the copy holds another name"):
        sink.put("name", b"other")
    assert list(sink.lines("name")) == [b"one\n", b"two"]
    assert sink.names() == ["name"]


def test_a_thread_ships_while_the_engine_runs(tmp_path: Path) -> None:
    """What is committed reaches the copy in between, and the rest of it at the end."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        replicator = Replicator(journal, str(copy), clock=lambda: NOW)
        write(journal, 2)
        with Shipping(replicator, timedelta(milliseconds=1)):
            while replicator.state.shipped < 2:  # the test's own time-out ends it
                threading.Event().wait(0.001)
        with Shipping(replicator, timedelta(days=1)):
            write(journal, 1)
        assert replicator.state.shipped == 3


def test_a_sink_that_hangs_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Reading from a pipe that nobody writes to never ends; the engine does."""
    copy = tmp_path / "copy"
    copy.mkdir()
    pipe = copy / segment_name(1, 1)
    os.mkfifo(pipe)
    with opened(f"sqlite:///{tmp_path}/j.db") as journal:
        write(journal, 1)
        replicator = Replicator(journal, str(copy), clock=lambda: NOW)
        with Shipping(replicator, timedelta(days=1), patience=0.01) as shipping:
            pass
        assert replicator.state.shipped == 0
        with pipe.open("wb"):  # lets the thread go
            pass
        shipping._thread.join()
