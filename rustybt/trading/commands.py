"""What a trading engine wants done, after each event: data that a runner carries out in order.

A command is journaled before it is carried out. ``record()`` gives what is kept of it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from rustybt.model.group import OrderGroup
from rustybt.model.order import Order

if TYPE_CHECKING:
    from rustybt.model.approval import RiskApproved


class OrdersSubmitted(Struct, frozen=True, kw_only=True, tag="submit", forbid_unknown_fields=True):
    """These orders were about to be sent; what is kept of :class:`Submit`."""

    orders: tuple[Order, ...]
    group: OrderGroup | None = None


class OrderModified(Struct, frozen=True, kw_only=True, tag="modify", forbid_unknown_fields=True):
    """These terms were about to be asked for; what is kept of :class:`Modify`."""

    order: Order


class Submit:
    """Send approved orders: any number on their own, or all those of one *group*."""

    __slots__ = ("approved", "group")

    def __init__(self, approved: tuple[RiskApproved, ...], group: OrderGroup | None = None) -> None:
        self.approved = approved
        self.group = group

    def record(self) -> OrdersSubmitted:
        """Return what is journaled."""
        return OrdersSubmitted(orders=tuple(each.order for each in self.approved), group=self.group)


class Modify:
    """Ask for the quantity, price and trigger of an approved order for the one with its id."""

    __slots__ = ("approved",)

    def __init__(self, approved: RiskApproved) -> None:
        self.approved = approved

    def record(self) -> OrderModified:
        """Return what is journaled."""
        return OrderModified(order=self.approved.order)


class _Plain(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A command that is journaled as it is."""

    def record(self) -> _Plain:
        """Return what is journaled."""
        return self


class Cancel(_Plain, frozen=True, kw_only=True, tag="cancel"):
    """Ask for the end of an order."""

    client_id: str
    symbol: str
    venue_id: str | None = None


class Query(_Plain, frozen=True, kw_only=True, tag="query"):
    """Ask the venue what it knows of an order."""

    client_id: str
    symbol: str
    venue_id: str | None = None


class TakeSnapshot(_Plain, frozen=True, kw_only=True, tag="take_snapshot"):
    """Ask for balances, open orders, and trades *since* a time (``None``: all there are)."""

    reason: str
    since: datetime | None = None


class SetTimer(_Plain, frozen=True, kw_only=True, tag="set_timer"):
    """Tell the engine ``TimerFired(name)`` at *due*; an earlier timer of that name is forgotten."""

    name: str
    due: datetime


class ClearTimer(_Plain, frozen=True, kw_only=True, tag="clear_timer"):
    """Forget a timer."""

    name: str


class Severity(StrEnum):
    """How soon somebody has to look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(_Plain, frozen=True, kw_only=True, tag="alert"):
    """Tell people. *kind* is what rules and deduplication go by."""

    kind: str
    severity: Severity
    message: str
    details: dict[str, str] = {}


class KeepState(_Plain, frozen=True, kw_only=True, tag="keep_state"):
    """The strategy's own state changed; *state* is its JSON as text."""

    state: str


class Note(_Plain, frozen=True, kw_only=True, tag="note"):
    """Something for the audit log alone.

    A denial, a declined wish, a discrepancy and what became of it, the breaker tripped or reset.
    """

    kind: str
    message: str
    details: dict[str, str] = {}


class End(_Plain, frozen=True, kw_only=True, tag="end"):
    """Everything is done: stop the runner. *code* is the exit code of the process."""

    reason: str
    code: int = 0


Command = (
    Submit
    | Modify
    | Cancel
    | Query
    | TakeSnapshot
    | SetTimer
    | ClearTimer
    | Alert
    | KeepState
    | Note
    | End
)
"""Everything that a trading engine can want."""

Recorded = (
    OrdersSubmitted
    | OrderModified
    | Cancel
    | Query
    | TakeSnapshot
    | SetTimer
    | ClearTimer
    | Alert
    | KeepState
    | Note
    | End
)
"""What is kept of commands."""
