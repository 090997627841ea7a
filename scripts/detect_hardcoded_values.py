#!/usr/bin/env python3
"""Find functions whose answers ignore their inputs: `detect_hardcoded_values.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors import Scan, scan_constants
from readiness_tests.detectors.cli import Detector, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def _scan(paths: Sequence[Path], _: argparse.Namespace) -> Scan:
    return scan_constants(paths)


DETECTOR = Detector(
    name="detect_hardcoded_values",
    summary="Find functions that give the same answer whatever they are asked.",
    defaults=("rustybt", "pytest_rustybt_ready", "readiness_tests"),
    scan=_scan,
    counts_functions=True,
)

if __name__ == "__main__":
    sys.exit(run(DETECTOR, Path(__file__).resolve().parent.parent))
