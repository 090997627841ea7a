"""``rustybt fetch-data``, ``rustybt test-data`` and ``rustybt data``."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from rustybt.cli.catalog import CalendarOption, catalog_of
from rustybt.cli.market import instant_of
from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table, warn

if TYPE_CHECKING:
    from rustybt.calendars import Calendar
    from rustybt.data.ingest import Ingest, Ingested, Progress
    from rustybt.data.probe import Probe
    from rustybt.data.quality import Circumstances
    from rustybt.data.source import Source

_ALL = datetime(1970, 1, 1, tzinfo=UTC)


class SourceName(StrEnum):
    """The sources there are."""

    CSV = "csv"
    YFINANCE = "yfinance"
    CCXT = "ccxt"


SourceOption = Annotated[SourceName, typer.Option(help="Where the bars come from.")]
PathOption = Annotated[
    Path | None, typer.Option(help="The CSV file; {symbol} in it stands for each symbol.")
]
VenueOption = Annotated[str, typer.Option(help="The venue's ccxt id, for the source ccxt.")]
IntervalOption = Annotated[str, typer.Option(help="The length of a bar: 1m ... 1d, 1w.")]
ZoneOption = Annotated[
    str | None, typer.Option(help="The zone of times that are written without one.")
]


def fetch(
    source: SourceOption,
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas.")],
    start: Annotated[str | None, typer.Option(help="First day or instant: 2024-01-01.")] = None,
    end: Annotated[str | None, typer.Option(help="Day or instant to stop before.")] = None,
    interval: IntervalOption = "1d",
    path: PathOption = None,
    venue: VenueOption = "binance",
    calendar: CalendarOption = None,
    zone: ZoneOption = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="A rule not to apply, such as split_jump.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    revise: Annotated[
        bool, typer.Option("--revise", help="Let the source win over stored bars.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Begin each series anew.")] = False,
    json: JsonOption = False,
) -> None:
    """Fetch bars, check them, and store the sound ones in the deployment's catalog."""
    from rustybt.data.ingest import Ingest
    from rustybt.data.quality import without

    names = _symbols(symbols)
    settings_calendar = _configured_calendar(home)
    market = calendar or settings_calendar
    _calendar(market)  # a wrong name is found before anything is fetched
    circumstances = _circumstances(interval, zone)
    rules = without(accept or ())
    begin = instant_of(start, "--start") if start else _start(source)
    until = instant_of(end, "--end") if end else circumstances.now
    opened = _open(source, path, venue, names)
    catalog = catalog_of(home)
    runs = [
        Ingest(
            source=opened,
            catalog=catalog,
            symbol=name,
            start=begin,
            end=until,
            circumstances=circumstances,
            rules=rules,
            calendar=market,
            revise=revise,
            replace=replace,
            progress=_show_progress,
        )
        for name in names
    ]
    _run_all(runs, json=json)


def _run_all(runs: list[Ingest], *, json: bool) -> None:
    """Run every ingest; one that fails does not keep the others from being done."""
    from rustybt.errors import RustyBTError

    done: list[Ingested] = []
    failed: list[tuple[str, str]] = []
    for run in runs:
        try:
            done.append(run.run())
        except RustyBTError as error:
            failed.append((run.symbol, str(error)))
    if json:
        emit_json(
            {
                "ok": not failed,
                "fetched": [_as_dict(one) for one in done],
                "failed": [{"symbol": symbol, "error": text} for symbol, text in failed],
            }
        )
    else:
        for one in done:
            _tell(one)
        for symbol, text in failed:
            warn(f"{symbol}: {text}")
    if failed:
        raise typer.Exit(1)


def _as_dict(one: Ingested) -> dict[str, object]:
    return {
        "symbol": one.symbol,
        "added": one.added,
        "refused": one.refused,
        "rules": dict(one.rules),
        "quarantine": [str(path) for path in one.quarantine],
        "rows": one.version.rows,
        "first": one.version.first.isoformat(),
        "last": one.version.last.isoformat(),
        "version": one.version.number,
        "sha256": one.version.sha256,
        "requested": [[start.isoformat(), end.isoformat()] for start, end in one.requested],
    }


def _tell(one: Ingested) -> None:
    version = one.version
    say(
        f"{one.symbol}: {one.added} bars added, {version.rows} stored, {version.first:%Y-%m-%d} to "
        f"{version.last:%Y-%m-%d}, version {version.number}"
    )
    if one.refused:
        broken = ", ".join(f"{name} {count}" for name, count in one.rules.items())
        warn(f"{one.symbol}: {one.refused} rows refused ({broken}), set aside in")
        for path in one.quarantine:
            warn(f"  {path}")


