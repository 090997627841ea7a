"""The verdict: a pure function of checklist, results, proofs, statements and an instant.

Nothing here reads a clock, a file or the environment. The same inputs give the same verdict, in any
order, offline, and for any instant asked about.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.values import (
    SEVERITY,
    CheckInfo,
    CheckResult,
    Disposition,
    Fact,
    Kind,
    Outcome,
    ProofOutcome,
    ProofResult,
    ProofState,
    Provenance,
    Scope,
    Stage,
    Value,
)

CANNOT_FAIL = "proof failed: this check cannot fail"


class Status(enum.StrEnum):
    """What a verdict says of the whole, of a section, or of a run's scope."""

    READY = "READY"
    INCOMPLETE = "INCOMPLETE"
    NOT_READY = "NOT READY"


class Exit(enum.IntEnum):
    """Exit codes of a readiness run. 2 to 5 keep the meaning that pytest gives them."""

    READY = 0
    NOT_READY = 1
    INTERRUPTED = 2
    INTERNAL_ERROR = 3
    USAGE_ERROR = 4
    NOTHING_COLLECTED = 5
    INCOMPLETE = 6
    REPORT_ERROR = 7

    @classmethod
    def of(cls, status: Status) -> Exit:
        """Return the exit code for *status*."""
        return cls[status.name]


class Inputs(Value, frozen=True, kw_only=True):
    """All that a verdict depends on, but for the instant it is asked for.

    ``checks`` are the checks that were collected: a result that is missing for one of them counts
    as not run. ``broken`` lists what makes the run itself unusable, such as a changed deployment.
    """

    checklist: Checklist
    stage: Stage
    scope: Scope = Scope()
    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    checks: tuple[CheckInfo, ...] = ()
    results: tuple[CheckResult, ...] = ()
    proofs: tuple[ProofResult, ...] = ()
    statements: tuple[Statement, ...] = ()
    interrupted: bool = False
    broken: tuple[str, ...] = ()


class ItemVerdict(Value, frozen=True, kw_only=True):
    """What became of one item, and why.

    ``blocking`` items decide; ``underlying`` is what a waived item would be without its waiver;
    ``expires`` is when a satisfied item lapses by age; ``stale`` says that it has.
    """

    id: str
    disposition: Disposition
    reason: str
    blocking: bool
    in_scope: bool
    proof: ProofState
    checks: tuple[str, ...] = ()
    underlying: Disposition | None = None
    expires: datetime | None = None
    stale: bool = False


class SectionVerdict(Value, frozen=True, kw_only=True):
    """A section's status over its blocking items, and how many items have each disposition."""

    key: str
    number: int
    status: Status
    counts: dict[str, int]
    items: int
    satisfied: int
    blocking: int
    blockers: int


class Blocker(Value, frozen=True, kw_only=True):
    """Something between the run and READY. ``item`` is empty where a section or the run blocks."""

    item: str
    section: str
    disposition: Disposition
    reason: str
    remedy: str


class Lapse(Value, frozen=True, kw_only=True):
    """The instant at which some satisfied items stop being so."""

    at: datetime
    items: tuple[str, ...]


class Verdict(Value, frozen=True, kw_only=True):
    """The judgement of the whole and of each part.

    ``status`` speaks of the whole checklist at ``stage``; ``scope_status`` only of what was asked.
    ``counts`` are over the items proper (sub-items are counted in ``sub_item_counts``).
    """

    status: Status
    scope_status: Status
    stage: Stage
    at: datetime
    valid_until: datetime | None
    counts: dict[str, int]
    sub_item_counts: dict[str, int]
    sections: tuple[SectionVerdict, ...]
    items: tuple[ItemVerdict, ...]
    blockers: tuple[Blocker, ...]
    lapses: tuple[Lapse, ...]

    def of(self, item_id: str) -> ItemVerdict:
        """Return the verdict on one item; raise KeyError for an unknown id."""
        for item in self.items:
            if item.id == item_id:
                return item
        raise KeyError(item_id)


class Finding(NamedTuple):
    """A disposition with its reason; findings are combined by taking the worst."""

    disposition: Disposition
    reason: str
    expires: datetime | None = None
    stale: bool = False


