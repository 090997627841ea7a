"""Store how long the engine's paths take beside their reference loops: check 4.1.5's baseline.

    python -m benchmarks.baseline [--processes 12] [--docs docs]

Do it on a machine that does little else, and only for a slow-down that was decided on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from readiness_tests.baseline import FILE, ROUNDS, measured, python_release, stored
from readiness_tests.engine import EngineUnderTest
from rustybt.benchmark.record import heading, to_json
from rustybt.cli import exit_code_of
from rustybt.cli.output import say
from rustybt.files import write_atomic

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Measure and write the record; ratios of other releases of Python stay in it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--processes", type=int, default=12, help="how many to measure in [12]")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where records are kept")
    options = parser.parse_args(arguments)
    records = options.docs / "records"
    found = measured(EngineUnderTest(ROOT), options.processes)
    ratios = {path: float(f"{median(each):.4g}") for path, each in found.items()}
    record = {
        **heading(datetime.now(UTC)),
        "suite": "baseline",
        "processes": options.processes,
        "rounds": ROUNDS,
        "ratios": {**stored(records), python_release(): ratios},
    }
    records.mkdir(parents=True, exist_ok=True)
    write_atomic(records / FILE, to_json(record), mode=0o644)
    for path, ratio in ratios.items():
        say(f"{path}: {ratio}")
    return 0


def command() -> None:
    """Run the command line and exit."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(exit_code_of(command))
