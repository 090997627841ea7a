"""The venue of a simulated world: what really happened to every order, kept by sums of its own."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rustybt.execution.filters import refusal
from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, Rounding, add, multiply, subtract, to_step, total
from rustybt.model.order import OrderType
from rustybt.model.order_state import OrderState
from rustybt.trading.reports import Balance, VenueOrder

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.trading.reports import EngineEvent

    Told = Callable[[datetime], EngineEvent]
    """A report that gets its time once it is known where it goes to."""

_GRAIN: Final = Decimal("1e-8")
_FEE: Final = Decimal("0.001")


class Placed:
    """An order that the venue has, with all its trades; *arrived* is the venue's time."""

    def __init__(self, order: Order, venue_id: str, arrived: datetime) -> None:
        self.client_id, self.symbol, self.side = order.client_id, order.symbol, order.side
        self.type, self.price, self.trigger = order.type, order.price, order.trigger
        self.quantity, self.filled = order.quantity, ZERO
        self.venue_id, self.arrived = venue_id, arrived
        self.state = OrderState.ACCEPTED
        self.fills: list[Fill] = []

    @property
    def is_open(self) -> bool:
        """Whether it may still trade."""
        return self.state in (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)

    @property
    def left(self) -> Decimal:
        """The units that have not traded."""
        return subtract(self.quantity, self.filled)

    def shown(self) -> VenueOrder:
        """Return the order as the venue shows it now."""
        return VenueOrder(
            client_id=self.client_id,
            venue_id=self.venue_id,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            filled=self.filled,
            state=self.state,
            type=self.type,
            price=self.price,
            trigger=self.trigger,
        )


