"""How long the engine's paths take beside their reference loops: now, and when it was stored.

``benchmarks/baseline.py`` stores it in ``docs/records``; check 4.1.5 holds what is measured now
against it.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from readiness_tests.engine import EngineUnderTest

FILE = "baseline.json"
ROUNDS = 9
PROCESSES = 2
"""Memory is laid out anew in each process, which alone makes a difference of some per cent."""


def python_release() -> str:
    """Return which Python this is, as far as its speed depends on that: ``3.11``."""
    return ".".join(platform.python_version_tuple()[:2])


def measured(engine: EngineUnderTest, processes: int = PROCESSES) -> dict[str, list[float]]:
    """Return for each path the ratio of every round, from so many *processes* of *engine*."""
    ratios: dict[str, list[float]] = {}
    for _ in range(processes):
        for path, seconds in engine.run("regression", rounds=ROUNDS).items():
            pairs = zip(seconds["path"], seconds["reference"], strict=True)
            ratios.setdefault(path, []).extend(ours / theirs for ours, theirs in pairs)
    return ratios


def stored(folder: Path) -> dict[str, Mapping[str, float]]:
    """Return the ratios on record in *folder*, by release of Python; empty if there is no record.

    Raise ``ValueError`` for a file that is none.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    ratios: dict[str, Mapping[str, float]] = json.loads(path.read_bytes())["ratios"]
    return ratios


def slowdown(ratios: list[float], baseline: float) -> float:
    """Return by how many per cent the median of *ratios* is above the *baseline*."""
    return 100 * (median(ratios) / baseline - 1)
