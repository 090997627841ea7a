"""Section 11: what operations sign after the deployment."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    fails,
    nobody_has_signed,
    the_attached_file_is_changed,
)
from readiness_tests.signatures import Signatures


@ready.post_deployment("11.1.1")
def test_the_logs_were_watched(signatures: Signatures, evidence: Evidence) -> None:
    """Operations signed the watch log of the first 24 hours, which is attached."""
    signatures.expect_signed(evidence)


fails(test_the_logs_were_watched, nobody_has_signed, the_attached_file_is_changed)
