"""Checks of items that people sign: what they say, and what the verdict makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.rules import Facts, Rulings
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.statements.standing import evidence_asked, sign_command
from pytest_rustybt_ready.values import CheckInfo, CheckResult, EvidenceEntry, Outcome, Stage
from pytest_rustybt_ready.verdict import Inputs, judge

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
DAY = timedelta(days=1)
CHECKLIST = """
title = "t"
version = "1"
[section.security]
number = 2
title = "Security"
subsections = { "2.1" = "Audit" }
[item."2.1.1"]
text = "t"
kinds = ["signed"]
stage = "dev"
how = "h"
fails = []
remedy = "Then: `rustybt-ready sign 2.1.1 --as EMAIL --role lead --evidence report.pdf`."
role = "lead"
max_age_days = 60
[item."2.1.2"]
text = "t"
kinds = ["signed", "record"]
stage = "dev"
how = "h"
fails = ["f"]
remedy = "Then: `rustybt-ready sign 2.1.2 --as EMAIL --role lead`."
role = "lead"
max_age_days = 60
[item."2.1.3"]
text = "t"
kinds = ["derived"]
stage = "dev"
how = "h"
fails = []
remedy = "r"
derives = ["2.1.1"]
"""


def signed(item: str, **more: Any) -> Statement:
    """Return a sign-off of ten days ago."""
    values: dict[str, Any] = {
        "kind": "sign-off",
        "item": item,
        "signer": "Ada",
        "role": "lead",
        "signed_at": AT - 10 * DAY,
        "expires_at": AT + 80 * DAY,
    }
    return Statement(**(values | more))


def inputs(*statements: Statement, at: datetime = AT - DAY, **said: tuple[str, str]) -> Inputs:
    """Return inputs with the checks *said*, each of an item with its outcome, made at *at*."""
    seen = EvidenceEntry(kind="record", name="x", observed="1", at=at)
    return Inputs(
        checklist=checklist_file.parse(CHECKLIST, source="test"),
        stage=Stage.DEV,
        statements=statements,
        checks=tuple(
            CheckInfo(check=name, section="security", items=(item,))
            for name, (item, _) in said.items()
        ),
        results=tuple(
            CheckResult(check=name, outcome=Outcome(outcome), started=at, evidence=(seen,))
            for name, (_, outcome) in said.items()
        ),
    )


def disposition(found: Inputs, item: str = "2.1.1") -> str:
    """Return what becomes of *item*."""
    return str(judge(found, AT).of(item).disposition)


LAPSED = signed("2.1.1", expires_at=AT)


@pytest.mark.parametrize(
    ("outcome", "statements", "expected"),
    [
        ("awaiting", (), "awaiting"),
        ("awaiting", (signed("2.1.1"),), "signed"),  # signed since the check ran: a merge sees that
        ("passed", (), "awaiting"),
        ("passed", (LAPSED,), "awaiting"),
        ("passed", (signed("2.1.1"),), "signed"),
        ("failed", (signed("2.1.1"),), "failed"),
        ("not run", (signed("2.1.1"),), "not run"),
        ("unproven", (signed("2.1.1"),), "unproven"),
    ],
)
def test_a_signed_item_needs_its_signature_and_its_check(
    outcome: str, statements: tuple[Statement, ...], expected: str
) -> None:
    """The verdict looks signatures up itself; a check can add doubt, and never replace one."""
    assert disposition(inputs(*statements, c=("2.1.1", outcome))) == expected


def test_a_lapsed_signature_is_stale_whatever_its_check_says() -> None:
    """That it was good once is not lost by a check that finds it missing."""
    item = judge(inputs(LAPSED, c=("2.1.1", "awaiting")), AT).of("2.1.1")
    assert (item.disposition, item.stale) == ("awaiting", True)
    assert item.reason == "its signature has lapsed; lead signs"


def test_a_check_does_not_age_beside_its_signature() -> None:
    """A signature given after the check ran counts for as long as the item allows."""
    fresh = signed("2.1.1", signed_at=AT - DAY)
    found = inputs(fresh, at=AT - 70 * DAY, c=("2.1.1", "passed"))
    assert disposition(found) == "signed"


@pytest.mark.parametrize(
    ("record", "signature", "statements", "expected"),
    [
        ("passed", "passed", (signed("2.1.2"),), "signed"),
        ("passed", "awaiting", (), "awaiting"),
        ("failed", "awaiting", (), "failed"),
        ("failed", "awaiting", (signed("2.1.2"),), "failed"),
        ("unproven", "passed", (signed("2.1.2"),), "unproven"),
    ],
)
def test_a_record_and_a_signature(
    record: str, signature: str, statements: tuple[Statement, ...], expected: str
) -> None:
    """An item that needs both is as good as the worse of them."""
    found = inputs(*statements, a=("2.1.2", record), b=("2.1.2", signature))
    assert disposition(found, "2.1.2") == expected


def test_a_derived_item_waits_for_what_it_rests_on_and_no_longer() -> None:
    """A check that missed a signature says nothing once it is there."""
    found = inputs(a=("2.1.1", "awaiting"), b=("2.1.3", "awaiting"))
    assert disposition(found, "2.1.3") == "not run"
    since = msgspec.structs.replace(found, statements=(signed("2.1.1"),))
    assert disposition(since, "2.1.3") == "passed"


def test_approvals_are_not_bound_to_what_is_signed() -> None:
    """A daily review, signed or not, on record or not, is no other outcome of a release."""
    every = [
        Rulings(Facts(inputs(a=("2.1.2", outcome)), AT), {}).results()
        for outcome in ("passed", "failed", "awaiting")
    ]
    assert len({*every, Rulings(Facts(inputs(), AT), {}).results()}) == 1


def test_the_command_names_the_file_that_is_asked_for() -> None:
    """What the checklist tells a signer to attach is part of the command."""
    first, second, derived = checklist_file.parse(CHECKLIST, source="test").items
    assert sign_command(first) == (
        "rustybt-ready sign 2.1.1 --as EMAIL --role lead --evidence report.pdf --expires 60d"
    )
    assert [evidence_asked(item) for item in (first, second, derived)] == [("report.pdf",), (), ()]


def test_only_an_item_with_a_role_is_to_be_signed() -> None:
    """An item that nobody may sign keeps its own remedy, whatever a check says of it."""
    before, second, after = CHECKLIST.partition('[item."2.1.2"]')
    after = after.replace('["signed", "record"]', '["record"]').replace('role = "lead"', "")
    text = before + second + after
    found = msgspec.structs.replace(
        inputs(a=("2.1.2", "awaiting")), checklist=checklist_file.parse(text, source="test")
    )
    remedies = {b.item: b.remedy for b in judge(found, AT).blockers}
    assert remedies["2.1.2"].startswith("Then:")
    assert remedies["2.1.1"].startswith("rustybt-ready sign 2.1.1")
