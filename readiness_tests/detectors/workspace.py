"""Copy a source tree and run its tests there, against the copy and nothing else."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tokenize
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors import witness
from readiness_tests.detectors.finding import DetectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_LEFT_OUT = frozenset({".git", ".venv", "venv", ".tox", "__pycache__", "node_modules"})
_WITNESS = "_validator_witness"
_EPOCH = 1_000_000_000  # in 2001, when no file under trial was written


def hit_call(key: int) -> str:
    """Return the expression that reports a run of validator number *key*."""
    return f"__import__({_WITNESS!r}).hit({key})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of pytest told: its exit code (None after a time-out) and its records."""

    exit_code: int | None
    records: tuple[Mapping[str, object], ...]
    output: str

    def tests(self, kind: str) -> list[str]:
        """Return the ids of the tests that are on record as *kind*, each once, in order."""
        return list(dict.fromkeys(str(r["test"]) for r in self.records if r["kind"] == kind))

    @property
    def last_line(self) -> str:
        """The last line that pytest wrote."""
        lines = self.output.strip().splitlines()
        return lines[-1] if lines else "no output"


class Workspace:
    """A copy of the folder *origin*, with room beside it for what its tests report."""

    def __init__(self, origin: Path, folder: Path, packages: Iterable[str]) -> None:
        self.tree = folder / "tree"
        self._beside = folder / "beside"
        self._beside.mkdir(parents=True)
        self._log = self._beside / witness.LOG.name
        shutil.copy(witness.__file__, self._beside / f"{_WITNESS}.py")
        listed = "\n".join(packages)
        (self._beside / witness.PACKAGES.name).write_text(listed, encoding="utf-8")
        self._writes = 0
        shutil.copytree(origin, self.tree, symlinks=True)

    @contextmanager
    def changed(self, path: str, change: Callable[[str], str]) -> Iterator[None]:
        """Have the text of the file *path* changed for a while."""
        file = self.tree / path
        before, times = file.read_bytes(), file.stat()
        self.rewrite(path, change)
        try:
            yield
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def rewrite(self, path: str, change: Callable[[str], str]) -> None:
        """Change the text of the file *path*, keeping its encoding."""
        file = self.tree / path
        data = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        file.write_bytes(change(data.decode(encoding)).encode(encoding))
        # Byte code is told from stale by size and second of the last change: give each its own.
        self._writes += 1
        os.utime(file, (_EPOCH + self._writes, _EPOCH + self._writes))

    def run(self, tests: Sequence[str], timeout: float, *, options: Sequence[str] = ()) -> Run:
        """Run *tests* in the copy, for at most *timeout* seconds.

        Raises DetectorError if they import a package under trial from elsewhere.
        """
        self._log.unlink(missing_ok=True)
        selection = self._beside / "selection.txt"
        selection.write_text("\n".join(tests), encoding="utf-8")
        code, output = self._pytest([*options, f"@{selection}"], timeout)
        run = Run(exit_code=code, records=self._records(), output=output)
        self._require_own_modules(run)
        return run

    def _pytest(self, arguments: Sequence[str], timeout: float) -> tuple[int | None, str]:
        options = ["-q", "--no-header", "--tb=short", f"--rootdir={self.tree}"]
        plugins = ["-p", "no:cacheprovider", "-p", "no:randomly", "-p", _WITNESS]
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *plugins, *arguments],
            cwd=self.tree,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            output, _ = process.communicate()
            return None, output.decode(errors="replace")
        except BaseException:  # an interrupted run leaves nothing running
            _kill(process)
            process.wait()
            raise
        return process.returncode, output.decode(errors="replace")

    def _environment(self) -> dict[str, str]:
        around = ("PYTEST_", "COV_", "COVERAGE_")  # of a run around this one
        kept = {k: v for k, v in os.environ.items() if not k.startswith(around)}
        path = [str(self.tree), str(self._beside), kept.get("PYTHONPATH", "")]
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        return kept

    def _records(self) -> tuple[Mapping[str, object], ...]:
        text = self._log.read_text(encoding="utf-8") if self._log.exists() else ""
        return tuple(json.loads(line) for line in text.splitlines())

    def _require_own_modules(self, run: Run) -> None:
        for record in run.records:
            file = Path(str(record.get("file", self.tree))).resolve()
            if not file.is_relative_to(self.tree.resolve()):
                raise DetectorError(f"the tests import {record['package']} from {file}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def copy_tree(origin: Path, target: Path) -> None:
    """Copy the files of *origin* to *target*: those that git tracks or would, or else all.

    Without git, caches, virtual environments and the like stay behind.
    """
    listed = _listed_by_git(origin)
    for name in _walked(origin) if listed is None else listed:
        source = origin / name
        if source.is_file() or source.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)


def _listed_by_git(origin: Path) -> list[str] | None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    # A hook that runs this has variables that point git to another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, cwd=origin, env=env, capture_output=True, check=False)
    except OSError:
        return None
    names = [name for name in os.fsdecode(done.stdout).split("\0") if name]
    return names if names and done.returncode == 0 else None


def _walked(origin: Path) -> Iterable[str]:
    for folder, folders, files in os.walk(origin):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in files:
            yield str((Path(folder) / name).relative_to(origin))
