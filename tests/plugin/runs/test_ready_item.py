"""``--ready-item ID``: run and judge one item, or all below an id."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]


def test_sub_items_belong_to_their_item(project: Any) -> None:
    """Asking for an item asks for its sub-items; an id is no mere beginning of a text."""
    project.items(
        _4_2_1=("host", "dev", ""),
        _4_2_1_1=("host", "dev", ""),
        _4_2_1_2=("host", "dev", ""),
        _4_2_11=("host", "dev", ""),
        _1_1_1=("code", "dev", ""),
        _2_1_1=("code", "dev", ""),
    )
    project.passing("4.2.1.1", "4.2.1.2", "4.2.11", "1.1.1")
    run = project.run("--ready-item", "4.2.1")
    assert (run.code, run.status) == (0, "READY")
    assert run.record.run.scope.items == ("4.2.1", "4.2.1.1", "4.2.1.2")
    assert [run.item(i) for i in ("4.2.1", "4.2.1.1", "4.2.11")] == ["passed", "passed", "not run"]
    run.counts(passed=2, deselected=2)


def test_unknown_items_are_a_usage_error(project: Any) -> None:
    """Ids that lead to no item are refused together, before anything runs."""
    project.passing("1.1.1")
    run = project.run("--ready-item", "9.9", "--ready-item", "1.1", "--ready-item", "")
    assert run.code == 4
    assert "--ready-item: no item of the checklist is '9.9' or ''" in run.output
    assert "rustybt-ready list" in run.output
    assert not run.judged


@pytest.mark.parametrize(
    ("ids", "code", "status"),
    [(("1.1.1",), 0, "READY"), (("1.1.1", "1.1.2"), 6, "INCOMPLETE"), (("2.1.1",), 1, "NOT READY")],
)
def test_the_verdict_is_on_what_was_asked(
    project: Any, ids: tuple[str, ...], code: int, status: str
) -> None:
    """An item without a check is open; what else fails does not matter."""
    project.passing("1.1.1")
    project.checks("@ready.security('2.1.1')\ndef test_it(evidence): assert False")
    run = project.run(*(f"--ready-item={item}" for item in ids), "-m", "readiness")
    assert (run.code, run.status) == (code, status)
    assert str(run.record.verdict.status) != "READY"


def test_an_item_of_a_later_stage_blocks_nothing_yet(project: Any) -> None:
    """Asked about nothing that blocks at this stage, a run does not call itself ready."""
    project.passing("4.2.1")
    run = project.run("--ready-item", "4.2.1")
    assert (run.code, run.item("4.2.1")) == (6, "passed")
    assert project.run("--ready-item", "4.2.1", "--ready-stage", "staging").code == 0


def test_it_narrows_a_mark(project: Any) -> None:
    """With -m, both have to select a check."""
    project.passing("1.1.1", "2.1.1")
    run = project.run("-m", "ready_security", "--ready-item", "1", "--ready-item", "2.1")
    assert [result.check[-5:] for result in run.record.results] == ["2_1_1"]
