"""Signed requests: who asks, and whether the request is theirs and of now."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.exchange.errors import RefusalError, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WINDOW: Final = 5_000
_LARGEST_WINDOW: Final = 60_000
_AHEAD: Final = 1_000


class ApiKey(Struct, frozen=True):
    """The key of an account. Its secret is never shown."""

    account: str
    key: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiKey(account={self.account!r}, key='***', secret='***')"


def sign(secret: str, payload: str) -> str:
    """Return the hex HMAC-SHA256 of *payload* under *secret*."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def unsigned(text: str) -> tuple[str, str]:
    """Return a query or form without its signature, and the signature."""
    head, mark, signature = text.rpartition("signature=")
    if not mark or (head and not head.endswith("&")):
        return text, ""
    return head.removesuffix("&"), signature.partition("&")[0]


def holder(keys: Mapping[str, ApiKey], key: str) -> ApiKey:
    """Return whose *key* it is, or refuse."""
    if not key:
        raise RefusalError(-2014, "API-key format invalid.", status=401)
    found = keys.get(key)
    if found is None:
        raise RefusalError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return found


def refuse_forgery(owner: ApiKey, payload: str, signature: str) -> None:
    """Refuse a *signature* of *payload* that *owner* did not make."""
    if not signature:
        raise missing("signature")
    if not hmac.compare_digest(sign(owner.secret, payload), signature.lower()):
        raise RefusalError(-1022, "Signature for this request is not valid.")


def refuse_untimely(params: Mapping[str, str], times: Iterable[int]) -> None:
    """Refuse a request whose timestamp is not near any of the *times*, in milliseconds.

    A replay has two: that of its clock and that of its market.
    """
    text, window_text = params.get("timestamp", ""), params.get("recvWindow", str(_WINDOW))
    if not text.isdecimal():
        raise missing("timestamp")
    window = float(window_text) if window_text.replace(".", "", 1).isdecimal() else -1.0
    if not 0 < window <= _LARGEST_WINDOW:
        raise RefusalError(-1131, "'recvWindow' must be less than 60000.")
    sent = int(text)
    if any(-_AHEAD < now - sent <= window for now in times):
        return
    ahead = all(sent > now for now in times)
    raise RefusalError(
        -1021,
        (
            "Timestamp for this request was 1000ms ahead of the server's time."
            if ahead
            else "Timestamp for this request is outside of the recvWindow."
        ),
    )
