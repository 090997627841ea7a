"""JUnit: what a build server reads."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
import xmlschema

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.junit import render_junit
from pytest_rustybt_ready.values import Disposition, EvidenceEntry, Outcome

PROPERTY = re.compile(r"\[\[PROPERTY\|([^=]+)=(.*)\]\]")
SCHEMA = Path(__file__).with_name("data") / "junit.xsd"
EXPECTED_TAGS = {
    "passed": None,
    "signed": None,
    "waived": None,
    "not applicable": "skipped",
    "failed": "failure",
    "error": "error",
    "unproven": "skipped",
    "awaiting": "skipped",
    "not run": "skipped",
}


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(SCHEMA)


def parsed(document: bytes) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 - our own output


def cases(record: Record) -> dict[str, ET.Element]:
    root = parsed(render_junit(record))
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def properties(case: ET.Element) -> dict[str, str]:
    out = case.findtext("system-out") or ""
    return {m[1]: m[2] for line in out.splitlines() if (m := PROPERTY.fullmatch(line))}


def outcome_of(case: ET.Element) -> ET.Element | None:
    return next((child for child in case if child.tag != "system-out"), None)


def test_built_in_checklist_validates(records: Any, schema: xmlschema.XMLSchema) -> None:
    """The report of the whole built-in checklist keeps to the schema that Jenkins enforces."""
    record = records.make(checklist_file.built_in())

    root = parsed(render_junit(record))

    schema.validate(root)
    assert len(list(root.iter("testcase"))) == len(record.checklist.items)


def test_schema_refuses_properties_in_a_case(schema: xmlschema.XMLSchema) -> None:
    """The schema in use is one that can fail: Jenkins drops files that break this very rule."""
    text = (
        '<testsuites><testsuite name="a" tests="1" failures="0" errors="0">'
        '<testcase name="b"><properties/></testcase></testsuite></testsuites>'
    )

    assert not schema.is_valid(parsed(text.encode()))


def test_each_item_is_one_case_in_its_section(records: Any) -> None:
    """Items and sub-items are each one case, in order, under stable names of their section."""
    record = records.make()

    root = parsed(render_junit(record))

    names = [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
    expected = [
        (f"ready.{record.checklist.section_of(item).key}", item.id)
        for item in record.checklist.items
    ]
    assert names == expected
    assert ("ready.security", "2.2.3") in names


def test_dispositions_map_to_outcomes(records: Any) -> None:
    """Unmet is a failure, broken an error, the rest that is not satisfied a skip with its type."""
    record = records.make(checklist_file.built_in())
    found = cases(record)

    seen = set()
    for verdict in record.verdict.items:
        seen.add(verdict.disposition)
        outcome = outcome_of(found[verdict.id])
        tag = EXPECTED_TAGS[verdict.disposition]
        assert (outcome.tag if outcome is not None else None) == tag
        if outcome is not None:
            typed = f"{verdict.disposition}: " if tag == "skipped" else ""
            assert outcome.attrib["message"].startswith(typed + verdict.reason[:20])
            assert outcome.attrib["type"] == f"ready.{verdict.disposition.replace(' ', '_')}"
    assert seen == set(Disposition)


def test_waived_passes_but_says_so(records: Any) -> None:
    """A waived item is no failure, and its properties tell what it is without the waiver."""
    record = records.make()
    waived = next(v for v in record.verdict.items if v.disposition is Disposition.WAIVED)

    case = cases(record)[waived.id]

    assert outcome_of(case) is None
    assert properties(case)["ready.disposition"] == "waived"
    assert properties(case)["ready.underlying"] == "failed"
    assert "waived until" in properties(case)["ready.reason"]


def test_properties_are_flat_on_case_and_suite(records: Any) -> None:
    """Each case carries its flat properties, and its suite the same ones under the item's id."""
    record = records.make()
    root = parsed(render_junit(record))

    for suite in root.iter("testsuite"):
        held = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
        for case in suite.iter("testcase"):
            item = record.checklist.find(case.attrib["name"])
            assert item is not None
            flat = properties(case)
            verdict = record.verdict.of(item.id)
            assert flat["ready.disposition"] == verdict.disposition
            assert flat["ready.stage"] == item.stage
            assert flat["ready.kind"] == ",".join(item.kinds)
            assert flat["ready.blocking"] == ("true" if verdict.blocking else "false")
            assert flat["ready.proof"] == verdict.proof
            assert flat["ready.text"] == item.text
            assert flat.get("ready.checks", "") == ",".join(verdict.checks)
            for name, value in flat.items():
                assert held[name.replace("ready.", f"ready.{item.id}.", 1)] == value


