"""The types of single settings: strict parsing of text, and how to show a value."""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from rustybt.settings.env_file import MASK
from rustybt.settings.venues import VENUES

DATABASE_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")
OFFSITE_SCHEMES = ("file", "s3", "gs", "gcs", "az", "abfs", "sftp")

_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,12})?", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL}){{0,15}}", re.ASCII)
_CALENDAR = re.compile(r"[A-Za-z0-9_/.-]{1,32}", re.ASCII)
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=", re.ASCII)


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
