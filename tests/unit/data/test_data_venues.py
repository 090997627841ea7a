"""ccxt and yfinance, talking to a server on this machine that answers as the venues do."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ccxt
import pytest
import requests
import yfinance
from requests.adapters import HTTPAdapter

from rustybt.adapters.ccxt import CcxtSource
from rustybt.adapters.sources import open_source
from rustybt.adapters.yfinance import YfinanceSource
from rustybt.cli.dividends import write_dividends
from rustybt.data.errors import SourceError, SourceUnavailableError
from rustybt.data.interval import Interval
from rustybt.data.quality import Circumstances, sift
from rustybt.engine.action_files import read_action_file
from rustybt.engine.actions import read_actions

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Venue:
    """What the server answers: by path, a status and a document; and what it was asked."""

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    bars: int = 1500

    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        self.asked.append((path, query))
        if path in self.answers:
            return self.answers[path]
        if path.endswith("/klines"):
            return 200, self.klines(int(query["startTime"][0]), int(query["limit"][0]))
        return 404, {"code": -1, "msg": "not here"}

    def klines(self, since: int, limit: int) -> list[list[object]]:
        """Return candles of an hour as Binance does, prices as text, with all their digits."""
        begin = int(START.timestamp() * 1000)
        step = 3_600_000
        first = max(0, -((begin - since) // step))
        prices = ("42000.10000000", "42001.5", "41999.1")
        tail = ("1.0", 1, "0.5", "0.5", "0")
        return [
            [begin + n * step, *prices, f"42000.{n:08}", "0.00000001", begin + n * step, *tail]
            for n in range(first, min(self.bars, first + limit))
        ]


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def address(venue: Venue) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status, document = venue.answer(url.path, parse_qs(url.query))
            body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Keep the tests' output clean."""
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "orderTypes": ["LIMIT", "MARKET"],
    "isSpotTradingAllowed": True,
    "permissions": ["SPOT"],
    "permissionSets": [["SPOT"]],
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01",
            "maxPrice": "1000000",
            "tickSize": "0.01",
        }
    ],
}


@pytest.fixture
def binance(venue: Venue, address: str) -> CcxtSource:
    venue.answers["/api/v3/exchangeInfo"] = (200, {"symbols": [SYMBOL], "rateLimits": []})
    return CcxtSource(
        "binance",
        {
            "urls": {"api": {"public": f"{address}/api/v3", "v1": f"{address}/api/v1"}},
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
        },
    )


def test_candles_come_in_pages_with_all_their_digits(venue: Venue, binance: CcxtSource) -> None:
    """1500 candles take two requests; prices are the venue's text."""
    pages = list(binance.pages("BTC/USDT", Interval.H1, START, START + 1500 * HOUR))
    assert [len(page.rows) for page in pages] == [1000, 500]
    assert [page.until for page in pages] == [START + 1000 * HOUR, START + 1500 * HOUR]
    assert pages[1].rows.row(0)[1:] == (
        "2024-02-11T16:00:00+00:00",
        "42000.10000000",
        "42001.5",
        "41999.1",
        "42000.00001000",
        "0.00000001",
    )
    circumstances = Circumstances(now=START + 9000 * HOUR, interval=Interval.H1)
    judged = sift(pages[0].rows, circumstances)
    assert judged.counts == {}
    assert judged.bars["close"][7] == Decimal("42000.00000007")
    assert (binance.name, binance.resumable) == ("ccxt:binance", True)
    assert binance.requests_per_minute > 60


def test_a_venue_that_has_no_more_ends_the_pages(venue: Venue, binance: CcxtSource) -> None:
    """Candles from the end on are left out; after the last candle nothing is asked for ever."""
    venue.bars = 10
    (page,) = binance.pages("BTC/USDT", Interval.H1, START + 2 * HOUR, START + 5 * HOUR)
    assert (len(page.rows), page.until) == (3, START + 5 * HOUR)
    pages = list(binance.pages("BTC/USDT", Interval.H1, START, START + 50 * HOUR))
    assert [len(page.rows) for page in pages] == [10, 0]
    assert pages[-1].until == START + 50 * HOUR


def test_a_venues_refusals_are_ours(venue: Venue, binance: CcxtSource) -> None:
    """What may pass is told from what will not; the venue's text stays out of the message."""
    with pytest.raises(SourceError, match=r"no 1h bars of XYZ/USDT for us \(BadSymbol\)"):
        list(binance.pages("XYZ/USDT", Interval.H1, START, START + HOUR))
    for status, code, name in ((429, -1003, "DDoSProtection"), (503, 0, "ExchangeNotAvailable")):
        venue.answers["/api/v3/klines"] = (status, {"code": code, "msg": "secret words"})
        with pytest.raises(SourceUnavailableError, match=name) as caught:
            list(binance.pages("BTC/USDT", Interval.H1, START, START + HOUR))
        assert "secret" not in str(caught.value)


