"""What a run of the ordinary suite leaves: outcomes, coverage, example counts, digests."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from pytest_rustybt_ready.canonical import digest

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the recorded values."""


class TestOutcome(Value, frozen=True, kw_only=True):
    """How one test ended; ``examples`` counts Hypothesis's valid examples, None if it has none."""

    __test__ = False

    test: str
    outcome: Outcome
    seconds: float
    reason: str = ""
    examples: int | None = None


class Package(Value, frozen=True, kw_only=True):
    """Line and branch coverage of one package."""

    lines: int
    lines_covered: int
    branches: int
    branches_covered: int

    @property
    def percent(self) -> float:
        """Return covered lines and branches in percent of all; 0 when there are none at all."""
        total = self.lines + self.branches
        return 100 * (self.lines_covered + self.branches_covered) / total if total else 0.0


class SuiteRun(Value, frozen=True, kw_only=True):
    """One run of the whole suite in a fresh process, in the random order that *seed* gives."""

    seed: int
    started: datetime
    seconds: float
    exit_code: int
    tests: tuple[TestOutcome, ...]

    def outcomes(self) -> dict[str, Outcome]:
        """Return the outcome of each test."""
        return {test.test: test.outcome for test in self.tests}


class SuiteRecord(Value, frozen=True, kw_only=True):
    """All runs of the suite on one tree; ``coverage`` was measured in the first of them."""

    tree: str
    commit: str
    python: str
    runs: tuple[SuiteRun, ...]
    coverage: dict[str, Package]

    @property
    def first(self) -> SuiteRun:
        """Return the run that measured coverage."""
        return self.runs[0]

    @property
    def digest(self) -> str:
        """Return the digest of the whole record."""
        return digest(self)

    def within(self, folder: str) -> list[TestOutcome]:
        """Return the first run's tests below *folder*, such as ``tests/integration``."""
        return [test for test in self.first.tests if test.test.startswith(f"{folder}/")]

    def outside(self, *folders: str) -> list[TestOutcome]:
        """Return the first run's tests below none of *folders*."""
        prefixes = tuple(f"{folder}/" for folder in folders)
        return [test for test in self.first.tests if not test.test.startswith(prefixes)]

    def properties(self, folder: str) -> list[TestOutcome]:
        """Return the property tests: those below *folder*, and all others that have examples."""
        inside = f"{folder}/"
        tests = self.first.tests
        return [t for t in tests if t.examples is not None or t.test.startswith(inside)]

    def flaky(self) -> dict[str, str]:
        """Return the tests whose outcome differs between runs, with what they did."""
        seen: dict[str, set[str]] = {}
        for run in self.runs:
            for test, outcome in run.outcomes().items():
                seen.setdefault(test, set()).add(outcome)
        everywhere = {t: s for t, s in seen.items() if len(s) > 1}
        sometimes = {
            test: {*outcomes, "missing"}
            for test, outcomes in seen.items()
            if any(test not in run.outcomes() for run in self.runs)
        }
        return {t: ", ".join(sorted(s)) for t, s in sorted((everywhere | sometimes).items())}

    def package(self, name: str) -> Package | None:
        """Return the coverage of *name* and all below it, or None if nothing was measured there."""
        found = [p for path, p in self.coverage.items() if path.startswith(f"{name}/")]
        if not found:
            return None
        return Package(
            lines=sum(p.lines for p in found),
            lines_covered=sum(p.lines_covered for p in found),
            branches=sum(p.branches for p in found),
            branches_covered=sum(p.branches_covered for p in found),
        )
