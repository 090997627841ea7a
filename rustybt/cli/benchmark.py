"""``rustybt benchmark``."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rustybt.cli.options import JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ROUNDS = 5
_HOST = ("cpu", "cores", "memory_gib", "system", "python", "digest")


def benchmark(
    suite: Annotated[
        str,
        typer.Option(
            help="What to measure: backtest, ledger, order-execution or signals.",
            show_default=False,
        ),
    ],
    iterations: Annotated[
        int | None,
        typer.Option(min=1, help="How many rounds [5, of order-execution 50 times 100 orders]."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=100, help="How many bars, fills or orders [what the suite's figures are for]."
        ),
    ] = None,
    peak: Annotated[
        int, typer.Option(min=0, help="How many seconds order-execution carries peak load.")
    ] = 60,
    output: Annotated[
        Path | None, typer.Option(help="Write the record, one JSON document, into this file.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Measure how fast this machine runs the engine, beside yardsticks in the same run."""
    from rustybt.benchmark.record import to_json
    from rustybt.files import expanded, write_atomic

    measured = _measurement(suite, iterations, size, peak)
    target = None if output is None else _writable(expanded(output))
    with _progress(suite, quiet=json) as progress:
        record = measured(now=wall_clock, progress=progress)
    if target is not None:
        write_atomic(target, to_json(record), mode=0o644)
    if json:
        emit_json(record)
    else:
        _report(record)
        _origin(record)
        if target is not None:
            say(str(target))


def _measurement(
    suite: str, iterations: int | None, size: int | None, peak: int
) -> Callable[..., dict[str, Any]]:
    """Return what measures *suite*."""
    from rustybt.benchmark import orders
    from rustybt.benchmark.record import measure
    from rustybt.benchmark.suites import SUITES

    if suite == orders.SUITE:
        return partial(
            orders.measure_orders,
            iterations=iterations or orders.ITERATIONS,
            size=size or orders.EACH,
            load=orders.Load(seconds=peak) if peak else None,
        )
    if suite not in SUITES:
        known = ", ".join(sorted((*SUITES, orders.SUITE)))
        raise typer.BadParameter(f"{suite!r} is none of {known}", param_hint="--suite")
    return partial(measure, SUITES[suite], iterations=iterations or _ROUNDS, size=size)


def _writable(path: Path) -> Path:
    """Return *path*; raise before anything is measured if no file can be written there."""
    from rustybt.benchmark import BenchmarkError

    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise BenchmarkError(
            f"{path} {problem}", expected="the path of a file", remedy="name another --output"
        )
    return path


@contextlib.contextmanager
def _progress(suite: str, *, quiet: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Show a bar on stderr while rounds are run, if somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(suite, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _report(record: dict[str, Any]) -> None:
    """Print a record for people."""
    if "latency" in record:
        _report_orders(record)
    for case in record.get("cases", ()):
        rows = [
            [name, f"{1000 * case['median_seconds'][name]:.2f}", f"{case['per_second'][name]:,}"]
            for name in case["seconds"]
        ]
        title = f"{record['suite']}: {case['name']}, {record['iterations']} rounds"
        table(("", "median ms", f"{case['unit']}/s"), rows, title=title)
        for name, ratio in case["ratios"].items():
            upper, _, lower = name.partition("_over_")
            wanted = "" if ratio["wanted"] is None else f" (wanted: at most {ratio['wanted']:g})"
            say(
                f"{upper} takes {ratio['median']:.2f} times as long as {lower},"
                f" {ratio['cpu_median']:.2f} times the processor's time{wanted}"
            )
        say(", ".join(f"{name} {value}" for name, value in case["facts"].items()))
        say()


def _report_orders(record: dict[str, Any]) -> None:
    """Print how long orders took."""
    alone, load = record["latency"], record.get("peak")
    rows = _latency_rows("one by one", alone) + (
        [] if load is None else _latency_rows("peak", load)
    )
    columns = ("", "until", "orders", "p50", "p95", "p99", "max")
    table(columns, rows, title="milliseconds from the decision")
    for name, limit in alone["wanted"].items():
        step, percent, _ = name.split("_")
        seen = alone[f"{step}_ms"][percent]
        word = "meets" if seen <= limit else "MISSES"
        say(f"{step}, {percent}: {seen:g} ms {word} the {limit:g} ms wanted")
    if load is not None:
        say(
            f"peak of {load['seconds']} s: {load['acknowledged']:,} orders and {load['bars']:,}"
            f" bars of {load['symbols']} symbols, {load['lost']} lost,"
            f" {load['bytes_per_event']:g} bytes more memory an event"
        )


def _latency_rows(title: str, part: dict[str, Any]) -> list[list[str]]:
    """Return the rows of one part of a record."""
    rows = []
    for step in ("wire", "acknowledged"):
        found = part[f"{step}_ms"]
        figures = [f"{found[each]:.2f}" for each in ("p50", "p95", "p99", "max")]
        rows.append([title, step, f"{found['count']:,}", *figures])
    return rows


def _origin(record: dict[str, Any]) -> None:
    """Print where the figures are from."""
    say(", ".join(str(record["host"][name]) for name in _HOST))
    dirty = " and changes" if record["dirty"] else ""
    say(f"commit {record['commit']}{dirty}" if record["commit"] else "no checkout")