def judge(inputs: Inputs, at: datetime) -> Verdict:
    """Judge *inputs* as of the instant *at* (aware)."""
    judgement = _Judgement(inputs, at)
    items = judgement.items()
    blocking = [item for item in items if item.blocking]
    broken = judgement.broken()
    sections = judgement.sections(items)
    status = _status(
        blocking, [*broken, *judgement.supporting.values()], interrupted=inputs.interrupted
    )
    scoped = [item for item in blocking if item.in_scope]
    support = [f for key, f in judgement.supporting.items() if judgement.covers_section(key)]
    lapses = _lapses(blocking)
    parents = {item.id for item in inputs.checklist.items if item.parent is None}
    return Verdict(
        status=status,
        scope_status=_status(scoped, [*broken, *support], interrupted=inputs.interrupted),
        stage=inputs.stage,
        at=at,
        valid_until=lapses[0].at if lapses else None,
        counts=_counts(item for item in items if item.id in parents),
        sub_item_counts=_counts(item for item in items if item.id not in parents),
        sections=sections,
        items=items,
        blockers=judgement.blockers(items, broken),
        lapses=lapses,
    )


class _Judgement:
    """The inputs, indexed, and the instant; one method for each part of the verdict."""

    def __init__(self, inputs: Inputs, at: datetime) -> None:
        self.inputs = inputs
        self.at = at
        self.checklist = inputs.checklist
        self.results = _by_check(inputs.results)
        self.proofs = _group(inputs.proofs)
        self.claims: dict[str, list[CheckInfo]] = defaultdict(list)
        for check in sorted(inputs.checks, key=lambda check: check.check):
            for item_id in check.items:
                self.claims[item_id].append(check)
        self.waivers = self._waivers()
        self.supporting = self._supporting()

    def items(self) -> tuple[ItemVerdict, ...]:
        """Judge every item; derived ones last, since they look at the others."""
        found: dict[str, Finding] = {}
        leaves = [item for item in self.checklist.items if not self.checklist.children(item)]
        for item in sorted(leaves, key=lambda item: bool(item.derives)):
            found[item.id] = self._derived(item, found) if item.derives else self._leaf(item)
        for item in self.checklist.items:
            if item.id not in found:
                found[item.id] = self._parent(item, found)
        return tuple(self._item_verdict(item, found[item.id]) for item in self.checklist.items)

    def sections(self, items: Sequence[ItemVerdict]) -> tuple[SectionVerdict, ...]:
        """Sum the items up by section."""
        by_id = {item.id: item for item in items}
        return tuple(
            self._section(section.key, section.number, [by_id[i.id] for i in members])
            for section in self.checklist.sections
            if (members := self.checklist.items_of(section))
        )

    def covers_section(self, key: str) -> bool:
        """Tell whether the run was asked about the section called *key*."""
        scope = self.inputs.scope
        return scope.kind == "whole" or key in scope.sections

    def broken(self) -> list[Finding]:
        """Return what makes the run as a whole unusable."""
        found = [Finding(Disposition.ERROR, reason) for reason in sorted(self.inputs.broken)]
        waived, ceiling = len(self.waivers), self.checklist.max_waivers
        if waived > ceiling:
            reason = f"{waived} items are waived; the checklist allows {ceiling}"
            found.append(Finding(Disposition.FAILED, reason))
        return found

    def blockers(
        self, items: Sequence[ItemVerdict], broken: Sequence[Finding]
    ) -> tuple[Blocker, ...]:
        """List what stands between the run and READY, the worst first."""
        listed = [_general_blocker("", finding) for finding in broken]
        support = sorted(self.supporting.items())
        listed += [_general_blocker(key, f) for key, f in support if not f.disposition.satisfied]
        open_ = [v for v in items if v.blocking and not v.disposition.satisfied]
        listed += [self._blocker(verdict) for verdict in open_]
        return tuple(sorted(listed, key=lambda b: SEVERITY.index(b.disposition)))

    # -- one item ---------------------------------------------------------------------------

    def _leaf(self, item: Item) -> Finding:
        if item.applies is not None and not item.applies.applies(self.inputs.facts):
            return Finding(Disposition.NOT_APPLICABLE, f"applies only if {item.applies}")
        parts = []
        if item.automated:
            parts.append(self._checked(item))
        if Kind.SIGNED in item.kinds:
            parts.append(self._signed(item))
        return self._waived(item, _worst(parts))

    def _parent(self, item: Item, found: Mapping[str, Finding]) -> Finding:
        parts = [found[child.id] for child in self.checklist.children(item)]
        if self.claims[item.id]:
            parts.append(self._checked(item))
        worst = _worst(parts)
        if not worst.disposition.satisfied:
            guilty = [c.id for c in self.checklist.children(item) if found[c.id] == worst]
            named = f"{guilty[0]}: {worst.reason}" if guilty else worst.reason
            worst = worst._replace(reason=named)
        return self._waived(item, worst)

    def _derived(self, item: Item, found: Mapping[str, Finding]) -> Finding:
        needed = [i for prefix in item.derives for i in self.checklist.under(prefix)]
        open_ = [i.id for i in needed if self._blocks(i) and not self._satisfied(i, found)]
        if not open_:
            return Finding(Disposition.PASSED, f"all {len(needed)} items it rests on are satisfied")
        named = ", ".join(open_[:5]) + (", …" if len(open_) > 5 else "")
        broken = any(i in found and found[i].disposition.breaks for i in open_)
        disposition = Disposition.FAILED if broken else Disposition.NOT_RUN
        return Finding(disposition, f"{len(open_)} items it rests on are open: {named}")

    def _satisfied(self, item: Item, found: Mapping[str, Finding]) -> bool:
        children = self.checklist.children(item)
        if children:
            return self._parent(item, found).disposition.satisfied
        return item.id in found and found[item.id].disposition.satisfied

    def _checked(self, item: Item) -> Finding:
        claims = self.claims[item.id]
        if not claims:
            asked = self._in_scope(item)
            reason = "no check claims this item" if asked else "not part of what this run judged"
            return Finding(Disposition.NOT_RUN, reason)
        return _worst([self._check(item, check.check) for check in claims])

    def _check(self, item: Item, check: str) -> Finding:
        result = self.results.get(check)
        if result is None:
            return Finding(Disposition.NOT_RUN, f"{check} was not run")
        finding = Finding(Disposition(result.outcome.value), result.reason)
        broken = [p for p in self.proofs[check] if p.outcome is not ProofOutcome.PROVEN]
        if broken and finding.disposition is not Disposition.FAILED:
            proof = min(broken, key=lambda p: p.control)
            return Finding(Disposition.ERROR, f"{CANNOT_FAIL} ({proof.control}: {proof.detail})")
        if result.outcome is not Outcome.PASSED:
            return finding
        return self._supported(item, result)

    def _supported(self, item: Item, result: CheckResult) -> Finding:
        """Hold a passed result to what its stage asks of evidence: age, provenance, proof."""
        if result.started > self.at:
            return Finding(Disposition.UNPROVEN, f"its evidence is from later: {result.started}")
        expires = None
        if item.max_age_days is not None:
            oldest = min([result.started, *(entry.at for entry in result.evidence)])
            expires = oldest + timedelta(days=item.max_age_days)
            if self.at >= expires:
                reason = f"stale: its evidence is older than {item.max_age_days} days"
                return Finding(Disposition.UNPROVEN, reason, stale=True)
        if self.inputs.stage.reaches(Stage.PRODUCTION):
            doubt = self._doubt_at_production(item, result)
            if doubt:
                return Finding(Disposition.UNPROVEN, doubt)
        return Finding(Disposition.PASSED, result.reason, expires)

    def _doubt_at_production(self, item: Item, result: CheckResult) -> str:
        if Kind.RECORD in item.kinds:
            kinds = {entry.provenance for entry in result.evidence} - {Provenance.REAL}
            if kinds:
                return f"a {min(kinds)} record never counts at production"
        state = self._proof_of(result.check)
        return "" if state is ProofState.PROVEN else f"{result.check} is not proven: {state}"

    def _signed(self, item: Item) -> Finding:
        statements = [s for s in self.inputs.statements if s.item == item.id]
        valid = [s for s in statements if s.kind == "sign-off" and s.holds(self.at)]
        if valid:
            best = max(valid, key=lambda s: (s.expires_at, s.digest))
            who = f"signed by {best.signer} as {best.role} on {best.signed_at:%Y-%m-%d}"
            return Finding(Disposition.SIGNED, who, best.expires_at)
        lapsed = any(s.kind == "sign-off" for s in statements)
        state = "its signature has lapsed" if lapsed else "not signed yet"
        return Finding(Disposition.AWAITING, f"{state}; {item.role} signs", stale=lapsed)

    def _waived(self, item: Item, finding: Finding) -> Finding:
        waiver = self.waivers.get(item.id)
        if finding.disposition.satisfied or waiver is None:
            return finding
        if len(self.waivers) > self.checklist.max_waivers:
            return finding
        return Finding(Disposition.WAIVED, _waiver_reason(waiver, finding), waiver.expires_at)

    def _waivers(self) -> dict[str, Statement]:
        waivable = {item.id for item in self.checklist.items if item.waivable}
        held = [s for s in self.inputs.statements if s.kind == "waiver" and s.holds(self.at)]
        ordered = sorted(held, key=lambda s: (s.expires_at, s.digest))
        return {s.item: s for s in ordered if s.item in waivable}

    def _item_verdict(self, item: Item, finding: Finding) -> ItemVerdict:
        underlying = None
        if finding.disposition is Disposition.WAIVED and item.id in self.waivers:
            underlying = self._unwaived(item)
        return ItemVerdict(
            id=item.id,
            disposition=finding.disposition,
            reason=finding.reason,
            blocking=self._blocks(item),
            in_scope=self._in_scope(item),
            proof=self._proof_state(item),
            checks=tuple(check.check for check in self.claims[item.id]),
            underlying=underlying,
            expires=finding.expires,
            stale=finding.stale,
        )

    def _unwaived(self, item: Item) -> Disposition:
        bare = msgspec.structs.replace(self.inputs, statements=self._all_but_waivers())
        without = _Judgement(bare, self.at).items()
        return next(v.disposition for v in without if v.id == item.id)

    def _all_but_waivers(self) -> tuple[Statement, ...]:
        return tuple(s for s in self.inputs.statements if s.kind != "waiver")

    def _blocks(self, item: Item) -> bool:
        return not item.optional and self.inputs.stage.reaches(item.stage)

    def _in_scope(self, item: Item) -> bool:
        scope = self.inputs.scope
        if scope.kind == "items":
            return item.id in scope.items or item.parent in scope.items
        return self.covers_section(self.checklist.section_of(item).key)

    # -- proofs -----------------------------------------------------------------------------

    def _proof_state(self, item: Item) -> ProofState:
        if not item.automated:
            return ProofState.NOT_NEEDED
        checks = [
            check for i in (item, *self.checklist.children(item)) for check in self.claims[i.id]
        ]
        if not checks:
            return ProofState.NO_CONTROL
        states = {self._proof_of(check.check) for check in checks}
        order = (ProofState.FAILED, ProofState.NO_CONTROL, ProofState.NOT_RUN, ProofState.PROVEN)
        return next(state for state in order if state in states)

    def _proof_of(self, check: str) -> ProofState:
        info = next((c for c in self.inputs.checks if c.check == check), None)
        if info is None or not info.controls:
            return ProofState.NO_CONTROL
        outcomes = {proof.control: proof.outcome for proof in self.proofs[check]}
        if any(outcome is not ProofOutcome.PROVEN for outcome in outcomes.values()):
            return ProofState.FAILED
        missing = any(control not in outcomes for control in info.controls)
        return ProofState.NOT_RUN if missing else ProofState.PROVEN

    # -- sections ---------------------------------------------------------------------------

    def _supporting(self) -> dict[str, Finding]:
        """Judge the checks that belong to no item, by section."""
        found: dict[str, list[Finding]] = defaultdict(list)
        for check in self.inputs.checks:
            if not check.items:
                found[check.section].append(self._support(check))
        return {key: _worst(findings) for key, findings in found.items()}

    def _support(self, check: CheckInfo) -> Finding:
        result = self.results.get(check.check)
        if result is None:
            return Finding(Disposition.NOT_RUN, f"supporting check {check.check} was not run")
        disposition = Disposition(result.outcome.value)
        return Finding(disposition, f"supporting check {check.check}: {result.reason}")

    def _section(self, key: str, number: int, items: Sequence[ItemVerdict]) -> SectionVerdict:
        blocking = [item for item in items if item.blocking]
        support = [self.supporting[key]] if key in self.supporting else []
        proper = [item for item in items if item.id.count(".") == 2]
        satisfied = [item for item in proper if item.disposition.satisfied]
        return SectionVerdict(
            key=key,
            number=number,
            status=_status(blocking, support, interrupted=self.inputs.interrupted, empty_ok=True),
            counts=_counts(proper),
            items=len(proper),
            satisfied=len(satisfied),
            blocking=sum(item.blocking for item in proper),
            blockers=sum(item.blocking and not item.disposition.satisfied for item in proper),
        )

    def _blocker(self, verdict: ItemVerdict) -> Blocker:
        item = next(item for item in self.checklist.items if item.id == verdict.id)
        remedies = (self.results[c].remedy for c in verdict.checks if c in self.results)
        return Blocker(
            item=item.id,
            section=self.checklist.section_of(item).key,
            disposition=verdict.disposition,
            reason=verdict.reason,
            remedy=next((remedy for remedy in remedies if remedy), item.remedy),
        )


