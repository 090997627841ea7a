"""Orders and the states they go through."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from rustybt.model.checks import Problems
from rustybt.model.errors import (
    ConflictingFillError,
    InvalidTransitionError,
    InvalidValueError,
    OverfillError,
)
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import (
    ONE,
    ZERO,
    Rounding,
    add,
    divide,
    multiply,
    subtract,
    to_step,
    total,
)
from rustybt.model.order_state import CLOSED, PENDING, TRANSITIONS, UNFILLED, OrderState

__all__ = ["CLOSED", "TRANSITIONS", "Order", "OrderState", "OrderType", "TimeInForce", "TrailUnit"]


class OrderType(StrEnum):
    """What makes an order trade, and at which price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    """Becomes a market order when the market reaches the trigger from its better side."""
    STOP_LIMIT = "stop_limit"
    """Becomes a limit order then."""
    TRAILING_STOP = "trailing_stop"
    """A stop whose trigger follows the market at a distance, in the favourable direction only."""
    TAKE_PROFIT = "take_profit"
    """Becomes a market order (a limit order if it has a price) when the trigger is reached."""


class TimeInForce(StrEnum):
    """How long an order works."""

    GTC = "gtc"
    """Until cancelled."""
    IOC = "ioc"
    """Fills what it can at once; the rest is cancelled."""
    FOK = "fok"
    """Fills all of it at once or nothing."""
    DAY = "day"
    """Until the end of the trading session."""
    GTD = "gtd"
    """Until the time it expires at."""


class TrailUnit(StrEnum):
    """What the distance of a trailing stop is measured in."""

    PRICE = "price"
    FRACTION = "fraction"


