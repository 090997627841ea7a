"""The summary that a run prints: a line a section, what changed, what blocks, the verdict last."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import count, one_line, shorten
from pytest_rustybt_ready.report.view import (
    Chapter,
    View,
    arithmetic,
    arrange,
    proven,
    scope_words,
)
from pytest_rustybt_ready.verdict import Blocker, Status

MAX_BLOCKERS = 20
MAX_IDS = 12
MAX_DAYS = 3
MAX_REASON = 300

SYMBOLS: Mapping[Status, str] = {
    Status.READY: "✓",
    Status.NOT_READY: "✗",
    Status.INCOMPLETE: "○",
}
COLOURS: Mapping[Status, dict[str, bool]] = {
    Status.READY: {"green": True},
    Status.NOT_READY: {"red": True},
    Status.INCOMPLETE: {"yellow": True},
}
ASCII = str.maketrans(
    {
        "✓": "+",
        "✗": "x",
        "○": "o",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
    }
)

Markup = dict[str, bool]
Text = tuple[str, Markup]


class Writes(Protocol):
    """What the summary needs of a terminal; pytest's TerminalReporter is one."""

    def write_line(self, line: str, **markup: bool) -> None:
        """Write *line* and a line end, with pytest's markup names such as ``red``."""
        ...


def write_summary(record: Record, terminal: Writes, *, encoding: str | None = None) -> None:
    """Write the summary of *record* to *terminal*, by default in standard output's encoding."""
    encoding = encoding or getattr(sys.__stdout__, "encoding", None)
    for text, markup in summary_lines(record, encoding=encoding):
        terminal.write_line(text, **markup)


def summary_lines(record: Record, *, encoding: str | None = "utf-8") -> list[Text]:
    """Return the summary's lines, each with its markup.

    Characters that *encoding* lacks are replaced (None means that nothing is known: ASCII then).
    """
    view = arrange(record)
    lines = [
        *_sections(view),
        *_changes(record),
        *_blockers(view),
        *_proofs(record),
        *_refused(record),
        *_signatures(view),
        *_verdict(view),
    ]
    return [(fit(text, encoding), markup) for text, markup in lines]


def fit(text: str, encoding: str | None) -> str:
    """Return *text* so that *encoding* can say it: plainer signs first, escapes for the rest."""
    name = encoding or "ascii"
    try:
        text.encode(name)
    except UnicodeEncodeError:
        return text.translate(ASCII).encode(name, "backslashreplace").decode(name)
    except LookupError:
        return fit(text, "ascii")
    return text


def _sections(view: View) -> Iterator[Text]:
    asked = [chapter for chapter in view.chapters if chapter.in_scope]
    width = max((len(chapter.section.title) for chapter in asked), default=0)
    for chapter in asked:
        yield _section(chapter, width)


def _section(chapter: Chapter, width: int) -> Text:
    verdict, status = chapter.verdict, chapter.verdict.status
    done = f"{verdict.satisfied}/{verdict.items} satisfied"
    open_ = f", {verdict.blockers} blocking open" if verdict.blockers else ""
    if chapter.idle:
        open_ = ", nothing blocks yet"
    title = one_line(chapter.section.title).ljust(width)
    text = f"{SYMBOLS[status]} {status:<10} {verdict.number:>2} {title}  {done}{open_}"
    return text, COLOURS[status]


def _changes(record: Record) -> Iterator[Text]:
    changes = record.changes
    if not changes.previous:
        return
    named: tuple[tuple[str, tuple[str, ...], Markup], ...] = (
        ("fixed", changes.fixed, {"green": True}),
        ("regressed", changes.regressed, {"red": True}),
        ("newly stale", changes.newly_stale, {"yellow": True}),
    )
    for name, ids, markup in named:
        if ids:
            yield f"{name} since the previous run: {_ids(ids)}", markup
    if not any(ids for _, ids, _ in named):
        yield "no change since the previous run", {}


def _refused(record: Record) -> Iterator[Text]:
    """Name the statements that do not count: a signature that is ignored must not go unseen."""
    for refusal in record.refused[:MAX_BLOCKERS]:
        text = " ".join(
            filter(None, ("refused:", refusal.item, f"{refusal.file}: {refusal.reason}"))
        )
        yield shorten(one_line(text), MAX_REASON), {"yellow": True}
    more = len(record.refused) - MAX_BLOCKERS
    if more > 0:
        yield f"and {count(more, 'refused statement')} more", {"yellow": True}


def _signatures(view: View) -> Iterator[Text]:
    """Tell what people signed or waived will end first."""
    for day, ids in view.signatures[:MAX_DAYS]:
        yield f"signature or waiver ends {day}: {_ids(ids)}", {}


def _blockers(view: View) -> Iterator[Text]:
    blockers = view.blockers
    if not blockers:
        return
    yield f"{count(len(blockers), 'blocker')}:", {"bold": True}
    for number, blocker in enumerate(blockers[:MAX_BLOCKERS], start=1):
        yield from _blocker(number, blocker)
    if len(blockers) > MAX_BLOCKERS:
        yield f"    … and {len(blockers) - MAX_BLOCKERS} more, see index.html", {}


def _blocker(number: int, blocker: Blocker) -> Iterator[Text]:
    what = blocker.item or blocker.section or "the run"
    reason = shorten(one_line(blocker.reason), MAX_REASON)
    markup: Markup = {"red": True} if blocker.disposition.breaks else {"yellow": True}
    yield f"{number:>3}. {what} {blocker.disposition}: {reason}", markup
    if blocker.remedy:
        yield f"     fix: {shorten(one_line(blocker.remedy), MAX_REASON)}", {}


def _proofs(record: Record) -> Iterator[Text]:
    found = proven(record)
    if not found.ran:
        return
    text = f"proven {found.proven} of {count(found.ran, 'automated item')} that ran"
    doubts = {
        "cannot fail": found.failed,
        "without a control": found.without_control,
        "proof not run": found.not_run,
    }
    text += "".join(f"; {name}: {_ids(ids)}" for name, ids in doubts.items() if ids)
    yield text, {"red": True} if found.failed else {}


def _verdict(view: View) -> Iterator[Text]:
    record, verdict = view.record, view.record.verdict
    if record.run.interrupted:
        yield "the run was interrupted: this is what there is", {"yellow": True}
    markup = COLOURS[view.status] | {"bold": True}
    if not view.whole:
        asked = one_line(scope_words(record.run.scope, record))
        yield "this run judged a part; the whole was not judged", {}
        yield f"{view.status} at stage {verdict.stage} for {asked}", markup
        return
    yield arithmetic(verdict.counts), {}
    blocking = [line for line in view.lines if line.blocks and line.item.parent is None]
    why = []
    if blocking:
        broken = sum(line.disposition.breaks for line in blocking)
        why.append(f"{len(blocking)} blocking open, {broken} of them broken")
    if view.other_blockers:
        why.append(f"{count(len(view.other_blockers), 'blocker')} beside the items")
    if verdict.valid_until:
        why.append(f"first lapse {verdict.valid_until:%Y-%m-%d}")
    yield f"{view.status} at stage {verdict.stage}{': ' if why else ''}{', '.join(why)}", markup


def _ids(ids: Iterable[str]) -> str:
    found = list(ids)
    rest = f" … and {len(found) - MAX_IDS} more" if len(found) > MAX_IDS else ""
    return ", ".join(found[:MAX_IDS]) + rest
