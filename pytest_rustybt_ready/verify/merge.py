"""Merge the signed runs of several machines, and what people signed, into one record.

Code is judged in CI, paper trading on staging, the host where it stands. Each part is a record of
one run, signed with ``rustybt-ready sign-results``. What the parts may say to what:

- checks of ``host`` items count from the deployments of the latest stage among the parts, checks of
  ``record`` items from any deployment; sandboxes have no say in either where a deployment has one;
- a part in which a check could not be evaluated, did not run, or found nothing signed yet, gives
  way to one where it could;
- where two parts decided a check differently they are in conflict, and nothing is merged;
- a revocation that a part has seen must still be among the statements, or none of them counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from pytest_rustybt_ready.canonical import digest
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.statements.gather import Bench, Gathered, gather
from pytest_rustybt_ready.statements.revocations import sound
from pytest_rustybt_ready.statements.ssh import keyring
from pytest_rustybt_ready.statements.trust import read_trust, roles_of
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Fact,
    Kind,
    Outcome,
    ProofResult,
    RunInfo,
    Scope,
    Stage,
    Subject,
)
from pytest_rustybt_ready.verdict import Inputs, judge
from pytest_rustybt_ready.verify.parts import PartError, Signed, read_part

UNDECIDED = (Outcome.NOT_RUN, Outcome.UNPROVEN, Outcome.AWAITING)


class Order(NamedTuple):
    """What to merge: the parts, the ``readiness/`` folder with the statements, and as of when.

    ``stage`` is the latest of the parts' own where none is named.
    """

    parts: tuple[Path, ...]
    folder: Path
    root: Path
    at: datetime
    stage: Stage | None = None


def merge(order: Order) -> Record:
    """Return the record that the parts make together, judged as of ``order.at``.

    Raise PartError for a part that is unsigned, foreign or in conflict with another, RecordError
    for one that is not sound, TrustError where it cannot be told whom to believe.
    """
    signed = _read(order)
    _require_one_origin(signed)
    found = [s.record for s in signed]
    checks = _checks(signed)
    results = tuple(_results(signed, checks))
    subject = _subject(found)
    bench = Bench(order.root, subject.project, subject.commit, found[0].checklist)
    seen = {name: s.part.file for s in signed for name in _revocations(s.record)}
    statements = gather(order.folder, bench, order.at, seen)
    return _record(order, signed, subject, (tuple(checks.values()), results), statements)


def _revocations(record: Record) -> Iterable[str]:
    return sound(record.sealed_statements, record.refused)


def _read(order: Order) -> list[Signed]:
    trust = read_trust(order.folder)
    roles = roles_of(trust)
    with keyring(trust) as keys:
        signed = [read_part(path, keys, roles, order.at) for path in order.parts]
    twice = _twice([s.part.digest for s in signed])
    if twice:
        raise PartError(f"the part {twice} is named twice")
    if not signed:
        raise PartError("there is no part to merge")
    return sorted(signed, key=lambda s: (s.part.finished, s.part.digest))


def _twice(values: Sequence[str]) -> str:
    return next((value for value in values if values.count(value) > 1), "")


def _require_one_origin(signed: Sequence[Signed]) -> None:
    """Raise PartError unless all parts judged one commit of one project by one checklist."""
    first = signed[0]
    for one in signed:
        subject = one.record.subject
        if not subject.commit or subject.dirty:
            raise PartError(f"{one.part.file}: it judged a tree with changes, which is no commit")
        if one.record.parts:
            raise PartError(f"{one.part.file}: it is merged already; merge its parts instead")
    for what, value in ORIGINS.items():
        for one in signed[1:]:
            here, there = value(one.record), value(first.record)
            if here != there:
                raise PartError(
                    f"{one.part.file}: foreign: it has another {what}, {here}, than "
                    f"{first.part.file}, {there}"
                )


ORIGINS: dict[str, Callable[[Record], str]] = {
    "project": lambda record: record.subject.project or "none",
    "commit": lambda record: record.subject.commit,
    "tree": lambda record: record.subject.tree,
    "checklist": lambda record: digest(record.checklist),
}


def _checks(signed: Iterable[Signed]) -> dict[str, CheckInfo]:
    """Return all checks by name; raise PartError where parts disagree about what one claims."""
    found: dict[str, CheckInfo] = {}
    for one in signed:
        for info in one.record.checks:
            if found.setdefault(info.check, info) != info:
                raise PartError(f"{one.part.file}: conflict: {info.check} is another check there")
    return dict(sorted(found.items()))


def _results(signed: Sequence[Signed], checks: Mapping[str, CheckInfo]) -> Iterator[CheckResult]:
    checklist = signed[0].record.checklist
    by_check: defaultdict[str, list[tuple[Signed, CheckResult]]] = defaultdict(list)
    for one in signed:
        for result in one.record.results:
            by_check[result.check].append((one, result))
    for check, found in sorted(by_check.items()):
        info = checks.get(check)
        kinds = _kinds(checklist, info.items if info else ())
        heard = _with_a_say(found, kinds, signed)
        decided = [pair for pair in heard if pair[1].outcome not in UNDECIDED]
        _require_agreement(check, decided)
        yield from (result for _, result in decided or heard)


def _kinds(checklist: Checklist, items: Iterable[str]) -> frozenset[Kind]:
    found = (checklist.find(item_id) for item_id in items)
    return frozenset(kind for item in found if item is not None for kind in item.kinds)


def _with_a_say(
    found: Sequence[tuple[Signed, CheckResult]], kinds: frozenset[Kind], signed: Sequence[Signed]
) -> list[tuple[Signed, CheckResult]]:
    deployments = [s for s in signed if s.record.subject.kind == "deployment"]
    if not deployments or not kinds & {Kind.HOST, Kind.RECORD}:
        return list(found)
    latest = max(s.part.stage.rank for s in deployments)
    return [
        (one, result)
        for one, result in found
        if one.record.subject.kind == "deployment"
        and (Kind.HOST not in kinds or one.part.stage.rank == latest)
    ]


def _require_agreement(check: str, decided: Sequence[tuple[Signed, CheckResult]]) -> None:
    outcomes = {result.outcome: one.part.file for one, result in decided}
    by_part = {one.part.file for one, _ in decided}
    if len(outcomes) > 1 and len(by_part) > 1:
        said = ", ".join(f"{outcome} in {file}" for outcome, file in outcomes.items())
        raise PartError(f"conflict: {check} {said}; run it again and sign that")


def _subject(found: Sequence[Record]) -> Subject:
    """Return what was judged: the deployment of the latest stage, with the facts of all.

    A fact that deployments state differently is left out: what is not known excuses nothing.
    """
    deployments = [r for r in found if r.subject.kind == "deployment"] or list(found)
    main = max(deployments, key=lambda r: (r.run.stage.rank, r.run.finished, r.digest))
    facts: dict[str, Fact] = {}
    disputed: set[str] = set()
    for record in deployments:
        for name, value in record.subject.facts.items():
            if facts.setdefault(name, value) != value:
                disputed.add(name)
    kept = {name: value for name, value in facts.items() if name not in disputed}
    authors = sorted({author for record in found for author in record.subject.authors})
    return msgspec.structs.replace(main.subject, facts=kept, authors=tuple(authors))


def _record(
    order: Order,
    signed: Sequence[Signed],
    subject: Subject,
    seen: tuple[tuple[CheckInfo, ...], tuple[CheckResult, ...]],
    statements: Gathered,
) -> Record:
    found = [s.record for s in signed]
    inputs = Inputs(
        checklist=found[0].checklist,
        stage=order.stage or max((r.run.stage for r in found), key=lambda stage: stage.rank),
        facts=subject.facts,
        commit=subject.commit,
        checks=seen[0],
        results=seen[1],
        proofs=_proofs(found),
        statements=statements.examined.statements,
        refused=statements.examined.refused,
        authors=subject.authors,
        interrupted=any(r.run.interrupted for r in found),
        broken=_named(signed, "broken"),
        gaps=_named(signed, "gaps"),
    )
    return Record(
        run=_run(order, found, inputs),
        subject=subject,
        checklist=inputs.checklist,
        checks=inputs.checks,
        results=inputs.results,
        proofs=inputs.proofs,
        statements=inputs.statements,
        broken=inputs.broken,
        gaps=inputs.gaps,
        refused=inputs.refused,
        sealed_statements=statements.sealed,
        trust=statements.trust,
        commits=dict(statements.commits),
        parts=tuple(s.part for s in signed),
        verdict=judge(inputs, order.at),
    ).sealed()


def _run(order: Order, found: Sequence[Record], inputs: Inputs) -> RunInfo:
    return RunInfo(
        id=digest([r.digest for r in found]).removeprefix("sha256:")[:16],
        started=min(r.run.started for r in found),
        finished=order.at,
        stage=inputs.stage,
        scope=Scope(),
        command="rustybt-ready merge",
        interrupted=inputs.interrupted,
        versions=found[-1].run.versions,
        notes=tuple(dict.fromkeys(note for r in found for note in r.run.notes)),
    )


def _proofs(found: Iterable[Record]) -> tuple[ProofResult, ...]:
    """Return all proofs; the verdict heeds the worst of several for one control."""
    every = {digest(proof): proof for record in found for proof in record.proofs}
    return tuple(sorted(every.values(), key=lambda p: (p.check, p.control, p.at, p.detail)))


def _named(signed: Iterable[Signed], field: str) -> tuple[str, ...]:
    found = (f"{s.part.file}: {text}" for s in signed for text in getattr(s.record, field))
    return tuple(sorted(set(found)))
