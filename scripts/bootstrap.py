#!/usr/bin/env python3
"""Set up and run one of the project's jobs on a machine that has Python and git, nothing else.

    python3 scripts/bootstrap.py readiness    judge this checkout; ends with the report
    python3 scripts/bootstrap.py tests        run the ordinary suite
    python3 scripts/bootstrap.py ENV [ARGS]   any environment of tox.ini; ARGS go to its command
    python3 scripts/bootstrap.py lock         resolve the locked dependencies anew

tox is installed into .tox/tools, at the locked versions, and builds everything else. The exit code
is the job's own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tox" / "tools"
LOCK = ROOT / "requirements" / "tools.txt"
DOCS = "requirements/docs.txt"
EXTRAS = ("live", "backup", "alerts", "api", "sweep", "readiness")
OLDEST = (3, 11)
CANNOT = 2


def main(words: list[str]) -> int:
    """Run the job that *words* name; return its exit code."""
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else CANNOT
    problem = missing()
    if problem:
        print(problem, file=sys.stderr)
        return CANNOT
    if not install_tools():
        return CANNOT
    if words[0] == "lock":
        return lock()
    name, *rest = words
    passed_on = ["--", *rest] if rest else []
    return run([str(python()), "-m", "tox", "run", "-q", "-e", name, *passed_on])


def run(command: list[str]) -> int:
    """Run *command* in the checkout and return its exit code."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own words


def missing() -> str:
    """Say what this machine lacks, and what to do; an empty text if nothing."""
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return f"This is Python {sys.version.split()[0]}; RustyBT needs {wanted} or newer."
    if shutil.which("git") is None:
        return "git was not found; install it (Debian: apt-get install git)."
    return ""


def python() -> Path:
    """Return the interpreter of the tools' own environment."""
    return TOOLS / ("Scripts" if os.name == "nt" else "bin") / "python"


def install_tools() -> bool:
    """Install tox at its locked version, unless that was done before; tell whether it is there."""
    stamp = TOOLS / "installed.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text("ascii") == wanted:
        return True
    print("setting up tox ...", flush=True)
    if not make_environment():
        return False
    words = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command = [str(python()), "-m", "pip", *words, "-r", str(LOCK)]
    if run(command) != 0:
        print(f"tox could not be installed from {LOCK.name}: see above.", file=sys.stderr)
        return False
    stamp.write_text(wanted, "ascii")
    return True


def make_environment() -> bool:
    """Make an empty virtual environment with pip; tell whether that worked."""
    shutil.rmtree(TOOLS, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(TOOLS)]
    made = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return True
    shutil.rmtree(TOOLS, ignore_errors=True)
    print(
        f"no virtual environment could be made: {(made.stdout + made.stderr).strip()}\n"
        "This Python lacks its venv module (Debian: apt-get install python3-venv).",
        file=sys.stderr,
    )
    return False


def lock() -> int:
    """Resolve the dependencies anew, with digests and without naming where they came from."""
    again = "python3 scripts/bootstrap.py lock"
    common = ["--universal", "--python-version", ".".join(map(str, OLDEST)), "--generate-hashes"]
    common += ["--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--upgrade"]
    common += ["--quiet", "--custom-compile-command", again]
    # What builds the site is heavy, and no other job needs it.
    chosen = [word for extra in EXTRAS for word in ("--extra", extra)]
    jobs = (
        ["requirements/tools.in", "-o", "requirements/tools.txt"],
        ["pyproject.toml", *chosen, "--group", "dev", "-o", "requirements/dev.txt"],
        ["pyproject.toml", "--all-extras", "-c", "requirements/dev.txt", "-o", DOCS],
    )
    for job in jobs:
        command = [str(python()), "-m", "uv", "pip", "compile", *common, *job]
        code = run(command)
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
