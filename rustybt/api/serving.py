"""A server of the HTTP interface on this machine."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from rustybt.api.app import create_app
from rustybt.api.errors import ApiError
from rustybt.settings.values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rustybt.settings import Settings

_GRACE_S = 3
_CONNECTIONS = 100


def listener(settings: Settings, host: str, port: int) -> socket.socket:
    """Return a socket that listens at *host* and *port*, 0 for any free one.

    Raise :class:`~rustybt.api.errors.ApiError` where others could reach it and the deployment has
    no token, and if it is not possible.
    """
    if settings.api_auth_token is None and not is_loopback(host):
        raise ApiError(
            f"others could reach {host} and the API has no token",
            expected="a loopback address such as 127.0.0.1",
            remedy="set API_AUTH_TOKEN, or listen at 127.0.0.1",
        )
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, number)
    except OSError as error:
        raise ApiError(f"cannot listen at {host}: {error.strerror}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
    except OSError as error:
        made.close()
        raise ApiError(
            f"cannot listen at {host}, port {port}: {error.strerror}",
            remedy="set another API_PORT, or end what uses this one",
        ) from None
    return made


def url_of(listening: socket.socket) -> str:
    """Return the address at which a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(settings: Settings, clock: Callable[[], datetime]) -> uvicorn.Server:
    """Return a server that is not running yet; its ``run`` takes sockets that listen."""
    config = uvicorn.Config(
        create_app(settings, clock, lambda: server.should_exit),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)  # the streams above ask it
    return server
