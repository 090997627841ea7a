"""What the risk manager has to know about the account, at its worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from decimal import Decimal

    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


_NO_ORDERS: dict[str, Order] = {}


class Reach(NamedTuple):
    """The lowest and the highest position that working orders could lead to, in units."""

    low: Decimal
    high: Decimal

    @property
    def largest(self) -> Decimal:
        """The larger of the two, without its sign."""
        return max(self.low.copy_abs(), self.high.copy_abs())


class PortfolioSnapshot:
    """The account at one instant, and the room that approved orders take up in it.

    *equity* and *day_start_equity* are in the account's *currency*, *positions* in signed units,
    *prices* in each instrument's quote currency, *rates* say how much *currency* one unit of
    another is worth. *orders* are all that may still trade; whatever is approved has to be
    :meth:`include`-d before the next review, or two orders could each take the room of one.
    The mappings are read, never changed, and only for the symbols that matter.
    """

    __slots__ = (
        "_exposures",
        "_gross",
        "_instruments",
        "_orders",
        "_positions",
        "_prices",
        "_rates",
        "_stale",
        "_worths",
        "currency",
        "day_start_equity",
        "equity",
    )

    def __init__(
        self,
        *,
        currency: str,
        equity: Decimal,
        day_start_equity: Decimal,
        instruments: Mapping[str, Instrument],
        positions: Mapping[str, Decimal],
        prices: Mapping[str, Decimal],
        orders: Iterable[Order] = (),
        rates: Mapping[str, Decimal] | None = None,
    ) -> None:
        self.currency = currency
        self.equity = equity
        self.day_start_equity = day_start_equity
        self._instruments = instruments
        self._positions = positions
        self._prices = prices
        self._rates = rates or {}
        self._orders: dict[str, dict[str, Order]] = {}
        # Worked out when they are asked for: most reviews concern one symbol of many.
        self._worths: dict[str, Decimal | None] = {}
        self._exposures: dict[str, Decimal | None] = {}
        self._stale = dict.fromkeys(positions)
        self._gross: Decimal = ZERO
        for order in orders:
            self.include(order)

    def include(self, order: Order) -> None:
        """Count *order* from now on, in place of an earlier version of it."""
        orders = self._orders.setdefault(order.symbol, {})
        if order.is_open:
            orders[order.client_id] = order
        else:
            orders.pop(order.client_id, None)
        self._stale[order.symbol] = None

    def position(self, symbol: str) -> Decimal:
        """Return the units held of *symbol*, negative when short."""
        return self._positions.get(symbol, ZERO)

    def price(self, symbol: str) -> Decimal | None:
        """Return the market price of *symbol*, ``None`` if nobody knows it."""
        return self._prices.get(symbol)

    def unit_value(self, symbol: str, price: Decimal | None) -> Decimal | None:
        """Return what one unit of *symbol* at *price* is worth in the account's currency.

        The value is never negative. It is ``None`` if the instrument, the price or the exchange
        rate is not known.
        """
        instrument = self._instruments.get(symbol)
        if instrument is None or price is None:
            return None
        value = multiply(price, instrument.multiplier).copy_abs()
        if instrument.quote == self.currency:
            return value
        rate = self._rates.get(instrument.quote)
        return None if rate is None else multiply(value, rate)

    def market_value(self, symbol: str) -> Decimal | None:
        """Return what one unit of *symbol* is worth at the market's price, if that is known."""
        if symbol not in self._worths:
            self._worths[symbol] = self.unit_value(symbol, self.price(symbol))
        return self._worths[symbol]

    def reach(self, symbol: str, order: Order | None = None) -> Reach:
        """Return how far the position in *symbol* could go, with *order* working as well."""
        orders = self._orders.get(symbol, _NO_ORDERS)
        if order is not None:
            orders = {**orders, order.client_id: order}
        position = self.position(symbol)
        if not orders:
            return Reach(position, position)
        sells, buys = pending(orders.values())
        return Reach(subtract(position, sells), add(position, buys))

    def gross_exposure(self, symbol: str, reach: Reach) -> Decimal | None:
        """Return the largest value of all positions if the one in *symbol* could go to *reach*.

        Long and short ones add up. ``None`` if the value of any of them is not known.
        """
        exposures = self._known_exposures()
        exposure = self._exposure(symbol, reach)
        if exposure is None or any(
            known is None for held, known in exposures.items() if held != symbol
        ):
            return None
        return add(subtract(self._gross, exposures.get(symbol) or ZERO), exposure)

    def occupied(self) -> Collection[str]:
        """Return the symbols in which there is a position, or could be."""
        return self._known_exposures().keys()

    def _known_exposures(self) -> dict[str, Decimal | None]:
        """Return the exposure of each occupied symbol, up to date."""
        exposures = self._exposures
        for symbol in self._stale:
            self._gross = subtract(self._gross, exposures.pop(symbol, None) or ZERO)
            reach = self.reach(symbol)
            if reach.largest:
                exposures[symbol] = exposure = self._exposure(symbol, reach)
                self._gross = add(self._gross, exposure or ZERO)
        self._stale.clear()
        return exposures

    def _exposure(self, symbol: str, reach: Reach) -> Decimal | None:
        """Return the value of the largest position within *reach*."""
        worth = self.market_value(symbol)
        return None if worth is None else multiply(reach.largest, worth)


def pending(orders: Iterable[Order]) -> tuple[Decimal, Decimal]:
    """Return how much *orders* could still sell and buy, apart from what only reduces.

    Of alternatives, the orders of one group on one side, only the largest counts.
    """
    sums = {Side.SELL: ZERO, Side.BUY: ZERO}
    groups: dict[tuple[Side, str], Decimal] = {}
    for order in orders:
        if order.reduce_only:
            continue
        side = order.side
        if order.group is None:
            sums[side] = add(sums[side], order.leaves)
        else:
            key = side, order.group
            groups[key] = max(groups.get(key, ZERO), order.leaves)
    for (side, _), largest in groups.items():
        sums[side] = add(sums[side], largest)
    return sums[Side.SELL], sums[Side.BUY]
