"""Wrong claims are collection errors that say what is wrong, all at once."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]


def test_all_wrong_claims_of_a_module_are_named(project: Any) -> None:
    """Unknown ids, ids of another section and bare readiness marks are told together."""
    project.checks("""
        @ready.security("2.9.9")
        def test_unknown(evidence): ...

        @ready.testing("2.2.3")
        def test_other_section(evidence): ...

        @pytest.mark.readiness
        def test_no_section(evidence): ...

        @pytest.mark.ready_security(2)
        def test_number(evidence): ...

        class TestClass:
            class TestInner:
                @ready.performance("4.2.1", "1.1.1")
                def test_method(self, evidence): ...
        """)
    run = project.run()
    assert run.code == 2
    where = "readiness_tests/test_checks.py"
    other = "item 2.2.3 belongs to section 'security', not to 'testing': use @ready.security"
    inner = "item 1.1.1 belongs to section 'testing', not to 'performance': use @ready.testing"
    for line in (
        f"{where}::test_unknown: unknown checklist item '2.9.9'",
        f"{where}::test_other_section: {other}",
        f"{where}::test_no_section: mark 'readiness' without a section",
        f"{where}::test_number: unknown checklist item 2",
        f"{where}::TestClass::TestInner::test_method: {inner}",
    ):
        assert line in run.output
    assert run.status == "INCOMPLETE"
    assert f"{where} could not be collected" in run.blockers


def test_a_section_that_the_checklist_lacks(project: Any) -> None:
    """A mark of a section that the checklist does not have is an error, not an ordinary mark."""
    project.ini("markers = ready_custody: of another checklist")
    project.checks("@ready.section('custody')\ndef test_it(evidence): ...")
    run = project.run()
    assert run.code == 2
    assert "test_it: the checklist has no section 'custody'" in run.output


def test_a_section_is_named_by_its_key(project: Any) -> None:
    """``ready_2`` is no mark, though the section's number is 2."""
    project.ini("markers = ready_2: a number")
    project.checks("@ready.section('2')\ndef test_it(evidence): ...")
    assert "the checklist has no section '2'" in project.run().output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            """
            @ready.testing("1.1.1")
            @pytest.mark.parametrize("size", ["small", "large"])
            def test_it(evidence, size): ...

            @test_it.fails_when(case="huge")
            def broken(): ...
            """,
            "control broken is for case 'huge'; there is only large, small",
        ),
        (
            """
            @ready.testing("1.1.1")
            def test_it(evidence): ...

            @test_it.fails_when(case="huge")
            def broken(): ...
            """,
            "control broken is for case 'huge'; there is none",
        ),
        (
            """
            import unittest

            class Checks(unittest.TestCase):
                @ready.testing("1.1.1")
                def test_it(self): ...

                @test_it.fails_when
                def broken(self): ...
            """,
            "a unittest method cannot have controls; make it a plain function",
        ),
    ],
)
def test_controls_that_could_never_run_are_refused(project: Any, text: str, said: str) -> None:
    """A control for a case that does not exist, or of a unittest method, would prove nothing."""
    project.checks(text)
    run = project.run()
    assert run.code == 2
    assert said in run.output


def test_one_wrong_module_does_not_hide_another(project: Any) -> None:
    """With --continue-on-collection-errors the rest runs, and the gap keeps the run from READY."""
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.checks(
        "@ready.testing('1.1.1')\ndef test_more(evidence): ...\nimport there_is_no_such\n"
    )
    run = project.run("-m", "readiness", "--continue-on-collection-errors")
    assert run.item("1.1.1") == "passed"
    assert (run.code, run.status) == (6, "INCOMPLETE")
    assert "readiness_tests/test_checks.py could not be collected" in run.blockers


def test_late_marks_are_held_to_the_same_rules(project: Any) -> None:
    """What a conftest marks after collection is a check all the same; wrong claims end the run."""
    project.passing("1.1.2", "2.1.1", "2.2.3")
    project.write("readiness_tests/test_late.py", "def test_late(evidence): assert False\n")
    project.write(
        "conftest.py",
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_late":
                    item.add_marker("readiness")
                    item.add_marker(pytest.mark.ready_testing("1.1.1"))
        """,
    )
    run = project.run()
    assert (run.code, run.item("1.1.1")) == (1, "failed")
    conftest = project.root / "conftest.py"
    conftest.write_text(conftest.read_text().replace("1.1.1", "9.9.9"))
    run = project.run()
    assert run.code == 4
    assert "test_late: unknown checklist item '9.9.9'" in run.output


def test_items_that_are_no_functions_may_claim(project: Any) -> None:
    """A file collected as a test can be marked; without evidence it is an error, never passed."""
    project.passing("1.1.2", "2.1.1", "2.2.3")
    project.write("readiness_tests/check.custom", "hello")
    project.write(
        "conftest.py",
        """
        import pytest

        class Custom(pytest.Item):
            def runtest(self): ...
            def reportinfo(self): return self.path, 0, self.name

        class CustomFile(pytest.File):
            def collect(self):
                item = Custom.from_parent(self, name="custom")
                item.add_marker(pytest.mark.ready_testing("1.1.1"))
                yield item

        def pytest_collect_file(parent, file_path):
            if file_path.suffix == ".custom":
                return CustomFile.from_parent(parent, path=file_path)
        """,
    )
    run = project.run()
    assert (run.code, run.item("1.1.1")) == (1, "error")
    assert run.reason("1.1.1") == "the check left no evidence"