def _by_check(results: Iterable[CheckResult]) -> dict[str, CheckResult]:
    """Index results by check; of several for one check, the worst counts."""
    by_check: dict[str, CheckResult] = {}
    for result in sorted(results, key=_result_order):
        by_check.setdefault(result.check, result)
    return by_check


def _result_order(result: CheckResult) -> tuple[int, datetime, str]:
    severity = SEVERITY.index(Disposition(result.outcome.value))
    return (severity, result.started, result.reason)


def _group(proofs: Iterable[ProofResult]) -> defaultdict[str, list[ProofResult]]:
    grouped: defaultdict[str, list[ProofResult]] = defaultdict(list)
    for proof in proofs:
        grouped[proof.check].append(proof)
    return grouped


def _worst(findings: Sequence[Finding]) -> Finding:
    """Return the worst finding; of equal ones, the first to lapse; then by reason."""
    worst = min(findings, key=lambda f: (SEVERITY.index(f.disposition), f.reason))
    if not worst.disposition.satisfied:
        return worst
    expiries = [f.expires for f in findings if f.expires is not None]
    return worst._replace(expires=min(expiries, default=None))


def _status(
    blocking: Sequence[ItemVerdict],
    findings: Iterable[Finding],
    *,
    interrupted: bool,
    empty_ok: bool = False,
) -> Status:
    dispositions = [item.disposition for item in blocking]
    others = [finding.disposition for finding in findings]
    if any(disposition.breaks for disposition in (*dispositions, *others)):
        return Status.NOT_READY
    if interrupted or not (blocking or empty_ok):
        return Status.INCOMPLETE
    done = all(disposition.satisfied for disposition in (*dispositions, *others))
    return Status.READY if done else Status.INCOMPLETE


def _counts(items: Iterable[ItemVerdict]) -> dict[str, int]:
    counts = {disposition.value: 0 for disposition in Disposition}
    for item in items:
        counts[item.disposition.value] += 1
    return counts


def _lapses(blocking: Iterable[ItemVerdict]) -> tuple[Lapse, ...]:
    by_time: dict[datetime, list[str]] = defaultdict(list)
    for item in blocking:
        if item.disposition.satisfied and item.expires is not None:
            by_time[item.expires].append(item.id)
    return tuple(Lapse(at=at, items=tuple(by_time[at])) for at in sorted(by_time))


def _waiver_reason(waiver: Statement, finding: Finding) -> str:
    until = f"until {waiver.expires_at:%Y-%m-%d} by {waiver.signer} as {waiver.role}"
    return f"waived {until}: {waiver.reason} (still {finding.disposition}: {finding.reason})"


def _general_blocker(section: str, finding: Finding) -> Blocker:
    disposition, reason = finding.disposition, finding.reason
    return Blocker(item="", section=section, disposition=disposition, reason=reason, remedy="")
