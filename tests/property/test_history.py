"""The history's chain, for any runs and any tampering."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_rustybt_ready.canonical import to_bytes
from pytest_rustybt_ready.checklist import Checklist, Item, Section
from pytest_rustybt_ready.errors import HistoryError
from pytest_rustybt_ready.history import START, Entry, History, changes, entry_of
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Disposition,
    Kind,
    Outcome,
    RunInfo,
    Scope,
    Stage,
    Subject,
)
from pytest_rustybt_ready.verdict import Inputs, judge

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
IDS = ("1.1.1", "1.1.2", "1.1.3")
CHECKLIST = Checklist(
    title="t",
    version="1",
    sections=(Section(number=1, key="testing", title="t", subsections={"1.1": "t"}),),
    items=tuple(
        Item(
            id=item_id,
            text="t",
            kinds=(Kind.CODE,),
            stage=Stage.DEV,
            how="h",
            fails=("f",),
            remedy="r",
            max_age_days=30,
        )
        for item_id in IDS
    ),
)
CHECKS = tuple(CheckInfo(check=i, section="testing", items=(i,)) for i in IDS)
# how old and how good the result of each item is; None: not run
seen = st.none() | st.tuples(st.sampled_from(Outcome), st.sampled_from([1, 31]))
runs = st.lists(
    st.tuples(
        seen, seen, seen, st.sampled_from([(), IDS[:2]]), st.booleans(), st.sampled_from("ab")
    ),
    min_size=1,
    max_size=4,
)


def record(
    a: object, b: object, c: object, only: Sequence[str], cut: object, subject: str
) -> Record:
    """Return the record of a run in which the items were seen as told."""
    results = tuple(
        CheckResult(check=i, outcome=how[0], started=AT - timedelta(days=how[1]))
        for i, how in zip(IDS, (a, b, c), strict=True)
        if isinstance(how, tuple)
    )
    scope = Scope(kind="items", items=tuple(only)) if only else Scope()
    inputs = Inputs(
        checklist=CHECKLIST,
        stage=Stage.DEV,
        scope=scope,
        checks=CHECKS,
        results=results,
        interrupted=bool(cut),
    )
    run = RunInfo(
        id="r", started=AT, finished=AT, stage=Stage.DEV, scope=scope, interrupted=bool(cut)
    )
    return Record(
        run=run,
        subject=Subject(name=subject),
        checklist=CHECKLIST,
        checks=CHECKS,
        results=results,
        proofs=(),
        statements=(),
        broken=(),
        verdict=judge(inputs, AT),
    ).sealed()


def chain(records: Sequence[Record]) -> list[Entry]:
    """Return the entries that a history of *records* has."""
    entries: list[Entry] = []
    for found in records:
        entries.append(entry_of(found, entries[-1].digest if entries else START))
    return entries


@given(runs)
def test_what_changed_is_told_once_and_truly(drawn: list[tuple[Any, ...]]) -> None:
    """Fixed, regressed and newly stale are apart, within the scope, and as the last run saw it."""
    *before, last = [record(*how) for how in drawn]
    entries = chain(before)
    found = changes(entries, last)
    told = [*found.fixed, *found.regressed, *found.newly_stale]
    assert len(told) == len(set(told))
    known: dict[str, Disposition] = {}
    for entry in entries:
        known |= entry.items if entry.subject == last.subject.name else {}
    for verdict in last.verdict.items:
        covered = verdict.in_scope and verdict.id in known
        cut = last.run.interrupted and verdict.disposition is Disposition.NOT_RUN
        if not covered or cut:
            assert verdict.id not in told
            continue
        was, now = known[verdict.id].satisfied, verdict.disposition.satisfied
        assert (verdict.id in found.fixed) is (now and not was)
        assert (verdict.id in told) is (now is not was)
        assert (verdict.id in found.newly_stale) is (was and verdict.stale)
    related = [r for r in before if r.subject.name == last.subject.name]
    assert found.previous == (related[-1].digest if related else "")


@given(runs, st.integers(0), st.binary(max_size=3), st.integers(0, 3))
def test_no_edit_goes_unnoticed(
    drawn: list[tuple[Any, ...]], place: int, put: bytes, gone: int
) -> None:
    """Whatever bytes of the file are replaced, it is refused, unless its lines stay a prefix."""
    entries = chain([record(*how) for how in drawn])
    data = b"".join(to_bytes(entry) + b"\n" for entry in entries)
    at = place % (len(data) + 1)
    edited = data[:at] + put + data[at + gone :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.jsonl")
        path.write_bytes(edited)
        if edited == data:
            assert History(path).entries() == entries
            return
        try:
            found = History(path).entries()
        except HistoryError:
            return
        # only spaces or line ends at the edges, or whole lines cut from the end, change nothing
        assert found == entries[: len(found)]


@given(st.text("ab", min_size=1, max_size=40))
def test_an_untouched_history_reads_back(name: str) -> None:
    """What was appended is what is read, and the chain starts at nothing."""
    records = [record((Outcome.PASSED, 1), None, None, (), False, name)]
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder, "deep", "history.jsonl"))
        for found in records:
            history.append(found)
        assert history.entries() == chain(records)
        history.path.write_bytes(history.path.read_bytes() + b"{}\n")
        with pytest.raises(HistoryError, match="line 2"):
            history.entries()