_UNACKNOWLEDGED = frozenset(
    {OrderState.NEW, OrderState.DENIED, OrderState.SUBMITTED, OrderState.REJECTED}
)
_KEEPS_STATE_ON_PARTIAL_FILL = PENDING | {OrderState.CANCELLED, OrderState.EXPIRED}
_NEEDS_PRICE = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_MAY_HAVE_PRICE = _NEEDS_PRICE | {OrderType.TAKE_PROFIT}
_NEEDS_TRIGGER = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT})
_MAY_HAVE_TRIGGER = _NEEDS_TRIGGER | {OrderType.TRAILING_STOP}
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class Order(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An instruction to trade. Every change returns a new order.

    *price* is the limit, *trigger* the price that awakens a stop, a trailing stop or a
    take-profit, *trail* the distance of a trailing stop, in quote currency or as a fraction of the
    price. *group* names the OCO or bracket group the order belongs to. *triggered* remembers,
    whatever the state, that the trigger was reached. Raise
    :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    created: datetime
    price: Decimal | None = None
    trigger: Decimal | None = None
    trail: Decimal | None = None
    trail_unit: TrailUnit = TrailUnit.PRICE
    time_in_force: TimeInForce = TimeInForce.GTC
    expires: datetime | None = None
    post_only: bool = False
    reduce_only: bool = False
    group: str | None = None
    state: OrderState = OrderState.NEW
    triggered: bool = False
    fills: tuple[Fill, ...] = ()
    filled: Decimal = ZERO
    venue_id: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        problems = Problems()
        problems.text("client_id", self.client_id)
        problems.text("symbol", self.symbol)
        problems.member("side", self.side, Side)
        problems.member("type", self.type, OrderType)
        problems.member("state", self.state, OrderState)
        _check_prices(self, problems)
        _check_trail(self, problems)
        _check_time_in_force(self, problems)
        if problems.positive("quantity", self.quantity) and problems.number("filled", self.filled):
            _check_filled(self, problems)
        problems.refuse("order", self.client_id)

    @property
    def leaves(self) -> Decimal:
        """Quantity not filled yet."""
        return subtract(self.quantity, self.filled)

    @property
    def is_open(self) -> bool:
        """Whether the order may still trade."""
        return self.state not in CLOSED

    @property
    def filled_value(self) -> Decimal:
        """Exact sum of price times quantity over the fills, before any multiplier."""
        return total(multiply(fill.price, fill.quantity) for fill in self.fills)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of what was filled, to 40 digits; ``None`` before the first fill."""
        return divide(self.filled_value, self.filled) if self.filled else None

    def to(
        self, state: OrderState, *, venue_id: str | None = None, reason: str | None = None
    ) -> Order:
        """Return this order in *state*, with the venue's id and a reason where given.

        Raise :class:`~rustybt.model.errors.InvalidTransitionError` if :data:`TRANSITIONS` forbids
        it, and :class:`~rustybt.model.errors.InvalidValueError` if the quantities contradict the
        state (only :meth:`fill` can make an order filled).
        """
        if state not in TRANSITIONS[self.state]:
            raise InvalidTransitionError(
                f"order {self.client_id!r} cannot go from {self.state} to {state}",
                expected=", ".join(sorted(TRANSITIONS[self.state])) or "no further change",
                remedy="ask the venue for the order's state before going on",
            )
        return replace(
            self,
            state=state,
            triggered=self.triggered or state is OrderState.TRIGGERED,
            venue_id=self.venue_id if venue_id is None else venue_id,
            reason=self.reason if reason is None else reason,
        )

    def accepted(self, venue_id: str) -> Order:
        """Return this order as acknowledged by the venue under *venue_id*.

        An acknowledgement that comes after the first fill, a trigger or the end of the order only
        brings the id: the state is already further on. One for an order that was never sent raises
        :class:`~rustybt.model.errors.InvalidTransitionError`.
        """
        if self.state in _UNACKNOWLEDGED:
            return self.to(self._at_work(), venue_id=venue_id)
        return replace(self, venue_id=venue_id)

    def _at_work(self) -> OrderState:
        """Return the state of this order while it works at the venue."""
        if self.filled:
            return OrderState.PARTIALLY_FILLED
        return OrderState.TRIGGERED if self.triggered else OrderState.ACCEPTED

    def resumed(self, reason: str) -> Order:
        """Return this order at work again after the venue refused to cancel or modify it."""
        if self.state not in PENDING:
            raise InvalidTransitionError(
                f"order {self.client_id!r} is {self.state}",
                expected="an order with a cancel or modification under way",
            )
        return self.to(self._at_work(), reason=reason)

    def fill(self, fill: Fill) -> Order:
        """Return this order with *fill* booked; the very same order if it already was.

        Raise :class:`~rustybt.model.errors.InvalidValueError` for another order's fill,
        :class:`~rustybt.model.errors.ConflictingFillError` if its trade id stands for a different
        trade, :class:`~rustybt.model.errors.OverfillError` if it exceeds the leaves quantity, and
        :class:`~rustybt.model.errors.InvalidTransitionError` if the order never reached the venue.
        """
        self._check_belongs(fill)
        for known in self.fills:
            if known.trade_id == fill.trade_id:
                return self._repeated(known, fill)
        filled = add(self.filled, fill.quantity)
        if filled > self.quantity:
            raise OverfillError(
                f"order {self.client_id!r} of {self.quantity} would be filled {filled}"
                f" by trade {fill.trade_id!r}",
                expected=f"at most the {self.leaves} that are left",
                remedy="stop trading and reconcile with the venue",
            )
        state = self._state_after(filled)
        if state not in TRANSITIONS[self.state]:
            raise InvalidTransitionError(
                f"order {self.client_id!r} was filled while {self.state}",
                expected="an order that was sent to the venue",
                remedy="stop trading and reconcile with the venue",
            )
        venue_id = self.venue_id if fill.venue_id is None else fill.venue_id
        return replace(
            self, state=state, fills=(*self.fills, fill), filled=filled, venue_id=venue_id
        )

    def _check_belongs(self, fill: Fill) -> None:
        """Refuse a fill of another order, symbol or side."""
        problems = Problems()
        if fill.client_id != self.client_id:
            problems.append(f"it is of order {fill.client_id!r}, not {self.client_id!r}")
        if fill.symbol != self.symbol:
            problems.append(f"it trades {fill.symbol!r}, the order {self.symbol!r}")
        if fill.side is not self.side:
            problems.append(f"it is a {fill.side}, the order a {self.side}")
        problems.refuse("fill", fill.trade_id)

    def _repeated(self, known: Fill, fill: Fill) -> Order:
        """Return this order unchanged if *fill* repeats *known*, else raise."""
        if not known.same_trade(fill):
            raise ConflictingFillError(
                f"trade {fill.trade_id!r} of order {self.client_id!r} was reported as"
                f" {known.quantity} at {known.price} and as {fill.quantity} at {fill.price}",
                expected="one trade per trade id",
                remedy="stop trading and reconcile with the venue",
            )
        return self

    def _state_after(self, filled: Decimal) -> OrderState:
        """Return the state that this order has once *filled* is filled."""
        if filled == self.quantity:
            return OrderState.FILLED
        if self.state in _KEEPS_STATE_ON_PARTIAL_FILL:
            return self.state
        return OrderState.PARTIALLY_FILLED

    def sized(self, quantity: Decimal) -> Order:
        """Return this order with another *quantity*; only one that was never sent can be changed.

        Raise :class:`~rustybt.model.errors.InvalidTransitionError` for any other.
        """
        if self.state is not OrderState.NEW:
            raise InvalidTransitionError(
                f"order {self.client_id!r} is {self.state} and cannot be given a size",
                expected=f"{OrderState.NEW}",
                remedy="ask the venue to modify it",
            )
        return replace(self, quantity=quantity)

    def replaced(
        self,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger: Decimal | None = None,
        venue_id: str | None = None,
    ) -> Order:
        """Return this order as the venue modified it; what is not given stays.

        *quantity* is the new total, fills included. One equal to what is filled already leaves
        nothing to trade: the order is filled. Raise
        :class:`~rustybt.model.errors.InvalidTransitionError` unless a modification is pending and
        :class:`~rustybt.model.errors.OverfillError` if more is filled than the new quantity.
        """
        if self.state is not OrderState.PENDING_REPLACE:
            raise InvalidTransitionError(
                f"order {self.client_id!r} is {self.state} and was modified",
                expected=f"{OrderState.PENDING_REPLACE}",
            )
        wanted = self.quantity if quantity is None else quantity
        if self.filled > wanted:
            raise OverfillError(
                f"order {self.client_id!r} was modified to {wanted} with {self.filled} filled",
                expected=f"a quantity of at least {self.filled}",
                remedy="stop trading and reconcile with the venue",
            )
        return replace(
            self,
            state=OrderState.FILLED if self.filled == wanted else self._at_work(),
            quantity=wanted,
            price=self.price if price is None else price,
            trigger=self.trigger if trigger is None else trigger,
            venue_id=self.venue_id if venue_id is None else venue_id,
        )

    def trailed(self, market: Decimal, tick: Decimal) -> Order:
        """Return this trailing stop with its trigger moved after *market*, on the *tick* grid.

        The trigger of a sale only rises, that of a buy only falls, and rounding keeps it away from
        the market. The very same order comes back when nothing moves. Raise
        :class:`~rustybt.model.errors.InvalidValueError` for an order without a trail.
        """
        if self.trail is None:
            raise InvalidValueError(f"order {self.client_id!r}", ["it has no trail"])
        in_price = self.trail_unit is TrailUnit.PRICE
        distance = self.trail if in_price else multiply(market, self.trail).copy_abs()
        if self.side is Side.SELL:
            trigger = to_step(subtract(market, distance), tick, Rounding.FLOOR)
            moves = self.trigger is None or trigger > self.trigger
        else:
            trigger = to_step(add(market, distance), tick, Rounding.CEILING)
            moves = self.trigger is None or trigger < self.trigger
        return replace(self, trigger=trigger) if moves else self

    def reducible(self, position: Decimal) -> Decimal:
        """Return how much of the leaves quantity would only reduce *position*, which is signed."""
        against = position > ZERO if self.side is Side.SELL else position < ZERO
        return min(self.leaves, position.copy_abs()) if against else ZERO


def _check_prices(order: Order, problems: Problems) -> None:
    """Check that limit and trigger are there exactly when the type wants them."""
    if order.price is None:
        if order.type in _NEEDS_PRICE:
            problems.append(f"a {order.type} order needs a price")
    elif problems.number("price", order.price) and order.type not in _MAY_HAVE_PRICE:
        problems.append(f"a {order.type} order cannot have a price")
    if order.trigger is None:
        if order.type in _NEEDS_TRIGGER:
            problems.append(f"a {order.type} order needs a trigger")
    elif problems.number("trigger", order.trigger) and order.type not in _MAY_HAVE_TRIGGER:
        problems.append(f"a {order.type} order cannot have a trigger")
    if order.post_only and (order.price is None or order.time_in_force in _AT_ONCE):
        problems.append("post_only needs a price and a time in force that lets the order rest")


def _check_trail(order: Order, problems: Problems) -> None:
    """Check that a trailing stop, and nothing else, has a distance that makes sense."""
    problems.member("trail_unit", order.trail_unit, TrailUnit)
    if order.trail is None:
        if order.type is OrderType.TRAILING_STOP:
            problems.append(f"a {order.type} order needs a trail")
        return
    fine = problems.positive("trail", order.trail)
    if order.type is not OrderType.TRAILING_STOP:
        problems.append(f"a {order.type} order cannot have a trail")
    if fine and order.trail_unit is TrailUnit.FRACTION and order.trail >= ONE:
        problems.append(f"trail {order.trail} is not a fraction below 1")


def _check_time_in_force(order: Order, problems: Problems) -> None:
    """Check the time in force and the time of expiry that belongs to it."""
    problems.member("time_in_force", order.time_in_force, TimeInForce)
    created_fine = problems.time("created", order.created)
    if order.time_in_force is not TimeInForce.GTD:
        if order.expires is not None:
            problems.append("only a gtd order has a time of expiry")
    elif order.expires is None:
        problems.append("a gtd order needs a time of expiry")
    elif not problems.time("expires", order.expires) or not created_fine:
        return
    elif order.expires <= order.created:
        problems.append(f"expires {order.expires} is not after created {order.created}")


def _check_filled(order: Order, problems: Problems) -> None:
    """Check that fills, filled quantity and state tell the same story."""
    booked = total(fill.quantity for fill in order.fills)
    if booked != order.filled:
        problems.append(f"filled is {order.filled}, the fills add up to {booked}")
    if booked > order.quantity:
        problems.append(f"filled {booked} exceeds quantity {order.quantity}")
    if (booked == order.quantity) != (order.state is OrderState.FILLED):
        problems.append(f"it is {order.state} with {booked} of {order.quantity} filled")
    elif booked and order.state in UNFILLED:
        problems.append(f"it is {order.state} although {booked} are filled")
    elif not booked and order.state is OrderState.PARTIALLY_FILLED:
        problems.append(f"it is {order.state} although nothing is filled")
