"""What integration tests share: a served deployment, and work beside an engine that trades."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.errors import RustyBTError
from rustybt.settings import load_settings

if TYPE_CHECKING:
    from rustybt.system import Session

Serve = Callable[..., contextlib.AbstractContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Give what serves the API of a home at a free port, by a clock and settings of the test."""
    from rustybt.api.serving import listener, make_server, url_of

    @contextlib.contextmanager
    def served(home: Path, clock: Callable[[], datetime], **environ: str) -> Iterator[str]:
        settings = load_settings(home, {"API_ENABLED": "true", **environ})
        with listener(settings, "127.0.0.1", 0) as listening:
            running = make_server(settings, clock)
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield url_of(listening)
            finally:
                running.should_exit = True
                thread.join()

    return served


@pytest.fixture
def while_it_runs() -> Callable[[Session, Callable[[], Any]], Any]:
    """Give what does work in a thread while a session runs that holds what it bought."""

    async def both(wired: Session, work: Callable[[], Any]) -> Any:
        running = asyncio.ensure_future(wired.run_async(enabled_by="test", reason="a test"))
        try:
            await _settled(wired, running)
            found = await asyncio.to_thread(work)
            wired.runner.abort("the test is over", 0)
            await running
            return found
        finally:
            wired.close()

    return lambda wired, work: asyncio.run(both(wired, work))


async def _settled(wired: Session, running: asyncio.Future[Any]) -> None:
    """Return when the strategy holds what it bought."""
    while not running.done():
        await asyncio.sleep(0.01)
        with contextlib.suppress(RustyBTError):
            if wired.runner.engine.ledger.quantities():
                return
