"""Builders of records for the report tests. Nothing heavy is imported until one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_rustybt_ready.checklist import Checklist, Item
    from pytest_rustybt_ready.record import Record
    from pytest_rustybt_ready.values import CheckInfo, CheckResult, ProofResult
    from pytest_rustybt_ready.verdict import Verdict

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)

CHECKLIST = """
title = "A small checklist"
version = "1.0"

[section.testing]
number = 1
title = "Testing"
subsections = { "1.1" = "Tests" }

[section.security]
number = 2
title = "Security & secrets"
subsections = { "2.1" = "Audit", "2.2" = "Credentials" }

[section.performance]
number = 4
title = "Performance"
subsections = { "4.2" = "Hardware" }

[section.sign_off]
number = 10
title = "Sign-off"
subsections = { "10.1" = "Approval", "10.3" = "Authorisation" }
"""

# id: kinds, stage, extra TOML
ITEMS = {
    "1.1.1": ("code", "dev", ""),
    "1.1.2": ("code", "dev", 'thresholds.coverage = { min = 90, unit = "%" }'),
    "1.1.3": ("code", "dev", ""),
    "2.1.1": ("code", "dev", ""),
    "2.1.2": ("record", "dev", "max_age_days = 30"),
    "2.1.3": ("signed", "production", 'role = "security reviewer"\nmax_age_days = 365'),
    "2.2.1": ("host", "dev", 'applies = { fact = "api_enabled", equals = true }'),
    "2.2.2": ("engine", "dev", ""),
    "2.2.3": ("host", "dev", ""),
    "4.2.1": ("host", "dev", ""),
    "4.2.1.1": ("host", "dev", ""),
    "4.2.1.2": ("host", "dev", ""),
    "10.1.1": ("signed", "dev", 'role = "technical lead"\nmax_age_days = 365'),
    "10.1.2": ("signed", "dev", 'role = "quality lead"\nmax_age_days = 365'),
    "10.3.1": ("derived", "production", 'derives = ["1", "2"]'),
}

VERSIONS = {"python": "3.11.9", "pytest": "9.0.1", "rustybt": "0.1.0"}
OUTCOMES = ("passed", "passed", "passed", "failed", "passed", "unproven", "error", "passed")


def small_checklist_text() -> str:
    """Return a checklist of every kind of item, as TOML."""
    parts = [CHECKLIST]
    for item_id, (kind, stage, extra) in ITEMS.items():
        fails = '["it is broken"]' if kind not in ("signed", "derived") else "[]"
        parts.append(
            f'[item."{item_id}"]\ntext = "Item {item_id} holds"\nkinds = ["{kind}"]\n'
            f'stage = "{stage}"\nhow = "Look at {item_id}"\nfails = {fails}\n'
            f'remedy = "Repair {item_id}"\n{extra}\n'
        )
    return "\n".join(parts)


class Records:
    """Make records as a run would: judged, sealed, and with every disposition in them."""

    at = AT

    def small(self) -> Checklist:
        """Return the small checklist."""
        from pytest_rustybt_ready import checklist_file

        return checklist_file.parse(small_checklist_text(), source="small.toml")

    def make(self, checklist: Checklist | None = None, **changes: Any) -> Record:
        """Return a judged record; *changes* replace fields of it before it is judged.

        ``stage``, ``scope``, ``interrupted``, ``command`` and ``notes`` go to the run.
        """
        from pytest_rustybt_ready.record import Changes, Record
        from pytest_rustybt_ready.values import RunInfo, Scope, Stage, Subject

        checklist = checklist or self.small()
        run: dict[str, Any] = {
            "stage": Stage.DEV,
            "scope": Scope(),
            "command": "pytest -m readiness",
        }
        about_run = (*run, "interrupted", "notes", "versions")
        asked = {key: changes.pop(key) for key in about_run if key in changes}
        values: dict[str, Any] = {
            "run": RunInfo(
                id="run-1",
                started=AT - timedelta(minutes=4),
                finished=AT,
                **({"versions": VERSIONS} | run | asked),
            ),
            "subject": Subject(
                name="rustybt",
                kind="sandbox",
                home="/srv/rustybt",
                commit="9f3e1c5d0b7a4e2c8f61a9d3b5e70c24f8a6d1b9",
                dirty=True,
                tree="sha256:" + "ab" * 32,
                digest="sha256:" + "cd" * 32,
                host="judge-1",
                facts={"api_enabled": False},
            ),
            "checklist": checklist,
            "checks": tuple(checks(checklist)),
            "results": tuple(results(checklist)),
            "proofs": tuple(proofs(checklist)),
            "statements": tuple(statements(checklist)),
            "broken": (),
            "changes": Changes(previous="sha256:" + "ef" * 32, fixed=("1.1.1",)),
        } | changes
        return self.judge(Record(verdict=no_verdict(), **values)).sealed()

    def judge(self, record: Record) -> Record:
        """Return *record*, unsealed, with the verdict that follows from it."""
        import msgspec

        from pytest_rustybt_ready.verdict import judge

        return msgspec.structs.replace(record, verdict=judge(record.inputs(), AT), digest="")


def no_verdict() -> Verdict:
    """Return what stands in a record until it is judged."""
    from pytest_rustybt_ready.values import Stage
    from pytest_rustybt_ready.verdict import Status, Verdict

    return Verdict(
        status=Status.INCOMPLETE,
        scope_status=Status.INCOMPLETE,
        stage=Stage.DEV,
        at=AT,
        valid_until=None,
        counts={},
        sub_item_counts={},
        sections=(),
        items=(),
        blockers=(),
        lapses=(),
    )


def name_of(item: Item) -> str:
    """Return the node id of the check that claims *item*."""
    section = f"test_{item.section_number:02}.py"
    return f"readiness_tests/{section}::test_{item.id.replace('.', '_')}"


def claimed(checklist: Checklist) -> Iterator[tuple[int, Item]]:
    """Yield the automated leaf items that have a check: all but each eleventh."""
    leaves = [i for i in checklist.items if i.automated and not checklist.children(i)]
    return ((n, item) for n, item in enumerate(leaves) if n % 11 != 10)


def checks(checklist: Checklist) -> Iterator[CheckInfo]:
    """Yield a check for each claimed item and a supporting one for each section."""
    from pytest_rustybt_ready.values import CheckInfo

    for n, item in claimed(checklist):
        yield CheckInfo(
            check=name_of(item),
            section=checklist.section_of(item).key,
            items=(item.id,),
            claim=f"{item.text}, as its tools see it.",
            controls=() if n % 7 == 6 else (f"break_{item.id.replace('.', '_')}",),
        )
    first = checklist.sections[0]
    yield CheckInfo(
        check=f"readiness_tests/test_{first.number:02}.py::test_tools_are_there",
        section=first.key,
        claim="The tools that this section needs are installed.",
    )


def results(checklist: Checklist) -> Iterator[CheckResult]:
    """Yield a result for most checks, with outcomes of every sort and evidence to match."""
    from pytest_rustybt_ready.values import CheckResult, EvidenceEntry, Outcome, Provenance

    for n, item in claimed(checklist):
        outcome = Outcome(OUTCOMES[n % len(OUTCOMES)])
        limits = {name: str(limit) for name, limit in item.thresholds.items()}
        started = AT - timedelta(minutes=3) + timedelta(seconds=n % 150)
        entries = [
            EvidenceEntry(
                kind="expectation",
                name=name,
                expected=limit,
                observed="97.3" if outcome is Outcome.PASSED else "71.4",
                ok=outcome is Outcome.PASSED,
                at=started,
                provenance=Provenance.PRACTICE if "engine" in item.kinds else Provenance.REAL,
            )
            for name, limit in (limits or {"findings": "0"}).items()
        ]
        entries.append(
            EvidenceEntry(
                kind="attachment",
                name="output.txt",
                observed="collected 412 items\n412 passed in 31.07s\n" * 3,
                at=started,
                size=10_485_760 if n % 5 == 0 else 144,
                sha256="0123456789abcdef" * 4,
                truncated=n % 5 == 0,
            )
        )
        yield CheckResult(
            check=name_of(item),
            outcome=outcome,
            started=started,
            seconds=0.25 + n / 8,
            reason=REASONS[outcome],
            remedy="Run it by hand and read what it says." if outcome is Outcome.ERROR else "",
            evidence=tuple(entries),
        )
    first = checklist.sections[0]
    yield CheckResult(
        check=f"readiness_tests/test_{first.number:02}.py::test_tools_are_there",
        outcome=Outcome.PASSED,
        started=AT - timedelta(minutes=4),
        seconds=0.01,
    )


REASONS = {
    "passed": "",
    "failed": "observed 71.4, expected at least 90",
    "error": "FileNotFoundError: coverage.json",
    "unproven": "the vulnerability database cannot be reached",
    "not run": "",
}


def proofs(checklist: Checklist) -> Iterator[ProofResult]:
    """Yield a proof for most controls."""
    from pytest_rustybt_ready.values import ProofOutcome, ProofResult

    for n, info in enumerate(checks(checklist)):
        for control in info.controls:
            if n % 13 != 12:
                yield ProofResult(
                    check=info.check,
                    control=control,
                    outcome=ProofOutcome.CANNOT_FAIL if n == 9 else ProofOutcome.PROVEN,
                    at=AT - timedelta(minutes=1),
                    claim="The thing is broken in a sandbox.",
                    detail="the check passed all the same" if n == 9 else "",
                    cached=n % 2 == 0,
                )


def statements(checklist: Checklist) -> Iterator[Any]:
    """Yield one sign-off in force, one lapsed, and a waiver."""
    from pytest_rustybt_ready.statements import Statement

    signed = [i for i in checklist.items if i.kinds == ("signed",) and not i.lapses_with_commit]
    dated = zip(signed[1:3], (AT + timedelta(days=70), AT - timedelta(days=1)), strict=False)
    for item, expires in dated:
        yield Statement(
            kind="sign-off",
            item=item.id,
            signer="Ada Byron",
            role=item.role,
            signed_at=AT - timedelta(days=20),
            expires_at=expires,
            digest="sha256:" + "77" * 32,
        )
    failing = [item for n, item in claimed(checklist) if OUTCOMES[n % len(OUTCOMES)] == "failed"]
    for item in [item for item in failing if item.waivable][-1:]:
        yield Statement(
            kind="waiver",
            item=item.id,
            signer="Grace Murray",
            role="risk manager",
            signed_at=AT - timedelta(days=2),
            expires_at=AT + timedelta(days=28),
            reason="the supplier delivers the part next week",
            measure="checked by hand each morning",
            digest="sha256:" + "88" * 32,
        )


@pytest.fixture(scope="session")
def records() -> Records:
    """Give the builder of records."""
    return Records()
