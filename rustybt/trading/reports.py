"""What a venue says beyond the life of one order: answers to questions, and requests gone wrong.

Like the events of :mod:`rustybt.model.event` these are immutable facts with the time at which they
became known; together they are everything that a trading engine can be told.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.model.event import Event
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument, Side
from rustybt.model.money import ZERO
from rustybt.model.order import OrderState, OrderType


class _Report(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What all reports share. *time* is when the fact became known here, in UTC."""

    time: datetime

    def __post_init__(self) -> None:
        problems = Problems()
        problems.time("time", self.time)
        problems.refuse("report", type(self).__name__)


class VenueOrder(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An order as the venue has it. *client_id* is ``None`` where the venue knows none."""

    client_id: str | None
    venue_id: str
    symbol: str
    side: Side
    quantity: Decimal
    filled: Decimal
    state: OrderState
    type: OrderType | None = None
    price: Decimal | None = None
    trigger: Decimal | None = None
    reason: str = ""


class Balance(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What an account has of one currency: *free*, and *used* by open orders."""

    currency: str
    free: Decimal
    used: Decimal = ZERO


class Request(StrEnum):
    """What was asked of a venue."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    MODIFY = "modify"
    QUERY = "query"
    SNAPSHOT = "snapshot"


class Outcome(StrEnum):
    """How a request went wrong."""

    REFUSED = "refused"
    """The venue answered that it will not: nothing has happened there."""
    NOT_SENT = "not_sent"
    """It never left this machine, for certain: nothing has happened there."""
    UNKNOWN = "unknown"
    """It may have arrived: a time-out, a 5xx, a dropped connection, an unreadable reply."""


class RequestFailed(_Report, frozen=True, kw_only=True, tag="request_failed"):
    """A request came to nothing, or nobody knows what it came to.

    *retry_after* is how many seconds the venue wants to be left alone. *client_id* is ``None`` for
    requests that are about no order.
    """

    request: Request
    outcome: Outcome
    reason: str
    client_id: str | None = None
    retry_after: int | None = None


class OrderFound(_Report, frozen=True, kw_only=True, tag="order_found"):
    """The answer to a query: the order, and all its trades that the venue knows by now."""

    client_id: str
    order: VenueOrder
    fills: tuple[Fill, ...] = ()


class OrderMissing(_Report, frozen=True, kw_only=True, tag="order_missing"):
    """The answer to a query: the venue knows no such order (yet)."""

    client_id: str
    reason: str = ""


class VenueSnapshot(_Report, frozen=True, kw_only=True, tag="venue_snapshot"):
    """The account as the venue has it.

    *asked* is when the first of the requests left: what happened here between it and *time* may or
    may not be in it. *orders* are all open ones. *fills* are our trades from *since* on (``None``:
    as far back as the venue goes); *complete* says whether there is none missing between.
    *positions* are given by venues that have them (futures); where they are ``None`` the balances
    of the base currencies are the positions.
    """

    asked: datetime
    balances: tuple[Balance, ...]
    orders: tuple[VenueOrder, ...]
    fills: tuple[Fill, ...]
    since: datetime | None = None
    complete: bool = True
    positions: dict[str, Decimal] | None = None


class InstrumentsChanged(_Report, frozen=True, kw_only=True, tag="instruments_changed"):
    """The venue trades these *instruments*, by these filters, from now on; *gone* no more."""

    instruments: tuple[Instrument, ...]
    gone: tuple[str, ...] = ()


class SessionStarted(_Report, frozen=True, kw_only=True, tag="session_started"):
    """A run of the engine begins.

    *clock* is ``wall``, ``scaled`` or ``simulated``; *mode* ``paper``, ``live`` or ``simulation``;
    *account* names the account at the venue; *digest* is that of settings and strategy.
    """

    session: str
    mode: str
    clock: str
    venue: str
    account: str
    strategy: str
    digest: str
    version: str


class SessionStopped(_Report, frozen=True, kw_only=True, tag="session_stopped"):
    """A run of the engine ended by itself; one that was killed has no such record."""

    reason: str
    planned: bool = True


class Heartbeat(_Report, frozen=True, kw_only=True, tag="heartbeat"):
    """The engine is alive; *states* are those of its components, by name."""

    states: dict[str, str] = {}


Report = (
    RequestFailed
    | OrderFound
    | OrderMissing
    | VenueSnapshot
    | InstrumentsChanged
    | SessionStarted
    | SessionStopped
    | Heartbeat
)
"""What only a trading engine is told."""

EngineEvent = Event | Report
"""Everything that a trading engine is told."""
