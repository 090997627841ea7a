"""The history: a chain of runs, and what changed since the one before."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready.errors import HistoryError
from pytest_rustybt_ready.history import START, History, changes, entry_of
from pytest_rustybt_ready.record import Record

pytest_plugins = ["pytester"]


@pytest.fixture
def run_once(project: Any) -> Any:
    """Return a function that makes a run in which the items given pass."""

    def run(*passing: str, args: tuple[str, ...] = ()) -> Any:
        project.passing(*passing)
        return project.run("-m", "readiness", *args)

    return run


def test_each_run_is_compared_with_the_one_before(run_once: Any) -> None:
    """Fixed and regressed items are printed and recorded; without a run before there are none."""
    first = run_once("1.1.1", "1.1.2")
    assert first.record.changes.previous == ""
    digest = first.record.digest
    second = run_once("1.1.1", "2.1.1")
    assert second.record.changes.previous == digest
    assert (second.record.changes.fixed, second.record.changes.regressed) == (
        ("2.1.1",),
        ("1.1.2",),
    )
    assert "fixed since the previous run: 2.1.1" in second.output
    assert "regressed since the previous run: 1.1.2" in second.output
    assert "no change since the previous run" in run_once("1.1.1", "2.1.1").output


def test_a_partial_run_is_compared_where_it_looked(run_once: Any) -> None:
    """What a run did not cover keeps what the last run that did has found."""
    run_once("1.1.1", "2.1.1")
    partial = run_once("1.1.1", args=("--ready-item", "1.1.1"))
    assert partial.record.changes.regressed == ()
    assert run_once("1.1.1").record.changes.regressed == ("2.1.1",)


def test_stages_are_compared_with_their_own(run_once: Any) -> None:
    """A stricter stage finds more unproven: that is no regression."""
    run_once("1.1.1", "2.1.1")
    production = run_once("1.1.1", "2.1.1", args=("--ready-stage=production",))
    assert production.record.changes.previous == ""


def test_a_run_cut_short_regresses_nothing(project: Any) -> None:
    """What an interrupted run did not get to is not called regressed, nor fixed by the next."""
    project.passing("1.1.1", "2.1.1", name="readiness_tests/test_b.py")
    project.run()
    stop = project.checks(
        "@ready.testing('1.1.2')\ndef test_it(evidence): pytest.exit('stop')\n",
        "readiness_tests/test_a.py",
    )
    assert project.run().record.changes.regressed == ()
    stop.unlink()
    assert project.run().record.changes.fixed == ()


def test_evidence_grown_old_is_newly_stale(run_once: Any, project: Any) -> None:
    """An item that only age has taken away is told apart from one that broke."""
    project.items(
        _1_1_1=("record", "dev", "max_age_days = 30"),
        _2_1_1=("code", "dev", ""),
        _4_2_1=("host", "dev", ""),
    )
    run_once("1.1.1")
    (project.root / "readiness_tests/test_passing.py").unlink()
    project.checks("""
        from datetime import UTC, datetime

        @ready.testing("1.1.1")
        def test_it(evidence):
            evidence.record("x", 1, at=datetime(2020, 1, 1, tzinfo=UTC))
        """)
    record = project.run().record
    assert (record.changes.newly_stale, record.changes.regressed) == (("1.1.1",), ())
    assert record.verdict.of("1.1.1").reason == "stale: its evidence is older than 30 days"


@pytest.fixture
def records(project: Any) -> list[Record]:
    """Return the records of three runs."""
    found = []
    for passing in (("1.1.1",), ("1.1.1", "2.1.1"), ("2.1.1",)):
        project.passing(*passing)
        found.append(project.run().record)
    return found


def test_the_chain_holds(records: list[Record], tmp_path: Path) -> None:
    """Each line names the one before by its digest; the first follows nothing."""
    history = History(tmp_path / "deep" / "history.jsonl")
    assert history.entries() == []
    for record in records:
        history.append(record)
    entries = history.entries()
    assert [entry.record for entry in entries] == [record.digest for record in records]
    assert entries[0].previous == START
    assert [entry.previous for entry in entries[1:]] == [entry.digest for entry in entries[:-1]]
    assert changes(entries[:2], records[2]) == records[2].changes


def test_any_tampering_is_found(records: list[Record], tmp_path: Path) -> None:
    """A changed, deleted, inserted, swapped or cut line breaks the chain where it was touched."""
    path = tmp_path / "history.jsonl"
    history = History(path)
    for record in records:
        history.append(record)
    lines = path.read_bytes().splitlines(keepends=True)
    changed = json.loads(lines[1])
    changed["items"]["1.1.1"] = "failed"
    resealed = msgspec.structs.replace(history.entries()[1], status="READY").sealed()
    cases = {
        "line 2: altered since it was written": [lines[0], json.dumps(changed).encode() + b"\n"],
        "line 3: does not follow": [lines[0], msgspec.json.encode(resealed) + b"\n", lines[2]],
        "line 1: does not follow": lines[1:],
        "line 2: does not follow": [lines[0], lines[2], lines[1]],
        "line 3: does not follow the line": [lines[0], lines[1], lines[1]],
        "line 3: not a history entry": [*lines[:2], b"\xff{}\n"],
        "line 2: not a history entry": [lines[0], b"\n", *lines[1:]],
        "line 3: it has no end": [*lines[:2], lines[2][:-1]],
    }
    for said, content in cases.items():
        path.write_bytes(b"".join(content))
        with pytest.raises(HistoryError, match=said):
            history.entries()
        with pytest.raises(HistoryError, match=said):
            history.append(records[0])


def test_runs_that_end_together_make_one_chain(records: list[Record], tmp_path: Path) -> None:
    """Two runs that append at the same time do not fork the chain."""
    path = tmp_path / "history.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: History(path).append(records[n % 3]), range(40)))
    assert len(History(path).entries()) == 40


def test_broken_files_are_kept(tmp_path: Path) -> None:
    """A file set aside gets a name of its own each time."""
    path = tmp_path / "history.jsonl"
    names = []
    for _ in range(2):
        path.write_text("broken")
        names.append(History(path).set_aside().name)
    assert names == ["history.broken-1.jsonl", "history.broken-2.jsonl"]


def test_an_entry_holds_what_the_run_covered(records: list[Record]) -> None:
    """The line of a run names time, stage, status, commit and the dispositions in its scope."""
    entry = entry_of(records[1], START)
    assert (entry.status, entry.stage, entry.at) == ("INCOMPLETE", "dev", records[1].verdict.at)
    assert entry.items["2.1.1"] == "passed"
    assert len(entry.items) == 6
