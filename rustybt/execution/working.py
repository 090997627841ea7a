"""An order at work in a simulated venue, and the prices at which it has to be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from rustybt.execution.costs import Traded
from rustybt.execution.market import INFINITY
from rustybt.execution.splits import split_terms
from rustybt.model.fill import Liquidity
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, Rounding, add, subtract
from rustybt.model.order import OrderState, OrderType, TimeInForce

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from rustybt.execution.splits import Split
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order

_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_UNCONDITIONAL = frozenset({OrderType.MARKET, OrderType.LIMIT})


class Bounds(NamedTuple):
    """A market whose low stays above *lower* and whose high stays below *upper* does nothing."""

    lower: Decimal
    upper: Decimal


ALWAYS: Final = Bounds(INFINITY, INFINITY.copy_negate())
NEVER: Final = Bounds(INFINITY.copy_negate(), INFINITY)


class Working:
    """One order as the venue keeps it.

    *awake* is whether it can trade (a stop cannot before its trigger), *waiting* whether it is the
    exit of a bracket that has nothing to exit yet, *fresh* whether it has seen no market yet,
    *rested* whether it stood in the book before the market came to it. *spent* is the last scene in
    which it could do no more. The order reacts when the price reaches *level*, from below if
    *above*; without a level any price will do.
    """

    __slots__ = (
        "above",
        "at_once",
        "awake",
        "best",
        "expires",
        "fresh",
        "level",
        "order",
        "rested",
        "since",
        "spent",
        "traded",
        "venue_id",
        "waiting",
    )

    def __init__(
        self,
        order: Order,
        venue_id: str,
        since: datetime,
        expires: datetime | None,
        traded: Traded,
    ) -> None:
        self.venue_id = venue_id
        self.expires = expires
        self.at_once = order.time_in_force in _AT_ONCE
        self.awake = order.triggered or order.type in _UNCONDITIONAL
        self.waiting = False
        self.best: Decimal | None = None
        self.spent: object = None
        self.traded = traded
        self.arrive(order, since)

    def arrive(self, order: Order, since: datetime) -> None:
        """Work as *order* says, in a market that begins at *since* or later."""
        self.order = order
        self.since = since
        self.fresh = True
        self.rested = False
        self._aim()

    def split(self, split: Split, instrument: Instrument) -> bool:
        """Count in units and prices after *split*; return False if nothing is left to trade."""
        lot, traded = instrument.lot, self.traded
        leaves = split.units(self.leaves, lot)
        self.traded = replace(traded, quantity=split.units(traded.quantity, lot))
        if not leaves:
            return False
        if self.best is not None:
            self.best = split.price(self.best, instrument.tick, Rounding.NEAREST)
        quantity = add(self.traded.quantity, leaves)
        self.order = replace(split_terms(self.order, split, instrument), quantity=quantity)
        self._aim()
        return True

    def _aim(self) -> None:
        """Work out the level and its side."""
        order = self.order
        buy = order.side is Side.BUY
        if self.awake:
            self.level = order.price
            self.above = not buy
        else:
            self.level = order.trigger
            self.above = buy is not (order.type is OrderType.TAKE_PROFIT)

    @property
    def leaves(self) -> Decimal:
        """Quantity not filled yet."""
        return subtract(self.order.quantity, self.traded.quantity)

    @property
    def state(self) -> OrderState:
        """The state of an order that works like this one."""
        if self.traded.quantity:
            return OrderState.PARTIALLY_FILLED
        triggered = self.awake and self.order.type not in _UNCONDITIONAL
        return OrderState.TRIGGERED if triggered else OrderState.ACCEPTED

    @property
    def is_limit(self) -> bool:
        """Whether it trades at a limit or better, not at whatever price there is."""
        return self.order.price is not None

    @property
    def trails(self) -> bool:
        """Whether its trigger follows the market."""
        return not self.awake and self.order.type is OrderType.TRAILING_STOP

    @property
    def bounds(self) -> Bounds:
        """The prices between which nothing can happen to it."""
        if self.waiting:
            return NEVER
        level = self.level
        if self.fresh or level is None:
            return ALWAYS
        if self.best is not None and self.trails:
            return Bounds(self.best, level) if self.above else Bounds(level, self.best)
        return Bounds(NEVER.lower, level) if self.above else Bounds(level, NEVER.upper)

    def awaken(self) -> None:
        """Go to work as the market or limit order that the trigger was for."""
        self.awake = True
        self.rested = False
        self._aim()

    def follow(self, price: Decimal, tick: Decimal) -> None:
        """Let the trigger of a trailing stop follow the market to *price*."""
        if self.best is None:
            self.best = price
        elif self.above:
            self.best = min(self.best, price)
        else:
            self.best = max(self.best, price)
        self.order = self.order.trailed(price, tick)
        self.level = self.order.trigger

    def hits(self, price: Decimal) -> bool:
        """Tell whether *price* makes it react."""
        if self.level is None:
            return True
        return price >= self.level if self.above else price <= self.level


def traded_before(order: Order, instrument: Instrument) -> Traded:
    """Return what *order* had traded when it came here."""
    notional = maker_notional = ZERO
    for fill in order.fills:
        amount = instrument.notional(fill.quantity, fill.price).copy_abs()
        notional = add(notional, amount)
        if fill.liquidity is Liquidity.MAKER:
            maker_notional = add(maker_notional, amount)
    return Traded(order.filled, notional, maker_notional)
