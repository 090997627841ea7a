"""The journal's store: what it takes and refuses, and what happens when it cannot write."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from rustybt.home import Home
from rustybt.journal import Head, JournalError, LeaseHeldError, canonical
from rustybt.journal.export import export_journal
from rustybt.journal.lease import Lease
from rustybt.journal.lines import line_of, record_from
from rustybt.journal.places import heads_file, journal_url, public_key_file, signing_key_file
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal
from rustybt.settings import load_settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def opened(url: str = "sqlite://", **options: object) -> Journal:
    """Return the journal at *url*, whose clock stands."""
    return Journal.open(url, session="s-1", clock=lambda: NOW, **options)  # type: ignore[arg-type]  # of each test


def test_appending_chains_at_once() -> None:
    """A record has its place and its hash before it is written, and the clock's time."""
    with opened() as journal:
        assert journal.last is None
        assert journal.head == Head(sequence=0, own=bytes(32))
        first = journal.append("event", b"{}")
        second = journal.append("event", b"{}", NOW + timedelta(seconds=1))
        assert (first.time, second.time) == (NOW, NOW + timedelta(seconds=1))
        assert (first.session, second.previous) == ("s-1", first.own)
        assert journal.last == second
        assert journal.head == Head(sequence=2, own=second.own)
        assert journal.committed.sequence == 0
        journal.commit()
        journal.commit()  # nothing more to write is no error
        assert journal.committed == journal.head


@pytest.mark.parametrize(
    ("kind", "payload", "said"),
    [
        ("", b"{}", "no kind of a record"),
        ("a\0b", b"{}", "no kind of a record"),
        ("event", b"", "the payload is no JSON"),
        ("event", b"{'a':1}", "the payload is no JSON"),
        ("event", b'{"a":1}{}', "the payload is no JSON"),
        ("event", b'{"a":\n1}', "several lines"),
        ("\ud800", b"{}", "no Unicode text"),
    ],
)
def test_what_a_journal_cannot_keep_is_refused(kind: str, payload: bytes, said: str) -> None:
    """A record that could not be exported is refused before it is chained, and harms nothing."""
    with opened() as journal:
        with pytest.raises(JournalError, match=said):
            journal.append(kind, payload)
        journal.append("event", b"{}")
        journal.commit()
        assert journal.head.sequence == 1


@pytest.mark.parametrize("session", ["", "a\0b"])
def test_a_session_needs_a_name(session: str) -> None:
    """A run that has no name, or one that no database keeps, opens no journal."""
    with pytest.raises(JournalError, match="no name of a session"):
        Journal.open("sqlite://", session=session, clock=lambda: NOW)


@pytest.mark.parametrize(
    "url",
    ["", "journal.db", "mysql://user:hush@host/x", "postgresql+asyncpg://user:hush@host/x"],
)
def test_other_databases_are_refused_without_showing_the_url(url: str) -> None:
    """What is no URL of a database that can keep a journal may hold a password all the same."""
    with pytest.raises(JournalError, match="not the URL of a journal's database") as raised:
        opened(url)
    assert "hush" not in str(raised.value)


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    """Where the journal could not be reached is said, the password is not."""
    with pytest.raises(
        JournalError, match=r"the journal postgresql\+psycopg://me:\*\*\*@/j fails"
    ) as raised:
        opened(f"postgresql://me:hush@/j?host={tmp_path}")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("name", ["none/journal.db", "."])
def test_a_place_where_no_file_can_be_is_an_error(tmp_path: Path, name: str) -> None:
    """A folder that is not there is not made: the home may be unmounted."""
    with pytest.raises(JournalError, match="fails: "):
        opened(f"sqlite:///{tmp_path}/{name}")


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    """Another file is left as it is."""
    other = tmp_path / "other"
    other.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    before = other.read_bytes()
    for readonly in (False, True):
        with pytest.raises(JournalError, match="not a database"):
            opened(f"sqlite:///{other}", readonly=readonly)
    assert other.read_bytes() == before


def test_the_file_is_private(tmp_path: Path) -> None:
    """Only its owner can read a journal."""
    opened(f"sqlite:///{tmp_path}/journal.db").close()
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


def test_commits_reach_the_disk(tmp_path: Path) -> None:
    """Connections write ahead and flush at each commit."""
    with (
        opened(f"sqlite:///{tmp_path}/journal.db") as journal,
        journal.engine.begin() as connection,
    ):
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_locked_database_ends_writing(tmp_path: Path) -> None:
    """If another process does not end its transaction, nothing is written and nothing believed."""
    url = f"sqlite:///{tmp_path}/journal.db"
    with opened(url, patience=0.01) as journal:
        journal.append("event", b"1")
        journal.commit()
        lock = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        journal.append("event", b"2")
        with pytest.raises(JournalError, match="database is locked"):
            journal.commit()
        lock.close()
        with pytest.raises(JournalError, match=r"takes no more records: .*database is locked"):
            journal.append("event", b"3")
        with pytest.raises(JournalError, match="takes no more records"):
            journal.commit()
        assert journal.head == journal.committed
    with opened(url) as journal:
        assert journal.head.sequence == 1
        journal.append("event", b"2")
        journal.commit()
    assert verify_journal(url).records == 2


