"""Records in the formats of other tools: SARIF, HDF and OSCAL.

The schemas here are written from the specifications (SARIF 2.1.0 by OASIS, exec-json by MITRE,
assessment results of OSCAL 1.1 by NIST): required parts, types and word lists of what is written
here. Unlike the published schemas they are closed: a key that is not named is an error of ours.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_rustybt_ready import checklist_file, cli
from pytest_rustybt_ready.record import Record, dump
from pytest_rustybt_ready.report.export import Format, export

TEXT = {"type": "string", "minLength": 1}
ANY_TEXT = {"type": "string"}
UUID = {
    "type": "string",
    "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
}
TOKEN = {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9._-]*$"}
INSTANT = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
}
UTC = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def table(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """Return the schema of an object with these parts, and no others."""
    return {
        "type": "object",
        "required": sorted(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


def several(part: Any, least: int = 0) -> dict[str, Any]:
    """Return the schema of an array."""
    return {"type": "array", "items": part, "minItems": least}


def word(*words: str) -> dict[str, Any]:
    """Return the schema of one of *words*."""
    return {"enum": [*words]}


FREE = {"type": "object"}
MESSAGE = table({"text": TEXT})
SARIF = table(
    {
        "version": word("2.1.0"),
        "runs": several(
            table(
                {
                    "tool": table(
                        {
                            "driver": table(
                                {"name": TEXT},
                                version=TEXT,
                                rules=several(
                                    table(
                                        {"id": TEXT},
                                        shortDescription=MESSAGE,
                                        fullDescription=MESSAGE,
                                        help=MESSAGE,
                                        properties=FREE,
                                    )
                                ),
                            )
                        }
                    )
                },
                invocations=several(
                    table(
                        {"executionSuccessful": {"type": "boolean"}},
                        startTimeUtc=UTC,
                        endTimeUtc=UTC,
                        toolExecutionNotifications=several(
                            table(
                                {"message": MESSAGE}, level=word("none", "note", "warning", "error")
                            )
                        ),
                    )
                ),
                results=several(
                    table(
                        {"message": MESSAGE},
                        ruleId=TEXT,
                        ruleIndex={"type": "integer", "minimum": 0},
                        kind=word("fail"),
                        level=word("none", "note", "warning", "error"),
                        locations=several(
                            table(
                                {},
                                logicalLocations=several(
                                    table({"name": TEXT}, fullyQualifiedName=TEXT)
                                ),
                                physicalLocation=table({"artifactLocation": table({"uri": TEXT})}),
                            )
                        ),
                        partialFingerprints=FREE,
                        suppressions=several(
                            table(
                                {"kind": word("inSource", "external")},
                                status=word("accepted", "underReview", "rejected"),
                                justification=TEXT,
                            )
                        ),
                        properties=FREE,
                    )
                ),
                properties=FREE,
            )
        ),
    },
    **{"$schema": TEXT},
)

HDF = table(
    {
        "platform": table({"name": TEXT, "release": TEXT}),
        "version": TEXT,
        "statistics": table({"duration": {"type": "number", "minimum": 0}}),
        "profiles": several(
            table(
                {
                    "name": TEXT,
                    "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                    "supports": several(FREE),
                    "attributes": several(FREE),
                    "groups": several(table({"id": TEXT, "controls": several(TEXT)}, title=TEXT)),
                    "controls": several(
                        table(
                            {
                                "id": TEXT,
                                "title": TEXT,
                                "desc": TEXT,
                                "impact": {"type": "number", "minimum": 0, "maximum": 1},
                                "refs": several(FREE),
                                "tags": FREE,
                                "code": ANY_TEXT,
                                "source_location": table(
                                    {"ref": ANY_TEXT, "line": {"type": "number"}}
                                ),
                                "results": several(
                                    table(
                                        {"code_desc": TEXT, "start_time": INSTANT},
                                        status=word("passed", "failed", "skipped", "error"),
                                        run_time={"type": "number"},
                                        message=TEXT,
                                        skip_message=TEXT,
                                    ),
                                    1,
                                ),
                            },
                            descriptions=several(table({"label": TEXT, "data": TEXT})),
                            attestation_data=table(
                                {
                                    "control_id": TEXT,
                                    "explanation": TEXT,
                                    "frequency": {"type": "string", "pattern": r"^[1-9]\d*d$"},
                                    "status": word("passed"),
                                    "updated": INSTANT,
                                    "updated_by": TEXT,
                                }
                            ),
                            waiver_data=table(
                                {
                                    "justification": TEXT,
                                    "run": {"type": "boolean"},
                                    "skipped_due_to_waiver": {"type": "boolean"},
                                    "message": TEXT,
                                },
                                expiration_date=TEXT,
                            ),
                        )
                    ),
                },
                version=TEXT,
                title=TEXT,
                summary=TEXT,
            )
        ),
    },
    passthrough=FREE,
)

PROPS = several(table({"name": TOKEN, "value": TEXT}, ns=TEXT), 1)
OSCAL = table(
    {
        "assessment-results": table(
            {
                "uuid": UUID,
                "metadata": table(
                    {
                        "title": TEXT,
                        "last-modified": INSTANT,
                        "version": TEXT,
                        "oscal-version": {"type": "string", "pattern": r"^1\.1\.\d+$"},
                    }
                ),
                "import-ap": table({"href": TEXT}),
                "results": several(
                    table(
                        {
                            "uuid": UUID,
                            "title": TEXT,
                            "description": TEXT,
                            "start": INSTANT,
                            "reviewed-controls": table(
                                {
                                    "control-selections": several(
                                        table(
                                            {
                                                "include-controls": several(
                                                    table({"control-id": TOKEN}), 1
                                                )
                                            }
                                        ),
                                        1,
                                    )
                                }
                            ),
                        },
                        end=INSTANT,
                        props=PROPS,
                        observations=several(
                            table(
                                {
                                    "uuid": UUID,
                                    "description": TEXT,
                                    "methods": several(
                                        word("EXAMINE", "INTERVIEW", "TEST", "UNKNOWN"), 1
                                    ),
                                    "collected": INSTANT,
                                },
                                title=TEXT,
                                expires=INSTANT,
                            ),
                            1,
                        ),
                        findings=several(
                            table(
                                {
                                    "uuid": UUID,
                                    "title": TEXT,
                                    "description": TEXT,
                                    "target": table(
                                        {
                                            "type": word("statement-id", "objective-id"),
                                            "target-id": TOKEN,
                                            "status": table(
                                                {"state": word("satisfied", "not-satisfied")},
                                                reason=word("pass", "fail", "other"),
                                                remarks=TEXT,
                                            ),
                                        },
                                        title=TEXT,
                                    ),
                                },
                                props=PROPS,
                                **{
                                    "related-observations": several(
                                        table({"observation-uuid": UUID}), 1
                                    )
                                },
                            ),
                            1,
                        ),
                    ),
                    1,
                ),
            },
            **{
                "back-matter": table(
                    {"resources": several(table({"uuid": UUID}, title=TEXT, description=TEXT), 1)}
                )
            },
        )
    }
)

SCHEMAS = {Format.SARIF: SARIF, Format.HDF: HDF, Format.OSCAL: OSCAL}


@pytest.fixture(scope="module")
def full(records: Any) -> Record:
    """Return a record of the whole checklist, with every disposition in it."""
    made: Record = records.make(checklist_file.built_in())
    return made


def exported(record: Record, form: Format) -> Any:
    """Return what *record* is in *form*."""
    return json.loads(export(record, form))


@pytest.mark.parametrize("form", Format)
def test_every_export_keeps_to_its_schema(records: Any, full: Record, form: Format) -> None:
    """A small record, a full one and one that was interrupted and broken validate."""
    validator = jsonschema.Draft202012Validator(SCHEMAS[form])
    broken = records.make(interrupted=True, broken=("it changed",), gaps=("x was left out",))
    for record in (full, records.make(), broken):
        validator.validate(exported(record, form))


@pytest.mark.parametrize("form", Format)
def test_the_same_record_gives_the_same_bytes(full: Record, form: Format) -> None:
    """Nothing but the record goes into an export: no clock, no chance."""
    assert export(full, form) == export(full, form)
    assert export(full, form).endswith(b"}\n")


def unmet(record: Record) -> set[str]:
    """Return the items that are not met, or only waived."""
    return {
        item.id
        for item in record.verdict.items
        if not item.disposition.satisfied or item.disposition == "waived"
    }


def test_sarif_has_what_is_unmet_and_nothing_else(full: Record) -> None:
    """One result an unmet item; a waiver shows as a suppression; indices point to the rules."""
    (run,) = exported(full, Format.SARIF)["runs"]
    assert {found["ruleId"] for found in run["results"]} == unmet(full)
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(rules[found["ruleIndex"]] == found["ruleId"] for found in run["results"])
    suppressed = {found["ruleId"] for found in run["results"] if "suppressions" in found}
    assert suppressed == {i.id for i in full.verdict.items if i.disposition == "waived"}
    levels = {found["ruleId"]: found["level"] for found in run["results"]}
    for item in full.verdict.items:
        if item.id in levels:
            broken = (item.underlying or item.disposition).breaks
            assert levels[item.id] == (
                ("error" if broken else "warning") if item.blocking else "note"
            )


def test_sarif_says_what_speaks_against_the_run(records: Any) -> None:
    """A run that was broken is no success, whatever its items say."""
    record = records.make(broken=("the deployment changed",))
    (run,) = exported(record, Format.SARIF)["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    notes = [n["message"]["text"] for n in invocation["toolExecutionNotifications"]]
    assert "the deployment changed" in notes


def test_hdf_has_every_item_with_its_state(full: Record) -> None:
    """passed, failed, error, and skipped for what nobody has looked at; waived stays failed."""
    (profile,) = exported(full, Format.HDF)["profiles"]
    controls = {control["id"]: control for control in profile["controls"]}
    assert set(controls) == {item.id for item in full.checklist.items}
    grouped = [item for group in profile["groups"] for item in group["controls"]]
    assert sorted(grouped) == sorted(controls)
    words = {"passed": "passed", "signed": "passed", "failed": "failed", "error": "error"}
    for item in full.verdict.items:
        control = controls[item.id]
        state = str(item.underlying or item.disposition)
        assert control["results"][0]["status"] == words.get(state, "skipped")
        assert ("waiver_data" in control) is (item.disposition == "waived")
        assert (control["impact"] == 0) is (item.disposition == "not applicable")


def test_oscal_links_findings_to_observations(full: Record) -> None:
    """Each item has a finding that points to an observation which is there; no id occurs twice."""
    (result,) = exported(full, Format.OSCAL)["assessment-results"]["results"]
    seen = [found["uuid"] for found in result["observations"]]
    linked = [f["related-observations"][0]["observation-uuid"] for f in result["findings"]]
    assert seen == linked
    every = [*seen, *(found["uuid"] for found in result["findings"])]
    assert len(set(every)) == len(every)
    assert all(uuid.UUID(text).version == 5 for text in every)
    states = [found["target"]["status"]["state"] for found in result["findings"]]
    met = [(i.underlying or i.disposition).satisfied for i in full.verdict.items]
    assert states == ["satisfied" if ok else "not-satisfied" for ok in met]


def test_the_command(records: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`export` prints, or writes a file; wrong formats, files and records are one clear error."""
    record = tmp_path / "readiness.json"
    record.write_bytes(dump(records.make()))
    assert cli.run(["export", str(record)]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == "2.1.0"
    out = tmp_path / "out.json"
    for form in Format:
        assert cli.run(["export", str(record), "--format", form, "-o", str(out)]) == 0
        assert out.read_bytes() == export(records.make(), form)
    assert cli.run(["export", str(record), "--format", "pdf"]) == 4
    assert "expected one of sarif, hdf, oscal" in capsys.readouterr().err
    assert cli.run(["export", str(record), "-o", str(tmp_path)]) == 4
    assert "cannot be written" in capsys.readouterr().err
    record.write_text("{}")
    assert cli.run(["export", str(record)]) == 7
