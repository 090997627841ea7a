"""Whatever a journal takes comes back as it was, from the database and from lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rustybt.journal import canonical
from rustybt.journal.lines import line_of, record_from
from rustybt.journal.store import Journal

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXT | st.decimals()
PAYLOADS = st.dictionaries(TEXT, VALUES | st.lists(VALUES, max_size=3), max_size=3)


@pytest.fixture(scope="module")
def journal() -> Iterator[Journal]:
    """Return a journal that grows with every example."""
    with Journal.open("sqlite://", session="run-1", clock=lambda: NOW) as made:
        yield made


@given(kind=NAMES, payload=PAYLOADS, time=st.datetimes(timezones=st.just(UTC)))
def test_records_come_back_as_they_were(
    journal: Journal, kind: str, payload: dict[str, object], time: datetime
) -> None:
    """Kind, payload and time survive the database and a line of an export, to the byte."""
    record = journal.append(kind, canonical(payload), time)
    journal.commit()

    assert list(journal.records(after=record.sequence - 1)) == [record]
    assert record_from(line_of(record)) == record
    assert record.time == time
