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


DRAWING = """
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

DRAWN = Path(__file__).with_suffix(".drawn")


@given(st.text(), st.sampled_from(list({"a", "b", "c", "d", "e"})))
def test_drawing(text: str, letter: str) -> None:
    with DRAWN.open("a", encoding="utf-8") as drawn:
        drawn.write(f"{text!a} {letter}\\n")


def test_elsewhere() -> None:
    import rustybt.accounting.fees
"""


def test_a_seed_gives_the_same_examples_to_whatever_worker(root: Path) -> None:
    """What is drawn follows from the seed: not from order, worker, hashes or what ran before."""
    (root / "tests" / "property" / "test_drawing.py").write_text(DRAWING, "utf-8")
    drawn = root / "tests" / "property" / "test_drawing.drawn"
    seen = []
    for seed, processes in ((1, 0), (1, 2), (2, 0)):
        Suite(root, processes=processes).run(seed, coverage=False)
        seen.append(drawn.read_text("utf-8"))
        drawn.unlink()
    assert seen[0].count("\n") >= 100
    assert seen[1] == seen[0]
    assert seen[2] != seen[0]


def test_property_tests_cover_nothing(root: Path) -> None:
    """Coverage is what the other tests reach: property tests run unwatched."""
    fees = root / "rustybt" / "accounting" / "fees.py"
    fees.write_text(
        fees.read_text("utf-8") + "\n\ndef unreached() -> int:\n    return 1\n", "utf-8"
    )
    (root / "tests" / "property" / "test_reaching.py").write_text(
        "from rustybt.accounting import fees\n\n\n"
        "def test_reaching() -> None:\n    assert fees.unreached() == 1\n",
        "utf-8",
    )
    run, coverage = Suite(root, processes=0).run(1, coverage=True)
    assert {test.outcome for test in run.tests} == {"passed"}
    measured = coverage["rustybt/accounting/fees.py"]
    assert measured.lines - measured.lines_covered == 1


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
