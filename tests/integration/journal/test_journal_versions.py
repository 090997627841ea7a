"""Journals that earlier versions wrote: each released schema has its fixture, in both databases."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from rustybt.journal import LeaseHeldError
from rustybt.journal.lease import Lease
from rustybt.journal.migrations import SCHEMA
from rustybt.journal.store import Journal
from rustybt.journal.verification import verify_journal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DATA = Path(__file__).parents[1] / "data"
VERSIONS = ["0001"]


def test_every_version_has_its_fixture() -> None:
    """Whoever adds a version of the schema keeps a journal of the one before."""
    assert VERSIONS[-1] == SCHEMA
    assert {path.name for path in DATA.glob("journal-*")} == {
        f"journal-{version}.{kind}" for version in VERSIONS for kind in ("postgresql.sql", "sqlite")
    }


@pytest.fixture(params=VERSIONS)
def old_url(request: pytest.FixtureRequest, new_url: Callable[[], str]) -> str:
    """Return the URL of a journal that the version *request.param* wrote."""
    url = new_url()
    if url.startswith("sqlite"):
        shutil.copyfile(DATA / f"journal-{request.param}.sqlite", url.removeprefix("sqlite:///"))
        return url
    engine = create_engine(url)
    with engine.begin() as connection:
        script = (DATA / f"journal-{request.param}.postgresql.sql").read_text()
        connection.exec_driver_sql(script.replace("%", "%%"))
    engine.dispose()
    return url


def test_a_journal_of_an_earlier_version_goes_on(old_url: str) -> None:
    """Its records, head, snapshot and lease are there, it takes more, and the chain is whole."""
    with Journal.open(old_url, session="s-2", clock=lambda: NOW) as journal:
        records = list(journal.records())
        assert len(records) == 20
        assert records[19].payload == b'{"n":19,"price":"19.10"}'
        assert (records[19].kind, records[19].time) == ("event", NOW + timedelta(seconds=19))
        snapshot = journal.latest_snapshot("fold-1")
        assert snapshot is not None
        assert (snapshot.sequence, snapshot.data) == (10, b"state 10")
        with pytest.raises(LeaseHeldError, match="held by host:1 until 2026-03-01T12:01:00"):
            Lease.acquire(
                journal.engine, "account", owner="next", now=NOW, ttl=timedelta(minutes=1)
            )
        journal.append("event", b"{}")
        journal.commit()
    report = verify_journal(old_url)
    assert (report.ok, report.records, report.signed) == (True, 21, 20)
