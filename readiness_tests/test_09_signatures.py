"""Section 9: what the compliance officer and the legal counsel sign."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    a_colleague_signs_in_anothers_name,
    fails,
    it_has_lapsed,
    it_is_too_old,
    it_was_signed_for_something_else,
    it_was_taken_back,
    nobody_has_signed,
    the_attached_file_is_changed,
    the_key_was_lost,
)
from readiness_tests.signatures import Signatures


@ready.compliance("9.2.1")
def test_the_requirements_were_reviewed(signatures: Signatures, evidence: Evidence) -> None:
    """The compliance officer signed the review of the authorities' rules, which is attached."""
    signatures.expect_signed(evidence)


fails(test_the_requirements_were_reviewed, nobody_has_signed, it_is_too_old)


@ready.compliance("9.2.2")
def test_the_compliance_officer_agrees(signatures: Signatures, evidence: Evidence) -> None:
    """The compliance officer signed that the deployment may trade under the rules."""
    signatures.expect_signed(evidence)


fails(test_the_compliance_officer_agrees, a_colleague_signs_in_anothers_name, it_has_lapsed)


@ready.compliance("9.2.3")
def test_the_risk_disclosure_is_complete(signatures: Signatures, evidence: Evidence) -> None:
    """The compliance officer signed the very disclosure that is attached."""
    signatures.expect_signed(evidence)


fails(test_the_risk_disclosure_is_complete, the_attached_file_is_changed, it_was_taken_back)


@ready.compliance("9.2.4")
def test_every_client_has_an_agreement(signatures: Signatures, evidence: Evidence) -> None:
    """The legal counsel signed that each client has a valid agreement."""
    signatures.expect_signed(evidence)


fails(test_every_client_has_an_agreement, the_key_was_lost, it_has_lapsed)


@ready.compliance("9.2.5")
def test_the_terms_were_reviewed(signatures: Signatures, evidence: Evidence) -> None:
    """The legal counsel signed the review of the terms, which is attached."""
    signatures.expect_signed(evidence)


fails(test_the_terms_were_reviewed, it_was_signed_for_something_else, it_is_too_old)