def test_every_error_of_ccxt_is_mapped() -> None:
    """All its exceptions are below the two that the adapter catches."""
    errors = [
        value
        for value in vars(ccxt).values()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert len(errors) > 20
    assert all(issubclass(error, ccxt.BaseError) for error in errors)
    assert issubclass(ccxt.NetworkError, ccxt.BaseError)
    for passing in (ccxt.RequestTimeout, ccxt.RateLimitExceeded, ccxt.ExchangeNotAvailable):
        assert issubclass(passing, ccxt.NetworkError)


def test_sources_that_need_a_library() -> None:
    """They open by name; a venue that ccxt does not know is named."""
    assert open_source("ccxt", venue="kraken").name == "ccxt:kraken"
    assert open_source("yfinance").name == "yfinance"
    with pytest.raises(SourceError, match="ccxt knows no venue 'nowhere'"):
        open_source("ccxt", venue="nowhere")


class ToServer(HTTPAdapter):
    """Send whatever is addressed to Yahoo to the server on this machine."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        url = urlsplit(request.url or "")
        request.url = f"{self._address}{url.path}?{url.query}"
        return super().send(request, *args, **kwargs)


@pytest.fixture
def yahoo(address: str, tmp_path: Path) -> Iterator[YfinanceSource]:
    yfinance.set_tz_cache_location(str(tmp_path))
    with requests.Session() as session:
        session.mount("https://", ToServer(address))
        yield YfinanceSource(session)


NEW_YORK_OPENS = [1704205800, 1704292200, 1704378600]
META = {
    "currency": "USD",
    "symbol": "AAPL",
    "exchangeName": "NMS",
    "instrumentType": "EQUITY",
    "firstTradeDate": 345479400,
    "regularMarketTime": 1704402001,
    "gmtoffset": -18000,
    "timezone": "EST",
    "exchangeTimezoneName": "America/New_York",
    "regularMarketPrice": 181.91,
    "priceHint": 2,
    "dataGranularity": "1d",
    "range": "",
    "validRanges": ["1d", "max"],
    "currentTradingPeriod": {
        name: {"timezone": "EST", "start": 1704445200, "end": 1704465000, "gmtoffset": -18000}
        for name in ("pre", "regular", "post")
    },
}
QUOTE = {
    "open": [187.14999389648438, 184.22000122070312, None],
    "high": [188.44000244140625, 185.8800048828125, None],
    "low": [183.88999938964844, 183.42999267578125, None],
    "close": [185.63999938964844, 184.25, None],
    "volume": [82488700, 58414500, None],
}


def chart() -> dict[str, object]:
    result = {
        "meta": META,
        "timestamp": NEW_YORK_OPENS,
        "indicators": {"quote": [QUOTE], "adjclose": [{"adjclose": [184.9, 183.5, None]}]},
    }
    return {"chart": {"result": [result], "error": None}}


def test_yahoos_bars_have_the_digits_that_were_meant(venue: Venue, yahoo: YfinanceSource) -> None:
    """Single precision is undone, days are those of New York, and a hole is for the rules."""
    venue.answers["/v8/finance/chart/AAPL"] = (200, chart())
    (page,) = yahoo.pages("AAPL", Interval.D1, START, START + timedelta(days=5))
    assert page.rows.row(0)[1:] == (
        "2024-01-02T00:00:00-05:00",
        "187.15",
        "188.44",
        "183.89",
        "185.64",
        "82488700",
    )
    judged = sift(page.rows, Circumstances(now=START + timedelta(days=90), interval=Interval.D1))
    assert [at.day for at in judged.bars["timestamp"]] == [2, 3]
    assert judged.counts == {"not_a_number": 1}
    asked = [query for path, query in venue.asked if path.endswith("AAPL") and "period1" in query]
    assert asked[-1]["interval"] == ["1d"]


def test_yahoos_dividends_are_actions(venue: Venue, yahoo: YfinanceSource, tmp_path: Path) -> None:
    """Dated by the ex-date in New York, with the digits that were meant; a file has them all."""
    document = chart()
    paid = {str(NEW_YORK_OPENS[1]): {"amount": 0.23999999463558197, "date": NEW_YORK_OPENS[1]}}
    document["chart"]["result"][0]["events"] = {"dividends": paid}  # type: ignore[index]  # JSON
    venue.answers["/v8/finance/chart/PAYS"] = (200, document)
    found = yahoo.dividends("PAYS", START, START + timedelta(days=5))

    assert found.rows() == [("PAYS", date(2024, 1, 3), "dividend", "0.24")]
    path = tmp_path / "actions.csv"
    assert write_dividends(yahoo, ["PAYS"], START, START + timedelta(days=5), path) == 1
    assert path.read_text() == "symbol,timestamp,kind,amount\nPAYS,2024-01-03,dividend,0.24\n"
    assert read_actions(read_action_file(path))[0].amount == Decimal("0.24")


def test_yahoos_refusals_are_ours(venue: Venue, yahoo: YfinanceSource) -> None:
    """Rate limits and dead connections may pass; unknown symbols and intervals will not."""
    with pytest.raises(SourceError, match=r"Yahoo has no 2h bars; expected one of 1m, 5m"):
        list(yahoo.pages("AAPL", Interval.H2, START, START + HOUR))
    missing = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    venue.answers["/v8/finance/chart/NOPE"] = (404, {"chart": {"result": None, "error": missing}})
    with pytest.raises(SourceError, match="Yahoo has no 1d bars of NOPE for us"):
        list(yahoo.pages("NOPE", Interval.D1, START, START + timedelta(days=5)))
    venue.answers["/v8/finance/chart/MSFT"] = (429, "Too Many Requests")
    with pytest.raises(SourceUnavailableError, match="Yahoo cannot be reached or refuses for now"):
        list(yahoo.pages("MSFT", Interval.D1, START, START + timedelta(days=5)))
