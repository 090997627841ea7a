"""What can go wrong on the way to a venue, on demand and repeatable.

A fault says which calls or events it hits and what happens to them. Requests are matched by HTTP
method, endpoint (``order``, ``account``, ``klines`` ...), symbol as the wire writes it and account;
events by their stream (``user``, ``kline``, ``trade``, ``bookTicker``) in place of the endpoint.
"""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from rustybt.exchange.errors import ExchangeError
from rustybt.malformed import MALFORMED


class FaultKind(StrEnum):
    """What happens."""

    DROP_REQUEST = "drop_request"
    """The connection closes, nothing was done."""
    DROP_REPLY = "drop_reply"
    """It was done, and the connection closes without an answer."""
    CUT_REPLY = "cut_reply"
    """It was done, and the connection closes in the middle of the answer."""
    GARBAGE_REPLY = "garbage_reply"
    """It was done, and the answer is no JSON."""
    DELAY_REQUEST = "delay_request"
    """It takes *delay* seconds to arrive."""
    DELAY_REPLY = "delay_reply"
    """It is done at once and answered after *delay* seconds: events overtake the answer."""
    ERROR = "error"
    """The answer is *status*, *code* and *message*; it was done only if *applied*."""
    UNKNOWN_OUTCOME = "unknown_outcome"
    """The answer is 504 with code -1007; it was done unless *applied* is false."""
    RATE_LIMIT = "rate_limit"
    """429 with *retry_after*; nothing was done."""
    BAN = "ban"
    """418 with *retry_after*; nothing was done."""
    NOT_FOUND = "not_found"
    """The order does not exist, although it does (code -2013)."""
    STALE_KLINES = "stale_klines"
    """Candles come without the newest *bars* ones."""
    PARTIAL_CANDLE = "partial_candle"
    """Candles come with the one that has just begun."""
    CLOCK_SKEW = "clock_skew"
    """The venue's clock is *delay* seconds ahead, or behind if negative, as long as this stands."""
    FILL_BEFORE_CANCEL = "fill_before_cancel"
    """The order trades what is left just before it is cancelled."""
    FILL_AFTER_CANCEL = "fill_after_cancel"
    """The order trades what was left just after it was cancelled."""
    DROP_EVENT = "drop_event"
    """The event is not sent. Without a *count* the stream is alive and silent."""
    DUPLICATE_EVENT = "duplicate_event"
    """The event is sent twice."""
    DELAY_EVENT = "delay_event"
    """The event is sent *delay* seconds later, after those that follow in the meantime."""
    REORDER_EVENT = "reorder_event"
    """The event is sent after the next one."""


