"""What the exit code says."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rustybt_ready.verdict import Exit, Status

pytest_plugins = ["pytester"]
ALL = ("1.1.1", "1.1.2", "2.1.1", "2.2.3")


def test_codes_are_those_documented() -> None:
    """Codes 0 and 2 to 5 mean what pytest means by them; 1, 6 and 7 are the verdict's."""
    assert {code.name: int(code) for code in Exit} == {
        "READY": 0,
        "NOT_READY": 1,
        "INTERRUPTED": 2,
        "INTERNAL_ERROR": 3,
        "USAGE_ERROR": 4,
        "NOTHING_COLLECTED": 5,
        "INCOMPLETE": 6,
        "REPORT_ERROR": 7,
    }
    assert [Exit.of(status) for status in Status] == [0, 6, 1]
    named = {code.name for code in pytest.ExitCode if code.value in (2, 3, 4)}
    assert named == {"INTERRUPTED", "INTERNAL_ERROR", "USAGE_ERROR"}


@pytest.mark.parametrize(
    ("ids", "more", "args", "code"),
    [
        (ALL, "", (), 0),
        (ALL, "assert False", (), 1),
        (ALL, "raise RuntimeError", (), 1),
        (ALL[:2], "", (), 6),
        (ALL, "pytest.skip('later')", (), 6),
        (ALL, "evidence.unproven('offline')", (), 6),
        (ALL, "raise KeyboardInterrupt", (), 2),
        (ALL, "pytest.exit('enough')", (), 2),
        (ALL, "pytest.exit('fine', returncode=0)", (), 6),
        (ALL, "", ("-k", "nothing_like_it"), 5),
        (ALL, "", ("--ready-stage", "soon"), 4),
        (ALL, "", ("--collect-only",), 0),
        (ALL, "", ("--setup-only",), 6),
    ],
)
def test_each_code_is_reached(
    project: Any, ids: tuple[str, ...], more: str, args: tuple[str, ...], code: int
) -> None:
    """One way to each code."""
    project.passing(*ids)
    if more:
        project.checks(f"@ready.testing('1.1.1')\ndef test_more(evidence):\n    {more}\n")
    assert project.run("-m", "readiness", *args).code == code


def test_an_ordinary_failure_beside_ready_checks_counts(project: Any) -> None:
    """With every item satisfied, a failing ordinary test of the same run still fails the run."""
    project.passing(*ALL)
    project.write("tests/test_plain.py", "def test_plain(): assert False\n")
    run = project.run("tests", "readiness_tests")
    assert (run.status, run.code) == ("READY", 1)


def test_a_failure_that_no_test_reports_counts(project: Any) -> None:
    """Another plugin may fail the session by itself, as coverage does below its limit."""
    project.passing(*ALL)
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtestloop(session):
            yield
            session.testsfailed += 1
            return True
        """,
    )
    run = project.run()
    assert (run.status, run.code) == ("READY", 1)


def test_an_internal_error_stays_one(project: Any) -> None:
    """A hook that breaks the run leaves pytest's own code, and a record that is not READY."""
    project.passing(*ALL)
    project.write("conftest.py", "def pytest_runtest_teardown(item): raise ValueError\n")
    project.write(
        "conftest.py",
        """
        def pytest_runtestloop(session):
            raise ValueError("broken plugin")
        """,
    )
    run = project.run()
    assert (run.code, run.status) == (3, "INCOMPLETE")


def test_a_project_whose_subject_cannot_be_made(project: Any) -> None:
    """A usage error of the project's hook ends the run before anything is judged."""
    project.passing(*ALL)
    project.write(
        "conftest.py",
        """
        import pytest

        def pytest_ready_subject(config):
            raise pytest.UsageError("no sandbox today")
        """,
    )
    run = project.run()
    assert (run.code, run.judged) == (4, False)
    assert "no sandbox today" in run.output


def test_listings_are_no_runs(project: Any) -> None:
    """--fixtures, --markers and --help list things; they judge nothing and write nothing."""
    project.passing(*ALL)
    for option in ("--fixtures", "--markers", "--help", "--version"):
        run = project.run("-m", "readiness", option)
        assert (run.code, run.judged) == (0, False)
    assert not (project.root / ".readiness").exists()
