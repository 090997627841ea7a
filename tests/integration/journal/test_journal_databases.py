"""The journal in its databases: what is committed, who may write, what is too old or new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from rustybt.journal import JournalError, LeaseHeldError, LeaseLostError, canonical
from rustybt.journal.database import open_database
from rustybt.journal.lease import Lease
from rustybt.journal.migrations import SCHEMA
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def opened(url: str, **options: object) -> Journal:
    """Return the journal at *url*, whose clock stands."""
    return Journal.open(url, session="s-1", clock=lambda: NOW, **options)  # type: ignore[arg-type]  # of each test


def filled(url: str, count: int) -> None:
    """Write *count* records."""
    with opened(url) as journal:
        for number in range(count):
            journal.append("event", canonical({"n": number}))
        journal.commit()


def test_what_was_committed_is_there_after_opening_anew(url: str) -> None:
    """Records come back as they were appended, and the chain goes on behind them."""
    with opened(url) as journal:
        first = journal.append("event", b'{"price":"0.10000000000000000001"}', NOW)
        second = journal.append("command", b"[]")
        journal.commit()

    with opened(url) as journal:
        assert journal.last == second
        third = journal.append("event", b"{}")
        journal.commit()
        assert list(journal.records()) == [first, second, third]
        assert list(journal.records(after=1, upto=2)) == [second]
        assert list(journal.records(kinds=("event",))) == [first, third]
        assert list(journal.records(kinds=())) == []
    assert verify_journal(url).records == 3


def test_what_was_not_committed_is_not_there(url: str) -> None:
    """Nobody else sees a record before it is committed, and it is gone if it never was."""
    with opened(url) as journal, opened(url) as other:
        journal.append("event", b"{}")
        assert list(other.records()) == []
        assert (journal.head.sequence, journal.committed.sequence) == (1, 0)

    with opened(url) as journal:
        assert journal.last is None


def test_a_second_writer_is_noticed(url: str) -> None:
    """Of two that append to the same end one fails, takes nothing more, and the chain is whole."""
    with opened(url) as one, opened(url) as two:
        one.append("event", b"1")
        two.append("event", b"2")
        one.commit()
        with pytest.raises(JournalError, match="something else wrote to the journal"):
            two.commit()
        with pytest.raises(JournalError, match="takes no more records"):
            two.append("event", b"3")
        assert two.last is None
        one.append("event", b"4")
        one.commit()
    assert verify_journal(url).records == 2


def test_writers_at_the_same_instant_never_fork_the_chain(url: str) -> None:
    """Whoever of several processes' connections commits first wins; all others are told."""
    filled(url, 1)
    journals = [opened(url) for _ in range(4)]
    gate, won = threading.Barrier(4), list[int]()

    def write(number: int) -> None:
        journals[number].append("event", canonical({"by": number}))
        gate.wait()
        try:
            journals[number].commit()
        except JournalError:
            return
        won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for journal in journals:
        journal.close()

    assert len(won) == 1
    assert verify_journal(url).records == 2


def test_threads_share_commits(url: str) -> None:
    """Threads that append and commit at once lose nothing and share transactions."""
    with opened(url) as journal:

        def write() -> None:
            for _ in range(5):
                journal.append("event", b"{}")
                journal.commit()

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.committed == journal.head
    assert verify_journal(url).records == 40


def test_a_lease_has_one_owner(url: str) -> None:
    """A second owner is told who holds it and until when, until it expires or is released."""
    engine = open_database(url)
    first = Lease.acquire(engine, "binance:1", owner="host-1:42", now=NOW, ttl=MINUTE)
    with pytest.raises(LeaseHeldError, match=r"held by host-1:42 until 2026-03-01T12:01:00\+00:00"):
        Lease.acquire(engine, "binance:1", owner="host-2:7", now=NOW + MINUTE / 2, ttl=MINUTE)
    Lease.acquire(engine, "binance:2", owner="host-2:7", now=NOW, ttl=MINUTE)

    first.renew(NOW + MINUTE / 2, MINUTE)
    assert first.expires == NOW + MINUTE * 1.5
    second = Lease.acquire(engine, "binance:1", owner="b", now=NOW + MINUTE * 2, ttl=MINUTE)
    assert second.token > first.token
    with pytest.raises(LeaseLostError, match="was taken over"):
        first.renew(NOW, MINUTE)
    first.release()  # takes nothing away from the second
    with pytest.raises(LeaseHeldError, match="held by b"):
        Lease.acquire(engine, "binance:1", owner="c", now=NOW + MINUTE * 2, ttl=MINUTE)
    second.release()
    with pytest.raises(LeaseLostError, match="or released"):
        second.renew(NOW + MINUTE * 2, MINUTE)
    third = Lease.acquire(engine, "binance:1", owner="c", now=NOW + MINUTE * 2, ttl=MINUTE)
    assert third.token > second.token
    engine.dispose()


