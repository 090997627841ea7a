"""``rustybt-ready verify`` and ``history``: what a run recorded, judged again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import cli
from pytest_rustybt_ready.history import History
from pytest_rustybt_ready.record import Record, dump
from pytest_rustybt_ready.values import CheckResult, Outcome, Scope
from pytest_rustybt_ready.verify import instant

Out = pytest.CaptureFixture[str]


@pytest.fixture
def ready(records: Any, tmp_path: Path) -> Path:
    """Return a record that is READY for one section, for as long as its evidence is fresh."""
    checklist = records.small()
    checks = [c for c in records.make().checks if c.items and c.section == "security"]
    results = tuple(
        CheckResult(
            check=c.check, outcome=Outcome.PASSED, started=records.at - timedelta(minutes=1)
        )
        for c in checks
    )
    record = records.make(
        checklist,
        scope=Scope(kind="sections", sections=("security",)),
        checks=tuple(checks),
        results=results,
        proofs=(),
        statements=(),
    )
    path = tmp_path / "readiness.json"
    path.write_bytes(dump(record))
    return path


def test_a_sound_record_is_judged_again(ready: Path, capsys: Out) -> None:
    """As of the end of the run the verdict is the run's; the text says what lapses when."""
    assert cli.run(["verify", str(ready), "--at", "2026-03-14T09:26:53Z"]) == 0
    out = capsys.readouterr().out
    assert "sound record sha256:" in out
    assert "of rustybt at commit 9f3e1c5d0b7a4e2c8f61a9d3b5e70c24f8a6d1b9 with uncommitted" in out
    assert "judged 2026-03-14 09:26 UTC at stage dev: READY" in out
    assert "asked about: 1 section: 2 Security & secrets" in out
    assert "lapses 2026-04-13 09:25 UTC: 2.1.2" in out
    assert out.rstrip().endswith("READY as of 2026-03-14 09:26 UTC at stage dev")


def test_later_it_has_lapsed(ready: Path, capsys: Out) -> None:
    """At a later instant what has grown old is named, and the exit code follows."""
    assert cli.run(["verify", str(ready), "--at", "2027-01-01"]) == 6
    out = capsys.readouterr().out
    assert "no longer satisfied, as they were when the run ended: 2.1.2" in out
    assert "2.1.2 unproven: stale: its evidence is older than 30 days" in out
    assert "nothing that is satisfied and blocks lapses by age" in out
    assert "INCOMPLETE as of 2027-01-01 00:00 UTC at stage dev" in out


def test_without_an_instant_it_is_judged_as_of_now(ready: Path, capsys: Out) -> None:
    """What matters first is whether a verdict still holds: evidence of March has grown old."""
    today = datetime.now(UTC)
    assert cli.run(["verify", str(ready)]) == 6
    assert f"INCOMPLETE as of {today:%Y-%m-%d}" in capsys.readouterr().out


def test_earlier_it_was_not_seen_yet(ready: Path, capsys: Out) -> None:
    """Judged before the run, its evidence is from later, and proves nothing."""
    assert cli.run(["verify", str(ready), "--at", "2026-01-01"]) == 6
    assert "what was seen after that, up to 2026-03-14 09:25 UTC, counts" in capsys.readouterr().out


def test_a_failed_run_stays_failed(records: Any, tmp_path: Path, capsys: Out) -> None:
    """The exit code is 1 for NOT READY; blockers are numbered, the worst first."""
    path = tmp_path / "readiness.json"
    path.write_bytes(dump(records.make(statements=())))
    assert cli.run(["verify", str(path), "--at", "2026-03-14T10:00"]) == 1
    out = capsys.readouterr().out
    assert "  1. " in out
    assert "NOT READY as of" in out


def test_a_statement_that_nobody_signed(records: Any, tmp_path: Path, capsys: Out) -> None:
    """A record that is sound in itself, with a sign-off written in by hand, is refused."""
    path = tmp_path / "readiness.json"
    path.write_bytes(dump(records.make()))
    assert cli.run(["verify", str(path), "--at", "2026-03-14T10:00"]) == 7
    assert "by Ada Byron that its signed texts do not bear out" in capsys.readouterr().err


