"""A deployment's home: made in one step, opened, looked over."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import stat
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rustybt.data.practice import PRACTICE_START, PRACTICE_SYMBOLS, practice_file
from rustybt.errors import HomeError, RustyBTError
from rustybt.files import (
    PRIVATE_FOLDER,
    create_exclusively,
    expanded,
    flush_folder,
    tree_digest,
    write_atomic,
)
from rustybt.home import Home
from rustybt.schedule import write_schedule
from rustybt.security.keys import new_key
from rustybt.security.vault import Clock, Vault
from rustybt.settings import (
    PRACTICE,
    Environment,
    Judgement,
    Settings,
    judge,
    load_settings,
    required_fields,
)
from rustybt.settings.alert_rules import ALERT_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rustybt.data.catalog import Catalog
    from rustybt.data.ingest import Ingested, Progress
    from rustybt.data.source import Source
    from rustybt.risk.limits import TradingHours

__all__ = [
    "Home",
    "create_home",
    "history_start",
    "home_digest",
    "inspect_home",
    "is_practice_data",
    "open_catalog",
    "open_declared_source",
    "open_vault",
    "trading_hours",
    "update_data",
]

_ENV = """\
# Settings of this RustyBT deployment. Mode 0600: it holds the encryption key.
# Values in the process environment override these. Relative paths are below this folder.
# `python -m rustybt verify-config` shows what is in force and where it comes from.

# dev, staging or production. The vault belongs to one of them and opens in no other.
RUSTYBT_ENV={environment}

# Opens state/vault.json. Never share it between environments, never commit it.
# `python -m rustybt rotate-keys` replaces it.
RUSTYBT_ENCRYPTION_KEY={key}

# Where orders go: practice (the local practice exchange) or a venue's ccxt id such as binance.
BROKER=practice
# A venue's credentials belong in the vault: write them here as below, then run
# `python -m rustybt encrypt-credentials`, which moves them there and out of this file.
# BINANCE_API_KEY=
# BINANCE_API_SECRET=
# BINANCE_TESTNET=true

# Risk limits: fractions of equity, a multiple of equity, a count.
MAX_POSITION_SIZE=0.10
MAX_DAILY_LOSS=0.05
MAX_LEVERAGE=1
MAX_OPEN_POSITIONS=10

# Trading hours: 24/7 for crypto venues; NYSE with America/New_York for US shares.
TRADING_CALENDAR=24/7
TIMEZONE=UTC
# MARKET_OPEN=09:30
# MARKET_CLOSE=16:00

# Market data: csv with a DATA_PATH, yfinance, or ccxt:binance (any venue's ccxt id), the symbols
# and length of the bars, and the first day that strategies need. `python -m rustybt update-data`
# brings the catalog up to date.
{data}
LOG_LEVEL=INFO
LOG_FORMAT=json
LOG_DIR=logs
LOG_RETENTION_DAYS=90

# The HTTP API: off; beyond 127.0.0.1 it needs a token of at least 32 characters.
API_ENABLED=false
API_HOST=127.0.0.1
API_PORT=8000
# API_AUTH_TOKEN=
# What this host serves to others beside SSH and the API; the readiness checks know of it.
# OPEN_PORTS=443/tcp

# Whether the regime asks for a compliance officer, and whether money of others is managed: what is
# not declared false is taken to be true, and then somebody has to sign for it.
# REGULATED=false
# HAS_CLIENTS=false

DATA_CACHE_SIZE_MB=256
NUM_WORKERS=1
DB_URL=sqlite:///state/rustybt.db
DB_POOL_SIZE=5

