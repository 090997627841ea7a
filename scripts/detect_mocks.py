#!/usr/bin/env python3
"""Find what stands in for the real thing in product and test code: `detect_mocks.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors import Scan, scan_mocks
from readiness_tests.detectors.cli import Detector, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse every `# allow-mock: reason`, and find replaced attributes of live objects",
    )


def _scan(paths: Sequence[Path], given: argparse.Namespace) -> Scan:
    return scan_mocks(paths, strict=given.strict)


DETECTOR = Detector(
    name="detect_mocks",
    summary="Find mock libraries, names of stand-ins, empty bodies and swallowed exceptions.",
    defaults=("rustybt", "pytest_rustybt_ready", "readiness_tests", "scripts", "tests"),
    scan=_scan,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(run(DETECTOR, Path(__file__).resolve().parent.parent))
