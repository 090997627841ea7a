"""``rustybt-ready explain``: all about one item."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_rustybt_ready import checklist_file, cli


def explained(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """Return what ``explain`` prints, with its lines joined."""
    assert cli.run(["explain", *args]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_an_item_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """What it means, how it is proven and checked, how it fails, how to fix it, and the command."""
    item = checklist_file.built_in().find("2.2.3")
    assert item is not None
    text = explained(capsys, "2.2.3")
    for part in (item.text, item.how, item.remedy, *item.fails):
        assert " ".join(part.split()) in text
    assert "section 2 Security (security), 2.2 Credentials" in text
    assert "proven on the deployment's host and files" in text
    assert "blocks from stage dev on" in text
    assert (
        "command pytest --ready-item 2.2.3 command pytest --ready-item 2.2.3 --ready-prove" in text
    )


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        ("1.1.2", ["threshold coverage ≥ 90", "applies always"]),
        ("2.1.6", ["signed by security-reviewer, for one commit only", "counts for 90 days"]),
        ("5.3.1", ["applies if api_enabled is true; unknown excuses nothing"]),
        ("10.3.1", ["rests on", "proven from other items"]),
        ("4.2.1", ["parts 4.2.1.1, 4.2.1.2"]),
        ("4.2.1.1", ["part of 4.2.1"]),
        ("2.2.3", ["waiver never"]),
    ],
)  # fmt: skip
def test_each_trait_is_told(
    capsys: pytest.CaptureFixture[str], item: str, parts: list[str]
) -> None:
    """Thresholds, age, applicability, waivers, roles and relations are part of the explanation."""
    text = explained(capsys, item)
    for part in parts:
        assert part in text


def test_every_item_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """No item of the built-in checklist trips the explanation; what nobody runs has no command."""
    for item in checklist_file.built_in().items:
        text = explained(capsys, item.id)
        assert text.startswith(item.id)
        assert (f"command pytest --ready-item {item.id}" in text) is item.automated
    assert cli.run(["explain", "2.2.3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "2.2.3"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("2.2", "'2.2' is not an item of the checklist; below it are 2.2.1, 2.2.2"),
        ("2.2.33", "'2.2.33' is not an item of the checklist; did you mean 2.2.3"),
        ("zzz", "'zzz' is not an item of the checklist: see `list`"),
        ("", "'' is not an item of the checklist: see `list`"),
    ],
)
def test_unknown_items_are_told(capsys: pytest.CaptureFixture[str], item: str, said: str) -> None:
    """An id that leads to no item ends with code 4 and what may be meant."""
    assert cli.run(["explain", item]) == 4
    assert said in capsys.readouterr().err


def test_odd_texts_are_shown_safely(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Control characters in a checklist do not reach the terminal; optional items say so."""
    path = tmp_path / "own.toml"
    path.write_text(
        'title = "t"\nversion = "1"\n[section.testing]\nnumber = 1\ntitle = "T"\n'
        'subsections = { "1.1" = "S" }\n[item."1.1.1"]\ntext = "red \\u001b[31m [bold]x"\n'
        'kinds = ["code"]\nstage = "dev"\nhow = "h"\nfails = ["f"]\nremedy = "r"\noptional = true\n'
        'or_signed = true\nrole = "lead"\nmax_age_days = 1\n'
    )
    text = explained(capsys, "1.1.1", "--checklist", str(path))
    assert "red \\x1b[31m [bold]x" in text
    assert "blocks never: it is optional" in text
    assert "signed by lead if the check can only say unproven" in text
    assert "counts for 1 day" in text


def test_without_an_id_the_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A command needs its argument; without any command there is help."""
    assert cli.run(["explain"]) == 4
    assert "Missing argument 'ID'" in capsys.readouterr().err
    assert cli.run([]) == 4
    assert "Exit codes:" in capsys.readouterr().err
