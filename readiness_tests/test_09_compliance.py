"""Section 9: the audit log holds everything, and nobody changes it unnoticed."""

from __future__ import annotations

from collections import Counter

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest

VERIFICATION = "rustybt/journal/verification.py"

# -- 9.1 audit log ---------------------------------------------------------------------------

RECORDS = 40
FLIPS = 40


@ready.compliance("9.1.6")
def test_no_change_of_the_audit_log_goes_unnoticed(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Every flipped bit, every record deleted, put in or exchanged, every cut end is found."""
    seen = engine.run("tampering", records=RECORDS, flips=FLIPS, seed=9)
    evidence.expect("records of the log itself", RECORDS, observed=seen["records"])
    evidence.expect("the log itself is whole", True, observed=seen["whole"])
    kinds = Counter(name for name, _, _ in seen["changes"])
    evidence.record("changes tried", dict(sorted(kinds.items())))
    evidence.expect("every sort of change was tried", 10, observed=len(kinds))
    unnoticed = [change for change in seen["changes"] if change[2] is None]
    misplaced = [change for change in seen["changes"] if change[2] not in (None, change[1])]
    evidence.expect("changes found at another place", [], observed=misplaced[:5])
    evidence.record("first changes unnoticed", unnoticed[:5])
    evidence.meets("undetected", observed=len(unnoticed))


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def the_hashes_are_not_compared(engine: EngineUnderTest) -> None:
    """A record passes with whatever hash it holds."""
    engine.edit(VERIFICATION, " or own != hashed(said).digest():", ":")


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def a_cut_end_is_taken_for_the_end(engine: EngineUnderTest) -> None:
    """The signed heads are not looked at once the records are through."""
    engine.edit(
        VERIFICATION,
        "finding = self._read(chunks) or self._cut() or self._forgery()",
        "finding = self._read(chunks) or self._forgery()",
    )


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def the_place_is_that_of_the_next_record(engine: EngineUnderTest) -> None:
    """The record named is the one behind the changed one."""
    engine.append(
        VERIFICATION,
        """
        _right = _found


        def _found(row: Row, sequence: int, problem: str) -> Finding:
            return _right(row, sequence + 1, problem)
        """,
    )
