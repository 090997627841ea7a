"""Section 1: what the engine finds is what it always found."""

from __future__ import annotations

import shutil
from itertools import zip_longest
from pathlib import Path

import pytest

from pytest_rustybt_ready import Evidence, at_least, ready
from readiness_tests.engine import EngineUnderTest

GOLDEN = Path("tests/golden")


@pytest.fixture
def golden(engine: EngineUnderTest, pytestconfig: pytest.Config) -> Path:
    """Return the folder of the golden backtests, in a proof a copy of it."""
    folder = pytestconfig.rootpath / GOLDEN
    if not engine.throwaway:
        return folder
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(folder, engine.root / GOLDEN, ignore=ignored))


@ready.testing("1.1.7")
def test_golden_backtests_reproduce(
    engine: EngineUnderTest, golden: Path, evidence: Evidence
) -> None:
    """Every figure of every golden backtest comes out as it is stored, to the last digit."""
    found: dict[str, str] = engine.run("golden", folder=str(golden))
    stored = {path.stem: path.read_text("utf-8") for path in golden.glob("*.txt")}
    figures = sum(len(text.split()) for text in stored.values())
    differences = [
        f"{name}: {difference}"
        for name in sorted(found)
        for difference in _differences(stored.get(name, ""), found[name])
    ]
    evidence.record("backtests", sorted(found))
    evidence.record("differences in detail", differences[:20])
    evidence.expect("stored results", sorted(found), observed=sorted(stored))
    evidence.expect("figures compared", at_least(100), observed=figures)
    evidence.meets("differences", observed=len(differences))


def _differences(stored: str, found: str) -> list[str]:
    """Return the words of two texts that differ, line by line."""
    lines = zip_longest(stored.splitlines(), found.splitlines(), fillvalue="")
    return [
        f"line {number}: expected {one or 'nothing'}, observed {other or 'nothing'}"
        for number, both in enumerate(lines, start=1)
        for one, other in zip_longest(*(line.split() for line in both), fillvalue="")
        if one != other
    ]


@test_golden_backtests_reproduce.fails_when
def a_fee_changes(engine: EngineUnderTest) -> None:
    """A basis point is a little more than it was."""
    engine.edit(
        "rustybt/execution/costs.py",
        'BASIS_POINT: Final = Decimal("0.0001")',
        'BASIS_POINT: Final = Decimal("0.00010000001")',
    )


@test_golden_backtests_reproduce.fails_when
def two_fills_change_places(engine: EngineUnderTest) -> None:
    """The first two fills are told in the wrong order."""
    engine.append(
        "rustybt/engine/result.py",
        """
        _in_order = Result.fills.func
        Result.fills = property(lambda self: _in_order(self)[1::-1] + _in_order(self)[2:])
        """,
    )


@test_golden_backtests_reproduce.fails_when
def a_stored_result_is_missing(golden: Path) -> None:
    """A golden file was deleted."""
    (golden / "short.txt").unlink()


@test_golden_backtests_reproduce.fails_when
def a_stored_result_is_empty(golden: Path) -> None:
    """A golden file was written and holds nothing."""
    (golden / "rising.txt").write_text("", "utf-8")
