"""SARIF 2.1.0: one result for each item that is not met, and none for those that are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import one_line
from pytest_rustybt_ready.report.view import Line, arrange
from pytest_rustybt_ready.values import Disposition

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(record: Record) -> dict[str, Any]:
    """Return the items of *record* that are not met, and what blocks the run as a whole.

    An item that blocks is an ``error`` if it failed and a ``warning`` if it is merely open; what
    does not block yet is a ``note``. A waived failure is a result with a suppression.
    """
    lines = [line for line in _lines(record) if _reported(line)]
    rules = {line.item.id: n for n, line in enumerate(lines)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(record, [line.item for line in lines])},
                "invocations": [_invocation(record)],
                "results": [_result(line, rules[line.item.id]) for line in lines],
                "properties": {
                    "record": record.digest,
                    "commit": record.subject.commit,
                    "stage": str(record.verdict.stage),
                    "verdict": str(record.verdict.scope_status),
                },
            }
        ],
    }


def _lines(record: Record) -> Iterator[Line]:
    for chapter in arrange(record).chapters:
        yield from chapter.lines


def _reported(line: Line) -> bool:
    return not line.disposition.satisfied or line.disposition is Disposition.WAIVED


def _driver(record: Record, items: list[Item]) -> dict[str, Any]:
    return {
        "name": "rustybt-ready",
        "version": record.run.versions.get("rustybt", "unknown"),
        "rules": [_rule(item) for item in items],
    }


def _rule(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "shortDescription": {"text": one_line(item.text)},
        "fullDescription": {"text": one_line(item.how)},
        "help": {"text": one_line(item.remedy)},
        "properties": {"stage": str(item.stage), "kinds": [str(kind) for kind in item.kinds]},
    }


def _invocation(record: Record) -> dict[str, Any]:
    """Say how the run went; what speaks against the run as a whole is no item's result."""
    whole = [b for b in record.verdict.blockers if not b.item]
    return {
        "executionSuccessful": not record.run.interrupted and not record.broken,
        "startTimeUtc": _utc(record.run.started.isoformat()),
        "endTimeUtc": _utc(record.run.finished.isoformat()),
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": one_line(blocker.reason)}} for blocker in whole
        ],
    }


def _utc(text: str) -> str:
    return text.replace("+00:00", "Z")


def _result(line: Line, rule: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": line.item.id,
        "ruleIndex": rule,
        "kind": "fail",
        "level": _level(line),
        "message": {"text": one_line(f"{line.disposition}: {line.verdict.reason}")},
        "locations": [_location(line)],
        "partialFingerprints": {"item/v1": line.item.id},
        "properties": {"disposition": str(line.disposition), "remedy": one_line(line.remedy)},
    }
    if line.disposition is Disposition.WAIVED:
        why = one_line(line.verdict.reason)
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return found


def _level(line: Line) -> str:
    if not line.verdict.blocking:
        return "note"
    state = line.verdict.underlying or line.disposition
    return "error" if state.breaks else "warning"


def _location(line: Line) -> dict[str, Any]:
    """Return where to look: the file of the item's check, or else the item by its name."""
    name = f"{line.section.key} {line.item.id}"
    place: dict[str, Any] = {
        "logicalLocations": [{"name": line.item.id, "fullyQualifiedName": name}]
    }
    if line.checks:
        file = line.checks[0].check.partition("::")[0]
        place["physicalLocation"] = {"artifactLocation": {"uri": _uri(file)}}
    return place


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
