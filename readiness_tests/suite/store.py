"""One record of the ordinary suite for each tree, with as many runs as were ever asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import msgspec

from pytest_rustybt_ready import checkout
from readiness_tests.store import TreeStore
from readiness_tests.suite.record import SuiteRecord
from readiness_tests.suite.runner import Suite, python_name


class SuiteStore:
    """Records of suites, kept in *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = TreeStore(folder, SuiteRecord)

    def record(
        self, suite: Suite, *, runs: int = 1, fresh: int = 0, ignore: tuple[Path, ...] = ()
    ) -> SuiteRecord:
        """Return the record of *suite*'s tree with at least *runs* runs, running what is missing.

        At least *fresh* runs are made now, whatever is on record. *ignore* lists folders that are
        not part of the tree, such as those for reports. Raises SuiteError if the suite cannot be
        run.

        Who asks for no more than is there gets it at once, while others add runs.
        """
        tree = checkout.tree_digest(suite.root, ignore=(*ignore, self.folder))
        there = self._store.known(tree)
        if not fresh and _fits(there, tree) and len(there.runs) >= runs:
            return there

        def extend(known: SuiteRecord | None, keep: Callable[[SuiteRecord], None]) -> SuiteRecord:
            record = known if _fits(known, tree) else _first(suite, tree)
            keep(record)
            made = 0 if record is known else 1
            wanted = max(runs, len(record.runs) + fresh - made)
            while len(record.runs) < wanted:
                run, _ = suite.run(_seed(tree, len(record.runs)), coverage=False)
                record = msgspec.structs.replace(record, runs=(*record.runs, run))
                keep(record)
            return record

        return self._store.get(tree, extend)


def _fits(record: SuiteRecord | None, tree: str) -> TypeGuard[SuiteRecord]:
    """Tell whether *record* is of this tree, run by this Python."""
    return record is not None and (record.tree, record.python) == (tree, python_name())


def _first(suite: Suite, tree: str) -> SuiteRecord:
    run, coverage = suite.run(_seed(tree, 0), coverage=True)
    return SuiteRecord(
        tree=tree,
        commit=checkout.commit(suite.root),
        python=python_name(),
        runs=(run,),
        coverage=coverage,
    )


def _seed(tree: str, number: int) -> int:
    """Return a seed that whoever judges the same tree again gets too; other trees have others."""
    return int.from_bytes(hashlib.sha256(f"{tree} {number}".encode()).digest()[:4])
