"""How quick the line to a venue is, measured with its own public answers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rustybt.settings import Settings

PRACTICE = "practice"
BITS = 8
MEGA = 10**6


@dataclass(frozen=True)
class Answer:
    """What came back from a venue: so many bytes in so many seconds; or the *problem*."""

    venue: str
    size: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def rate(self) -> Decimal:
        """Return the rate in Mbit/s; 0 if nothing came."""
        if not self.size:
            return Decimal(0)
        return Decimal(self.size * BITS) / Decimal(repr(self.seconds)) / MEGA


def remote_venues(settings: Settings) -> tuple[str, ...]:
    """Return the ccxt ids of the broker and the data source that are beyond this machine."""
    kind, _, venue = (settings.data_source or "").partition(":")
    wanted = (settings.broker, venue if kind == "ccxt" else PRACTICE)
    return tuple(dict.fromkeys(name for name in wanted if name != PRACTICE))


def ask(venue: str, options: Mapping[str, object]) -> Answer:
    """Ask *venue* for all that it trades, which is the largest public answer that each has.

    *options* go to ccxt's class: other URLs, a proxy. The time is that from asking to having read.
    """
    import ccxt  # type: ignore[import-untyped] # it has no types we could use

    exchange = getattr(ccxt, venue)({**options, "enableRateLimit": False})
    began = time.perf_counter()
    try:
        exchange.fetch_markets()
    except ccxt.BaseError as error:
        # its text may hold a URL with a signature
        return Answer(venue, problem=type(error).__name__)
    seconds = time.perf_counter() - began
    headers = dict(exchange.last_response_headers or {})
    sizes = [value for name, value in headers.items() if name.lower() == "content-length"]
    # Compressed answers are longer in memory than they were on the line.
    text: str = exchange.last_http_response or ""
    return Answer(venue, int(sizes[0]) if sizes else len(text.encode()), seconds)


# -- a venue for proofs ----------------------------------------------------------------------


@dataclass
class NearVenue:
    """A server on this machine that answers like Binance, after *delay* seconds.

    *symbols* is how many it trades, which makes its answer long or short.
    """

    symbols: int = 600
    delay: float = 0.0
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        self._server = _server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def options(self) -> dict[str, Any]:
        """Return what lets ccxt's class talk to this server."""
        address = f"http://127.0.0.1:{self._server.server_port}/api/v3"
        return {
            "urls": {"api": {"public": address}},
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
        }

    def body(self) -> bytes:
        """Return the description of all that is traded."""
        symbols = [_symbol(number) for number in range(self.symbols)]
        return json.dumps({"symbols": symbols, "rateLimits": []}).encode()

    def close(self) -> None:
        """Stop answering; it may be called twice."""
        self._server.shutdown()
        self._server.server_close()


def _server(venue: NearVenue) -> ThreadingHTTPServer:
    """Return a server that answers for *venue*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer slowly, or at once."""
            body = venue.body()
            time.sleep(venue.delay)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep the run's output clean."""
            del format, args

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def _symbol(number: int) -> dict[str, Any]:
    """Return one instrument as Binance describes it."""
    return {
        "symbol": f"C{number}USDT",
        "status": "TRADING",
        "baseAsset": f"C{number}",
        "quoteAsset": "USDT",
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "TAKE_PROFIT"],
        "isSpotTradingAllowed": True,
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9", "stepSize": "0.00001"},
        ],
    }
