"""The ordinary suite of a checkout, run for real in fresh processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from readiness_tests.sandbox import build_checkout
from readiness_tests.suite import SuiteError, SuiteStore
from readiness_tests.suite.runner import Suite

ROOT = Path(__file__).resolve().parents[2]
UNIT = "tests/unit/test_sandbox_unit.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a sandbox checkout."""
    return build_checkout(ROOT, tmp_path / "checkout")


def test_a_run_is_recorded_and_reused(root: Path, tmp_path: Path) -> None:
    """The record holds outcomes, coverage and example counts; the same tree is not run again."""
    store = SuiteStore(tmp_path / "suites")
    record = store.record(Suite(root, processes=0))
    assert {test.outcome for test in record.first.tests} == {"passed"}
    assert [test.examples for test in record.properties("tests/property")] == [1000]
    package = record.package("rustybt")
    assert package is not None
    assert package.percent == 100.0
    assert store.record(Suite(root, processes=0)) == record


def test_a_repetition_tries_fewer_examples(root: Path, tmp_path: Path) -> None:
    """The run that counts has all examples, the ones after it a tenth and an order of their own."""
    (root / "tests" / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (root / "tests" / "property" / "test_free.py").write_text(
        "from hypothesis import given\nfrom hypothesis import strategies as st\n\n\n"
        "@given(st.integers())\ndef test_free(n: int) -> None:\n    assert n == n\n",
        "utf-8",
    )
    runs = SuiteStore(tmp_path / "suites").record(Suite(root, processes=0), runs=2).runs
    name = "tests/property/test_free.py::test_free"
    assert [{t.test: t.examples for t in run.tests}[name] for run in runs] == [1000, 100]
    assert runs[0].seed != runs[1].seed


def test_a_changed_tree_is_run_again_and_failures_are_told(root: Path, tmp_path: Path) -> None:
    """Another tree has a record of its own, with each way in which a test can end."""
    (root / UNIT).write_text(
        "import pytest\n\n\n"
        "def test_good() -> None:\n    assert 1\n\n\n"
        "def test_bad() -> None:\n    assert 0\n\n\n"
        "@pytest.mark.skip(reason='not here')\ndef test_skipped() -> None: ...\n\n\n"
        "@pytest.fixture\ndef broken() -> None:\n    raise OSError\n\n\n"
        "def test_broken(broken: None) -> None: ...\n",
        "utf-8",
    )
    (root / "tests/unit/test_unimportable.py").write_text("import no_such_module\n", "utf-8")
    run, _ = Suite(root, processes=0).run(1, coverage=False)
    ended = {name.split("/")[-1]: outcome for name, outcome in run.outcomes().items()}
    assert ended["test_sandbox_unit.py::test_good"] == "passed"
    assert ended["test_sandbox_unit.py::test_bad"] == "failed"
    assert ended["test_sandbox_unit.py::test_skipped"] == "skipped"
    assert ended["test_sandbox_unit.py::test_broken"] == "error"
    assert ended["test_unimportable.py"] == "error"


def test_a_suite_without_tests_is_no_record(root: Path) -> None:
    """Where there is nothing to run there is nothing to record."""
    for path in root.glob("tests/*/test_*.py"):
        path.unlink()
    with pytest.raises(SuiteError, match="exit code 5"):
        Suite(root, processes=0).run(1, coverage=False)
