"""Waivers, revocations and the technical approvals: what holds, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready.statements.signing import SigningError
from pytest_rustybt_ready.values import CheckInfo, CheckResult, Outcome, Stage
from pytest_rustybt_ready.verdict import Inputs, ItemVerdict, judge

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
DAY = timedelta(days=1)
APPROVALS = {
    "10.1.1": ("eve", "technical-lead"),
    "10.1.2": ("bob", "senior-developer"),
    "10.1.3": ("cyd", "qa"),
    "10.1.4": ("ada", "security-reviewer"),
}


def inputs(desk: Any, **more: Any) -> Inputs:
    """Return what a run at this desk would judge: one failing check, and what was signed."""
    info = CheckInfo(check="c", section="testing", items=("1.1.2",))
    failed = CheckResult(check="c", outcome=Outcome.FAILED, started=NOW - DAY, reason="71 %")
    found = desk.read(NOW).examined
    values: dict[str, Any] = {
        "checklist": desk.checklist,
        "stage": Stage.PRODUCTION,
        "commit": desk.commit,
        "checks": (info,),
        "results": (failed,),
        "statements": found.statements,
        "refused": found.refused,
        "authors": ("grace@example.org",),
    }
    return Inputs(**(values | more))


def results(desk: Any) -> str:
    """Return the digest of the results that approvals are bound to."""
    from pytest_rustybt_ready.rules import Facts, Rulings

    return Rulings(Facts(inputs(desk), NOW), {}).results()


def verdict(desk: Any, item: str, at: datetime = NOW, **more: Any) -> ItemVerdict:
    """Return what becomes of *item*."""
    return judge(inputs(desk, **more), at).of(item)


def approve(desk: Any, *items: str, **more: Any) -> None:
    """Sign the technical approvals *items*, each by the one who may."""
    for item in items or APPROVALS:
        name, role = APPROVALS[item]
        desk.sign(name, item, role, **({"results": results(desk)} | more))


def test_a_waived_failure_shows_as_both(desk: Any) -> None:
    """A waiver that holds waives; what it covers stays in sight."""
    desk.waive()
    found = verdict(desk, "1.1.2")
    assert (found.disposition, found.underlying) == ("waived", "failed")
    assert found.expires == NOW + 30 * DAY
    assert verdict(desk, "1.1.2", NOW + 31 * DAY).disposition == "failed"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"item": "2.1.6"}, "item 2.1.6 can never be waived"),
        ({"lasts": 91 * DAY}, "90 days at most"),
        ({"reason": " "}, "needs a reason and a compensating measure"),
        ({"measure": ""}, "needs a reason and a compensating measure"),
        ({"name": "eve"}, "does not hold the role 'risk-manager'"),
    ],
)
def test_a_waiver_that_is_not_allowed(desk: Any, more: dict[str, Any], reason: str) -> None:
    """It is refused before anything is written."""
    with pytest.raises(SigningError, match=reason):
        desk.waive(**more)
    assert not any(desk.statements.iterdir())


def test_a_role_that_may_not_waive(desk: Any) -> None:
    """Holding a role is not enough: it must be one that may waive."""
    said = {"action": "waiver", "reason": "late", "measure": "by hand"}
    with pytest.raises(SigningError, match=r"may not waive; .* lets risk-manager"):
        desk.sign("eve", "1.1.2", "technical-lead", **said)


def test_a_waiver_that_ran_out_is_named(desk: Any) -> None:
    """A run that begins later does not take it in."""
    desk.waive()
    assert "the waiver ran out on 2026-04-13" in desk.reasons(at=NOW + 40 * DAY)


def test_revoking(desk: Any) -> None:
    """From the revocation on a statement does not count; before it, it did."""
    desk.sign("ada", "2.1.6", "security-reviewer")
    (statement,) = desk.read().examined.statements
    revocation = {"action": "revocation", "reason": "wrong report", "lasts": 9999 * DAY}
    desk.sign(
        "eve", "2.1.6", "security-reviewer", NOW + DAY, statement=statement.digest, **revocation
    )
    (revoked,) = desk.read(NOW + 2 * DAY).examined.statements
    assert revoked.revoked_at == NOW + DAY
    found = inputs(desk, statements=(revoked,))
    assert judge(found, NOW).of("2.1.6").disposition == "signed"
    later = judge(found, NOW + DAY).of("2.1.6")
    assert (later.disposition, later.stale) == ("awaiting", True)
    assert "its signature was revoked" in later.reason


def test_only_signer_and_role_may_revoke(desk: Any) -> None:
    """Somebody else's revocation is refused, and changes nothing."""
    desk.sign("ada", "2.1.6", "security-reviewer")
    (statement,) = desk.read().examined.statements
    revocation = {"action": "revocation", "reason": "I say so", "statement": statement.digest}
    desk.sign("cyd", "2.1.6", "qa", **revocation)
    found = desk.read().examined
    assert found.statements[0].revoked_at is None
    assert "may not revoke what others signed" in found.refused[0].reason


