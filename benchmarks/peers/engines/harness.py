"""What every engine's script shares: the job, the clock, and the answer.

A script is run in its engine's own environment with one argument, a job in JSON, and writes its
answer to the file that the job names. ``load`` imports the engine and makes its own kind of input
from the job's columns; ``run`` is what is timed: from that input to the final equity.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

Read = Callable[[str], Callable[[str], np.ndarray[Any, np.dtype[np.int64]]]]
"""How a Parquet file is read: its path, and then a column by its name."""

COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Job:
    """One case: what to trade, and where the bars are.

    *prices* is an array of whole numbers, symbols by columns by bars: prices in cents, volume in
    units. *start* and *step* are in seconds since 1970 and seconds. *cash* is in cents, *bps* the
    commission in basis points of notional.
    """

    symbols: tuple[str, ...]
    prices: np.ndarray[Any, np.dtype[np.int64]]
    start: int
    step: int
    cash: int
    quantity: int
    fast: int
    slow: int
    bps: int
    folder: Path

    @property
    def bars(self) -> int:
        """Bars of each symbol."""
        return int(self.prices.shape[2])

    @property
    def fee_rate(self) -> float:
        """The commission as a part of notional."""
        return self.bps / 10_000

    def column(self, symbol: int, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return one column of one symbol."""
        column: np.ndarray[Any, np.dtype[np.int64]] = self.prices[symbol, COLUMNS.index(name)]
        return column


@dataclass(frozen=True)
class Outcome:
    """What a run ended with: *equity* in cents as the engine says it, and the number of fills."""

    equity: float | str
    fills: int


def scaled_sums(
    close: np.ndarray[Any, Any], fast: int, slow: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return both averages times ``fast * slow``: whole numbers, so that ties are ties."""
    return _sums(close, fast) * slow, _sums(close, slow) * fast


def _sums(close: np.ndarray[Any, Any], period: int) -> np.ndarray[Any, Any]:
    """Return the sums of the last *period* values, ``nan`` until there are so many."""
    total = np.cumsum(close, dtype=np.int64).astype(float)
    result = np.full(close.size, np.nan)
    result[period - 1 :] = total[period - 1 :]
    result[period:] -= total[:-period]
    return result


def crossings(close: np.ndarray[Any, Any], fast: int, slow: int) -> np.ndarray[Any, Any]:
    """Return 1 where the fast average comes from strictly below to strictly above, -1 reversed."""
    quick, steady = scaled_sums(close, fast, slow)
    above, below = quick > steady, quick < steady
    found = np.zeros(close.size, dtype=np.int8)
    found[1:] = (above[1:] & below[:-1]).astype(np.int8) - (below[1:] & above[:-1]).astype(np.int8)
    return found


def by_pyarrow(path: str) -> Callable[[str], np.ndarray[Any, np.dtype[np.int64]]]:
    """Read a Parquet file as pandas does."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    return lambda name: table.column(name).to_numpy()


def measure(
    load: Callable[[Job], Any],
    run: Callable[[Job, Any], Outcome],
    *,
    package: str,
    again: bool = False,
    read: Read = by_pyarrow,
) -> None:
    """Carry out the job that the command line names; run twice if *again*, the second time warm.

    The bars come out of Parquet by *read*.
    """
    words = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    began = perf_counter()
    job = _job(words, read)
    native = load(job)
    loaded = perf_counter()
    worked = process_time()
    outcome = run(job, native)
    ran, worked = perf_counter(), process_time() - worked
    answer = {
        "version": version(package),
        "load_seconds": loaded - began,
        "run_seconds": ran - loaded,
        "cpu_seconds": worked,
        "equity_cents": str(outcome.equity),
        "fills": outcome.fills,
    }
    if again:
        start, worked = perf_counter(), process_time()
        repeated = run(job, native)
        answer["warm_seconds"] = perf_counter() - start
        answer["warm_cpu_seconds"] = process_time() - worked
        if repeated != outcome:
            raise SystemExit(f"a second run gave {repeated}, the first {outcome}")
    answer["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Path(words["answer"]).write_text(json.dumps(answer), "utf-8")


def _job(words: dict[str, Any], read: Read) -> Job:
    column, symbols = read(words["prices"]), tuple(words["symbols"])
    return Job(
        symbols=symbols,
        prices=np.array([[column(f"{each}.{name}") for name in COLUMNS] for each in symbols]),
        start=words["start"],
        step=words["step"],
        cash=words["cash"],
        quantity=words["quantity"],
        fast=words["fast"],
        slow=words["slow"],
        bps=words["bps"],
        folder=Path(words["folder"]),
    )
