"""Find functions with too many independent paths, counted by ruff."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from readiness_tests.detectors.finding import DetectorError, Finding, Scan
from readiness_tests.detectors.source import discover, examine_all, load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def scan_complexity(
    paths: Iterable[str | Path], *, maximum: int = 10, seconds: float = 120.0
) -> Scan:
    """Return the functions under *paths* whose cyclomatic complexity exceeds *maximum*.

    Configuration files, exclusions and `noqa` comments have no say. Raises DetectorError if there
    is nothing to examine, or if ruff cannot be run or takes longer than *seconds*.
    """
    chosen = list(paths)
    scan = examine_all(*load(chosen), lambda _: ())
    found = [_finding(item) for item in _ruff(discover(chosen), maximum, seconds)]
    return replace(scan, findings=tuple(sorted({*scan.findings, *found})))


def _ruff(files: Iterable[Path], maximum: int, seconds: float) -> list[dict[str, Any]]:
    options = ["--isolated", "--no-cache", "--ignore-noqa", "--no-respect-gitignore"]
    rules = ["--select=C901", f"--config=lint.mccabe.max-complexity={maximum}"]
    names = [str(file.resolve()) for file in files]
    command = [sys.executable, "-m", "ruff", "check", *options, *rules, "--output-format=json"]
    try:
        done = subprocess.run(
            [*command, "--", *names], capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DetectorError(f"ruff could not be run: {error}") from error
    if done.returncode not in {0, 1}:
        raise DetectorError(f"ruff failed with code {done.returncode}: {done.stderr.strip()}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _finding(item: dict[str, Any]) -> Finding:
    place = item["location"]
    rule = "complexity" if item["code"] == "C901" else "syntax-error"
    return Finding(item["filename"], place["row"], place["column"], rule, item["message"])
