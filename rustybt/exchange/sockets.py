"""The WebSockets: streams of the market, and the interface that streams of accounts come over."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from rustybt.exchange.errors import RefusalError, missing
from rustybt.exchange.records import milliseconds
from rustybt.exchange.signing import holder, refuse_forgery
from rustybt.exchange.streams import Listener
from rustybt.malformed import MALFORMED

if TYPE_CHECKING:
    from rustybt.exchange.market_api import ApiRequest
    from rustybt.exchange.server import PracticeServer

_QUEUE: Final = 100_000
_HEARTBEAT: Final = 30.0


class Sockets:
    """All WebSocket connections of a server."""

    def __init__(self, server: PracticeServer) -> None:
        self._server = server
        self._open: set[web.WebSocketResponse] = set()
        self._listen_keys: dict[str, str] = {}
        self._subscriptions = 0

    async def close(self) -> None:
        """Close all connections."""
        for socket in tuple(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def listen_key(self, method: str, asked: ApiRequest) -> Any:
        """Make a listen key, keep it alive, or end it."""
        if method == "POST":
            key = secrets.token_hex(32)
            self._listen_keys[key] = asked.account
            return {"listenKey": key}
        key = asked.params.get("listenKey", "")
        if key not in self._listen_keys:
            raise RefusalError(-1125, "This listenKey does not exist.")
        if method == "DELETE":
            del self._listen_keys[key]
        return {}

    def reset(self) -> int:
        """Close all connections and void all listen keys: what venues do at night."""
        self._listen_keys.clear()
        return self._server.hub.cut()

    async def market(self, request: web.Request) -> web.StreamResponse:
        """Serve the streams of the market, and user streams by listen key."""
        listener, socket, sending = await self._connect(request)
        account = self._listen_keys.get(request.match_info.get("name", ""))
        if account is not None:
            listener.raw.add(account)
        return await self._serve(listener, socket, sending, self._market_request)

    async def accounts(self, request: web.Request) -> web.StreamResponse:
        """Serve the WebSocket interface."""
        listener, socket, sending = await self._connect(request)
        return await self._serve(listener, socket, sending, self._account_request)

    async def _connect(
        self, request: web.Request
    ) -> tuple[Listener, web.WebSocketResponse, asyncio.Task[None]]:
        """Open a connection and begin to send what is queued for it."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, compress=False)
        await socket.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE)

        def close() -> None:
            transport = request.transport
            if transport is not None:
                transport.abort()

        def send(message: bytes) -> None:
            if queue.full():  # nobody reads there any more
                close()
            else:
                queue.put_nowait(message)

        listener = Listener(send, close)
        self._server.hub.listeners.add(listener)
        self._open.add(socket)
        return listener, socket, asyncio.create_task(_send_all(socket, queue))

    async def _serve(
        self,
        listener: Listener,
        socket: web.WebSocketResponse,
        sending: asyncio.Task[None],
        answer: Any,
    ) -> web.StreamResponse:
        """Answer messages until the connection ends."""
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    listener.send(msgspec.json.encode(_answered(answer, listener, message.data)))
        finally:
            self._server.hub.listeners.discard(listener)
            self._open.discard(socket)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        return socket

    def _market_request(self, listener: Listener, message: dict[str, Any]) -> dict[str, Any]:
        """Subscribe to streams, or end that."""
        method, given = message.get("method"), message.get("params")
        names = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
        if method == "SUBSCRIBE":
            for name in names:
                account = self._listen_keys.get(name)
                if account is None:
                    listener.streams.add(name)
                else:
                    listener.raw.add(account)
            self._server.hub.subscribed.set()
        elif method == "UNSUBSCRIBE":
            listener.streams.difference_update(names)
        elif method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(listener.streams)}
        else:
            return {"error": {"code": 2, "msg": f"Invalid request: unknown method {method!r}"}}
        return {"result": None}

    def _account_request(self, listener: Listener, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the WebSocket interface."""
        method, given = message.get("method"), message.get("params")
        params = given if isinstance(given, dict) else {}
        if method == "ping":
            return {"status": 200, "result": {}}
        if method == "time":
            time = milliseconds(self._server.clock())
            return {"status": 200, "result": {"serverTime": time}}
        if method == "userDataStream.subscribe.signature":
            listener.accounts[self._subscriptions] = self._signer(params)
            self._subscriptions += 1
            self._server.hub.subscribed.set()
            return {"status": 200, "result": {"subscriptionId": self._subscriptions - 1}}
        if method == "userDataStream.unsubscribe":
            listener.accounts.clear()
            return {"status": 200, "result": {}}
        raise RefusalError(-1000, f"Unknown method {method!r}.")

    def _signer(self, params: dict[str, Any]) -> str:
        """Return the account that signed *params*, or refuse."""
        written = {name: str(value) for name, value in params.items()}
        signature = written.pop("signature", "")
        owner = holder(self._server.keys, written.get("apiKey", ""))
        payload = "&".join(f"{name}={written[name]}" for name in sorted(written))
        if not signature:
            raise missing("signature")
        refuse_forgery(owner, payload, signature)
        self._server.refuse_old(written)
        return owner.account


def _answered(answer: Any, listener: Listener, data: str) -> dict[str, Any]:
    """Return the answer to one message, with its id."""
    try:
        message = msgspec.json.decode(data, type=dict[str, Any])
    except MALFORMED:
        return {"error": {"code": 3, "msg": "Invalid JSON"}, "id": None, "status": 400}
    try:
        return {"id": message.get("id"), **answer(listener, message)}
    except RefusalError as refusal:
        error = {"code": refusal.code, "msg": refusal.message}
        return {"id": message.get("id"), "status": refusal.status, "error": error}


async def _send_all(socket: web.WebSocketResponse, queue: asyncio.Queue[bytes | None]) -> None:
    """Send what is queued, in order, until the connection is gone."""
    with contextlib.suppress(ConnectionError):
        while (message := await queue.get()) is not None:
            await socket.send_str(message.decode())
