"""What a strategy asks for, and the port through which it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from rustybt.model.order import OrderType, TimeInForce, TrailUnit

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from rustybt.model.instrument import Instrument


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """How an order is to trade; the fields are those of :class:`~rustybt.model.order.Order`."""

    type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    trigger: Decimal | None = None
    trail: Decimal | None = None
    trail_unit: TrailUnit = TrailUnit.PRICE
    time_in_force: TimeInForce = TimeInForce.GTC
    expires: datetime | None = None
    post_only: bool = False
    reduce_only: bool = False


class Trader(Protocol):
    """Whoever carries out what a strategy asks for: a backtest, paper trading, a live engine.

    *quantity* is signed: negative sells. Client ids come back at once; whether and how an order
    trades is told by fills. Prices are the last that are known.
    """

    @property
    def cash(self) -> Decimal:
        """What there is to pay with, in the account's currency."""
        ...

    @property
    def equity(self) -> Decimal:
        """What would be left if all positions were closed at the last prices."""
        ...

    def equity_in(self, symbol: str) -> Decimal:
        """Return the equity in the currency that *symbol* quotes in, which may be another."""
        ...

    def position(self, symbol: str) -> Decimal:
        """Return the units held, negative when short."""
        ...

    def pending(self, symbol: str) -> Decimal:
        """Return the units that open market orders will still add, signed."""
        ...

    def price(self, symbol: str) -> Decimal | None:
        """Return the last close; ``None`` before the first bar."""
        ...

    def instrument(self, symbol: str) -> Instrument:
        """Return what is traded under *symbol*; raise for a symbol that is not."""
        ...

    def market(self, symbol: str, quantity: Decimal) -> str:
        """Order at whatever price there is next; return the client id."""
        ...

    def submit(self, symbol: str, quantity: Decimal, terms: Terms) -> str:
        """Order on *terms*; return the client id."""
        ...

    def bracket(
        self,
        symbol: str,
        quantity: Decimal,
        entry: Terms,
        take_profit: Terms,
        stop_loss: Terms,
    ) -> tuple[str, str, str]:
        """Order an entry and the two exits that wait for it; return the three client ids."""
        ...

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order; nothing happens if it has ended."""
        ...

    def open_orders(self, symbol: str | None = None) -> tuple[str, ...]:
        """Return the client ids of the orders that may still trade, oldest first."""
        ...

    def decline(self, symbol: str, reason: str) -> None:
        """Put on record that a wish for *symbol* came to no order, and why."""
        ...
