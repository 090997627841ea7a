"""Signatures, waivers and the other rules of the verdict, each by an example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    EvidenceEntry,
    Outcome,
    ProofOutcome,
    ProofResult,
    Provenance,
    Scope,
    Stage,
)
from pytest_rustybt_ready.verdict import CANNOT_FAIL, Inputs, Status, Verdict, judge

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
DAY = timedelta(days=1)
HEAD = """
title = "t"
version = "1"
max_waivers = 1
[section.security]
number = 2
title = "Security"
subsections = { "2.1" = "Audit", "2.2" = "Rest" }
"""


def item(item_id: str, kinds: str = "code", **more: Any) -> str:
    """Return the TOML of an item."""
    values = {"stage": "dev", "text": "t", "how": "h", "remedy": "r"} | more
    lines = [f"kinds = {kinds.split()!r}".replace("'", '"')]
    signed_only = kinds in ("signed", "derived")
    lines.append("fails = []" if signed_only else 'fails = ["f"]')
    for key, value in values.items():
        said = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
        lines.append(f"{key} = {said}")
    return f'[item."{item_id}"]\n' + "\n".join(lines)


def inputs(*items: str, **more: Any) -> Inputs:
    """Return inputs with a checklist of *items*."""
    checklist = checklist_file.parse("\n".join([HEAD, *items]), source="test")
    return Inputs(checklist=checklist, stage=more.pop("stage", Stage.DEV), **more)


def check(item_id: str, outcome: str = "passed", *controls: str) -> dict[str, Any]:
    """Return a check of an item, and how it ended a minute ago."""
    ids = (item_id,) if item_id else ()
    info = CheckInfo(check=f"c{item_id}", section="security", items=ids, controls=controls)
    entry = EvidenceEntry(kind="record", name="x", observed="1", at=AT - DAY / 1440)
    result = CheckResult(
        check=info.check, outcome=Outcome(outcome), started=AT - DAY / 1440, evidence=(entry,)
    )
    return {"checks": (info,), "results": (result,)}


def signed(item_id: str = "2.1.1", **more: Any) -> Statement:
    """Return a sign-off given ten days ago for ninety."""
    values: dict[str, Any] = {
        "kind": "sign-off",
        "item": item_id,
        "signer": "Ada",
        "role": "lead",
        "signed_at": AT - 10 * DAY,
        "expires_at": AT + 80 * DAY,
        "commit": "c0ffee",
    }
    return Statement(**(values | more))


def waiver(item_id: str = "2.1.1", **more: Any) -> Statement:
    """Return a sound waiver."""
    return signed(item_id, **({"kind": "waiver", "reason": "late", "measure": "by hand"} | more))


def said(verdict: Verdict, item_id: str = "2.1.1") -> tuple[str, str]:
    """Return disposition and reason of an item."""
    found = verdict.of(item_id)
    return str(found.disposition), found.reason


SIGNED = item("2.1.1", "signed", role="lead", max_age_days=60)
LAPSED = "its signature has lapsed; lead signs"
OTHER = "signed in another role, guest; lead signs"
STILL = "still awaiting: not signed yet; lead signs"
OPEN = "it rests on 1 item still open: 2.1.2"
MET = "satisfied, as is all that it rests on: 1 item"
BY = "signed by Ada as lead on 2026-03-04"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ((signed(),), ("signed", BY)),
        ((signed(expires_at=AT),), ("awaiting", LAPSED)),
        (
            (signed(signed_at=AT + DAY),),
            ("awaiting", "its signature is not in force yet; lead signs"),
        ),
        ((signed(role="guest"),), ("awaiting", OTHER)),
        ((signed(signed_at=AT - 60 * DAY),), ("awaiting", LAPSED)),
        ((signed("2.1.9"),), ("awaiting", "not signed yet; lead signs")),
        ((), ("awaiting", "not signed yet; lead signs")),
        ((signed(expires_at=AT - DAY), signed()), ("signed", BY)),
        ((waiver(),), ("waived", f"waived until 2026-06-02 by Ada as lead: late ({STILL})")),
    ],
)
def test_a_signature_holds_for_its_role_and_time(
    statements: tuple[Statement, ...], expected: tuple[str, str]
) -> None:
    """Signed by the item's role, in force, no older than the item allows: nothing else counts."""
    verdict = judge(inputs(SIGNED, statements=statements), AT)
    assert said(verdict) == expected
    assert verdict.of("2.1.1").proof == "not needed"


