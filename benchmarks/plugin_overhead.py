"""What the plugin costs a run that does not ask for it.

Whole pytest processes over trivial tests are timed with the plugin and with
``-p no:rustybt_ready``, in turns, so that both see the same noise. What counts is the ratio of the
medians and their difference, and the time to import the plugin into a process that has pytest.

    python benchmarks/plugin_overhead.py --tests 1000 --rounds 15 --json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

LIMITS = {"ratio": 1.02, "difference_ms": 50.0, "import_ms": 20.0}
WITHOUT = ("-p", "no:rustybt_ready")
IMPORT = (
    "import time, pytest; start = time.perf_counter(); import pytest_rustybt_ready.plugin; "
    "print((time.perf_counter() - start) * 1000)"
)


class Cost(NamedTuple):
    """What one process took, in milliseconds. Other load slows the wall clock, and the CPU less."""

    wall: float
    cpu: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 if every limit is kept, else 1."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _write_tests(Path(folder), options.tests)
        found = measure(Path(folder), options.rounds)
    kept = {name: found[name] <= limit for name, limit in LIMITS.items()}
    if options.json:
        document = {"tests": options.tests, "rounds": options.rounds, **found, "limits": LIMITS}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(_table(found, kept))
    return 0 if all(kept.values()) else 1


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Return the medians over *rounds* turns in *folder*, in milliseconds, and their ratio."""
    timed: dict[bool, list[Cost]] = {True: [], False: []}
    # bytecode is written in a first run of each kind, which is not counted
    for number in range(-1, rounds):
        for with_plugin in (True, False) if number % 2 else (False, True):
            took = _run(folder, () if with_plugin else WITHOUT)
            if number >= 0:
                timed[with_plugin].append(took)
    imports = [_import_time() for _ in range(max(rounds, 3))]
    with_it, without = _median(timed[True]), _median(timed[False])
    return {
        "with_ms": with_it.wall,
        "without_ms": without.wall,
        "ratio": with_it.wall / without.wall,
        "difference_ms": with_it.wall - without.wall,
        "cpu_with_ms": with_it.cpu,
        "cpu_without_ms": without.cpu,
        "cpu_ratio": with_it.cpu / without.cpu,
        "cpu_difference_ms": with_it.cpu - without.cpu,
        "import_ms": statistics.median(imports),
    }


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what the plugin costs an ordinary run.")
    parser.add_argument("--tests", type=int, default=1000, help="how many trivial tests")
    parser.add_argument("--rounds", type=int, default=15, help="how many runs of each kind")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(arguments)


def _write_tests(folder: Path, count: int) -> None:
    folder.joinpath("pytest.ini").write_text("[pytest]\n", "utf-8")
    for number in range(0, count, 100):
        tests = (
            f"def test_{n}(): assert {n} >= 0\n" for n in range(number, min(number + 100, count))
        )
        folder.joinpath(f"test_{number:06}.py").write_text("\n".join(tests), "utf-8")


def _run(folder: Path, more: Sequence[str]) -> Cost:
    # other plugins of the environment would only add noise; this one is loaded by name
    own = ("-p", "pytest_rustybt_ready.plugin") if not more else ()
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own, *more)
    start, before = time.perf_counter(), _cpu()
    done = subprocess.run(  # noqa: S603 - this interpreter and fixed words
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    took = Cost((time.perf_counter() - start) * 1000, (_cpu() - before) * 1000)
    if done.returncode != 0:
        raise SystemExit(f"the tests did not pass:\n{done.stdout}{done.stderr}")
    return took


def _cpu() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _import_time() -> float:
    done = subprocess.run(  # noqa: S603 - this interpreter and fixed words
        (sys.executable, "-c", IMPORT),
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _environment() -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode, every run would compile the plugin
    return env | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _table(found: dict[str, float], kept: dict[str, bool]) -> str:
    rows = [f"{'':<20}{'wall':>12}{'CPU':>12}"]
    for label, name in (("with the plugin", "with_ms"), ("without", "without_ms")):
        rows.append(f"{label:<20}{found[name]:>9.1f} ms{found['cpu_' + name]:>9.1f} ms")
    for name in ("ratio", "difference_ms"):
        label = name.removesuffix("_ms")
        unit = " ms" if name.endswith("_ms") else "   "
        rows.append(f"{label:<20}{found[name]:>9.3f}{unit}{found['cpu_' + name]:>9.3f}{unit}")
    rows.append(f"{'import':<20}{found['import_ms']:>9.3f} ms")
    for name, limit in LIMITS.items():
        rows.append(f"{name} at most {limit:g}: {'kept' if kept[name] else 'NOT KEPT'}")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
