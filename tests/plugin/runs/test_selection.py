"""Which checks run, and what the verdict then speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_rustybt_ready.selection import asks, holds_checks, sections_selected

pytest_plugins = ["pytester"]
KEYS = ("testing", "security", "performance")
ALL = {"1.1.1", "1.1.2", "2.1.1", "2.2.3", "4.2.1"}


@pytest.fixture
def full(project: Any) -> Any:
    """Return a project with checks in a folder of their own and among ordinary tests."""
    project.ini("markers = slow: takes time", "testpaths = tests readiness_tests")
    project.passing("1.1.1", "1.1.2", name="readiness_tests/test_01_testing.py")
    project.passing("2.1.1", name="readiness_tests/test_02_security.py")
    project.passing("4.2.1", name="readiness_tests/test_04_performance.py")
    project.checks(
        """
        def test_ordinary():
            assert 1 + 1 == 2

        @pytest.mark.slow
        @ready.security("2.2.3")
        def test_2_2_3(evidence):
            evidence.record("seen", 1)
        """,
        "tests/test_mixed.py",
    )
    project.write("tests/test_plain.py", "def test_plain(): ...\n")
    return project


def ran(run: Any) -> set[str]:
    """Return the items whose checks ran."""
    record = run.record
    checks = {result.check for result in record.results if result.outcome == "passed"}
    return {item for info in record.checks if info.check in checks for item in info.items}


@pytest.mark.parametrize(
    ("args", "items", "scope"),
    [
        ("-m readiness", ALL, "whole"),
        ("-m ready_security", {"2.1.1", "2.2.3"}, ["security"]),
        ("-m|readiness and not ready_performance", ALL - {"4.2.1"}, ["testing", "security"]),
        (
            "-m|ready_testing or ready_performance",
            {"1.1.1", "1.1.2", "4.2.1"},
            ["testing", "performance"],
        ),
        ("-m|ready_security and slow", {"2.2.3"}, ["security"]),
        ("-m|readiness and not slow", ALL - {"2.2.3"}, "whole"),
        ("readiness_tests", ALL - {"2.2.3"}, "whole"),
        ("readiness_tests/test_02_security.py", {"2.1.1"}, ["security"]),
        ("readiness_tests/test_01_testing.py::test_1_1_2", {"1.1.2"}, ("1.1.2",)),
        ("tests/test_mixed.py", {"2.2.3"}, ["security"]),
        ("-m readiness -k test_1_1", {"1.1.1", "1.1.2"}, ("1.1.1", "1.1.2")),
        ("--ready-item 2.2", {"2.2.3"}, ("2.2.3",)),
        (
            "--ready-item 1 --ready-item 2.1.1",
            {"1.1.1", "1.1.2", "2.1.1"},
            ("1.1.1", "1.1.2", "2.1.1"),
        ),
        ("--ready-stage dev", ALL, "whole"),
    ],
    ids=lambda value: value.replace(" ", "_") if isinstance(value, str) else "",
)
def test_what_is_asked_for_runs(full: Any, args: str, items: set[str], scope: Any) -> None:
    """Marks, paths, node ids, -k and options select checks; the scope says no more."""
    run = full.run(*(args.split("|") if "|" in args else args.split()))
    assert ran(run) == items
    found = run.record.run.scope
    if isinstance(scope, tuple):
        assert (found.kind, found.items) == ("items", scope)
    else:
        sections = [] if scope == "whole" else scope
        assert (found.kind, list(found.sections)) == ("sections" if sections else "whole", sections)


def test_a_partial_run_never_claims_the_whole(full: Any) -> None:
    """A section can be ready while the whole is not; the rest is named as not judged."""
    run = full.run("-m", "ready_testing")
    verdict = run.record.verdict
    assert (run.code, str(verdict.scope_status), str(verdict.status)) == (0, "READY", "INCOMPLETE")
    assert run.reason("2.1.1") == "readiness_tests/test_02_security.py::test_2_1_1 was not run"
    run = full.run("readiness_tests/test_01_testing.py")
    assert run.reason("2.1.1") == "not part of what this run judged"


@pytest.mark.parametrize(
    "args",
    [(), ("tests",), ("tests/test_plain.py",), ("-k", "test"), ("-m", "not readiness"),
     ("-m", "not ready_performance"), ("-m", "slow or not readiness"), (".",)],
    ids=str,
)  # fmt: skip
def test_ordinary_runs_leave_checks_alone(full: Any, args: tuple[str, ...]) -> None:
    """Without being asked, pytest runs the ordinary suite, and there is no report."""
    run = full.run(*(args or ("--strict-markers",)))
    assert (run.code, run.judged) == (0, False)
    assert "2_2_3" not in run.output
    passed = run.result.parseoutcomes()["passed"]
    assert passed == (1 if args == ("tests/test_plain.py",) else 2)


def test_a_mark_of_ones_own_is_none_of_our_business(full: Any) -> None:
    """A project's mark that only looks like ours selects and deselects as always."""
    full.ini("markers = ready_for_review: ours", "testpaths = tests readiness_tests")
    full.write(
        "tests/test_mixed.py",
        "import pytest\n\n@pytest.mark.ready_for_review\ndef test_it(): ...\n",
    )
    for args in (("tests",), ("-m", "ready_for_review")):
        run = full.run(*args)
        assert (run.code, run.judged) == (0, False)


