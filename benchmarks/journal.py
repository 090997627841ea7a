"""How fast the journal is, as ratios within one run.

    python benchmarks/journal.py [--rounds 9] [--folder FOLDER] [--json]

Appending is compared with bare SQLite: the same rows, ready-made, into the same table with the same
pragmas, the same number to a transaction. Verifying is compared with a bare chain of SHA-256 over
the payloads alone, once with the records in memory and once from the file, each side reading it.
What is compared is measured in turns, appending group by group, so that it feels the same machine;
medians of the rounds and of their ratios are shown. It fails if a ratio is below its limit, or
verifying from disk below 100 000 records a second. FOLDER must lie on the disk that is meant: a
memory disk flushes nothing.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter

from msgspec.structs import astuple

from rustybt.journal import Record, canonical, chain
from rustybt.journal.connection import CHUNK, Row, rows
from rustybt.journal.database import open_database
from rustybt.journal.store import Journal
from rustybt.journal.verification import Scan, examine

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RECORDS = 100_000
LIMITS = {"append_1": 0.6, "append_32": 0.6, "verify_memory": 0.5, "verify_disk": 0.5}
LEAST_PER_SECOND = 100_000
INSERT = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)"
GROUPS = {"append_1": (1, 500), "append_32": (32, 250)}

Timed = tuple[float, float]


def payload(number: int) -> bytes:
    """Return what a fill says."""
    return canonical(
        {
            "client_id": f"s-1-{number:06d}",
            "fee": "0.00123",
            "fee_asset": "USDT",
            "price": "43123.45",
            "quantity": "0.0123",
            "side": "buy",
            "symbol": "BTC/USDT",
            "trade_id": str(number),
            "type": "filled",
        }
    )


def chained(count: int) -> list[Record]:
    """Return *count* records."""
    records: list[Record] = []
    for number in range(count):
        last = records[-1] if records else None
        records.append(chain(last, time=NOW, session="s-1", kind="event", payload=payload(number)))
    return records


def timed(work: Callable[[], None]) -> float:
    """Return how many seconds *work* takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def appending(folder: Path, size: int, groups: int) -> Iterator[Timed]:
    """Yield, for each round, what appending takes, and the same with bare SQLite."""
    ready = [astuple(record) for record in chained(size * groups)]
    texts = [row[4] for row in ready]
    while True:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            ours, bare = Path(name, "ours.db"), Path(name, "bare.db")
            open_database(f"sqlite:///{bare}").dispose()
            database = durable(bare)
            with Journal.open(f"sqlite:///{ours}", session="s-1", clock=lambda: NOW) as journal:
                both = in_turns(
                    [
                        (
                            partial(append, journal, texts[start : start + size]),
                            partial(insert, database, ready[start : start + size]),
                        )
                        for start in range(0, len(ready), size)
                    ]
                )
            database.close()
        yield both


def in_turns(pairs: Sequence[tuple[Callable[[], None], Callable[[], None]]]) -> Timed:
    """Return what all firsts take, and all seconds: a disk is busy from instant to instant."""
    ours, bare = 0.0, 0.0
    for number, (one, other) in enumerate(pairs):
        if number % 2:
            ours += timed(one)
            bare += timed(other)
        else:
            bare += timed(other)
            ours += timed(one)
    return ours, bare


def append(journal: Journal, texts: Sequence[bytes]) -> None:
    """Append and commit one group."""
    for text in texts:
        journal.append("event", text)
    journal.commit()


def durable(path: Path) -> sqlite3.Connection:
    """Return a connection as the journal's own."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}").fetchall()
    return database


def insert(database: sqlite3.Connection, ready: Sequence[tuple[object, ...]]) -> None:
    """Insert one group of rows that are ready."""
    database.execute("BEGIN IMMEDIATE")
    database.executemany(INSERT, ready)
    database.execute("COMMIT")


def bare_chain(found: Iterator[list[Row]]) -> None:
    """Hash one payload after the other, and nothing else."""
    last = bytes(32)
    for chunk in found:
        for row in chunk:
            last = sha256(last + row[4]).digest()


def verifying(folder: Path) -> tuple[Iterator[Timed], Iterator[Timed]]:
    """Return the rounds of verifying in memory and from a file, each beside a bare chain."""
    url = f"sqlite:///{folder}/verify.db"
    ready: list[Row] = [astuple(record) for record in chained(RECORDS)]
    with Journal.open(url, session="s-1", clock=lambda: NOW):
        database = durable(folder / "verify.db")
        insert(database, ready)
        database.close()
    chunks = [ready[start : start + CHUNK] for start in range(0, RECORDS, CHUNK)]
    engine = open_database(url, readonly=True)

    def memory() -> Iterator[Timed]:
        while True:
            took = timed(lambda: refuse_bad(Scan([], ()).run(iter(chunks)).ok))
            yield took, timed(lambda: bare_chain(iter(chunks)))

    def disk() -> Iterator[Timed]:
        while True:
            took = timed(lambda: refuse_bad(examine(engine).ok))
            yield took, timed(lambda: bare_chain(rows(engine)))

    return memory(), disk()


def refuse_bad(ok: bool) -> None:  # noqa: FBT001 - one value
    """Let no journal that is not whole be measured."""
    if not ok:
        raise RuntimeError("the journal that was measured is not whole")


def measure(folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Return, for each comparison, records a second of both and the median ratio."""
    memory, disk = verifying(folder)
    sources: dict[str, tuple[int, Iterator[Timed]]] = {
        name: (size * groups, appending(folder, size, groups))
        for name, (size, groups) in GROUPS.items()
    }
    sources |= {"verify_memory": (RECORDS, memory), "verify_disk": (RECORDS, disk)}
    found: dict[str, list[Timed]] = {name: [] for name in sources}
    for number in range(-1, rounds):  # the first warms up, and does not count
        for name, (_, source) in sources.items():
            both = next(source)
            if number >= 0:
                found[name].append(both)
    return {
        name: {
            "ours_per_second": sources[name][0] / median(ours for ours, _ in pairs),
            "bare_per_second": sources[name][0] / median(bare for _, bare in pairs),
            "ratio": median(bare / ours for ours, bare in pairs),
        }
        for name, pairs in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 if every limit is kept, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="how many rounds count")
    parser.add_argument("--folder", type=Path, help="where to write; else the temporary folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        found = measure(Path(name), options.rounds)
    if options.json:
        print(json.dumps({"rounds": options.rounds, **found, "limits": LIMITS}, indent=2))
    else:
        for name, values in found.items():
            print(
                f"{name:14} {values['ours_per_second']:10,.0f}/s  bare "
                f"{values['bare_per_second']:10,.0f}/s  ratio {values['ratio']:.2f} "
                f"(limit {LIMITS[name]:.2f})"
            )
    kept = all(found[name]["ratio"] >= limit for name, limit in LIMITS.items())
    return 0 if kept and found["verify_disk"]["ours_per_second"] >= LEAST_PER_SECOND else 1


if __name__ == "__main__":
    sys.exit(main())
