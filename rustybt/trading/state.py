"""Everything that a trading engine has to know after a restart, as one value."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.accounting.state import CostMethod, LedgerState
from rustybt.model.bar import Bar
from rustybt.model.group import OrderGroup
from rustybt.model.order import Order
from rustybt.risk.breaker import Breaker

EMPTY_BOOKS = LedgerState(
    method=CostMethod.AVERAGE,
    books=(),
    cash={},
    deposits={},
    income={},
    charges={},
    other_fees={},
    entries=(),
)


class Phase(StrEnum):
    """How far the start-up is."""

    IDLE = "idle"
    """No session has begun."""
    ASKING = "asking"
    """Orders whose end is unknown are being asked for."""
    COMPARING = "comparing"
    """The account is being compared with the venue's."""
    READY = "ready"


class Inquiry(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A doubt about an order.

    *since* is when it came up, *tries* how often the venue was asked and *missing* how often it
    knew no such order; *asked* is when the question left that has no answer yet. *failed* says
    that no answer to the request itself will come any more.
    """

    since: datetime
    tries: int = 0
    missing: int = 0
    asked: datetime | None = None
    failed: bool = False


class EngineState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the journal adds up to: ``state == fold(journal)``.

    It can be written with :mod:`rustybt.model.codec` and read again. *counter* is the number of
    the last client id of *session*; *watermark* the time up to which all trades are known;
    *suspects* are differences from the venue that were seen once, by key.
    """

    time: datetime | None = None
    prefix: str = ""
    currency: str = ""
    symbols: tuple[str, ...] = ()
    window: int = 60
    session: int = 0
    session_id: str = ""
    counter: int = 0
    phase: Phase = Phase.IDLE
    enabled: bool = False
    enable_by: str = ""
    stopping: str = ""
    flattening: str = ""
    breaker: Breaker = Breaker()
    orders: tuple[Order, ...] = ()
    groups: dict[str, OrderGroup] = {}
    ledger: LedgerState = EMPTY_BOOKS
    gone: tuple[str, ...] = ()
    strategy_state: str = "{}"
    inquiries: dict[str, Inquiry] = {}
    cancels: dict[str, int] = {}
    terms: dict[str, Order] = {}
    sent: tuple[datetime, ...] = ()
    errors: tuple[datetime, ...] = ()
    rejections: int = 0
    day: str = ""
    day_start: Decimal | None = None
    peak: Decimal | None = None
    prices: dict[str, Decimal] = {}
    heard: dict[str, datetime] = {}
    bars: dict[str, datetime] = {}
    gathering: dict[str, Bar] = {}
    lost: dict[str, str] = {}
    timers: dict[str, datetime] = {}
    snapshot_asked: datetime | None = None
    snapshot_failures: int = 0
    watermark: datetime | None = None
    touched: dict[str, datetime] = {}
    booked: datetime | None = None
    trades: int = 0
    suspects: dict[str, str] = {}
    reported: dict[str, str] = {}
    opened: bool = False
    set_aside: dict[str, Decimal] = {}
    skew: int | None = None
