"""The trader of a live or paper session: what a strategy wishes becomes orders, or a note."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.execution.filters import refusal
from rustybt.model.codec import to_json
from rustybt.model.group import bracket
from rustybt.model.instrument import Side
from rustybt.model.money import ONE, ZERO, Rounding, add, divide, is_multiple
from rustybt.model.order import Order
from rustybt.risk.limits import Denial
from rustybt.strategy.errors import StrategyError
from rustybt.strategy.ticket import Terms
from rustybt.trading.state import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.trading.desk import Desk

_MARKET = Terms()
_WARM_UP = "warm-up"


class EngineTrader:
    """A :class:`~rustybt.strategy.ticket.Trader` on the books of an engine.

    What is wished while trading is not allowed is denied with a note, never kept for later. During
    a warm-up wishes come to nothing at all, and *prices* are those of the bars shown.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._books = desk.books
        self.warming: dict[str, Decimal] | None = None
        self.is_late = False

    # The account

    @property
    def cash(self) -> Decimal:
        """What there is to pay with, in the account's currency."""
        return self._books.ledger.cash(self._books.currency)

    @property
    def equity(self) -> Decimal:
        """Cash and the value of all positions at the last closes."""
        return self._books.equity()

    def equity_in(self, symbol: str) -> Decimal:
        """Return the equity in the currency that *symbol* quotes in, to 40 digits."""
        rate = self._books.rate(self.instrument(symbol).quote)
        if rate is None:
            raise StrategyError(
                f"nobody knows what {self.instrument(symbol).quote} is worth"
                f" in {self._books.currency}",
                remedy="trade the symbol that tells, too",
            )
        return self.equity if rate == ONE else divide(self.equity, rate)

    def position(self, symbol: str) -> Decimal:
        """Return the units held, negative when short."""
        self.instrument(symbol)
        return self._books.ledger.quantity(symbol)

    def pending(self, symbol: str) -> Decimal:
        """Return the units that open market orders will still add, signed."""
        result = ZERO
        for order in self._books.orders.open(symbol):
            if order.price is None and order.trigger is None and order.trail is None:
                leaves = order.leaves
                missing = leaves if order.side is Side.BUY else leaves.copy_negate()
                result = add(result, missing)
        return result

    def price(self, symbol: str) -> Decimal | None:
        """Return the last close; ``None`` before the first bar."""
        self.instrument(symbol)
        if self.warming is not None and symbol in self.warming:
            return self.warming[symbol]
        return self._books.prices.get(symbol)

    def instrument(self, symbol: str) -> Instrument:
        """Return what is traded under *symbol*; raise for a symbol that is not."""
        if symbol not in self._desk.settings.symbols:
            shown = ", ".join(self._desk.settings.symbols[:10])
            raise StrategyError(f"{symbol!r} is not traded here", expected=shown)
        return self._desk.instrument(symbol)

    def open_orders(self, symbol: str | None = None) -> tuple[str, ...]:
        """Return the client ids of the orders that may still trade, oldest first."""
        return tuple(order.client_id for order in self._books.orders.open(symbol))

    # Wishes

    def market(self, symbol: str, quantity: Decimal) -> str:
        """Order at whatever price there is next; return the client id."""
        return self.submit(symbol, quantity, _MARKET)

    def submit(self, symbol: str, quantity: Decimal, terms: Terms) -> str:
        """Order on *terms*; return the client id."""
        if self.warming is not None:
            return _WARM_UP
        order = self._order(symbol, quantity, terms, 0)
        if order is None:
            return self._deny_unmade(symbol, quantity)
        self._wish([order], None)
        return order.client_id

    def bracket(
        self,
        symbol: str,
        quantity: Decimal,
        entry: Terms,
        take_profit: Terms,
        stop_loss: Terms,
    ) -> tuple[str, str, str]:
        """Order an entry and the two exits that wait for it; return the three client ids."""
        if self.warming is not None:
            return _WARM_UP, _WARM_UP, _WARM_UP
        back = quantity.copy_negate()
        first = self._order(symbol, quantity, entry, 0)
        profit = self._order(symbol, back, take_profit, 1)
        stop = self._order(symbol, back, stop_loss, 2)
        if first is None or profit is None or stop is None:
            client_id = self._deny_unmade(symbol, quantity)
            return client_id, client_id, client_id
        group, orders = bracket(f"G{first.client_id}", first, take_profit=profit, stop_loss=stop)
        self._wish(orders, group)
        return first.client_id, profit.client_id, stop.client_id

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order; nothing happens if it has ended."""
        if self.warming is None and client_id in self._books.orders:
            self._desk.cancel(self._books.orders[client_id], "cancelled by the strategy")

    def decline(self, symbol: str, reason: str) -> None:
        """Put on record that a wish for *symbol* came to no order, and why."""
        if self.warming is None:
            self._desk.note("declined", reason, symbol=symbol)

    # How they come about

    def _order(self, symbol: str, quantity: Decimal, terms: Terms, ahead: int) -> Order | None:
        """Return a new order on the venue's grid; ``None`` if nothing is left of it."""
        instrument = self.instrument(symbol)
        size = quantity.copy_abs()
        if not is_multiple(size, instrument.lot):  # otherwise the digits stay as they were given
            size = instrument.round_quantity(size)
        if not size:
            return None
        side = Side.BUY if quantity > ZERO else Side.SELL
        first = self._books.next_id()
        stem, _, number = first.rpartition("-")
        return Order(
            client_id=f"{stem}-{int(number) + ahead}",
            symbol=symbol,
            side=side,
            quantity=size,
            created=self._books.now,
            type=terms.type,
            price=_limit(instrument, terms.price, side),
            trigger=_trigger(instrument, terms),
            trail=terms.trail,
            trail_unit=terms.trail_unit,
            time_in_force=terms.time_in_force,
            expires=terms.expires,
            post_only=terms.post_only,
            reduce_only=terms.reduce_only,
        )

    def _wish(self, orders: Sequence[Order], group: OrderGroup | None) -> None:
        """Send orders, or note why not."""
        reason = self._refusal(orders)
        if not reason:
            denial = self._send(orders, group)
            reason = str(denial) if isinstance(denial, Denial) else ""
        if reason:
            for order in orders:
                self._deny(order, reason)

    def _send(self, orders: Sequence[Order], group: OrderGroup | None) -> Denial | tuple[()]:
        """Send orders; exits stay here where the venue does not know groups."""
        desk = self._desk
        if group is None or desk.settings.groups_at_venue:
            return desk.send(orders, group)
        entry, *exits = orders
        texts = [to_json(order).decode() for order in exits]

        def keep() -> None:
            desk.note(
                "waiting",
                f"the exits of {entry.client_id} wait for it",
                group=to_json(group).decode(),
                orders=to_json(texts).decode(),
            )

        return desk.send([entry], keep=keep)

    def _refusal(self, orders: Sequence[Order]) -> str:
        """Say why orders cannot be sent now whatever they risk, if so."""
        books, order = self._books, orders[0]
        if books.phase is not Phase.READY:
            return "recovery is not complete"
        if books.stopping:
            return "the session is being stopped"
        if books.flattening:
            return "all positions are being closed"
        if not books.enabled:
            return "trading is not enabled"
        if order.symbol in books.gone:
            return f"{order.symbol} is not traded any more"
        if self.is_late:
            return "it was decided on a bar that came too late"
        if books.lost and not order.reduce_only:
            return f"not connected: {', '.join(sorted(books.lost))}"
        return self._venue_refusal(orders)

    def _venue_refusal(self, orders: Sequence[Order]) -> str:
        """Say what the venue's filters would say."""
        for order in orders:
            instrument = self._desk.instrument(order.symbol)
            market = self._books.prices.get(order.symbol)
            found = refusal(instrument, order, market)
            if found:
                return found
        return ""

    def _deny(self, order: Order, reason: str) -> None:
        """Note that an order is not sent, and why."""
        self._desk.note(
            "denied",
            reason,
            client_id=order.client_id,
            symbol=order.symbol,
            side=str(order.side),
            quantity=f"{order.quantity:f}",
        )

    def _deny_unmade(self, symbol: str, quantity: Decimal) -> str:
        """Note that nothing is left of a wish once it is rounded to the lot; return its id."""
        client_id = self._books.next_id()
        lot = self._desk.instrument(symbol).lot
        self._desk.note(
            "denied",
            f"{quantity:f} is less than the lot {lot:f}",
            client_id=client_id,
            symbol=symbol,
        )
        return client_id


def _limit(instrument: Instrument, price: Decimal | None, side: Side) -> Decimal | None:
    """Return a limit on the tick grid, never worse than what was wished."""
    return None if price is None else instrument.limit_price(price, side)


def _trigger(instrument: Instrument, terms: Terms) -> Decimal | None:
    """Return a trigger on the tick grid."""
    if terms.trigger is None:
        return None
    return instrument.round_price(terms.trigger, Rounding.NEAREST)
