"""Section 3.1: differences between the broker's books and ours."""

from __future__ import annotations

from typing import Any

from pytest_rustybt_ready import Evidence, containing, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.test_07_adversity import amounts

ENGINE = "rustybt/trading/engine.py"
RECOVERY = "rustybt/trading/recovery.py"
RECONCILIATION = "rustybt/trading/reconciliation.py"


@ready.configuration("3.1.5")
def test_every_sort_of_difference_is_found_and_dealt_with(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Booked, cancelled, told, or trading stops: each as the policy has it."""
    seen = engine.run("discrepancies")
    expect_one(evidence, "missed fill", seen, ["filled"], told="missed fill", result="1")
    expect_one(evidence, "lost order", seen, ["cancelled"], told="", result="cancelled")
    expect_one(evidence, "unknown order", seen, ["cancelled"], told="RBT-1-99", result=["ended"])
    expect_one(evidence, "foreign order", seen, [], told="web_1", result=["open"])
    foreign = ["foreign_position:OAK"]
    expect_one(evidence, "foreign position", seen, [], told="2 at the venue", result=foreign)
    for case in ("missed fill", "lost order", "unknown order", "foreign order"):
        ours, theirs = amounts(seen[case]["ours"]), amounts(seen[case]["theirs"])
        evidence.expect(f"{case}: money in the ledger", theirs, observed=ours)
        evidence.expect(f"{case}: the breaker", False, observed=seen[case]["tripped"])
    wrong = seen["wrong quantity"]
    evidence.expect("wrong quantity: the breaker", True, observed=wrong["tripped"])
    evidence.expect(
        "wrong quantity: why", containing("quantity_drift of ELM"), observed=wrong["cause"]
    )


def expect_one(
    evidence: Evidence, case: str, seen: dict[str, Any], states: list[str], told: str, result: Any
) -> None:
    """Expect of one difference how our orders ended, what people heard, and what came of it."""
    found = seen[case]
    evidence.expect(f"{case}: orders in the books", states, observed=found["states"])
    if told:
        said = " ".join(found["said"])
        evidence.expect(f"{case}: people are told", containing(told), observed=said)
    evidence.expect(f"{case}: what became of it", result, observed=found["seen"])


@test_every_sort_of_difference_is_found_and_dealt_with.fails_when
def reconciliation_is_off(engine: EngineUnderTest) -> None:
    """After the start the account is never asked for again."""
    engine.edit(ENGINE, 'start_snapshot(self._desk, "due")', "pass")


@test_every_sort_of_difference_is_found_and_dealt_with.fails_when
def one_sort_of_mismatch_is_overlooked(engine: EngineUnderTest) -> None:
    """Amounts are not compared."""
    engine.append(
        RECONCILIATION,
        """
        def _amounts(snapshot, ledger, symbols):
            return ()
        """,
    )


@test_every_sort_of_difference_is_found_and_dealt_with.fails_when
def a_mismatch_is_found_and_ignored(engine: EngineUnderTest) -> None:
    """What the policies want is not done."""
    engine.append(
        RECOVERY,
        """
        def _act(desk, each, policy):
            return None
        """,
    )
