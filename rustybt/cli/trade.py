"""``paper-trade`` and ``live-trade``: a strategy on a market, with or without real money."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rustybt.cli.backtest import ParameterOption, load
from rustybt.cli.beside import api_beside
from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table
from rustybt.cli.simulation import NameOption, StrategyOption

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rustybt.model.bar import Bar
    from rustybt.settings import Settings
    from rustybt.strategy.base import Strategy
    from rustybt.system.practice import PracticeThread
    from rustybt.system.session import Session
    from rustybt.trading.commands import Alert
    from rustybt.trading.runner import Ending

SIMULATED: Final = "simulated"
_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?)x")
_DURATION = re.compile(r"([0-9]+)([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

BrokerOption = Annotated[
    str | None,
    typer.Option(help="simulated, practice, or a venue such as binance [the deployment's]."),
]
DataOption = Annotated[
    Path | None, typer.Option(help="A CSV or Parquet file of bars [the deployment's own].")
]
PairsOption = Annotated[
    list[str] | None, typer.Option("--symbol", help="What to trade; may be repeated [all].")
]
DurationOption = Annotated[
    str | None, typer.Option(help="Stop after this long: 30d, 12h, 90m, 30s [until told to].")
]
IntervalOption = Annotated[
    str | None, typer.Option(help="The length of a bar at a venue [the deployment's].")
]


def _shown(settings: Settings) -> _Stderr | None:
    """Return what shows alerts; ``None`` where the log itself goes to the terminal."""
    return _Stderr() if settings.log_format == "json" else None


class _Stderr:
    """Writes alerts to stderr; the journal has them all."""

    def notify(self, alert: Alert, time: datetime) -> None:
        """Write a line."""
        sys.stderr.write(f"{time:%Y-%m-%d %H:%M:%S} {alert.severity} {alert.kind}: ")
        sys.stderr.write(f"{alert.message}\n")


def paper_trade(
    strategy: StrategyOption,
    broker: BrokerOption = None,
    data: DataOption = None,
    symbol: PairsOption = None,
    name: NameOption = None,
    param: ParameterOption = None,
    duration: DurationOption = None,
    speed: Annotated[
        str | None, typer.Option(help="How fast bars of the past come: 60x, or max.")
    ] = None,
    cash: Annotated[str, typer.Option(help="What a new simulated account holds.")] = "100000",
    home: HomeOption = DEFAULT_HOME,
    *,
    json: JsonOption = False,
) -> None:
    """Trade without money: on bars of the past, or on a practice exchange, with a real engine.

    simulated matches orders as a backtest does; practice starts a practice exchange for the
    session and trades on it over the network, as on a real venue.
    """
    settings, wanted = _settings(home), load(strategy, name, param)
    chosen = broker or settings.broker
    until = _until(duration)
    if chosen == SIMULATED:
        bars = _bars(settings, data, symbol)
        ending, session = _simulate(
            settings, wanted, strategy, bars, cash, _pace(speed, None), until
        )
    elif chosen == "practice":
        bars = _bars(settings, data, symbol)
        ending, session = _practise(settings, wanted, strategy, bars, speed, until, quiet=json)
    else:
        if data is not None or speed is not None:
            raise typer.BadParameter(
                "a venue has bars and a pace of its own", param_hint="--data, --speed"
            )
        ending, session = _trade(
            settings, wanted, strategy, chosen, symbol, None, until, testnet=True
        )
    _report(settings, session, ending, json=json)


def live_trade(
    strategy: StrategyOption,
    broker: BrokerOption = None,
    symbol: PairsOption = None,
    interval: IntervalOption = None,
    name: NameOption = None,
    param: ParameterOption = None,
    duration: DurationOption = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Yes, send these orders to this account.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Trade on a venue. Without --confirm it says what would be traded, and refuses."""
    from rustybt.errors import RustyBTError

    settings, wanted = _settings(home), load(strategy, name, param)
    chosen = broker or settings.broker
    if chosen in (SIMULATED, "practice"):
        raise typer.BadParameter(f"{chosen} is for paper-trade", param_hint="--broker")
    symbols, length = symbol or list(settings.data_symbols), interval or settings.data_interval
    testnet = settings.venue(chosen).testnet
    plan = {
        "strategy": type(wanted).__name__,
        "broker": chosen,
        "account": "testnet" if testnet else "REAL MONEY",
        "symbols": ", ".join(symbols),
        "bars": length,
        "max position size": str(settings.max_position_size),
        "max daily loss": str(settings.max_daily_loss),
        "max leverage": str(settings.max_leverage),
        "max open positions": str(settings.max_open_positions),
    }
    if not json:
        table(("", "what would be traded"), list(plan.items()))
    if not confirm:
        if json:
            emit_json({"confirmed": False, **plan})
        raise RustyBTError("nothing was started", remedy="add --confirm to trade this")
    ending, session = _trade(settings, wanted, strategy, chosen, symbols, length, _until(duration))
    _report(settings, session, ending, json=json)


