"""The published schema of `readiness.json`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.report import schema, write_reports


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Give a validator of the schema that lies in the package."""
    return jsonschema.Draft202012Validator(json.loads(schema.PATH.read_text(encoding="utf-8")))


def test_schema_in_the_package_is_current() -> None:
    """The file in the package is what the types give today."""
    assert (
        schema.PATH.read_text(encoding="utf-8") == schema.render()
    ), "run: python -m pytest_rustybt_ready.report.schema"


def test_schema_is_itself_valid(validator: jsonschema.Draft202012Validator) -> None:
    """The schema keeps to JSON Schema 2020-12."""
    validator.check_schema(validator.schema)


def test_written_record_validates(
    records: Any, tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    """What is written validates, for the whole built-in checklist."""
    write_reports(records.make(checklist_file.built_in()), tmp_path)

    validator.validate(json.loads((tmp_path / "readiness.json").read_bytes()))


def test_schema_refuses_what_is_not_a_record(
    records: Any, tmp_path: Path, validator: jsonschema.Draft202012Validator
) -> None:
    """An unknown status, a missing part or an unknown key is refused."""
    write_reports(records.make(), tmp_path)
    text = (tmp_path / "readiness.json").read_text(encoding="utf-8")
    for path, value in ((("verdict", "status"), "FINE"), (("verdict",), {}), (("run", "mood"), 1)):
        broken = part = json.loads(text)
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value
        assert not validator.is_valid(broken)


def test_command_writes_the_schema(tmp_path: Path) -> None:
    """Running the module writes the schema: to the file named, or else into the package."""
    path = tmp_path / "schema.json"

    subprocess.run([sys.executable, "-m", "pytest_rustybt_ready.report.schema", path], check=True)
    schema.main(tmp_path / "again.json")

    assert path.read_text(encoding="utf-8") == schema.render()
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
