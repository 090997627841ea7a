"""How fast backtests are, as ratios within one run; what they need of memory; how they grow.

    python benchmarks/backtest.py [--cases 1x100000 500x2520 ...] [--rounds 5] [--json]
    python benchmarks/backtest.py --memory [--cases ...]
    python benchmarks/backtest.py --linear [--rounds 5] [--longest 10000000]
    python benchmarks/backtest.py --cold [--cases ...]
    python benchmarks/backtest.py --record docs/records/growth.json

A case is symbols by bars. For each, rounds of three measurements follow one another, so that all
feel the same machine: a bare Python loop that only does the strategy's arithmetic, the callback
path and the signal path (both from columns in memory to the final equity and the equity curve, with
10 bps commission). Medians and the medians of the ratios of each round are shown. It fails if the
two paths differ.

``--memory`` runs each path in a process of its own and shows by how much its peak exceeds what the
process had before the columns were there, as a multiple of the columns. ``--linear`` shows the
time per bar of more and more bars, and of more and more symbols, each in its quickest round, and
the slope: what each further bar costs, compared with the slope from the smallest to the second.
``--cold`` writes each case as Parquet, one file a symbol, and times whole processes from there to
the final equity. ``--record`` does these three and writes the record that the page on performance
is made from.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from rustybt.benchmark.growth_page import SUITE
from rustybt.benchmark.record import heading, to_json
from rustybt.engine import Backtest, Result
from rustybt.execution import BasisPointCommission
from rustybt.files import write_atomic
from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar
from rustybt.strategy import expressions as ex

MINUTE = 60_000_000
FAST, SLOW = 20, 50
CASES = ("1x100000", "1x1000000", "100x2520", "500x2520")
LENGTHS = ("1x100000", "1x1000000", "1x10000000")
WIDTHS = ("100x2520", "500x2520", "1000x2520")

Frames = dict[str, pl.DataFrame]


class Bars(Strategy):
    """A crossing of two averages, bar by bar."""

    def on_start(self) -> None:
        """Make the indicators."""
        self.lines = {name: (SMA(FAST), SMA(SLOW), Crossing()) for name in self.symbols}

    def on_bar(self, bar: StrategyBar) -> None:
        """Go in and out."""
        fast, slow, crossing = self.lines[bar.symbol]
        crossed = crossing.update(fast.update(bar.close), slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, 10 if crossed > 0 else 0)


class Column(Strategy):
    """The same as a column."""

    def signals(self) -> pl.Expr:
        """Say the target."""
        return ex.switch(ex.crossing(ex.sma(FAST), ex.sma(SLOW)), on=10)


PATHS: dict[str, type[Strategy]] = {"callback": Bars, "signals": Column}


def series(count: int, seed: int = 1) -> pl.DataFrame:
    """Return *count* one-minute bars of a random walk in cents, the same every time."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.0005, count))), 2)
    opened = np.round(close * (1 + random.normal(0, 0.0002, count)), 2)
    return pl.DataFrame(
        {
            "timestamp": pl.Series(np.arange(count) * MINUTE).cast(pl.Datetime("us", "UTC")),
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(count, 1000.0),
        }
    )


def size_of(case: str) -> tuple[int, int]:
    """Return the symbols and the bars of each of a *case*; exit unless it is two numbers."""
    symbols, _, count = case.partition("x")
    if not (symbols.isdecimal() and count.isdecimal() and int(symbols) and int(count)):
        sys.exit(f"{case!r} is no case; expected SYMBOLSxBARS, as 100x2520")
    return int(symbols), int(count)


def data(case: str) -> Frames:
    """Return the bars of a *case*."""
    symbols, count = size_of(case)
    return {f"S{number:04}": series(count, number + 1) for number in range(symbols)}


def bare(frames: Frames) -> int:
    """Do the strategy's arithmetic on plain numbers and count the crossings."""
    found = 0
    for frame in frames.values():
        fast, slow, crossing = SMA(FAST).update, SMA(SLOW).update, Crossing().update
        for close in frame["close"].to_list():
            if crossing(fast(close), slow(close)):
                found += 1
    return found


