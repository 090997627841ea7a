"""``rustybt-ready list``: the items of the checklist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import checklist_file, cli


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, Any]]:
    """Return what ``list --json`` prints."""
    assert cli.run(["list", "--json", *args]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_everything_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without options all 175 items and their 28 parts are there, in order, by section."""
    assert cli.run(["list"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith("175 items and 28 sub-items")
    assert "2 Security (security)" in out
    lines = [line.split() for line in out.splitlines() if line.startswith("  ")]
    ids = [words[0] for words in lines if words[0].count(".") >= 2 and words[0][0].isdigit()]
    assert ids == [item.id for item in checklist_file.built_in().items]


@pytest.mark.parametrize("section", ["2", "security"])
def test_filters_combine(capsys: pytest.CaptureFixture[str], section: str) -> None:
    """--section by number or key, --stage and --kind each leave out what does not fit."""
    found = listed(capsys, "--section", section, "--stage", "production", "--kind", "host")
    assert [item["id"] for item in found] == ["2.3.1", "2.3.2", "2.3.3", "2.3.4", "2.3.6"]
    assert {item["section"] for item in found} == {"security"}


def test_json_holds_the_whole_item(capsys: pytest.CaptureFixture[str]) -> None:
    """An item in JSON has all that the checklist says, its section and the commands."""
    (item,) = (i for i in listed(capsys, "--section=testing") if i["id"] == "1.1.2")
    assert item["thresholds"]["coverage"]["limit"] == "90"
    assert item["commands"] == [
        "pytest --ready-item 1.1.2",
        "pytest --ready-item 1.1.2 --ready-prove",
    ]


def test_nothing_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """A combination that no item has is told, and is no error."""
    assert cli.run(["list", "--section=1", "--stage=live"]) == 0
    assert capsys.readouterr().out == "no item fits\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--section", "secrecy"], "'secrecy': there is no such section; there are: 1 testing"),
        (["--stage", "prod"], "'prod' is not one of 'dev', 'staging', 'production', 'live'"),
        (["--kind", "magic"], "'magic' is not one of"),
        (["--odd"], "No such option: --odd"),
        (["--checklist", "nowhere.toml"], "nowhere.toml: 1 problem"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told(
    capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    """What cannot be meant ends with code 4, the reason on stderr, and no traceback."""
    assert cli.run(["list", *args]) == 4
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_checklist_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """--checklist names another file; all its problems are told if it has any."""
    path = tmp_path / "own.toml"
    text = 'title = "t"\nversion = "1"\nextends = "rustybt"\n[item."1.1.1"]\ntext = "Ours"\n'
    path.write_text(
        text + 'kinds = ["code"]\nstage = "dev"\nhow = "h"\nfails = ["f"]\nremedy = "r"\n'
    )
    assert cli.run(["list", "--checklist", str(path), "--section=1"]) == 0
    assert "Ours" in capsys.readouterr().out
    path.write_text('title = "t"\nodd = 1\n')
    assert cli.run(["list", "--checklist", str(path)]) == 4
    err = capsys.readouterr().err
    assert "unknown key 'odd'" in err
    assert "'version' is missing" in err


def test_the_command_is_quick_and_quiet(tmp_path: Path) -> None:
    """In a process of its own: help without jinja2 or the engine, any encoding, a closed pipe."""
    code = (
        "import sys; sys.argv = ['rustybt-ready', '--help']\n"
        "from pytest_rustybt_ready.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('jinja2', 'rustybt', 'hypothesis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("arguments", [["list", "--json"], ["list"], ["explain", "2.2.3"]])
def test_a_reader_may_go_away(arguments: list[str]) -> None:
    """Nobody reads the pipe any more from before the start: still no message and no failure."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "from pytest_rustybt_ready.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
