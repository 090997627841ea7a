"""OSCAL 1.1 assessment results: an observation and a finding for each item that was judged."""

from __future__ import annotations

import uuid
from typing import Any

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import one_line
from pytest_rustybt_ready.report.view import Line, arrange
from pytest_rustybt_ready.values import Disposition

OSCAL_VERSION = "1.1.2"
# What a property's name is qualified by; the names are ours, not NIST's.
NAMESPACE = "urn:rustybt-ready:oscal:1"
SPACE = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)


def as_oscal(record: Record) -> dict[str, Any]:
    """Return *record* as ``assessment-results``; identifiers follow from the record's digest."""
    lines = [line for chapter in arrange(record).chapters for line in chapter.lines]
    at = record.verdict.at.isoformat()
    return {
        "assessment-results": {
            "uuid": _uuid(record, "document"),
            "metadata": {
                "title": one_line(f"{record.checklist.title}: {record.subject.name}"),
                "last-modified": at,
                "version": record.digest,
                "oscal-version": OSCAL_VERSION,
            },
            "import-ap": {"href": "#" + _uuid(record, "plan")},
            "results": [_result(record, lines, at)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": _uuid(record, "plan"),
                        "title": one_line(record.checklist.title),
                        "description": "The checklist, version "
                        f"{one_line(record.checklist.version)}, is kept in readiness.json.",
                    }
                ]
            },
        }
    }


def _result(record: Record, lines: list[Line], at: str) -> dict[str, Any]:
    return {
        "uuid": _uuid(record, "result"),
        "title": f"{record.verdict.scope_status} at stage {record.verdict.stage}",
        "description": one_line(f"Run {record.run.id} of {record.subject.name}"),
        "start": record.run.started.isoformat(),
        "end": record.run.finished.isoformat(),
        "props": [
            _prop("status", str(record.verdict.scope_status).replace(" ", "-")),
            _prop("stage", str(record.verdict.stage)),
            _prop("commit", record.subject.commit or "none"),
        ],
        "reviewed-controls": {
            "control-selections": [
                {"include-controls": [{"control-id": _control(line)} for line in lines]}
            ]
        },
        "observations": [_observation(record, line, at) for line in lines],
        "findings": [_finding(record, line) for line in lines],
    }


def _observation(record: Record, line: Line, at: str) -> dict[str, Any]:
    method = "TEST" if line.item.automated else "EXAMINE"
    seen = [result.started for check in line.checks for result in check.results]
    return {
        "uuid": _uuid(record, f"observation {line.item.id}"),
        "title": f"Item {line.item.id}",
        "description": one_line(line.item.how),
        "methods": [method],
        "collected": min(seen).isoformat() if seen else at,
    } | ({"expires": line.verdict.expires.isoformat()} if line.verdict.expires else {})


def _finding(record: Record, line: Line) -> dict[str, Any]:
    state = line.verdict.underlying or line.disposition
    status: dict[str, Any] = {"state": "satisfied" if state.satisfied else "not-satisfied"}
    reason = _reason(line.disposition)
    if reason:
        status["reason"] = reason
    if line.verdict.reason:
        status["remarks"] = one_line(line.verdict.reason)
    return {
        "uuid": _uuid(record, f"finding {line.item.id}"),
        "title": one_line(f"{line.item.id} {line.item.text}"),
        "description": one_line(f"{line.disposition}: {line.verdict.reason or line.item.text}"),
        "props": [
            _prop("disposition", str(line.disposition).replace(" ", "-")),
            _prop("blocking", "yes" if line.verdict.blocking else "no"),
        ],
        "target": {
            "type": "objective-id",
            "target-id": _control(line),
            "title": one_line(line.item.text),
            "status": status,
        },
        "related-observations": [
            {"observation-uuid": _uuid(record, f"observation {line.item.id}")}
        ],
    }


def _reason(disposition: Disposition) -> str:
    """Return OSCAL's word for why: pass, fail or other."""
    if disposition in (Disposition.PASSED, Disposition.SIGNED):
        return "pass"
    return "fail" if disposition is Disposition.FAILED else "other"


def _control(line: Line) -> str:
    """Return the item's id as an OSCAL token, which begins with a letter."""
    return f"item-{line.item.id}"


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": NAMESPACE, "value": value}


def _uuid(record: Record, name: str) -> str:
    """Return a UUID of version 5 that follows from the record: equal records, equal documents."""
    return str(uuid.uuid5(SPACE, f"{record.digest} {name}"))
