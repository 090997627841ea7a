"""Practice exchanges for who wants to trade on one: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.records import FeeIn
from rustybt.exchange.replay import Replay, instrument_for, practice_bars
from rustybt.exchange.signing import ApiKey
from rustybt.exchange.venue import PracticeVenue
from rustybt.model.money import decimal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from rustybt.exchange.faults import Fault, Faults
    from rustybt.exchange.filters import Filters
    from rustybt.exchange.limits import RateLimits
    from rustybt.exchange.server import PracticeServer, Stamp
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.bar import Bar
    from rustybt.model.instrument import Instrument

ACCOUNT: Final = "main"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0


def ccxt_config(url: str, key: str, secret: str) -> dict[str, Any]:
    """Return what ``ccxt.binance`` has to be given to trade at *url*; nothing else is changed.

    The same for the synchronous, the asynchronous and the streaming class.
    """
    host = url.rstrip("/").partition("://")[2]
    http, socket = f"http://{host}", f"ws://{host}"
    return {
        "apiKey": key,
        "secret": secret,
        "enableRateLimit": False,
        "urls": {
            "api": {
                "public": f"{http}/api/v3",
                "private": f"{http}/api/v3",
                "v1": f"{http}/api/v1",
                "ws": {"spot": f"{socket}/stream/ws", "ws-api": {"spot": f"{socket}/ws-api/v3"}},
            }
        },
        "options": {
            "defaultType": "spot",
            "fetchMarkets": {"types": ["spot"]},
            "fetchCurrencies": False,
            "fetchMargins": False,
        },
    }


class Exchange(Struct, frozen=True, eq=False):
    """A practice exchange that is running in this process."""

    server: PracticeServer
    key: ApiKey

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:port``."""
        return self.server.url

    @property
    def ws_url(self) -> str:
        """Where its WebSockets are: ``/stream/ws`` for streams, ``/ws-api/v3`` for accounts."""
        return f"ws{self.url.removeprefix('http')}"

    @property
    def api_key(self) -> str:
        """The key of the account."""
        return self.key.key

    @property
    def secret(self) -> str:
        """Its secret."""
        return self.key.secret

    @property
    def account(self) -> str:
        """The name of the account."""
        return self.key.account

    @property
    def token(self) -> str:
        """The token of the admin endpoints."""
        return self.server.token

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.server.faults

    @property
    def venue(self) -> PracticeVenue:
        """The venue itself."""
        return self.server.venue

    def step(self, instants: int = 1) -> int:
        """Show the bars of the next *instants*; return how many there were."""
        return self.server.step(instants)

    def reset(self) -> int:
        """Close all connections and void all listen keys, as at night; return how many closed."""
        return self.server.sockets.reset()

    def cut(self, *, users: bool = True, market: bool = True) -> int:
        """Close user streams, market streams, or both; return how many."""
        return self.server.hub.cut(users=users, market=market)

    def ccxt_config(self) -> dict[str, Any]:
        """Return what ``ccxt.binance`` has to be given to trade here."""
        return ccxt_config(self.url, self.api_key, self.secret)


def new_key(account: str = ACCOUNT) -> ApiKey:
    """Return a new random key of *account*."""
    return ApiKey(account, secrets.token_hex(32), secrets.token_hex(32))


@contextlib.asynccontextmanager
async def running_exchange(
    *,
    bars: Sequence[Bar] | None = None,
    history: int = 30,
    instruments: Sequence[Instrument] | None = None,
    balances: Mapping[str, Decimal] | None = None,
    rules: MatchingRules | None = None,
    fee_in: FeeIn = FeeIn.QUOTE,
    filters: Filters | None = None,
    limits: RateLimits | None = None,
    clock: Callable[[], datetime] | None = None,
    stamp: Stamp = "market",
    state: Path | None = None,
    key: ApiKey | None = None,
    port: int = 0,
) -> AsyncIterator[Exchange]:
    """Run a practice exchange on loopback for as long as the context lasts.

    *bars* (default: a year of the practice bars) are replayed by :meth:`Exchange.step`; the first
    *history* instants were shown before. The account has *balances* (default 100 000 USDT). *rules*
    are those of the matching (default: what can trade does at once, at the last close). With a
    *state* file it goes on where the one before it ended, and the same key opens it.
    """
    from rustybt.exchange.server import PracticeServer, wall_clock
    from rustybt.exchange.store import Store

    shown = _year() if bars is None else list(bars)
    replay = Replay(shown)
    store = Store(":memory:" if state is None else state)
    key = store.key(new_key()) if key is None else key
    kept = store.load()
    if kept is not None:
        venue = PracticeVenue.restore(kept, rules, filters=filters)
    else:
        venue = PracticeVenue(
            instruments_of(shown) if instruments is None else instruments,
            {key.account: {"USDT": decimal("100000")} if balances is None else balances},
            rules,
            fee_in=fee_in,
            filters=filters,
        )
    server = PracticeServer(
        venue,
        [key],
        replay=replay,
        store=store,
        limits=limits,
        clock=wall_clock if clock is None else clock,
        stamp=stamp,
    )
    catch_up(venue, replay, history)
    store.save(venue)
    await server.start(port)
    try:
        yield Exchange(server, key)
    finally:
        await server.stop()
        store.close()