def test_a_signature_lapses_at_the_earlier_of_two_dates() -> None:
    """An item's maximum age cuts a signature short; the verdict names the day."""
    verdict = judge(inputs(SIGNED, statements=(signed(),)), AT)
    assert verdict.valid_until == AT + 50 * DAY
    assert judge(inputs(SIGNED, statements=(signed(),)), AT + 50 * DAY).status is Status.INCOMPLETE


@pytest.mark.parametrize(
    ("commit", "disposition"), [("c0ffee", "signed"), ("decade", "awaiting"), ("", "awaiting")]
)
def test_some_signatures_hold_for_one_commit(commit: str, disposition: str) -> None:
    """A signature for another commit is none; nor is any for a tree that is no commit."""
    text = item("2.1.1", "signed", role="lead", max_age_days=60, lapses_with_commit=True)
    verdict = judge(inputs(text, statements=(signed(),), commit=commit), AT)
    assert said(verdict)[0] == disposition


@pytest.mark.parametrize(
    ("outcome", "disposition"),
    [("unproven", "signed"), *((o, o) for o in ("passed", "failed", "not run", "error"))],
)
def test_a_signature_stands_in_only_for_unproven(outcome: str, disposition: str) -> None:
    """Where the checklist allows it, a signature replaces a check that cannot tell, no other."""
    text = item("2.1.1", "host", role="lead", max_age_days=60, or_signed=True)
    found = inputs(text, statements=(signed(),), **check("2.1.1", outcome))
    assert said(judge(found, AT))[0] == disposition
    unsigned = msgspec.structs.replace(found, statements=())
    assert judge(unsigned, AT).of("2.1.1").disposition == outcome


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "waived"),
        ({"reason": " "}, "failed"),
        ({"measure": ""}, "failed"),
        ({"signer": ""}, "failed"),
        ({"expires_at": AT + 81 * DAY}, "failed"),
        ({"expires_at": AT}, "failed"),
        ({"signed_at": AT + DAY}, "failed"),
        ({"kind": "sign-off"}, "failed"),
    ],
)
def test_a_waiver_is_complete_and_short(more: dict[str, Any], expected: str) -> None:
    """A waiver says why, what instead and who, for 90 days at most, and shows what it covers."""
    found = inputs(item("2.1.1"), statements=(waiver(**more),), **check("2.1.1", "failed"))
    verdict = judge(found, AT)
    assert said(verdict)[0] == expected
    assert verdict.status is (Status.READY if expected == "waived" else Status.NOT_READY)
    assert verdict.of("2.1.1").underlying == ("failed" if expected == "waived" else None)


def test_some_items_cannot_be_waived() -> None:
    """A waiver for such an item changes nothing, and does not count towards the ceiling."""
    text = item("2.1.1", waivable=False)
    both = (waiver(), waiver("2.1.2"))
    found = inputs(text, item("2.1.2"), statements=both, **check("2.1.1", "failed"))
    verdict = judge(found, AT)
    assert [said(verdict, i)[0] for i in ("2.1.1", "2.1.2")] == ["failed", "waived"]


