"""What the record of the ordinary suite says of its runs."""

from __future__ import annotations

from datetime import UTC, datetime

from readiness_tests.suite import Package, SuiteRecord, SuiteRun, TestOutcome
from readiness_tests.suite.record import Outcome
from readiness_tests.suite.recorder import valid_examples


def run_of(seed: int, **outcomes: Outcome) -> SuiteRun:
    """Return a run in which each test ended as named."""
    tests = tuple(TestOutcome(test=n, outcome=o, seconds=0.1) for n, o in outcomes.items())
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return SuiteRun(seed=seed, started=at, seconds=1, exit_code=0, tests=tests)


def record_of(*runs: SuiteRun, coverage: dict[str, Package] | None = None) -> SuiteRecord:
    """Return a record of *runs*."""
    return SuiteRecord(tree="sha256:0", commit="", python="", runs=runs, coverage=coverage or {})


def test_a_test_with_two_outcomes_is_flaky() -> None:
    """A test that ended differently in two runs is named with both outcomes."""
    record = record_of(run_of(1, a="passed", b="passed"), run_of(2, a="failed", b="passed"))
    assert record.flaky() == {"a": "failed, passed"}


def test_a_test_that_is_missing_in_a_run_is_flaky() -> None:
    """A test that only some runs had was collected by chance, which is as bad."""
    record = record_of(run_of(1, a="passed", b="passed"), run_of(2, a="passed"))
    assert record.flaky() == {"b": "missing, passed"}


def test_steady_tests_are_not_flaky() -> None:
    """A test that always ends the same way, even badly, is steady."""
    record = record_of(run_of(1, a="failed"), run_of(2, a="failed"), run_of(3, a="failed"))
    assert record.flaky() == {}


def test_tests_are_told_apart_by_folder() -> None:
    """``within`` and ``outside`` divide the tests, and a name's beginning is no folder."""
    tests = tuple(
        TestOutcome(test=name, outcome="passed", seconds=0)
        for name in (
            "tests/integration/x.py::a",
            "tests/integration2/y.py::b",
            "tests/unit/z.py::c",
        )
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    record = record_of(SuiteRun(seed=1, started=at, seconds=1, exit_code=0, tests=tests))
    assert [t.test for t in record.within("tests/integration")] == ["tests/integration/x.py::a"]
    assert len(record.outside("tests/integration")) == 2


def test_a_property_test_is_one_with_examples_or_in_its_folder() -> None:
    """A test among the property tests that ran no example is listed, so that it can fail."""
    tests = (
        TestOutcome(test="tests/property/p.py::none", outcome="passed", seconds=0),
        TestOutcome(test="tests/unit/u.py::some", outcome="passed", seconds=0, examples=7),
        TestOutcome(test="tests/unit/u.py::plain", outcome="passed", seconds=0),
    )
    at = datetime(2026, 1, 1, tzinfo=UTC)
    record = record_of(SuiteRun(seed=1, started=at, seconds=1, exit_code=0, tests=tests))
    assert [t.test for t in record.properties("tests/property")] == [
        "tests/property/p.py::none",
        "tests/unit/u.py::some",
    ]


def test_coverage_of_a_package_adds_up_lines_and_branches() -> None:
    """A package's coverage is over the sum of its files, not the mean of their percentages."""
    coverage = {
        "rustybt/model/a.py": Package(lines=90, lines_covered=90, branches=10, branches_covered=0),
        "rustybt/model/b.py": Package(lines=0, lines_covered=0, branches=0, branches_covered=0),
        "rustybt/models.py": Package(lines=9, lines_covered=0, branches=0, branches_covered=0),
    }
    package = record_of(run_of(1, a="passed"), coverage=coverage).package("rustybt/model")
    assert package is not None
    assert package.percent == 90.0


def test_an_unmeasured_package_has_no_coverage() -> None:
    """Nothing measured is None, and nothing to cover is 0 %, never 100 %."""
    assert record_of(run_of(1, a="passed")).package("rustybt/model") is None
    empty = Package(lines=0, lines_covered=0, branches=0, branches_covered=0)
    assert empty.percent == 0.0


def test_only_valid_examples_count() -> None:
    """Examples that were thrown away, or made while shrinking, are not counted."""
    stats = {
        "explicit-phase": {"test-cases": [{"status": "valid"}]},
        "generate-phase": {
            "test-cases": [{"status": "valid"}, {"status": "invalid"}, {"status": "overrun"}]
        },
        "shrink-phase": {"test-cases": [{"status": "valid"}]},
    }
    assert valid_examples(stats) == 2


def test_the_digest_depends_on_what_is_recorded() -> None:
    """Two records with different outcomes have different digests, equal ones the same."""
    one, two = record_of(run_of(1, a="passed")), record_of(run_of(1, a="failed"))
    assert one.digest == record_of(run_of(1, a="passed")).digest
    assert one.digest != two.digest