def test_json_holds_the_whole_verdict(ready: Path, capsys: Out) -> None:
    """--json prints one document with the verdict at that instant and what lapsed."""
    assert cli.run(["verify", str(ready), "--at=2027-01-01T00:00:00Z", "--json"]) == 6
    found = json.loads(capsys.readouterr().out)
    assert found["lapsed"] == ["2.1.2"]
    assert found["run_status"] == "READY"
    assert found["verdict"]["scope_status"] == "INCOMPLETE"
    assert found["verdict"]["at"] == "2027-01-01T00:00:00Z"
    assert found["record"] == json.loads(ready.read_text())["digest"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["results"][0].update(outcome="failed"), "altered since it was written"),
        (lambda d: d.pop("verdict"), "not a readiness record: Object missing required field"),
        (None, "cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_a_record_that_is_not_sound_is_refused(
    ready: Path, capsys: Out, change: Any, said: str
) -> None:
    """An altered, damaged or missing record ends with code 7 and one line that says why."""
    if change is None:
        ready.unlink()
    else:
        data = json.loads(ready.read_text())
        change(data)
        ready.write_text(json.dumps(data))
    assert cli.run(["verify", str(ready)]) == 7
    captured = capsys.readouterr()
    assert captured.err.startswith(f"rustybt-ready: {ready}: {said}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_forged_verdict_is_refused(ready: Path, capsys: Out) -> None:
    """A digest that fits does not help a verdict that does not follow."""
    record = msgspec.json.decode(ready.read_bytes(), type=Record)
    verdict = msgspec.structs.replace(record.verdict, valid_until=None)
    ready.write_bytes(dump(msgspec.structs.replace(record, verdict=verdict).sealed()))
    assert cli.run(["verify", str(ready)]) == 7
    assert "does not follow from what it records: different valid_until" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["soon", "2027-13-01", "", " ", "0001-01-01T00:00+14:00", "12:00"])
def test_what_is_no_instant_is_refused(ready: Path, capsys: Out, at: str) -> None:
    """A date or time that cannot be read ends with code 4 and two examples."""
    assert cli.run(["verify", str(ready), f"--at={at}"]) == 4
    assert f"--at {at!r} is not an instant; expected a date such as 2027-01-01 (midnight UTC)" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-01", "2027-01-01T00:00:00+00:00"),
        ("2027-01-01T09:30", "2027-01-01T09:30:00+00:00"),
        ("2027-01-01T09:30+02:00", "2027-01-01T07:30:00+00:00"),
        ("2027-01-01 09:30:00Z", "2027-01-01T09:30:00+00:00"),
    ],
)
def test_instants_are_utc_unless_they_say_otherwise(text: str, expected: str) -> None:
    """Without a zone a time is UTC; a date is its midnight."""
    assert instant(text).isoformat() == expected


def test_a_history_is_listed(records: Any, tmp_path: Path, capsys: Out) -> None:
    """One line a run, after the chain was checked; JSON on demand."""
    history = History(tmp_path / "history.jsonl")
    history.append(records.make())
    history.append(records.make())
    assert cli.run(["history", str(history.path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2026-03-14 09:26 UTC  dev        NOT READY ")
    assert "satisfied" in out
    assert "rustybt 9f3e1c5d0b7a" in out
    assert out.rstrip().endswith("2 runs; the chain holds")
    assert cli.run(["history", str(history.path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{}\n", "line 1: not a history entry"),
        (None, "there is no such file"),
        (1, "cannot be read"),
    ],
)
def test_a_broken_history_is_refused(
    tmp_path: Path, capsys: Out, content: bytes | int | None, said: str
) -> None:
    """A history that is missing, unreadable or broken ends with code 7."""
    path = tmp_path / "history.jsonl"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    assert cli.run(["history", str(path)]) == 7
    assert said in capsys.readouterr().err
