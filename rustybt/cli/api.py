"""``serve-api``: health, figures and the last verdict of a deployment over HTTP."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, wall_clock
from rustybt.cli.output import say


def serve(
    host: Annotated[str | None, typer.Option(help="Where to listen [API_HOST].")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes any free one [API_PORT].")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Serve health, figures and the last verdict over HTTP until interrupted.

    API_ENABLED must be true. Beyond this machine it needs API_AUTH_TOKEN.
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
    chosen = settings.api_port if port is None else port
    with listener(settings, settings.api_host if host is None else host, chosen) as listening:
        say(f"listening at {url_of(listening)}")
        make_server(settings, wall_clock).run(sockets=[listening])
