"""``rustybt-ready``: look at the checklist, and judge a record again.

Exit codes of ``verify`` are a run's own (:class:`~pytest_rustybt_ready.verdict.Exit`): 0 READY,
1 NOT READY, 6 INCOMPLETE, 7 a record that cannot be read or believed. Wrong usage exits with 2.
"""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pytest_rustybt_ready.checklist import Checklist, Item
    from pytest_rustybt_ready.record import Record
    from pytest_rustybt_ready.verdict import Verdict

app = typer.Typer(
    name="rustybt-ready",
    help="Look at the production checklist, and judge a readiness record again.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ChecklistOption = Annotated[
    Path | None, typer.Option("--checklist", metavar="FILE", help="Another checklist than ours.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def main() -> None:
    """Run the command line; print the plugin's own errors as one message."""
    from pytest_rustybt_ready.errors import ReadyError, RecordError
    from pytest_rustybt_ready.verdict import Exit

    try:
        app()
    except RecordError as error:
        _leave(error, Exit.REPORT_ERROR)
    except ReadyError as error:
        _leave(error, Exit.USAGE_ERROR)


@app.command("list")
def list_items(
    section: Annotated[str, typer.Option(help="Key or number, such as security or 2.")] = "",
    stage: Annotated[str, typer.Option(help="dev, staging, production or live.")] = "",
    kind: Annotated[str, typer.Option(help="code, engine, host, record, signed, derived.")] = "",
    checklist: ChecklistOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """List the items, all of them or those of a section, a stage, a kind."""
    from pytest_rustybt_ready.values import Kind, Stage

    known = _load(checklist)
    chosen = None if not section else known.section(section)
    if section and chosen is None:
        raise typer.BadParameter(
            f"{section!r} is none of {', '.join(s.key for s in known.sections)}",
            param_hint="--section",
        )
    _require(stage, [s.value for s in Stage], "--stage")
    _require(kind, [k.value for k in Kind], "--kind")
    items = [
        item
        for item in known.items
        if (chosen is None or item.section_number == chosen.number)
        and stage in ("", item.stage)
        and (not kind or kind in item.kinds)
    ]
    if json:
        _print_json([_as_dict(item) for item in items])
        return
    _print_table(known, items)


@app.command()
def explain(
    item_id: Annotated[str, typer.Argument(metavar="ID", help="Such as 2.2.3.")],
    checklist: ChecklistOption = None,
    *,
    json: JsonOption = False,
) -> None:
    """Say what an item means, how it is checked, how it can fail and how to fix it."""
    known = _load(checklist)
    item = known.find(item_id)
    if item is None:
        raise typer.BadParameter(
            f"there is no item {item_id!r}; `rustybt-ready list` shows them all", param_hint="ID"
        )
    if json:
        _print_json(_as_dict(item))
        return
    for line in _explanation(known, item):
        print(line)  # noqa: T201 - this is a command


@app.command()
def verify(
    record: Annotated[Path, typer.Argument(help="A readiness.json.")],
    at: Annotated[
        str, typer.Option(metavar="INSTANT", help="A date or time (UTC without a zone).")
    ] = "",
    *,
    json: JsonOption = False,
) -> None:
    """Judge a record again, offline, as of now or of another instant; say what lapses when."""
    from pytest_rustybt_ready.record import load
    from pytest_rustybt_ready.verdict import Exit, judge

    instant = _instant(at)
    found = load(record)
    if instant < found.run.finished:
        raise typer.BadParameter(
            f"{instant.isoformat()} is before the run ended ({found.run.finished.isoformat()})",
            param_hint="--at",
        )
    verdict = judge(found.inputs(), instant)
    if json:
        _print_json(_verified(found, verdict))
    else:
        for line in _verification(found, verdict):
            print(line)  # noqa: T201 - this is a command
    raise typer.Exit(Exit.of(verdict.scope_status))


def _leave(error: Exception, code: int) -> None:
    print(error, file=sys.stderr)  # noqa: T201 - this is a command
    raise SystemExit(int(code))


def _load(path: Path | None) -> Checklist:
    from pytest_rustybt_ready import checklist_file

    return checklist_file.load(path) if path else checklist_file.built_in()


def _require(value: str, known: Iterable[str], option: str) -> None:
    options = list(known)
    if value and value not in options:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(options)}", param_hint=option)


def _instant(text: str) -> datetime:
    if not text:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date or time such as 2027-01-01 or 2027-01-01T12:00+00:00",
            param_hint="--at",
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _print_json(value: object) -> None:
    print(json_.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - this is a command


def _as_dict(item: Item) -> dict[str, Any]:
    import msgspec

    built: dict[str, Any] = msgspec.to_builtins(item)
    return built


def _print_table(checklist: Checklist, items: list[Item]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("id", "stage", "kind", "item"):
        table.add_column(name, no_wrap=name != "item")
    for item in items:
        kinds = " ".join(kind.value for kind in item.kinds)
        table.add_row(item.id, item.stage.value, kinds, item.text)
    console = Console()
    console.print(table)
    proper = sum(item.parent is None for item in items)
    console.print(f"{proper} items and {len(items) - proper} sub-items of {checklist.title}")


def _explanation(checklist: Checklist, item: Item) -> list[str]:
    section = checklist.section_of(item)
    title = section.subsections.get(item.subsection, "")
    thresholds = [f"{name} {limit}" for name, limit in item.thresholds.items()]
    age = f"{item.max_age_days} days" if item.max_age_days else "does not age"
    facts = {
        "Section": f"{section.number} {section.title} / {title}",
        "Kind": ", ".join(kind.value for kind in item.kinds),
        "Blocks from": f"{item.stage} on" if not item.optional else "never: it is optional",
        "Applies": f"if {item.applies}" if item.applies else "always",
        "Thresholds": "; ".join(thresholds) or "none",
        "Result counts": age,
        "Signed by": item.role or "nobody",
        "May be waived": "yes" if item.waivable else "no",
        "Parts": ", ".join(child.id for child in checklist.children(item)) or "none",
    }
    lines = [f"{item.id}  {item.text}", ""]
    lines += [f"{name + ':':<15}{value}" for name, value in facts.items()]
    lines += ["", "How it is checked", f"  {item.how}"]
    lines += ["", "How it can fail", *(f"  - {way}" for way in item.fails or ("nobody signs",))]
    lines += ["", "How to fix it", *(f"  {line}" for line in item.remedy.splitlines())]
    return [*lines, "", f"Run it:  pytest --ready-item {item.id}"]


def _verified(record: Record, verdict: Verdict) -> dict[str, Any]:
    import msgspec

    return {
        "record": record.digest,
        "commit": record.subject.commit,
        "judged": record.verdict.at.isoformat(),
        "at": verdict.at.isoformat(),
        "status": verdict.status.value,
        "scope_status": verdict.scope_status.value,
        "was": record.verdict.status.value,
        "lost": _lost(record, verdict),
        "lapses": msgspec.to_builtins(verdict.lapses),
        "counts": verdict.counts,
    }


def _lost(record: Record, verdict: Verdict) -> list[str]:
    """Return the items that were satisfied when the record was made, and no longer are."""
    before = {item.id for item in record.verdict.items if item.disposition.satisfied}
    now = {item.id for item in verdict.items if item.disposition.satisfied}
    return [item.id for item in verdict.items if item.id in before - now]


def _verification(record: Record, verdict: Verdict) -> list[str]:
    lost = _lost(record, verdict)
    reasons = {item.id: item.reason for item in verdict.items}
    dirty = " with uncommitted changes" if record.subject.dirty else ""
    lines = [
        f"record    {record.digest}, as it was written, and its verdict follows from it",
        f"subject   {record.subject.name}, commit {record.subject.commit or 'unknown'}{dirty}",
        f"judged    {record.verdict.at:%Y-%m-%d %H:%M} UTC: {record.verdict.status}",
        f"as of     {verdict.at:%Y-%m-%d %H:%M} UTC: {verdict.status} at stage {verdict.stage}",
    ]
    if record.run.scope.kind != "whole":
        lines.append(f"in scope  {verdict.scope_status}: the run judged a part")
    lines += [f"lapsed    {item}: {reasons[item]}" for item in lost]
    lines += [
        f"lapses    {lapse.at:%Y-%m-%d %H:%M} UTC: {', '.join(lapse.items)}"
        for lapse in verdict.lapses
    ]
    if not verdict.lapses:
        lines.append("lapses    nothing that is satisfied and blocks lapses by age")
    return lines
