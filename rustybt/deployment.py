"""A deployment's home: made in one step, opened, looked over."""

from __future__ import annotations

import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rustybt.errors import HomeError, RustyBTError
from rustybt.files import PRIVATE_FOLDER, create_exclusively, expanded, flush_folder, tree_digest
from rustybt.home import Home
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

if TYPE_CHECKING:
    pass

__all__ = ["Home", "create_home", "home_digest", "inspect_home", "open_vault"]

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

LOG_LEVEL=INFO
LOG_FORMAT=json
LOG_DIR=logs
LOG_RETENTION_DAYS=90

# The HTTP API: off; beyond 127.0.0.1 it needs a token of at least 32 characters.
API_ENABLED=false
API_HOST=127.0.0.1
API_PORT=8000
# API_AUTH_TOKEN=

DATA_CACHE_SIZE_MB=256
NUM_WORKERS=1
DB_URL=sqlite:///state/rustybt.db
DB_POOL_SIZE=5

BACKUP_DIR=backups
# OFFSITE_URL=s3://bucket/folder
"""


def create_home(root: Path, environment: Environment, clock: Clock) -> Home:
    """Lay out a deployment's home at *root*, complete or not at all, and return it.

    It has a commented ``.env`` with a new encryption key and safe limits, the folders of `Home`,
    and a vault of *environment* with random credentials for the practice exchange. Files are of
    mode 0600, folders 0700. Missing parent folders are made. All is built beside *root* and
    renamed into place. Raises `HomeError` if *root* exists and is anything but an empty folder, or
    if the disk refuses; nothing is changed then. *clock* gives the time of the credentials.
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
        # Renaming onto an empty folder replaces it; onto any other it fails, so nothing is lost
        # if somebody was quicker.
        building.rename(root)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    flush_folder(root.parent)


def _build(home: Home, environment: Environment, clock: Clock) -> None:
    for folder in home.folders:
        folder.mkdir(mode=PRIVATE_FOLDER)
    key = new_key()
    text = _ENV.format(environment=environment, key=key.get_secret_value())
    create_exclusively(home.env_file, text.encode())
    vault = Vault.create(home.vault_file, [key], environment, clock)
    practice = (PRACTICE, *required_fields(PRACTICE))
    vault.put_all({(practice[0], field): secrets.token_hex(32) for field in practice[1:]})
    # What is handed over has been opened once, the way the engine will open it.
    open_vault(load_settings(home.root, {}), clock)


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
        for path in (home.env_file, home.key_file, home.vault_file)
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
