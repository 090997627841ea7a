"""Section 8: what the training lead signs about the team, topic by topic."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    a_stranger_signs,
    fails,
    it_is_too_old,
    it_was_signed_for_another_item,
    it_was_taken_back,
    nothing_is_attached,
    one_byte_is_changed,
    somebody_signs_in_another_role,
    the_attached_file_is_lost,
    the_role_was_given_to_others,
)
from readiness_tests.signatures import Signatures


@ready.documentation("8.3.1")
def test_the_team_can_operate_the_platform(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed who was trained in operating the platform."""
    signatures.expect_signed(evidence)


fails(test_the_team_can_operate_the_platform, it_is_too_old, one_byte_is_changed)


@ready.documentation("8.3.2")
def test_the_team_can_read_the_monitoring(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed who was trained in monitoring and alerts."""
    signatures.expect_signed(evidence)


fails(test_the_team_can_read_the_monitoring, somebody_signs_in_another_role, nothing_is_attached)


@ready.documentation("8.3.3")
def test_the_team_was_taught_recovery(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed who was trained in disaster recovery."""
    signatures.expect_signed(evidence)


fails(test_the_team_was_taught_recovery, it_was_signed_for_another_item, the_attached_file_is_lost)


@ready.documentation("8.3.4")
def test_the_team_can_respond_to_incidents(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed who was trained in incident response."""
    signatures.expect_signed(evidence)


fails(test_the_team_can_respond_to_incidents, it_was_taken_back, a_stranger_signs)


@ready.documentation("8.3.6")
def test_knowledge_was_handed_over(signatures: Signatures, evidence: Evidence) -> None:
    """The training lead signed that those who built the system have taught those who run it."""
    signatures.expect_signed(evidence)


fails(test_knowledge_was_handed_over, the_role_was_given_to_others, it_is_too_old)
