"""Section 1: code quality and the rules against mocks, judged on the source checkout."""

from __future__ import annotations

import json
import re
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
from readiness_tests.suite.runner import FINANCIAL

# These checks may have to run the whole suite first, several times.
pytestmark = pytest.mark.timeout(3600)

UNIT_TEST = "tests/unit/test_sandbox_unit.py"


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
