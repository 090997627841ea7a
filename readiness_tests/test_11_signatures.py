"""Section 11: what is signed after the deployment, and what has to be true beside that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.forgeries import (
    fails,
    it_is_too_old,
    nobody_has_signed,
    somebody_signs_in_another_role,
    the_attached_file_is_changed,
)
from readiness_tests.signatures import Signatures
from readiness_tests.subjects import Deployment, utc_now
from rustybt.deployment import open_vault
from rustybt.errors import RustyBTError

DAY = timedelta(days=1)


@ready.post_deployment("11.1.1")
def test_the_logs_were_watched(signatures: Signatures, evidence: Evidence) -> None:
    """Operations signed the watch log of the first 24 hours, which is attached."""
    signatures.expect_signed(evidence)


fails(test_the_logs_were_watched, nobody_has_signed, the_attached_file_is_changed)


@ready.post_deployment("11.3.3")
def test_security_is_reviewed_every_month(signatures: Signatures, evidence: Evidence) -> None:
    """A security reviewer signed the review, a month ago at most."""
    signatures.expect_signed(evidence)


fails(test_security_is_reviewed_every_month, it_is_too_old, somebody_signs_in_another_role)


@ready.post_deployment("11.3.3")
def test_credentials_are_replaced_every_month(deployment: Deployment, evidence: Evidence) -> None:
    """No credential in the vault is in use for longer than a month, as the vault itself says."""
    now = utc_now()
    try:
        entries = deployment.vault.entries()
    except RustyBTError as error:
        raise AssertionError(f"the vault does not open: {error}") from error
    assert entries, "the vault holds no credential"
    evidence.record("credentials looked at", len(entries))
    oldest = max(entry.age(now) for entry in entries)
    evidence.meets("key_age", observed=Decimal(f"{oldest / DAY:.2f}"))


@test_credentials_are_replaced_every_month.fails_when
def one_is_as_it_was_five_weeks_ago(deployment: Deployment) -> None:
    """One of the credentials was replaced five weeks ago, and not since."""
    vault = open_vault(deployment.settings, lambda: utc_now() - 35 * DAY)
    entry = vault.entries()[0]
    vault.put(entry.name, entry.field, "another one")


@test_credentials_are_replaced_every_month.fails_when
def the_vault_is_gone(deployment: Deployment) -> None:
    """There is no vault that could tell."""
    deployment.home.vault_file.unlink()
