"""Section 1: testing and quality assurance, judged on the source checkout."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.subjects import Checkout
from readiness_tests.suite import Package, TestOutcome
from readiness_tests.suite.runner import FINANCIAL

# These checks may have to run the whole suite first, several times.
pytestmark = pytest.mark.timeout(3600)

UNIT_TEST = "tests/unit/test_sandbox_unit.py"
INTEGRATION_TEST = "tests/integration/test_sandbox_integration.py"
PROPERTY_TEST = "tests/property/test_sandbox_property.py"


# -- 1.1 test coverage -----------------------------------------------------------------------


@ready.testing("1.1.1")
def test_unit_tests_pass(checkout: Checkout, evidence: Evidence) -> None:
    """Every test of the ordinary suite but the integration tests passes."""
    tests = checkout.suite().outside("tests/integration")
    failed, broken = _ended(tests, "failed", "xpassed"), _ended(tests, "error")
    evidence.record("skipped, with reasons", _reasons(tests, "skipped"))
    evidence.record("expected to fail, with reasons", _reasons(tests, "xfailed"))
    evidence.record("failed", failed)
    evidence.record("broke", broken)
    evidence.meets("tests", observed=len(tests))
    evidence.meets("failures", observed=len(failed))
    evidence.meets("errors", observed=len(broken))


@test_unit_tests_pass.fails_when
def a_unit_test_fails(checkout: Checkout) -> None:
    """A unit test asserts what is not so."""
    checkout.edit(UNIT_TEST, 'Decimal("1.3")', 'Decimal("1.2")')


@test_unit_tests_pass.fails_when
def a_test_module_cannot_be_imported(checkout: Checkout) -> None:
    """A test module imports what does not exist."""
    checkout.write("tests/unit/test_unimportable.py", "import there_is_no_such_module\n")


@ready.testing("1.1.2")
def test_coverage_of_the_package(checkout: Checkout, evidence: Evidence) -> None:
    """The ordinary suite covers the package's lines and branches."""
    record = checkout.suite()
    package = record.package("rustybt")
    assert package is not None, "nothing of the package was measured"
    evidence.record("measured", _extent(package))
    evidence.record("least covered", _least_covered(record.coverage, "rustybt/"))
    evidence.record("digest of the suite's record", record.digest)
    evidence.meets("coverage", observed=f"{package.percent:.2f}")


@test_coverage_of_the_package.fails_when
def a_test_module_is_dropped(checkout: Checkout) -> None:
    """The module that covers most of the package is gone."""
    (checkout.root / UNIT_TEST).unlink()


@ready.testing("1.1.3")
@pytest.mark.parametrize("name", FINANCIAL)
def test_coverage_of_a_financial_package(checkout: Checkout, evidence: Evidence, name: str) -> None:
    """Each package that handles money is covered on its own."""
    package = checkout.suite().package(f"rustybt/{name}")
    if package is None:
        evidence.unproven(f"there is no package rustybt/{name} to measure")
    evidence.record("measured", _extent(package))
    evidence.meets("financial_coverage", observed=f"{package.percent:.2f}")


@test_coverage_of_a_financial_package.fails_when
def tests_of_the_financial_packages_are_dropped(checkout: Checkout) -> None:
    """No test touches the financial packages any more."""
    for name in (UNIT_TEST, INTEGRATION_TEST, PROPERTY_TEST):
        checkout.write(name, "def test_nothing_of_money() -> None:\n    assert 1 + 1 == 2\n")


@ready.testing("1.1.4")
def test_integration_tests_pass(checkout: Checkout, evidence: Evidence) -> None:
    """Every integration test passes."""
    tests = checkout.suite().within("tests/integration")
    failed = _ended(tests, "failed", "xpassed", "error")
    evidence.record("skipped, with reasons", _reasons(tests, "skipped"))
    evidence.record("failed", failed)
    evidence.meets("tests", observed=len(tests))
    evidence.meets("failures", observed=len(failed))


@test_integration_tests_pass.fails_when
def an_integration_test_fails(checkout: Checkout) -> None:
    """A fee is computed differently from what the integration test expects."""
    checkout.edit("rustybt/accounting/fees.py", "abs(notional) * rate", "2 * abs(notional) * rate")


