"""Section 1: testing and quality assurance, judged on the source checkout."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.detectors import (
    Scan,
    scan_comments,
    scan_complexity,
    scan_constants,
    scan_mocks,
    scan_suppressions,
)
from readiness_tests.mutants import MutationError
from readiness_tests.mutation import COMMAND, PackageRecord, measured, on_record
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


# -- 1.2 code quality ------------------------------------------------------------------------


@ready.testing("1.2.1")
def test_types_check(checkout: Checkout, evidence: Evidence) -> None:
    """``mypy --strict`` has nothing to say about the product's packages."""
    done = checkout.tool("mypy", "--strict", "--no-error-summary", *checkout.product)
    _require_judged(done)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    evidence.record("packages", checkout.product)
    evidence.attach(done.stdout, name="mypy")
    evidence.meets("errors", observed=len(errors))
    evidence.expect("exit code", 0, observed=done.returncode)


@test_types_check.fails_when
def a_function_has_no_types(checkout: Checkout) -> None:
    """A function without annotations is added."""
    checkout.write(
        "rustybt/untyped.py", '"""Untyped."""\n\n\ndef untyped(a, b):\n    return a + b\n'
    )


@ready.testing("1.2.2")
def test_lint_is_clean(checkout: Checkout, evidence: Evidence) -> None:
    """Ruff finds nothing, and each suppression names its rule and its reason."""
    done = checkout.tool("ruff", "check", "--no-cache", "--output-format=json", ".")
    _require_judged(done)
    findings = [
        f"{f['filename']}:{f['location']['row']} {f['code']}" for f in json.loads(done.stdout)
    ]
    bare = _found(scan_suppressions(checkout.sources()))
    evidence.record("files examined", len(checkout.sources()))
    evidence.record("findings", findings)
    evidence.record("suppressions without rule or reason", bare)
    evidence.meets("findings", observed=len(findings) + len(bare))


@test_lint_is_clean.fails_when
def an_import_is_not_used(checkout: Checkout) -> None:
    """A module imports what it does not use."""
    checkout.edit("rustybt/model/money.py", "from decimal", "import json\nfrom decimal")


@test_lint_is_clean.fails_when
def a_suppression_gives_no_reason(checkout: Checkout) -> None:
    """A finding is silenced without a reason."""
    checkout.edit(
        "rustybt/model/money.py", "from decimal", "import json  # noqa: F401\nfrom decimal"
    )


@ready.testing("1.2.3")
def test_formatting_is_settled(checkout: Checkout, evidence: Evidence) -> None:
    """Black would leave every file as it is."""
    done = checkout.tool("black", "--check", "--quiet", "--diff", ".")
    _require_judged(done)
    changed = re.findall(r"^--- (\S+)", done.stdout, re.M)
    evidence.record("files examined", len(checkout.sources()))
    evidence.record("files to change", changed)
    evidence.meets("files", observed=len(changed))
    evidence.expect("exit code", 0, observed=done.returncode)


@test_formatting_is_settled.fails_when
def a_file_is_formatted_otherwise(checkout: Checkout) -> None:
    """A module is written in another style."""
    checkout.write("rustybt/otherwise.py", '"""Otherwise."""\nLIMITS = { "a" : 1 }\n')


@ready.testing("1.2.4")
def test_unfinished_work_names_its_issue(checkout: Checkout, evidence: Evidence) -> None:
    """Each note of unfinished work in a comment names an issue."""
    _expect_clean(scan_comments(checkout.sources()), evidence, "findings")


@test_unfinished_work_names_its_issue.fails_when
def a_note_names_no_issue(checkout: Checkout) -> None:
    """A comment promises to do something, some day."""
    note = "# " + "TODO: round properly"
    checkout.edit("rustybt/model/money.py", "    return (value", f"    {note}\n    return (value")


@ready.testing("1.2.5")
def test_functions_are_simple(checkout: Checkout, evidence: Evidence) -> None:
    """No function of the product is too complex, whatever its comments ask to ignore."""
    limit = int(evidence.threshold("complexity").threshold.limit)
    scan = scan_complexity(checkout.sources(*checkout.product), maximum=limit)
    evidence.record("functions examined", scan.functions_examined)
    evidence.expect("functions above the limit", [], observed=_found(scan))


