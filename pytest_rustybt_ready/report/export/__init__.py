"""A record in the formats of other tools: SARIF 2.1.0, HDF (Heimdall exec-json) and OSCAL 1.1.

Pure functions of the record: the same record gives the same bytes. Nothing is added to what the
verdict says; what a format has no word for is put into its free-form properties.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.export.hdf import as_hdf
from pytest_rustybt_ready.report.export.oscal import as_oscal
from pytest_rustybt_ready.report.export.sarif import as_sarif

__all__ = ["Format", "export"]


class Format(enum.StrEnum):
    """What a record can be exported as."""

    SARIF = "sarif"
    HDF = "hdf"
    OSCAL = "oscal"


WRITERS: dict[Format, Callable[[Record], dict[str, Any]]] = {
    Format.SARIF: as_sarif,
    Format.HDF: as_hdf,
    Format.OSCAL: as_oscal,
}


def export(record: Record, form: Format) -> bytes:
    """Return *record* as one JSON document in *form*, indented, with a final newline."""
    text = json.dumps(WRITERS[form](record), indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