def test_a_revocation_needs_a_reason(desk: Any) -> None:
    """Nobody takes a statement back without saying why."""
    with pytest.raises(SigningError, match="a revocation needs a reason"):
        desk.sign("ada", "2.1.6", "security-reviewer", action="revocation", statement="ab" * 32)


def test_four_people_approve(desk: Any) -> None:
    """Four different people, none the author, for this commit and these results."""
    approve(desk)
    assert {i: verdict(desk, i).disposition for i in APPROVALS} == dict.fromkeys(
        APPROVALS, "signed"
    )


def test_the_author_may_not_approve(desk: Any) -> None:
    """Whoever made the release does not approve it, however the address is written."""
    approve(desk)
    found = verdict(desk, "10.1.2", authors=("BOB@example.org",))
    assert found.disposition == "awaiting"
    assert "bob@example.org is an author of the release" in found.reason
    assert verdict(desk, "10.1.1", authors=("BOB@example.org",)).disposition == "signed"


def test_one_person_gives_one_approval(desk: Any) -> None:
    """Who signs two of them has signed neither; taking one back mends it."""
    desk.roles(ada=("security-reviewer", "technical-lead"))
    for item, role in (("10.1.1", "technical-lead"), ("10.1.4", "security-reviewer")):
        desk.sign("ada", item, role, results=results(desk))
    for item in ("10.1.1", "10.1.4"):
        assert "signed another of these approvals" in verdict(desk, item).reason


def test_one_key_gives_one_approval(desk: Any) -> None:
    """Two names with one key are one person."""
    desk.signers(bob="cyd")
    seen = results(desk)
    desk.sign("cyd", "10.1.3", "qa", results=seen)
    desk.sign("bob", "10.1.2", "senior-developer", results=seen, key=desk.keys["cyd"])
    assert "signed another of these approvals" in verdict(desk, "10.1.2").reason
    assert verdict(desk, "10.1.3").disposition == "awaiting"


def test_approvals_are_for_results(desk: Any) -> None:
    """Another outcome of any check, and nobody has approved it."""
    approve(desk)
    other = CheckResult(check="c", outcome=Outcome.PASSED, started=NOW - DAY)
    found = verdict(desk, "10.1.1", results=(other,))
    assert found.reason.startswith("signed for other results")


def test_approvals_without_results_are_refused(desk: Any) -> None:
    """An approval says what was approved."""
    with pytest.raises(SigningError, match="not bound to the results"):
        desk.sign("eve", "10.1.1", "technical-lead")


def test_one_commit_later_approvals_have_lapsed(desk: Any) -> None:
    """A signature for the commit before does not count, and shows as lapsed."""
    desk.sign("ada", "2.1.6", "security-reviewer", commit=desk.earlier)
    found = verdict(desk, "2.1.6")
    assert (found.disposition, found.stale) == ("awaiting", True)
    assert f"was for another commit, {desk.earlier[:12]}" in found.reason
    dirty = verdict(desk, "2.1.6", commit="")
    assert "the tree under judgement is no commit" in dirty.reason


def test_training_outlives_a_commit(desk: Any) -> None:
    """Where an item does not lapse with the commit, its signature does not either."""
    desk.sign("dan", "6.3.4", "training-lead", commit=desk.earlier)
    assert verdict(desk, "6.3.4").disposition == "signed"


def test_the_reason_of_a_refusal_stands_with_its_item(desk: Any) -> None:
    """Who looks at the item reads why its signature does not count, and how to sign."""
    path = desk.sign("ada", "2.1.6", "security-reviewer")
    path.with_name(f"{path.name}.sig").unlink()
    judged = judge(inputs(desk), NOW)
    assert f"refused: {path.name}: it is not signed" in judged.of("2.1.6").reason
    blocker = next(b for b in judged.blockers if b.item == "2.1.6")
    who = "--as EMAIL --role security-reviewer"
    command = f"rustybt-ready sign 2.1.6 {who} --evidence report.pdf --expires 90d"
    assert blocker.remedy == command


def test_the_order_of_statements_changes_nothing(desk: Any) -> None:
    """The same statements in any order give the same verdict."""
    approve(desk)
    desk.waive()
    found = inputs(desk)
    turned = msgspec.structs.replace(found, statements=found.statements[::-1])
    assert judge(found, NOW) == judge(turned, NOW)
