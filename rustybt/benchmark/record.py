"""Records of benchmarks: JSON that says what was measured, on which machine and commit, when."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, Final

from rustybt.benchmark.checkout import checkout_of
from rustybt.benchmark.errors import BenchmarkError
from rustybt.benchmark.host import this_host
from rustybt.benchmark.rounds import figures, take_turns_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rustybt.benchmark.suites import Suite

SCHEMA: Final = 1
_PACKAGE: Final = Path(__file__).parents[1]

Record = dict[str, Any]


def heading(now: datetime) -> Record:
    """Return what every record says first: format, time, version, commit, machine and its load.

    *commit* and *dirty* are null where the package is not part of a checkout.
    """
    checkout = checkout_of(_PACKAGE)
    return {
        "schema": SCHEMA,
        "utc": now.isoformat(timespec="seconds"),
        "version": version("rustybt"),
        "commit": checkout and checkout.commit,
        "dirty": checkout and checkout.dirty,
        "host": this_host().as_record(),
        "load": [round(os.getloadavg()[0], 1)],
    }


def measure(
    suite: Suite,
    *,
    iterations: int,
    now: Callable[[], datetime],
    size: int | None = None,
    progress: Callable[[int, int], object] | None = None,
    clocks: Sequence[Callable[[], float]] = (perf_counter, process_time),
) -> Record:
    """Run *suite* in so many rounds and return its record.

    *size* is how many items to handle in place of the suite's own number. *progress* is told
    measurements done and in all. *clocks* are the wall's and the processor's. Raise
    :class:`~rustybt.benchmark.errors.BenchmarkError` when what was to be measured gives wrong
    results.
    """
    record = {**heading(now()), "suite": suite.name, "iterations": iterations}
    cases = suite.cases(size or suite.size)
    total = iterations * sum(len(case.works) for case in cases)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    record["cases"] = [
        figures(case, *take_turns_by(case.works, iterations, clocks, advance)) for case in cases
    ]
    return record


def to_json(record: Record) -> bytes:
    """Return *record* as it is written to files: a fixed order, one line a value."""
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()


def read_record(path: Path) -> Record:
    """Return the record in *path*; raise `BenchmarkError` if there is none that can be used."""
    try:
        record = json.loads(path.read_bytes())
    except OSError as error:
        raise BenchmarkError(f"cannot read the record {path}: {error.strerror}") from error
    except ValueError as error:
        raise BenchmarkError(f"the record {path} is not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise BenchmarkError(f"the record {path} has the schema {found}", expected=str(SCHEMA))
    return record
