"""Section 2: what a security reviewer signs."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    fails,
    it_has_lapsed,
    it_was_signed_for_another_commit,
    nobody_has_signed,
    nothing_is_attached,
)
from readiness_tests.signatures import Signatures


@ready.security("2.1.6")
def test_a_security_reviewer_has_read_the_code(signatures: Signatures, evidence: Evidence) -> None:
    """A security reviewer signed for this very commit, with the report of the review attached."""
    signatures.expect_signed(evidence)


fails(
    test_a_security_reviewer_has_read_the_code,
    nobody_has_signed,
    it_was_signed_for_another_commit,
    it_has_lapsed,
    nothing_is_attached,
)
