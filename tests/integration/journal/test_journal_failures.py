"""What a journal holds after its process was killed, its disk was full, or its server went away."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from rustybt.journal import JournalError, LeaseHeldError, canonical
from rustybt.journal.database import open_database
from rustybt.journal.lease import Lease
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KILLS = 5

# Appends in groups of one to seven and prints the last number that it believes to be on disk.
APPENDING = """
import sys
from datetime import UTC, datetime
from itertools import count
from rustybt.journal import JournalError, canonical
from rustybt.journal.store import Journal
time = datetime(2026, 3, 1, 12, tzinfo=UTC)
with Journal.open(sys.argv[1], session="s-1", clock=lambda: time) as journal:
    try:
        for number in count():
            journal.append("event", canonical({"n": number, "text": "x" * 200}))
            if number % 7 in (0, 3):
                journal.commit()
                print(journal.committed.sequence, flush=True)
    except JournalError as error:
        print(error.problem, flush=True)
"""

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
"""


def test_a_kill_loses_nothing_that_was_committed(url: str) -> None:
    """Whenever the process is killed, the chain is whole and holds all that it said it holds."""
    chance = random.Random(11)  # noqa: S311 - when to kill
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDING, url], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(chance.randint(1, 40))]
            process.kill()
            said += process.stdout.readlines()
        believed = int([line for line in said if line.endswith("\n")][-1])  # the last may be torn
        report = verify_journal(url)
        assert report.ok, report.finding
        assert report.records >= believed


def test_a_full_disk_ends_writing_and_nothing_is_half_believed(tmp_path: Path) -> None:
    """When the disk takes no more, the process is told, and what it believed to be there is."""
    url = f"sqlite:///{tmp_path}/journal.db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + APPENDING, url], capture_output=True, text=True
    )
    *believed, problem = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "fails" in problem
    report = verify_journal(url)
    assert report.ok
    assert report.records == int(believed[-1])

    with Journal.open(url, session="s-2", clock=lambda: NOW) as journal:
        assert journal.head.sequence == report.records
        journal.append("event", b"{}")
        journal.commit()
    assert verify_journal(url).records == report.records + 1


def test_a_killed_owner_loses_its_lease_when_it_expires(url: str) -> None:
    """After a kill nobody releases the lease: the next owner gets it when its time is over."""
    taking = (
        "import os, signal, sys\n"
        "from datetime import UTC, datetime, timedelta\n"
        "from rustybt.journal.database import open_database\n"
        "from rustybt.journal.lease import Lease\n"
        "now = datetime(2026, 3, 1, 12, tzinfo=UTC)\n"
        "engine = open_database(sys.argv[1])\n"
        "Lease.acquire(engine, 'account', owner='killed', now=now, ttl=timedelta(seconds=10))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", taking, url]).returncode == -9
    engine = open_database(url)
    ttl = timedelta(seconds=10)
    with pytest.raises(LeaseHeldError, match="held by killed"):
        Lease.acquire(engine, "account", owner="next", now=NOW + ttl / 2, ttl=ttl)
    assert Lease.acquire(engine, "account", owner="next", now=NOW + ttl, ttl=ttl).token == 2
    engine.dispose()


@pytest.fixture
def server_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a new database of the server."""
    made: str = request.getfixturevalue("cluster").url()
    return made


def test_a_server_that_goes_away_ends_writing(server_url: str) -> None:
    """A connection that breaks between two commits loses nothing that was committed."""
    with Journal.open(server_url, session="s-1", clock=lambda: NOW) as journal:
        journal.append("event", b"1")
        journal.commit()
        journal.append("event", b"2")
        end_connections(server_url)
        with pytest.raises(JournalError, match="fails: "):
            journal.commit()
        with pytest.raises(JournalError, match="takes no more records"):
            journal.append("event", b"3")
        assert journal.last is not None
        assert journal.last.sequence == 1
    with Journal.open(server_url, session="s-2", clock=lambda: NOW) as journal:
        assert journal.head.sequence == 1


def end_connections(url: str) -> None:
    """End every other connection to the database."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


