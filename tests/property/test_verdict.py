"""The verdict, for any checklist, results, proofs, statements and instants."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pytest_rustybt_ready.canonical import to_bytes
from pytest_rustybt_ready.checklist import Checklist, Item, Predicate, Section
from pytest_rustybt_ready.rules import RANK
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Disposition,
    EvidenceEntry,
    Kind,
    Outcome,
    ProofOutcome,
    ProofResult,
    ProofState,
    Provenance,
    Scope,
    Stage,
)
from pytest_rustybt_ready.verdict import Inputs, Status, Verdict, judge

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
STATUSES = (Status.NOT_READY, Status.INCOMPLETE, Status.READY)  # from worst to best
LEAVES = ("1.1.1", "1.1.2", "2.1.1", "3.1.1.1", "3.1.1.2")
PARENT, SIGNED, DERIVED = "3.1.1", "2.2.1", "4.1.1"
ALL = (*LEAVES, PARENT, SIGNED, DERIVED)
CHECKS = {f"{item}-{n}": item for item in LEAVES for n in "ab"} | {"support": ""}
SECTIONS = tuple(
    Section(number=n, key=key, title=key, subsections={f"{n}.1": "one", f"{n}.2": "two"})
    for n, key in ((1, "testing"), (2, "security"), (3, "performance"), (4, "sign_off"))
)

stages = st.sampled_from([Stage.DEV, Stage.DEV, Stage.DEV, Stage.STAGING, Stage.PRODUCTION])
flags = st.integers(0, 63)
# one draw for each item: its traits (see item), its kind and its stage (mostly dev)
traits = st.integers(0, 64 * 3 * 6 - 1)
KINDS = (Kind.CODE, Kind.RECORD, Kind.HOST)
STAGES = (*[Stage.DEV] * 4, Stage.STAGING, Stage.PRODUCTION)
# What differs from a good result of a check: outcome, age in days, provenance; None: no result.
# Nearly all are good, or no verdict would ever be READY.
GOOD = (Outcome.PASSED, 1, "real")
deviations = st.sampled_from(
    [
        *[(outcome, 2, "real") for outcome in Outcome],
        (Outcome.PASSED, 29, "real"),
        (Outcome.PASSED, 31, "real"),
        (Outcome.PASSED, 3, "practice"),
        None,
    ]
)
names = st.sampled_from(list(CHECKS))
seen_otherwise = st.lists(st.tuples(names, deviations), max_size=3)
# some checks have a second result, as one whose teardown fails
seen_again = st.lists(st.tuples(names, deviations), max_size=1)
shown_otherwise = st.lists(
    st.tuples(names, st.sampled_from([ProofOutcome.CANNOT_FAIL, ProofOutcome.ERROR, None])),
    max_size=1,
)
# kind, item, days ago, lasts days, what is wrong with it
statements = st.tuples(
    st.sampled_from(["sign-off", "waiver"]),
    st.sampled_from([*[SIGNED] * 8, *ALL]),
    st.sampled_from([1, 1, 1, -2, 29, 60]),
    st.integers(1, 120),
    st.sampled_from([*["nothing"] * 20, "role", "reason", "measure", "commit"]),
)
given_traits = st.lists(traits, min_size=5, max_size=5)
given_statements = st.lists(statements, max_size=3)
scopes = st.sampled_from(
    [
        Scope(),
        Scope(kind="sections", sections=("testing",)),
        Scope(kind="items", items=("2.1.1", PARENT)),
    ]
)


# stage, traits of the signed item and of the controls, which checks there are, the ceiling of
# waivers, scope, fact, commit
frames = st.tuples(
    stages,
    flags,
    st.sampled_from([2047, 2047, 2047, 1023, 1365]),
    st.integers(0, 2),
    scopes,
    st.booleans(),
    st.sampled_from(["commit", "commit", ""]),
)


def drawn_item(item_id: str, drawn: int) -> Item:
    """Return the item that *drawn*, one of ``traits``, stands for."""
    rest, bits = divmod(drawn, 64)
    stage, kind = divmod(rest, 3)
    return item(item_id, STAGES[stage], KINDS[kind], bits)


def item(item_id: str, stage: Stage, kind: Kind, bits: int) -> Item:
    """Return an item; *bits* switch its traits."""
    return Item(
        id=item_id,
        text="t",
        kinds=(kind, Kind.SIGNED) if bits & 48 == 48 else (kind,),
        stage=stage,
        how="h",
        fails=("f",),
        remedy="r",
        role="lead",
        max_age_days=30 if bits & 1 or kind is Kind.RECORD else None,
        waivable=bits & 6 != 6,
        optional=bits & 24 == 24,
        or_signed=bits & 48 == 16,
        lapses_with_commit=bits & 12 == 12,
        applies=Predicate(fact="on") if bits & 40 == 40 else None,
    )


def checklist(drawn: list[int], signed: Item, most: int) -> Checklist:
    """Return a checklist of leaves, a parent, a signed and a derived item."""
    leaves = [drawn_item(item_id, trait) for item_id, trait in zip(LEAVES, drawn, strict=True)]
    parent = item(PARENT, leaves[3].stage, Kind.CODE, 0)
    derived = msgspec.structs.replace(
        item(DERIVED, Stage.DEV, Kind.DERIVED, 0), derives=("1", "2", "3"), fails=()
    )
    items = sorted([*leaves, parent, signed, derived], key=lambda found: found.order)
    return Checklist(
        title="t", version="1", sections=SECTIONS, items=tuple(items), max_waivers=most
    )


def result(check: str, outcome: Outcome, days: int, provenance: str) -> CheckResult:
    """Return a result with evidence of which the oldest is *days* old."""
    when = AT - timedelta(days=days)
    new = EvidenceEntry(kind="record", name="new", observed="1", at=AT - timedelta(minutes=1))
    old = EvidenceEntry(
        kind="record", name="old", observed="1", at=when, provenance=Provenance(provenance)
    )
    started = AT - timedelta(hours=1)
    return CheckResult(check=check, outcome=outcome, started=started, evidence=(new, old))


def statement(kind: Any, item_id: str, days: int, lasts: int, wrong: str) -> Statement:
    """Return a statement."""
    signed_at = AT - timedelta(days=days)
    return Statement(
        kind=kind,
        item=item_id,
        signer="Ada",
        role="guest" if wrong == "role" else "lead",
        signed_at=signed_at,
        expires_at=signed_at + timedelta(days=lasts),
        reason="" if wrong == "reason" else "because",
        measure=" " if wrong == "measure" else "instead",
        commit="other" if wrong == "commit" else "commit",
    )


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    """Draw inputs in which each leaf has up to two checks, most of them with a control."""
    drawn = draw(given_traits)
    stage, bits, there, most, scope, fact, commit = draw(frames)
    signed = item(SIGNED, STAGES[bits % 6], Kind.SIGNED, bits & 15)
    known = [name for n, name in enumerate(CHECKS) if there >> n & 1]
    seen: dict[str, Any] = dict.fromkeys(known, GOOD) | dict(draw(seen_otherwise))
    results = [*seen.items(), *draw(seen_again)]
    shown: dict[str, ProofOutcome | None] = dict.fromkeys(known, ProofOutcome.PROVEN)
    shown |= dict(draw(shown_otherwise))
    checks = [
        CheckInfo(
            check=name,
            section=SECTIONS[int(CHECKS[name][0]) - 1].key if CHECKS[name] else "security",
            items=(CHECKS[name],) if CHECKS[name] else (),
            controls=("c",) if bits >> (n % 6) & 1 else (),
        )
        for n, name in enumerate(known)
    ]
    return Inputs(
        checklist=checklist(drawn, signed, most),
        stage=stage,
        scope=scope,
        facts={"on": fact},
        commit=commit,
        checks=tuple(checks),
        results=tuple(result(name, *how) for name, how in results if how),
        proofs=tuple(
            ProofResult(check=name, control="c", outcome=outcome, at=AT)
            for name, outcome in shown.items()
            if outcome
        ),
        statements=tuple(statement(*s) for s in draw(given_statements)),
        interrupted=bits == 63,
    )


def satisfied(verdict: Verdict) -> set[str]:
    """Return the ids of the satisfied items."""
    return {found.id for found in verdict.items if found.disposition.satisfied}


def no_better(new: Verdict, old: Verdict) -> None:
    """Hold that nothing in *new* is better than in *old*."""
    assert STATUSES.index(new.status) <= STATUSES.index(old.status)
    assert STATUSES.index(new.scope_status) <= STATUSES.index(old.scope_status)
    assert satisfied(new) <= satisfied(old)


@given(inputs(), st.integers(0, 2**32))
def test_order_and_form_do_not_matter(given_inputs: Inputs, seed: int) -> None:
    """Shuffled, doubled or sent through JSON, the same inputs give the same bytes."""
    verdict = to_bytes(judge(given_inputs, AT))
    shuffle = random.Random(seed)  # noqa: S311 - an order, not a secret
    names = ("checks", "results", "proofs", "statements")
    mixed = {}
    for name in names:
        values = list(getattr(given_inputs, name))
        values += values[:1] if name != "statements" else []
        shuffle.shuffle(values)
        mixed[name] = tuple(values)
    if given_inputs.proofs:
        worse = msgspec.structs.replace(given_inputs.proofs[0], outcome=ProofOutcome.ERROR)
        two = (worse, *given_inputs.proofs), (*given_inputs.proofs, worse)
        one, other = (msgspec.structs.replace(given_inputs, proofs=proofs) for proofs in two)
        assert judge(one, AT) == judge(other, AT)
    assert to_bytes(judge(msgspec.structs.replace(given_inputs, **mixed), AT)) == verdict
    again = msgspec.json.decode(msgspec.json.encode(given_inputs), type=Inputs)
    assert again == given_inputs
    assert to_bytes(judge(again, AT)) == verdict


@given(inputs())
def test_a_verdict_adds_up(given_inputs: Inputs) -> None:
    """Each item has one disposition, sums agree, and each part follows from those below it."""
    verdict = judge(given_inputs, AT)
    found = {v.id: v for v in verdict.items}
    assert len(found) == len(verdict.items) == len(ALL)
    assert sum(verdict.counts.values()) == 6
    assert sum(verdict.sub_item_counts.values()) == 2
    for name in Disposition:
        assert verdict.counts[name] == sum(section.counts[name] for section in verdict.sections)
    open_ = {v.id for v in verdict.items if v.blocking and not v.disposition.satisfied}
    assert {b.item for b in verdict.blockers if b.item} == open_
    blocking = [v for v in verdict.items if v.blocking]
    ready = bool(blocking) and not verdict.blockers and not given_inputs.interrupted
    assert (verdict.status is Status.READY) is ready
    _rules_hold(given_inputs, found)
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict


def _rules_hold(given_inputs: Inputs, found: dict[str, Any]) -> None:
    """Hold that parents, derived, signed, aged and production items are what the rules say."""
    parts = [RANK[found[child].disposition] for child in ("3.1.1.1", "3.1.1.2")]
    if found[PARENT].disposition is not Disposition.WAIVED:
        assert RANK[found[PARENT].disposition] == min(parts)
    reach = max(given_inputs.stage, Stage.DEV, key=lambda stage: stage.rank)
    below = [i for i in given_inputs.checklist.items if i.id != DERIVED and not i.optional]
    rests_on = [found[i.id].disposition.satisfied for i in below if reach.reaches(i.stage)]
    if found[DERIVED].disposition is Disposition.PASSED:
        assert rests_on
        assert all(rests_on)
    roles = {s.item for s in given_inputs.statements if s.role == "lead" and s.kind == "sign-off"}
    assert {v.id for v in found.values() if v.disposition is Disposition.SIGNED} <= roles | {PARENT}
    production = given_inputs.stage.reaches(Stage.PRODUCTION)
    for checked in given_inputs.checklist.items:
        verdict = found[checked.id]
        if verdict.disposition is not Disposition.PASSED or not verdict.checks:
            continue
        seen = [r for r in given_inputs.results if r.check in verdict.checks]
        assert {r.outcome for r in seen if r.check} == {Outcome.PASSED} or checked.or_signed
        entries = [e for r in seen for e in r.evidence if r.outcome is Outcome.PASSED]
        if checked.max_age_days is not None:
            assert min(e.at for e in entries) > AT - timedelta(days=checked.max_age_days)
        assert verdict.proof is not ProofState.FAILED
        if production:
            assert verdict.proof is ProofState.PROVEN
            assert {e.provenance for e in entries} == {"real"} or Kind.RECORD not in checked.kinds


harms = st.sampled_from(["failed", "error", "proof", "broken", "gap", "interrupted", "not run"])


@given(inputs(), harms, st.sampled_from(list(CHECKS)))
def test_bad_news_never_helps(given_inputs: Inputs, harm: str, check: str) -> None:
    """Another failure makes nothing better, and losing a result never makes a run READY."""
    before = judge(given_inputs, AT)
    change: dict[str, Any]
    if harm in ("failed", "error", "not run"):
        more = result(check, Outcome(harm), 0, "real")
        change = {"results": (*given_inputs.results, more)}
    elif harm == "proof":
        more_proof = ProofResult(check=check, control="d", outcome=ProofOutcome.CANNOT_FAIL, at=AT)
        change = {"proofs": (*given_inputs.proofs, more_proof)}
    elif harm == "interrupted":
        change = {"interrupted": True}
    else:
        change = {"broken" if harm == "broken" else "gaps": ("something",)}
    after = judge(msgspec.structs.replace(given_inputs, **change), AT)
    no_better(after, before)
    for new, old in zip(after.items, before.items, strict=True):
        assert RANK[new.disposition] <= RANK[old.disposition]
    assert harm not in ("broken", "gap", "interrupted") or after.status is not Status.READY
    kept = tuple(r for r in given_inputs.results if r.check != check)
    without = judge(msgspec.structs.replace(given_inputs, results=kept), AT)
    assert satisfied(without) <= satisfied(before)
    assert without.status is not Status.READY or before.status is Status.READY
    assert without.scope_status is not Status.READY or before.scope_status is Status.READY


@given(inputs(), st.integers(0, 100), st.integers(0, 100))
def test_time_never_helps(given_inputs: Inputs, first: int, more: int) -> None:
    """Judged again later, nothing is better; what was to lapse has lapsed on the instant."""
    start = given_inputs.newest(AT)
    early = judge(given_inputs, start + timedelta(days=first))
    late = judge(given_inputs, start + timedelta(days=first + more))
    no_better(late, early)
    if early.lapses:
        lapse = early.lapses[0]
        assert early.valid_until == lapse.at > early.at
        assert judge(given_inputs, lapse.at - timedelta(microseconds=1)).status is early.status
        gone = judge(given_inputs, lapse.at)
        # a longer waiver may take the place of what lapses, and satisfy what rests on it
        if not any(s.kind == "waiver" for s in given_inputs.statements):
            assert satisfied(gone).isdisjoint(lapse.items)


unsound = st.sampled_from(["expired", "not yet", "reason", "measure", "too long", "not waivable"])


@given(inputs(), unsound, st.sampled_from(ALL))
def test_waivers_excuse_only_what_they_may(given_inputs: Inputs, flaw: str, item_id: str) -> None:
    """Expired or incomplete waivers do nothing; a sound one excuses its item, up to the ceiling."""
    bare = msgspec.structs.replace(
        given_inputs, statements=tuple(s for s in given_inputs.statements if s.kind != "waiver")
    )
    plain = judge(bare, AT)
    bad = {
        "expired": statement("waiver", item_id, 60, 60, ""),
        "not yet": statement("waiver", item_id, -1, 60, ""),
        "reason": statement("waiver", item_id, 1, 60, "reason"),
        "measure": statement("waiver", item_id, 1, 60, "measure"),
        "too long": statement("waiver", item_id, 1, 91, ""),
        "not waivable": statement("waiver", "9.9.9", 1, 60, ""),
    }[flaw]
    useless = judge(msgspec.structs.replace(bare, statements=(*bare.statements, bad)), AT)
    assert satisfied(useless) == satisfied(plain)
    # one that ran out still counts towards the ceiling
    assert useless.status is plain.status or flaw == "expired"
    good = statement("waiver", item_id, 1, 60, "")
    waived = judge(msgspec.structs.replace(bare, statements=(*bare.statements, good)), AT)
    waivable = {i.id for i in bare.checklist.items if i.waivable}
    if item_id not in waivable:
        assert waived == plain
    elif bare.checklist.max_waivers == 0:
        assert satisfied(waived) == satisfied(plain)
        assert waived.status is Status.NOT_READY
    elif plain.of(item_id).disposition.satisfied:
        assert waived == plain
    else:
        assert waived.of(item_id).disposition is Disposition.WAIVED
        assert waived.of(item_id).underlying is plain.of(item_id).disposition
    own = [v for v in judge(given_inputs, AT).items if v.underlying is not None]
    assert all(v.disposition is Disposition.WAIVED for v in own)
    # a parent is waived as its child is; only what was itself soundly waived counts
    asked = {s.item for s in given_inputs.statements if s.may_waive and s.holds(AT)} & waivable
    assert len({v.id for v in own} & asked) <= given_inputs.checklist.max_waivers
