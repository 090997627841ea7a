"""The working orders in one instrument, and what the market does to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from rustybt.execution.filters import refusal
from rustybt.execution.groups import Group
from rustybt.execution.latency import Requests
from rustybt.execution.market import BarScene, QuoteScene, path
from rustybt.execution.working import ALWAYS, NEVER, Bounds, Working, traded_before
from rustybt.model.group import Reaction
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add
from rustybt.model.order import OrderState, TimeInForce

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from rustybt.execution.desk import Desk
    from rustybt.execution.market import BarView, Scene
    from rustybt.model.bar import Quote
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


class Admission(NamedTuple):
    """An order that the venue takes, under which id, and until when it works."""

    order: Order
    venue_id: str
    expires: datetime | None


class Book:
    """The working orders in one *instrument*, oldest first, and the *position* they made.

    A bar whose low stays above ``bounds.lower``, whose high stays below ``bounds.upper`` and that
    ends before *wake* changes nothing and need not be shown.
    """

    __slots__ = (
        "_desk",
        "_groups",
        "_quote",
        "_used",
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
        self._used: tuple[datetime | None, Decimal] = (None, ZERO)
        self._quote: QuoteScene | None = None

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

    # Market data

    def idle(self, bar: BarView) -> bool:
        """Tell whether *bar* changes nothing: two comparisons, three if an order can expire."""
        bounds = self.bounds
        return (
            bar.low > bounds.lower
            and bar.high < bounds.upper
            and (self.wake is None or bar.end < self.wake)
        )

    def trade_bar(self, bar: BarView) -> None:
        """Match the orders that were here before *bar* began."""
        self.requests.receive(bar.start)
        self._expire(bar.start)
        scene = BarScene(bar, self.instrument, self._desk.rules)
        self._settle(scene)
        # What ends within the bar has seen its open; when the rest was is not known.
        self._expire(bar.end, inside=True)
        scene.time = bar.end
        if self.orders:
            self._walk(scene, bar)
            self._expire(bar.end)
        self._used = bar.end, scene.used
        self.refresh()

    def _walk(self, scene: BarScene, bar: BarView) -> None:
        """Go from the open of *bar* to its close."""
        sides = {each.order.side for each in self._present(scene) if not each.order.reduce_only}
        for target in path(bar, self._desk.rules.policy, self.position, sides):
            rising = target > scene.at
            while (level := self._next_level(scene, target, rising=rising)) is not None:
                scene.at = level
                self._settle(scene)
            scene.at = target
            self._settle(scene)

    def _next_level(self, scene: BarScene, target: Decimal, *, rising: bool) -> Decimal | None:
        """Return the first price on the way to *target* at which an order reacts."""
        levels = [
            working.level
            for working in self._present(scene)
            if working.level is not None and working.above is rising and working.hits(target)
        ]
        return (min(levels) if rising else max(levels)) if levels else None

    def trade_close(self, bar: BarView, now: datetime) -> None:
        """Match at the close of *bar*, which has been seen already."""
        scene = BarScene(bar, self.instrument, self._desk.rules)
        scene.start = scene.time = now
        scene.at = bar.close
        end, used = self._used
        if end == bar.end:
            scene.used = used
        self._settle(scene)
        self._used = bar.end, scene.used
        self.refresh()

    def trade_quote(self, quote: Quote, now: datetime) -> None:
        """Match against *quote* as it stands at *now*."""
        self.requests.receive(now)
        self._expire(now)
        scene = self._quote
        if scene is None or scene.quote != quote:
            scene = self._quote = QuoteScene(quote, self.instrument, self._desk.rules)
        scene.start = scene.time = now
        self._settle(scene)
        self.refresh()

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

    # What happens to orders

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

    def _present(self, scene: Scene) -> list[Working]:
        """Return the orders that have a part in *scene*, oldest first."""
        return [
            working
            for working in self.orders.values()
            if working.since <= scene.start and not working.waiting and working.spent is not scene
        ]

    def _settle(self, scene: Scene) -> None:
        """Let everything happen that the price reached makes happen."""
        while (working := self._next(scene)) is not None:
            if working.awake:
                self._trade(working, scene)
            else:
                self._trigger(working, scene)
        if self.orders:
            self._rest(scene)

    def _next(self, scene: Scene) -> Working | None:
        """Return the oldest order that reacts to the price reached."""
        for working in self._present(scene):
            price = scene.price(working.order.side)
            if working.trails:
                working.follow(price, self.instrument.tick)
            if working.hits(price):
                return working
        return None

    def _rest(self, scene: Scene) -> None:
        """Let the orders stand in the book that found nothing to trade with."""
        for working in self._present(scene):
            working.fresh = False
            if not working.awake:
                continue
            working.rested = True
            if working.at_once:
                reason = "there was nothing to trade with at once"
                self._close(working, OrderState.CANCELLED, scene.time, reason)

    def _trigger(self, working: Working, scene: Scene) -> None:
        """Let an order go to work whose trigger is reached."""
        working.awaken()
        self._desk.update(working, OrderState.TRIGGERED, scene.time)
        group = self._group(working)
        if group is not None:
            group.move(working.order.client_id, OrderState.TRIGGERED)
            self._regroup(group, scene.time)

    def _trade(self, working: Working, scene: Scene) -> None:
        """Trade as much of an order as may be; it then has no more part in *scene*."""
        working.spent = scene
        rested = working.rested
        working.fresh, working.rested = False, True
        if working.order.post_only and not rested:
            # Modified into the market after it had traded, it can no longer be rejected.
            state = OrderState.CANCELLED if working.traded.quantity else OrderState.REJECTED
            self._close(working, state, scene.time, "post-only, and it would have traded at once")
            return
        allowed = self._allowed(working)
        quantity = min(allowed, scene.left(working.order, rested=rested))
        reason = _why_not(working, allowed, quantity)
        if not reason and quantity:
            self._fill(working, quantity, scene, rested=rested)
        if not reason and working.at_once and working.order.client_id in self.orders:
            reason = "the rest could not be traded at once"
        if reason:
            self._close(working, OrderState.CANCELLED, scene.time, reason)

    def _allowed(self, working: Working) -> Decimal:
        """Return how much an order may trade: of a reduce-only one what the position has."""
        leaves = working.leaves
        if not working.order.reduce_only:
            return leaves
        buys = working.order.side is Side.BUY
        against = self.position < ZERO if buys else self.position > ZERO
        held = self.position.copy_abs() if against else ZERO
        return leaves if leaves <= held else self.instrument.round_quantity(held)

    def _fill(self, working: Working, quantity: Decimal, scene: Scene, *, rested: bool) -> None:
        """Trade *quantity* of an order, which *rested* before or did not."""
        order = working.order
        if working.is_limit:
            price = scene.limit_price(order, rested=rested)
        else:
            price = scene.taking_price(order.side, quantity)
        maker = working.is_limit and rested
        fill = self._desk.trade(working, self.instrument, quantity, price, scene.time, maker=maker)
        scene.take(order.side, quantity)
        self.position = add(self.position, fill.signed_quantity)
        if not working.leaves:
            self._remove(working)
        group = self._group(working)
        if group is not None:
            group.fill(fill)
            self._regroup(group, scene.time)

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


def _why_not(working: Working, allowed: Decimal, quantity: Decimal) -> str:
    """Say why an order ends instead of trading *quantity*, nothing if it does not."""
    if not allowed:
        return "there is no position left to reduce"
    if working.order.time_in_force is TimeInForce.FOK and quantity < working.leaves:
        return f"fill or kill, and only {quantity} could be traded"
    return ""
