"""The practice exchange on the wire: HTTP and WebSockets around the venue, on loopback."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from rustybt.exchange.admin import Admin
from rustybt.exchange.api import ENDPOINTS, Api, Endpoint
from rustybt.exchange.errors import ExchangeError, RefusalError
from rustybt.exchange.faults import Call, Fault, FaultKind, Faults
from rustybt.exchange.limits import Limiter, RateLimits
from rustybt.exchange.market_api import ApiRequest
from rustybt.exchange.mishaps import after_cancel, before_cancel, mishap_after
from rustybt.exchange.records import milliseconds
from rustybt.exchange.signing import holder, refuse_forgery, refuse_untimely, unsigned
from rustybt.exchange.sockets import Sockets
from rustybt.exchange.streams import Hub
from rustybt.exchange.wire import Json, refusal_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rustybt.exchange.replay import Replay
    from rustybt.exchange.signing import ApiKey
    from rustybt.exchange.store import Store
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model.bar import Bar

Stamp = Literal["market", "clock"]
"""What orders and trades are stamped with: the end of the last bar, or the clock's time."""

LOOPBACK: Final = "127.0.0.1"
_BODY_LIMIT: Final = 1 << 20
_encode = msgspec.json.Encoder(decimal_format="string").encode


def wall_clock() -> datetime:
    """Return the present time: the default of who injects none."""
    return datetime.now(UTC)


