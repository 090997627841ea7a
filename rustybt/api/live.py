"""The live page and the server-sent events that it shows."""

from __future__ import annotations

import asyncio
import hashlib
import re
from base64 import b64encode
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from rustybt.api import answers
from rustybt.api.models import Live

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rustybt.api.guard import Guard
    from rustybt.api.watch import Watch

EVERY_S: Final = 1.0
"""Seconds between two events."""


def add_page(app: FastAPI, watch: Watch, guard: Guard, ends: Callable[[], bool]) -> None:
    """Let *app* serve the page at ``/`` and its events, which stop when *ends* says so."""
    text = files("rustybt.api").joinpath("page.html").read_text("utf-8")
    headers = {"Content-Security-Policy": _policy(text)}

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        """Show what goes on; there is nothing of the deployment in the page itself."""
        return HTMLResponse(text, headers=headers)

    @app.get("/events", include_in_schema=False, dependencies=[Depends(guard.reading)])
    async def events() -> StreamingResponse:
        """Tell how things stand, again and again."""
        return StreamingResponse(_events(watch, ends), media_type="text/event-stream")


async def _events(watch: Watch, ends: Callable[[], bool]) -> AsyncIterator[str]:
    """Yield an event now and then until the server ends."""
    while not ends():
        view = await run_in_threadpool(watch.view)
        live = Live(status=answers.status(view), health=answers.health(view))
        yield f"data: {live.model_dump_json()}\n\n"
        await asyncio.sleep(EVERY_S)


def _policy(text: str) -> str:
    """Return what the page may do: run its own script, use its own style, ask this server."""
    script, style = (_digest(text, tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(text: str, tag: str) -> str:
    """Return the source expression of the one element *tag* of a page."""
    (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return f"'sha256-{b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
