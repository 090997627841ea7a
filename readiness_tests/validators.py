"""The record of a verification of all validators, made once per tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_rustybt_ready import checkout
from readiness_tests.detectors import verify_validators
from readiness_tests.store import TreeStore
from readiness_tests.suite.record import Value

# Quick tests in one process. A validator that only a slow test notices deserves a quick one, too.
TESTS = (
    "tests/unit",
    "tests/plugin/runs",
    "tests/plugin/test_checklist_file.py",
    "tests/plugin/test_cli_verify.py",
)


class ValidatorRecord(Value, frozen=True, kw_only=True):
    """How many validators there are, what noticed each neutralised one, and what noticed none."""

    tree: str
    validators: int
    noticed: dict[str, str]
    survivors: tuple[str, ...]


def validator_record(
    root: Path, packages: Sequence[str], folder: Path, ignore: tuple[Path, ...]
) -> ValidatorRecord:
    """Return the record for *packages* in the tree at *root*, made if *folder* has none yet."""
    tree = checkout.tree_digest(root, ignore=(*ignore, folder))

    def extend(
        known: ValidatorRecord | None, keep: Callable[[ValidatorRecord], None]
    ) -> ValidatorRecord:
        if known is not None and known.tree == tree:
            return known
        record = _verify(root, packages, tree)
        keep(record)
        return record

    return TreeStore(folder, ValidatorRecord).get(tree, extend)


def _verify(root: Path, packages: Sequence[str], tree: str) -> ValidatorRecord:
    tests = [name for name in TESTS if (root / name).exists()]
    found = verify_validators(root, packages, tests)
    noticed = {str(outcome.validator): outcome.noticed_by for outcome in found.outcomes}
    return ValidatorRecord(
        tree=tree,
        validators=len(found.outcomes),
        noticed={name: test for name, test in noticed.items() if test},
        survivors=tuple(str(finding) for finding in found.findings),
    )
