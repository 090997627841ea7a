"""``evidence.awaiting``: a check that finds a signature missing."""

from __future__ import annotations

from typing import Any

pytest_plugins = ["pytester"]

CHECK = """
SIGNED = ["by Ada"]

@pytest.fixture
def signatures(proving):
    SIGNED[:] = ["by Ada"] if proving else []
    return SIGNED

@ready.security("2.1.2")
def test_it(signatures, evidence):
    if not signatures:
        evidence.awaiting("not signed yet", remedy="rustybt-ready sign 2.1.2")
    evidence.record("signed", signatures)

@test_it.fails_when
def nobody_has_signed(signatures):
    signatures.clear()
"""


def awaiting(project: Any, *args: str, kind: str = "signed") -> Any:
    """Run the check of an item of that kind."""
    extra = 'role = "lead"\nmax_age_days = 60' if kind == "signed" else ""
    project.items(
        _1_1_1=("code", "dev", ""), _4_2_1=("host", "dev", ""), _2_1_2=(kind, "dev", extra)
    )
    project.checks(CHECK)
    return project.run("--ready-item", "2.1.2", *args)


def test_a_missing_signature_is_awaited_and_no_failure(project: Any) -> None:
    """The run is INCOMPLETE, the test a skip that says why, and the remedy the command."""
    run = awaiting(project)
    assert (run.code, run.item("2.1.2")) == (6, "awaiting")
    (result,) = run.record.results
    assert (result.outcome, result.reason) == ("awaiting", "not signed yet")
    assert result.remedy == "rustybt-ready sign 2.1.2"
    assert "fix: rustybt-ready sign 2.1.2 --as EMAIL --role lead" in run.output
    assert "1 skipped" in run.output


def test_it_proves_that_a_check_can_fail(project: Any) -> None:
    """A check that passes where it is signed, and finds the signature missing, has a proof."""
    run = awaiting(project, "--ready-prove")
    (proof,) = run.record.proofs
    assert (proof.outcome, proof.detail) == ("proven", "awaiting: not signed yet")
    assert run.record.verdict.of("2.1.2").proof == "proven"


def test_it_satisfies_no_item_that_a_check_decides(project: Any) -> None:
    """Where nobody may sign, awaiting is one more way of not being satisfied."""
    run = awaiting(project, kind="code")
    assert (run.code, run.item("2.1.2")) == (6, "awaiting")