_INSTEAD: Final = frozenset(
    {FaultKind.DROP_REQUEST, FaultKind.RATE_LIMIT, FaultKind.BAN, FaultKind.NOT_FOUND}
)
EVENT_KINDS: Final = frozenset(
    {
        FaultKind.DROP_EVENT,
        FaultKind.DUPLICATE_EVENT,
        FaultKind.DELAY_EVENT,
        FaultKind.REORDER_EVENT,
    }
)


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong, and for whom.

    It hits *count* of the matching calls (``None``: all) from the *nth* on, each with
    *probability*, drawn from *seed*. What is ``None`` matches anything. Raise
    :class:`ExchangeError` naming what cannot be.
    """

    kind: FaultKind
    method: str | None = None
    endpoint: str | None = None
    symbol: str | None = None
    account: str | None = None
    nth: int = 1
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    delay: float = 0.0
    status: int = 500
    code: int = -1000
    message: str = "An unknown error occurred while processing the request."
    retry_after: int = 1
    applied: bool | None = None
    bars: int = 1

    def __post_init__(self) -> None:
        wrong = []
        if self.nth < 1:
            wrong.append(f"nth is {self.nth}, not 1 or more")
        if self.count is not None and self.count < 1:
            wrong.append(f"count is {self.count}, not 1 or more")
        if not 0.0 <= self.probability <= 1.0:
            wrong.append(f"probability is {self.probability}, not between 0 and 1")
        if self.delay < 0 and self.kind is not FaultKind.CLOCK_SKEW:
            wrong.append(f"delay is {self.delay} seconds")
        if not 400 <= self.status <= 599:
            wrong.append(f"status is {self.status}, not one of an error")
        if wrong:
            raise ExchangeError(f"fault {self.kind}: {'; '.join(wrong)}")

    @property
    def prevents(self) -> bool:
        """Whether what was asked is not done."""
        if self.kind is FaultKind.ERROR:
            return not self.applied
        return self.kind in _INSTEAD or (
            self.kind is FaultKind.UNKNOWN_OUTCOME and self.applied is False
        )


class Call(Struct, frozen=True, kw_only=True):
    """A request, or an event about to be sent, as faults see it."""

    method: str
    endpoint: str
    symbol: str | None = None
    account: str | None = None


class _Armed:
    """A fault with what it has seen so far."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.hits = 0
        self._draw = random.Random(fault.seed).random  # noqa: S311 - repeatable chance, no secret

    @property
    def is_spent(self) -> bool:
        """Whether it has hit as often as it should."""
        return self.fault.count is not None and self.hits >= self.fault.count

    def hit(self, call: Call) -> bool:
        """Count *call* and tell whether it is hit."""
        fault = self.fault
        wanted = (
            (fault.method, call.method),
            (fault.endpoint, call.endpoint),
            (fault.symbol, call.symbol),
            (fault.account, call.account),
        )
        if self.is_spent or any(want is not None and want != seen for want, seen in wanted):
            return False
        self.seen += 1
        if self.seen < fault.nth or self._draw() >= fault.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The faults that are armed, by number."""

    def __init__(self) -> None:
        self._armed: dict[int, _Armed] = {}
        self._last = 0

    def add(self, fault: Fault) -> int:
        """Arm *fault* and return its number."""
        self._last += 1
        self._armed[self._last] = _Armed(fault)
        return self._last

    def remove(self, number: int) -> None:
        """Disarm a fault; raise :class:`ExchangeError` if there is none of that number."""
        if self._armed.pop(number, None) is None:
            raise ExchangeError(f"there is no fault number {number}")

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def hits(self, number: int) -> int:
        """Return how often a fault has hit; raise :class:`ExchangeError` if there is none."""
        if number not in self._armed:
            raise ExchangeError(f"there is no fault number {number}")
        return self._armed[number].hits

    def all(self) -> dict[int, tuple[Fault, int]]:
        """Return the faults by number, each with how often it has hit."""
        return {number: (armed.fault, armed.hits) for number, armed in self._armed.items()}

    @property
    def skew(self) -> float:
        """How many seconds the venue's clock is ahead."""
        return sum(
            armed.fault.delay
            for armed in self._armed.values()
            if armed.fault.kind is FaultKind.CLOCK_SKEW
        )

    def on_request(self, call: Call) -> list[Fault]:
        """Return the faults that hit a request, in the order in which they were armed."""
        return self._taken(call, events=False)

    def on_event(self, call: Call) -> list[Fault]:
        """Return the faults that hit an event."""
        return self._taken(call, events=True)

    def _taken(self, call: Call, *, events: bool) -> list[Fault]:
        return [
            armed.fault
            for armed in self._armed.values()
            if (armed.fault.kind in EVENT_KINDS) is events
            and armed.fault.kind is not FaultKind.CLOCK_SKEW
            and armed.hit(call)
        ]


def fault_of(data: bytes) -> Fault:
    """Return the fault that JSON *data* describes; raise :class:`ExchangeError` if it is none."""
    try:
        return msgspec.json.decode(data, type=Fault)
    except MALFORMED as error:
        raise ExchangeError(f"this is no fault: {error}", expected="fields of Fault") from None
