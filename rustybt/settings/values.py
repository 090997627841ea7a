"""The types of single settings: strict parsing of text, and how to show a value."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from rustybt.settings.env_file import MASK
from rustybt.settings.venues import PRACTICE, VENUES

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")
OFFSITE_SCHEMES = ("file", "s3", "gs", "gcs", "az", "abfs", "sftp")

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL}){{0,15}}", re.ASCII)
_CALENDAR = re.compile(r"[A-Za-z0-9_/.-]{1,32}", re.ASCII)
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LONGEST_SYMBOL = 64
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?/(?:tcp|udp)", re.ASCII)
_LAST_PORT = 65_535


def _plain_decimal(value: object) -> Decimal:
    """Take exact values only: a float has lost its digits already."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise ValueError("is not a plain decimal number")
    return Decimal(value)


def _plain_integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _INTEGER.fullmatch(value):
        raise ValueError("is not a whole number")
    return int(value)


def _clock_time(value: object) -> object:
    if isinstance(value, str):
        if not _CLOCK_TIME.fullmatch(value):
            raise ValueError("is not a time of day")
        return time.fromisoformat(value)
    return value


def _date(value: object) -> object:
    if isinstance(value, str):
        if not _DATE.fullmatch(value):
            raise ValueError("is not a day")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("is not a day of the calendar") from None
    return value


def _listed(value: object) -> object:
    """Divide a list as it stands in a file, at its commas."""
    return tuple(map(str.strip, value.split(","))) if isinstance(value, str) else value


def _symbols(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(0 < len(symbol) <= _LONGEST_SYMBOL for symbol in value):
        raise ValueError("has a name that is empty or too long")
    if len(set(value)) < len(value):
        raise ValueError("names a symbol twice")
    return value


def _ports(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        found = _PORTS.fullmatch(each)
        if found is None or not 0 < int(found[1]) <= int(found[2] or found[1]) <= _LAST_PORT:
            raise ValueError("has something else than ports with their protocol")
    return value


def _market_source(value: str) -> str:
    kind, separator, venue = value.partition(":")
    known = venue in VENUES - {PRACTICE} if kind == "ccxt" else kind in ("csv", "yfinance")
    if not known or (separator and kind != "ccxt"):
        raise ValueError("is not a source that RustyBT knows")
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _known_venue(value: str) -> str:
    if value not in VENUES:
        raise ValueError("is not a venue that RustyBT knows")
    return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is not a time zone") from None
    return value


def _calendar_name(value: str) -> str:
    if not _CALENDAR.fullmatch(value):
        raise ValueError("has characters that no calendar's name has")
    return value


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _host(value: str) -> str:
    if not _is_address(value) and not _HOST_NAME.fullmatch(value):
        raise ValueError("is neither an address nor a host name")
    return value


def _fernet_keys(value: SecretStr) -> SecretStr:
    if not all(_FERNET_KEY.fullmatch(key) for key in value.get_secret_value().split(",")):
        raise ValueError("is not a Fernet key")
    return value


def _offsite_url(value: SecretStr) -> SecretStr:
    scheme, separator, rest = value.get_secret_value().partition("://")
    if not separator or not rest or scheme not in OFFSITE_SCHEMES:
        raise ValueError("is not the URL of a store")
    return value


Environment = Literal["dev", "staging", "production"]
Stage = Annotated[Environment, BeforeValidator(_lower)]
Fraction = Annotated[Decimal, BeforeValidator(_plain_decimal), Field(gt=0, le=1)]
Leverage = Annotated[Decimal, BeforeValidator(_plain_decimal), Field(gt=0, le=20)]
Count = Annotated[int, BeforeValidator(_plain_integer)]
ClockTime = Annotated[time | None, BeforeValidator(_clock_time)]
Zone = Annotated[str, AfterValidator(_known_zone)]
CalendarName = Annotated[str, AfterValidator(_calendar_name)]
Venue = Annotated[str, BeforeValidator(_lower), AfterValidator(_known_venue)]
Day = Annotated[date | None, BeforeValidator(_date)]
Symbols = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_symbols)]
MarketSource = Annotated[str, BeforeValidator(_lower), AfterValidator(_market_source)]
BarLength = Literal["1m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"]
Ports = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_ports)]
Host = Annotated[str, AfterValidator(_host)]
FernetKeys = Annotated[SecretStr, AfterValidator(_fernet_keys)]
OffsiteUrl = Annotated[SecretStr, AfterValidator(_offsite_url)]
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
]
LogFormat = Annotated[Literal["json", "console"], BeforeValidator(_lower)]


def is_loopback(host: str) -> bool:
    """Tell whether *host* can be reached from this machine only."""
    return ip_address(host).is_loopback if _is_address(host) else host == "localhost"


def display(value: object) -> str:
    """Return the text to show for a setting's *value*, with whatever may be secret masked."""
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return _display_secret(value.get_secret_value())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value.strftime("%H:%M") if isinstance(value, time) else str(value)


def _display_secret(text: str) -> str:
    """Mask *text*; where it is a URL keep scheme, host and path."""
    if "://" not in text:
        return MASK
    try:
        url = urlsplit(text)
    except ValueError:
        return MASK
    credentials = f"{MASK}@" if "@" in url.netloc else ""
    query = f"?{MASK}" if url.query or url.fragment else ""
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{credentials}{host}{url.path}{query}"
