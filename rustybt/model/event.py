"""Events: immutable facts that the engine is told, each with the time at which it became known."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.model.bar import Bar, Quote
from rustybt.model.checks import Problems
from rustybt.model.fill import Fill
from rustybt.model.order import OrderState


class _Event(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """What all events share. *time* is when the fact became known here, in UTC."""

    time: datetime

    def __post_init__(self) -> None:
        problems = Problems()
        problems.time("time", self.time)
        self._check(problems)
        problems.refuse("event", type(self).__name__)

    def _check(self, problems: Problems) -> None:
        """Add what is wrong with the fields of the event's own."""


class BarClosed(_Event, frozen=True, kw_only=True, tag="bar_closed"):
    """A bar is complete."""

    bar: Bar

    def _check(self, problems: Problems) -> None:
        if not problems and self.time < self.bar.end:
            problems.append(f"it is known at {self.time}, the bar only ends at {self.bar.end}")


class QuoteChanged(_Event, frozen=True, kw_only=True, tag="quote_changed"):
    """The best bid or offer changed."""

    quote: Quote


class OrderUpdated(_Event, frozen=True, kw_only=True, tag="order_updated"):
    """The venue, or the lack of its reply, says something about an order's state."""

    client_id: str
    state: OrderState
    venue_id: str | None = None
    reason: str = ""

    def _check(self, problems: Problems) -> None:
        problems.text("client_id", self.client_id)
        problems.member("state", self.state, OrderState)


class OrderFilled(_Event, frozen=True, kw_only=True, tag="order_filled"):
    """The venue reports a trade of ours."""

    fill: Fill


class OrderReplaced(_Event, frozen=True, kw_only=True, tag="order_replaced"):
    """The venue modified an order; the terms are the ones now in force.

    *quantity* is the total, fills included. *venue_id* is given when the venue replaced the order
    by a new one.
    """

    client_id: str
    quantity: Decimal
    price: Decimal | None = None
    trigger: Decimal | None = None
    venue_id: str | None = None

    def _check(self, problems: Problems) -> None:
        problems.text("client_id", self.client_id)
        problems.positive("quantity", self.quantity)
        if self.price is not None:
            problems.number("price", self.price)
        if self.trigger is not None:
            problems.number("trigger", self.trigger)


class TimerFired(_Event, frozen=True, kw_only=True, tag="timer_fired"):
    """A timer that was asked for is due."""

    name: str

    def _check(self, problems: Problems) -> None:
        problems.text("name", self.name)


class OperatorCommand(_Event, frozen=True, kw_only=True, tag="operator_command"):
    """A named person told the engine to do something, and why."""

    command: str
    operator: str
    reason: str
    arguments: dict[str, str] = {}

    def _check(self, problems: Problems) -> None:
        problems.text("command", self.command)
        problems.text("operator", self.operator)
        problems.text("reason", self.reason)


class ConnectionLost(_Event, frozen=True, kw_only=True, tag="connection_lost"):
    """A feed, a user stream or the venue cannot be reached any more."""

    component: str
    reason: str

    def _check(self, problems: Problems) -> None:
        problems.text("component", self.component)


class ConnectionRestored(_Event, frozen=True, kw_only=True, tag="connection_restored"):
    """It can be reached again; what happened meanwhile is still to be asked for."""

    component: str

    def _check(self, problems: Problems) -> None:
        problems.text("component", self.component)


class _BookEntry(_Event, frozen=True, kw_only=True):
    """A change of the books that is no trade; *entry_id* is what repeats are known by."""

    entry_id: str

    def _check(self, problems: Problems) -> None:
        problems.text("entry_id", self.entry_id)


class CashMoved(_BookEntry, frozen=True, kw_only=True, tag="cash_moved"):
    """A deposit (positive) or withdrawal (negative) of *amount* in *currency*."""

    currency: str
    amount: Decimal

    def _check(self, problems: Problems) -> None:
        super()._check(problems)
        problems.text("currency", self.currency)
        problems.number("amount", self.amount)


class DividendPaid(_BookEntry, frozen=True, kw_only=True, tag="dividend_paid"):
    """A distribution of *per_unit* quote currency per unit held; who is short pays it."""

    symbol: str
    per_unit: Decimal

    def _check(self, problems: Problems) -> None:
        super()._check(problems)
        problems.text("symbol", self.symbol)
        problems.not_negative("per_unit", self.per_unit)


_LARGEST_RATIO = 1_000_000


def _is_ratio(value: object) -> bool:
    """Tell whether *value* can be one side of a split."""
    return type(value) is int and 1 <= value <= _LARGEST_RATIO


class SharesSplit(_BookEntry, frozen=True, kw_only=True, tag="shares_split"):
    """Every *old* units became *new* units.

    *price* (after the split, in quote currency) pays for what does not make a whole lot any more;
    that cash is rounded to *cent*.
    """

    symbol: str
    new: int
    old: int
    price: Decimal | None = None
    cent: Decimal = Decimal("0.01")

    def _check(self, problems: Problems) -> None:
        super()._check(problems)
        problems.text("symbol", self.symbol)
        if not (_is_ratio(self.new) and _is_ratio(self.old)):
            problems.append(
                f"new and old must be from 1 to {_LARGEST_RATIO}, not {self.new} and {self.old}"
            )
        if self.price is not None:
            problems.not_negative("price", self.price)
        problems.positive("cent", self.cent)


class ChargeKind(StrEnum):
    """What a charge is for."""

    BORROW = "borrow"
    FUNDING = "funding"
    INTEREST = "interest"
    OTHER = "other"


class Charged(_BookEntry, frozen=True, kw_only=True, tag="charged"):
    """A cost of holding: *amount* of *currency* paid (positive) or received (negative)."""

    kind: ChargeKind
    currency: str
    amount: Decimal
    symbol: str | None = None

    def _check(self, problems: Problems) -> None:
        super()._check(problems)
        problems.member("kind", self.kind, ChargeKind)
        problems.text("currency", self.currency)
        problems.number("amount", self.amount)
        if self.symbol is not None:
            problems.text("symbol", self.symbol)


BookEntry = CashMoved | DividendPaid | SharesSplit | Charged
"""What changes the books without being a trade."""

Event = (
    BarClosed
    | QuoteChanged
    | OrderUpdated
    | OrderFilled
    | OrderReplaced
    | TimerFired
    | OperatorCommand
    | ConnectionLost
    | ConnectionRestored
    | BookEntry
)
"""Every fact that the engine can be told."""