def _year() -> list[Bar]:
    from rustybt.data.practice import PRACTICE_START

    return practice_bars(PRACTICE_START + timedelta(days=364))


def instruments_of(bars: Sequence[Bar]) -> list[Instrument]:
    """Return an instrument for each symbol in *bars*."""
    by_symbol: dict[str, list[Bar]] = {}
    for bar in bars:
        by_symbol.setdefault(bar.symbol, []).append(bar)
    return [instrument_for(symbol, group) for symbol, group in by_symbol.items()]


def catch_up(venue: PracticeVenue, replay: Replay, history: int) -> None:
    """Bring *replay* to where *venue* is, with all candles before; show a new one *history*."""
    last = {symbol: tape.last for symbol, tape in venue.tapes.items()}
    ends = [bar.end for bar in last.values() if bar is not None]
    if not ends:
        for _ in range(history):
            for bar in replay.next():
                venue.on_bar(bar)
        return
    counts = {symbol: tape.shown for symbol, tape in venue.tapes.items()}
    for symbol, tape in venue.tapes.items():
        tape.bars.clear()
        tape.shown = counts[symbol]
    for bar in replay.skip(max(ends)):
        newest = last.get(bar.symbol)
        if newest is not None and bar.end <= newest.end:
            venue.tapes[bar.symbol].bars.append(bar)
    for symbol, newest in last.items():
        if newest is not None and not venue.tapes[symbol].bars:
            venue.tapes[symbol].bars.append(newest)


class ExchangeProcess(Struct, frozen=True, eq=False):
    """A practice exchange that runs in a process of its own."""

    url: str
    api_key: str
    secret: str
    token: str
    account: str
    pid: int

    def __repr__(self) -> str:
        return f"ExchangeProcess(url={self.url!r}, pid={self.pid})"

    @property
    def ws_url(self) -> str:
        """Where its WebSockets are."""
        return f"ws{self.url.removeprefix('http')}"

    def ccxt_config(self) -> dict[str, Any]:
        """Return what ``ccxt.binance`` has to be given to trade here."""
        return ccxt_config(self.url, self.api_key, self.secret)

    def admin(self, method: str, path: str, document: Any = None) -> Any:
        """Ask the admin endpoint ``/practice/path`` and return what it says.

        Raise :class:`ExchangeError` with its words if it refuses.
        """
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        request = Request(  # noqa: S310 - the address of our own server on loopback
            f"{self.url}/practice/{path}",
            data=None if document is None else msgspec.json.encode(document),
            method=method,
            headers={"X-Practice-Token": self.token},
        )
        try:
            with urlopen(request, timeout=_START_SECONDS) as reply:  # noqa: S310 - as above
                return json.loads(reply.read())
        except HTTPError as error:
            raise ExchangeError(f"{method} {path}: {error.read().decode()}") from None

    def step(self, instants: int = 1) -> int:
        """Show the bars of the next *instants*; return how many there were."""
        return int(self.admin("POST", "step", {"bars": instants})["shown"])

    def add_fault(self, fault: Fault) -> int:
        """Arm *fault* and return its number."""
        return int(self.admin("POST", "faults", fault)["number"])

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.admin("DELETE", "faults")

    def reset(self) -> int:
        """Close all connections and void all listen keys, as at night; return how many closed."""
        return int(self.admin("POST", "reset")["closed"])

    def cut(self, *, users: bool = True, market: bool = True) -> int:
        """Close user streams, market streams, or both; return how many."""
        return int(self.admin("POST", "cut", {"users": users, "market": market})["closed"])


@contextlib.contextmanager
def practice_process(*arguments: str) -> Iterator[ExchangeProcess]:
    """Run ``rustybt practice-exchange`` with *arguments* in a process of its own.

    Raise :class:`ExchangeError` with what it said if it does not start.
    """
    command = [sys.executable, "-m", "rustybt", "practice-exchange", "--json", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            line = process.stdout.readline()
            if not line:
                raise ExchangeError(f"the practice exchange did not start: {_last_words(process)}")
            said = json.loads(line)
            yield ExchangeProcess(
                url=said["url"],
                api_key=said["key"],
                secret=said["secret"],
                token=said["token"],
                account=said["account"],
                pid=process.pid,
            )
        finally:
            _end(process)


def _last_words(process: subprocess.Popen[str]) -> str:
    """Return what a process that ended wrote to its errors."""
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    return process.stderr.read().strip()


def _end(process: subprocess.Popen[str]) -> None:
    """End *process*, gently first."""
    process.terminate()
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
