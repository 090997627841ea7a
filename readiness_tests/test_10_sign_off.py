"""Section 10: the approvals, and what follows from them."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.derivations import Derivations
from readiness_tests.forgeries import (
    a_stranger_signs,
    an_author_is_among_the_approvers,
    fails,
    it_was_signed_for_another_commit,
    nobody_has_signed,
    nothing_is_attached,
    one_approval_is_missing,
    one_byte_is_changed,
    one_person_gives_two_approvals,
    somebody_signs_in_another_role,
    the_attached_file_is_changed,
    the_author_signs,
    the_signature_is_missing,
)
from readiness_tests.signatures import Signatures


@ready.sign_off("10.1.1")
def test_the_technical_lead_approves(signatures: Signatures, evidence: Evidence) -> None:
    """The technical lead signed for this commit, and is neither its author nor another approver."""
    signatures.expect_signed(evidence)


fails(
    test_the_technical_lead_approves,
    the_author_signs,
    it_was_signed_for_another_commit,
    one_person_gives_two_approvals,
)


@ready.sign_off("10.1.2")
def test_a_senior_developer_approves(signatures: Signatures, evidence: Evidence) -> None:
    """A senior developer signed for this commit, and is neither its author nor another approver."""
    signatures.expect_signed(evidence)


fails(test_a_senior_developer_approves, the_author_signs, one_byte_is_changed)


@ready.sign_off("10.1.3")
def test_quality_assurance_approves(signatures: Signatures, evidence: Evidence) -> None:
    """Quality assurance signed for this commit, and is neither its author nor another approver."""
    signatures.expect_signed(evidence)


fails(test_quality_assurance_approves, the_author_signs, the_signature_is_missing)


@ready.sign_off("10.1.4")
def test_security_approves(signatures: Signatures, evidence: Evidence) -> None:
    """Security signed for this commit, and is neither its author nor another approver."""
    signatures.expect_signed(evidence)


fails(test_security_approves, the_author_signs, one_person_gives_two_approvals)


@ready.sign_off("10.2.1")
def test_the_business_owner_approves(signatures: Signatures, evidence: Evidence) -> None:
    """The business owner signed for this commit."""
    signatures.expect_signed(evidence)


fails(test_the_business_owner_approves, nobody_has_signed, it_was_signed_for_another_commit)


@ready.sign_off("10.2.2")
def test_the_risk_manager_approves(signatures: Signatures, evidence: Evidence) -> None:
    """The risk manager signed for this commit."""
    signatures.expect_signed(evidence)


fails(test_the_risk_manager_approves, it_was_signed_for_another_commit, a_stranger_signs)


@ready.sign_off("10.2.3")
def test_the_compliance_officer_approves(signatures: Signatures, evidence: Evidence) -> None:
    """The compliance officer signed for this commit."""
    signatures.expect_signed(evidence)


fails(
    test_the_compliance_officer_approves,
    it_was_signed_for_another_commit,
    somebody_signs_in_another_role,
)


@ready.sign_off("10.3.1")
def test_nothing_before_the_sign_off_stays_open_unnoticed(
    derivations: Derivations, evidence: Evidence
) -> None:
    """As long as one item of sections 1 to 9 is open, what rests on all of them is."""
    derivations.expect_all_counted(evidence, *map(str, range(1, 10)))


@test_nothing_before_the_sign_off_stays_open_unnoticed.fails_when
def a_section_is_left_out(derivations: Derivations) -> None:
    """Recovery counts for nothing."""
    derivations.rest_on("10.3.1", "1", "2", "3", "4", "5", "7", "8", "9")


@test_nothing_before_the_sign_off_stays_open_unnoticed.fails_when
def only_the_signatures_count(derivations: Derivations) -> None:
    """The approvals are looked at, and nothing that they approve."""
    derivations.rest_on("10.3.1", "10.1", "10.2")


@ready.sign_off("10.3.2")
def test_no_approval_stays_open_unnoticed(derivations: Derivations, evidence: Evidence) -> None:
    """As long as one approval is missing, what rests on all of them is open."""
    derivations.expect_all_counted(evidence, "10.1", "10.2")


@test_no_approval_stays_open_unnoticed.fails_when
def the_business_is_not_asked(derivations: Derivations) -> None:
    """Only the technical approvals count."""
    derivations.rest_on("10.3.2", "10.1")


@ready.sign_off("10.3.2")
def test_the_technical_approvals_are_of_different_people(
    signatures: Signatures, evidence: Evidence
) -> None:
    """Each approval by four eyes is somebody else's, by name and by key, and no author's."""
    signatures.expect_approvals(evidence)


fails(
    test_the_technical_approvals_are_of_different_people,
    one_approval_is_missing,
    one_person_gives_two_approvals,
    an_author_is_among_the_approvers,
)


@ready.sign_off("10.3.3")
def test_the_date_of_the_deployment_is_set(signatures: Signatures, evidence: Evidence) -> None:
    """The technical lead signed the date of this release's deployment, which is attached."""
    signatures.expect_signed(evidence)


fails(test_the_date_of_the_deployment_is_set, it_was_signed_for_another_commit, nothing_is_attached)


@ready.sign_off("10.3.5")
def test_all_who_are_concerned_were_told(signatures: Signatures, evidence: Evidence) -> None:
    """The business owner signed the message about this very release, which is attached."""
    signatures.expect_signed(evidence)


fails(
    test_all_who_are_concerned_were_told,
    it_was_signed_for_another_commit,
    the_attached_file_is_changed,
)
