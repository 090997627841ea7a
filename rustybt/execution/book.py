"""What the market does to the working orders in one instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.execution.market import BarScene, QuoteScene, path
from rustybt.execution.roster import Roster
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add
from rustybt.model.order import OrderState, TimeInForce

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from rustybt.execution.desk import Desk
    from rustybt.execution.market import BarView, Scene
    from rustybt.execution.working import Working
    from rustybt.model.bar import Quote
    from rustybt.model.instrument import Instrument


class Book(Roster):
    """The working orders in one instrument, and their trading with bars and quotes."""

    __slots__ = ("_quote", "_used")

    def __init__(self, instrument: Instrument, desk: Desk) -> None:
        super().__init__(instrument, desk)
        self._used: tuple[datetime | None, Decimal] = (None, ZERO)
        self._quote: QuoteScene | None = None

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

    # What happens to orders

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


def _why_not(working: Working, allowed: Decimal, quantity: Decimal) -> str:
    """Say why an order ends instead of trading *quantity*, nothing if it does not."""
    if not allowed:
        return "there is no position left to reduce"
    if working.order.time_in_force is TimeInForce.FOK and quantity < working.leaves:
        return f"fill or kill, and only {quantity} could be traded"
    return ""
