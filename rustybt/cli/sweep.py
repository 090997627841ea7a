"""``rustybt sweep``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.backtest import require_new, write_new
from rustybt.cli.market import (
    ActionsOption,
    BorrowOption,
    CatalogOption,
    FilesOption,
    FromOption,
    FundingOption,
    InitialMarginOption,
    IntervalOption,
    MaintenanceMarginOption,
    MarginCallOption,
    Market,
    SymbolsOption,
    Terms,
    UntilOption,
    held_on,
    read_market,
)
from rustybt.cli.options import JsonOption
from rustybt.cli.output import emit_json, say, table, warn
from rustybt.cli.simulation import (
    CASH,
    CURRENCY,
    FILL,
    FREE,
    LOT,
    CashOption,
    CommissionOption,
    CurrencyOption,
    FillOption,
    LotOption,
    NameOption,
    Simulation,
    SlippageOption,
    StrategyOption,
    simulated,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rustybt.engine.sweep import SweepResult

INTERRUPTED = 130  # what shells give for a program that SIGINT has ended

_SHOWN = (
    "final_equity",
    "total_return",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown",
    "trades",
)


def sweep(
    strategy: StrategyOption,
    parameter: Annotated[
        list[str],
        typer.Option(
            help="Values of a parameter: fast=5:50:5 (both ends in it), slow=20,50,100; repeat it."
        ),
    ],
    data: FilesOption = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="Keep only combinations for which this holds: 'fast < slow'; repeat it."),
    ] = None,
    walk_forward: Annotated[
        str | None,
        typer.Option(help="Choose on TRAIN bars, test on the next TEST: 252/63 or 252/63/STEP."),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            help="What the best is chosen by: sharpe, sortino, calmar, return, annual-return,"
            " drawdown, volatility or equity."
        ),
    ] = "sharpe",
    processes: Annotated[
        int | None, typer.Option(min=1, help="Run so many at a time [as many as are quickest].")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Run on the Dask cluster at this address: tcp://host:8786."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep results in this file; run only what is missing in it."),
    ] = None,
    name: NameOption = None,
    catalog: CatalogOption = None,
    symbol: SymbolsOption = None,
    since: FromOption = None,
    until: UntilOption = None,
    interval: IntervalOption = "1d",
    actions: ActionsOption = None,
    borrow: BorrowOption = None,
    funding: FundingOption = None,
    margin_call: MarginCallOption = None,
    initial_margin: InitialMarginOption = "1",
    maintenance_margin: MaintenanceMarginOption = None,
    cash: CashOption = CASH,
    currency: CurrencyOption = CURRENCY,
    commission_bps: CommissionOption = FREE,
    slippage_bps: SlippageOption = FREE,
    fill: FillOption = FILL,
    lot: LotOption = LOT,
    top: Annotated[int, typer.Option(min=1, help="How many of the best to print.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option(help="Write results and the page with the heat map into this new folder."),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Run a strategy with many combinations of its parameters and rank them.

    The bars come from files (--data) or from a catalog (--catalog, as fetch-data fills it).
    """
    from rustybt.engine.errors import BacktestError
    from rustybt.engine.sweep import Sweep
    from rustybt.strategy import load_strategy

    if output is not None:
        require_new(output)
    kind = load_strategy(strategy, name)
    bars = read_market(Market(data or [], catalog, symbol or [], since, until, interval))
    held = Terms(
        actions, borrow or [], funding or [], margin_call, initial_margin, maintenance_margin
    )
    account = Simulation(cash, currency, commission_bps, slippage_bps, fill, lot)
    terms = held_on(held) | simulated(account)
    with _progress(quiet=json) as progress:
        result = Sweep(
            kind,
            bars,
            _values(parameter),
            where=where or (),
            walk_forward=walk_forward,
            metric=metric,
            processes=processes,
            dask=dask,
            state=state,
            progress=progress,
            **terms,
        ).run()
    if result.failed and not result.ranked:
        raise BacktestError(f"all {len(result.failed)} runs failed: {result.failed[0].error}")
    files = [] if output is None else write_new(output, lambda made: _files(result, made))
    _report(result, files, top, json=json)
    if result.interrupted:
        again = "run it again and it goes on" if state else "with --state it could go on"
        warn(f"interrupted after {len(result.outcomes)} runs; {again}")
        raise typer.Exit(INTERRUPTED)


def _values(texts: Sequence[str]) -> dict[str, str]:
    """Return the values of each parameter as they were given."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not name or not values:
            raise typer.BadParameter(
                f"{text!r} is not of the form name=values", param_hint="--parameter"
            )
        if name in given:
            raise typer.BadParameter(
                f"{name} is given twice; list its values in one", param_hint="--parameter"
            )
        given[name] = values
    return given


def _files(result: SweepResult, folder: Path) -> list[Path]:
    """Write everything that *result* has into *folder*."""
    return [*result.to_parquet(folder), result.to_html(folder / "sweep.html")]


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Show a bar with the time that is left on stderr, if somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("sweep", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _report(result: SweepResult, files: Sequence[Path], top: int, *, json: bool) -> None:
    """Print what the sweep found."""
    if json:
        emit_json({**result.summary(top), "files": [str(file) for file in files]})
        return
    if result.windows:
        _windows(result)
    else:
        _ranking(result, top)
    if result.failed:
        say(f"{len(result.failed)} of {len(result.outcomes)} runs failed")
        for outcome in result.failed[:3]:
            parameters = result.grid.combinations[outcome.number]
            shown = ", ".join(f"{name} = {value}" for name, value in parameters.items())
            say(f"failed: {shown}: {outcome.error}")
    if result.reused:
        say(f"{result.reused} results are from an earlier run")
    for note in result.notes:
        say(f"note: {note}")
    for file in files:
        say(str(file))


def _ranking(result: SweepResult, top: int) -> None:
    """Print the best runs."""
    names = list(result.grid.values)
    rows = [
        [
            *(str(value) for value in result.grid.combinations[each.number].values()),
            *(_shown(getattr(each.figures, figure)) for figure in _SHOWN),
        ]
        for each in result.ranked[:top]
    ]
    title = f"best {len(rows)} of {len(result.outcomes)} by {result.metric.label}"
    headings = (*names, *(each.replace("_", " ") for each in _SHOWN))
    table(headings, rows, title=title)


def _windows(result: SweepResult) -> None:
    """Print what was chosen for each window and how it did."""
    names = list(result.grid.values)
    days = ("test_start", "test_end")
    figures = ("trained", result.metric.column, "total_return", "max_drawdown", "trades")
    rows = [
        [
            *(f"{row[day]:%Y-%m-%d %H:%M}" for day in days),
            *(_shown(row[name]) for name in (*names, *figures)),
        ]
        for row in result.window_frame.to_dicts()
    ]
    shown = ("trained", "tested", "total return", "max drawdown", "trades")
    title = f"{len(rows)} windows, chosen by {result.metric.label}"
    table(("test from", "to", *names, *shown), rows, title=title)
    chained = result.chained()
    if chained is not None:
        parts = [f"{name.replace('_', ' ')} {_shown(value)}" for name, value in chained.items()]
        say(f"all tests in a row: {', '.join(parts)}")


def _shown(value: object) -> str:
    """Return a figure for people."""
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
