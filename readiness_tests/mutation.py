"""``python -m readiness_tests.mutation``: change the financial packages, see if tests notice.

mutmut makes small changes (mutants) to the functions of one package at a time and runs that
package's unit tests against each. A mutant that no test notices shows what is not tested, however
much of it is covered. All of this happens in a copy of the checkout. The outcome is kept in a file
of the checkout, beside the digest of what it rests on: the package's sources and its tests. A
package that changed since is not on record any more; other changes do not matter.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

import msgspec

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready import checkout as tree
from pytest_rustybt_ready.canonical import to_bytes
from readiness_tests.mutants import (
    MutationError,
    Tell,
    configure,
    copy_tree,
    judge,
    read_codes,
    run_mutmut,
    tool_name,
)
from readiness_tests.store import TreeStore
from readiness_tests.suite.record import Value
from readiness_tests.suite.runner import FINANCIAL, python_name
from rustybt.errors import HomeError
from rustybt.files import locked, write_atomic

RECORD = "docs/records/mutation.json"
COMMAND = "python -m readiness_tests.mutation"
ITEM, THRESHOLD = "1.3.4", "mutation_score"
TIME_LIMIT_S = 3600
REPORT_EVERY_S = 10
PUBLIC_FILE = 0o644


class PackageRecord(Value, frozen=True, kw_only=True):
    """What became of the mutants of one package; ``digest`` is that of its sources and tests."""

    package: str
    tests: str
    digest: str
    when: datetime
    tool: str
    python: str
    seconds: float
    killed: int
    survived: int
    timeout: int
    no_tests: int
    suspicious: int
    survivors: tuple[str, ...]

    @property
    def mutants(self) -> int:
        """Return how many mutants there were."""
        return self.killed + self.survived + self.timeout + self.no_tests + self.suspicious

    @property
    def score(self) -> Decimal:
        """Return the noticed mutants in percent of all, rounded down to 0.01; 0 without mutants.

        Noticed are those that made a test fail, or run without end.
        """
        noticed = Decimal(100 * (self.killed + self.timeout))
        return (noticed / max(self.mutants, 1)).quantize(Decimal("0.01"), ROUND_FLOOR)

    def __str__(self) -> str:
        """Return the counts in words."""
        counts = f"{self.killed} killed, {self.survived} survived, {self.timeout} timed out"
        rest = f"{self.no_tests} without tests, {self.suspicious} suspicious"
        return f"{self.mutants} mutants: {counts}, {rest}"


class MutationRecord(Value, frozen=True, kw_only=True):
    """The packages on record, by name."""

    packages: dict[str, PackageRecord] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Basis:
    """What a run over one package rests on: its sources and its tests, as paths below the root."""

    package: str
    tests: str
    files: tuple[str, ...]

    def digest(self, root: Path) -> str:
        """Return the digest of these files as they are below *root*."""
        return tree.files_digest(root, [root / name for name in self.files])


# -- what is on record ------------------------------------------------------------------------


def basis_of(root: Path, package: str) -> Basis:
    """Return what a run over *package* rests on; raise MutationError if it or its tests lack.

    The tests are those in ``tests/unit/PACKAGE``, or all of ``tests/unit`` if there is no such
    folder.
    """
    source, own = f"rustybt/{package}", f"tests/unit/{package}"
    tests = own if (root / own).is_dir() else "tests/unit"
    names = [path.relative_to(root).as_posix() for path in tree.files(root)]
    for folder, what in ((source, "package"), (tests, "folder of tests")):
        if not any(name.startswith(f"{folder}/") and name.endswith(".py") for name in names):
            raise MutationError(f"there is no {what} {folder} in this checkout")
    inside = (name for name in names if name.startswith((f"{source}/", f"{tests}/")))
    return Basis(package, tests, tuple(inside))


def read_record(root: Path) -> MutationRecord:
    """Return what the checkout at *root* has on record; raise MutationError if that is damaged."""
    path = root / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=MutationRecord)
    except FileNotFoundError:
        return MutationRecord()
    except (OSError, msgspec.DecodeError) as error:
        raise MutationError(
            f"{RECORD} cannot be read ({error}); delete it and run `{COMMAND}`"
        ) from error


def on_record(root: Path, package: str) -> PackageRecord | None:
    """Return the record of *package* as it is now; None if there is none, or it rests on others.

    Raises MutationError if there is no such package.
    """
    digest = basis_of(root, package).digest(root)
    known = read_record(root).packages.get(package)
    return known if known is not None and known.digest == digest else None


def keep(root: Path, record: PackageRecord) -> None:
    """Put *record* into the checkout's file; those of other packages stay as they are."""
    path = root / RECORD
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):
        packages = read_record(root).packages | {record.package: record}
        text = msgspec.json.format(to_bytes(MutationRecord(packages=packages)), indent=2)
        write_atomic(path, text + b"\n", mode=PUBLIC_FILE)