@ready.testing("1.1.5")
def test_property_tests_run_their_examples(checkout: Checkout, evidence: Evidence) -> None:
    """Every property test passed and ran its examples, as Hypothesis itself counted them."""
    tests = checkout.suite().properties("tests/property")
    limit = evidence.threshold("examples")
    few = [f"{t.test}: {t.examples or 0}" for t in tests if not limit.met_by(t.examples or 0)]
    evidence.record("property tests", len(tests))
    evidence.record("with too few examples", few)
    assert tests, "there is no property test"
    evidence.expect("property tests that did not pass", [], observed=_not_passed(tests))
    evidence.meets("examples", observed=min(test.examples or 0 for test in tests))


@test_property_tests_run_their_examples.fails_when
def a_property_test_runs_few_examples(checkout: Checkout) -> None:
    """One property test asks for 999 examples."""
    checkout.edit(PROPERTY_TEST, "max_examples=1000", "max_examples=999")


@test_property_tests_run_their_examples.fails_when
def a_property_test_rejects_most_examples(checkout: Checkout) -> None:
    """A property test asks for 1000 examples and throws most of them away."""
    checkout.edit(PROPERTY_TEST, "import given, settings", "import assume, given, settings")
    checkout.edit(
        PROPERTY_TEST,
        "    assert fee",
        "    assume(notional == int(notional))\n    assert fee",
    )
    checkout.edit(
        PROPERTY_TEST,
        "database=None",
        "database=None, suppress_health_check=list(HealthCheck)",
    )
    checkout.edit(PROPERTY_TEST, "import assume,", "import HealthCheck, assume,")


@ready.testing("1.1.6")
def test_no_test_has_two_outcomes(checkout: Checkout, evidence: Evidence, stage: str) -> None:
    """No test ends differently on the same tree, in fresh processes and random orders."""
    needed = evidence.threshold("runs" if stage == "dev" else "runs_at_staging")
    record = checkout.suite(runs=int(needed.threshold.limit))
    oldest = min(run.started for run in record.runs)
    flaky = record.flaky()
    evidence.record("seeds", [run.seed for run in record.runs])
    evidence.record("tests that end differently", flaky)
    evidence.expect("runs on this tree", needed, observed=len(record.runs), at=oldest)
    evidence.meets("flaky", observed=len(flaky), at=oldest)


@test_no_test_has_two_outcomes.fails_when
def a_test_fails_every_other_time(checkout: Checkout) -> None:
    """A test passes in the first run and fails in the second."""
    checkout.write(
        "tests/unit/test_unsteady.py",
        "from pathlib import Path\n\n\n"
        "def test_unsteady() -> None:\n"
        "    marker = Path('.hypothesis', 'been-here')\n"
        "    marker.parent.mkdir(exist_ok=True)\n"
        "    seen = marker.exists()\n"
        "    marker.touch()\n"
        "    assert not seen\n",
    )


# -- what the checks share -------------------------------------------------------------------


def _ended(tests: Sequence[TestOutcome], *outcomes: str) -> list[str]:
    return [test.test for test in tests if test.outcome in outcomes]


def _reasons(tests: Sequence[TestOutcome], outcome: str) -> list[str]:
    return [f"{test.test} ({test.reason})" for test in tests if test.outcome == outcome]


def _not_passed(tests: Sequence[TestOutcome]) -> list[str]:
    return [f"{test.test}: {test.outcome}" for test in tests if test.outcome != "passed"]


def _extent(package: Package) -> str:
    lines = f"{package.lines_covered} of {package.lines} lines"
    return f"{lines}, {package.branches_covered} of {package.branches} branches"


def _least_covered(coverage: dict[str, Package], prefix: str, count: int = 5) -> list[str]:
    files = {p: c for p, c in coverage.items() if p.startswith(prefix) and c.percent < 100}
    worst = sorted(files, key=lambda path: files[path].percent)[:count]
    return [f"{path} {files[path].percent:.1f} %" for path in worst]