# Backups: ./backup-rustybt.sh makes one, config/ has a line for cron and a timer for systemd. What
# is secret in them is encrypted with RUSTYBT_ENCRYPTION_KEY: keep a copy of that key where neither
# this host nor the backups are, or nobody opens them once the host is lost.
BACKUP_DIR=backups
# OFFSITE_URL=s3://bucket/folder
"""

_PRACTICE_DATA = """\
# ELM and OAK do not exist: init invented their bars, for practice.
DATA_SOURCE=csv
DATA_PATH={path}
DATA_SYMBOLS={symbols}
DATA_INTERVAL=1d
DATA_START={start}
"""
_NO_DATA = """\
# DATA_SOURCE=yfinance
# DATA_SYMBOLS=AAPL,MSFT
# DATA_INTERVAL=1d
# DATA_START=2024-01-01
"""


def create_home(root: Path, environment: Environment, clock: Clock) -> Home:
    """Lay out a deployment's home at *root*, complete or not at all, and return it.

    It has a commented ``.env`` with a new encryption key and safe limits, a commented
    ``alerts.yaml`` with a rule for every event, the folders of `Home`, scripts and units for
    backups, and a vault of *environment* with random credentials for the practice exchange. One for
    dev has invented bars, too, and names them as its market data: `update_data` puts them into the
    catalog. Files are of mode 0600 (scripts 0700), folders 0700. Missing parent folders are made.
    All is built beside *root* and renamed into place. Raises `HomeError` if *root* exists and is
    anything but an empty folder, or if the disk refuses; nothing is changed then. *clock* gives the
    time of the credentials.
    """
    root = expanded(root).resolve()
    try:
        _refuse_if_in_use(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        _build_and_move(root, environment, clock)
    except OSError as error:
        raise HomeError(f"cannot create the home {root}: {error.strerror}") from error
    return Home(root)


def _refuse_if_in_use(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise HomeError(
            f"{root} is in use",
            expected="a path where nothing is, or an empty folder",
            remedy="name another folder, or move this one away",
        )


def _build_and_move(root: Path, environment: Environment, clock: Clock) -> None:
    """Build a home in a temporary folder beside *root* and rename it."""
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".new", dir=root.parent))
    try:
        _build(Home(building), environment, clock)
        write_schedule(Home(building), root, _user())
        # Renaming onto an empty folder replaces it; onto any other it fails, so nothing is lost
        # if somebody was quicker.
        building.rename(root)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    flush_folder(root.parent)


def _user() -> str:
    """Return who makes the home, and is going to run what it writes down."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as containers have
        return str(os.getuid())


def _build(home: Home, environment: Environment, clock: Clock) -> None:
    for folder in home.folders:
        folder.mkdir(mode=PRIVATE_FOLDER)
    key = new_key()
    data = _data_of(environment, home)
    text = _ENV.format(environment=environment, key=key.get_secret_value(), data=data)
    create_exclusively(home.env_file, text.encode())
    create_exclusively(home.alerts_file, ALERT_RULES.encode())
    if environment == "dev":
        create_exclusively(home.practice_file, _practice_bars(clock))
    vault = Vault.create(home.vault_file, [key], environment, clock)
    practice = (PRACTICE, *required_fields(PRACTICE))
    vault.put_all({(practice[0], field): secrets.token_hex(32) for field in practice[1:]})
    # What is handed over has been opened once, the way the engine will open it.
    open_vault(load_settings(home.root, {}), clock)


def _data_of(environment: Environment, home: Home) -> str:
    """Return the settings of market data: invented bars must not get into anything but practice."""
    if environment != "dev":
        return _NO_DATA
    return _PRACTICE_DATA.format(
        path=home.practice_file.relative_to(home.root),
        symbols=",".join(PRACTICE_SYMBOLS),
        start=PRACTICE_START,
    )


def _practice_bars(clock: Clock) -> bytes:
    """Return the file of invented bars to the last day that has ended."""
    return practice_file(clock().date() - timedelta(days=1)).encode()


def update_data(
    settings: Settings, clock: Clock, progress: Callable[[Progress], None] = lambda _: None
) -> Iterator[Ingested]:
    """Bring the catalog up to date, one declared symbol after the other.

    Bars are fetched from DATA_START on. Where the source is the home's file of invented bars, this
    is continued to yesterday first. Raise ``DataError`` if no source is declared or it cannot
    deliver; symbols that were yielded before are stored then.
    """
    from rustybt.data.ingest import Ingest
    from rustybt.data.interval import Interval
    from rustybt.data.quality import Circumstances

    if is_practice_data(settings):
        write_atomic(Home(settings.home).practice_file, _practice_bars(clock))
    source = open_declared_source(settings)
    circumstances = Circumstances(now=clock(), interval=Interval(settings.data_interval))
    for symbol in settings.data_symbols:
        yield Ingest(
            source=source,
            catalog=open_catalog(settings, clock),
            symbol=symbol,
            start=history_start(settings),
            end=circumstances.now,
            circumstances=circumstances,
            calendar=settings.trading_calendar,
            progress=progress,
        ).run()