# Sessions


def _simulate(
    settings: Settings,
    strategy: Strategy,
    file: Path,
    bars: Sequence[Bar],
    cash: str,
    speed: float | None,
    until: timedelta | None,
) -> tuple[Ending, Session]:
    """Trade on bars of the past, matched here."""
    from rustybt.exchange.replay import instrument_for, pair
    from rustybt.model.money import decimal
    from rustybt.system import paper_session

    symbols = sorted({bar.symbol for bar in bars})
    session = paper_session(
        settings,
        strategy,
        source=file.read_bytes(),
        bars=bars,
        instruments={
            symbol: instrument_for(symbol, [bar for bar in bars if bar.symbol == symbol])
            for symbol in symbols
        },
        cash={pair(symbols[0])[1]: decimal(cash, "--cash")},
        notifier=_shown(settings),
        speed=speed,
        until=until,
    )
    with api_beside(settings, session):
        return session.run(enabled_by=_who(), reason="paper-trade"), session


def _practise(
    settings: Settings,
    strategy: Strategy,
    file: Path,
    bars: Sequence[Bar],
    speed: str | None,
    until: timedelta | None,
    *,
    quiet: bool,
) -> tuple[Ending, Session]:
    """Trade on a practice exchange that is started for the session."""
    from rustybt.home import Home
    from rustybt.system import live_session
    from rustybt.system.practice import practising

    interval = min(bar.end - bar.start for bar in bars)
    pace = _pace(speed, interval.total_seconds())
    account = Home(settings.home).state / "practice-exchange.db"
    with practising(bars, state=account) as exchange:
        if not quiet:
            say(f"started a practice exchange for this session; its account is kept in {account}")
            say(f"watch it at {exchange.exchange.url}")
        session = live_session(
            settings,
            strategy,
            source=file.read_bytes(),
            access=exchange.access(),
            symbols=sorted({bar.symbol for bar in bars}),
            interval=interval,
            mode="paper",
            notifier=_shown(settings),
            until=until,
        )
        with api_beside(settings, session):
            return asyncio.run(_follow(session, exchange, pace or 0.0)), session


async def _follow(session: Session, exchange: PracticeThread, pace: float) -> Ending:
    """Run a session; the exchange shows bars once the session hears them."""
    loop = asyncio.get_running_loop()

    def over() -> None:
        session.runner.operate("stop", "rustybt", "the data ended")

    exchange.replay(pace, lambda: loop.call_soon_threadsafe(loop.call_later, 1.0, over))
    return await session.run_async(enabled_by=_who(), reason="paper-trade")