def _show_progress(progress: Progress) -> None:
    if sys.stderr.isatty():
        warn(f"{progress.symbol}: {progress.received} rows, up to {progress.until:%Y-%m-%d %H:%M}")


def try_(
    source: SourceOption,
    symbols: Annotated[
        str | None, typer.Option(help="Symbols, separated by commas; else a usual one.")
    ] = None,
    interval: IntervalOption = "1d",
    path: PathOption = None,
    venue: VenueOption = "binance",
    calendar: CalendarOption = None,
    zone: ZoneOption = None,
    max_behind: Annotated[
        int | None,
        typer.Option(min=0, help="Bars that may be missing at the end; 2 unless from a file."),
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Try a source: fetch its last bars, check them and their age. Nothing is stored."""
    from rustybt.data.probe import probe

    usual = {
        SourceName.CSV: path.stem if path else "",
        SourceName.YFINANCE: "AAPL",
        SourceName.CCXT: "BTC/USDT",
    }
    names = _symbols(symbols or usual[source])
    market = _calendar(calendar or ("NYSE" if source is SourceName.YFINANCE else "24/7"))
    circumstances = _circumstances(interval, zone)
    opened = _open(source, path, venue, names)
    from_file = source is SourceName.CSV
    start = _ALL if from_file else circumstances.now - 30 * circumstances.interval.length
    start = max(start, _start_of(market))
    limit = max_behind if max_behind is not None or from_file else 2
    found = [probe(opened, name, circumstances, market, start) for name in names]
    stale = [one for one in found if limit is not None and one.behind > limit]
    sound = not stale and not any(one.refused for one in found)
    if json:
        emit_json({"ok": sound, "source": opened.name, "symbols": [_probed(one) for one in found]})
    else:
        _show_probes(found, limit)
    if not sound:
        raise typer.Exit(1)


def _probed(one: Probe) -> dict[str, object]:
    return {
        "symbol": one.symbol,
        "bars": one.bars,
        "refused": dict(one.refused),
        "first": one.first.isoformat(),
        "last": one.last.isoformat(),
        "behind": one.behind,
    }


def _show_probes(found: list[Probe], limit: int | None) -> None:
    rows = [
        (
            one.symbol,
            str(one.bars),
            f"{one.first:%Y-%m-%d %H:%M}",
            f"{one.last:%Y-%m-%d %H:%M}",
            f"{one.behind} bars",
            ", ".join(f"{name} {count}" for name, count in one.refused.items()) or "none",
        )
        for one in found
    ]
    table(("symbol", "bars", "first", "last", "behind", "refused"), rows)
    for one in found:
        if limit is not None and one.behind > limit:
            warn(f"{one.symbol} is stale: {one.behind} bars behind; at most {limit} are accepted")
        if one.refused:
            warn(f"{one.symbol} has rows that the rules refuse")


def _configured_calendar(home: Path) -> str:
    from rustybt.settings import load_settings

    return load_settings(home, os.environ).trading_calendar


def _calendar(name: str) -> Calendar:
    from rustybt.calendars import calendar_on

    return calendar_on(name, wall_clock().date())


def _start_of(calendar: Calendar) -> datetime:
    first = calendar.first_day + timedelta(days=1)
    return datetime(first.year, first.month, first.day, tzinfo=UTC)


def _circumstances(interval: str, zone: str | None) -> Circumstances:
    from rustybt.data.interval import parse_interval
    from rustybt.data.quality import Circumstances

    return Circumstances(
        now=wall_clock(), interval=parse_interval(interval), zone=_zone(zone) if zone else None
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(f"{name!r} is not a time zone", param_hint="--zone") from None


def _symbols(text: str) -> list[str]:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise typer.BadParameter("names no symbol", param_hint="--symbols")
    return names


def _start(source: SourceName) -> datetime:
    """Return where to begin when nobody said: with all there is, if it is a file."""
    if source is not SourceName.CSV:
        raise typer.BadParameter(f"{source} needs a first day", param_hint="--start")
    return _ALL


def _open(source: SourceName, path: Path | None, venue: str, names: list[str]) -> Source:
    """Return the source; files are looked at here, before anything is stored."""
    from rustybt.adapters.sources import open_source

    opened: Any = open_source(source.value, path=path, venue=venue)
    if source is SourceName.CSV:
        opened.require(names)
    result: Source = opened
    return result