def test_marks_without_readiness_are_left_alone_too(project: Any) -> None:
    """A test that bears only a section's mark is a check: an ordinary run does not run it."""
    project.checks(
        """
        @pytest.mark.ready_security("2.1.1")
        def test_check(evidence): assert False

        def test_ordinary(): ...
        """,
        "tests/test_mixed.py",
    )
    run = project.run("tests")
    run.counts(passed=1, deselected=1)
    run = project.run("-m", "readiness")
    run.counts(failed=1, deselected=1)


def test_the_folder_may_be_the_working_folder(full: Any) -> None:
    """``cd readiness_tests && pytest`` does not ask for checks by that alone."""
    full.pytester.chdir()
    import os

    os.chdir(full.root / "readiness_tests")
    run = full.run("--strict-markers")
    assert not run.judged


def test_several_folders_make_the_whole(project: Any) -> None:
    """With several folders of checks, one of them is not the whole checklist."""
    project.ini("ready_paths = first second")
    project.passing("1.1.1", "1.1.2", name="first/test_first.py")
    project.passing("2.1.1", "2.2.3", name="second/test_second.py")
    run = project.run("first")
    assert (run.record.run.scope.sections, run.status) == (("testing",), "READY")
    assert project.run("first", "second").record.run.scope.kind == "whole"


def test_a_wrong_expression_is_pytests_business(full: Any) -> None:
    """``-m`` with a syntax error gives pytest's own usage error, no traceback."""
    run = full.run("-m", "readiness and (")
    assert run.code == 4
    assert "Wrong expression passed to '-m'" in run.output
    assert not run.judged


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("readiness", True),
        ("ready_security", True),
        ("ready_security and slow", True),
        ("slow or ready_security", True),
        ("not (not readiness)", True),
        ("ready_testing(x=1)", True),
        ("a and b and c and d and e and f and g and h and i and readiness", True),
        ("", False),
        ("  ", False),
        ("slow", False),
        ("not readiness", False),
        ("not ready_security and slow", False),
        ("readiness and not readiness", False),
        ("slow and (readiness or not readiness)", False),
        ("ready_for_review", False),
        ("readiness and (", False),
    ],
)
def test_expressions_ask_for_checks_or_not(expression: str, *, expected: bool) -> None:
    """An expression asks for checks if a readiness mark can get a test in that is else left out."""
    assert asks(expression, KEYS) is expected


def test_sections_are_those_that_may_be_selected() -> None:
    """A section counts as asked for when some combination of other marks selects checks of it."""
    assert sections_selected("", KEYS) == KEYS
    assert sections_selected("(", KEYS) == KEYS
    assert sections_selected("ready_security and slow", KEYS) == ("security",)
    assert sections_selected("readiness and not ready_security", KEYS) == ("testing", "performance")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from pytest_rustybt_ready import ready\n@ready.security\ndef test(): ...", True),
        ("from pytest_rustybt_ready import ready as r\n@r.security('1')\ndef test(): ...", True),
        ("import pytest_rustybt_ready as p\n@p.ready.security\ndef test(): ...", True),
        ("from pytest import mark\n@mark.readiness\ndef test(): ...", True),
        ("import pytest\n@pytest.mark.ready_x\nclass TestX: ...", True),
        ("import pytest\npytestmark = [pytest.mark.ready_x]", True),
        ("import pytest\nclass T:\n  @pytest.mark.ready_x\n  def test(self): ...", True),
        ("if True:\n  import pytest\n  @pytest.mark.ready_x\n  async def test(): ...", True),
        ("TEXT = '@pytest.mark.readiness\\nfrom pytest_rustybt_ready import ready'", False),
        ("import pytest\ndef test():\n  @pytest.mark.readiness\n  def inner(): ...", False),
        ("from pytest_rustybt_ready import Evidence\ndef test(): ...", False),
        ("import pytest_rustybt_ready\n@pytest.mark.slow\ndef test(): ...", False),
        ("from pytest_rustybt_ready import ready\n)", False),
        ("import pytest_rustybt_ready\0", False),
    ],
)
def test_files_of_checks_are_told_by_their_code(
    tmp_path: Any, text: str, *, expected: bool
) -> None:
    """What only speaks of marks, in strings or inside of functions, holds no checks."""
    path = tmp_path / "test_it.py"
    path.write_text(text)
    assert holds_checks(path) is expected
    assert not holds_checks(tmp_path)
    assert not holds_checks(tmp_path / "missing.py")
