#!/usr/bin/env python3
"""What the readiness plugin costs an ordinary run: 1000 trivial tests, with and without it.

    python benchmarks/plugin_overhead.py [--rounds 15] [--json]

Whole processes, in turn with and without the plugin, so that a machine whose speed drifts treats
both alike; processor time, so that what else runs there matters little. The ratio and the
difference are of medians; the limits are 2 % and 50 ms. Importing the plugin where pytest is
imported already may take 20 ms. Exit code 1 if a limit is not met.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS = 1000
LIMITS = {"ratio": 1.02, "difference_ms": 50.0, "import_ms": 20.0}
WITHOUT = ("-p", "no:rustybt_ready")
IMPORT = """
import time, pytest, _pytest.mark.expression
started = time.perf_counter()
import pytest_rustybt_ready.plugin, pytest_rustybt_ready.selection, pytest_rustybt_ready.hookspecs
print((time.perf_counter() - started) * 1000)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 if every limit is met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of runs (default 15)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    figures = measure(options.rounds)
    met = all(figures[name] <= limit for name, limit in LIMITS.items())
    if options.json:
        print(json.dumps({"limits": LIMITS, "met": met, **figures}, indent=2))
    else:
        for name, value in figures.items():
            limit = f"   limit {LIMITS[name]:g}" if name in LIMITS else ""
            print(f"{name:<16}{value:10.3f}{limit}")
        print("every limit is met" if met else "a limit is not met")
    return 0 if met else 1


def measure(rounds: int) -> dict[str, float]:
    """Return the figures; times in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="rustybt-overhead-") as name:
        folder = Path(name)
        tests = "".join(f"def test_{number}():\n    pass\n\n\n" for number in range(TESTS))
        (folder / "test_trivial.py").write_text(tests, "utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        for extra in ((), WITHOUT):
            run(folder, extra)  # warm the caches
        pairs = [(run(folder, ()), run(folder, WITHOUT)) for _ in range(rounds)]
    with_plugin = statistics.median(pair[0] for pair in pairs)
    without = statistics.median(pair[1] for pair in pairs)
    imports = [float(python("-c", IMPORT)) for _ in range(rounds)]
    return {
        "with_ms": with_plugin,
        "without_ms": without,
        "ratio": with_plugin / without,
        "difference_ms": with_plugin - without,
        "import_ms": statistics.median(imports),
    }


def run(folder: Path, extra: Sequence[str]) -> float:
    """Run the trivial tests in a fresh process; return its processor time in milliseconds."""
    # the other plugins of this environment are left out: their noise would hide the difference
    others = ("xdist", "randomly", "benchmark", "timeout", "pytest_cov", "hypothesispytest")
    words = [word for other in others for word in ("-p", f"no:{other}")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python("-m", "pytest", "-q", "-p", "no:cacheprovider", *words, *extra, str(folder))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def python(*words: str) -> str:
    """Run Python and return what it prints; raise CalledProcessError if it fails."""
    command = [sys.executable, *words]
    done = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
