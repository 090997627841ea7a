"""The simulated trader of a backtest: from a strategy's wishes to fills in the account.

A market order that nothing but the next open decides on takes a shortcut: it waits in a list and is
booked when that bar begins. Everything else (limits, stops, groups, volume shares, latency, risk
limits, fills at the same close) goes through the matching of :mod:`rustybt.execution`. Which of the
two it was cannot be told from the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.engine.account import Account
from rustybt.engine.currencies import ForeignAccount
from rustybt.engine.gate import Gate
from rustybt.engine.taking import fee_of, is_simple, price_at_open
from rustybt.engine.venue import Venue
from rustybt.engine.view import View
from rustybt.engine.wishes import (
    Refusal,
    Waiting,
    described,
    is_unbounded,
    microseconds,
    number_of,
    order_on,
    signed,
)
from rustybt.execution.rules import FillPolicy
from rustybt.model.event import OrderFilled, OrderUpdated
from rustybt.model.group import bracket
from rustybt.model.instrument import Side
from rustybt.model.money import ONE, ZERO, Rounding, add, is_multiple, multiply
from rustybt.model.order_state import PENDING, OrderState
from rustybt.risk.limits import RiskLimits
from rustybt.strategy.bar import instant
from rustybt.strategy.ticket import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from rustybt.engine.currencies import Exchange
    from rustybt.engine.holding import Holding
    from rustybt.engine.tape import Tape
    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.fill import Fill
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.risk.limits import TradingHours

_MARKET = Terms()
_REDUCING = Terms(reduce_only=True)


class Desk(View):
    """Carries out orders on a tape. It is a :class:`~rustybt.strategy.ticket.Trader`.

    Whoever walks the tape calls :meth:`open_slice` before it moves the bars. *active* tells whether
    anything could happen in the next slice. *decisions* is filled with what is ordered after which
    bar, if it is a list. *shortcut* may be switched off, for tests.
    """

    def __init__(
        self,
        tape: Tape,
        instruments: Mapping[str, Instrument],
        cash: Decimal,
        rules: MatchingRules,
        *,
        limits: RiskLimits | None = None,
        session_end: Callable[[str, datetime], datetime] | None = None,
        shortcut: bool = True,
        hours: TradingHours | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        traded = [instruments[symbol] for symbol in tape.symbols]
        account = (
            Account(cash, traded) if exchange is None else ForeignAccount(cash, traded, exchange)
        )
        super().__init__(tape, account)
        self.rules = rules
        self.waiting: dict[int, list[Waiting]] = {}
        self.stranded: dict[int, list[Waiting]] = {}
        self.refusals: list[Refusal] = []
        self.active = False
        self.venue = Venue(tape, instruments, rules, session_end)
        self.on_fill: Callable[[Fill], object] | None = None
        self.decisions: list[tuple[int, str, str]] | None = None
        reviews = limits is not None or hours is not None
        self._gate = Gate(limits or RiskLimits(), self, hours) if reviews else None
        self.takes_shortcut = shortcut and not reviews and exchange is None and is_simple(rules)
        self._fee = fee_of(rules.commission)
        self._ids = 0
        self._fine: set[tuple[int, Decimal]] = set()
        self._unreported: list[int] = []
        self.fills_at_once = rules.policy is FillPolicy.SAME_CLOSE

    def attend(self, holding: Holding) -> None:
        """Let *holding* act before each slice; every order goes the long way then."""
        self.holding = holding
        self.active = True
        self.takes_shortcut = False

    # What strategies ask for

    def pending(self, symbol: str) -> Decimal:
        """Return the units that open market orders will still add, signed."""
        index = self._index(symbol)
        result = ZERO
        for order in (*self.waiting.get(index, ()), *self.stranded.get(index, ())):
            result = add(result, order.quantity)
        if index in self.venue.resting:
            for working in self.venue.orders.open(symbol):
                if working.price is None and working.trigger is None and working.trail is None:
                    leaves = working.leaves
                    missing = leaves if working.side is Side.BUY else leaves.copy_negate()
                    result = add(result, missing)
        return result

    def market(self, symbol: str, quantity: Decimal) -> str:
        """Order at the next open (or whatever the fill policy says)."""
        index = self._index(symbol)
        if not self.takes_shortcut or index in self.venue.resting:
            return self.submit(symbol, quantity, _MARKET)
        client_id = self._next_id()
        if self.decisions is not None:
            self.decisions.append((self.base.start, symbol, f"market {quantity:f}"))
        reason = self._refusal(index, quantity)
        if reason:
            self._refuse(index, client_id, quantity, reason)
            return client_id
        self.waiting.setdefault(index, []).append(Waiting(client_id, quantity))
        self.active = True
        return client_id

    def submit(self, symbol: str, quantity: Decimal, terms: Terms) -> str:
        """Order on *terms*."""
        index = self._index(symbol)
        order = self._order(symbol, quantity, terms)
        self._send(index, [order], None)
        return order.client_id

    def bracket(
        self,
        symbol: str,
        quantity: Decimal,
        entry: Terms,
        take_profit: Terms,
        stop_loss: Terms,
    ) -> tuple[str, str, str]:
        """Order an entry and the two exits that wait for it."""
        index = self._index(symbol)
        first = self._order(symbol, quantity, entry)
        profit = self._order(symbol, quantity.copy_negate(), take_profit)
        stop = self._order(symbol, quantity.copy_negate(), stop_loss)
        group, orders = bracket(f"G{first.client_id}", first, take_profit=profit, stop_loss=stop)
        self._send(index, orders, group)
        return first.client_id, profit.client_id, stop.client_id

    def cancel(self, client_id: str) -> None:
        """Ask for the end of an order; nothing happens if it has ended."""
        for waiting in (self.waiting, self.stranded):
            for index, orders in waiting.items():
                kept = [order for order in orders if order.client_id != client_id]
                if len(kept) < len(orders):
                    waiting[index] = kept
                    return
        orders_known = self.venue.orders
        if client_id in orders_known and orders_known[client_id].is_open:
            order = orders_known[client_id]
            if order.state not in PENDING:
                orders_known.move(client_id, OrderState.PENDING_CANCEL)
            index = self._index(order.symbol)
            self._take(index, self.venue.cancel(index, client_id, instant(self.now)))

    def open_orders(self, symbol: str | None = None) -> tuple[str, ...]:
        """Return the client ids of the orders that may still trade, oldest first."""
        wanted = None if symbol is None else self._index(symbol)
        found = [
            order.client_id
            for waiting in (self.waiting, self.stranded)
            for index, orders in waiting.items()
            if wanted is None or index == wanted
            for order in orders
        ]
        found += [order.client_id for order in self.venue.orders.open(symbol)]
        return tuple(sorted(found, key=number_of))

    def decline(self, symbol: str, reason: str) -> None:
        """Put on record that a wish came to no order."""
        self.refusals.append(Refusal(self.now, symbol, "", None, reason))

    # What happens on the way along the tape

    def open_slice(self, first: int, last: int) -> None:
        """Let the orders see the bars in the rows from *first* until before *last*."""
        self._inside = self.tape.began(first)
        if self.holding is not None:
            self.holding.begin(first, last)
        waiting, resting = self.waiting, self.venue.resting
        for index in sorted({*waiting, *resting}):
            row = self.next_row(index)
            if row < 0 and index in waiting:
                self.stranded.setdefault(index, []).extend(waiting.pop(index))
            if not first <= row < last:
                continue
            if index in waiting:
                for order in waiting.pop(index):
                    self._fill_at_open(index, row, order)
            if index in resting:
                position = self.account.positions[index]
                self._take(index, self.venue.trade(index, row, position), row)
        if self._unreported:
            self.report()
        self.active = bool(self.waiting or resting or self.holding is not None)
        self._inside = None

    def report(self) -> None:
        """Tell the strategy of the fills that it does not know of."""
        log, symbols = self.account.log, self.tape.symbols
        inside = self._inside
        while self._unreported:
            numbers = self._unreported
            self._unreported = []
            for number in numbers:
                if self.on_fill is not None:
                    fill = log.fill(number, symbols)
                    self._inside = max(self.now, log.times[number])
                    self.on_fill(fill)
        self._inside = inside

    def finish(self) -> None:
        """End what has outlived its time; note what is held of symbols that have no more bars."""
        self._take(0, self.venue.finish(instant(self.now)))
        self.notes += [
            f"{bar.symbol} is still held at its last close, of the bar that began at {bar.time}"
            for bar, units in zip(self.bars, self.account.positions, strict=True)
            if units and bar.start < self.base.start
        ]

    # How it is done

    def _next_id(self) -> str:
        """Return the next client id."""
        self._ids += 1
        return f"O{self._ids}"

    def _refusal(self, index: int, quantity: Decimal) -> str:
        """Say why the venue would not take a market order, nothing if it would."""
        if (index, quantity) in self._fine:
            return ""
        instrument = self.account.instruments[index]
        if is_unbounded(instrument) or self.row(index) < 0:
            if is_multiple(quantity, instrument.lot):
                self._fine.add((index, quantity))
                return ""
            return f"quantity {quantity.copy_abs()} is off the lot {instrument.lot}"
        price = instrument.round_price(self.last_price(index), Rounding.NEAREST)
        return "; ".join(instrument.violations(quantity.copy_abs(), price))

    def _fill_at_open(self, index: int, row: int, order: Waiting) -> None:
        """Book a market order at the open of *row*."""
        client_id, quantity = order
        account = self.account
        instrument = account.instruments[index]
        price = price_at_open(self.tape, row, quantity, instrument, self.rules)
        size = quantity.copy_abs()
        notional = multiply(size, price).copy_abs()
        if account.multipliers[index] is not ONE:
            notional = multiply(notional, account.multipliers[index])
        fee = self._fee(size, notional)
        if self.on_fill is not None:
            self._unreported.append(len(account.log))
        account.book(index, row, self.now, client_id, quantity, price, fee)

    def _order(self, symbol: str, quantity: Decimal, terms: Terms) -> Order:
        """Return a new order of the signed *quantity*."""
        return order_on(terms, self._next_id(), symbol, quantity, instant(self.now))

    def _send(self, index: int, orders: Sequence[Order], group: OrderGroup | None) -> None:
        """Send orders in one symbol to the venue, past the risk limits if there are any."""
        if self.decisions is not None:
            for order in orders:
                self.decisions.append((self.base.start, order.symbol, described(order)))
        if self._gate is not None:
            denial = self._gate.review(
                orders, self.now, self.prices(index), self.equity, self.venue.orders.open()
            )
            if denial is not None:
                for order in orders:
                    self._refuse(index, order.client_id, signed(order), str(denial))
                return
        if self.holding is not None and self.holding.margin is not None:
            reason = self.holding.margin.refusal(orders)
            if reason:
                for order in orders:
                    self._refuse(index, order.client_id, signed(order), reason)
                return
        row = self.row(index)
        ends = self.tape.began(row) + self.tape.bar_length
        seen = row if row >= 0 and (ends == self.now or not self.fills_at_once) else None
        position = self.account.positions[index]
        now = instant(self.now)
        self._take(index, self.venue.submit(index, orders, now, seen, position, group), row)
        self.active = True

    def force(self, index: int, quantity: Decimal) -> str:
        """Reduce a position at the market, whatever the limits say; return the client id."""
        order = self._order(self.tape.symbols[index], quantity, _REDUCING)
        position = self.account.positions[index]
        self._take(index, self.venue.submit(index, [order], instant(self.now), None, position))
        return order.client_id

    def prices(self, index: int) -> dict[str, Decimal]:
        """Return the last closes of what is held or ordered, and of one more symbol."""
        ordered = {self.indices[order.symbol] for order in self.venue.orders.open()}
        held = {each for each, units in enumerate(self.account.positions) if units}
        return {
            self.tape.symbols[each]: self.last_price(each)
            for each in sorted({index, *held, *ordered})
            if self.row(each) >= 0
        }

    def _take(self, index: int, events: Sequence[VenueEvent], row: int = -1) -> None:
        """Book what the venue reports; *row* is the bar in which it happened."""
        for event in events:
            if isinstance(event, OrderFilled):
                fill = event.fill
                if self.on_fill is not None:
                    self._unreported.append(len(self.account.log))
                self.account.book(
                    index,
                    row,
                    microseconds(fill.time),
                    fill.client_id,
                    fill.signed_quantity,
                    fill.price,
                    fill.fee,
                )
            elif isinstance(event, OrderUpdated) and event.state is OrderState.REJECTED:
                order = self.venue.orders[event.client_id]
                where = self.indices[order.symbol]
                self._refuse(where, event.client_id, signed(order), event.reason)

    def _refuse(self, index: int, client_id: str, quantity: Decimal, reason: str) -> None:
        """Put a refusal on record."""
        symbol = self.tape.symbols[index]
        self.refusals.append(Refusal(self.now, symbol, client_id, quantity, reason))
