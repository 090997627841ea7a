"""Section 6: what people sign about recovery."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    fails,
    it_is_too_old,
    nobody_has_signed,
    the_attached_file_is_changed,
)
from readiness_tests.signatures import Signatures


@ready.recovery("6.3.4")
def test_the_team_has_rehearsed_recovery(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed, half a year ago at most, who has rehearsed the recovery."""
    signatures.expect_signed(evidence)


fails(
    test_the_team_has_rehearsed_recovery,
    nobody_has_signed,
    it_is_too_old,
    the_attached_file_is_changed,
)
