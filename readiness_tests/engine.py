"""The engine as checks drive it: in a fresh process, from a folder that a control may edit.

A check calls a *probe*, a module of ``readiness_tests.probes`` with ``def main(arguments)``, and
compares what it returns with sums of its own. The check never imports what it judges, so a control
can change the engine's sources: it gets a throwaway copy of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from readiness_tests.suite.runner import clean_environment

PACKAGE = "rustybt"
TIMEOUT_S = 240.0
TAIL_LINES = 12


class ProbeError(Exception):
    """A probe did not come to its end; the message shows what it said last.

    It is no assertion on purpose: a control that makes the engine crash has proven nothing.
    """


@dataclass(frozen=True, slots=True)
class EngineUnderTest:
    """The engine whose package lies in *root*; only a *throwaway* one may be edited."""

    root: Path
    throwaway: bool = False

    def run(self, probe: str, /, *, timeout_s: float = TIMEOUT_S, **arguments: object) -> Any:
        """Run ``readiness_tests.probes.PROBE`` in a new process and return what its main returned.

        *arguments* arrive as a dictionary. Both ways lead through JSON: decimals and times become
        text. Raise :class:`ProbeError` if the probe raises, or is not done after *timeout_s*
        seconds.
        """
        request = json.dumps({"root": str(self.root.resolve()), "arguments": arguments})
        with tempfile.TemporaryDirectory(prefix="rustybt-probe-") as folder:
            try:
                done = subprocess.run(
                    [sys.executable, "-P", "-m", "readiness_tests.probes", probe],
                    input=request,
                    cwd=folder,
                    env=self._environment(),
                    capture_output=True,
                    text=True,
                    timeout=timeout_s,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise ProbeError(f"probe {probe}: not done after {timeout_s:g} s") from error
        if done.returncode != 0:
            last = "\n".join(done.stderr.strip().splitlines()[-TAIL_LINES:])
            raise ProbeError(f"probe {probe} ended with exit code {done.returncode}:\n{last}")
        return json.loads(done.stdout)

    def append(self, name: str, code: str) -> None:
        """Add *code* at the end of a source file, where it may replace what was defined above.

        That survives more changes of the engine than :meth:`edit`. Raise as that does.
        """
        path = self._editable(name)
        path.write_text(f"{path.read_text('utf-8')}\n\n{dedent(code)}", "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace *old* by *new* in a source file such as ``rustybt/accounting/lots.py``.

        Raise ValueError unless *old* is there exactly once: a control that breaks nothing, or
        something else, would prove nothing. Raise it too if this is not a throwaway copy.
        """
        path = self._editable(name)
        text = path.read_text("utf-8")
        count = text.count(old)
        if count != 1:
            raise ValueError(f"{name}: to be replaced once, found {count} times: {old!r}")
        path.write_text(text.replace(old, new), "utf-8")

    def _editable(self, name: str) -> Path:
        """Return the path of a source file; raise ValueError if it must not be changed."""
        if not self.throwaway:
            raise ValueError(f"{self.root} is under judgement; only a throwaway copy is edited")
        return self.root / name

    def _environment(self) -> dict[str, str]:
        """Return an environment in which the package in *root* is found first."""
        checks = Path(__file__).resolve().parents[1]
        path = os.pathsep.join((str(self.root.resolve()), str(checks)))
        return clean_environment() | {"PYTHONPATH": path}


def copy_engine(source: Path, target: Path) -> Path:
    """Copy the sources of the engine's package from one root to another; return the latter."""
    shutil.copytree(
        source / PACKAGE, target / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    return target
