"""The settings of a deployment as one frozen, validated value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from rustybt.errors import HomeError
from rustybt.files import expanded
from rustybt.settings.values import (
    DATABASE_SCHEMES,
    OFFSITE_SCHEMES,
    BarLength,
    CalendarName,
    ClockTime,
    Count,
    Day,
    FernetKeys,
    Fraction,
    Host,
    Leverage,
    LogFormat,
    LogLevel,
    MarketSource,
    OffsiteUrl,
    Ports,
    Stage,
    Symbols,
    Venue,
    Zone,
    display,
    is_loopback,
)
from rustybt.settings.venues import PRACTICE

MIN_TOKEN_LENGTH = 32
_STRICT = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class VenueSettings(BaseModel):
    """What the settings say about the venue *name*.

    Credentials here stand in clear, in ``.env`` or in the environment; ``encrypt-credentials``
    moves them into the vault. ``testnet`` is true unless real money is asked for in so many words.
    """

    model_config = _STRICT

    name: Venue
    testnet: bool = True
    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    password: SecretStr | None = None
    uid: SecretStr | None = None
    login: SecretStr | None = None
    private_key: SecretStr | None = None
    wallet_address: SecretStr | None = None
    token: SecretStr | None = None

    def plaintext(self) -> dict[str, SecretStr]:
        """Return the credentials that stand in clear, by field."""
        values = {field: getattr(self, field) for field in CREDENTIAL_FIELDS}
        return {field: value for field, value in values.items() if value is not None}


CREDENTIAL_FIELDS = tuple(
    field for field in VenueSettings.model_fields if field not in {"name", "testnet"}
)


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One setting as it is in force.

    *value* is masked when *secret*; *source* is ``".env:<line>"``, ``"environment"``, the name of
    the key file, or ``"default"``.
    """

    key: str
    value: str
    source: str
    secret: bool