def test_above_the_ceiling_no_waiver_counts() -> None:
    """Too many waivers are a finding of their own; which of them would count is not guessed."""
    both = (waiver("2.1.1"), waiver("2.1.2"))
    found = inputs(item("2.1.1"), item("2.1.2"), statements=both)
    verdict = judge(found, AT)
    assert [said(verdict, i)[0] for i in ("2.1.1", "2.1.2")] == ["not run", "not run"]
    assert verdict.status is Status.NOT_READY
    assert verdict.blockers[0].reason == "2 items are waived; the checklist allows 1"
    # the ceiling does not fall back below when one of them runs out
    shorter = (waiver("2.1.1", expires_at=AT + DAY), waiver("2.1.2"))
    later = judge(msgspec.structs.replace(found, statements=shorter), AT + 2 * DAY)
    assert later.status is Status.NOT_READY


def test_a_waived_part_shows_in_its_item() -> None:
    """An item is waived where its worst part is, and shows what that part would be."""
    text = (item("2.1.1"), item("2.1.1.1"), item("2.1.1.2"))
    found = check("2.1.1.2")
    verdict = judge(inputs(*text, statements=(waiver("2.1.1.1"),), **found), AT)
    assert said(verdict)[0] == "waived"
    assert verdict.of("2.1.1").underlying == "not run"
    assert verdict.status is Status.READY


def test_an_item_names_its_worst_part() -> None:
    """The reason of an item with parts begins with the part that is to blame."""
    text = (item("2.1.1"), item("2.1.1.1"), item("2.1.1.2"))
    verdict = judge(inputs(*text, **check("2.1.1.2")), AT)
    assert said(verdict) == ("not run", "2.1.1.1: no check claims this item")
    own = inputs(*text, **check("2.1.1", "failed"))
    assert said(judge(own, AT)) == ("failed", "")


@pytest.mark.parametrize(
    ("items", "derives", "expected"),
    [
        ((item("2.1.1"), item("2.1.2")), ["2.1"], ("not run", OPEN)),
        ((item("2.1.1"), item("2.1.2", optional=True)), ["2.1"], ("passed", MET)),
        ((item("2.1.1"), item("2.1.2", stage="live")), ["2.1"], ("passed", MET)),
        ((item("2.1.1"), item("2.1.2", stage="production")), ["2.1"], ("not run", OPEN)),
        ((item("2.1.1", optional=True),), ["2.1"], ("not run", "it rests on no item at all")),
    ],
)
def test_a_derived_item_rests_on_all_that_blocks_at_its_stage(
    items: tuple[str, ...], derives: list[str], expected: tuple[str, str]
) -> None:
    """Optional and later items are left out; resting on nothing is no satisfaction."""
    derived = item("2.2.1", "derived", stage="production", derives=derives)
    assert said(judge(inputs(*items, derived, **check("2.1.1")), AT), "2.2.1") == expected


def test_a_derived_item_fails_with_what_it_rests_on() -> None:
    """A broken item breaks what rests on it; a check of a derived item counts beside that."""
    derived = item("2.2.1", "derived", derives=["2.1"])
    verdict = judge(inputs(item("2.1.1"), derived, **check("2.1.1", "failed")), AT)
    assert said(verdict, "2.2.1")[0] == "failed"
    both = check("2.1.1")
    own = check("2.2.1", "failed")
    found = inputs(item("2.1.1"), derived, **{key: both[key] + own[key] for key in both})
    assert said(judge(found, AT), "2.2.1")[0] == "failed"


def test_items_that_rest_on_each_other_stay_open() -> None:
    """A circle, which no checklist file may have, satisfies nothing and does not hang."""
    first = item("2.2.1", "derived", derives=["2.1"])
    found = inputs(item("2.1.1"), first, **check("2.1.1"))
    circle = tuple(
        msgspec.structs.replace(i, derives=("2.2",)) if i.derives else i
        for i in found.checklist.items
    )
    checklist = msgspec.structs.replace(found.checklist, items=circle)
    verdict = judge(msgspec.structs.replace(found, checklist=checklist), AT)
    assert said(verdict, "2.2.1")[0] == "not run"


