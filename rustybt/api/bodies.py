"""How much a request may say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LARGEST_BODY: Final = 16_384
"""Bytes; a halt needs fewer."""


class SmallBodies:
    """Refuses bodies that are too large, before anybody gathers them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request, with 413 if its body is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = await _whole(receive)
        if first is None:
            await _refuse(send)
            return
        waiting = [first]

        async def once() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, once, send)


async def _whole(receive: Receive) -> Message | None:
    """Return the whole body as one message; ``None`` if it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return message
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            return None
    return {"type": "http.request", "body": body, "more_body": False}


async def _refuse(send: Send) -> None:
    """Answer 413."""
    text = f'{{"detail":"the body is larger than {LARGEST_BODY} bytes"}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
