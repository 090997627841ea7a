"""Items of the checklist in words, and as JSON."""

from __future__ import annotations

import difflib
import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.errors import ReadyError
from pytest_rustybt_ready.report.text import count, one_line
from pytest_rustybt_ready.statements.standing import sign_command
from pytest_rustybt_ready.values import Kind, Stage

KINDS = {
    Kind.CODE: "from a source checkout",
    Kind.ENGINE: "by driving the engine against the practice exchange",
    Kind.HOST: "on the deployment's host and files",
    Kind.RECORD: "from what operations recorded",
    Kind.SIGNED: "by a named person's signature",
    Kind.DERIVED: "from other items",
}
WIDEST = 100
LABEL = 14


class Found(NamedTuple):
    """An item with its checklist."""

    checklist: Checklist
    item: Item


def select(
    checklist: Checklist, *, section: str = "", stage: Stage | None = None, kind: Kind | None = None
) -> list[Found]:
    """Return the items that fit; raise ReadyError for a section that does not exist."""
    chosen = checklist.section(section) if section else None
    if section and chosen is None:
        known = ", ".join(f"{s.number} {s.key}" for s in checklist.sections)
        raise ReadyError(f"--section {section!r}: there is no such section; there are: {known}")
    items = checklist.items_of(chosen) if chosen else checklist.items
    return [
        Found(checklist, item)
        for item in items
        if (stage is None or item.stage is stage) and (kind is None or kind in item.kinds)
    ]


def find(checklist: Checklist, item_id: str) -> Item:
    """Return an item; raise ReadyError, naming what may be meant, for an unknown id."""
    item = checklist.find(item_id)
    if item is not None:
        return item
    below = [found.id for found in checklist.under(item_id)] if item_id else []
    near = difflib.get_close_matches(item_id, [found.id for found in checklist.items], n=3)
    meant = f"; below it are {', '.join(below[:8])}" if below else ""
    meant = meant or (f"; did you mean {' or '.join(near)}?" if near else "")
    raise ReadyError(f"{item_id!r} is not an item of the checklist{meant or ': see `list`'}")


def items_as_text(found: Sequence[Found]) -> str:
    """Return *found*, one item a line or more, by section."""
    if not found:
        return "no item fits"
    lines: list[str] = []
    section = ""
    for checklist, item in found:
        held = checklist.section_of(item)
        if held.key != section:
            section = held.key
            lines += ["", f"{held.number} {one_line(held.title)} ({held.key})"]
        kinds = "+".join(item.kinds)
        head = f"  {item.id:<9} {item.stage:<10} {kinds:<13} "
        lines.append(_wrapped(head, item.text))
    proper = sum(item.parent is None for _, item in found)
    parts = len(found) - proper
    total = count(proper, "item") + (f" and {count(parts, 'sub-item')}" if parts else "")
    return "\n".join([*lines[1:], "", total])


def items_as_json(found: Sequence[Found]) -> str:
    """Return *found* as a JSON array."""
    return _json([_plain(checklist, item) for checklist, item in found])


def item_as_text(checklist: Checklist, item: Item) -> str:
    """Return everything about *item* in words."""
    head = _wrapped(f"{item.id}  ", item.text)
    return "\n".join([head, "", *(_labelled(*line) for line in _account(checklist, item))])


def item_as_json(checklist: Checklist, item: Item) -> str:
    """Return *item* as a JSON object."""
    return _json(_plain(checklist, item))


def commands(item: Item) -> tuple[str, ...]:
    """Return the commands that run the checks of *item*, prove that they can fail, and sign it."""
    run = f"pytest --ready-item {item.id}"
    checked = (run, f"{run} --ready-prove") if item.automated else ()
    return (*checked, sign_command(item)) if item.role else checked


def _account(checklist: Checklist, item: Item) -> Iterator[tuple[str, str]]:
    section = checklist.section_of(item)
    title = section.subsections.get(item.subsection, "")
    yield "section", f"{section.number} {section.title} ({section.key}), {item.subsection} {title}"
    yield "proven", "; ".join(KINDS[kind] for kind in item.kinds)
    yield "how", item.how
    yield from (("can fail", cause) for cause in item.fails)
    yield "to fix", item.remedy
    yield "blocks", _blocks(item)
    yield from (("threshold", f"{name} {limit}") for name, limit in item.thresholds.items())
    if item.max_age_days is not None:
        yield "counts for", count(item.max_age_days, "day")
    yield "applies", f"if {item.applies}; unknown excuses nothing" if item.applies else "always"
    yield "waiver", "possible, for 90 days at most" if item.waivable else "never"
    yield from _relations(checklist, item)
    yield from (("command", command) for command in commands(item))


def _blocks(item: Item) -> str:
    if item.optional:
        return "never: it is optional"
    return f"from stage {item.stage} on"


def _relations(checklist: Checklist, item: Item) -> Iterator[tuple[str, str]]:
    """Yield who signs *item*, and which items have to do with it."""
    if item.role:
        how = " if the check can only say unproven" if item.or_signed else ""
        until = ", for one commit only" if item.lapses_with_commit else ""
        yield "signed by", f"{item.role}{how}{until}"
    if item.derives:
        yield "rests on", ", ".join(item.derives)
    if item.parent is not None:
        yield "part of", item.parent
    children = checklist.children(item)
    if children:
        yield "parts", ", ".join(child.id for child in children)


def _plain(checklist: Checklist, item: Item) -> dict[str, Any]:
    """Return *item* as plain values, with its section and commands."""
    plain: dict[str, Any] = msgspec.to_builtins(item)
    plain["section"] = checklist.section_of(item).key
    plain["commands"] = list(commands(item))
    for threshold in plain["thresholds"].values():
        threshold["limit"] = str(threshold["limit"])
    return plain


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _labelled(label: str, text: str) -> str:
    return _wrapped(f"{label:<{LABEL}}", text)


def _wrapped(head: str, text: str) -> str:
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    return textwrap.fill(
        one_line(text),
        width=max(width, len(head) + 20),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
    )