@pytest.mark.parametrize(
    ("provenance", "proof", "expected"),
    [
        ("real", ProofOutcome.PROVEN, ("passed", "")),
        *(
            (kind, ProofOutcome.PROVEN, ("unproven", f"a {kind} record never counts at production"))
            for kind in ("practice", "simulated")
        ),
        ("real", None, ("unproven", "c2.1.1 is not proven: not run")),
        ("real", ProofOutcome.CANNOT_FAIL, ("error", f"{CANNOT_FAIL} (k: it passed)")),
    ],
)
def test_production_asks_for_real_records_and_proofs(
    provenance: str, proof: ProofOutcome | None, expected: tuple[str, str]
) -> None:
    """From production on a record counts only if it is real and its check is proven."""
    found = check("2.1.1", "passed", "k")
    (result,) = found["results"]
    entry = msgspec.structs.replace(result.evidence[0], provenance=Provenance(provenance))
    found["results"] = (msgspec.structs.replace(result, evidence=(entry,)),)
    if proof:
        found["proofs"] = (
            ProofResult(check="c2.1.1", control="k", outcome=proof, at=AT, detail="it passed"),
        )
    text = item("2.1.1", "record", max_age_days=30)
    verdict = judge(inputs(text, stage=Stage.PRODUCTION, **found), AT)
    assert said(verdict) == expected


def test_evidence_from_later_proves_nothing() -> None:
    """Judged for an instant before its evidence, a check has shown nothing yet."""
    verdict = judge(inputs(item("2.1.1"), **check("2.1.1")), AT - DAY)
    assert said(verdict) == ("unproven", "its evidence is from later: 2026-03-14T09:25:53+00:00")


def test_ages_beyond_all_time_do_not_end() -> None:
    """An age that no calendar holds is as good as none."""
    text = item("2.1.1", "record", max_age_days=999_999_999)
    assert judge(inputs(text, **check("2.1.1")), AT).status is Status.READY


def test_an_instant_has_a_zone() -> None:
    """A time without a zone is no instant."""
    with pytest.raises(ValueError, match="has no zone; give an aware one"):
        judge(inputs(item("2.1.1")), datetime(2026, 1, 1))  # noqa: DTZ001 - the point of it


def test_gaps_and_breaks_count_for_everything() -> None:
    """What a run could not see keeps it INCOMPLETE, what broke it NOT READY, in every scope."""
    found = inputs(item("2.1.1"), scope=Scope(kind="items", items=("2.1.1",)), **check("2.1.1"))
    assert judge(found, AT).scope_status is Status.READY
    for name, status in (("gaps", Status.INCOMPLETE), ("broken", Status.NOT_READY)):
        verdict = judge(msgspec.structs.replace(found, **{name: ("why",)}), AT)
        assert verdict.status is verdict.scope_status is status
        assert [(b.item, b.reason) for b in verdict.blockers] == [("", "why")]


def test_supporting_checks_count_where_they_were_asked_for() -> None:
    """A failing supporting check counts for its section, and for items only if it was selected."""
    claim, support = check("2.1.1"), check("", "failed")
    both = {key: claim[key] + support[key] for key in claim}
    for scope, status in (
        (Scope(), Status.NOT_READY),
        (Scope(kind="sections", sections=("security",)), Status.NOT_READY),
        (Scope(kind="items", items=("2.1.1",), sections=("security",)), Status.NOT_READY),
        (Scope(kind="items", items=("2.1.1",)), Status.READY),
    ):
        verdict = judge(inputs(item("2.1.1"), scope=scope, **both), AT)
        assert verdict.scope_status is status
        assert verdict.status is Status.NOT_READY


def test_one_item_is_found_or_not() -> None:
    """``Verdict.of`` finds items by id only."""
    with pytest.raises(KeyError, match=r"9\.9\.9"):
        judge(inputs(item("2.1.1")), AT).of("9.9.9")
