"""The verdict: a pure function of checklist, results, proofs, statements and an instant.

Nothing here reads a clock, a file or the environment. The same inputs give the same verdict, in any
order, offline, and for any instant asked about.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.rules import (
    CANNOT_FAIL,
    RANK,
    Facts,
    Finding,
    Inputs,
    Rulings,
    Waivers,
    blocks,
    covers_section,
    in_scope,
)
from pytest_rustybt_ready.statements.standing import sign_command
from pytest_rustybt_ready.values import Disposition, Instant, ProofState, Stage, Value

__all__ = [
    "CANNOT_FAIL",
    "Blocker",
    "Exit",
    "Inputs",
    "ItemVerdict",
    "Lapse",
    "SectionVerdict",
    "Status",
    "Verdict",
    "judge",
]


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
    expires: Instant | None = None
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

    at: Instant
    items: tuple[str, ...]


class Verdict(Value, frozen=True, kw_only=True):
    """The judgement of the whole and of each part.

    ``status`` speaks of the whole checklist at ``stage``; ``scope_status`` only of what was asked.
    ``counts`` are over the items proper (sub-items are counted in ``sub_item_counts``).
    """

    status: Status
    scope_status: Status
    stage: Stage
    at: Instant
    valid_until: Instant | None
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


def judge(inputs: Inputs, at: Instant) -> Verdict:
    """Judge *inputs* as of the instant *at*; raise ValueError if that has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"the instant {at} has no zone; give an aware one")
    return _Judgement(inputs, at).verdict()


