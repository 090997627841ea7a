"""The JSON Schema of ``readiness.json``, generated from the types.

``python -m pytest_rustybt_ready.report.schema`` writes it beside this module,
or to a file that is named.
"""

from __future__ import annotations

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
        **msgspec.json.schema(Record),
    }


def render() -> str:
    """Return the schema as it is published: sorted, indented, with a final newline."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(path: Path = PATH) -> None:
    """Write the schema to *path*, by default into the package."""
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