class Settings(BaseModel):
    """A deployment's settings; build it with `load_settings`.

    Each field's alias is its key in ``.env`` and in the environment, its description says what is
    accepted. Relative paths are below ``home``. Secrets are ``SecretStr`` and in no ``repr``.
    ``origins`` pairs each key that was set with its source.
    """

    model_config = _STRICT

    home: Path
    origins: tuple[tuple[str, str], ...] = Field((), repr=False)
    venues: tuple[VenueSettings, ...] = ()

    environment: Stage = Field("dev", alias="RUSTYBT_ENV", description="dev, staging or production")
    encryption_key: FernetKeys | None = Field(
        None,
        alias="RUSTYBT_ENCRYPTION_KEY",
        description="a key made by `python -m rustybt keygen`; new,old during a rotation",
    )
    broker: Venue = Field(
        PRACTICE, alias="BROKER", description="practice, or a venue's ccxt id such as binance"
    )

    max_position_size: Fraction = Field(
        Decimal("0.10"),
        alias="MAX_POSITION_SIZE",
        description="a fraction of equity such as 0.10, above 0 and at most 1",
    )
    max_daily_loss: Fraction = Field(
        Decimal("0.05"),
        alias="MAX_DAILY_LOSS",
        description="a fraction of equity such as 0.05, above 0 and at most 1",
    )
    max_leverage: Leverage = Field(
        Decimal(1), alias="MAX_LEVERAGE", description="a multiple of equity, above 0 and at most 20"
    )
    max_open_positions: Annotated[Count, Field(ge=1, le=10_000)] = Field(
        10, alias="MAX_OPEN_POSITIONS", description="a whole number from 1 to 10000"
    )

    trading_calendar: CalendarName = Field(
        "24/7", alias="TRADING_CALENDAR", description="a calendar such as NYSE, NASDAQ or 24/7"
    )
    timezone: Zone = Field(
        "UTC", alias="TIMEZONE", description="an IANA time zone such as America/New_York"
    )
    market_open: ClockTime = Field(
        None, alias="MARKET_OPEN", description="HH:MM in TIMEZONE, together with MARKET_CLOSE"
    )
    market_close: ClockTime = Field(
        None,
        alias="MARKET_CLOSE",
        description="HH:MM in TIMEZONE, together with MARKET_OPEN and other than it",
        validate_default=True,
    )

    data_source: MarketSource | None = Field(
        None,
        alias="DATA_SOURCE",
        description="csv, yfinance, or ccxt: and a venue's ccxt id, such as ccxt:binance",
    )
    data_symbols: Symbols = Field(
        (),
        alias="DATA_SYMBOLS",
        description="symbols, separated by commas; required with DATA_SOURCE",
        validate_default=True,
    )
    data_path: Path | None = Field(
        None,
        alias="DATA_PATH",
        description="a CSV file, {symbol} in it for each symbol; required by the source csv",
        validate_default=True,
    )
    data_interval: BarLength = Field(
        "1d", alias="DATA_INTERVAL", description="the length of a bar: 1m ... 1d, 1w"
    )
    data_start: Day = Field(
        None,
        alias="DATA_START",
        description="the first day that is needed, such as 2025-01-01; required with DATA_SOURCE",
        validate_default=True,
    )

    log_level: LogLevel = Field(
        "INFO", alias="LOG_LEVEL", description="DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )
    log_format: LogFormat = Field("json", alias="LOG_FORMAT", description="json or console")
    log_dir: Path = Field(
        Path("logs"), alias="LOG_DIR", description="a folder", validate_default=True
    )
    log_retention_days: Annotated[Count, Field(ge=1, le=36_500)] = Field(
        90, alias="LOG_RETENTION_DAYS", description="a number of days from 1 to 36500"
    )

    api_enabled: bool = Field(default=False, alias="API_ENABLED", description="true or false")
    api_host: Host = Field(
        "127.0.0.1", alias="API_HOST", description="an IP address or a host name"
    )
    api_port: Annotated[Count, Field(ge=1, le=65_535)] = Field(
        8000, alias="API_PORT", description="a port from 1 to 65535"
    )
    api_auth_token: SecretStr | None = Field(
        None,
        alias="API_AUTH_TOKEN",
        description=f"at least {MIN_TOKEN_LENGTH} characters; required unless API_HOST is loopback",
        validate_default=True,
    )

    regulated: bool = Field(
        default=True,
        alias="REGULATED",
        description="true or false: whether the regime asks for a compliance officer",
    )
    has_clients: bool = Field(
        default=True,
        alias="HAS_CLIENTS",
        description="true or false: whether money of others is managed",
    )

    open_ports: Ports = Field(
        (),
        alias="OPEN_PORTS",
        description="ports such as 443/tcp or 8000-8010/tcp, separated by commas",
    )

    data_cache_size_mb: Annotated[Count, Field(ge=0, le=1_048_576)] = Field(
        256, alias="DATA_CACHE_SIZE_MB", description="megabytes from 0 to 1048576"
    )
    num_workers: Annotated[Count, Field(ge=1, le=1024)] = Field(
        1, alias="NUM_WORKERS", description="a whole number from 1 to 1024"
    )
    db_url: SecretStr = Field(
        SecretStr("sqlite:///state/rustybt.db"),
        alias="DB_URL",
        description="a URL: sqlite:///state/rustybt.db or postgresql://host/name",
        validate_default=True,
    )
    db_pool_size: Annotated[Count, Field(ge=1, le=1000)] = Field(
        5, alias="DB_POOL_SIZE", description="a whole number from 1 to 1000"
    )
    backup_dir: Path = Field(
        Path("backups"), alias="BACKUP_DIR", description="a folder", validate_default=True
    )
    offsite_url: OffsiteUrl | None = Field(
        None,
        alias="OFFSITE_URL",
        description=f"a URL with one of the schemes {', '.join(OFFSITE_SCHEMES)}",
    )

    @field_validator("log_dir", "backup_dir")
    @classmethod
    def _below_home(cls, value: Path, info: ValidationInfo) -> Path:
        home: Path = info.data["home"]
        try:
            return home / expanded(value)
        except HomeError as error:
            raise ValueError("names the home folder of a user that does not exist") from error

    @field_validator("market_close")
    @classmethod
    def _hours_make_a_pair(cls, value: time | None, info: ValidationInfo) -> time | None:
        if "market_open" not in info.data:  # it is wrong itself; one problem is enough
            return value
        opens = info.data["market_open"]
        if (value is None) != (opens is None):
            raise ValueError("is set without the other of MARKET_OPEN and MARKET_CLOSE")
        if value is not None and value == opens:
            raise ValueError("equals MARKET_OPEN")
        return value

    @field_validator("data_symbols", "data_start")
    @classmethod
    def _declared_with_a_source(cls, value: object, info: ValidationInfo) -> object:
        if not value and info.data.get("data_source"):
            raise ValueError("is missing, though there is a DATA_SOURCE")
        return value

    @field_validator("data_path")
    @classmethod
    def _file_of_a_source(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            if info.data.get("data_source") == "csv":
                raise ValueError("is missing, though DATA_SOURCE is csv")
            return None
        return cls._below_home(value, info)

    @field_validator("api_auth_token")
    @classmethod
    def _token_fits_host(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError("is too short")
        exposed = info.data.get("api_enabled") and not is_loopback(info.data.get("api_host", ""))
        if value is None and exposed:
            raise ValueError("is missing, though other hosts could reach the API")
        return value

    @field_validator("db_url")
    @classmethod
    def _database(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        scheme, separator, rest = value.get_secret_value().partition("://")
        if not separator or scheme not in DATABASE_SCHEMES:
            raise ValueError("is not the URL of a database")
        if scheme != "sqlite":
            return value
        path = rest.removeprefix("/")
        if path == rest or not path:
            raise ValueError("names no database file")
        # A relative path would otherwise depend on the folder a command is started in.
        home: Path = info.data["home"]
        return SecretStr(f"sqlite:///{home / path}")

    def encryption_keys(self) -> tuple[SecretStr, ...]:
        """Return the encryption keys, the one to encrypt with first; empty when there is none."""
        if self.encryption_key is None:
            return ()
        return tuple(map(SecretStr, self.encryption_key.get_secret_value().split(",")))

    def venue(self, name: str) -> VenueSettings:
        """Return what is set for the venue *name*, or its defaults."""
        return next(
            (venue for venue in self.venues if venue.name == name), VenueSettings(name=name)
        )

    @property
    def sources(self) -> tuple[EffectiveSetting, ...]:
        """Every setting in force, in the order of the fields, with where it comes from."""
        origins = dict(self.origins)
        values = [
            (key, getattr(self, field), is_secret(type(self), field))
            for field, key in aliases().items()
        ] + [
            (venue_key(venue.name, field), getattr(venue, field), is_secret(type(venue), field))
            for venue in self.venues
            for field in sorted(venue.model_fields_set - {"name"})
        ]
        return tuple(
            EffectiveSetting(key, display(value), origins.get(key, "default"), secret)
            for key, value, secret in values
        )


def aliases() -> dict[str, str]:
    """Return the key of every field that has one, by the field's name."""
    fields = Settings.model_fields.items()
    return {name: field.alias for name, field in fields if field.alias is not None}


def is_secret(model: type[BaseModel], field: str) -> bool:
    """Tell whether *field* of *model* holds a secret, from its annotation."""
    return "SecretStr" in str(model.model_fields[field].annotation)


def venue_key(venue: str, field: str) -> str:
    """Return the key under which a venue's *field* stands in ``.env``: ``BINANCE_API_KEY``."""
    return f"{venue}_{field}".upper()
