"""The decorators and marks that make a test a check."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from pytest_rustybt_ready import marks

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("key", marks.SECTIONS)
def test_each_section_has_a_decorator(key: str) -> None:
    """``ready.<section>("id")`` sets the section's mark with the ids, and the mark readiness."""

    def check() -> None:
        """Hold."""

    marked = getattr(marks.ready, key)("1.2.3", "1.2.4")(check)
    found = {mark.name: mark.args for mark in marked.pytestmark}
    assert found == {f"ready_{key}": ("1.2.3", "1.2.4"), "readiness": ()}


def test_a_section_of_ones_own(project: Any) -> None:
    """``ready.section(key)`` gives the decorator of a section that only a team's checklist has."""
    text = (project.root / "checklist.toml").read_text()
    project.write("checklist.toml", text.replace("section.performance", "section.custody"))
    project.checks(
        "@ready.section('custody')('4.2.1')\ndef test_it(evidence): evidence.record('x', 1)"
    )
    assert project.run("-m", "ready_custody").item("4.2.1") == "passed"


@pytest.mark.parametrize("args", [(), (2.2,), ("2.2.3", 4), (None,)])
def test_ids_are_texts(args: tuple[Any, ...]) -> None:
    """Anything but texts as ids is refused where it stands, with an example of what is meant."""
    with pytest.raises(TypeError, match=r"ready.security: expected item ids.*'2\.2\.3'"):
        marks.ready.security(*args)


def test_controls_are_kept_with_their_check() -> None:
    """A control keeps its name and the first line of its docstring; it stays a plain function."""

    @marks.ready.security("2.2.3")
    def check() -> None:
        """Hold."""

    @check.fails_when
    def everybody_reads() -> None:
        """Everybody may read it.

        More on that.
        """

    @check.fails_when(case="one")
    def nobody_reads() -> None:
        everybody_reads()

    first, second = marks.controls_of(check)
    assert (first.name, first.claim, first.case) == (
        "everybody_reads",
        "Everybody may read it.",
        None,
    )
    assert (second.name, second.claim, second.case) == ("nobody_reads", "nobody reads", "one")
    assert nobody_reads() is None


def test_two_controls_of_one_name_are_refused() -> None:
    """Proofs are known by their control's name: a second one of the same name is an error."""

    @marks.ready.security("2.2.3")
    def check() -> None:
        """Hold."""

    def broken() -> None:
        """Break."""

    check.fails_when(broken)
    with pytest.raises(ValueError, match="two controls of one check are called 'broken'"):
        check.fails_when(broken)


@pytest.mark.parametrize("control", [42, "text", functools.partial(print, "x")])
def test_a_control_is_a_function(control: Any) -> None:
    """What is not a function has no source that a proof could rest on."""

    @marks.ready.security("2.2.3")
    def check() -> None:
        """Hold."""

    with pytest.raises(TypeError, match="a control is a function that breaks a sandbox"):
        check.fails_when(control)


def test_claims_lead_to_a_verdict(project: Any) -> None:
    """Checks that pass satisfy the items they claim, and no others."""
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    run = project.run()
    assert (run.code, run.status) == (0, "READY")
    assert run.item("2.1.2") == "not run"
    assert run.reason("2.1.2") == "no check claims this item"


def test_one_check_may_claim_several_items(project: Any) -> None:
    """Several ids, several decorators and several checks of one item all count."""
    project.checks("""
        @ready.testing("1.1.1", "1.1.2")
        @ready.security("2.1.1")
        def test_much(evidence):
            evidence.record("much", 1)

        @ready.security("2.1.1")
        def test_more(evidence):
            evidence.expect("more", 1, observed=2)
        """)
    run = project.run()
    assert [run.item(i) for i in ("1.1.1", "1.1.2", "2.1.1")] == ["passed", "passed", "failed"]
    assert run.reason("2.1.1") == "more: expected 1, observed 2"
    assert run.record.verdict.of("2.1.1").checks == (
        "readiness_tests/test_checks.py::test_more",
        "readiness_tests/test_checks.py::test_much",
    )


@pytest.mark.parametrize("outcome", ["failed", "not run"])
def test_a_supporting_check_blocks_its_section(project: Any, outcome: str) -> None:
    """A bare mark belongs to no item; unless it passes, its section is not ready."""
    how = "assert False" if outcome == "failed" else "pytest.skip('no tool')"
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.checks(f"""
        @ready.security
        def test_tools_are_there(evidence):
            evidence.record("tools", 0)
            {how}
        """)
    run = project.run()
    sections = {section.key: str(section.status) for section in run.record.verdict.sections}
    expected = "NOT READY" if outcome == "failed" else "INCOMPLETE"
    assert (sections["testing"], sections["security"], run.status) == ("READY", expected, expected)
    assert (
        f"supporting check {'readiness_tests/test_checks.py::test_tools_are_there'}" in run.blockers
    )
    assert run.code == (1 if outcome == "failed" else 6)


def test_a_class_and_a_module_may_be_marked(project: Any) -> None:
    """A mark on a class or a module makes each of its tests a check; readiness follows."""
    project.checks("""
        @ready.testing("1.1.1")
        class TestAll:
            def test_one(self, evidence):
                evidence.record("one", 1)

            def test_two(self, evidence):
                assert False

        """)
    project.checks(
        """
        pytestmark = pytest.mark.ready_security("2.1.1")

        def test_in_a_marked_module(evidence):
            evidence.record("three", 3)
        """,
        "readiness_tests/test_module.py",
    )
    run = project.run()
    assert (run.item("1.1.1"), run.item("2.1.1")) == ("failed", "passed")
    assert len(run.record.verdict.of("1.1.1").checks) == 2
    assert not hasattr(_marked_class(), "fails_when"), "controls belong to tests, not to classes"


def _marked_class() -> type:
    @marks.ready.testing("1.1.1")
    class Checks:
        """Hold."""

    return Checks


def test_marks_are_registered(project: Any) -> None:
    """All marks of the run's own checklist are known under --strict-markers, with their titles."""
    run = project.run("--markers")
    assert "@pytest.mark.readiness: a check of the production checklist" in run.output
    assert "@pytest.mark.ready_security(*ids): a check of the section 'Security'" in run.output
    assert "ready_monitoring" not in run.output, "that section is not in this checklist"
