"""What becomes of each item: pure functions of :class:`Inputs` and an instant.

:mod:`pytest_rustybt_ready.verdict` sums them up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import msgspec

from pytest_rustybt_ready.canonical import digest
from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.statements import Refusal, Statement
from pytest_rustybt_ready.statements.standing import (
    Circumstances,
    Standing,
    days_after,
    signed_twice,
    standing,
    statement_order,
)
from pytest_rustybt_ready.values import (
    SEVERITY,
    CheckInfo,
    CheckResult,
    Disposition,
    Fact,
    Kind,
    ProofOutcome,
    ProofResult,
    ProofState,
    Provenance,
    Scope,
    Stage,
    Value,
)

CANNOT_FAIL = "proof failed: this check cannot fail"
RANK = {disposition: rank for rank, disposition in enumerate(SEVERITY)}


class Inputs(Value, frozen=True, kw_only=True):
    """All that a verdict depends on, but for the instant it is asked for.

    ``checks`` are the checks that were collected: a result that is missing for one of them counts
    as not run. ``broken`` lists what makes the run itself unusable, such as a changed deployment;
    ``gaps`` lists what it never got to see, such as a module that was left out. ``commit`` is empty
    when the tree differs from every commit; ``authors`` are the e-mail addresses of those who made
    it; ``refused`` are statements that do not count, with the reason.
    """

    checklist: Checklist
    stage: Stage
    scope: Scope = Scope()
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    commit: str = ""
    checks: tuple[CheckInfo, ...] = ()
    results: tuple[CheckResult, ...] = ()
    proofs: tuple[ProofResult, ...] = ()
    statements: tuple[Statement, ...] = ()
    interrupted: bool = False
    broken: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    authors: tuple[str, ...] = ()

    def newest(self, default: datetime) -> datetime:
        """Return the instant of the newest thing known: from then on a verdict only gets worse."""
        instants = [result.started for result in self.results]
        instants += [entry.at for result in self.results for entry in result.evidence]
        instants += [statement.signed_at for statement in self.statements]
        return max(instants, default=default)


class Finding(NamedTuple):
    """A disposition with its reason; findings are combined by taking the worst.

    ``expires`` is when a satisfied finding lapses by age; ``stale`` says that one has.
    """

    disposition: Disposition
    reason: str
    expires: datetime | None = None
    stale: bool = False


# Of a check that missed a signature: what is signed by now is looked up beside it and outweighs it.
LOOKED_UP = Finding(Disposition.NOT_APPLICABLE, "looked up again")


class Ran(NamedTuple):
    """All results of one check: the worst of them speaks, the evidence of all is held to age."""

    worst: CheckResult
    oldest: datetime
    newest: datetime
    provenances: frozenset[Provenance]


class Facts:
    """The inputs, indexed once, with the instant they are judged for."""

    def __init__(self, inputs: Inputs, at: datetime) -> None:
        self.inputs = inputs
        self.at = at
        self.ran = _ran(inputs.results)
        self.proofs = _by_check(inputs.proofs)
        self.checks = sorted(inputs.checks, key=lambda c: (c.check, c.section, c.items))
        self.controls: defaultdict[str, set[str]] = defaultdict(set)
        self.claims: defaultdict[str, list[CheckInfo]] = defaultdict(list)
        for check in self.checks:
            self.controls[check.check].update(check.controls)
            for item_id in check.items:
                self.claims[item_id].append(check)
        self.signatures: defaultdict[str, list[Statement]] = defaultdict(list)
        for statement in inputs.statements:
            if statement.kind == "sign-off":
                self.signatures[statement.item].append(statement)

    def proof_of(self, check: str) -> ProofState:
        """Tell whether *check* has been shown to be able to fail."""
        known = self.proofs.get(check, ())
        if any(proof.outcome is not ProofOutcome.PROVEN for proof in known):
            return ProofState.FAILED
        if not self.controls[check]:
            return ProofState.NO_CONTROL
        missing = self.controls[check] - {proof.control for proof in known}
        return ProofState.NOT_RUN if missing else ProofState.PROVEN

    def judge(self, check: str) -> Finding:
        """Judge one check by itself, whatever it claims."""
        ran = self.ran.get(check)
        if ran is None:
            return Finding(Disposition.NOT_RUN, f"{check} was not run")
        finding = Finding(Disposition(ran.worst.outcome.value), ran.worst.reason)
        broken = [p for p in self.proofs.get(check, ()) if p.outcome is not ProofOutcome.PROVEN]
        if broken and finding.disposition is not Disposition.FAILED:
            proof = min(broken, key=lambda p: (p.control, p.detail))
            return Finding(Disposition.ERROR, f"{CANNOT_FAIL} ({proof.control}: {proof.detail})")
        if finding.disposition is Disposition.PASSED and ran.newest > self.at:
            reason = f"its evidence is from later: {ran.newest.isoformat()}"
            return Finding(Disposition.UNPROVEN, reason)
        return finding

    def supporting(self) -> dict[str, Finding]:
        """Judge the checks that belong to no item, by section."""
        found: defaultdict[str, list[Finding]] = defaultdict(list)
        for check in self.checks:
            if not check.items:
                finding = self.judge(check.check)
                reason = f"supporting check {check.check}: {finding.reason}"
                found[check.section].append(finding._replace(reason=reason))
        return {key: worst(findings) for key, findings in found.items()}


class Rulings:
    """The finding on each item, with *waivers* (by item id) applied."""

    def __init__(self, facts: Facts, waivers: Mapping[str, Statement]) -> None:
        self._facts = facts
        self._checklist = facts.inputs.checklist
        self._waivers = waivers
        self._found: dict[str, Finding] = {}

    def of(self, item: Item) -> Finding:
        """Return the finding on *item*."""
        if item.id not in self._found:
            # what rests on itself finds this, and stays open
            self._found[item.id] = Finding(Disposition.NOT_RUN, "it rests on itself")
            self._found[item.id] = self._waived(item, self._bare(item))
        return self._found[item.id]

    def standing_of(self, item: Item) -> Standing:
        """Return the signature of *item* that counts, or why there is none."""
        return standing(item, self._facts.signatures[item.id], self._circumstances)

    def _bare(self, item: Item) -> Finding:
        if item.derives:
            return self._derived(item)
        return self._parent(item) if self._checklist.children(item) else self._leaf(item)

    def _leaf(self, item: Item) -> Finding:
        facts = self._facts.inputs.facts
        if item.applies is not None and not item.applies.applies(facts):
            return Finding(Disposition.NOT_APPLICABLE, f"applies only if {item.applies}")
        parts = []
        if item.automated or self._facts.claims[item.id]:
            parts.append(self._checked(item))
        if Kind.SIGNED in item.kinds:
            parts.append(self._signed(item))
        return worst(parts)

    def _parent(self, item: Item) -> Finding:
        children = {child.id: self.of(child) for child in self._checklist.children(item)}
        parts = list(children.values())
        if self._facts.claims[item.id]:
            parts.append(self._checked(item))
        found = worst(parts)
        if found.disposition.satisfied:
            return found
        guilty = [child for child, f in children.items() if f[:2] == found[:2]]
        return found._replace(reason=f"{guilty[0]}: {found.reason}") if guilty else found

    def _derived(self, item: Item) -> Finding:
        """Judge what rests on others: on all that block at this item's own stage."""
        stage = max(self._facts.inputs.stage, item.stage, key=lambda stage: stage.rank)
        below = {i.id: i for prefix in item.derives for i in self._checklist.under(prefix)}
        needed = [i for i in below.values() if not i.optional and stage.reaches(i.stage)]
        open_ = [i for i in needed if not self.of(i).disposition.satisfied]
        parts = [self._checked(item)] if self._facts.claims[item.id] else []
        if not needed:
            parts.append(Finding(Disposition.NOT_RUN, "it rests on no item at all"))
        elif open_:
            parts.append(self._open(open_))
        else:
            reason = f"satisfied, as is all that it rests on: {_items(len(needed))}"
            expiries = [e for i in needed if (e := self.of(i).expires) is not None]
            parts.append(Finding(Disposition.PASSED, reason, min(expiries, default=None)))
        return worst(parts)

    def _open(self, items: Sequence[Item]) -> Finding:
        named = ", ".join(item.id for item in items[:5]) + (", …" if len(items) > 5 else "")
        broken = any(self.of(item).disposition.breaks for item in items)
        disposition = Disposition.FAILED if broken else Disposition.NOT_RUN
        return Finding(disposition, f"it rests on {_items(len(items))} still open: {named}")

    def _checked(self, item: Item, *, bare: bool = False) -> Finding:
        claims = self._facts.claims[item.id]
        if not claims:
            asked = in_scope(self._facts.inputs, item)
            reason = "no check claims this item" if asked else "not part of what this run judged"
            return Finding(Disposition.NOT_RUN, reason)
        judge = self._facts_of if bare else self._judged
        return worst([judge(item, check.check) for check in claims])

    def _facts_of(self, item: Item, check: str) -> Finding:
        finding = self._facts.judge(check)
        passed = finding.disposition is Disposition.PASSED
        return self._supported(item, self._facts.ran[check]) if passed else finding

    def _judged(self, item: Item, check: str) -> Finding:
        finding = self._facts_of(item, check)
        if item.or_signed and self._facts.judge(check).disposition is Disposition.UNPROVEN:
            signed = self._signed(item)
            return signed if signed.disposition is Disposition.SIGNED else finding
        missed = finding.disposition is Disposition.AWAITING
        return LOOKED_UP if missed and {Kind.SIGNED, Kind.DERIVED} & {*item.kinds} else finding

    def _supported(self, item: Item, ran: Ran) -> Finding:
        """Hold a passed result to what its stage asks of evidence: age, provenance, proof."""
        expires = None
        if item.max_age_days is not None and item.automated:
            expires = days_after(ran.oldest, item.max_age_days)
            if self._facts.at >= expires:
                reason = f"stale: its evidence is older than {item.max_age_days} days"
                return Finding(Disposition.UNPROVEN, reason, stale=True)
        doubt = self._doubt_at_production(item, ran)
        if doubt:
            return Finding(Disposition.UNPROVEN, doubt)
        return Finding(Disposition.PASSED, ran.worst.reason, expires)

    def _doubt_at_production(self, item: Item, ran: Ran) -> str:
        if not self._facts.inputs.stage.reaches(Stage.PRODUCTION):
            return ""
        unreal = ran.provenances - {Provenance.REAL}
        if unreal and Kind.RECORD in item.kinds:
            return f"a {min(unreal)} record never counts at production"
        state = self._facts.proof_of(ran.worst.check)
        return "" if state is ProofState.PROVEN else f"{ran.worst.check} is not proven: {state}"

    def _signed(self, item: Item) -> Finding:
        found = self.standing_of(item)
        disposition = Disposition.SIGNED if found.best else Disposition.AWAITING
        return Finding(disposition, found.reason, found.lapses, stale=found.lapsed)

    @cached_property
    def _circumstances(self) -> Circumstances:
        """What signatures are held to; the same for all items of one judgement."""
        inputs, at = self._facts.inputs, self._facts.at
        four_eyes = frozenset(item.id for item in self._checklist.items if item.four_eyes)
        signatures = (s for s in inputs.statements if s.kind == "sign-off")
        refused: defaultdict[str, list[str]] = defaultdict(list)
        for refusal in sorted(inputs.refused, key=lambda r: (r.file, r.reason)):
            refused[refusal.item].append(f"{refusal.file}: {refusal.reason}")
        return Circumstances(
            at=at,
            commit=inputs.commit,
            authors=frozenset(author.casefold() for author in inputs.authors),
            twice=signed_twice(signatures, four_eyes, at, inputs.commit),
            results=self.results() if inputs.scope.kind == "whole" else None,
            refused=refused,
        )

    def results(self) -> str:
        """Return the digest of what the checks say of each item, whatever anybody signed.

        An approval is bound to it: another outcome of any item makes it another release. What
        people sign again and again (the daily review) is none of it, whatever is on record.
        """
        leaves = [i for i in self._checklist.items if i.automated]
        found = {i.id: Disposition.NOT_RUN for i in leaves}
        bound = (i for i in leaves if Kind.SIGNED not in i.kinds)
        found |= {i.id: self._checked(i, bare=True).disposition for i in bound}
        return digest({"commit": self._facts.inputs.commit, "items": found})

    def _waived(self, item: Item, finding: Finding) -> Finding:
        waiver = self._waivers.get(item.id)
        if waiver is None or finding.disposition.satisfied:
            return finding
        until = f"until {waiver.expires_at:%Y-%m-%d} by {waiver.signer} as {waiver.role}"
        still = f"still {finding.disposition}: {finding.reason}"
        reason = f"waived {until}: {waiver.reason} ({still})"
        return Finding(Disposition.WAIVED, reason, waiver.ends_at)


