"""A pytest plugin (``-p readiness_tests.suite.recorder``) that writes down how each test ended.

The file named by the environment variable ``RUSTYBT_SUITE_RECORD`` gets one JSON line per test that
ran, with its outcome over all phases and, for a property test, how many valid examples Hypothesis
itself counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "RUSTYBT_SUITE_RECORD"
EXAMPLES = "rustybt_examples"
# The Hypothesis profile of runs that look for tests with two outcomes; the first run, which counts
# examples, has the suite's own.
REPEAT = "repeat"
REPEATED_EXAMPLES = 100
EXAMPLES_KEY = pytest.StashKey[int]()
# The worse outcome of two phases is the test's.
RANK = ("passed", "xpassed", "xfailed", "skipped", "failed", "error")


@pytest.hookimpl(tryfirst=True)  # before Hypothesis looks for the profile that it was asked for
def pytest_configure(config: pytest.Config) -> None:
    """Write to the named file, in the process that sees all reports."""
    from hypothesis import settings

    settings.register_profile(REPEAT, max_examples=REPEATED_EXAMPLES, deadline=None)
    target = os.environ.get(VARIABLE)
    if target and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(Path(target)), "rustybt-suite-writer")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Count the examples that Hypothesis reports for this test, inside of its own collector."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        from hypothesis import statistics

        collector: Any = statistics.collector  # its types say that it always holds None
        outer = collector.value

        def count(stats: dict[str, Any]) -> None:
            item.stash[EXAMPLES_KEY] = item.stash.get(EXAMPLES_KEY, 0) + valid_examples(stats)
            if outer is not None:
                outer(stats)

        with collector.with_value(count):
            return (yield)
    return (yield)


def valid_examples(stats: dict[str, Any]) -> int:
    """Return how many examples of a run were valid, in all phases but shrinking."""
    phases = (stats.get(f"{name}-phase", {}) for name in ("explicit", "reuse", "generate"))
    cases = [case for phase in phases for case in phase.get("test-cases", ())]
    return sum(case["status"] == "valid" for case in cases)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let the count travel on the report: workers have no file to write to."""
    report = yield
    if report.when == "call" and EXAMPLES_KEY in item.stash:
        setattr(report, EXAMPLES, item.stash[EXAMPLES_KEY])
    return report


class Writer:
    """Collects outcomes and writes a line for each test when the session ends."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of one test."""
        test = self._tests.setdefault(
            report.nodeid,
            {"test": report.nodeid, "outcome": "passed", "reason": "", "seconds": 0.0},
        )
        outcome = _outcome(report)
        if RANK.index(outcome) > RANK.index(test["outcome"]):
            test["outcome"], test["reason"] = outcome, _reason(report)
        test["seconds"] = round(test["seconds"] + report.duration, 4)
        if hasattr(report, EXAMPLES):
            test["examples"] = getattr(report, EXAMPLES)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a module that could not be collected as an error."""
        if report.failed:
            reason = _last_line(report.longreprtext)
            self._tests[report.nodeid] = {
                "test": report.nodeid,
                "outcome": "error",
                "reason": f"not collected: {reason}",
                "seconds": 0.0,
            }

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write everything at once."""
        lines = (json.dumps(self._tests[name], sort_keys=True) for name in sorted(self._tests))
        self._target.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed and report.when != "call":
        return "error"
    return report.outcome


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(getattr(report, "wasxfail", "")) or _last_line(report.longreprtext)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
