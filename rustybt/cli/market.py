"""Options for what a backtest runs on: bars from files or the catalog, and what holding costs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rustybt.cli.options import wall_clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    import polars as pl

    from rustybt.data.catalog import Catalog

FilesOption = Annotated[
    list[Path] | None,
    typer.Option("--data", help="A CSV or Parquet file of bars; may be repeated, one a symbol."),
]
CatalogOption = Annotated[
    Path | None,
    typer.Option(help="Take the bars from this catalog, or that of the deployment here."),
]
SymbolsOption = Annotated[
    list[str] | None,
    typer.Option(help="A symbol of the catalog; may be repeated [all]. Or that of the one file."),
]
FromOption = Annotated[
    str | None, typer.Option("--from", help="First day or instant: 2024-01-01 [the first bar].")
]
UntilOption = Annotated[
    str | None, typer.Option("--to", help="Day or instant to stop before [after the last bar].")
]
IntervalOption = Annotated[str, typer.Option(help="The length of a bar in the catalog.")]
ActionsOption = Annotated[
    Path | None,
    typer.Option(help="Dividends and splits: symbol, timestamp, kind, amount (CSV or Parquet)."),
]
BorrowOption = Annotated[
    list[str] | None,
    typer.Option(help="Annual rate that short positions pay: 0.02, or ACME=0.02; repeat it."),
]
FundingOption = Annotated[
    list[str] | None,
    typer.Option(help="Annual rate that long positions pay and short ones get; as --borrow."),
]
MarginCallOption = Annotated[
    str | None,
    typer.Option(help="Hold to margins; below maintenance, liquidate or halt [no margin]."),
]
InitialMarginOption = Annotated[
    str, typer.Option(help="The fraction of its value that a position needs to be opened.")
]
MaintenanceMarginOption = Annotated[
    str | None, typer.Option(help="The fraction that it needs to be kept [the initial one].")
]
QuotesOption = Annotated[
    list[str] | None,
    typer.Option("--quote", help="The currency that a symbol is quoted in: ACME=EUR; repeat it."),
]
RatesOption = Annotated[
    list[str] | None,
    typer.Option(help="Bars of another currency in the account's: EUR=eurusd.csv; repeat it."),
]


class Market(NamedTuple):
    """Where bars come from and which are wanted."""

    files: Sequence[Path]
    catalog: Path | None
    symbols: Sequence[str]
    since: str | None
    until: str | None
    interval: str


def read_market(market: Market) -> dict[str, pl.DataFrame] | pl.DataFrame:
    """Return the bars; raise for a choice of none or two places to take them from."""
    if bool(market.files) is (market.catalog is not None):
        raise typer.BadParameter("name either files (--data) or a --catalog", param_hint="--data")
    start = None if market.since is None else instant_of(market.since, "--from")
    end = None if market.until is None else instant_of(market.until, "--to")
    if start is not None and end is not None and start >= end:
        raise typer.BadParameter("it has to be before --to", param_hint="--from")
    if market.catalog is not None:
        return _from_catalog(market, market.catalog, start, end)
    if len(market.symbols) > 1:
        raise typer.BadParameter("several of them go with --catalog", param_hint="--symbol")
    found = read_files(market.files, *market.symbols)
    if isinstance(found, dict):
        return {symbol: _between(frame, start, end) for symbol, frame in found.items()}
    return _between(found, start, end)


def read_files(
    paths: Sequence[Path], symbol: str | None = None
) -> dict[str, pl.DataFrame] | pl.DataFrame:
    """Return the bars in all files, by symbol."""
    from rustybt.engine.bar_files import read_bars
    from rustybt.engine.errors import BarDataError

    if symbol is not None and len(paths) > 1:
        raise typer.BadParameter("it goes with one --data only", param_hint="--symbol")
    frames: dict[str, pl.DataFrame] = {}
    for path in paths:
        frame = read_bars(path)
        if "symbol" in frame.columns and len(paths) == 1:
            return frame
        known = symbol or path.stem.upper()
        if known in frames:
            raise BarDataError(f"two files are of the symbol {known}", expected="one file a symbol")
        frames[known] = frame
    return frames


def _from_catalog(
    market: Market, folder: Path, start: datetime | None, end: datetime | None
) -> dict[str, pl.DataFrame]:
    """Return the bars of the symbols that were asked for, or of all."""
    from rustybt.data.errors import UnknownSeriesError
    from rustybt.data.interval import parse_interval
    from rustybt.data.plain import with_floats

    interval = parse_interval(market.interval)
    catalog = _catalog_at(folder)
    known = [symbol for symbol, each in catalog.names() if each is interval]
    if not known:
        raise UnknownSeriesError(
            f"the catalog {catalog.root} has no {interval} bars",
            remedy="fill it with  python -m rustybt fetch-data, or name another --interval",
        )
    symbols = dict.fromkeys(market.symbols or known)
    return {
        symbol: with_floats(catalog.read(symbol, interval, start=start, end=end))
        for symbol in symbols
    }


def _catalog_at(folder: Path) -> Catalog:
    """Return the catalog in *folder*, or that of the deployment there."""
    from rustybt.data.catalog import Catalog
    from rustybt.data.errors import CatalogError
    from rustybt.files import expanded

    root = expanded(folder)
    below = root / "state" / "catalog"
    root = below if below.is_dir() else root
    if not root.is_dir():
        raise CatalogError(f"there is no catalog {root}", remedy="name the folder of one")
    return Catalog(root, wall_clock)


def _between(frame: pl.DataFrame, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Return the bars from *start* on and before *end*."""
    import polars as pl

    kind = frame.schema["timestamp"]
    if (start is None and end is None) or not isinstance(kind, pl.Datetime | pl.Date):
        return frame  # a column that is no time is told of where bars are taken in
    time = pl.col("timestamp").cast(pl.Datetime("us", getattr(kind, "time_zone", None)))
    zoned = getattr(kind, "time_zone", None) is not None
    for bound, keep in ((start, time.ge), (end, time.lt)):
        if bound is not None:
            frame = frame.filter(keep(bound if zoned else bound.replace(tzinfo=None)))
    return frame


