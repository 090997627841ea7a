"""HDF, the format of Heimdall: the exec-json of InSpec, one control for each item."""

from __future__ import annotations

from typing import Any

from pytest_rustybt_ready.canonical import digest
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import one_line
from pytest_rustybt_ready.report.view import Chapter, Line, arrange
from pytest_rustybt_ready.values import Disposition, Stage

# Heimdall reads severity off the impact, from 0 to 1; an optional item weighs little.
IMPACT = {Stage.DEV: 0.9, Stage.STAGING: 0.7, Stage.PRODUCTION: 0.7, Stage.LIVE: 0.5}
OPTIONAL = 0.1


def as_hdf(record: Record) -> dict[str, Any]:
    """Return *record* with one control an item; a waived failure stays failed, with its waiver."""
    chapters = arrange(record).chapters
    lines = [line for chapter in chapters for line in chapter.lines]
    title = one_line(record.checklist.title)
    return {
        "platform": {"name": "rustybt-ready", "release": record.run.versions.get("rustybt", "0")},
        "version": record.run.versions.get("rustybt", "0"),
        "statistics": {"duration": (record.run.finished - record.run.started).total_seconds()},
        "profiles": [
            {
                "name": "rustybt-readiness",
                "version": one_line(record.checklist.version),
                "title": title,
                "summary": f"{record.verdict.scope_status} at stage {record.verdict.stage}",
                "sha256": digest(record.checklist).removeprefix("sha256:"),
                "supports": [],
                "attributes": [],
                "groups": [_group(chapter) for chapter in chapters],
                "controls": [_control(record, line) for line in lines],
            }
        ],
        "passthrough": {"record": record.digest, "commit": record.subject.commit},
    }


def _group(chapter: Chapter) -> dict[str, Any]:
    return {
        "id": chapter.section.key,
        "title": one_line(chapter.section.title),
        "controls": [line.item.id for line in chapter.lines],
    }


def _control(record: Record, line: Line) -> dict[str, Any]:
    item = line.item
    return (
        {
            "id": item.id,
            "title": one_line(item.text),
            "desc": one_line(item.how),
            "descriptions": [
                {"label": "check", "data": one_line(item.how)},
                {"label": "fix", "data": one_line(line.remedy)},
            ],
            "impact": OPTIONAL if item.optional else _impact(line),
            "refs": [],
            "tags": {
                "stage": str(item.stage),
                "kinds": [str(kind) for kind in item.kinds],
                "disposition": str(line.disposition),
                "blocking": line.verdict.blocking,
            },
            "code": "",
            "source_location": {"ref": line.checks[0].check if line.checks else "", "line": 0},
            "results": [_result(record, line)],
        }
        | _attestation(record, line)
        | _waiver(record, line)
    )


def _attestation(record: Record, line: Line) -> dict[str, Any]:
    """Return what a person vouches for, where that is what satisfies the item."""
    commit = "" if record.subject.dirty else record.subject.commit
    held = line.signature(record.verdict.at, commit)
    if line.disposition is not Disposition.SIGNED or held is None:
        return {}
    return {
        "attestation_data": {
            "control_id": line.item.id,
            "explanation": one_line(f"signed as {held.role}: {held.digest}"),
            "frequency": f"{line.item.max_age_days}d",
            "status": "passed",
            "updated": held.signed_at.isoformat(),
            "updated_by": one_line(held.signer),
        }
    }


def _impact(line: Line) -> float:
    """Return the weight; Heimdall shows what has none as not applicable."""
    na = line.disposition is Disposition.NOT_APPLICABLE
    return 0.0 if na else IMPACT[line.item.stage]


def _result(record: Record, line: Line) -> dict[str, Any]:
    status = _status(line)
    reason = one_line(f"{line.disposition}: {line.verdict.reason}")
    started = [result.started for check in line.checks for result in check.results]
    return {
        "status": status,
        "code_desc": one_line(line.item.text),
        "run_time": line.seconds,
        "start_time": min(started, default=record.run.started).isoformat(),
        ("skip_message" if status == "skipped" else "message"): reason,
    }


def _status(line: Line) -> str:
    state = line.verdict.underlying or line.disposition
    if state is Disposition.NOT_APPLICABLE:
        return "skipped"
    if state.satisfied:
        return "passed"
    # what nobody has looked at was not skipped on purpose: Heimdall calls it "not reviewed"
    return {Disposition.FAILED: "failed", Disposition.ERROR: "error"}.get(state, "skipped")


def _waiver(record: Record, line: Line) -> dict[str, Any]:
    held = [s for s in line.statements if s.kind == "waiver" and s.holds(record.verdict.at)]
    if line.disposition is not Disposition.WAIVED or not held:
        return {}
    waiver = held[-1]
    return {
        "waiver_data": {
            "justification": one_line(f"{waiver.reason}; meanwhile: {waiver.measure}"),
            "expiration_date": f"{waiver.ends_at:%Y-%m-%d}",
            "run": True,
            "skipped_due_to_waiver": False,
            "message": one_line(f"{waiver.signer} as {waiver.role}"),
        }
    }