class TruthVenue:
    """An account and its orders. *clock* is the venue's; *tell* takes what the stream reports.

    A refusal is a sentence, an acceptance an empty one. *thin* is how likely a trade takes only
    part of an order; *in_base* says that buyers pay their fee in what they bought.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        amounts: Mapping[str, Decimal],
        *,
        chance: random.Random,
        clock: Callable[[], datetime],
        tell: Callable[[Told], None],
        thin: float = 0.3,
        in_base: bool = False,
    ) -> None:
        self.instruments = {each.symbol: each for each in instruments}
        self.amounts = dict(amounts)
        self.prices: dict[str, Decimal] = {}
        self.orders: dict[str, Placed] = {}
        self.trades: list[Fill] = []
        self._chance, self._clock, self._tell = chance, clock, tell
        self.thin, self.in_base = thin, in_base

    # What can be asked of it

    def create(self, order: Order) -> str:
        """Take an order, trading it at once as far as it goes."""
        if order.client_id in self.orders:
            return f"duplicate client id {order.client_id}"
        instrument = self.instruments[order.symbol]
        why = refusal(instrument, order, self.prices.get(order.symbol)) or self._unpaid(order)
        if why:
            return why
        placed = Placed(order, f"V{len(self.orders) + 1}", self._clock())
        self.orders[order.client_id] = placed
        self._report(placed)
        self._match(placed)
        return ""

    def cancel(self, client_id: str) -> str:
        """End an order that is open."""
        placed = self.orders.get(client_id)
        if placed is None or not placed.is_open:
            return "unknown order"
        self._end(placed)
        return ""

    def modify(self, order: Order) -> str:
        """Give an order the terms of *order*."""
        placed = self.orders.get(order.client_id)
        if placed is None or not placed.is_open:
            return "unknown order"
        if order.quantity <= placed.filled:
            return "less than what has traded"
        placed.quantity, placed.price = order.quantity, order.price
        placed.trigger = order.trigger
        self._tell(self.replaced(placed))
        self._match(placed)
        return ""

    def free(self, currency: str) -> Decimal:
        """Return what is there of *currency*."""
        return self.amounts.get(currency, ZERO)

    def balances(self) -> tuple[Balance, ...]:
        """Return what is there of every currency."""
        return tuple(
            Balance(currency=currency, free=amount)
            for currency, amount in sorted(self.amounts.items())
        )

    def open_orders(self) -> tuple[VenueOrder, ...]:
        """Return the orders that may still trade."""
        return tuple(each.shown() for each in self.orders.values() if each.is_open)

    def fills_since(self, time: datetime | None) -> tuple[Fill, ...]:
        """Return the trades from *time* on."""
        return tuple(each for each in self.trades if time is None or each.time >= time)

    def replaced(self, placed: Placed) -> Told:
        """Return the report of an order's terms as they are now."""
        quantity, price, trigger = placed.quantity, placed.price, placed.trigger
        return lambda time: OrderReplaced(
            time=time,
            client_id=placed.client_id,
            quantity=quantity,
            price=price,
            trigger=trigger,
            venue_id=placed.venue_id,
        )

    # The market

    def move(self, symbol: str, price: Decimal) -> None:
        """Let the market be at *price*; what is reached trades."""
        self.prices[symbol] = price
        for placed in self.orders.values():
            if placed.is_open and placed.symbol == symbol:
                self._match(placed)

    def _unpaid(self, order: Order) -> str:
        """Say that the account cannot pay for an order, if so."""
        instrument = self.instruments[order.symbol]
        if order.side is Side.SELL:
            return "insufficient balance" if order.quantity > self.free(instrument.base) else ""
        price = order.price or order.trigger or self.prices[order.symbol]
        worth = instrument.notional(order.quantity, price)
        return "insufficient balance" if worth > self.free(instrument.quote) else ""

    def _match(self, placed: Placed) -> None:
        """Trade an order as far as it goes now, in one trade or two."""
        market = self.prices[placed.symbol]
        if not _is_reached(placed, market):
            return
        if placed.type is OrderType.STOP:
            placed.trigger = None  # it is a market order from now on
        instrument = self.instruments[placed.symbol]
        while placed.is_open:
            share = self._chance.random()
            part = placed.left
            if share < self.thin:
                part = to_step(multiply(part, Decimal("0.4")), instrument.lot, Rounding.DOWN)
            if not part or not self._trade(placed, instrument, part, market):
                return
            if share < self.thin / 2:
                return  # nobody is there for the rest at the moment

    def _trade(
        self, placed: Placed, instrument: Instrument, quantity: Decimal, price: Decimal
    ) -> bool:
        """Exchange *quantity* for money; end the order if the account has too little."""
        base, quote = instrument.base, instrument.quote
        buys = placed.side is Side.BUY
        worth = instrument.notional(quantity, price)
        paid_in_base = buys and self.in_base
        fee = to_step(multiply(quantity if paid_in_base else worth, _FEE), _GRAIN, Rounding.DOWN)
        if (self.free(quote) < add(worth, fee)) if buys else (self.free(base) < quantity):
            self._end(placed)
            return False
        sign = 1 if buys else -1
        self._move(base, multiply(quantity, Decimal(sign)))
        self._move(quote, multiply(worth, Decimal(-sign)))
        self._move(base if paid_in_base else quote, fee.copy_negate())
        fill = Fill(
            trade_id=f"T{len(self.trades) + 1}",
            client_id=placed.client_id,
            symbol=placed.symbol,
            side=placed.side,
            quantity=quantity,
            price=price,
            time=self._clock(),
            fee=fee,
            fee_currency=base if paid_in_base else quote,
            venue_id=placed.venue_id,
        )
        self.trades.append(fill)
        placed.fills.append(fill)
        placed.filled = total(each.quantity for each in placed.fills)
        done = not placed.left
        placed.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        self._tell(lambda time: OrderFilled(time=time, fill=fill))
        return True

    def _move(self, currency: str, amount: Decimal) -> None:
        """Change an amount."""
        self.amounts[currency] = add(self.free(currency), amount)

    def _end(self, placed: Placed) -> None:
        """Let an order work no more."""
        placed.state = OrderState.CANCELLED
        self._report(placed)

    def _report(self, placed: Placed) -> None:
        """Tell the state of an order on the stream."""
        self._tell(updated(placed))


def updated(placed: Placed) -> Told:
    """Return the report of an order's state as it is now."""
    client_id, state, venue_id = placed.client_id, placed.state, placed.venue_id
    return lambda time: OrderUpdated(time=time, client_id=client_id, state=state, venue_id=venue_id)


def _is_reached(placed: Placed, market: Decimal) -> bool:
    """Tell whether an order trades at *market*."""
    buys = placed.side is Side.BUY
    if placed.type is OrderType.STOP and placed.trigger is not None:
        return market >= placed.trigger if buys else market <= placed.trigger
    if placed.price is None:
        return True
    return market <= placed.price if buys else market >= placed.price
