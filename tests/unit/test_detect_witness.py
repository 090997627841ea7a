"""What the witness of a test run writes down, in its place beside a copy."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import witness

if TYPE_CHECKING:
    from types import ModuleType


@pytest.fixture
def beside(tmp_path: Path) -> ModuleType:
    """The witness, copied and imported as a run of pytest does."""
    file = Path(shutil.copy(witness.__file__, tmp_path / "beside.py"))
    (tmp_path / witness.PACKAGES.name).write_text("json\nno_such_package\nsys")
    spec = importlib.util.spec_from_file_location("beside", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(module: ModuleType) -> list[dict[str, object]]:
    """Return what was written."""
    lines = Path(module.LOG).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_hits_name_the_running_test_once(
    beside: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase is cut off, repetitions are dropped, and no test has no name."""
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/a.py::test_x[a b] (call)")
    beside.hit(1)
    beside.hit(1)
    beside.hit(2)
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "")
    beside.hit(1)

    assert records(beside) == [
        {"kind": "hit", "validator": 1, "test": "tests/a.py::test_x[a b]"},
        {"kind": "hit", "validator": 2, "test": "tests/a.py::test_x[a b]"},
        {"kind": "hit", "validator": 1, "test": ""},
    ]


def test_outcomes_are_written(beside: ModuleType) -> None:
    """A test fails in any phase and passes in one; a module may not be collected."""
    place = ("t", 1, "t")
    for report in (
        pytest.TestReport("t", place, {}, "passed", None, "setup"),
        pytest.TestReport("t", place, {}, "passed", None, "call", duration=0.5),
        pytest.TestReport("t", place, {}, "failed", None, "teardown"),
    ):
        beside.pytest_runtest_logreport(report)
    beside.pytest_collectreport(pytest.CollectReport("m", "failed", None, []))
    beside.pytest_collectreport(pytest.CollectReport("m", "passed", None, []))

    assert records(beside) == [
        {"kind": "passed", "test": "t", "seconds": 0.5},
        {"kind": "failed", "test": "t"},
        {"kind": "uncollected", "test": "m"},
    ]


def test_the_origin_of_packages_is_written(beside: ModuleType) -> None:
    """Only packages that were imported from a file have an origin."""
    beside.pytest_sessionfinish()

    assert records(beside) == [{"kind": "imported", "package": "json", "file": json.__file__}]