class Waivers:
    """The waivers that count, and those that may be used: none at all above the ceiling."""

    def __init__(self, inputs: Inputs, at: datetime) -> None:
        items = {item.id for item in inputs.checklist.items if item.waivable}
        signed = [s for s in inputs.statements if s.signed_at <= at and s.item in items]
        sound = sorted((s for s in signed if s.may_waive), key=statement_order)
        # One that has run out meanwhile still counts: time alone must not bring a verdict back
        # under the ceiling. A run is given those in force when it begins.
        self.counted = {s.item for s in sound}
        self.ceiling = inputs.checklist.max_waivers
        self.usable = {s.item: s for s in sound if s.holds(at)} if not self.too_many else {}

    @property
    def too_many(self) -> bool:
        """Whether more items are waived than the checklist allows."""
        return len(self.counted) > self.ceiling


def worst(findings: Sequence[Finding]) -> Finding:
    """Return the worst finding, of equal ones the first by reason, with the first expiry of all."""
    found = min(findings, key=lambda f: (RANK[f.disposition], f.reason))
    if found.disposition.satisfied:
        expiries = [f.expires for f in findings if f.expires is not None]
        return found._replace(expires=min(expiries, default=None))
    stale = all(f.stale for f in findings if not f.disposition.satisfied)
    return found._replace(stale=stale)


