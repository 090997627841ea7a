"""The ticked checklist: what is printed, signed and filed."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from markdown_it import MarkdownIt

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.report.markdown import escape, render_markdown
from pytest_rustybt_ready.values import Disposition, Scope

TICK = re.compile(r"^ *- \[(x| )\] (\d+\.\d+\.\d+(?:\.\d+)?) (.*)$", re.MULTILINE)


def test_only_satisfied_items_are_ticked(records: Any) -> None:
    """Every line of the checklist is there once, ticked if and only if it is satisfied."""
    record = records.make(checklist_file.built_in())

    found = TICK.findall(render_markdown(record))

    assert [item_id for _, item_id, _ in found] == [item.id for item in record.checklist.items]
    for box, item_id, _ in found:
        assert (box == "x") is record.verdict.of(item_id).disposition.satisfied


def test_what_is_not_plainly_passed_says_why(records: Any) -> None:
    """Each line but a passed one names its disposition and the reason for it."""
    record = records.make()
    for _, item_id, words in TICK.findall(render_markdown(record)):
        verdict = record.verdict.of(item_id)
        said = f"**{verdict.disposition}**" in words and escape(verdict.reason) in words
        assert said is (verdict.disposition is not Disposition.PASSED)


def test_counts_are_filled_in(records: Any) -> None:
    """The summary gives satisfied and all items, the percentage, and the arithmetic."""
    record = records.make()
    text = render_markdown(record)

    assert "Completed: 8 / 13, 61.5 %" in text
    assert "13 = 5 passed + 1 signed + 1 waived + 1 not applicable + 1 failed + 2 error" in text
    assert "- [x] Not ready for stage dev\n- [ ] Ready for stage dev" in text


def test_ready_is_ticked_only_for_the_whole(records: Any) -> None:
    """The box `Ready` is ticked for a whole run that is READY, and not for a part that is."""
    checklist = records.small()
    only = tuple(item for item in checklist.items if item.id == "1.1.1")
    small = msgspec.structs.replace(checklist, items=only)

    whole = render_markdown(records.make(small, statements=()))
    scope = Scope(kind="sections", sections=("testing",))
    part = render_markdown(records.make(small, statements=(), scope=scope))

    assert "**READY** at stage dev" in whole
    assert "- [ ] Not ready for stage dev\n- [x] Ready for stage dev" in whole
    assert "**READY** at stage dev" in part
    assert "the whole checklist was not judged" in part
    assert "- [x] Not ready for stage dev" in part


def test_signatures_are_filled_from_statements(records: Any) -> None:
    """A signature in force fills name, role and date; a missing or lapsed one leaves blanks."""
    text = render_markdown(records.make())
    signed = text.partition("10.1.1 signature:")[2].partition("10.1.2")[0]
    lapsed = text.partition("10.1.2 signature:")[2].partition("###")[0]

    assert "- Name: Ada Byron\n- Role: technical lead\n- Date: 2026-02-22, in force" in signed
    assert "Ada Byron" not in lapsed
    assert lapsed.count("_" * 31) == 2
    assert "- Role: quality lead" in lapsed


def test_signature_for_another_commit_or_role_fills_nothing(records: Any) -> None:
    """A signature by another role, or for another commit where that matters, leaves blanks."""
    checklist = records.small()
    items = tuple(
        msgspec.structs.replace(item, lapses_with_commit=item.id == "10.1.1")
        for item in checklist.items
    )
    changed = msgspec.structs.replace(checklist, items=items)
    statements = records.make().statements
    record = records.make(changed, statements=statements)

    other_commit = render_markdown(record)
    other_role = render_markdown(
        records.make(statements=tuple(msgspec.structs.replace(s, role="x") for s in statements))
    )

    assert "Ada Byron" not in other_commit
    assert "Ada Byron" not in other_role


def test_emergency_contacts_are_left_to_the_deployment(records: Any) -> None:
    """The three contacts are there, blank."""
    text = render_markdown(records.make()).partition("## Emergency contacts")[2]

    for contact in ("Technical lead", "On-call engineer", "Business owner"):
        assert f"{contact}:\n\n- Name: {'_' * 31}" in text


def test_hostile_text_is_inert(records: Any) -> None:
    """Pipes, backticks, new lines, HTML and links in a run's text come out as that text."""
    hostile = "| a | `b` ``c``\n# d\n<script>alert(1)</script> [e](javascript:f) ![g](h) https://i"
    record = records.make(statements=())
    results = tuple(msgspec.structs.replace(r, reason=hostile) for r in record.results)
    spiked = records.judge(msgspec.structs.replace(record, results=results))

    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(render_markdown(spiked))

    inner = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in (*tokens, *inner)}
    assert kinds.isdisjoint({"html_block", "html_inline", "link_open", "image", "table_open"})
    assert {t.tag for t in tokens if t.type == "heading_open"} == {"h1", "h2", "h3"}
    assert sum(t.type == "heading_open" for t in tokens) == 13


def test_same_record_same_text(records: Any) -> None:
    """Equal records give equal text."""
    assert render_markdown(records.make()) == render_markdown(records.make())


def test_code_keeps_its_form() -> None:
    """Text between single backticks stays code; a stray backtick is only a character."""
    assert escape("run `a_b <c>` now_") == "run `a_b <c>` now\\_"
    assert escape("a ` b") == "a \\` b"