def test_of_many_that_want_a_lease_one_gets_it(url: str) -> None:
    """Taking an expired lease over is atomic."""
    engine = open_database(url)
    Lease.acquire(engine, "account", owner="dead", now=NOW - MINUTE * 2, ttl=MINUTE)
    gate, got = threading.Barrier(4), list[str]()

    def take(owner: str) -> None:
        gate.wait()
        try:
            Lease.acquire(engine, "account", owner=owner, now=NOW, ttl=MINUTE)
        except LeaseHeldError:
            return
        got.append(owner)

    threads = [threading.Thread(target=take, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert len(got) == 1


def test_a_fenced_journal_takes_nothing_from_a_holder_that_was_overtaken(url: str) -> None:
    """With its lease lost, an engine that slept too long can write no record."""
    with opened(url) as journal:
        lease = Lease.acquire(journal.engine, "account", owner="a", now=NOW, ttl=MINUTE)
        journal.fence(lease)
        journal.append("event", b"1")
        journal.commit()
        Lease.acquire(journal.engine, "account", owner="b", now=NOW + MINUTE, ttl=MINUTE)
        journal.append("event", b"2")
        with pytest.raises(LeaseLostError):
            journal.commit()
        with pytest.raises(JournalError, match="takes no more"):
            journal.commit()
    assert verify_journal(url).records == 1


def test_a_snapshot_belongs_to_its_chain(url: str) -> None:
    """The newest snapshot of a fold comes back; a damaged or foreign one is passed over."""
    filled(url, 5)
    with opened(url) as journal:
        assert journal.latest_snapshot("fold-1") is None
        for sequence in (2, 3, 4):
            journal.save_snapshot(sequence, "fold-1", b"state %d" % sequence)
        journal.save_snapshot(4, "fold-1", b"state 4 again")
        found = journal.latest_snapshot("fold-1")
        assert found is not None
        assert (found.sequence, found.data) == (4, b"state 4 again")
        assert journal.latest_snapshot("fold-2") is None

        with journal.engine.begin() as connection:
            connection.execute(
                text("UPDATE journal_snapshot SET data = :d WHERE sequence = 4"), {"d": b"x"}
            )
        found = journal.latest_snapshot("fold-1")
        assert found is not None
        assert found.data == b"state 3"

        with journal.engine.begin() as connection:
            connection.execute(text("UPDATE journal_snapshot SET own = :d"), {"d": bytes(32)})
        assert journal.latest_snapshot("fold-1") is None
        with pytest.raises(JournalError, match="no record 6"):
            journal.save_snapshot(6, "fold-1", b"")


def test_signed_heads_find_a_cut_end(url: str, tmp_path: Path) -> None:
    """Records cut from the end are missed when the journal is opened and when it is verified."""
    key, file = SigningKey.generate(), tmp_path / "heads.jsonl"
    filled(url, 4)
    with opened(url, key=key, heads=file) as journal:
        signed = journal.sign_head()
        assert signed.is_of(key.public)
        assert (signed.sequence, signed.own, signed.time) == (4, journal.head.own, NOW)
    whole = verify_journal(url, keys=[key.public], heads=file)
    assert (whole.ok, whole.heads, whole.signed) == (True, 1, 4)

    cut(url, "DELETE FROM journal WHERE sequence > 2")
    with pytest.raises(JournalError, match="record 4, which was signed, is not there"):
        opened(url)
    found = verify_journal(url).finding
    assert found is not None
    assert str(found).startswith("record 3: the end is cut off: at 2026-03-01T12:00:00+00:00")
    cut(url, "DELETE FROM journal_head")
    assert verify_journal(url).ok  # nobody who looks at the database alone can know
    found = verify_journal(url, heads=file).finding
    assert found is not None
    assert found.sequence == 3
    with pytest.raises(JournalError, match="record 4, which was signed, is not there"):
        opened(url, heads=file)


def cut(url: str, statement: str) -> None:
    """Do to the database at *url* what nobody may."""
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_a_newer_schema_is_refused(url: str) -> None:
    """A journal that a newer version wrote is neither read nor changed."""
    filled(url, 1)
    cut(url, "UPDATE journal_version SET version_num = '9999'")
    for readonly in (False, True):
        with pytest.raises(JournalError, match="schema version 9999; expected at most 0001"):
            opened(url, readonly=readonly)


def test_an_older_schema_is_not_read_without_writing(url: str) -> None:
    """For reading only, the schema must be the newest: nothing may be changed to make it so."""
    filled(url, 1)
    cut(url, "UPDATE journal_version SET version_num = '0000'")
    with pytest.raises(JournalError, match=f"schema version 0000; expected {SCHEMA}"):
        opened(url, readonly=True)


def test_several_may_make_the_same_journal(new_url: Callable[[], str]) -> None:
    """Processes that open a new database at once make one journal of it, whole."""
    url = new_url()
    gate, failed = threading.Barrier(4), list[Exception]()

    def make() -> None:
        gate.wait()
        try:
            opened(url).close()
        except JournalError as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    filled(url, 1)
    assert verify_journal(url).records == 1


def test_reading_only_changes_nothing(url: str) -> None:
    """A journal that is open for reading takes no record, signature or snapshot."""
    with pytest.raises(JournalError, match="there is no journal"):
        opened(url, readonly=True)
    filled(url, 2)
    with opened(url, readonly=True, key=SigningKey.generate()) as journal:
        assert len(list(journal.records())) == 2
        for forbidden in (
            lambda: journal.append("event", b"1"),
            journal.commit,
            journal.sign_head,
            lambda: journal.save_snapshot(1, "f", b""),
        ):
            with pytest.raises(JournalError, match="for reading only"):
                forbidden()


def test_so_many_connections_are_lent_as_was_said(url: str) -> None:
    """One more is there for who writes; the next one is waited for, and then refused."""
    with opened(url, patience=0.1, pool=2) as journal:
        journal.append("event", b"{}")
        journal.commit()
        lent = [journal.engine.raw_connection() for _ in range(2)]
        with pytest.raises(PoolTimeoutError):
            journal.engine.raw_connection()
        for connection in lent:
            connection.close()