class _Judgement:
    """The parts of one verdict, in the order in which they are made."""

    def __init__(self, inputs: Inputs, at: Instant) -> None:
        self.inputs = inputs
        self.at = at
        self.checklist = inputs.checklist
        self.facts = Facts(inputs, at)
        waivers = Waivers(inputs, at)
        self.bare = Rulings(self.facts, {})
        self.rulings = Rulings(self.facts, waivers.usable) if waivers.usable else self.bare
        self.supporting = self.facts.supporting()
        self.run = list(_of_run(inputs, waivers))
        self.items = tuple(self._item(item) for item in inputs.checklist.items)
        self.by_id = {item.id: item for item in self.items}

    def verdict(self) -> Verdict:
        scope, everything = self.inputs.scope, self.supporting.values()
        blocking = [item for item in self.items if item.blocking]
        scoped = [item for item in blocking if item.in_scope]
        support = [f for key, f in self.supporting.items() if covers_section(scope, key)]
        lapses = _lapses(blocking)
        proper = {item.id for item in self.checklist.items if item.parent is None}
        return Verdict(
            status=self._status(blocking, [*self.run, *everything]),
            scope_status=self._status(scoped, [*self.run, *support]),
            stage=self.inputs.stage,
            at=self.at,
            valid_until=lapses[0].at if lapses else None,
            counts=_counts(item for item in self.items if item.id in proper),
            sub_item_counts=_counts(item for item in self.items if item.id not in proper),
            sections=self._sections(),
            items=self.items,
            blockers=self._blockers(),
            lapses=lapses,
        )

    def _item(self, item: Item) -> ItemVerdict:
        finding = self.rulings.of(item)
        waived = finding.disposition is Disposition.WAIVED
        claims = self.facts.claims[item.id]
        return ItemVerdict(
            id=item.id,
            disposition=finding.disposition,
            reason=finding.reason,
            blocking=blocks(self.inputs, item),
            in_scope=in_scope(self.inputs, item),
            proof=self._proof(item),
            checks=tuple(dict.fromkeys(check.check for check in claims)),
            underlying=self.bare.of(item).disposition if waived else None,
            expires=finding.expires,
            stale=finding.stale,
        )

    def _proof(self, item: Item) -> ProofState:
        if not (item.automated or self.facts.claims[item.id]):
            return ProofState.NOT_NEEDED
        family = (item, *self.checklist.children(item))
        checks = [check.check for member in family for check in self.facts.claims[member.id]]
        states = {self.facts.proof_of(check) for check in checks} or {ProofState.NO_CONTROL}
        order = (ProofState.FAILED, ProofState.NO_CONTROL, ProofState.NOT_RUN, ProofState.PROVEN)
        return next(state for state in order if state in states)

    def _sections(self) -> tuple[SectionVerdict, ...]:
        return tuple(
            self._section(section.key, section.number, [self.by_id[i.id] for i in members])
            for section in self.checklist.sections
            if (members := self.checklist.items_of(section))
        )

    def _section(self, key: str, number: int, items: Sequence[ItemVerdict]) -> SectionVerdict:
        blocking = [item for item in items if item.blocking]
        support = [self.supporting[key]] if key in self.supporting else []
        proper = [item for item in items if item.id.count(".") == 2]
        return SectionVerdict(
            key=key,
            number=number,
            status=self._status(blocking, support, empty_ok=True),
            counts=_counts(proper),
            items=len(proper),
            satisfied=sum(item.disposition.satisfied for item in proper),
            blocking=sum(item.blocking for item in proper),
            blockers=sum(item.blocking and not item.disposition.satisfied for item in proper),
        )

    def _blockers(self) -> tuple[Blocker, ...]:
        """List what stands between the run and READY, the worst first."""
        listed = [_general(finding) for finding in self.run]
        support = sorted(self.supporting.items())
        listed += [_general(f, key) for key, f in support if not f.disposition.satisfied]
        listed += [
            self._blocker(item, self.by_id[item.id])
            for item in self.checklist.items
            if self.by_id[item.id].blocking and not self.by_id[item.id].disposition.satisfied
        ]
        return tuple(sorted(listed, key=lambda blocker: RANK[blocker.disposition]))

    def _blocker(self, item: Item, verdict: ItemVerdict) -> Blocker:
        ran = (self.facts.ran[check] for check in verdict.checks if check in self.facts.ran)
        remedies = (found.worst.remedy for found in ran if found.worst.remedy)
        awaiting = verdict.disposition is Disposition.AWAITING and item.role
        return Blocker(
            item=item.id,
            section=self.checklist.section_of(item).key,
            disposition=verdict.disposition,
            reason=verdict.reason,
            remedy=sign_command(item) if awaiting else next(remedies, item.remedy),
        )

    def _status(
        self, blocking: Sequence[ItemVerdict], others: Iterable[Finding], *, empty_ok: bool = False
    ) -> Status:
        found = [item.disposition for item in blocking]
        found += [finding.disposition for finding in others]
        if any(disposition.breaks for disposition in found):
            return Status.NOT_READY
        if self.inputs.interrupted or not (blocking or empty_ok):
            return Status.INCOMPLETE
        done = all(disposition.satisfied for disposition in found)
        return Status.READY if done else Status.INCOMPLETE


def _of_run(inputs: Inputs, waivers: Waivers) -> Iterable[Finding]:
    """Yield what speaks against the run as a whole."""
    yield from (Finding(Disposition.ERROR, reason) for reason in sorted(inputs.broken))
    if waivers.too_many:
        counted, ceiling = len(waivers.counted), waivers.ceiling
        reason = f"{counted} items are waived; the checklist allows {ceiling}"
        yield Finding(Disposition.FAILED, reason)
    yield from (Finding(Disposition.NOT_RUN, reason) for reason in sorted(inputs.gaps))


def _counts(items: Iterable[ItemVerdict]) -> dict[str, int]:
    counts = {disposition.value: 0 for disposition in Disposition}
    for item in items:
        counts[item.disposition.value] += 1
    return counts


def _lapses(blocking: Iterable[ItemVerdict]) -> tuple[Lapse, ...]:
    by_time: defaultdict[Instant, list[str]] = defaultdict(list)
    for item in blocking:
        if item.disposition.satisfied and item.expires is not None:
            by_time[item.expires].append(item.id)
    return tuple(Lapse(at=at, items=tuple(by_time[at])) for at in sorted(by_time))


def _general(finding: Finding, section: str = "") -> Blocker:
    disposition, reason = finding.disposition, finding.reason
    return Blocker(item="", section=section, disposition=disposition, reason=reason, remedy="")