@test_functions_are_simple.fails_when
def a_function_has_eleven_branches(checkout: Checkout) -> None:
    """A function decides eleven times, and silences the rule."""
    branches = "".join(f"    if a == {n}:\n        return {n}\n" for n in range(11))
    checkout.write(
        "rustybt/winding.py",
        '"""Winding."""\n\n\n'
        "def winding(a: int) -> int:  # noqa: C901, PLR0911 - it is long\n"
        '    """Return *a*, the long way."""\n'
        f"{branches}    return a\n",
    )


@ready.testing("1.2.6")
def test_nothing_is_invented(checkout: Checkout, evidence: Evidence) -> None:
    """All three detectors together find nothing."""
    stand_ins = scan_mocks(checkout.sources(*checkout.product, "tests"))
    constants = scan_constants(checkout.sources(*checkout.product))
    validators = checkout.validators()
    evidence.record(
        "functions examined", stand_ins.functions_examined + constants.functions_examined
    )
    evidence.record("validators neutralised", validators.validators)
    found = [*_found(stand_ins), *_found(constants), *validators.survivors]
    evidence.record("findings in detail", found)
    evidence.meets("findings", observed=len(found))


@test_nothing_is_invented.fails_when
def a_price_is_invented(checkout: Checkout) -> None:
    """A function answers with a price of its own, whatever it is asked."""
    _add_invented_fee(checkout)


# -- 1.3 zero-mock enforcement ---------------------------------------------------------------


@ready.testing("1.3.1")
def test_no_mocks_anywhere(checkout: Checkout, evidence: Evidence) -> None:
    """Neither product nor tests use mock libraries, stand-ins, empty bodies, swallowed errors."""
    scan = scan_mocks(checkout.sources(*checkout.product, "tests", "readiness_tests"), strict=True)
    evidence.expect("exceptions asked for", [], observed=[str(a) for a in scan.allowances])
    _expect_clean(scan, evidence, "findings")


@test_no_mocks_anywhere.fails_when
def a_test_imports_a_mock_library(checkout: Checkout) -> None:
    """A test takes its objects from the standard library's stand-ins."""
    library = "unittest." + "mo" + "ck"
    checkout.write("tests/unit/test_standing_in.py", f"import {library} as m\n\nprint(m)\n")


@test_no_mocks_anywhere.fails_when
def an_error_is_swallowed(checkout: Checkout) -> None:
    """The product catches every error and says nothing."""
    swallow = "    try:\n        print(1)\n    except Exception:\n        " + "pass\n"
    checkout.write("rustybt/quiet.py", f'"""Quiet."""\n\n\ndef quiet() -> None:\n{swallow}')


@ready.testing("1.3.2")
def test_no_function_ignores_its_input(checkout: Checkout, evidence: Evidence) -> None:
    """No function answers the same whatever it is given."""
    _expect_clean(scan_constants(checkout.sources(*checkout.product)), evidence, "findings")


@test_no_function_ignores_its_input.fails_when
def a_fee_is_fixed(checkout: Checkout) -> None:
    """A fee is the same for every order."""
    _add_invented_fee(checkout)


@ready.testing("1.3.3")
def test_validators_are_noticed(checkout: Checkout, evidence: Evidence) -> None:
    """For each validator, at least one test fails once it lets everything pass."""
    record = checkout.validators()
    evidence.record("noticed by", record.noticed)
    evidence.record("not noticed", record.survivors)
    evidence.meets("validators", observed=record.validators)
    evidence.meets("survivors", observed=len(record.survivors))


@test_validators_are_noticed.fails_when
def a_validator_is_not_tested(checkout: Checkout) -> None:
    """No test shows what the validator refuses."""
    checkout.edit(UNIT_TEST, 'parametrize("price", ["0", "-1"])', 'parametrize("price", ["1"])')
    checkout.edit(UNIT_TEST, 'with pytest.raises(ValueError, match="more than 0"):', "if price:")


