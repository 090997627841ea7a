"""The port to a venue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.model.approval import RiskApproved
    from rustybt.model.group import OrderGroup


VenueEvent = OrderUpdated | OrderFilled | OrderReplaced
"""What a venue has to say about an order."""


class Broker(Protocol):
    """Where approved orders go.

    No method waits for the venue or says how it went: replies come back as events, through
    whatever was given to the broker when it was made. A request that gets no reply leaves its
    order in flight; it is never repeated blindly. Nothing but an approved order can be sent, and a
    cancel needs no approval.

    A broker that cannot honour a property of an order (reduce-only, post-only, a group) refuses
    the order; it never drops the property.
    """

    def submit(self, orders: Sequence[RiskApproved], group: OrderGroup | None = None) -> None:
        """Send *orders*: any number that are on their own, or all those of one *group*."""
        ...

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order."""
        ...

    def modify(self, order: RiskApproved) -> None:
        """Ask for the quantity, price and trigger of *order* for the one with its client id."""
        ...
