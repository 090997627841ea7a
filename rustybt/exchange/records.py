"""What the practice exchange keeps: orders, trades, balances; each an immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, divide, subtract
from rustybt.model.order import OrderType, TimeInForce

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(time: datetime) -> int:
    """Return the whole milliseconds from the epoch to *time*."""
    return (time - _EPOCH) // _MILLISECOND


def instant(milliseconds: int) -> datetime:
    """Return the instant that is *milliseconds* after the epoch, UTC."""
    return _EPOCH + milliseconds * _MILLISECOND


class Kind(StrEnum):
    """The order types of the wire."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


MODEL_TYPES: Final[Mapping[Kind, OrderType]] = MappingProxyType(
    {
        Kind.LIMIT: OrderType.LIMIT,
        Kind.LIMIT_MAKER: OrderType.LIMIT,
        Kind.MARKET: OrderType.MARKET,
        Kind.STOP_LOSS: OrderType.STOP,
        Kind.STOP_LOSS_LIMIT: OrderType.STOP_LIMIT,
        Kind.TAKE_PROFIT: OrderType.TAKE_PROFIT,
        Kind.TAKE_PROFIT_LIMIT: OrderType.TAKE_PROFIT,
    }
)
PRICED: Final = frozenset(
    {Kind.LIMIT, Kind.LIMIT_MAKER, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT}
)
STOPPED: Final = frozenset(
    {Kind.STOP_LOSS, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT}
)
TIMED: Final = frozenset({Kind.LIMIT, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT})
"""The types that need a time in force."""


class Status(StrEnum):
    """The states of an order on the wire."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


OPEN: Final = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


class Execution(StrEnum):
    """Why the user stream reports an order."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class FeeIn(StrEnum):
    """The currency that fees are taken in."""

    QUOTE = "quote"
    """Always the quote currency: a buy pays it on top."""
    RECEIVED = "received"
    """What the trade brings in: a buy gets less of the base, a sale less of the quote."""


class Trading(StrEnum):
    """Whether a symbol trades."""

    TRADING = "TRADING"
    BREAK = "BREAK"
    """Halted: nothing is accepted and nothing trades, orders stay."""
    DELISTED = "DELISTED"
    """Gone: its orders expire, it is no longer listed."""


class OrderRequest(Struct, frozen=True, kw_only=True):
    """What a client asks for. *client_id* empty means: let the venue name it."""

    symbol: str
    side: Side
    kind: Kind
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_id: str = ""


class OrderRecord(Struct, frozen=True, kw_only=True):
    """An order as the venue knows it.

    *locked* is what it still holds back, in *lock_asset*; *arrived* how many bars of its symbol had
    been shown when it was accepted; *triggered* whether its stop price was reached; *cancel_id* the
    name that the cancel was given by who asked for it.
    """

    account: str
    order_id: int
    client_id: str
    symbol: str
    side: Side
    kind: Kind
    quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    quote_quantity: Decimal | None
    time_in_force: TimeInForce
    created: datetime
    updated: datetime
    lock_asset: str
    locked: Decimal
    status: Status = Status.NEW
    filled: Decimal = ZERO
    value: Decimal = ZERO
    maker_value: Decimal = ZERO
    triggered: bool = False
    arrived: int = 0
    cancel_id: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.status in OPEN

    @property
    def leaves(self) -> Decimal:
        """Quantity not filled yet."""
        return subtract(self.quantity, self.filled)

    @property
    def average_price(self) -> Decimal:
        """Average price of what was filled, to 40 digits; 0 before the first trade."""
        return divide(self.value, self.filled) if self.filled else ZERO

    @property
    def is_working(self) -> bool:
        """Whether it is in the book: a stop is not before its trigger."""
        return self.kind not in STOPPED or self.triggered


class TradeRecord(Struct, frozen=True, kw_only=True):
    """One trade of an account; *value* is price times quantity, *fee* is in *fee_asset*."""

    account: str
    trade_id: int
    order_id: int
    client_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    value: Decimal
    fee: Decimal
    fee_asset: str
    time: datetime
    maker: bool


class Balance(Struct, frozen=True):
    """What an account has of one asset, and how much of it orders hold back."""

    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of it."""
        return add(self.free, self.locked)


class Report(Struct, frozen=True, kw_only=True):
    """What subscribers of the user stream are told; *balances* are those that changed."""

    account: str
    time: datetime
    execution: Execution
    order: OrderRecord
    trade: TradeRecord | None = None
    balances: dict[str, Balance] = {}
