"""Which orders work in one instrument, until when, and what their groups want."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.execution.filters import refusal
from rustybt.execution.groups import Group
from rustybt.execution.latency import Requests
from rustybt.execution.working import ALWAYS, NEVER, Bounds, Working, traded_before
from rustybt.model.group import Reaction
from rustybt.model.money import ZERO
from rustybt.model.order import OrderState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rustybt.execution.desk import Desk
    from rustybt.execution.splits import Split
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


class Admission(NamedTuple):
    """An order that the venue takes, under which id, and until when it works."""

    order: Order
    venue_id: str
    expires: datetime | None


class Roster:
    """The working orders in one *instrument*, oldest first, and the *position* they made.

    A bar whose low stays above ``bounds.lower``, whose high stays below ``bounds.upper`` and that
    ends before *wake* changes nothing and need not be shown.
    """

    __slots__ = (
        "_desk",
        "_groups",
        "bounds",
        "instrument",
        "orders",
        "position",
        "requests",
        "wake",
    )

    def __init__(self, instrument: Instrument, desk: Desk) -> None:
        self.instrument = instrument
        self.position = ZERO
        self.bounds: Bounds = NEVER
        self.wake: datetime | None = None
        self.orders: dict[str, Working] = {}
        self._desk = desk
        self._groups: dict[str, Group] = {}
        self.requests = Requests(desk.rules)

    def accept(
        self,
        admissions: Sequence[Admission],
        now: datetime,
        spec: OrderGroup | None,
    ) -> None:
        """Take orders to work, the ones of the group *spec* if there is one."""
        group = None
        if spec is not None:
            group = Group.begin(spec, (order for order, _, _ in admissions))
            self._groups[spec.group_id] = group
        for admission in admissions:
            working = self._admit(admission, now, group)
            self._desk.update(working, OrderState.ACCEPTED, now)

    def resume(self, admission: Admission, now: datetime, group: Group | None) -> None:
        """Take an order back to work that was here before a restart."""
        if group is not None:
            self._groups[group.spec.group_id] = group
        self._admit(admission, now, group)

    def regroup(self, now: datetime) -> None:
        """Do what the rules of all groups want."""
        for group in list(self._groups.values()):
            self._regroup(group, now)

    def _admit(self, admission: Admission, now: datetime, group: Group | None) -> Working:
        """Keep an order that works from *now* on."""
        order, venue_id, expires = admission
        traded = traded_before(order, self.instrument)
        if order.fills:  # what is traded is counted here, apart from the terms
            order = replace(order, state=OrderState.ACCEPTED, fills=(), filled=ZERO)
        working = Working(order, venue_id, now, expires, traded)
        working.waiting = group is not None and group.holds_back(order.client_id)
        self.orders[order.client_id] = working
        if expires is not None and (self.wake is None or expires < self.wake):
            self.wake = expires
        return working

    def has_group(self, group_id: str | None) -> bool:
        """Tell whether orders of a group of that name are open."""
        return group_id in self._groups

    def cancel(self, client_id: str, now: datetime) -> None:
        """End an order, unless it has ended already and that was reported."""
        working = self.orders.get(client_id)
        if working is not None:
            self._close(working, OrderState.CANCELLED, now, "cancelled on request")

    def modify(self, terms: Order, now: datetime) -> None:
        """Give an order the quantity, price and trigger of *terms*, unless it has ended already.

        It goes to the end of the queue unless it only becomes smaller.
        """
        working = self.orders.get(terms.client_id)
        if working is None:
            return
        old = working.order
        trigger = old.trigger if terms.trigger is None else terms.trigger
        new = replace(old, quantity=terms.quantity, price=terms.price, trigger=trigger)
        refusal = self._refusal_of_terms(working, new)
        if refusal:
            self._desk.update(working, working.state, now, refusal)
            return
        if (new.price, new.trigger) != (old.price, old.trigger) or new.quantity > old.quantity:
            self.orders[new.client_id] = self.orders.pop(new.client_id)
            working.arrive(new, now)
        group = self._group(working)
        if group is not None:
            group.size(new.client_id, new.quantity)
        self._replace(working, new, now)
        self._regroup(group, now)

    def _refusal_of_terms(self, working: Working, new: Order) -> str:
        """Say why the venue does not take the terms of *new*, if it does not."""
        if new.quantity < working.traded.quantity:
            return f"{working.traded.quantity} are filled already, more than {new.quantity}"
        return refusal(self.instrument, new, None)

    def expire(self, now: datetime) -> None:
        """End the orders whose time is over at *now*."""
        self._expire(now)
        self.refresh()

    def refresh(self) -> None:
        """Work out again what the market has to do for anything to happen."""
        lower, upper = ALWAYS if self.requests else NEVER
        self.wake = None
        for working in self.orders.values():
            bounds = working.bounds
            lower, upper = max(lower, bounds.lower), min(upper, bounds.upper)
            expires = working.expires
            if expires is not None and (self.wake is None or expires < self.wake):
                self.wake = expires
        self.bounds = Bounds(lower, upper)

    def split(self, split: Split, now: datetime) -> None:
        """Bring the orders to the units and prices after a *split*.

        One of which nothing is left ends, and its whole group with it.
        """
        for group in list(self._groups.values()):
            if not group.split(split, self.instrument):
                self._dissolve(group, now)
        for working in list(self.orders.values()):
            if not working.split(split, self.instrument):
                self._close(working, OrderState.CANCELLED, now, _SPLIT_AWAY)
        self.refresh()

    def _dissolve(self, group: Group, now: datetime) -> None:
        """End all orders of *group*."""
        del self._groups[group.spec.group_id]
        for client_id in group.spec.members:
            working = self.orders.get(client_id)
            if working is not None:
                self._remove(working)
                self._desk.update(working, OrderState.CANCELLED, now, _SPLIT_AWAY)

    def _expire(self, until: datetime, *, inside: bool = False) -> None:
        """End the orders whose time is over at *until*, or before it if *inside*."""
        if self.wake is None or self.wake > until:
            return
        for working in list(self.orders.values()):
            expires = working.expires
            if expires is None or working.order.client_id not in self.orders:
                continue  # the end of an entry has ended its exits
            if expires < until or (expires == until and not inside):
                self._close(working, OrderState.EXPIRED, expires, "its time was over")

    def _close(self, working: Working, state: OrderState, time: datetime, reason: str) -> None:
        """End an order and say so."""
        self._remove(working)
        self._desk.update(working, state, time, reason)
        group = self._group(working)
        if group is not None:
            group.move(working.order.client_id, state)
            self._regroup(group, time)

    def _remove(self, working: Working) -> None:
        """Forget an order that has ended."""
        del self.orders[working.order.client_id]
        self._desk.ended(working.order.client_id)

    def _group(self, working: Working) -> Group | None:
        """Return the group of an order, if it is in one."""
        group_id = working.order.group
        return None if group_id is None else self._groups[group_id]

    def _regroup(self, group: Group | None, time: datetime) -> None:
        """Do what the rules of *group* want, until they want nothing more."""
        if group is None:
            return
        while actions := group.reactions():
            action = actions[0]
            working = self.orders[action.client_id]
            if action.reaction is Reaction.CANCEL:
                reason = f"another order of group {group.spec.group_id!r} ended it"
                self._remove(working)
                self._desk.update(working, OrderState.CANCELLED, time, reason)
                group.move(action.client_id, OrderState.CANCELLED)
                continue
            new = replace(working.order, quantity=action.quantity)
            group.size(new.client_id, new.quantity)
            if action.reaction is Reaction.SUBMIT:
                group.submit(action.client_id)
                working.waiting = False
            if new.quantity != working.order.quantity:
                self._replace(working, new, time)
        if group.is_over:
            self._groups.pop(group.spec.group_id, None)

    def _replace(self, working: Working, new: Order, time: datetime) -> None:
        """Give an order the terms of *new*; one with nothing left to fill has ended."""
        working.order = new
        self._desk.replace(new, time)
        if not working.leaves:
            self._remove(working)


_SPLIT_AWAY = "nothing of it is left after a split"
