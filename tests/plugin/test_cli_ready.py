"""``rustybt-ready``: the checklist in words, and records judged again."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from pytest_rustybt_ready.checklist_file import built_in
from pytest_rustybt_ready.cli import app
from pytest_rustybt_ready.record import dump
from pytest_rustybt_ready.verdict import Exit, Status

if TYPE_CHECKING:
    from pytest_rustybt_ready.record import Record


def invoke(*words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def command(*words: str) -> CompletedProcess[str]:
    """Run a command as a shell does."""
    code = "from pytest_rustybt_ready.cli import main; main()"
    return run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


@pytest.fixture
def written(tmp_path: Path, records: Any) -> tuple[Record, Path]:
    """Return a realistic record and the file that holds it."""
    record: Record = records.make().sealed()
    path = tmp_path / "readiness.json"
    path.write_bytes(dump(record))
    return record, path


def test_list_shows_every_item() -> None:
    """Without options all items and sub-items are listed, and counted."""
    result = invoke("list")
    assert result.exit_code == 0
    assert all(item.id in result.output for item in built_in().items)
    assert "175 items and 28 sub-items" in result.output


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--section", "security"], lambda item: item.section_number == 2),
        (["--section", "2"], lambda item: item.section_number == 2),
        (["--stage", "live"], lambda item: item.stage == "live"),
        (["--kind", "signed"], lambda item: "signed" in item.kinds),
        (
            ["--section", "10", "--kind", "derived"],
            lambda item: item.section_number == 10 and "derived" in item.kinds,
        ),
    ],
)
def test_list_selects(words: list[str], wanted: Any) -> None:
    """Options narrow the list down, and combine."""
    result = invoke("list", "--json", *words)
    expected = [item.id for item in built_in().items if wanted(item)]
    assert expected
    assert [item["id"] for item in json.loads(result.output)] == expected


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--section", "x"], "'x' is none of testing, security"),
        (["list", "--stage", "x"], "'x' is none of dev, staging, production, live"),
        (["list", "--kind", "x"], "'x' is none of code, engine"),
        (["explain", "9.9.9"], "there is no item '9.9.9'"),
    ],
)
def test_wrong_words_are_refused(words: list[str], told: str) -> None:
    """A word that means nothing is refused with those that would."""
    result = invoke(*words)
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("item_id", ["2.2.3", "4.2.1", "4.2.1.1", "5.3.3", "9.2.2", "10.3.1"])
def test_explain_says_everything(item_id: str) -> None:
    """Meaning, how it is checked, how it fails, how to fix it, and how to run it."""
    item = built_in().find(item_id)
    assert item is not None
    output = invoke("explain", item_id).output
    for told in (item.text, item.how, *item.fails, item.remedy.splitlines()[0]):
        assert told in output
    assert f"pytest --ready-item {item_id}" in output
    assert json.loads(invoke("explain", item_id, "--json").output)["id"] == item_id


def test_another_checklist_can_be_named(tmp_path: Path) -> None:
    """``--checklist`` reads another file; a broken one is refused with all its problems."""
    path = tmp_path / "checklist.toml"
    path.write_text(
        'title = "Ours"\nversion = "1"\nextends = "rustybt"\n[item."2.2.7"]\n'
        'text = "Ours holds"\nkinds = ["code"]\nstage = "dev"\nhow = "Look."\n'
        'fails = ["no"]\nremedy = "Do."\n',
        "utf-8",
    )
    assert "Ours holds" in invoke("explain", "2.2.7", "--checklist", str(path)).output
    path.write_text('title = 7\n[item."x"]\n', "utf-8")
    done = command("list", "--checklist", str(path))
    assert done.returncode == Exit.USAGE_ERROR
    assert "title" in done.stderr
    assert 'item."x"' in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_judges_again(written: tuple[Record, Path]) -> None:
    """An untouched record gives its own verdict again, with the exit code of that verdict."""
    record, path = written
    at = (record.run.finished + timedelta(seconds=1)).isoformat()
    result = invoke("verify", str(path), "--at", at)
    assert result.exit_code == Exit.of(record.verdict.scope_status)
    assert record.digest in result.output
    assert f"{record.verdict.status} at stage {record.verdict.stage}" in result.output


def test_verify_says_what_has_lapsed(written: tuple[Record, Path]) -> None:
    """Years later every aged result is named, and nothing has become better."""
    record, path = written
    told = json.loads(invoke("verify", str(path), "--at", "2036-01-01", "--json").output)
    aging = {item.id for item in record.verdict.items if item.expires is not None}
    assert aging
    assert aging <= set(told["lost"])
    order = [Status.NOT_READY, Status.INCOMPLETE, Status.READY]
    assert order.index(Status(told["status"])) <= order.index(record.verdict.status)
    assert told["lapses"] == []


def test_verify_says_what_will_lapse(written: tuple[Record, Path]) -> None:
    """The forecast names the first instant at which the verdict loses an item."""
    record, path = written
    at = (record.run.finished + timedelta(seconds=1)).isoformat()
    told = json.loads(invoke("verify", str(path), "--at", at, "--json").output)
    assert [set(lapse["items"]) for lapse in told["lapses"]] == [
        set(lapse.items) for lapse in record.verdict.lapses
    ]


@pytest.mark.parametrize("at", ["yesterday", "2027-13-01", "2001-01-01"])
def test_verify_refuses_instants_that_mean_nothing(written: tuple[Record, Path], at: str) -> None:
    """A word that is no date, and a time before the run, are refused."""
    result = invoke("verify", str(written[1]), "--at", at)
    assert result.exit_code == 2
    assert "--at" in result.output


def test_verify_believes_no_altered_record(written: tuple[Record, Path]) -> None:
    """A changed word, a verdict that does not follow, other files and none: all are refused."""
    record, path = written
    sound = path.read_bytes()
    forged = msgspec.structs.replace(
        record, verdict=msgspec.structs.replace(record.verdict, status=Status.READY)
    ).sealed()
    for data, told in (
        (sound.replace(b'"dev"', b'"live"', 1), "altered"),
        (dump(forged), "does not follow"),
        (b"{}", "not a readiness record"),
        (sound[: len(sound) // 2], "not a readiness record"),
    ):
        path.write_bytes(data)
        done = command("verify", str(path))
        assert done.returncode == Exit.REPORT_ERROR
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    done = command("verify", str(path.with_name("missing.json")))
    assert done.returncode == Exit.REPORT_ERROR
    assert "cannot be read" in done.stderr
