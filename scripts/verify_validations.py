#!/usr/bin/env python3
"""Show that the tests notice each validator that stops refusing: `verify_validations.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors import Limits, Verification, verify_validators
from readiness_tests.detectors.cli import Detector, run
from readiness_tests.validators import TESTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parent.parent


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root",
        type=Path,
        default=ROOT,
        metavar="FOLDER",
        help="tree that holds the packages and their tests (default: this repository)",
    )
    parser.add_argument(
        "--tests",
        nargs="+",
        default=None,
        metavar="TEST",
        help="tests in that tree, as pytest takes them (default: the quick ones)",
    )
    parser.add_argument("--processes", type=int, choices=[1, 2], default=2, help="default: 2")
    parser.add_argument(
        "--timeout",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="for each run of the tests, and six times that for the first (default: 300)",
    )
    parser.add_argument("--quiet", action="store_true", help="write no progress")


def _scan(paths: Sequence[Path], given: argparse.Namespace) -> Verification:
    return verify_validators(
        given.root,
        [path.resolve() for path in paths],
        given.tests or _quick_tests(given.root),
        limits=Limits(
            processes=given.processes,
            seconds=given.timeout,
            baseline_seconds=6 * given.timeout,
        ),
        progress=None if given.quiet else _tell,
    )


def _quick_tests(root: Path) -> list[str]:
    """Return the quick tests of this repository's layout that *root* has, or else all."""
    return [name for name in TESTS if (root / name).exists()] or ["tests"]


def _tell(message: str) -> None:
    sys.stderr.write(f"{message}\n")  # one call, so that two threads do not share a line
    sys.stderr.flush()


DETECTOR = Detector(
    name="verify_validations",
    summary="Neutralise each validator in turn and require that a test fails.",
    defaults=("rustybt", "pytest_rustybt_ready"),
    scan=_scan,
    options=_options,
)

if __name__ == "__main__":
    sys.exit(run(DETECTOR, ROOT))
