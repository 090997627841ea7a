"""Who may ask: whoever has the token; without one whoever is on this machine, and no web page."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.requests import Request

from rustybt.settings.values import is_loopback

if TYPE_CHECKING:
    from pydantic import SecretStr

_SCHEME: Final = "bearer"


class Guard:
    """Lets requests through that bear *token*, or come to a loopback address if there is none."""

    def __init__(self, token: SecretStr | None) -> None:
        self._token = None if token is None else token.get_secret_value().encode()

    def reading(self, request: Request) -> None:
        """Refuse who may not look."""
        if self._token is None:
            _refuse_rebinding(request)
        else:
            self._refuse_stranger(request, self._token)

    def acting(self, request: Request) -> None:
        """Refuse who may not change anything: that takes a token, whoever can reach the port."""
        if self._token is None:
            raise HTTPException(403, "set API_AUTH_TOKEN to halt from here, or use rustybt halt")
        self._refuse_stranger(request, self._token)

    def _refuse_stranger(self, request: Request, token: bytes) -> None:
        """Refuse a request without the token; how long that takes tells nothing about it."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), token)
        if scheme.lower() != _SCHEME or not known:
            raise HTTPException(
                401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
            )


def _refuse_rebinding(request: Request) -> None:
    """Refuse a page elsewhere whose name leads to this machine: its browser names that host."""
    if not _is_this_machine(request.headers.get("host", "")):
        raise HTTPException(403, "without API_AUTH_TOKEN only this machine is served, by its name")


def _is_this_machine(header: str) -> bool:
    """Tell whether a ``Host`` header names this machine, and is one at all."""
    try:
        parts = urlsplit(f"//{header}")
        is_plain = parts.netloc == header and "@" not in header and parts.port != 0
        return is_plain and is_loopback(parts.hostname or "")
    except ValueError:
        return False