def is_practice_data(settings: Settings) -> bool:
    """Tell whether the market data of the deployment are bars that ``init`` invented."""
    return settings.data_source == "csv" and settings.data_path == Home(settings.home).practice_file


def open_declared_source(settings: Settings) -> Source:
    """Return the source of market data that is declared in DATA_SOURCE.

    Raise ``SourceError`` if none is, or its library is missing.
    """
    from rustybt.adapters.sources import open_source
    from rustybt.data.errors import SourceError

    if settings.data_source is None:
        raise SourceError(
            "no source of market data is declared",
            remedy="set DATA_SOURCE, DATA_SYMBOLS and DATA_START in .env",
        )
    kind, _, venue = settings.data_source.partition(":")
    return open_source(kind, path=settings.data_path, venue=venue)


def open_catalog(settings: Settings, clock: Clock) -> Catalog:
    """Return the catalog of the deployment that *settings* belong to, with a cache of its size."""
    from rustybt.data.cache import BarCache
    from rustybt.data.catalog import Catalog

    cache = BarCache.of_megabytes(settings.data_cache_size_mb)
    return Catalog(Home(settings.home).catalog, clock, cache=cache)


def history_start(settings: Settings) -> datetime:
    """Return midnight UTC of DATA_START; raise ``DataError`` where no data are declared."""
    from rustybt.data.errors import DataError

    if settings.data_start is None:
        raise DataError("no history is declared", remedy="set DATA_START in .env")
    return datetime.combine(settings.data_start, time(), UTC)


def trading_hours(settings: Settings, now: datetime) -> TradingHours:
    """Return the gate that the risk manager asks whether the market is open.

    It is open during the sessions of TRADING_CALENDAR and, where MARKET_OPEN and MARKET_CLOSE are
    set, at these times of TIMEZONE only. Days are known to the end of the second year after
    *now*'s; a question about a later one raises ``CalendarRangeError``. Raise ``CalendarError`` if
    there is no such calendar.
    """
    from rustybt.calendars import calendar_on

    calendar = calendar_on(settings.trading_calendar, now.date())
    opens, closes, zone = settings.market_open, settings.market_close, ZoneInfo(settings.timezone)

    def is_open(_symbol: str, at: datetime) -> bool:
        if opens is None or closes is None:
            return calendar.is_open(at)
        local = at.astimezone(zone).time()
        begun, not_over = local >= opens, local < closes
        over_midnight = closes < opens
        within = begun or not_over if over_midnight else begun and not_over
        return within and calendar.is_open(at)

    return is_open


def open_vault(settings: Settings, clock: Clock) -> Vault:
    """Open the vault of the deployment that *settings* belong to; raises as `Vault.open` does."""
    return Vault.open(
        Home(settings.home).vault_file,
        settings.encryption_keys(),
        settings.environment,
        clock,
    )


def home_digest(root: Path) -> str:
    """Return the SHA-256 over the relative paths, modes and contents of everything in *root*.

    Nothing is ignored: equal digests before and after show that a run left the home untouched.
    """
    return tree_digest(root)


def inspect_home(settings: Settings, clock: Clock) -> tuple[Judgement, ...]:
    """Return every remark about a deployment: on its settings, file modes, key and vault.

    Reads only. Whether the vault opens and holds what the configured broker needs is a remark,
    too, not an exception.
    """
    home = Home(settings.home)
    exposed = [
        Judgement(path.name, "problem", f"others can read it: chmod 600 {path}")
        for path in (home.env_file, home.key_file, home.vault_file, home.alerts_file)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    return (*judge(settings), *exposed, *_judge_vault(settings, clock))


def _judge_vault(settings: Settings, clock: Clock) -> tuple[Judgement, ...]:
    if not settings.encryption_keys():  # `judge` has said so
        return ()
    try:
        held = open_vault(settings, clock).fields(settings.broker)
    except RustyBTError as error:
        return (Judgement("vault.json", "problem", str(error)),)
    in_clear = settings.venue(settings.broker).plaintext()
    missing = [
        field
        for field in required_fields(settings.broker)
        if field not in held and field not in in_clear
    ]
    return tuple(
        Judgement("BROKER", "problem", f"{settings.broker} needs its {field}; the vault has none")
        for field in missing
    )
