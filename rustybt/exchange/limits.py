"""How often a client may ask: first it is told to wait, then it is banned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.exchange.errors import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE: Final = 60.0
_ORDER_SPAN: Final = 10.0


class RateLimits(Struct, frozen=True, kw_only=True):
    """Request weight per minute and orders per 10 seconds, ``None`` for as many as one likes.

    Who goes on after *patience* refusals is banned for *ban* seconds, twice as long each time.
    """

    weight: int | None = None
    orders: int | None = None
    patience: int = 10
    ban: float = 120.0


USUAL_LIMITS: Final = RateLimits(weight=6_000, orders=100)
"""Those of the real venue."""


class Limiter:
    """What the clients used; *clock* counts seconds and never goes back."""

    def __init__(self, limits: RateLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._used: dict[tuple[str, int], int] = {}
        self._refused: dict[str, int] = {}
        self._banned: dict[str, float] = {}
        self._bans: dict[str, int] = {}

    def charge(self, client: str, weight: int) -> int:
        """Count a request of *client* and return the weight used in this minute.

        Refuse it with 429, or 418 once the client would not listen.
        """
        now = self._clock()
        banned = self._banned.get(client, 0.0)
        if now < banned:
            raise _refusal(418, banned - now)
        return self._count(client, f"weight {client}", weight, self.limits.weight, _MINUTE, now)

    def charge_order(self, client: str) -> int:
        """Count an order of *client* and return the number in these 10 seconds, or refuse it."""
        limit = self.limits.orders
        return self._count(client, f"orders {client}", 1, limit, _ORDER_SPAN, self._clock())

    def _count(
        self, client: str, name: str, weight: int, limit: int | None, span: float, now: float
    ) -> int:
        window = int(now // span)
        key = (name, window)
        used = self._used.get(key, 0) + weight
        if limit is not None and used > limit:
            raise self._impatient(client, now, (window + 1) * span - now)
        if key not in self._used:
            self._used = {each: n for each, n in self._used.items() if each[0] != name}
            self._refused[client] = 0
        self._used[key] = used
        return used

    def _impatient(self, client: str, now: float, wait: float) -> RefusalError:
        """Return the refusal of one request too many."""
        self._refused[client] = self._refused.get(client, 0) + 1
        if self._refused[client] <= self.limits.patience:
            return _refusal(429, wait)
        length = self.limits.ban * 2 ** self._bans.get(client, 0)
        self._bans[client] = self._bans.get(client, 0) + 1
        self._banned[client] = now + length
        return _refusal(418, length)


def _refusal(status: int, wait: float) -> RefusalError:
    """Return the refusal of a client that has to wait."""
    message = (
        "Too many requests; please use the websocket for live updates."
        if status == 429
        else "Way too many requests; IP banned."
    )
    return RefusalError(-1003, message, status=status, retry_after=max(1, -int(-wait // 1)))