def blocks(inputs: Inputs, item: Item) -> bool:
    """Tell whether *item* decides at the stage that is judged."""
    return not item.optional and inputs.stage.reaches(item.stage)


def covers_section(scope: Scope, key: str) -> bool:
    """Tell whether the supporting checks of the section called *key* are part of *scope*."""
    return scope.kind == "whole" or key in scope.sections


def in_scope(inputs: Inputs, item: Item) -> bool:
    """Tell whether the run was asked about *item*."""
    scope = inputs.scope
    if scope.kind == "items":
        return item.id in scope.items or item.parent in scope.items
    return covers_section(scope, inputs.checklist.section_of(item).key)


def _ran(results: Iterable[CheckResult]) -> dict[str, Ran]:
    grouped: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for result in results:
        grouped[result.check].append(result)
    return {check: _ran_of(found) for check, found in grouped.items()}


def _ran_of(results: Sequence[CheckResult]) -> Ran:
    entries = [entry for result in results for entry in result.evidence]
    instants = [*(r.started for r in results), *(entry.at for entry in entries)]
    return Ran(
        worst=min(results, key=_result_order),
        oldest=min(instants),
        newest=max(instants),
        provenances=frozenset(entry.provenance for entry in entries),
    )


def _result_order(result: CheckResult) -> tuple[int, datetime, str, str]:
    severity = RANK[Disposition(result.outcome.value)]
    return (severity, result.started, result.reason, result.remedy)


def _by_check(proofs: Iterable[ProofResult]) -> dict[str, list[ProofResult]]:
    grouped: dict[str, list[ProofResult]] = {}
    for proof in proofs:
        grouped.setdefault(proof.check, []).append(proof)
    return grouped


def _items(count: int) -> str:
    return f"{count} item{'s' * (count != 1)}"
