"""The readiness record: everything a verdict rests on, and the verdict, in one JSON file.

The record contains its own inputs, so that anybody can judge it again offline. ``digest`` is over
the canonical bytes of all other fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from pytest_rustybt_ready.canonical import digest, to_bytes
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.statements import Refusal, Sealed, Statement, Trust, revocations
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    Instant,
    ProofResult,
    RunInfo,
    Stage,
    Subject,
    Value,
)
from pytest_rustybt_ready.verdict import Inputs, Verdict, judge

FORMAT: Literal["rustybt-readiness/2"] = "rustybt-readiness/2"


class Changes(Value, frozen=True, kw_only=True):
    """What differs from the run before, by item id. ``previous`` is that run's record digest."""

    previous: str = ""
    fixed: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    newly_stale: tuple[str, ...] = ()


class Part(Value, frozen=True, kw_only=True):
    """A signed run that a merged record is made of."""

    file: str
    digest: str
    signer: str
    key: str
    subject: str
    stage: Stage
    finished: Instant


class Record(Value, frozen=True, kw_only=True):
    """One run, complete: what was asked, what was seen, what follows from it.

    ``sealed_statements`` hold the signed texts behind ``statements``, ``trust`` whose keys were
    believed and ``commits`` the dates of the commits that were signed for; ``parts`` are what was
    merged.
    """

    format: Literal["rustybt-readiness/2"] = FORMAT
    run: RunInfo
    subject: Subject
    checklist: Checklist
    checks: tuple[CheckInfo, ...]
    results: tuple[CheckResult, ...]
    proofs: tuple[ProofResult, ...]
    statements: tuple[Statement, ...]
    broken: tuple[str, ...]
    verdict: Verdict
    gaps: tuple[str, ...] = ()
    changes: Changes = Changes()
    refused: tuple[Refusal, ...] = ()
    sealed_statements: tuple[Sealed, ...] = ()
    trust: Trust = Trust()
    commits: dict[str, Instant] = msgspec.field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    digest: str = ""

    def inputs(self) -> Inputs:
        """Return what the verdict is a function of."""
        return Inputs(
            checklist=self.checklist,
            stage=self.run.stage,
            scope=self.run.scope,
            facts=self.subject.facts,
            commit="" if self.subject.dirty else self.subject.commit,
            checks=self.checks,
            results=self.results,
            proofs=self.proofs,
            statements=self.statements,
            interrupted=self.run.interrupted,
            broken=self.broken,
            gaps=self.gaps,
            refused=self.refused,
            authors=self.subject.authors,
        )

    @property
    def trusted(self) -> dict[str, str]:
        """Return digests of the files that say whom to believe, and of all revocations."""
        return self.trust.digests | revocations.account(self.sealed_statements, self.refused)

    def sealed(self) -> Record:
        """Return the record with its digest filled in."""
        return msgspec.structs.replace(self, digest=self.expected_digest())

    def expected_digest(self) -> str:
        """Return the digest that the record's contents have."""
        return digest(msgspec.structs.replace(self, digest=""))


def dump(record: Record) -> bytes:
    """Return *record* as canonical JSON with a final newline."""
    return to_bytes(record) + b"\n"


def load(path: Path) -> Record:
    """Read a record; raise RecordError if it is unreadable, altered, or contradicts itself."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    return read(data, path)


def read(data: bytes, path: Path) -> Record:
    """Return the record that *data* holds, which came from *path*; raise as :func:`load` does."""
    try:
        record = msgspec.json.decode(data, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(f"{path}: not a readiness record: {error}") from error
    expected = record.expected_digest()
    if record.digest != expected:
        raise RecordError(
            f"{path}: altered since it was written: it says {record.digest or 'no digest'}, "
            f"its contents give {expected}"
        )
    wrong = _contradictions(record)
    if wrong:
        raise RecordError(f"{path}: its verdict does not follow from what it records: {wrong}")
    return record


def _contradictions(record: Record) -> str:
    """Name what differs between the recorded verdict and the one that follows, or return ''."""
    try:
        verdict = judge(record.inputs(), record.verdict.at)
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        return f"it cannot be judged ({type(error).__name__}: {error})"
    if verdict == record.verdict:
        return ""
    found, said = verdict.items, record.verdict.items
    if len(found) == len(said):
        pairs = [(a, b) for a, b in zip(found, said, strict=True) if a != b]
        named = [f"{a.id} is {a.disposition}, it says {b.disposition}" for a, b in pairs]
        if named:
            return "; ".join(named[:5]) + ("; …" if len(named) > 5 else "")
    fields = [
        f for f in Verdict.__struct_fields__ if getattr(verdict, f) != getattr(record.verdict, f)
    ]
    return f"different {', '.join(fields)}"
