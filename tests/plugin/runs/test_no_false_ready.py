"""Ways in which a run could look ready without being it. None may end with exit code 0."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]
OTHERS = ("1.1.2", "2.1.1", "2.2.3")

# name: (body of a module with checks of 1.1.1, the disposition of 1.1.1)
MODULES: dict[str, tuple[str, str]] = {
    "the fixture's teardown fails": (
        """
        @pytest.fixture
        def box():
            yield 1
            assert False, "left a mess"

        @ready.testing("1.1.1")
        def test_it(box, evidence):
            evidence.record("x", 1)
        """,
        "error",
    ),
    "an assertion in a fixture": (
        """
        @pytest.fixture
        def box():
            assert False

        @ready.testing("1.1.1")
        def test_it(box, evidence):
            evidence.record("x", 1)
        """,
        "error",
    ),
    "evidence of a fixture only": (
        """
        @pytest.fixture
        def box(evidence):
            evidence.record("host", "here")

        @ready.testing("1.1.1")
        def test_it(box): ...
        """,
        "error",
    ),
    "no evidence": ("@ready.testing('1.1.1')\ndef test_it(): ...", "error"),
    "an unmet expectation is swallowed": (
        """
        @ready.testing("1.1.1")
        def test_it(evidence):
            with pytest.raises(AssertionError):
                evidence.expect("x", 1, observed=2)
        """,
        "failed",
    ),
    "no parameters": (
        """
        @ready.testing("1.1.1")
        @pytest.mark.parametrize("x", [])
        def test_it(evidence, x):
            evidence.record("x", x)
        """,
        "not run",
    ),
    "one case of many is skipped": (
        """
        @ready.testing("1.1.1")
        @pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.skip)])
        def test_it(evidence, x):
            evidence.record("x", x)
        """,
        "not run",
    ),
    "expected to fail": (
        """
        @ready.testing("1.1.1")
        @pytest.mark.xfail
        def test_it(evidence):
            evidence.expect("x", 1, observed=2)
        """,
        "failed",
    ),
    "xfail in the test": (
        """
        @ready.testing("1.1.1")
        def test_it(evidence):
            evidence.record("x", 1)
            pytest.xfail("known")
        """,
        "failed",
    ),
    "xfail that is not run": (
        """
        @ready.testing("1.1.1")
        @pytest.mark.xfail(run=False)
        def test_it(evidence): ...
        """,
        "failed",
    ),
    "passes though strictly expected to fail": (
        """
        @ready.testing("1.1.1")
        @pytest.mark.xfail(strict=True)
        def test_it(evidence):
            evidence.record("x", 1)
        """,
        "failed",
    ),
    "async without a plugin": (
        """
        @ready.testing("1.1.1")
        async def test_it(evidence):
            evidence.record("x", 1)
        """,
        "failed",
    ),
    "SystemExit": (
        """
        @ready.testing("1.1.1")
        def test_it(evidence):
            evidence.record("x", 1)
            raise SystemExit(0)
        """,
        "error",
    ),
    "a failed subtest": (
        """
        @ready.testing("1.1.1")
        def test_it(evidence, subtests):
            with subtests.test("a"):
                assert False
            evidence.record("x", 1)
        """,
        "failed",
    ),
    "a skipped subtest": (
        """
        @ready.testing("1.1.1")
        def test_it(evidence, subtests):
            evidence.record("x", 1)
            with subtests.test("a"):
                pytest.skip("no")
        """,
        "not run",
    ),
    "a failed unittest subtest": (
        """
        import unittest

        class Checks(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def box(self, evidence):
                self.evidence = evidence

            @ready.testing("1.1.1")
            def test_it(self):
                self.evidence.record("x", 1)
                with self.subTest("a"):
                    self.assertTrue(False)
        """,
        "failed",
    ),
    "a failed unittest": (
        """
        import unittest

        class Checks(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def box(self, evidence):
                self.evidence = evidence

            @ready.testing("1.1.1")
            def test_it(self):
                self.evidence.record("x", 1)
                self.assertEqual(1, 2)
        """,
        "failed",
    ),
    "one of several checks fails": (
        """
        @ready.testing("1.1.1")
        def test_good(evidence):
            evidence.record("x", 1)

        @ready.testing("1.1.1")
        def test_bad(evidence):
            evidence.record("x", 1)
            assert False
        """,
        "failed",
    ),
    "the run ends in the teardown": (
        """
        @pytest.fixture
        def box():
            yield
            pytest.exit("done", returncode=0)

        @ready.testing("1.1.1")
        def test_it(box, evidence):
            evidence.record("x", 1)
        """,
        "not run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_a_check_that_did_not_simply_pass_satisfies_nothing(project: Any, name: str) -> None:
    """Whatever a check does but pass with evidence of its own, its item stays open."""
    text, expected = MODULES[name]
    project.passing(*OTHERS, name="readiness_tests/test_a.py")
    project.checks(text, "readiness_tests/test_z.py")
    run = project.run()
    assert run.item("1.1.1") == expected
    assert run.status != "READY"
    assert run.code in (1, 6)


@pytest.mark.parametrize(
    "args",
    [
        ("--deselect", "readiness_tests/test_more.py"),
        ("--ignore", "readiness_tests/test_more.py"),
        ("--ignore-glob", "*more*"),
        ("-k", "not more"),
        ("-m", "readiness and not slow"),
        ("-x",),
        ("--maxfail=1",),
        ("--last-failed",),
        ("--stepwise",),
    ],
    ids=" ".join,
)
def test_leaving_a_check_out_is_no_way_to_ready(project: Any, args: tuple[str, ...]) -> None:
    """A second check of an item fails; runs that leave it out in any way do not become READY."""
    project.ini("markers = slow: takes time")
    project.passing("1.1.1", *OTHERS)
    project.checks(
        """
        @pytest.mark.slow
        @ready.testing("1.1.1")
        def test_more(evidence):
            evidence.expect("x", 1, observed=2)
        """,
        "readiness_tests/test_more.py",
    )
    project.run("-m", "readiness")
    run = project.run(*(() if "-m" in args else ("-m", "readiness")), *args)
    assert run.status != "READY"
    assert run.code in (1, 2, 6)
    run = project.run(
        "--ready-item", "1.1.1", *(a for a in args if "readiness and" not in a and a != "-m")
    )
    assert run.code in (1, 2, 6)


def test_last_failed_does_not_hide_the_files_it_skips(project: Any) -> None:
    """--last-failed skips whole files that passed: what they claim was not looked at this time."""
    state = project.write("state", "bad")
    project.passing("1.1.1", *OTHERS)
    project.checks(
        """
        from pathlib import Path

        @ready.testing("1.1.1")
        def test_more(evidence):
            evidence.expect("state", "good", observed=Path("state").read_text())
        """,
        "readiness_tests/test_more.py",
    )
    assert project.run("-m", "readiness").code == 1
    state.write_text("good")
    run = project.run("--ready-item", "1.1.1", "--last-failed")
    assert run.code == 6
    assert "readiness_tests/test_passing.py holds checks, but none was collected" in run.blockers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pytest.skip('later', allow_module_level=True)", "was skipped as a whole: later"),
        ("pytest.importorskip('there_is_no_such')", "was skipped as a whole: could not import"),
    ],
)
def test_a_skipped_module_is_a_gap(project: Any, text: str, said: str) -> None:
    """Nobody knows what a module that was skipped as a whole would have shown."""
    project.passing("1.1.1", *OTHERS)
    project.checks(
        f"@ready.testing('1.1.1')\ndef test_more(evidence): ...\n{text}\n",
        "readiness_tests/test_more.py",
    )
    run = project.run()
    assert (run.code, run.item("1.1.1")) == (6, "passed")
    assert f"readiness_tests/test_more.py {said}" in run.blockers


@pytest.mark.parametrize(
    "conftest",
    [
        "collect_ignore = ['test_more.py']",
        "def pytest_ignore_collect(collection_path): return 'more' in collection_path.name or None",
        "def pytest_collection_modifyitems(items): items[:] = [i for i in items if '1' in i.name]",
        """
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if "more" not in item.name]
""",
        "def pytest_runtest_protocol(item): return True if 'more' in item.name else None",
    ],
)
def test_a_conftest_cannot_hide_a_check(project: Any, conftest: str) -> None:
    """What a conftest takes out of a run is missing, not passed."""
    project.passing("1.1.1", *OTHERS)
    project.checks(
        "@ready.testing('1.1.1')\ndef test_more(evidence): assert False\n",
        "readiness_tests/test_more.py",
    )
    project.write("readiness_tests/conftest.py", conftest)
    run = project.run()
    assert (run.code, run.status) == (6, "INCOMPLETE")


def test_a_folder_of_checks_left_out_is_a_gap(project: Any) -> None:
    """The same for a whole folder inside of the folder of checks."""
    project.passing("1.1.1", *OTHERS)
    project.passing("1.1.1", name="readiness_tests/more/test_more.py")
    run = project.run("-m", "readiness", "--ignore", "readiness_tests/more")
    assert (run.code, run.status) == (6, "INCOMPLETE")
    assert "readiness_tests/more/test_more.py was left out of collection" in run.blockers


RERUN = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for attempt in range(3):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(report.failed for report in reports) or attempt == 2:
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
        item._initrequest()
"""


@pytest.mark.parametrize(
    ("how", "expected"),
    [("assert TRIES.pop() == 0", "failed"), ("1 / TRIES.pop()", "error")],
)
def test_running_again_until_it_passes_does_not_count(
    project: Any, how: str, expected: str
) -> None:
    """A plugin that repeats failed tests hides flakes; a check that once failed has failed."""
    tries = "[0, 0, 1]" if expected == "failed" else "[1, 1, 0]"
    project.passing(*OTHERS)
    project.write("conftest.py", RERUN)
    project.checks(f"""
        TRIES = {tries}

        @ready.testing("1.1.1")
        def test_it(evidence):
            evidence.record("x", 1)
            {how}
        """)
    run = project.run()
    assert (run.code, run.item("1.1.1")) == (1, expected)


def test_the_same_file_twice_is_judged_twice(project: Any) -> None:
    """With duplicates kept, the worse of two results of one check counts."""
    project.passing(*OTHERS)
    project.checks("""
        SEEN = []

        @ready.testing("1.1.1")
        def test_it(evidence):
            SEEN.append(1)
            evidence.expect("times", 1, observed=len(SEEN))
        """)
    name = "readiness_tests/test_checks.py"
    run = project.run("--keep-duplicates", name, name)
    assert run.item("1.1.1") == "failed"


def test_other_checks_of_the_same_file_are_known(project: Any) -> None:
    """Asked for one test by its id, a run still knows that another claims the same item."""
    project.checks("""
        @ready.testing("1.1.1")
        def test_one(evidence):
            evidence.record("x", 1)

        @ready.testing("1.1.1")
        def test_two(evidence):
            assert False
        """)
    run = project.run("readiness_tests/test_checks.py::test_one")
    assert (run.code, run.item("1.1.1")) == (6, "not run")
    assert run.reason("1.1.1") == "readiness_tests/test_checks.py::test_two was not run"


def test_a_failing_supporting_check_counts_when_it_was_asked_for(project: Any) -> None:
    """-k that selects a claim and a failing supporting check is not ready."""
    project.passing("2.1.1")
    project.checks("@ready.security\ndef test_support_2_1_1(evidence): assert False\n")
    run = project.run("-m", "readiness", "-k", "2_1_1")
    assert (run.code, run.item("2.1.1")) == (1, "passed")
    run = project.run("-m", "readiness", "-k", "test_support")
    assert run.code == 1


def test_a_check_of_a_signed_item_counts_beside_the_signature(project: Any) -> None:
    """A failing check of an item that people sign is not forgotten for that."""
    text = (project.root / "checklist.toml").read_text()
    signed = text.replace('[item."1.1.1"]', '[item."1.1.1"]\nrole = "lead"\nmax_age_days = 9', 1)
    signed = signed.replace('kinds = ["code"]', 'kinds = ["signed"]', 1)
    project.write("checklist.toml", signed.replace('fails = ["it is broken"]', "fails = []", 1))
    project.passing(*OTHERS)
    project.checks("@ready.testing('1.1.1')\ndef test_it(evidence): assert False\n")
    run = project.run()
    assert (run.code, run.item("1.1.1")) == (1, "failed")


def test_a_stopped_run_says_so(project: Any) -> None:
    """-x stops at the first failure; the record calls the run interrupted, not complete."""
    project.passing(*OTHERS, name="readiness_tests/test_z.py")
    project.checks("@ready.testing('1.1.1')\ndef test_it(evidence): assert False\n")
    run = project.run("-m", "readiness", "-x")
    assert (run.code, run.record.run.interrupted) == (1, True)
    assert run.item("2.1.1") == "not run"
