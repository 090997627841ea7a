"""The statements of a deployment in words: which count, which do not, and what awaits signing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pytest_rustybt_ready.statements import Statement, revocations
from pytest_rustybt_ready.statements.gather import Bench, Gathered
from pytest_rustybt_ready.statements.standing import Circumstances, lapse_of, sign_command, standing
from pytest_rustybt_ready.values import Kind


def as_text(found: Gathered, bench: Bench, at: datetime, *, awaiting: bool = False) -> str:
    """Return one line a statement, then those refused, and how many there are of each.

    With *awaiting*, name also each item that nobody has signed in force, with the command.
    """
    return "\n".join(_lines(found, bench, at, awaiting=awaiting))


def _lines(found: Gathered, bench: Bench, at: datetime, *, awaiting: bool) -> Iterator[str]:
    statements, refused = found.examined
    yield from (_line(statement, bench, at) for statement in statements)
    yield from (f"{r.item or '?':<9} refused    {r.file}: {r.reason}" for r in refused)
    if awaiting:
        yield from _awaiting(statements, bench, at)
    digests = found.trust.digests or {"allowed_signers": "missing"}
    digests |= revocations.account(found.sealed, refused)
    yield from (f"{name} {digest}" for name, digest in digests.items())
    yield f"{len(statements)} sound, {len(refused)} refused"


def _line(statement: Statement, bench: Bench, at: datetime) -> str:
    item = bench.checklist.find(statement.item)
    until = statement.ends_at if item is None else lapse_of(item, statement)
    word = "in force" if statement.signed_at <= at < until else "lapsed"
    if item and item.lapses_with_commit and statement.commit != bench.commit:
        word = "lapsed"
    if statement.revoked_at is not None and statement.revoked_at <= at:
        word = "revoked"
    return (
        f"{statement.item:<9} {word:<10} {statement.kind} by {statement.signer} as "
        f"{statement.role} on {statement.signed_at:%Y-%m-%d} until {until:%Y-%m-%d}, "
        f"commit {statement.commit[:12]}"
    )


def _awaiting(statements: tuple[Statement, ...], bench: Bench, at: datetime) -> Iterator[str]:
    now = Circumstances(at=at, commit=bench.commit)
    for item in bench.checklist.items:
        if Kind.SIGNED in item.kinds:
            own = [s for s in statements if s.item == item.id and s.kind == "sign-off"]
            if standing(item, own, now).best is None:
                yield f"{item.id:<9} awaiting   {sign_command(item)}"
