"""Run the ordinary suite of a checkout in a fresh process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from readiness_tests.suite.record import Package, SuiteRun, TestOutcome
from readiness_tests.suite.recorder import REPEAT, VARIABLE

NO_TESTS = 5
# pytest's exit codes that still leave a complete account: all passed, some failed, none there.
COMPLETE = (0, 1, NO_TESTS)
PROPERTIES = "tests/property"
FINANCIAL = ("model", "accounting", "risk", "execution")
TIMEOUT_S = 1800


class SuiteError(Exception):
    """The suite could not be run to its end; the message says why, and shows its last lines."""


class Suite:
    """The ordinary suite of the checkout at *root*, run with *processes* workers (0: none).

    With *quiet* its output is kept back, and shown only in errors.
    """

    def __init__(self, root: Path, *, processes: int = 2, quiet: bool = True) -> None:
        self.root = root
        self.processes = processes
        self.quiet = quiet

    def run(self, seed: int, *, coverage: bool) -> tuple[SuiteRun, dict[str, Package]]:
        """Run every test once in the random order of *seed*; raise SuiteError if that fails.

        The property tests run in a process of their own, without coverage: there they would spend
        most of their time being watched. *seed* gives their examples, too, whatever worker they
        run on. Without *coverage* it is a repetition: property tests that leave their number of
        examples to the profile then run a tenth of them.
        """
        with tempfile.TemporaryDirectory(prefix="rustybt-suite-") as folder:
            scratch = Path(folder)
            started, clock = datetime.now(UTC), time.monotonic()
            codes: list[int] = []
            tests: list[TestOutcome] = []
            for command in self._commands(seed, coverage=coverage):
                code, found = self._execute(command, seed, scratch)
                codes.append(code)
                tests += found
            seconds = time.monotonic() - clock
            if not tests:
                raise SuiteError(f"the suite ended with exit code {codes[0]}: there is no test")
            run = SuiteRun(
                seed=seed,
                started=started,
                seconds=round(seconds, 2),
                exit_code=max(code for code in codes if code != NO_TESTS),
                tests=tuple(sorted(tests, key=lambda test: test.test)),
            )
            return run, self._coverage(scratch) if coverage else {}

    def _commands(self, seed: int, *, coverage: bool) -> list[list[str]]:
        """Return what runs the tests: all but the property tests, then those."""
        pytest_ = ["pytest", "-p", "readiness_tests.suite.recorder", "-p", "randomly"]
        pytest_ += [f"--randomly-seed={seed}", f"--hypothesis-seed={seed}"]
        pytest_ += ["-p", "no:cacheprovider", "-q", "--continue-on-collection-errors"]
        pytest_ += ["-n", str(self.processes)] if self.processes else []
        pytest_ += [] if coverage else [f"--hypothesis-profile={REPEAT}"]
        sources = ",".join(str(path) for path in self._packages())
        watch = ["coverage", "run", "--branch", "--parallel-mode", f"--source={sources}", "-m"]
        python = [sys.executable, "-m"]
        ordinary = [*python, *(watch if coverage else ()), *pytest_, f"--ignore={PROPERTIES}"]
        properties = [*python, *pytest_, "-p", "readiness_tests.suite.imported", PROPERTIES]
        return [ordinary, properties] if (self.root / PROPERTIES).is_dir() else [ordinary]

    def _packages(self) -> list[Path]:
        names = ("rustybt", "pytest_rustybt_ready")
        return [self.root / name for name in names if (self.root / name).is_dir()]

    def _execute(
        self, command: Sequence[str], seed: int, scratch: Path
    ) -> tuple[int, tuple[TestOutcome, ...]]:
        """Run *command* and return its exit code and what it recorded."""
        environ = clean_environment()
        environ["COVERAGE_FILE"] = str(scratch / "coverage")
        environ["PYTHONHASHSEED"] = str(seed)  # the order of sets is chance, too
        record, log = scratch / "tests.jsonl", scratch / "output.txt"
        record.unlink(missing_ok=True)
        environ[VARIABLE] = str(record)
        with log.open("wb") as sink:
            out: Any = sink if self.quiet else None
            try:
                done = subprocess.run(
                    command,
                    cwd=self.root,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT if self.quiet else None,
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise SuiteError(f"the suite did not end within {TIMEOUT_S} s") from error
        tests = _outcomes(record)
        if done.returncode not in COMPLETE or (done.returncode != NO_TESTS and not tests):
            output = _tail(log.read_text("utf-8", "replace"))
            raise SuiteError(f"the suite ended with exit code {done.returncode}:\n{output}")
        return done.returncode, tests

    def _coverage(self, scratch: Path) -> dict[str, Package]:
        """Return the coverage of each source file, by its path below the root."""
        report = scratch / "coverage.json"
        environ = clean_environment() | {"COVERAGE_FILE": str(scratch / "coverage")}
        for words in (["combine", "-q"], ["json", "-q", "-o", str(report)]):
            done = subprocess.run(
                [sys.executable, "-m", "coverage", *words],
                cwd=self.root,
                env=environ,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise SuiteError(f"coverage {words[0]}: {_tail(done.stdout + done.stderr)}")
        files = json.loads(report.read_text("utf-8"))["files"]
        return {self._relative(name): _package(entry["summary"]) for name, entry in files.items()}

    def _relative(self, name: str) -> str:
        path = Path(name)
        inside = path.relative_to(self.root) if path.is_absolute() else path
        return inside.as_posix()


def clean_environment() -> dict[str, str]:
    """Return the environment without what would leak a surrounding test run into a new one."""
    unwanted = ("PYTEST_", "COVERAGE_", "COV_CORE_", "RUSTYBT_", "HYPOTHESIS_")
    colours = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")  # what makes tools colour a pipe
    environ = os.environ.items()
    kept = {k: v for k, v in environ if not k.startswith(unwanted) and k not in colours}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}


def python_name() -> str:
    """Return implementation and version of the running Python."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def _outcomes(path: Path) -> tuple[TestOutcome, ...]:
    if not path.exists():
        return ()
    lines = path.read_bytes().splitlines()
    return tuple(msgspec.json.decode(line, type=TestOutcome) for line in lines)


def _package(summary: dict[str, int]) -> Package:
    return Package(
        lines=summary["num_statements"],
        lines_covered=summary["covered_lines"],
        # absent where not a single line ran
        branches=summary.get("num_branches", 0),
        branches_covered=summary.get("covered_branches", 0),
    )


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])