def _trade(
    settings: Settings,
    strategy: Strategy,
    file: Path,
    broker: str,
    symbols: Sequence[str] | None,
    interval: str | None,
    until: timedelta | None,
    *,
    testnet: bool | None = None,
) -> tuple[Ending, Session]:
    """Trade at a venue."""
    from rustybt.data.interval import parse_interval
    from rustybt.system import live_session, venue_access

    session = live_session(
        settings,
        strategy,
        source=file.read_bytes(),
        access=venue_access(settings, broker, wall_clock, testnet=testnet),
        symbols=list(symbols or settings.data_symbols),
        interval=parse_interval(interval or settings.data_interval).length,
        mode="paper" if testnet else "live",
        notifier=_shown(settings),
        until=until,
    )
    with api_beside(settings, session):
        return session.run(enabled_by=_who(), reason="the command line"), session


# What was asked for


def _settings(home: Path) -> Settings:
    """Return the deployment's settings."""
    from rustybt.settings import load_settings

    return load_settings(home, os.environ)


def _bars(settings: Settings, data: Path | None, symbols: Sequence[str] | None) -> list[Bar]:
    """Return the bars to trade on."""
    from rustybt.exchange.replay import file_bars
    from rustybt.files import expanded

    path = settings.data_path if data is None else expanded(data)
    if path is None:
        raise typer.BadParameter(
            "name a file of bars: the deployment declares none", param_hint="--data"
        )
    return file_bars(path, list(symbols or []))


def _pace(speed: str | None, usual: float | None) -> float | None:
    """Return how many seconds of the market go by in one of ours, ``None`` for all at once."""
    if speed is None:
        return usual
    if speed == "max":
        return None
    found = _SPEED.fullmatch(speed)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{speed!r} is neither max nor like 60x", param_hint="--speed")
    return float(found[1])


def _until(duration: str | None) -> timedelta | None:
    """Return how long a session is to take."""
    if duration is None:
        return None
    found = _DURATION.fullmatch(duration)
    if found is None or not int(found[1]):
        raise typer.BadParameter(f"{duration!r} is not like 30d or 12h", param_hint="--duration")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _who() -> str:
    """Return who trades, for the audit log."""
    from rustybt.system.session import operator

    return operator()


# What came of it


def _report(settings: Settings, session: Session, ending: Ending, *, json: bool) -> None:
    """Print the result of a session and leave with its code."""
    try:
        found = _result(settings, session, ending)
    finally:
        session.close()
    if json:
        emit_json(found)
    else:
        breaker = found["breaker"]
        rows = [
            ("ended", found["reason"]),
            ("session", found["session_id"]),
            ("orders", f"{found['orders']}, {found['open_orders']} still open"),
            ("fills", str(found["fills"])),
            ("denials", str(found["denials"])),
            ("equity", f"{found['equity']} {found['currency']}"),
            ("breaker", f"tripped: {breaker['cause']}" if breaker["tripped"] else "ready"),
            ("journal", found["journal"]),
        ]
        table(("", "result"), rows)
    if ending.code:
        raise typer.Exit(ending.code)


def _result(settings: Settings, session: Session, ending: Ending) -> dict[str, Any]:
    """Return what there is to tell of a session that has ended."""
    from rustybt.trading.summary import summary

    counts = {"orders": 0, "fills": 0, "denials": 0}
    told: set[str] = set()
    for record in session.journal.records():
        if record.session != session.name:
            continue
        _count(record.payload, counts, told)
    url = settings.db_url.get_secret_value()
    shown = url if url.startswith("sqlite") else url.partition("://")[0]
    return {
        "reason": ending.reason,
        "code": ending.code,
        **summary(session.runner.engine.state),
        **counts,
        "journal": shown,
    }


def _count(payload: bytes, counts: dict[str, int], told: set[str]) -> None:
    """Count what a record tells of."""
    import msgspec

    said = msgspec.json.decode(payload)
    kind = said.get("type") if isinstance(said, dict) else None
    if kind == "submit":
        counts["orders"] += len(said["orders"])
    elif kind == "note" and said["kind"] == "denied":
        counts["denials"] += 1
    elif kind in ("order_filled", "order_found", "venue_snapshot"):
        fills = [said["fill"]] if kind == "order_filled" else said["fills"]
        told.update(f"{fill['symbol']} {fill['trade_id']}" for fill in fills)
        counts["fills"] = len(told)
