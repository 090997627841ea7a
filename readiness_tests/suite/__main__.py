"""``python -m readiness_tests.suite``: run the ordinary suite and keep its record.

The readiness checks of the same tree read this record instead of running the suite again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from readiness_tests.suite.record import SuiteRecord
from readiness_tests.suite.runner import Suite, SuiteError
from readiness_tests.suite.store import SuiteStore

STATE = Path(".readiness", "suite")


def main(arguments: list[str] | None = None) -> int:
    """Run the suite of the current folder; return 0 if every test passed."""
    options = _parser().parse_args(arguments)
    root = Path.cwd()
    suite = Suite(root, processes=options.processes, quiet=False)
    try:
        record = SuiteStore(root / STATE).record(
            suite, fresh=options.runs, ignore=(root / STATE.parent, root / "readiness-report")
        )
    except (SuiteError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    print(_summary(record))  # noqa: T201 - likewise
    return 0 if all(run.exit_code == 0 for run in record.runs[-options.runs :]) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m readiness_tests.suite", description=__doc__)
    parser.add_argument("--runs", type=int, default=1, help="fresh processes to run (default 1)")
    parser.add_argument(
        "--processes", type=int, default=2, help="pytest-xdist workers; 0 for none (default 2)"
    )
    return parser


def _summary(record: SuiteRecord) -> str:
    outcomes = [test.outcome for test in record.runs[-1].tests]
    passed, skipped = outcomes.count("passed"), outcomes.count("skipped")
    failed = len(outcomes) - passed - skipped
    lines = [f"tree {record.tree[7:19]}: {len(record.runs)} run(s) on record"]
    for name in ("rustybt", "pytest_rustybt_ready"):
        package = record.package(name)
        if package is not None:
            lines.append(f"coverage of {name}, lines and branches: {package.percent:.2f} %")
    lines.append(f"{passed} passed, {failed} failed, {skipped} skipped")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