class PracticeServer:
    """Serves one venue.

    *keys* let clients in. *replay* has the bars to come, *store* keeps the state in a file. *clock*
    is what ``/api/v3/time`` says and signatures are judged by; a request may be signed with the
    time of the market as well. *monotonic* counts the seconds of rate limits.
    """

    def __init__(
        self,
        venue: PracticeVenue,
        keys: Sequence[ApiKey],
        *,
        replay: Replay | None = None,
        store: Store | None = None,
        limits: RateLimits | None = None,
        clock: Callable[[], datetime] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        stamp: Stamp = "market",
        token: str = "",
    ) -> None:
        self.venue = venue
        self.keys = {key.key: key for key in keys}
        self.replay = replay
        self.store = store
        self.faults = Faults()
        self.token = token or secrets.token_urlsafe(24)
        self.hub = Hub(venue, self.faults, self._later)
        self.sockets = Sockets(self)
        self.partial_candles = False
        self.limit(RateLimits() if limits is None else limits, monotonic)
        self._clock = clock
        self._stamp = stamp
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.started = clock()
        venue.subscribe(self.hub.on_report)
        if store is not None:
            venue.subscribe(store.on_report)

    def limit(self, limits: RateLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Let clients ask as often as *limits* say from now on."""
        self._limiter = Limiter(limits, monotonic)
        self._api = Api(self.venue, limits)

    # Time

    def clock(self) -> datetime:
        """Return what the venue says the time is."""
        return self._clock() + timedelta(seconds=self.faults.skew)

    def market_time(self) -> datetime:
        """Return the end of the newest bar, the clock's time before the first."""
        ends = [tape.last.end for tape in self.venue.tapes.values() if tape.last is not None]
        return max(ends) if ends else self.clock()

    def now(self) -> datetime:
        """Return what orders and trades are stamped with."""
        return self.market_time() if self._stamp == "market" else self.clock()

    # Bars

    def show(self, bars: Sequence[Bar]) -> None:
        """Let the market trade *bars*, tell everybody, and keep how far it came."""
        stamp = None if self._stamp == "market" else self.clock()
        for bar in bars:
            self.venue.on_bar(bar, stamp)
            if self.store is not None:
                self.store.on_bar(bar)
            self.hub.on_bar(bar, partial=self.partial_candles)
        self.commit()

    def step(self, instants: int) -> int:
        """Show the bars of so many *instants*; return how many there were."""
        shown = 0
        while self.replay is not None and shown < instants and self.replay.left:
            self.show(self.replay.next())
            shown += 1
        return shown

    async def run_replay(self, speed: float) -> None:
        """Show bar after bar, *speed* seconds of the market in one of ours, 0 for at once."""
        while self.replay is not None and self.replay.left:
            pause = self.replay.length.total_seconds() / speed if speed else 0.0
            await asyncio.sleep(pause)
            self.step(1)

    def commit(self) -> None:
        """Keep what has changed."""
        if self.store is not None:
            self.store.commit(self.venue)

    # Life

    async def start(self, port: int = 0, host: str = LOOPBACK) -> None:
        """Listen on *port* of *host*, any free one for 0; :attr:`port` says which.

        Raise :class:`ExchangeError` if that cannot be.
        """
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_route("*", "/api/{version:v[13]}/{endpoint:.+}", self._handle)
        app.router.add_get("/stream/ws", self.sockets.market)
        app.router.add_get("/stream/ws/{name}", self.sockets.market)
        app.router.add_get("/ws-api/v3", self.sockets.accounts)
        Admin(self).add_to(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ExchangeError(
                f"cannot listen on {host}:{port}: {error.strerror or error}",
                remedy="name another port, or 0 for any free one",
            ) from None
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def keep_running(self, task: asyncio.Task[None]) -> None:
        """Let *task* run until the server stops."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        """Call *call* after *delay* seconds."""
        asyncio.get_running_loop().call_later(delay, call)

    # Requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one REST request, with all that goes wrong on the way."""
        body = (await request.read()).decode("utf-8", "replace")
        name = request.match_info["endpoint"]
        query, query_signature = unsigned(request.raw_path.partition("?")[2])  # as sent
        form, form_signature = unsigned(body)
        params = dict(parse_qsl(f"{query}&{form}", keep_blank_values=True))
        key = self.keys.get(request.headers.get("X-MBX-APIKEY", ""))
        call = Call(
            method=request.method,
            endpoint=name,
            symbol=params.get("symbol"),
            account=None if key is None else key.account,
        )
        faults = self.faults.on_request(call)
        for fault in faults:
            if fault.kind is FaultKind.DELAY_REQUEST:
                await asyncio.sleep(fault.delay)
        instead = next((fault for fault in faults if fault.prevents), None)
        if instead is not None:
            return await mishap_after(request, instead, web.Response())
        signature = form_signature or query_signature
        response = self._answer(request, call, params, query + form, signature, faults)
        for fault in faults:
            if fault.kind is FaultKind.DELAY_REPLY:
                await asyncio.sleep(fault.delay)
        for fault in faults:
            response = await mishap_after(request, fault, response)
        return response

    def _answer(
        self,
        request: web.Request,
        call: Call,
        params: Mapping[str, str],
        payload: str,
        signature: str,
        faults: Sequence[Fault],
    ) -> web.StreamResponse:
        """Do what was asked, keep it, and say so."""
        headers: dict[str, str] = {}
        try:
            endpoint = self._endpoint(request, call)
            client = request.headers.get("X-MBX-APIKEY") or (request.remote or "")
            weight = self._limiter.charge(client, endpoint.weight)
            headers["X-MBX-USED-WEIGHT-1M"] = str(weight)
            if endpoint.is_order:
                count = self._limiter.charge_order(client)
                headers["X-MBX-ORDER-COUNT-10S"] = str(count)
            account = self._asker(endpoint, request, params, payload, signature)
            asked = ApiRequest(
                params=params,
                now=self.now(),
                clock=self.clock(),
                account=account,
                stale=max((f.bars for f in faults if f.kind is FaultKind.STALE_KLINES), default=0),
                partial=self.partial_candles
                or any(fault.kind is FaultKind.PARTIAL_CANDLE for fault in faults),
            )
            before_cancel(self.venue, self._api, call, asked, faults)
            try:
                answer = endpoint.answer(self._api, asked)
                after_cancel(self.venue, call, asked, answer, faults)
            finally:
                self.commit()
        except RefusalError as refusal:
            return refused(refusal, headers)
        return web.Response(body=_encode(answer), content_type="application/json", headers=headers)

    def _endpoint(self, request: web.Request, call: Call) -> Endpoint:
        """Return what answers, or refuse."""
        endpoint = ENDPOINTS.get((request.method, call.endpoint))
        if endpoint is None and call.endpoint == "userDataStream":
            method = request.method
            return Endpoint(
                lambda _, asked: self.sockets.listen_key(method, asked), signed=False, keyed=True
            )
        if endpoint is None:
            raise RefusalError(-1000, f"There is no {request.method} {call.endpoint}.", status=404)
        return endpoint

    def _asker(
        self,
        endpoint: Endpoint,
        request: web.Request,
        params: Mapping[str, str],
        payload: str,
        signature: str,
    ) -> str:
        """Return the account that asks, "" where it does not matter, or refuse."""
        if not endpoint.keyed and not endpoint.signed:
            return ""
        owner = holder(self.keys, request.headers.get("X-MBX-APIKEY", ""))
        if endpoint.signed:
            refuse_forgery(owner, payload, signature)
            self.refuse_old(params)
        return owner.account

    def refuse_old(self, params: Mapping[str, str]) -> None:
        """Refuse a request that is not of now, by the clock or by the market."""
        refuse_untimely(params, (milliseconds(self.clock()), milliseconds(self.market_time())))


def refused(refusal: RefusalError, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer to a refused request."""
    body: Json = refusal_json(refusal)
    if refusal.data is not None:
        body["data"] = refusal.data
    result = web.Response(
        status=refusal.status,
        body=_encode(body),
        content_type="application/json",
        headers=headers,
    )
    if refusal.retry_after is not None:
        result.headers["Retry-After"] = str(refusal.retry_after)
    return result
