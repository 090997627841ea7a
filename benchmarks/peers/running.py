"""One engine in a process of its own, and whether it ended as it has to."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks.peers.cases import Case
from benchmarks.peers.environments import Environment, last_line
from benchmarks.peers.peers import Peer
from benchmarks.peers.reference import Expected

OK, WRONG, FAILED, TIMED_OUT = "ok", "wrong", "failed", "timed out"
ENGINES: Final = Path(__file__).parent / "engines"


@dataclass(frozen=True)
class Run:
    """What came of one process: *status*, why, the *wall* time in seconds, and its answer.

    The wall time is the whole process's, without the second run of those that are run twice.
    """

    status: str
    reason: str
    wall: float
    answer: dict[str, Any]


def run_engine(
    peer: Peer, environment: Environment, case: Case, prices: Path, timeout: float
) -> Run:
    """Run *peer* on *case*, whose bars are in the file *prices*, for at most *timeout* seconds."""
    with tempfile.TemporaryDirectory(prefix="rustybt-peer-") as name:
        folder = Path(name)
        job, answer = folder / "job.json", folder / "answer.json"
        job.write_text(json.dumps(case.job(prices, answer, folder)), "utf-8")
        start = perf_counter()
        try:
            done = subprocess.run(  # noqa: S603 - a script of ours in an environment of ours
                (str(environment.python), str(ENGINES / peer.script), str(job)),
                env=_environment(),
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Run(TIMED_OUT, f"after {timeout:g} s", perf_counter() - start, {})
        except OSError as error:
            return Run(FAILED, f"{error.strerror}: {environment.python.name}", 0.0, {})
        wall = perf_counter() - start
        if done.returncode != 0:
            reason = last_line(done.stderr) or f"exit code {done.returncode}"
            return Run(FAILED, reason, wall, {})
        if not answer.is_file():
            return Run(FAILED, "no answer", wall, {})
        said = json.loads(answer.read_text("utf-8"))
        return Run(OK, "", wall - said.get("warm_seconds", 0), said)


def judged(run: Run, expected: Expected, tolerance: Decimal) -> Run:
    """Return *run*, called wrong unless it ended as *expected*, up to *tolerance* dollars."""
    if run.status != OK:
        return run
    equity, fills = Decimal(run.answer["equity_cents"]) / 100, run.answer["fills"]
    agrees = equity.is_finite() and abs(equity - expected.equity) <= tolerance
    if agrees and fills == expected.fills:
        return run
    reason = (
        f"{equity} after {fills} fills; expected {expected.equity} after {expected.fills},"
        f" give or take {tolerance}"
    )
    return Run(WRONG, reason, run.wall, run.answer)


def _environment() -> dict[str, str]:
    """Return this process's environment without what points Python at other packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
