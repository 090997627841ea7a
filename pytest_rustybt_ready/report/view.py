"""A record arranged for reading: each item beside its verdict, checks, evidence and signatures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pytest_rustybt_ready.checklist import Item, Section
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import count
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.statements.standing import sign_command
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Disposition,
    Outcome,
    ProofResult,
    ProofState,
    Scope,
)
from pytest_rustybt_ready.verdict import Blocker, ItemVerdict, SectionVerdict, Status

NEXT_COMMIT = "with the next commit"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """A check with all that it left in the record; ``info`` is None if it was never collected."""

    check: str
    info: CheckInfo | None
    results: tuple[CheckResult, ...]
    proofs: tuple[ProofResult, ...]

    @property
    def seconds(self) -> float:
        """Return the time that its runs took, in seconds."""
        return sum(result.seconds for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether it ran, and passed each time."""
        outcomes = {result.outcome for result in self.results}
        return outcomes == {Outcome.PASSED}

    @property
    def tried(self) -> frozenset[str]:
        """Return the names of the controls that were executed."""
        return frozenset(proof.control for proof in self.proofs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item or sub-item as a report shows it."""

    item: Item
    section: Section
    verdict: ItemVerdict
    checks: tuple[CheckView, ...]
    statements: tuple[Statement, ...]

    @property
    def disposition(self) -> Disposition:
        """Return what became of the item."""
        return self.verdict.disposition

    @property
    def blocks(self) -> bool:
        """Whether the item stands between the run and READY."""
        return self.verdict.blocking and not self.disposition.satisfied

    @property
    def seconds(self) -> float:
        """Return the time that its checks took, in seconds."""
        return sum(check.seconds for check in self.checks)

    @property
    def remedy(self) -> str:
        """Return what to do: what its checks advise, or else what the checklist does."""
        results = (result for check in self.checks for result in check.results)
        return next((result.remedy for result in results if result.remedy), self.item.remedy)

    def signature(self, at: datetime, commit: str) -> Statement | None:
        """Return the sign-off in force at *at* for *commit*, the last to lapse of several.

        An item that awaits its signature has none, whatever lies in the record.
        """
        if self.disposition is Disposition.AWAITING:
            return None
        held = [s for s in self.statements if self._fits(s, commit) and s.holds(at)]
        return max(held, key=lambda s: (s.expires_at, s.digest), default=None)

    def _fits(self, statement: Statement, commit: str) -> bool:
        for_this = not self.item.lapses_with_commit or statement.commit == commit
        return statement.kind == "sign-off" and statement.role == self.item.role and for_this

    @property
    def command(self) -> str:
        """Return the command that runs this item alone, or signs what nothing runs."""
        if self.item.role and not self.item.automated:
            return sign_command(self.item)
        return f"pytest --ready-item {self.item.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A section with its lines, in order."""

    section: Section
    verdict: SectionVerdict
    lines: tuple[Line, ...]
    supporting: tuple[CheckView, ...]
    in_scope: bool

    @property
    def idle(self) -> bool:
        """Whether it is READY only because nothing in it blocks at the run's stage."""
        return not self.verdict.blocking and self.verdict.status is Status.READY

    @property
    def support_open(self) -> bool:
        """Whether a supporting check stands in the section's way."""
        return any(not check.passed for check in self.supporting)

    def subsections(self) -> tuple[tuple[str, str, tuple[Line, ...]], ...]:
        """Return id, title and lines of each subsection."""
        grouped: defaultdict[str, list[Line]] = defaultdict(list)
        for line in self.lines:
            grouped[line.item.subsection].append(line)
        titles = self.section.subsections
        return tuple((key, titles.get(key, ""), tuple(found)) for key, found in grouped.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A whole record, arranged."""

    record: Record
    chapters: tuple[Chapter, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Return all lines of all chapters, in order."""
        return tuple(line for chapter in self.chapters for line in chapter.lines)

    @property
    def total(self) -> int:
        """Return the number of items proper, sub-items not counted."""
        return sum(self.record.verdict.counts.values())

    @property
    def satisfied(self) -> int:
        """Return how many items proper are satisfied."""
        return sum(
            n for name, n in self.record.verdict.counts.items() if Disposition(name).satisfied
        )

    @property
    def status(self) -> Status:
        """Return the status of what the run was asked about."""
        verdict = self.record.verdict
        return verdict.status if self.whole else verdict.scope_status

    @property
    def whole(self) -> bool:
        """Whether the run was asked about everything."""
        return self.record.run.scope.kind == "whole"

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """Return what blocks what the run was asked about.

        A sub-item is left out where its item is listed, whose reason names it.
        """
        blockers = self.record.verdict.blockers
        items = {blocker.item for blocker in blockers}
        parents = {line.item.id: line.item.parent for line in self.lines}
        return tuple(b for b in blockers if parents.get(b.item) not in items and self._asked(b))

    @property
    def other_blockers(self) -> tuple[Blocker, ...]:
        """Return the blockers that are no items: the run itself, supporting checks."""
        return tuple(blocker for blocker in self.blockers if not blocker.item)

    def _asked(self, blocker: Blocker) -> bool:
        if blocker.item:
            return self.record.verdict.of(blocker.item).in_scope
        sections = self.record.run.scope.sections
        return self.whole or not blocker.section or blocker.section in sections

    @property
    def supporting(self) -> bool:
        """Whether any section has a supporting check."""
        return any(chapter.supporting for chapter in self.chapters)

    @property
    def lapses(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return the days on which satisfied items lapse, each with their ids."""
        days: defaultdict[str, list[str]] = defaultdict(list)
        for lapse in self.record.verdict.lapses:
            days[f"{lapse.at:%Y-%m-%d}"] += lapse.items
        return tuple((day, tuple(ids)) for day, ids in days.items())

    @property
    def signatures(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Return when what people signed or waived ends: at the next commit, and on which days."""
        days: defaultdict[str, list[str]] = defaultdict(list)
        for line in self.lines:
            if line.disposition not in (Disposition.SIGNED, Disposition.WAIVED):
                continue
            if line.disposition is Disposition.SIGNED and line.item.lapses_with_commit:
                days[NEXT_COMMIT].append(line.item.id)
            if line.verdict.expires is not None:
                days[f"{line.verdict.expires:%Y-%m-%d}"].append(line.item.id)
        ordered = sorted(days, key=lambda day: (day != NEXT_COMMIT, day))
        return tuple((day, tuple(days[day])) for day in ordered)

    def title_of(self, key: str) -> str:
        """Return the title of the section called *key*, or *key* if there is none."""
        section = self.record.checklist.section(key)
        return section.title if section else key


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """How many automated items that ran were shown to be able to fail, and which were not."""

    ran: int
    proven: int
    failed: tuple[str, ...]
    not_run: tuple[str, ...]
    without_control: tuple[str, ...]


def arrange(record: Record) -> View:
    """Return *record* arranged by section and item."""
    checks = _checks(record)
    statements: defaultdict[str, list[Statement]] = defaultdict(list)
    for statement in sorted(record.statements, key=lambda s: (s.signed_at, s.signer, s.digest)):
        statements[statement.item].append(statement)
    verdicts = {verdict.id: verdict for verdict in record.verdict.items}
    lines = [
        Line(
            item=item,
            section=record.checklist.section_of(item),
            verdict=verdicts[item.id],
            checks=tuple(checks[check] for check in verdicts[item.id].checks),
            statements=tuple(statements[item.id]),
        )
        for item in record.checklist.items
        if item.id in verdicts
    ]
    return View(record=record, chapters=_chapters(record, lines, checks))


def proven(record: Record) -> Proven:
    """Count the proofs of the automated items proper that ran."""
    ran = {result.check for result in record.results}
    claimed = {item_id for c in record.checks if c.check in ran for item_id in c.items}
    held = {i if i.count(".") == 2 else i.rpartition(".")[0] for i in claimed}
    states = {v.id: v.proof for v in record.verdict.items if v.id in held}
    states = {key: state for key, state in states.items() if state is not ProofState.NOT_NEEDED}

    def having(wanted: ProofState) -> tuple[str, ...]:
        return tuple(key for key, state in states.items() if state is wanted)

    return Proven(
        ran=len(states),
        proven=len(having(ProofState.PROVEN)),
        failed=having(ProofState.FAILED),
        not_run=having(ProofState.NOT_RUN),
        without_control=having(ProofState.NO_CONTROL),
    )


def arithmetic(counts: dict[str, int]) -> str:
    """Return ``175 = 24 passed + 0 signed + …`` over all dispositions."""
    parts = " + ".join(f"{counts[name.value]} {name}" for name in Disposition)
    return f"{sum(counts.values())} = {parts}"


def scope_words(scope: Scope, record: Record) -> str:
    """Name what a run was asked about."""
    if scope.kind == "items":
        return f"{count(len(scope.items), 'item')}: {', '.join(scope.items)}"
    if scope.kind == "sections":
        found = (record.checklist.section(key) for key in scope.sections)
        named = [f"{s.number} {s.title}" for s in found if s is not None]
        return f"{count(len(named), 'section')}: {', '.join(named)}" if named else "no section"
    return "the whole checklist"


def _checks(record: Record) -> dict[str, CheckView]:
    infos = {info.check: info for info in record.checks}
    results: defaultdict[str, list[CheckResult]] = defaultdict(list)
    for result in record.results:
        results[result.check].append(result)
    proofs: defaultdict[str, list[ProofResult]] = defaultdict(list)
    for proof in record.proofs:
        proofs[proof.check].append(proof)
    return {
        check: CheckView(
            check=check,
            info=infos.get(check),
            results=tuple(sorted(results[check], key=lambda r: (r.started, r.outcome, r.reason))),
            proofs=tuple(sorted(proofs[check], key=lambda p: (p.control, p.at))),
        )
        for check in sorted({*infos, *results})
    }


def _chapters(
    record: Record, lines: Iterable[Line], checks: dict[str, CheckView]
) -> tuple[Chapter, ...]:
    by_section: defaultdict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_section[line.section.key].append(line)
    supporting: defaultdict[str, list[CheckView]] = defaultdict(list)
    for check in checks.values():
        if check.info is not None and not check.info.items:
            supporting[check.info.section].append(check)
    sections = {section.key: section for section in record.checklist.sections}
    return tuple(
        Chapter(
            section=sections[verdict.key],
            verdict=verdict,
            lines=tuple(by_section[verdict.key]),
            supporting=tuple(supporting[verdict.key]),
            in_scope=any(line.verdict.in_scope for line in by_section[verdict.key]),
        )
        for verdict in record.verdict.sections
    )
