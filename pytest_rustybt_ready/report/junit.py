"""The record as JUnit XML: one suite a section, one test case an item or sub-item.

The document keeps to the schema that Jenkins' xUnit plugin enforces (``junit-10.xsd``), which
pytest's ``xunit2`` family follows too. That schema refuses ``properties`` inside ``testcase``, and
a file that breaks it is dropped whole. So the flat ``ready.*`` properties of a test case stand in
its ``system-out``, one ``[[PROPERTY|name=value]]`` a line as common readers expect them, and as
``property`` elements of its suite, named ``ready.<item>.<name>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree as ET

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import one_line, visible
from pytest_rustybt_ready.report.view import Chapter, Line, View, arithmetic, arrange
from pytest_rustybt_ready.values import CheckResult, Disposition, EvidenceEntry

TAGS: Mapping[Disposition, str] = {
    Disposition.FAILED: "failure",
    Disposition.ERROR: "error",
    Disposition.NOT_APPLICABLE: "skipped",
    Disposition.UNPROVEN: "skipped",
    Disposition.AWAITING: "skipped",
    Disposition.NOT_RUN: "skipped",
}


def render_junit(record: Record) -> bytes:
    """Return *record* as JUnit XML in UTF-8; equal records give equal bytes."""
    view = arrange(record)
    root = ET.Element("testsuites", {"name": "readiness", **_totals(view.lines)})
    root.extend(_suite(view, chapter) for chapter in view.chapters)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(view: View, chapter: Chapter) -> ET.Element:
    record = view.record
    skipped = sum(TAGS.get(line.disposition) == "skipped" for line in chapter.lines)
    attributes = {
        "name": f"ready.{chapter.section.key}",
        **_totals(chapter.lines),
        "skipped": str(skipped),
        "timestamp": f"{record.run.started:%Y-%m-%dT%H:%M:%S}",
    }
    if record.subject.host:
        attributes["hostname"] = one_line(record.subject.host)
    suite = ET.Element("testsuite", attributes)
    suite.append(_properties(_of_suite(view, chapter)))
    suite.extend(_case(line) for line in chapter.lines)
    return suite


def _of_suite(view: View, chapter: Chapter) -> Iterator[tuple[str, str]]:
    record, verdict = view.record, view.record.verdict
    yield "ready.title", chapter.section.title
    yield "ready.status", chapter.verdict.status
    yield "ready.in_scope", _yes(chapter.in_scope)
    yield "ready.whole.status", verdict.status
    yield "ready.whole.arithmetic", arithmetic(verdict.counts)
    yield "ready.whole.stage", verdict.stage
    yield "ready.whole.at", verdict.at.isoformat()
    yield "ready.whole.commit", record.subject.commit
    yield "ready.whole.dirty", _yes(record.subject.dirty)
    yield "ready.whole.subject", record.subject.name
    yield "ready.whole.digest", record.digest
    for line in chapter.lines:
        prefix = f"ready.{line.item.id}."
        yield from ((prefix + name, value) for name, value in _of_line(line))


def _of_line(line: Line) -> Iterator[tuple[str, str]]:
    item, verdict = line.item, line.verdict
    yield "disposition", verdict.disposition
    yield "satisfied", _yes(verdict.disposition.satisfied)
    yield "blocking", _yes(verdict.blocking)
    yield "stage", item.stage
    yield "kind", ",".join(item.kinds)
    yield "proof", verdict.proof
    yield "text", item.text
    yield "reason", verdict.reason
    if verdict.checks:
        yield "checks", ",".join(verdict.checks)
    if verdict.underlying is not None:
        yield "underlying", verdict.underlying
    if verdict.expires is not None:
        yield "expires", verdict.expires.isoformat()


def _case(line: Line) -> ET.Element:
    attributes = {
        "classname": f"ready.{line.section.key}",
        "name": line.item.id,
        "time": _seconds([line]),
    }
    case = ET.Element("testcase", attributes)
    tag = TAGS.get(line.disposition)
    if tag is not None:
        case.append(_outcome(tag, line))
    lines = [f"[[PROPERTY|ready.{name}={one_line(value)}]]" for name, value in _of_line(line)]
    ET.SubElement(case, "system-out").text = "\n".join(lines)
    return case


def _outcome(tag: str, line: Line) -> ET.Element:
    reason = line.verdict.reason
    message = reason if tag != "skipped" else f"{line.disposition}: {reason}"
    element = ET.Element(tag, {"message": one_line(message), "type": f"ready.{_slug(line)}"})
    if tag != "skipped":
        element.text = visible("\n".join(_account(line)))
    return element


def _account(line: Line) -> Iterator[str]:
    """Yield, in words, what a person needs to know of an item that is not met."""
    yield f"{line.item.id} {line.item.text}"
    yield f"{line.disposition}: {line.verdict.reason}"
    yield f"to fix: {line.remedy}"
    doing = "run again" if line.item.automated or not line.item.role else "sign"
    yield f"to {doing}: {line.command}"
    for check in line.checks:
        yield from (text for result in check.results for text in _seen(check.check, result))


def _seen(check: str, result: CheckResult) -> Iterator[str]:
    yield f"{check}: {result.outcome}"
    yield from (_entry(entry) for entry in result.evidence)


def _entry(entry: EvidenceEntry) -> str:
    if entry.expected is None:
        return f"  {entry.name}: {entry.observed}"
    sign = "ok" if entry.ok else "not met"
    return f"  {entry.name}: expected {entry.expected}, observed {entry.observed} ({sign})"


def _totals(lines: Iterable[Line]) -> dict[str, str]:
    found = list(lines)
    tags = [TAGS.get(line.disposition) for line in found]
    return {
        "tests": str(len(found)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "time": _seconds(found),
    }


def _properties(values: Iterable[tuple[str, str]]) -> ET.Element:
    properties = ET.Element("properties")
    for name, value in values:
        ET.SubElement(properties, "property", {"name": name, "value": one_line(value)})
    return properties


def _seconds(lines: Iterable[Line]) -> str:
    # The schema takes up to three decimals and no sign; clocks that step back give negative times.
    return f"{sum(max(line.seconds, 0.0) for line in lines):.3f}"


def _slug(line: Line) -> str:
    return line.disposition.replace(" ", "_")


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself, not a switch
    return "true" if value else "false"
