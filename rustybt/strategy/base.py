"""The class that users' strategies derive from."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rustybt.model.errors import InvalidValueError
from rustybt.model.money import ZERO, Rounding, add, decimal, multiply, subtract, to_step
from rustybt.model.order import OrderType, TimeInForce, TrailUnit
from rustybt.strategy import parameters
from rustybt.strategy.errors import StrategyError
from rustybt.strategy.ticket import Terms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

    from rustybt.model.fill import Fill
    from rustybt.strategy.bar import StrategyBar
    from rustybt.strategy.parameters import Parameter
    from rustybt.strategy.signals import Signals
    from rustybt.strategy.ticket import Trader

Number = int | str | Decimal
"""An amount, price or quantity: text or Decimal, never a float (its digits are not yours)."""


class Strategy:
    """What to trade and when. Derive from it and write the hooks that are needed.

    A strategy never knows whether it runs in a backtest, on paper or live. It decides on floats
    (bars, indicators) and orders in exact numbers. Public class attributes of plain types are its
    parameters; ``Momentum(fast=10)`` sets them for one instance. *symbols* are the ones that it is
    run on; *state* is a dictionary for whatever has to survive a restart, kept as JSON.
    """

    symbols: tuple[str, ...] = ()
    state: dict[str, Any]

    def __init__(self, **parameters_given: Parameter) -> None:
        known = parameters.declared(type(self), Strategy)
        given = parameters.checked(type(self).__name__, known, dict(parameters_given))
        self.state = {}
        self._trader: Trader | None = None
        for name, value in given.items():
            setattr(self, name, value)

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return the parameters and their defaults."""
        return parameters.declared(cls, Strategy)

    # Hooks

    def on_start(self) -> None:
        """Prepare; *symbols* and *state* are there, no bar is."""

    def on_bar(self, bar: StrategyBar) -> None:
        """Decide after a bar of one symbol has closed."""

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Decide after all bars of one instant have closed, each having gone through on_bar."""

    def on_fill(self, fill: Fill) -> None:
        """Take note of a trade of ours."""

    def on_stop(self) -> None:
        """Finish; what is put into *state* here is kept."""

    def signals(self) -> Signals | pl.Expr:
        """Say the targets as a column instead; see :class:`~rustybt.strategy.signals.Signals`."""
        raise NotImplementedError

    # The account

    def bind(self, trader: Trader, symbols: tuple[str, ...]) -> None:
        """Connect to whoever carries out the orders; engines call this before :meth:`on_start`."""
        self._trader = trader
        self.symbols = symbols

    @property
    def trader(self) -> Trader:
        """Whoever carries out the orders; raise before :meth:`bind`."""
        if self._trader is None:
            raise StrategyError(
                f"{type(self).__name__} is not running",
                remedy="use orders and the account from on_start on, not in __init__",
            )
        return self._trader

    @property
    def cash(self) -> Decimal:
        """What there is to pay with, in the account's currency."""
        return self.trader.cash

    @property
    def equity(self) -> Decimal:
        """Cash and the value of all positions at the last closes."""
        return self.trader.equity

    def position(self, symbol: str) -> Decimal:
        """Return the units held of *symbol*, negative when short."""
        return self.trader.position(symbol)

    def price(self, symbol: str) -> Decimal | None:
        """Return the last close of *symbol*, exactly; ``None`` before its first bar."""
        return self.trader.price(symbol)

    def open_orders(self, symbol: str | None = None) -> tuple[str, ...]:
        """Return the client ids of the orders that may still trade, oldest first."""
        return self.trader.open_orders(symbol)

    # Orders; each returns the client id, or None where there is nothing to order

    def buy(self, symbol: str, quantity: Number, **terms: Any) -> str:
        """Buy *quantity* units; *terms* are those of :meth:`order`."""
        return self._order(symbol, _positive(quantity), terms)

    def sell(self, symbol: str, quantity: Number, **terms: Any) -> str:
        """Sell *quantity* units; *terms* are those of :meth:`order`."""
        return self._order(symbol, _positive(quantity).copy_negate(), terms)

    def order(
        self,
        symbol: str,
        quantity: Number,
        *,
        limit: Number | None = None,
        stop: Number | None = None,
        take_profit: Number | None = None,
        trail: Number | None = None,
        trail_percent: Number | None = None,
        time_in_force: TimeInForce = TimeInForce.GTC,
        expires: datetime | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> str | None:
        """Order a signed *quantity*; ``None`` for 0.

        Without a price it is a market order. *limit* is the worst price, *stop* the price that
        awakens a stop, *take_profit* one that awakens a take-profit, *trail* the distance of a
        trailing stop in quote currency and *trail_percent* the same as a fraction of the price.
        Raise :class:`~rustybt.strategy.errors.StrategyError` for what does not go together.
        """
        signed = _units(quantity)
        if not signed:
            return None
        terms = {
            "limit": limit,
            "stop": stop,
            "take_profit": take_profit,
            "trail": trail,
            "trail_percent": trail_percent,
            "time_in_force": time_in_force,
            "expires": expires,
            "post_only": post_only,
            "reduce_only": reduce_only,
        }
        given = {name: value for name, value in terms.items() if not _is_default(value)}
        return self._order(symbol, signed, given)

    def order_value(self, symbol: str, value: Number) -> str | None:
        """Buy for *value* of quote currency at the last close, sell if it is negative.

        The quantity is rounded to the lot, towards zero.
        """
        return self._trade(symbol, self._quantity_for(symbol, decimal(value, "value")))

    def order_percent(self, symbol: str, fraction: float | Number) -> str | None:
        """Buy for a *fraction* of equity (0.1 is ten per cent), sell if it is negative."""
        return self._trade(symbol, self._quantity_for(symbol, self._share(symbol, fraction)))

    def order_target(self, symbol: str, quantity: Number) -> str | None:
        """Trade what is missing to a position of *quantity* units.

        Market orders that are under way are counted as done.
        """
        return self._trade(symbol, self._missing(symbol, _units(quantity)))

    def order_target_value(self, symbol: str, value: Number) -> str | None:
        """Trade what is missing to a position worth *value* at the last close."""
        wanted = self._quantity_for(symbol, decimal(value, "value"))
        return None if wanted is None else self._trade(symbol, self._missing(symbol, wanted))

    def order_target_percent(self, symbol: str, fraction: float | Number) -> str | None:
        """Trade what is missing to a position worth a *fraction* of equity."""
        wanted = self._quantity_for(symbol, self._share(symbol, fraction))
        return None if wanted is None else self._trade(symbol, self._missing(symbol, wanted))

    def close_position(self, symbol: str) -> str | None:
        """Trade what is missing to no position at all."""
        return self.order_target(symbol, 0)

    def bracket(
        self,
        symbol: str,
        quantity: Number,
        *,
        take_profit: Number,
        stop_loss: Number,
        limit: Number | None = None,
    ) -> tuple[str, str, str]:
        """Order an entry of signed *quantity* with two exits that wait for it and end each other.

        The exits trade at the limit *take_profit* or, once *stop_loss* is reached, at the market.
        Return the client ids of entry, take-profit and stop-loss.
        """
        signed = _units(quantity)
        if not signed:
            raise StrategyError("a bracket of 0 units", expected="a quantity above or below 0")
        profit = Terms(
            type=OrderType.LIMIT, price=decimal(take_profit, "take_profit"), reduce_only=True
        )
        stop = Terms(type=OrderType.STOP, trigger=decimal(stop_loss, "stop_loss"), reduce_only=True)
        return self.trader.bracket(symbol, signed, _terms(limit=limit), profit, stop)

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order."""
        self.trader.cancel(client_id)

    # How quantities come about

    def _order(self, symbol: str, quantity: Decimal, terms: dict[str, Any]) -> str:
        """Send an order on the given *terms*."""
        if not terms:
            return self.trader.market(symbol, quantity)
        return self.trader.submit(symbol, quantity, _terms(**terms))

    def _trade(self, symbol: str, quantity: Decimal | None) -> str | None:
        """Order *quantity* at the market if there is any."""
        return self.trader.market(symbol, quantity) if quantity else None

    def _missing(self, symbol: str, wanted: Decimal) -> Decimal:
        """Return what is missing to a position of *wanted* units."""
        trader = self.trader
        return subtract(wanted, add(trader.position(symbol), trader.pending(symbol)))

    def _share(self, symbol: str, fraction: float | Number) -> Decimal:
        """Return a *fraction* of equity, in the currency that *symbol* quotes in.

        A float stands for the digits that it is printed with.
        """
        text = repr(fraction) if isinstance(fraction, float) else fraction
        return multiply(self.trader.equity_in(symbol), decimal(text, "fraction"))

    def _quantity_for(self, symbol: str, value: Decimal) -> Decimal | None:
        """Return the units, signed and in whole lots, that *value* is worth at the last close."""
        trader = self.trader
        price, instrument = trader.price(symbol), trader.instrument(symbol)
        if not value:
            return ZERO
        if price is None or price <= ZERO:
            trader.decline(symbol, f"{value} of it cannot be sized at a price of {price}")
            return None
        size = _cut(value.copy_abs())
        quantity = instrument.affordable(size, price)
        if not quantity:
            trader.decline(symbol, f"{value} at {price} is less than a lot of {instrument.lot}")
        return quantity if value > ZERO else quantity.copy_negate()


def _is_default(term: object) -> bool:
    """Tell whether a *term* is as it is when not given; a price of 0 is given."""
    return term is None or term is False or term is TimeInForce.GTC


_CUT = Decimal("1e-18")


def _cut(value: Decimal) -> Decimal:
    """Return *value* with at most 18 decimals: a budget needs no more, and products have them."""
    return to_step(value, _CUT, Rounding.DOWN)


_SMALL = {number: Decimal(number) for number in range(-1000, 1001)}


def _units(quantity: Number) -> Decimal:
    """Return *quantity* as an exact decimal."""
    if type(quantity) is int and quantity in _SMALL:
        return _SMALL[quantity]
    return decimal(quantity, "quantity")


def _positive(quantity: Number) -> Decimal:
    """Return *quantity*; raise unless it is above 0."""
    units = _units(quantity)
    if units <= ZERO:
        raise InvalidValueError("quantity", [f"{units} is not above 0"])
    return units


def _terms(
    *,
    limit: Number | None = None,
    stop: Number | None = None,
    take_profit: Number | None = None,
    trail: Number | None = None,
    trail_percent: Number | None = None,
    time_in_force: TimeInForce = TimeInForce.GTC,
    expires: datetime | None = None,
    post_only: bool = False,
    reduce_only: bool = False,
) -> Terms:
    """Return the terms of an order; raise for prices that do not go together."""
    distance = trail if trail_percent is None else trail_percent
    given = {
        OrderType.STOP: stop,
        OrderType.TAKE_PROFIT: take_profit,
        OrderType.TRAILING_STOP: distance,
    }
    kinds = [kind for kind, value in given.items() if value is not None]
    if len(kinds) > 1 or (trail is not None and trail_percent is not None):
        raise StrategyError(
            "an order has one of stop, take_profit, trail and trail_percent, not several",
            remedy="use bracket() for an entry with exits",
        )
    kind = kinds[0] if kinds else OrderType.MARKET
    trigger = stop if take_profit is None else take_profit
    return Terms(
        type=_WITH_LIMIT.get(kind, kind) if limit is not None else kind,
        price=_exact(limit, "limit"),
        trigger=_exact(trigger, "trigger"),
        trail=_exact(distance, "trail"),
        trail_unit=TrailUnit.PRICE if trail_percent is None else TrailUnit.FRACTION,
        time_in_force=time_in_force,
        expires=expires,
        post_only=post_only,
        reduce_only=reduce_only,
    )


_WITH_LIMIT = {OrderType.MARKET: OrderType.LIMIT, OrderType.STOP: OrderType.STOP_LIMIT}


def _exact(value: Number | None, name: str) -> Decimal | None:
    """Return *value* as a decimal if there is one."""
    return None if value is None else decimal(value, name)