def test_suites_tell_of_the_whole(records: Any) -> None:
    """Each suite names the verdict on the whole, its stage, commit and record."""
    record = records.make()
    root = parsed(render_junit(record))

    for suite in root.iter("testsuite"):
        held = {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}
        assert held["ready.whole.status"] == "NOT READY"
        assert held["ready.whole.stage"] == "dev"
        assert held["ready.whole.commit"] == record.subject.commit
        assert held["ready.whole.dirty"] == "true"
        assert held["ready.whole.digest"] == record.digest


def test_host_is_named_if_known(records: Any, schema: xmlschema.XMLSchema) -> None:
    """The suites name the host; one that is not known is left out."""
    record = records.make()
    subject = msgspec.structs.replace(record.subject, host="")
    nameless = parsed(render_junit(msgspec.structs.replace(record, subject=subject)))

    schema.validate(nameless)
    assert {s.get("hostname") for s in nameless.iter("testsuite")} == {None}
    named = parsed(render_junit(record))
    assert {s.get("hostname") for s in named.iter("testsuite")} == {"judge-1"}


def test_counts_are_those_of_the_cases(records: Any) -> None:
    """The counts on each suite and on the root equal what the cases add up to."""
    root = parsed(render_junit(records.make(checklist_file.built_in())))

    for element in (root, *root.iter("testsuite")):
        tags = Counter(child.tag for case in element.iter("testcase") for child in case)
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        assert int(element.attrib["failures"]) == tags["failure"]
        assert int(element.attrib["errors"]) == tags["error"]
        assert int(element.get("skipped", tags["skipped"])) == tags["skipped"]


def test_same_record_same_bytes(records: Any) -> None:
    """Equal records give equal bytes, whatever the order of results in them."""
    record = records.make()
    turned = msgspec.structs.replace(
        record, results=record.results[::-1], proofs=record.proofs[::-1]
    )

    assert render_junit(record) == render_junit(records.make())
    assert render_junit(record) == render_junit(turned)


def test_failure_tells_what_was_seen(records: Any) -> None:
    """A failure's text holds expectation and observation, the remedy, and the command to rerun."""
    record = records.make(statements=())
    failed = next(v for v in record.verdict.items if v.disposition is Disposition.FAILED)

    text = cases(record)[failed.id].findtext("failure") or ""

    assert "expected 0, observed 71.4 (not met)" in text
    assert f"to run again: pytest --ready-item {failed.id}" in text
    assert f"to fix: Repair {failed.id}" in text


def test_hostile_text_is_inert(records: Any, schema: xmlschema.XMLSchema) -> None:
    """Markup, characters that XML forbids and lone surrogates neither break nor leave the text."""
    hostile = "</system-out><failure/>]]>&amp;\x00\x1b[31m\ud800\u202e\ufffe\nline two"
    record = spiked(records, hostile)

    root = parsed(render_junit(record))

    schema.validate(root)
    failure = next(root.iter("failure"))
    assert (
        "</system-out><failure/>]]>&amp;\\x00\\x1b[31m\\ud800\\u202e\\ufffe"
        in failure.attrib["message"]
    )
    assert "\n" not in failure.attrib["message"]
    assert "\\x1b[31m" in (failure.text or "")


def test_clock_that_steps_back_gives_no_negative_time(
    records: Any, schema: xmlschema.XMLSchema
) -> None:
    """A negative duration, which the schema forbids, is written as zero."""
    record = records.make()
    results = tuple(msgspec.structs.replace(r, seconds=-3.0) for r in record.results)

    root = parsed(render_junit(msgspec.structs.replace(record, results=results)))

    schema.validate(root)
    assert root.attrib["time"] == "0.000"


def spiked(records: Any, hostile: str) -> Record:
    """Return a record whose failures say *hostile* wherever a run puts text."""
    record = records.make(statements=())

    def spike(result: Any) -> Any:
        entry = EvidenceEntry(
            kind="expectation",
            name=hostile,
            expected=hostile,
            observed=hostile,
            ok=False,
            at=result.started,
        )
        return msgspec.structs.replace(
            result, outcome=Outcome.FAILED, reason=hostile, remedy=hostile, evidence=(entry,)
        )

    # Judged, but not sealed: a digest is over JSON, which cannot hold a lone surrogate.
    changed = msgspec.structs.replace(record, results=tuple(map(spike, record.results)))
    judged: Record = records.judge(changed)
    return judged