def test_a_closed_journal_takes_nothing() -> None:
    """After closing, appending is refused; closing again is no error."""
    journal = opened()
    journal.append("event", b"{}")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="takes no more records: it is closed"):
        journal.append("event", b"{}")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE journal SET payload = x'7b7d' WHERE sequence = 4", "damaged at record 4"),
        ("UPDATE journal SET payload = x'7b7d' WHERE sequence = 2", "damaged at record 2"),
        ("DELETE FROM journal WHERE sequence = 2", "damaged at record 2"),
        ("UPDATE journal SET previous = zeroblob(32) WHERE sequence = 2", "damaged at record 2"),
        ("UPDATE journal SET micros = 'x' WHERE sequence = 2", "record 2 is damaged"),
        ("UPDATE journal SET payload = 'x' WHERE sequence = 2", "record 2 is damaged"),
        ("UPDATE journal SET kind = CAST(x'ff' AS TEXT) WHERE sequence = 2", "fails: .*UTF-8"),
    ],
)
def test_a_damaged_record_is_not_read(tmp_path: Path, damage: str, said: str) -> None:
    """Neither opening nor reading believes a record that is not as it was written."""
    url = f"sqlite:///{tmp_path}/journal.db"
    with opened(url) as journal:
        for number in range(4):
            journal.append("event", canonical({"n": number}))
        journal.commit()
        with journal.engine.begin() as connection:
            connection.execute(text(damage))
    with pytest.raises(JournalError, match=said), opened(url, readonly=True) as journal:
        list(journal.records())
    with pytest.raises(JournalError, match=said):
        export_journal(url, tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_only_a_key_can_sign_and_only_what_is_there() -> None:
    """Without a key, and with nothing on disk, there is nothing to sign."""
    with opened() as journal, pytest.raises(JournalError, match="no key to sign with"):
        journal.sign_head()
    with opened(key=SigningKey.generate()) as journal:
        journal.append("event", b"{}")
        with pytest.raises(JournalError, match="nothing to sign"):
            journal.sign_head()


def test_a_lease_needs_time() -> None:
    """A lease that ends when it begins is refused, and so is a time without a zone."""
    with opened() as journal:
        for ttl in (timedelta(), timedelta(seconds=-1)):
            with pytest.raises(JournalError, match="a lease of"):
                Lease.acquire(journal.engine, "a", owner="o", now=NOW, ttl=ttl)
        with pytest.raises(JournalError, match="no zone"):
            Lease.acquire(
                journal.engine,
                "a",
                owner="o",
                now=datetime(2026, 1, 1),  # noqa: DTZ001 - without a zone on purpose
                ttl=timedelta(1),
            )
        held = Lease.acquire(journal.engine, "a", owner="o", now=NOW, ttl=timedelta(seconds=1))
        with pytest.raises(LeaseHeldError):
            Lease.acquire(journal.engine, "a", owner="o", now=NOW, ttl=timedelta(seconds=1))
        assert "engine" not in repr(held)


def written(url: str) -> None:
    """Write four records, a second apart."""
    with opened(url) as journal:
        for second in range(4):
            time = NOW + timedelta(seconds=second)
            journal.append("fill", b'{"price":"0.1000"}', time)
        journal.commit()


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(None, None, (4, 1, 4)), (1, None, (3, 2, 4)), (None, 1, (1, 1, 1)), (1, 3, (2, 2, 3))],
)
def test_an_export_is_the_records_of_a_time(
    tmp_path: Path, since: int | None, until: int | None, expected: tuple[int, int, int]
) -> None:
    """From *since* on and before *until*, a line each, of which the record can be made again."""
    url, out = f"sqlite:///{tmp_path}/journal.db", tmp_path / "export.jsonl"
    written(url)

    def at(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW + timedelta(seconds=seconds)

    exported = export_journal(url, out, since=at(since), until=at(until))
    assert (exported.records, exported.first, exported.last) == expected
    lines = out.read_bytes().splitlines(keepends=True)
    assert b'"payload":{"price":"0.1000"}' in lines[0]
    with opened(url) as journal:
        behind = list(journal.records(after=expected[1] - 1, upto=expected[2]))
    assert [record_from(line) for line in lines] == behind
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is written for no record or into no folder."""
    url, out = f"sqlite:///{tmp_path}/journal.db", tmp_path / "export.jsonl"
    written(url)
    with pytest.raises(JournalError, match="nothing to export"):
        export_journal(url, out, since=NOW + timedelta(days=1))
    with pytest.raises(JournalError, match=r"cannot write .*: No such file"):
        export_journal(url, tmp_path / "none" / "export.jsonl")
    out.write_bytes(b"mine")
    with pytest.raises(JournalError, match="exists and is left as it is"):
        export_journal(url, out)
    assert out.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.jsonl", "journal.db"]


def test_a_line_that_was_changed_is_no_record() -> None:
    """A line gives its record again, or an error."""
    with opened() as journal:
        record = journal.append("event", b'{"a":"0.10"}')
    line = line_of(record)
    assert record_from(line) == record
    for old, new, said in (
        (b"0.10", b"0.11", "was changed"),
        (b'"own":"', b'"own":"zz', "no record"),
        (b'"sequence":1', b'"sequence":"1"', "no record"),
        (b'{"sequence"', b'{"more":1,"sequence"', "no record"),
        (b'"sequence":1', b'"sequence":-1', "was changed"),
    ):
        with pytest.raises(JournalError, match=said):
            record_from(line.replace(old, new))


def test_places_belong_to_the_home(tmp_path: Path) -> None:
    """The journal is where DB_URL says, its keys and heads are in the state folder."""
    (tmp_path / ".env").write_text("RUSTYBT_ENV=dev\n")
    (tmp_path / ".env").chmod(0o600)
    assert journal_url(load_settings(tmp_path, {})) == f"sqlite:///{tmp_path}/state/rustybt.db"
    home = Home(tmp_path)
    places: list[Callable[[Home], Path]] = [heads_file, signing_key_file, public_key_file]
    assert {place(home).parent for place in places} == {home.state}
    assert len({place(home) for place in places}) == 3