def measured(root: Path, package: str, folder: Path) -> PackageRecord:
    """Return the record of *package* in a small checkout: from *folder*, or else made now."""

    def extend(known: PackageRecord | None, _: Callable[[PackageRecord], None]) -> PackageRecord:
        return known or measure(root, package, clock=_now)

    return TreeStore(folder, PackageRecord).get(basis_of(root, package).digest(root), extend)


# -- the run ----------------------------------------------------------------------------------


def measure(
    root: Path,
    package: str,
    *,
    clock: Callable[[], datetime],
    processes: int = 1,
    time_limit_s: float = TIME_LIMIT_S,
    tell: Tell | None = None,
) -> PackageRecord:
    """Run mutmut over *package* in a copy of the checkout at *root* and return what came of it.

    *tell* hears how many of how many mutants are done. Raises MutationError if there is nothing
    to mutate, the tests fail on the unchanged package, or the run does not end in *time_limit_s*.
    """
    tool = tool_name()
    basis = basis_of(root, package)
    with tempfile.TemporaryDirectory(prefix="rustybt-mutation-") as folder:
        copy = Path(folder, "checkout")
        copy_tree(root, copy)
        configure(copy, basis.package, basis.tests)
        started, when = time.monotonic(), clock()
        run_mutmut(copy, package, processes, time_limit_s, tell)
        codes = read_codes((copy / "mutants" / "rustybt" / package).rglob("*.meta"))
        counts, survivors = judge(codes)
        return PackageRecord(
            package=package,
            tests=basis.tests,
            digest=basis.digest(copy),
            when=when.astimezone(UTC).replace(microsecond=0),
            tool=tool,
            python=python_name(),
            seconds=round(time.monotonic() - started, 1),
            killed=counts["killed"],
            survived=counts["survived"],
            timeout=counts["timeout"],
            no_tests=counts["no_tests"],
            suspicious=counts["suspicious"],
            survivors=survivors,
        )


# -- the command ------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Record packages of a checkout; return 0, 1 (too low) or 2 (failed).

    Without ``--package`` those that are not on record yet.
    """
    options = _parser().parse_args(arguments)
    root = options.checkout.absolute()
    try:
        scores = [_recorded(root, name, options) for name in options.package or FINANCIAL]
    except (MutationError, HomeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return 2
    except KeyboardInterrupt:
        print("interrupted; nothing was kept", file=sys.stderr)  # noqa: T201 - likewise
        return 2
    limit = required()
    return 0 if all(score >= limit for score in scores) else 1


def required() -> Decimal:
    """Return the score that the built-in checklist asks for, in percent."""
    item = checklist_file.built_in().find(ITEM)
    if item is None:
        raise LookupError(f"the checklist has no item {ITEM}")
    return item.thresholds[THRESHOLD].limit


def _recorded(root: Path, package: str, options: argparse.Namespace) -> Decimal:
    record = None if options.package else on_record(root, package)
    if record is None:
        record = measure(
            root,
            package,
            clock=_now,
            processes=options.processes,
            time_limit_s=options.time_limit,
            tell=_Reporter(package),
        )
        keep(root, record)
    print(f"{package}: {record.score} % of {record}")  # noqa: T201 - this is a command
    for name in record.survivors:
        print(f"  not noticed: {name}")  # noqa: T201 - likewise
    return record.score


class _Reporter:
    """Tells progress on standard error, now and then."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + REPORT_EVERY_S
            text = f"{self._package}: {done} of {total} mutants done"
            print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is a command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Change the financial packages and see whether tests notice."
    )
    parser.add_argument(
        "--package",
        action="append",
        choices=FINANCIAL,
        help="a package to run, even if it is on record (default: all that are not)",
    )
    parser.add_argument(
        "--checkout", type=Path, default=Path(), metavar="FOLDER", help="(default: current folder)"
    )
    parser.add_argument("--processes", type=_count, default=2, help="workers (default 2)")
    parser.add_argument(
        "--time-limit",
        type=_count,
        default=TIME_LIMIT_S,
        metavar="SECONDS",
        help=f"for each package (default {TIME_LIMIT_S})",
    )
    return parser


def _now() -> datetime:
    return datetime.now(UTC)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of 1 or more")
    return int(text)


if __name__ == "__main__":
    # a job that is stopped ends its workers, too, as on Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
