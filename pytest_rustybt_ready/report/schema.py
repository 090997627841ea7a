"""The JSON Schema of ``readiness.json``, generated from the types.

``python -m pytest_rustybt_ready.report.schema`` writes it beside this module,
or to a file that is named.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from pytest_rustybt_ready.record import Record

PATH = Path(__file__).with_name("readiness.schema.json")


def schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a readiness record."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "RustyBT readiness record",
        **_described_alike(msgspec.json.schema(Record)),
    }


def _described_alike(part: Any) -> Any:
    """Take the indentation out of descriptions: from Python 3.13 on docstrings come without it."""
    if isinstance(part, list):
        return [_described_alike(one) for one in part]
    if not isinstance(part, dict):
        return part
    clean = {key: _described_alike(value) for key, value in part.items()}
    if isinstance(clean.get("description"), str):
        clean["description"] = inspect.cleandoc(clean["description"])
    return clean


def render() -> str:
    """Return the schema as it is published: sorted, indented, with a final newline."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(path: Path = PATH) -> None:
    """Write the schema to *path*, by default into the package."""
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
