"""HDF as Heimdall reads it: by the exec-json that its own parser accepts.

What that parser asks for is written down here in this project's words, after the types that
inspecjs 2.12.6 (MITRE, Apache-2.0) publishes. Unlike the schema of :mod:`test_exports`, which is
closed, this one is open, as the published one is: other keys are let through. Where ``INSPECJS``
names a folder with inspecjs in its ``node_modules``, the parser itself is asked too.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.export import Format, export

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
TRUTH: Schema = {"type": "boolean"}
ANYTHING: Schema = {"type": "object"}


def part(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Return the schema of an object; what is optional may also be null."""
    either = {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in optional.items()}
    return {"type": "object", "required": sorted(required), "properties": required | either}


def several(schema: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": schema}


def texts(names: str) -> dict[str, Schema]:
    """Return texts called *names*."""
    return dict.fromkeys(names.split(), TEXT)


TOTAL = part({"total": NUMBER})
RESULT = part(
    texts("code_desc start_time"),
    backtrace=several(TEXT),
    run_time=NUMBER,
    status={"enum": ["error", "failed", "passed", "skipped"]},
    **texts("exception message resource resource_id skip_message"),
)
ATTESTATION = part(
    texts("control_id explanation frequency updated updated_by")
    | {"status": {"enum": ["failed", "passed"]}}
)
WAIVER = part(
    {},
    run=TRUTH,
    skipped_due_to_waiver={"type": ["boolean", "string"]},
    **texts("expiration_date justification message"),
)
CONTROL = part(
    texts("id")
    | {
        "impact": NUMBER,
        "refs": several(part({})),
        "results": several(RESULT),
        "source_location": part({}, line=NUMBER, ref=TEXT),
        "tags": ANYTHING,
    },
    attestation_data=ATTESTATION,
    descriptions=several(part(texts("data label"))),
    waiver_data=WAIVER,
    **texts("code desc title"),
)
PROFILE = part(
    texts("name sha256")
    | {
        "attributes": several(ANYTHING),
        "controls": several(CONTROL),
        "groups": several(part(texts("id") | {"controls": several(TEXT)}, **texts("title"))),
        "supports": several(part({}, **texts("platform release"))),
    },
    depends=several(part({})),
    **texts("copyright copyright_email description inspec_version license maintainer"),
    **texts("parent_profile skip_message status status_message summary title version"),
)
PUBLISHED = part(
    texts("version")
    | {
        "platform": part(texts("name release"), **texts("target_id")),
        "profiles": several(PROFILE),
        "statistics": part(
            {}, duration=NUMBER, controls=part({}, failed=TOTAL, passed=TOTAL, skipped=TOTAL)
        ),
    }
)
# What no tool is asked to understand: exec-json leaves room for it.
OURS = {"passthrough"}


@pytest.fixture(scope="module")
def full(records: Any) -> Record:
    """Return a record of the whole checklist, with every disposition in it."""
    made: Record = records.make(checklist_file.built_in())
    return made


@pytest.fixture(scope="module")
def documents(records: Any, full: Record) -> list[Any]:
    """Return the exports of a full record, a small one, and one that was interrupted and broken."""
    broken = records.make(interrupted=True, broken=("it changed",), gaps=("x was left out",))
    return [json.loads(export(r, Format.HDF)) for r in (full, records.make(), broken)]


def test_exports_are_what_heimdall_takes(documents: list[Any]) -> None:
    """Each part that its parser demands is there, and each has the type that it expects."""
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    for document in documents:
        validator.validate(document)


def keys(schema: Schema, document: Any, where: str = "") -> Iterator[str]:
    """Yield the keys of *document* that *schema* does not know, with their place."""
    for way in schema.get("anyOf", ()):
        yield from keys(way, document, where)
    if isinstance(document, list) and "items" in schema:
        yield from (found for one in document for found in keys(schema["items"], one, where))
    if isinstance(document, dict) and "properties" in schema:
        for name, value in document.items():
            place = f"{where}.{name}".lstrip(".")
            if name not in schema["properties"]:
                yield place
            else:
                yield from keys(schema["properties"][name], value, place)


def test_nothing_is_said_where_heimdall_does_not_look(documents: list[Any]) -> None:
    """Every key is one of exec-json's, but for the place that is left for others' data."""
    assert {place for document in documents for place in keys(PUBLISHED, document)} == OURS


def required(
    schema: Schema, document: Any, path: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each part that *schema* demands, once for each place in the schema."""
    if "items" in schema and document:
        yield from required(schema["items"], document[0], (*path, 0))
    for name in schema.get("required", ()):
        yield (*path, name)
        yield from required(schema["properties"][name], document[name], (*path, name))


def test_the_schema_misses_each_part_that_is_taken_away(documents: list[Any]) -> None:
    """The schema here is able to refuse: without any one of the demanded parts, it does."""
    validator = jsonschema.Draft202012Validator(PUBLISHED)
    small = documents[1]
    paths = list(required(PUBLISHED, small))
    assert len(paths) == 22
    for path in paths:
        without = copy.deepcopy(small)
        inner = without
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]
        assert not validator.is_valid(without), path


def test_a_signature_is_an_attestation(full: Record) -> None:
    """What a person signed is told in Heimdall's words: who, when, how often, that it holds."""
    (profile,) = json.loads(export(full, Format.HDF))["profiles"]
    attested = {
        c["id"]: c["attestation_data"] for c in profile["controls"] if "attestation_data" in c
    }
    signed = [i.id for i in full.verdict.items if i.disposition == "signed"]
    assert signed
    assert list(attested) == signed
    for item_id in signed:
        (statement,) = [s for s in full.statements if s.item == item_id]
        item = full.checklist.find(item_id)
        assert item is not None
        assert attested[item_id] == {
            "control_id": item_id,
            "explanation": f"signed as {statement.role}: {statement.digest}",
            "frequency": f"{item.max_age_days}d",
            "status": "passed",
            "updated": statement.signed_at.isoformat(),
            "updated_by": statement.signer,
        }


STATUS = """
const [hdf, fs] = [require('inspecjs'), require('fs')];
const found = hdf.convertFile(fs.readFileSync(0, 'utf8'))['1_0_ExecJson'];
const every = hdf.contextualizeEvaluation(found).contains.flatMap((profile) => profile.contains);
console.log(JSON.stringify(every.map((one) => [one.data.id, one.root.hdf.status])));
"""
WORDS = {
    "passed": "Passed",
    "signed": "Passed",
    "failed": "Failed",
    "error": "Profile Error",
    "unproven": "Not Reviewed",
    "awaiting": "Not Reviewed",
    "not run": "Not Reviewed",
    "not applicable": "Not Applicable",
}


def test_heimdall_itself_says_the_same(full: Record) -> None:
    """Its parser takes the export, and its own state of each control is ours, in its words."""
    folder, node = os.environ.get("INSPECJS"), shutil.which("node")
    if not folder or not node:
        pytest.skip("INSPECJS names no folder with inspecjs in node_modules, or there is no node")
    done = subprocess.run(
        [node, "-e", STATUS],
        input=export(full, Format.HDF),
        capture_output=True,
        check=True,
        env=os.environ | {"NODE_PATH": str(Path(folder, "node_modules"))},
    )
    states = {i.id: i.underlying or i.disposition for i in full.verdict.items}
    assert dict(json.loads(done.stdout)) == {i: WORDS[state] for i, state in states.items()}
