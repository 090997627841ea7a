"""``rustybt benchmark``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rustybt.cli.options import JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HOST = ("cpu", "cores", "memory_gib", "system", "python", "digest")


def benchmark(
    suite: Annotated[
        str, typer.Option(help="What to measure: backtest, ledger or signals.", show_default=False)
    ],
    iterations: Annotated[int, typer.Option(min=1, help="How many rounds.")] = 5,
    size: Annotated[
        int | None,
        typer.Option(min=100, help="How many bars or fills [what the suite's figures are for]."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the record, one JSON document, into this file.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Measure how fast this machine runs the engine, beside yardsticks in the same run."""
    from rustybt.benchmark.record import measure, to_json
    from rustybt.benchmark.suites import SUITES
    from rustybt.files import expanded, write_atomic

    if suite not in SUITES:
        raise typer.BadParameter(f"{suite!r} is none of {', '.join(SUITES)}", param_hint="--suite")
    target = None if output is None else _writable(expanded(output))
    with _progress(suite, quiet=json) as progress:
        record = measure(
            SUITES[suite], iterations=iterations, size=size, now=wall_clock, progress=progress
        )
    if target is not None:
        write_atomic(target, to_json(record), mode=0o644)
    if json:
        emit_json(record)
    else:
        _report(record)
        if target is not None:
            say(str(target))


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
    for case in record["cases"]:
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
    say(", ".join(str(record["host"][name]) for name in _HOST))
    dirty = " and changes" if record["dirty"] else ""
    say(f"commit {record['commit']}{dirty}" if record["commit"] else "no checkout")
