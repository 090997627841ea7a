"""Which of the verified signatures of an item count, and why the others do not.

Pure functions of values and an instant.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.statements import Statement

# The end of time, as far as a datetime reaches: what would lapse later never does.
NEVER = datetime.max.replace(tzinfo=UTC)
ATTACHED = re.compile(r"--evidence ([\w.-]*\w)", re.ASCII)


class Circumstances(NamedTuple):
    """What signatures are held to, beside their item.

    ``authors`` made the release; ``twice`` signed more than one item that needs four eyes;
    ``results`` is the digest of the results under judgement, or None where no whole was judged;
    ``refused`` gives, by item, why statements did not count.
    """

    at: datetime
    commit: str = ""
    authors: frozenset[str] = frozenset()
    twice: frozenset[str] = frozenset()
    results: str | None = None
    refused: Mapping[str, Sequence[str]] = {}


class Standing(NamedTuple):
    """The signature that counts, if any; when it lapses; or why there is none.

    ``lapsed`` says that a signature was good once.
    """

    best: Statement | None
    lapses: datetime | None
    reason: str
    lapsed: bool


def standing(item: Item, signatures: Sequence[Statement], now: Circumstances) -> Standing:
    """Return how *item* stands with *signatures*, as of ``now.at``."""
    sorted_out = [(s, next(_faults(item, s, now), "")) for s in signatures]
    held = [s for s, fault in sorted_out if not fault]
    if held:
        best = max(held, key=lambda s: (lapse_of(item, s), statement_order(s)))
        who = f"signed by {best.signer} as {best.role} on {best.signed_at:%Y-%m-%d}"
        return Standing(best, lapse_of(item, best), who, lapsed=False)
    states = sorted({fault for _, fault in sorted_out}) or ["not signed yet"]
    refused = "".join(f"; refused: {reason}" for reason in now.refused.get(item.id, ())[:3])
    lapsed = any(_once_good(item, s, now) for s in signatures)
    return Standing(None, None, f"{'; '.join(states)}; {item.role} signs{refused}", lapsed)


def signed_twice(
    statements: Iterable[Statement], four_eyes: frozenset[str], at: datetime, commit: str
) -> frozenset[str]:
    """Return the people and keys that signed more than one of the items *four_eyes*.

    Only what is in force at *at* for *commit* counts.
    """
    signed = {
        (person, s.item)
        for s in statements
        if s.item in four_eyes and s.holds(at) and s.commit == commit
        for person in s.persons
    }
    counts = Counter(person for person, _ in signed)
    return frozenset(person for person, count in counts.items() if count > 1)


def sign_command(item: Item) -> str:
    """Return the command that signs *item*, with ``EMAIL`` for the signer's address."""
    days = min(item.max_age_days or 90, 90)
    evidence = "".join(f" --evidence {name}" for name in evidence_asked(item))
    results = " --results readiness-report/readiness.json" if item.four_eyes else ""
    who = f"--as EMAIL --role {shlex.quote(item.role)}"
    return f"rustybt-ready sign {item.id} {who}{evidence} --expires {days}d{results}"


def evidence_asked(item: Item) -> tuple[str, ...]:
    """Return the files that a signer of *item* is asked to attach, as its remedy calls them."""
    return tuple(ATTACHED.findall(item.remedy))


def lapse_of(item: Item, statement: Statement) -> datetime:
    """Return when a signature lapses: by its own date, or by the item's maximum age if sooner."""
    if item.max_age_days is None:
        return statement.ends_at
    return min(statement.ends_at, days_after(statement.signed_at, item.max_age_days))


def days_after(instant: datetime, days: int) -> datetime:
    """Return *instant* plus *days*, or the end of time."""
    try:
        return instant + timedelta(days=days)
    except OverflowError:
        return NEVER


def statement_order(statement: Statement) -> tuple[datetime | str, ...]:
    """Return what orders statements, so that no verdict depends on how they were read."""
    known = (statement.digest, statement.signer, statement.role, statement.reason)
    return (statement.expires_at, statement.signed_at, *known)


def _faults(item: Item, statement: Statement, now: Circumstances) -> Iterator[str]:
    """Yield why *statement* does not count for *item*, the plainest reason first."""
    if statement.role != item.role:
        yield f"signed in another role, {statement.role}"
    if item.lapses_with_commit and not (now.commit and statement.commit == now.commit):
        yield _other_commit(statement.commit, now.commit)
    if statement.signed_at > now.at:
        yield "its signature is not in force yet"
    if statement.revoked_at is not None and statement.revoked_at <= now.at:
        yield "its signature was revoked"
    if now.at >= lapse_of(item, statement):
        yield "its signature has lapsed"
    if item.four_eyes:
        yield from _one_person_too_few(statement, now)


def _one_person_too_few(statement: Statement, now: Circumstances) -> Iterator[str]:
    if statement.signer.casefold() in now.authors:
        yield f"{statement.signer} is an author of the release"
    if statement.persons & now.twice:
        yield f"{statement.signer} signed another of these approvals, by name or by key"
    if now.results is not None and statement.results != now.results:
        yield "signed for other results"


def _other_commit(signed: str, judged: str) -> str:
    if not judged:
        return "the tree under judgement is no commit, and its signature holds for one commit only"
    return f"its signature was for another commit, {signed[:12] or 'none'}, not {judged[:12]}"


def _once_good(item: Item, statement: Statement, now: Circumstances) -> bool:
    return statement.role == item.role and statement.signed_at <= now.at