def instant_of(text: str, option: str) -> datetime:
    """Return the instant that *text* says: a day begins at midnight, UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a day such as 2024-01-01 nor an instant", param_hint=option
        ) from None
    if at.tzinfo is None and len(text) > len("2024-01-01"):
        raise typer.BadParameter(f"{text!r} has no zone; add Z for UTC", param_hint=option)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


class Terms(NamedTuple):
    """On which terms positions are held, as they were given."""

    actions: Path | None
    borrow: Sequence[str]
    funding: Sequence[str]
    margin_call: str | None
    initial_margin: str
    maintenance_margin: str | None


def abroad(quotes: Sequence[str], rates: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of a backtest that say what is in which currency."""
    from rustybt.engine.bar_files import read_bars

    files = _named(rates, "--rates", "EUR=eurusd.csv")
    return {
        "quotes": _named(quotes, "--quote", "ACME=EUR"),
        "rates": {currency: read_bars(Path(file)) for currency, file in files.items()} or None,
    }


def _named(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """Return what is given for each name."""
    found: dict[str, str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise typer.BadParameter(f"{text!r} is not like {example}", param_hint=option)
        if name in found:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        found[name] = value
    return found


def held_on(terms: Terms) -> dict[str, Any]:
    """Return the arguments of a backtest that say on which terms positions are held."""
    from rustybt.engine import HoldingCosts
    from rustybt.engine.action_files import read_action_file

    costs = None
    if terms.borrow or terms.funding:
        costs = HoldingCosts(
            borrow=_rates(terms.borrow, "--borrow"), funding=_rates(terms.funding, "--funding")
        )
    return {
        "actions": None if terms.actions is None else read_action_file(terms.actions),
        "costs": costs,
        "margin": terms.margin_call,
        "margins": _margins(terms),
    }


def _margins(terms: Terms) -> tuple[Decimal, Decimal]:
    """Return the initial and the maintenance margin of instruments that are not described."""
    from rustybt.model import decimal

    initial = decimal(terms.initial_margin, "--initial-margin")
    kept = terms.maintenance_margin
    if terms.margin_call is None and (kept is not None or terms.initial_margin != "1"):
        raise typer.BadParameter("margins need it: liquidate or halt", param_hint="--margin-call")
    return initial, initial if kept is None else decimal(kept, "--maintenance-margin")


def _rates(texts: Sequence[str], option: str) -> Mapping[str, Decimal] | Decimal:
    """Return one rate for all symbols, or one for each that is named."""
    from rustybt.model import decimal

    if len(texts) == 1 and "=" not in texts[0]:
        return decimal(texts[0].strip(), option)
    rates = _named(texts, option, "ACME=0.02")
    return {symbol: decimal(rate, f"{option} {symbol}") for symbol, rate in rates.items()}
