"""What the detector scripts have in common: arguments, output, exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from readiness_tests.detectors.finding import DetectorError, Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLEAN, FOUND, NOTHING_EXAMINED = 0, 1, 2

_EXIT_CODES = """exit codes:
  0  something was examined and nothing was found
  1  at least one finding
  2  there was nothing to examine, a path does not exist, or the arguments are wrong"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector as a command.

    `defaults` are the paths below the repository that are examined when none is given; `options`
    adds arguments of its own; `scan` receives the paths and all arguments.
    """

    name: str
    summary: str
    defaults: tuple[str, ...]
    scan: Callable[[Sequence[Path], argparse.Namespace], Scan]
    options: Callable[[argparse.ArgumentParser], None] | None = None
    counts_functions: bool = False


def run(detector: Detector, root: Path, arguments: Sequence[str] | None = None) -> int:
    """Run *detector* on its arguments and return the exit code; *root* is the repository.

    Findings go to standard output, one a line or as one JSON document; counts and errors go to
    standard error.
    """
    given = _parser(detector).parse_args(arguments)
    paths = given.paths or [_shown(root / name) for name in detector.defaults]
    try:
        scan = detector.scan(paths, given)
        _require_something(detector, scan)
    except DetectorError as error:
        return _refuse(f"{detector.name}: {error}")
    except KeyboardInterrupt:
        return _refuse(f"{detector.name}: interrupted; nothing is known")
    _write(sys.stdout, as_json(detector.name, scan) if given.json else as_text(scan))
    _write(sys.stderr, f"{detector.name}: {summary(scan)}\n")
    return CLEAN if scan.clean else FOUND


def _parser(detector: Detector) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=detector.summary,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = ", ".join(detector.defaults)
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"file or folder to examine (default: {defaults} of this repository)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    if detector.options:
        detector.options(parser)
    return parser


def _shown(path: Path) -> Path:
    """Return *path* as seen from the working directory, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _require_something(detector: Detector, scan: Scan) -> None:
    if detector.counts_functions and not scan.functions_examined and not scan.findings:
        raise DetectorError("nothing to examine: no function in the given files")


def as_text(scan: Scan) -> str:
    """Return one line a finding."""
    return "".join(f"{finding}\n" for finding in scan.findings)


def as_json(name: str, scan: Scan) -> str:
    """Return the scan as a JSON document with the detector's name."""
    document: dict[str, Any] = {"detector": name, "clean": scan.clean, **asdict(scan)}
    return json.dumps(document, indent=2) + "\n"


def summary(scan: Scan) -> str:
    """Return the counts of a scan in words."""
    files, functions = scan.files_examined, scan.functions_examined
    allowed = sum(allowance.accepted for allowance in scan.allowances)
    return f"{files} files and {functions} functions examined, {len(scan.findings)} findings" + (
        f", {allowed} allowed" if allowed else ""
    )


def _refuse(message: str) -> int:
    _write(sys.stderr, f"{message}\n")
    return NOTHING_EXAMINED


def _write(stream: Any, text: str) -> None:
    # A name that the terminal cannot show must not end the run.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