@ready.testing("1.3.4")
def test_the_tests_use_no_mocks(checkout: Checkout, evidence: Evidence) -> None:
    """No test stands something else in for what it is to test."""
    scan = scan_mocks(checkout.sources("tests"), strict=True)
    evidence.expect("exceptions asked for", [], observed=[str(a) for a in scan.allowances])
    _expect_clean(scan, evidence, "mocks")


@test_the_tests_use_no_mocks.fails_when
def a_test_makes_a_mock(checkout: Checkout) -> None:
    """A test gives the code under test an object that answers whatever it is asked."""
    name = "Mo" + "ck"
    checkout.edit(
        UNIT_TEST, "import pytest\n", f"import pytest\nfrom unittest.{name.lower()} import {name}\n"
    )


@test_the_tests_use_no_mocks.fails_when
def a_test_replaces_what_it_is_to_test(checkout: Checkout) -> None:
    """A test puts an answer of its own in the place of the function under test."""
    patching = "monkey" + "patch"
    checkout.write(
        "tests/unit/test_replaced.py",
        "import pytest\n\nfrom rustybt.accounting import fees\n\n\n"
        f"def test_fee({patching}: pytest.MonkeyPatch) -> None:\n"
        f"    {patching}.setattr(fees, 'fee', lambda notional, rate: 1)\n"
        "    assert fees.fee(1000, 1) == 1\n",
    )


@ready.testing("1.3.4")
@pytest.mark.parametrize("name", FINANCIAL)
def test_the_tests_notice_changes(
    checkout: Checkout, evidence: Evidence, proving: bool, name: str
) -> None:
    """Of the changes made to a package that handles money, its tests notice the required share."""
    record = _mutation_record(checkout, evidence, name, proving=proving)
    evidence.record("mutants", str(record), at=record.when)
    evidence.record("not noticed", record.survivors, at=record.when)
    evidence.record("made with", f"{record.tool}, {record.python}, {record.tests}", at=record.when)
    evidence.record("digest of sources and tests", record.digest, at=record.when)
    evidence.meets("mutation_score", observed=record.score, at=record.when)


@test_the_tests_notice_changes.fails_when
def assertions_are_deleted(checkout: Checkout) -> None:
    """The tests still run the code, and assert nothing about what it returned."""
    checkout.edit(UNIT_TEST, "    assert ", "    ")


# -- what the checks share -------------------------------------------------------------------


def _require_judged(done: CompletedProcess[str]) -> None:
    """Raise unless a tool ended with a verdict, good (0) or bad (1): anything else is no answer."""
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{done.args[2]} gave up: {(done.stderr or done.stdout)[-500:]}")


def _mutation_record(
    checkout: Checkout, evidence: Evidence, name: str, *, proving: bool
) -> PackageRecord:
    """Return the committed record; a proof's sandbox is small enough to make one on the spot."""
    if proving:
        return measured(checkout.root, name, checkout.store.folder / "mutation")
    remedy = f"{COMMAND} --package {name}"
    try:
        record = on_record(checkout.root, name)
    except MutationError as error:
        evidence.unproven(str(error), remedy=remedy)
    if record is None:
        evidence.unproven(f"no mutation run over rustybt/{name} as it is now", remedy=remedy)
    return record


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


def _found(scan: Scan) -> list[str]:
    return [str(finding) for finding in scan.findings]


def _expect_clean(scan: Scan, evidence: Evidence, threshold: str) -> None:
    evidence.record("files examined", scan.files_examined)
    evidence.record("functions examined", scan.functions_examined)
    evidence.record("found", _found(scan))
    evidence.meets(threshold, observed=len(scan.findings))


def _add_invented_fee(checkout: Checkout) -> Path:
    return checkout.write(
        "rustybt/invented.py",
        '"""Invented."""\n\nfrom decimal import Decimal\n\n\n'
        "def invented_fee(notional: Decimal) -> Decimal:\n"
        '    """Return the fee for *notional*."""\n'
        '    return Decimal("0.001")\n',
    )
