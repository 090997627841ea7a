"""The event that answers a modification."""

from __future__ import annotations

from decimal import Decimal

from rustybt.model.checks import Problems
from rustybt.model.event import _Event


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
