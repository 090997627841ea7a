"""An ordinary test that cannot be imported is for a check to find, not the end of the run."""

from __future__ import annotations

import pytest

CHECK = """
from pytest_rustybt_ready import ready

@ready.testing("1.1.1")
def test_one(evidence):
    evidence.expect("one", 1, observed=1)
"""


@pytest.mark.parametrize(
    "asked", [["-m", "readiness"], ["-m", "ready_testing"], ["--ready-stage=dev"]]
)
def test_a_run_of_checks_does_not_import_ordinary_tests(
    pytester: pytest.Pytester, asked: list[str]
) -> None:
    """A module without checks is not imported; one with checks among ordinary tests is."""
    pytester.makeini("[pytest]\ntestpaths = tests")
    tests = pytester.mkdir("tests")
    (tests / "test_broken.py").write_text("import there_is_no_such_module\n", "utf-8")
    (tests / "test_marked.py").write_text(CHECK, "utf-8")
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", *asked)
    done.assert_outcomes(passed=1)


@pytest.mark.parametrize("asked", [["-m", "readiness or slow"], ["-m", "readiness", "tests"]])
def test_other_tests_that_were_asked_for_are_imported(
    pytester: pytest.Pytester, asked: list[str]
) -> None:
    """Where other tests were asked for too, one that cannot be imported is an error."""
    pytester.makeini("[pytest]\ntestpaths = tests\nmarkers = slow: takes long")
    tests = pytester.mkdir("tests")
    (tests / "test_broken.py").write_text("import there_is_no_such_module\n", "utf-8")
    (tests / "test_marked.py").write_text(CHECK, "utf-8")
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", *asked)
    done.assert_outcomes(errors=1)
