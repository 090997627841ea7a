"""Write down what happens in a run of pytest: copied beside a tree, not used in place.

A pytest plugin that records outcomes, and `hit`, which observed validators call. Records go to a
file beside the copy, so that processes which tests start are heard as well.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

LOG = Path(__file__).with_name("records.jsonl")
PACKAGES = Path(__file__).with_name("packages.txt")

_seen: set[tuple[int, str]] = set()


def hit(validator: int) -> None:
    """Record that the running test runs this validator; outside a test, the id is empty."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if (validator, test) not in _seen:
        _seen.add((validator, test))
        _write(kind="hit", validator=validator, test=test)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record a test that fails in any phase, or that passes and in how many seconds."""
    if report.failed:
        _write(kind="failed", test=report.nodeid)
    elif report.when == "call" and report.passed:
        _write(kind="passed", test=report.nodeid, seconds=report.duration)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Record a module that cannot be collected."""
    if report.failed:
        _write(kind="uncollected", test=report.nodeid)


def pytest_sessionfinish() -> None:
    """Record where each package under trial was imported from."""
    for name in PACKAGES.read_text(encoding="utf-8").split():
        file = getattr(sys.modules.get(name), "__file__", None)
        if file:
            _write(kind="imported", package=name, file=file)


def _write(**record: object) -> None:
    line = json.dumps(record) + "\n"
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)
