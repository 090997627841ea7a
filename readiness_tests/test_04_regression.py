"""Section 4: whether anything has become slower since the baseline was stored.

The baseline holds ratios, not seconds: how many times as long a path takes as a loop of the same
nature that knows nothing of the engine, in rounds that take turns in one process.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.baseline import FILE, measured, python_release, slowdown, stored
from readiness_tests.engine import EngineUnderTest

REMEDY = "python -m benchmarks.baseline, on a machine that does little else"


@pytest.fixture
def records(pytestconfig: pytest.Config, proving: bool, tmp_path: Path) -> Path:
    """Return the folder of the records, or in a proof a copy of it."""
    real = pytestconfig.rootpath / "docs" / "records"
    if not proving:
        return real
    copy = tmp_path / "records"
    shutil.copytree(real, copy) if real.is_dir() else copy.mkdir()
    return copy


@ready.performance("4.1.5")
def test_nothing_has_become_slower(
    engine: EngineUnderTest, records: Path, evidence: Evidence
) -> None:
    """No path takes longer, beside its reference loop, than it did when the baseline was stored."""
    known = stored(records)
    assert known, f"there is no {FILE} in docs/records: {REMEDY}"
    release = python_release()
    if release not in known:
        evidence.unproven(f"the baseline is of Python {', '.join(known)}", remedy=REMEDY)
    baseline, ratios = known[release], measured(engine)
    evidence.expect("paths that were measured", sorted(baseline), observed=sorted(ratios))
    for path, rounds in ratios.items():
        evidence.record(f"{path}: ratios to its reference", [round(each, 3) for each in rounds])
        evidence.record(f"{path}: ratio on record", baseline[path])
        evidence.meets("slowdown", observed=f"{max(0.0, slowdown(rounds, baseline[path])):.1f}")


@test_nothing_has_become_slower.fails_when
def a_walk_over_bars_is_slowed_down(engine: EngineUnderTest) -> None:
    """Every average is worked out twice."""
    engine.append(
        "rustybt/strategy/indicators.py",
        """
        _once = SMA.update


        def _with_more(self, value):
            for _ in range(12):
                abs(value)
            return _once(self, value)


        SMA.update = _with_more
        """,
    )


@test_nothing_has_become_slower.fails_when
def signals_are_slowed_down(engine: EngineUnderTest) -> None:
    """The targets of a strategy are looked up several times."""
    engine.append(
        "rustybt/engine/backtest.py",
        """
        _found_once = find_changes


        def find_changes(tape, strategy):
            for _ in range(3):
                _found_once(tape, strategy)
            return _found_once(tape, strategy)
        """,
    )


@test_nothing_has_become_slower.fails_when
def booking_is_slowed_down(engine: EngineUnderTest) -> None:
    """The ledger reckons more for each fill than it needs."""
    engine.append(
        "rustybt/accounting/ledger.py",
        """
        _apply = Ledger.apply


        def _dearly(self, fill):
            for _ in range(12):
                multiply(fill.quantity, fill.price)
            return _apply(self, fill)


        Ledger.apply = _dearly
        """,
    )


@test_nothing_has_become_slower.fails_when
def the_baseline_is_missing(records: Path) -> None:
    """Nothing is on record to compare with."""
    (records / FILE).unlink()
