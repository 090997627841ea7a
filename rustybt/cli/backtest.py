"""``rustybt backtest`` and ``rustybt check-lookahead``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    QuotesOption,
    RatesOption,
    SymbolsOption,
    Terms,
    UntilOption,
    abroad,
    held_on,
    read_market,
)
from rustybt.cli.options import JsonOption
from rustybt.cli.output import emit_json, say, table
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

    from rustybt.engine import Result
    from rustybt.strategy import Strategy

ParameterOption = Annotated[
    list[str] | None,
    typer.Option("--param", help="Set a parameter of the strategy: fast=10. May be repeated."),
]


def backtest(
    strategy: StrategyOption,
    data: FilesOption = None,
    name: NameOption = None,
    param: ParameterOption = None,
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
    quote: QuotesOption = None,
    rates: RatesOption = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Write fills, trades, equity and the tear sheet into this new folder."),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Run a strategy over bars of the past and say how it did.

    The bars come from files (--data) or from a catalog (--catalog, as fetch-data fills it).
    """
    from rustybt.engine import Backtest

    if output is not None:
        require_new(output)
    wanted = load(strategy, name, param)
    bars = read_market(Market(data or [], catalog, symbol or [], since, until, interval))
    held = Terms(
        actions, borrow or [], funding or [], margin_call, initial_margin, maintenance_margin
    )
    account = Simulation(cash, currency, commission_bps, slippage_bps, fill, lot)
    terms = held_on(held) | simulated(account) | abroad(quote or [], rates or [])
    with _progress(quiet=json) as progress:
        result = Backtest(wanted, bars, progress=progress, **terms).run()
    files = [] if output is None else write_new(output, lambda made: _files(result, made))
    _report(result, files, json=json)


def lookahead(
    strategy: StrategyOption,
    data: FilesOption = None,
    name: NameOption = None,
    param: ParameterOption = None,
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
    cuts: Annotated[int, typer.Option(min=1, help="How many prefixes to try.")] = 50,
    *,
    json: JsonOption = False,
) -> None:
    """Find out whether a strategy's decisions depend on bars that had not happened yet.

    Give it what the backtest is given: decisions may rest on cash and on what is held.
    """
    from rustybt.engine.lookahead import find_lookahead

    held = Terms(
        actions, borrow or [], funding or [], margin_call, initial_margin, maintenance_margin
    )
    account = Simulation(cash, currency, commission_bps, slippage_bps, fill, lot)
    report = find_lookahead(
        lambda: load(strategy, name, param),
        read_market(Market(data or [], catalog, symbol or [], since, until, interval)),
        cuts=cuts,
        **held_on(held),
        **simulated(account),
    )
    if json:
        emit_json(
            {
                "strategy": report.strategy,
                "decisions": report.decisions,
                "prefixes": report.prefixes,
                "clean": report.is_clean,
                "leaks": [str(leak) for leak in report.leaks],
            }
        )
    else:
        for leak in report.leaks:
            say(str(leak))
        say(report.conclusion)
    if not report.is_clean:
        raise typer.Exit(1)


def load(path: Path, name: str | None, parameters: Sequence[str] | None) -> Strategy:
    """Return the strategy in *path* with its parameters set."""
    from rustybt.strategy import load_strategy

    given: dict[str, Any] = {}
    for text in parameters or ():
        key, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"{text!r} is not of the form name=value", param_hint="--param"
            )
        given[key.strip()] = value.strip()
    return load_strategy(path, name)(**given)


def require_new(folder: Path) -> None:
    """Refuse a folder that holds anything already."""
    from rustybt.engine.errors import BacktestError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BacktestError(
            f"{folder} exists and is left as it is",
            expected="a folder that is new or empty",
            remedy="name another --output, or move this one away",
        )


def write_new(folder: Path, write: Callable[[Path], Sequence[Path]]) -> list[Path]:
    """Let *write* fill *folder*, which appears when all of it is there; return its files."""
    import shutil
    import tempfile

    from rustybt.files import expanded

    folder = expanded(folder).absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        files = write(made)
        made.chmod(0o755)
        made.replace(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    return [folder / file.name for file in files]


def _files(result: Result, folder: Path) -> list[Path]:
    """Write everything that *result* has into *folder*."""
    return [*result.to_parquet(folder), result.to_html(folder / "tearsheet.html")]


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Show a bar on stderr while bars are walked, if somebody is looking."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("backtest", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


_SHOWN = (
    "strategy",
    "path",
    "symbols",
    "bars",
    "start",
    "end",
    "initial_cash",
    "final_equity",
    "profit",
    "fees",
    "income",
    "charges",
    "margin_calls",
    "fills",
    "refused",
    "open_orders",
    "trades",
    "total_return",
    "annual_return",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "max_drawdown",
    "win_rate",
    "profit_factor",
    "ruined",
)


def _report(result: Result, files: Sequence[Path], *, json: bool) -> None:
    """Print what the backtest found."""
    summary = result.summary()
    if json:
        emit_json({**summary, "files": [str(file) for file in files]})
        return
    shown = [(name, summary.get(name)) for name in _SHOWN if summary.get(name) is not None]
    rows = [
        [name.replace("_", " "), f"{value:.6g}" if isinstance(value, float) else str(value)]
        for name, value in shown
    ]
    table(("figure", result.currency), rows)
    for note in result.notes:
        say(f"note: {note}")
    for refusal in result.refusals[:5]:
        say(f"refused: {refusal.symbol} {refusal.client_id}: {refusal.reason}")
    for file in files:
        say(str(file))
