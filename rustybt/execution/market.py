"""What working orders see of the market: the path of a bar, a close, or a quote."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from rustybt.execution.costs import Taking
from rustybt.execution.rules import FillPolicy
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, Rounding, add, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Set
    from datetime import datetime

    from rustybt.execution.rules import MatchingRules
    from rustybt.model.bar import Quote
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order

INFINITY: Final = Decimal("Infinity")


class BarView(Protocol):
    """What matching reads of a bar; :class:`~rustybt.model.bar.Bar` has it."""

    @property
    def symbol(self) -> str:
        """What was traded."""
        ...

    @property
    def start(self) -> datetime:
        """When it began, in UTC."""
        ...

    @property
    def end(self) -> datetime:
        """When it was over and could be known, in UTC."""
        ...

    @property
    def open(self) -> Decimal:
        """First price."""
        ...

    @property
    def high(self) -> Decimal:
        """Highest price."""
        ...

    @property
    def low(self) -> Decimal:
        """Lowest price."""
        ...

    @property
    def close(self) -> Decimal:
        """Last price."""
        ...

    @property
    def volume(self) -> Decimal:
        """Units traded."""
        ...


class BarScene:
    """A bar that is walked along; *at* is the price reached, *used* what we traded of it.

    *start* is when what it shows began (an order that arrived later has no part in it), *time* when
    the price reached is known.
    """

    __slots__ = (
        "_cap",
        "_high",
        "_instrument",
        "_low",
        "_rules",
        "_touch",
        "_volume",
        "at",
        "start",
        "time",
        "used",
    )

    def __init__(self, bar: BarView, instrument: Instrument, rules: MatchingRules) -> None:
        self.start = self.time = bar.start
        self.at = bar.open
        self.used = ZERO
        self._low, self._high, self._volume = bar.low, bar.high, bar.volume
        self._instrument = instrument
        self._rules = rules
        self._cap = _share(bar.volume, rules.volume_share, instrument)
        self._touch = min(self._cap, _share(bar.volume, rules.touch_share, instrument))

    def price(self, side: Side) -> Decimal:  # noqa: ARG002 - quotes know two prices, bars one
        """Return the price at which *side* could trade now."""
        return self.at

    def limit_price(self, order: Order, *, rested: bool) -> Decimal:  # noqa: ARG002 - the same
        """Return the price at which *order* trades, now that its limit is reached."""
        # A bar that opens beyond a limit was opened by an auction: all trade at its price.
        return self.at

    def taking_price(self, side: Side, quantity: Decimal) -> Decimal:
        """Return the price at which *quantity* is taken from the market, slippage included."""
        shift = self._rules.slippage.shift(Taking(self.at, quantity, self._volume))
        price = slipped(self.at, shift, side, self._instrument)
        return price if self._rules.slip_outside else max(self._low, min(self._high, price))

    def left(self, order: Order, *, rested: bool) -> Decimal:
        """Return how many units *order* could trade now; infinity where nothing bounds them."""
        extreme = self._low if order.side is Side.BUY else self._high
        touched = rested and order.price == extreme
        return max(ZERO, subtract(self._touch if touched else self._cap, self.used))

    def take(self, side: Side, quantity: Decimal) -> None:  # noqa: ARG002 - volume has no side
        """Count *quantity* as traded by us."""
        self.used = add(self.used, quantity)


class QuoteScene:
    """A quote: buys see the ask and what is on offer there, sales the bid.

    It stands until the next one; what we took from it is gone until then. *start* and *time* are
    the instant at which it is looked at.
    """

    __slots__ = ("_instrument", "_left", "_rules", "_sizes", "quote", "start", "time")

    def __init__(self, quote: Quote, instrument: Instrument, rules: MatchingRules) -> None:
        self.quote = quote
        self.start = self.time = quote.time
        self._instrument = instrument
        self._rules = rules
        self._sizes = {Side.BUY: quote.ask_size, Side.SELL: quote.bid_size}
        self._left = {
            side: _share(size, rules.volume_share, instrument) for side, size in self._sizes.items()
        }

    def price(self, side: Side) -> Decimal:
        """Return the price at which *side* could trade now."""
        return self.quote.ask if side is Side.BUY else self.quote.bid

    def limit_price(self, order: Order, *, rested: bool) -> Decimal:
        """Return the price at which *order* trades, now that its limit is reached.

        *rested* tells whether it stood in the book before.
        """
        # Who moves through a resting limit trades with it first, at its price.
        if rested and order.price is not None:
            return order.price
        return self.price(order.side)

    def taking_price(self, side: Side, quantity: Decimal) -> Decimal:
        """Return the price at which *quantity* is taken from the market, slippage included."""
        price = self.price(side)
        shift = self._rules.slippage.shift(Taking(price, quantity, self._sizes[side]))
        return slipped(price, shift, side, self._instrument)

    def left(self, order: Order, *, rested: bool) -> Decimal:  # noqa: ARG002 - no queue is known
        """Return how many units *order* could trade now; infinity where nothing bounds them."""
        return self._left[order.side]

    def take(self, side: Side, quantity: Decimal) -> None:
        """Count *quantity* as traded by us."""
        self._left[side] = subtract(self._left[side], quantity)


Scene = BarScene | QuoteScene
"""What orders see of the market at one instant."""


def _share(volume: Decimal, share: Decimal | None, instrument: Instrument) -> Decimal:
    """Return *share* of *volume* in whole lots; infinity without a share."""
    return INFINITY if share is None else instrument.round_quantity(multiply(volume, share))


def slipped(price: Decimal, shift: Decimal, side: Side, instrument: Instrument) -> Decimal:
    """Return *price* moved by *shift* against *side* and rounded to the tick, away from us.

    A price that does not move stays as the data has it, on the tick or not.
    """
    if not shift:
        return price
    if side is Side.BUY:
        return instrument.round_price(add(price, shift), Rounding.CEILING)
    return instrument.round_price(subtract(price, shift), Rounding.FLOOR)


def path(
    bar: BarView, policy: FillPolicy, position: Decimal, sides: Set[Side]
) -> tuple[Decimal, Decimal, Decimal]:
    """Return the prices that *bar* is taken to reach after its open, the close being the last.

    *position* is what is held after the open, *sides* those of the orders that could open one.
    Unless the policy assumes the likely path, the worse one is taken: what is held meets its
    adverse extreme first, so that stops go before profits are taken; what is yet to be opened meets
    it last, after it was opened.
    """
    if _high_first(bar, policy, position, sides):
        return bar.high, bar.low, bar.close
    return bar.low, bar.high, bar.close


def _high_first(bar: BarView, policy: FillPolicy, position: Decimal, sides: Set[Side]) -> bool:
    """Tell whether the high comes before the low."""
    if policy is not FillPolicy.INTRABAR:
        if position:
            return position < ZERO
        if len(sides) == 1:
            return Side.BUY in sides
    up, down = subtract(bar.high, bar.open), subtract(bar.open, bar.low)
    return up < down if up != down else bar.close < bar.open
