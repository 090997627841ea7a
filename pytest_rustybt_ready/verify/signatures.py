"""Verify the signatures behind a record's statements again, from the record alone."""

from __future__ import annotations

from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.statements.examine import Expected, examine


def require_signed(record: Record) -> int:
    """Return how many statements of *record* its signed texts bear out.

    That is all of them, or RecordError is raised: a record with a statement that nobody signed was
    made by hand. Whom to believe the record says itself; its ``trust`` shows in every report.
    """
    if not record.statements:
        return 0
    expected = Expected(record.checklist, record.subject.project, record.verdict.at, record.commits)
    found = examine(record.sealed_statements, record.trust, expected)
    borne_out = {statement.digest: statement for statement in found.statements}
    for statement in record.statements:
        if borne_out.get(statement.digest) != statement:
            raise RecordError(_unsigned(statement))
    return len(record.statements)


def _unsigned(statement: Statement) -> str:
    return (
        f"the record holds a {statement.kind} of {statement.item} by {statement.signer} that its "
        "signed texts do not bear out"
    )