def run(kind: type[Strategy], frames: Frames) -> Result:
    """Run one path to its final equity and its curve."""
    result = Backtest(
        kind, frames, cash=10_000_000, commission=BasisPointCommission(Decimal(10))
    ).run()
    points = next(iter(frames.values())).height
    if result.curve.equity.size != points or not result.final_equity.is_finite():
        sys.exit("the equity curve misses bars")
    return result


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def measure(case: str, rounds: int) -> dict[str, object]:
    """Return medians and ratios for a *case*."""
    frames = data(case)
    by_bars, by_column = run(Bars, frames), run(Column, frames)  # warm, and the same?
    if (by_bars.final_equity, by_bars.fills) != (by_column.final_equity, by_column.fills):
        sys.exit(f"the paths differ: {by_bars.final_equity} and {by_column.final_equity}")
    count, fills, equity = by_bars.bars, len(by_bars.fills), by_bars.final_equity
    del by_bars, by_column
    times: dict[str, list[float]] = {"bare": [], "callback": [], "signals": []}
    for _ in range(rounds):
        times["bare"].append(seconds(lambda: bare(frames)))
        times["callback"].append(seconds(lambda: run(Bars, frames)))
        times["signals"].append(seconds(lambda: run(Column, frames)))
    both = list(zip(times["bare"], times["callback"], times["signals"], strict=True))
    return {
        "case": case,
        "bars": count,
        "fills": fills,
        "final_equity": str(equity),
        **{f"{name}_bars_per_second": round(count / median(each)) for name, each in times.items()},
        "callback_over_bare": round(median(c / b for b, c, _ in both), 2),
        "callback_over_signals": round(median(c / s for _, c, s in both), 2),
    }


def in_a_process(*words: str) -> dict[str, object]:
    """Run this file with *words* in a process of its own; return what it says."""
    done = subprocess.run(  # noqa: S603 - this file, with words of its own
        [sys.executable, __file__, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "POLARS_MAX_THREADS": os.environ.get("POLARS_MAX_THREADS", "2")},
    )
    if done.returncode:
        sys.exit(done.stderr)
    said: dict[str, object] = json.loads(done.stdout)
    return said


def peak() -> int:
    """Return the most memory that this process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_here(case: str, path: str) -> dict[str, object]:
    """Return what a run of *path* needs, in this process, which must have run nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        write("2x10000", Path(folder))
        run(PATHS[path], load(Path(folder)))  # what is loaded late is no matter of the bars
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        # Made in another process: what making them takes is no matter of the backtest.
        in_a_process("--write", folder, "--cases", case)
        frames = load(Path(folder))
    columns = sum(int(frame.estimated_size()) for frame in frames.values())
    loaded = peak()
    if loaded <= before:
        sys.exit(f"{case}: the peak of an earlier process hides what the columns take")
    run(PATHS[path], frames)
    return {
        "case": case,
        "path": path,
        "columns_bytes": columns,
        "loaded_over_columns": round((loaded - before) / columns, 2),
        "peak_over_columns": round((peak() - before) / columns, 2),
    }


def write(case: str, folder: Path) -> None:
    """Write the bars of a *case* as Parquet, one file a symbol."""
    for name, frame in data(case).items():
        frame.write_parquet(folder / f"{name}.parquet")


