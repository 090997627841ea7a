"""One run of mutmut over a package, in a copy of the checkout, and what became of each mutant."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import tomllib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from pytest_rustybt_ready import checkout as tree
from readiness_tests.suite.runner import clean_environment

# How many survivors' names are kept; all are counted.
NAMES_KEPT = 50
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

# How the tests of a mutant ended, by the exit code that mutmut keeps: pytest's, or one of its own.
# Every other code is suspicious: something ended the tests, and it was not a failing test.
FATES: Mapping[int, str] = {
    0: "survived",
    1: "killed",
    3: "killed",  # pytest itself broke
    5: "no_tests",
    33: "no_tests",
    24: "timeout",  # 24 and its kin: SIGXCPU, the processor time was used up
    -24: "timeout",
    152: "timeout",
    36: "timeout",
    255: "timeout",
}
INTERRUPTED = 2

# hears how many of how many mutants are done
Tell = Callable[[int, int], None]


class MutationError(Exception):
    """No mutation run could be made or read; the message says why and what to do."""


def read_codes(paths: Iterable[Path]) -> dict[str, int | None]:
    """Return the exit code of each mutant from mutmut's files; raise MutationError for others."""
    codes: dict[str, int | None] = {}
    for path in paths:
        try:
            document = msgspec.json.decode(path.read_bytes(), type=_Meta)
        except (OSError, msgspec.DecodeError) as error:
            raise MutationError(
                f"{path.name}: not what this version of mutmut is known to write ({error})"
            ) from error
        codes |= document.exit_code_by_key
    return codes


def judge(codes: Mapping[str, int | None]) -> tuple[Counter[str], tuple[str, ...]]:
    """Count the mutants by fate, and name the first that were not noticed.

    Raises MutationError if there is none at all, or the run left one undecided.
    """
    if not codes:
        raise MutationError("mutmut found nothing to change; is there a function in the package?")
    undecided = [name for name, code in codes.items() if code is None or code == INTERRUPTED]
    if undecided:
        raise MutationError(f"the run stopped before {len(undecided)} of {len(codes)} mutants")
    fates = {
        name: FATES.get(code, "suspicious") for name, code in codes.items() if code is not None
    }
    unnoticed = sorted(name for name, fate in fates.items() if fate not in ("killed", "timeout"))
    return Counter(fates.values()), tuple(unnoticed[:NAMES_KEPT])


def progress_of(line: str) -> tuple[int, int] | None:
    """Return how many of how many mutants are done, or None if *line* does not tell."""
    found = re.match(r"\W*?(\d+)/(\d+)\s", line)
    return (int(found[1]), int(found[2])) if found else None


class _Meta(msgspec.Struct, frozen=True):
    """The part of mutmut's file beside a mutated source that counts."""

    exit_code_by_key: dict[str, int | None]


def tool_name() -> str:
    """Return name and version of the tool; raise MutationError if it is not installed."""
    try:
        return f"mutmut {version('mutmut')}"
    except PackageNotFoundError:
        raise MutationError("mutmut is not installed; install the extra `readiness`") from None


def copy_tree(root: Path, folder: Path) -> None:
    """Copy the files of the checkout at *root* that git knows, or would take, to *folder*."""
    for path in tree.files(root):
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)


def configure(copy: Path, package: str, tests: str) -> None:
    """Write the settings of this run, and no others, into the copy's pyproject.toml."""
    path = copy / "pyproject.toml"
    text = path.read_text("utf-8") if path.exists() else ""
    try:
        tables = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise MutationError(f"pyproject.toml cannot be read: {error}") from error
    if "mutmut" in tables:
        raise MutationError(
            "pyproject.toml has a table tool.mutmut; remove it: the run sets what it needs"
        )
    others = sorted(p.name for p in copy.iterdir() if p.name not in ("rustybt", "tests"))
    settings: dict[str, object] = {
        "source_paths": ["rustybt"],
        "only_mutate": [f"rustybt/{package}/*"],
        "also_copy": others,
        "pytest_add_cli_args": ["-p", "no:randomly", "-p", "no:cacheprovider", "--tb=line"],
        "pytest_add_cli_args_test_selection": [tests],
        "use_setproctitle": False,
    }
    # lists of plain words and booleans are written alike in JSON and in TOML
    table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    path.write_text(f"{text}\n[tool.mutmut]\n{table}", "utf-8")


def run_mutmut(
    copy: Path, package: str, processes: int, time_limit_s: float, tell: Tell | None
) -> None:
    """Run mutmut in the configured *copy* with so many *processes*; *tell* hears how far it is.

    Raises MutationError with mutmut's last lines if it fails, or is not done in *time_limit_s*.
    """
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes)]
    last: deque[str] = deque(maxlen=25)
    with _started(command, copy, time_limit_s) as (process, too_late):
        for line in process.stdout or ():
            text = line.strip().strip(SPINNER).strip()
            done = progress_of(text)
            if done and tell:
                tell(*done)
            elif not done and text and (not last or last[-1] != text):
                last.append(text)
        code = process.wait()
    if too_late.is_set():
        raise MutationError(f"mutmut over {package} did not end within {time_limit_s:g} s")
    if code != 0:
        raise MutationError(
            f"mutmut over {package} ended with exit code {code}:\n" + "\n".join(last)
        )


@contextmanager
def _started(
    command: Sequence[str], folder: Path, time_limit_s: float
) -> Iterator[tuple[subprocess.Popen[str], threading.Event]]:
    """Start *command*; end it and all that it started when time is over or the block is left."""
    too_late = threading.Event()
    # a session of its own: mutmut's workers belong to it, and only they are ended with it
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment() | {"PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )

    def end() -> None:
        too_late.set()
        _end_group(process.pid)

    timer = threading.Timer(time_limit_s, end)
    timer.start()
    with process:
        try:
            yield process, too_late
        except BaseException:
            # before the process is waited for: it would go on to its end
            _end_group(process.pid)
            raise
        finally:
            timer.cancel()


def _end_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself
