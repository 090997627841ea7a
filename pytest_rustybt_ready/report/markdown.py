"""The checklist in Markdown, ticked: what a person prints, signs and files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import moment, one_line, percent
from pytest_rustybt_ready.report.view import Chapter, Line, View, arithmetic, arrange, scope_words
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.values import Disposition, Kind
from pytest_rustybt_ready.verdict import Status

BLANK = "_" * 31
_CODE = re.compile(r"`([^`]+)`")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|~&#$])")
_LINK = re.compile(r"(?<=[A-Za-z])(?=://)|(?<=\bwww)(?=\.)", re.IGNORECASE)
_START = re.compile(r"^(\d+)([.)])|^([-+=])")
CONTACTS = ("Technical lead", "On-call engineer", "Business owner")


def escape(text: str) -> str:
    """Return *text* as one line that Markdown renders as itself: no markup, HTML or links.

    Code between single backticks stays code, in which nothing else is special.
    """
    parts = _CODE.split(one_line(text))
    flat = "".join(f"`{part}`" if n % 2 else _plain(part) for n, part in enumerate(parts))
    return _START.sub(_inert_start, flat)


def render_markdown(record: Record) -> str:
    """Return the checklist of *record*, ticked only where an item is satisfied."""
    view = arrange(record)
    blocks = [
        _head(view),
        *(_chapter(chapter, record) for chapter in view.chapters),
        _summary(view),
        _contacts(),
        _foot(view),
    ]
    return "\n\n".join(blocks) + "\n"


def _head(view: View) -> str:
    record, subject = view.record, view.record.subject
    verdict = record.verdict
    dirty = " with uncommitted changes" if subject.dirty else ""
    rows = [
        f"# {escape(record.checklist.title)}",
        "",
        f"**{view.status}** at stage {verdict.stage}, judged {moment(verdict.at)}.",
        "",
        f"- Judged: {escape(subject.name)} ({subject.kind})",
        f"- Commit: {escape(subject.commit) or 'none'}{dirty}",
        f"- Asked about: {escape(scope_words(record.run.scope, record))}",
        f"- Checklist version: {escape(record.checklist.version)}",
        f"- Record: {escape(record.digest)}",
    ]
    if not view.whole:
        rows += ["", "This was a partial run: the whole checklist was not judged."]
    return "\n".join(rows)


def _chapter(chapter: Chapter, record: Record) -> str:
    verdict = chapter.verdict
    done = f"{verdict.satisfied} of {verdict.items} satisfied"
    rows = [
        f"## {chapter.section.number}. {escape(chapter.section.title)}",
        "",
        f"{verdict.status}: {done}, {verdict.blockers} of {verdict.blocking} blocking open.",
    ]
    for key, title, lines in chapter.subsections():
        rows += ["", f"### {key} {escape(title)}", ""]
        rows += [_tick(line) for line in lines]
        rows += [text for line in lines for text in _signature(line, record)]
    return "\n".join(rows)


def _tick(line: Line) -> str:
    indent = "" if line.item.parent is None else "  "
    box = "x" if line.disposition.satisfied else " "
    text = f"{indent}- [{box}] {line.item.id} {escape(line.item.text)}"
    reason = escape(line.verdict.reason)
    if line.disposition is Disposition.PASSED:
        return text
    blocking = ", blocking" if line.blocks else ""
    return f"{text} — **{line.disposition}**{blocking}: {reason}"


def _signature(line: Line, record: Record) -> Iterator[str]:
    if Kind.SIGNED not in line.item.kinds:
        return
    statement = line.signature(record.verdict.at, record.inputs().commit)
    yield ""
    yield f"{line.item.id} signature:"
    yield ""
    yield from (f"- {name}: {value}" for name, value in _signer(statement, line.item.role).items())


def _signer(statement: Statement | None, role: str) -> Mapping[str, str]:
    if statement is None:
        return {"Name": _blank(), "Role": escape(role), "Date": _blank()}
    return {
        "Name": escape(statement.signer),
        "Role": escape(statement.role),
        "Date": f"{statement.signed_at:%Y-%m-%d}, in force until {moment(statement.expires_at)}",
    }


def _summary(view: View) -> str:
    verdict = view.record.verdict
    ready = view.whole and verdict.status is Status.READY
    rows = [
        "## Summary",
        "",
        f"- Completed: {view.satisfied} / {view.total}, {percent(view.satisfied, view.total)}",
        f"- Items: {arithmetic(verdict.counts)}",
        f"- Sub-items, counted apart: {arithmetic(verdict.sub_item_counts)}",
        f"- [{' ' if ready else 'x'}] Not ready for stage {verdict.stage}",
        f"- [{'x' if ready else ' '}] Ready for stage {verdict.stage}",
    ]
    return "\n".join(rows)


def _contacts() -> str:
    rows = ["## Emergency contacts", "", "The deployment fills these in."]
    for contact in CONTACTS:
        rows += ["", f"{contact}:", ""]
        rows += [f"- {field}: {_blank()}" for field in ("Name", "Phone", "E-mail")]
    return "\n".join(rows)


def _foot(view: View) -> str:
    lapse = view.record.verdict.valid_until
    due = moment(lapse) if lapse else "nothing satisfied lapses by age"
    return f"Last reviewed: {moment(view.record.verdict.at)}. Next review due: {due}."


def _plain(text: str) -> str:
    marked = _LINK.sub("\0", text)
    return _MARKUP.sub(r"\\\1", marked).replace("\0", "\\")


def _blank() -> str:
    return BLANK


def _inert_start(match: re.Match[str]) -> str:
    number, mark, bullet = match.groups()
    return f"\\{bullet}" if bullet else f"{number}\\{mark}"