def load(folder: Path) -> Frames:
    """Return the bars that were written to *folder*."""
    return {path.stem: pl.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


def cold(case: str, rounds: int) -> list[dict[str, object]]:
    """Return how long whole processes take from Parquet to the final equity of a *case*."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        in_a_process("--write", folder, "--cases", case)
        for path in PATHS:
            words = ("--from", folder, "--path", path)
            times = [seconds(partial(in_a_process, *words)) for _ in range(rounds)]
            found.append({"case": case, "path": path, "seconds": round(median(times), 3)})
    return found


def linear(rounds: int, longest: int) -> list[dict[str, object]]:
    """Return the time per bar of growing cases, and the slope from each to the next.

    Rounds go through all cases, and the quickest counts: what else the machine does only adds.
    """
    found: list[dict[str, object]] = []
    lengths = [case for case in LENGTHS if size_of(case)[1] <= longest]
    for cases in (lengths, WIDTHS):
        every = {case: data(case) for case in cases}
        for path, kind in PATHS.items():
            took = dict.fromkeys(cases, float("inf"))
            for case in [*cases] * (rounds + 1):
                took[case] = min(took[case], seconds(partial(run, kind, every[case])))
            found += [{"path": path, **row} for row in slopes(cases, list(took.values()))]
    return found


def slopes(cases: Sequence[str], took: Sequence[float]) -> list[dict[str, object]]:
    """Return the nanoseconds per bar of each of *cases*, and from the second on the slope."""
    bars = [size_of(case)[0] * size_of(case)[1] for case in cases]
    steps = [1e9 * (took[n] - took[n - 1]) / (bars[n] - bars[n - 1]) for n in range(1, len(cases))]
    rows: list[dict[str, object]] = []
    for number, case in enumerate(cases):
        per_bar = {"case": case, "nanoseconds_per_bar": round(1e9 * took[number] / bars[number], 1)}
        step = steps[number - 1] if number else None
        slope = {"slope": round(step, 1), "over_first": round(step / steps[0], 2)} if step else {}
        rows.append({**per_bar, **slope})
    return rows


def memory(cases: Sequence[str]) -> list[dict[str, object]]:
    """Return what each path needs for each of *cases*, each in a process of its own."""
    words = [("--memory-of", path, "--cases", case) for case in cases for path in PATHS]
    return [in_a_process(*each) for each in words]


def growth(options: argparse.Namespace) -> dict[str, object]:
    """Return the record of how backtests grow."""
    return {
        **heading(datetime.now(UTC)),
        "suite": SUITE,
        "rounds": options.rounds,
        # Before the long ones: a process starts with the peak of the one that started it.
        "memory": memory(options.cases),
        "cold": [each for case in options.cases for each in cold(case, options.rounds)],
        "linear": linear(options.rounds, options.longest),
    }


def parsed() -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(description="Measure the two paths of a backtest.")
    parser.add_argument("--cases", nargs="+", default=list(CASES), help="SYMBOLSxBARS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--longest", type=int, default=10_000_000, help="bars, with --linear")
    parser.add_argument("--json", action="store_true")
    kinds = parser.add_mutually_exclusive_group()
    for kind in ("memory", "linear", "cold"):
        kinds.add_argument(f"--{kind}", action="store_true")
    kinds.add_argument("--record", type=Path, help="where to write what grows how")
    # What the processes are told that this one starts.
    kinds.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    kinds.add_argument("--from", type=Path, dest="source", help=argparse.SUPPRESS)
    kinds.add_argument("--memory-of", choices=PATHS, help=argparse.SUPPRESS)
    parser.add_argument("--path", choices=PATHS, default="signals", help=argparse.SUPPRESS)
    return parser.parse_args()


def part(options: argparse.Namespace) -> dict[str, object] | None:
    """Do what a process was started for; return what it has to say, ``None`` if it is the first."""
    if options.write:
        write(options.cases[0], options.write)
        return {}
    if options.source:
        result = run(PATHS[options.path], load(options.source))
        return {"final_equity": str(result.final_equity)}
    if options.memory_of:
        return memory_here(options.cases[0], options.memory_of)
    return None


def main() -> None:
    """Measure what is asked for and print it."""
    options = parsed()
    said = part(options)
    if said is not None:
        sys.stdout.write(json.dumps(said))
        return
    if options.record:
        write_atomic(options.record, to_json(growth(options)), mode=0o644)
        return
    if options.memory:
        found = memory(options.cases)
    elif options.linear:
        found = linear(options.rounds, options.longest)
    elif options.cold:
        found = [each for case in options.cases for each in cold(case, options.rounds)]
    else:
        found = [measure(case, options.rounds) for case in options.cases]
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    for each in found:
        sys.stdout.write(
            "\n".join(f"{name:28} {value!s:>16}" for name, value in each.items()) + "\n\n"
        )


if __name__ == "__main__":
    main()
