"""An exchange of ccxt, configured for exact digits and for nothing that would hide a failure."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rustybt.adapters.venue.errors import VenueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TIMEOUT_MS: Final = 10_000
_PLAIN: Final = ("http", "ws")
_SECRET: Final = ("apiKey", "secret", "password", "uid", "privateKey", "walletAddress", "token")
NEEDED: Final = (
    "createOrder",
    "cancelOrder",
    "fetchOrder",
    "fetchOpenOrders",
    "fetchMyTrades",
    "fetchBalance",
    "watchOrders",
)
"""What a session asks of a venue, in ccxt's words."""


@dataclass(frozen=True, slots=True)
class Access:
    """Which account at which venue: *exchange* is ccxt's id, *config* what its class is given.

    *name* is what the venue is called in records. With *testnet* the venue's own sandbox is used.
    """

    name: str
    exchange: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    testnet: bool = False

    @property
    def fingerprint(self) -> str:
        """What tells this account from others of the venue, and says nothing of its key."""
        key = str(self.config.get("apiKey") or self.config.get("walletAddress") or "")
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    def secrets(self) -> list[str]:
        """Return what must never be shown."""
        return [str(self.config[name]) for name in _SECRET if self.config.get(name)]


def open_exchange(access: Access, needs: Sequence[str] = NEEDED) -> Any:
    """Return ccxt's streaming class for *access*; nothing is sent yet.

    Raise :class:`~rustybt.adapters.venue.errors.VenueError` for an exchange that ccxt has no
    streams of, one that does not offer what *needs* names, and an address without TLS outside
    loopback.
    """
    import ccxt  # type: ignore[import-untyped] # it has no types we could use
    import ccxt.pro  # type: ignore[import-untyped] # likewise

    if access.exchange not in ccxt.pro.exchanges:
        raise VenueError(
            f"{access.exchange!r} is no exchange with streams", expected="an id of ccxt"
        )
    kind = getattr(ccxt.pro, access.exchange)
    exchange = kind({"timeout": TIMEOUT_MS, **access.config, "enableRateLimit": False})
    exchange.number = str  # digits stay the ones that the venue wrote
    exchange.verify = True
    exchange.newUpdates = True
    if access.testnet:
        if "urls" in access.config:
            raise VenueError("a venue with addresses of its own has no testnet")
        exchange.set_sandbox_mode(True)
    missing = [name for name in needs if not exchange.has.get(name)]
    if missing:
        raise VenueError(f"{access.exchange} offers no {', '.join(missing)}")
    refuse_plain(exchange.urls["api"])
    _know_all_errors(exchange)
    _refuse_garbage(exchange, ccxt.BadResponse)
    return exchange


def failures() -> tuple[type[Exception], ...]:
    """Return what calls of ccxt raise when a venue, the network or a reply is at fault."""
    import aiohttp
    import ccxt

    return (ccxt.BaseError, aiohttp.ClientError, OSError, TimeoutError, RuntimeError)


async def hang_up(exchange: Any) -> None:
    """Close the streams of *exchange*, so that the next ones are new connections."""
    for client in list(getattr(exchange, "clients", {}).values()):
        with contextlib.suppress(*failures()):
            await client.close()
    getattr(exchange, "clients", {}).clear()


async def close(exchange: Any) -> None:
    """Close all connections of *exchange*; one that is broken is closed already."""
    if exchange is not None:
        with contextlib.suppress(*failures()):
            await exchange.close()


def refuse_plain(addresses: object) -> None:
    """Raise for an address in *addresses*, at any depth, that is not encrypted nor loopback."""
    for address in _texts(addresses):
        parts = urlsplit(address)
        if parts.scheme in _PLAIN and not _is_loopback(parts.hostname or ""):
            raise VenueError(
                f"{parts.scheme}://{parts.netloc} is not encrypted",
                expected="https:// and wss:// everywhere but on loopback",
            )


def _know_all_errors(exchange: Any) -> None:
    """Let the codes of spot markets be known at every address, not only at the official ones."""
    known = exchange.exceptions
    spot = known.get("spot")
    if isinstance(spot, dict):
        for manner, codes in spot.items():
            known[manner] = {**codes, **(known.get(manner) or {})}


def _refuse_garbage(exchange: Any, error: type[Exception]) -> None:
    """Raise *error* for a reply that is no JSON, which ccxt would read as an empty one."""
    original = exchange.handle_errors

    def strict(*reply: Any) -> Any:
        found = original(*reply)
        if reply[6] is None:
            raise error(f"{exchange.id} {reply[3]}: a reply that cannot be read")
        return found

    exchange.handle_errors = strict


def _is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _texts(value: object) -> Iterator[str]:
    """Yield the texts in *value*, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
