"""The command line: ``rustybt`` and ``python -m rustybt``."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

# Exit codes: 0 done, 1 could not be done, 2 wrong usage, 70 a defect of ours (EX_SOFTWARE).
FAILED = 1
DEFECT = 70


def main() -> None:
    """Run the command that ``sys.argv`` names and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may know no such letter
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command line *arguments* and return the exit code; no exception leaves here."""

    def command() -> None:
        from rustybt.cli.app import app

        app(args=list(arguments), prog_name="rustybt")

    return exit_code_of(command)


def exit_code_of(command: Callable[[], None]) -> int:
    """Run *command* and return its exit code; every error becomes one message on stderr.

    With ``RUSTYBT_TRACEBACK=1`` in the environment a defect is raised, for those who look for it.
    """
    from rustybt.errors import RustyBTError

    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except RustyBTError as error:
        return _fail(str(error), FAILED)
    except Exception as error:  # noqa: BLE001 - the process boundary: no traceback to a user
        # What the system refused names a file; what a library calls an OSError may name anything.
        if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
            return _fail(f"{error.strerror}: {error.filename}", FAILED)
        return _defect(error)
    return 0


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"rustybt: {message}\n")
    return code


def _defect(error: Exception) -> int:
    """Report a defect without its message, which might hold a secret."""
    if os.environ.get("RUSTYBT_TRACEBACK") == "1":
        raise error
    return _fail(
        f"internal error: {type(error).__name__}; this is a defect. Run the command again with "
        "RUSTYBT_TRACEBACK=1 to see where, and check what you report for secrets",
        DEFECT,
    )
