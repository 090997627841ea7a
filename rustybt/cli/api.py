"""``serve-api``: health, figures and the last verdict of a deployment over HTTP."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, wall_clock
from rustybt.cli.output import say

if TYPE_CHECKING:
    from rustybt.settings import Settings

_LOW_PRIORITY: Final = 10
"""What is added to the niceness of a server beside an engine."""


def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen [API_HOST].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes any free one [API_PORT].")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    *,
    listening: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve health, figures and the last verdict over HTTP until interrupted.

    API_ENABLED must be true. Beyond this machine it needs API_AUTH_TOKEN. A session serves them
    itself.
    """
    from rustybt.api.errors import ApiError
    from rustybt.settings import load_settings

    settings = load_settings(home, os.environ)
    if not settings.api_enabled:
        raise ApiError("the API is off", remedy="set API_ENABLED=true in the deployment's .env")
    try:
        from rustybt.api.serving import listener, make_server, url_of
    except ModuleNotFoundError as error:
        raise ApiError(
            f"{error.name} is not installed", remedy="install RustyBT with the extra api"
        ) from None
    if listening is not None:
        _serve_beside(settings, listening)
        return
    chosen = settings.api_port if port is None else port
    with listener(settings, settings.api_host if host is None else host, chosen) as opened:
        say(f"listening at {url_of(opened)}")
        make_server(settings, wall_clock).run(sockets=[opened])


def _serve_beside(settings: Settings, descriptor: int) -> None:
    """Serve at a socket that a session has opened, until the pipe from it closes."""
    import socket
    import threading

    from rustybt.api.serving import make_server

    os.nice(_LOW_PRIORITY)
    server = make_server(settings, wall_clock)

    def end_with_the_session() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_the_session, daemon=True).start()
    with socket.socket(fileno=descriptor) as opened:
        server.run(sockets=[opened])