def test_a_database_that_may_not_be_written_is_an_error(server_url: str) -> None:
    """Where the server takes nothing, the journal does not open for writing."""
    Journal.open(server_url, session="s-1", clock=lambda: NOW).close()
    settings(server_url, "default_transaction_read_only = on")
    journal = Journal.open(server_url, session="s-1", clock=lambda: NOW)
    journal.append("event", b"1")
    with journal, pytest.raises(JournalError, match="read-only transaction"):
        journal.commit()


def test_a_server_that_forgets_is_refused(server_url: str) -> None:
    """A database that says it is done before anything is on disk keeps no journal."""
    settings(server_url, "synchronous_commit = off")
    with pytest.raises(JournalError, match="runs with synchronous_commit = off"):
        Journal.open(server_url, session="s-1", clock=lambda: NOW)


def settings(url: str, setting: str) -> None:
    """Let every later connection to the database begin with *setting*."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET {setting}"))
    engine.dispose()


def test_flipped_bits_in_a_server_are_found(server_url: str) -> None:
    """A bit that is turned in any field of a record is found at that record: a sample."""
    with Journal.open(server_url, session="s-1", clock=lambda: NOW) as journal:
        for number in range(1000):
            journal.append("event", canonical({"n": number}))
        journal.commit()
    engine = create_engine(server_url)
    chance = random.Random(5)  # noqa: S311 - a sample of places
    for _ in range(40):
        sequence = chance.randint(1, 1000)
        field = chance.choice(("micros", "session", "kind", "payload", "previous", "own"))
        change = CHANGES.get(field, CHANGES["payload"])
        put = f"UPDATE journal SET {field} = :value WHERE sequence = :at"  # noqa: S608 - ours
        turn = f"UPDATE journal SET {change} WHERE sequence = :at"  # noqa: S608 - ours
        turn = turn.format(field=field, bit=chance.randint(0, 4))
        keep = f"SELECT {field} FROM journal WHERE sequence = :at"  # noqa: S608 - ours
        at = {"at": sequence}
        with engine.begin() as connection:
            old = connection.execute(text(keep), at).scalar_one()
            connection.execute(text(turn), at)
        finding = verify_journal(server_url).finding
        assert finding is not None
        assert finding.sequence == sequence
        with engine.begin() as connection:
            connection.execute(text(put), at | {"value": old})
    engine.dispose()
    assert verify_journal(server_url).ok


CHANGES = {
    "micros": "micros = micros # (CAST(1 AS bigint) << ({bit} * 12))",
    "session": "session = chr(ascii(session) # (1 << {bit})) || substr(session, 2)",
    "kind": "kind = chr(ascii(kind) # (1 << {bit})) || substr(kind, 2)",
    "payload": "{field} = set_bit({field}, {bit} + 8, 1 - get_bit({field}, {bit} + 8))",
}


def test_rows_taken_out_swapped_and_put_in_are_found(url: str) -> None:
    """Both databases: what is missing, doubled, out of its place or behind the end is named."""
    with Journal.open(url, session="s-1", clock=lambda: NOW) as journal:
        for number in range(5):
            journal.append("event", canonical({"n": number}))
        journal.commit()
        for changes, expected in (
            (("DELETE FROM journal WHERE sequence = 3",), 3),
            (("UPDATE journal SET sequence = 6 WHERE sequence = 4",), 4),
            (("UPDATE journal SET sequence = -6 WHERE sequence = 4",), 1),
            ((move(2, 90), move(3, 2), move(90, 3)), 2),
            ((INSERT,), 6),
        ):
            assert found_after(url, journal, changes) == expected
    assert verify_journal(url).ok


INSERT = (
    "INSERT INTO journal SELECT 6, micros, session, kind, payload, previous, own "
    "FROM journal WHERE sequence = 5"
)


def move(one: int, other: int) -> str:
    return f"UPDATE journal SET sequence = {other} WHERE sequence = {one}"  # noqa: S608 - ours


def found_after(url: str, journal: Journal, changes: tuple[str, ...]) -> int | None:
    """Make *changes*, return the number of the first bad record, put everything back."""
    with journal.engine.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT * FROM journal"))
        for change in changes:
            connection.execute(text(change))
    finding = verify_journal(url).finding
    with journal.engine.begin() as connection:
        connection.execute(text("DELETE FROM journal"))
        connection.execute(text("INSERT INTO journal SELECT * FROM kept"))
        connection.execute(text("DROP TABLE kept"))
    return finding.sequence if finding else None
