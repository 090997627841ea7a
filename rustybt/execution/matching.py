"""The matching of a simulated venue: requests and market data in, events out.

Nothing is decided on data that an order could not have seen: an order takes part in a bar only if
it was here when the bar began, and in a quote only if it was here when the quote came. The one
exception is the policy that asks for it,
:attr:`~rustybt.execution.rules.FillPolicy.SAME_CLOSE`.

Fills at the open of a bar carry its start as their time, all later ones its end: when within the
bar they happened is not known.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from rustybt.execution.book import Book
from rustybt.execution.desk import Desk
from rustybt.execution.errors import DuplicateOrderError, ExecutionError, UnknownOrderError
from rustybt.execution.filters import refusal
from rustybt.execution.groups import Group
from rustybt.execution.roster import Admission
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.execution.splits import Split
from rustybt.execution.working import traded_before
from rustybt.model.bar import Quote
from rustybt.model.event import OrderUpdated
from rustybt.model.instrument import Side
from rustybt.model.order import OrderState, TimeInForce
from rustybt.model.order_state import PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.market import BarView
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order


def end_of_day(symbol: str, now: datetime) -> datetime:  # noqa: ARG001 - sessions differ by symbol
    """Return the midnight (UTC) that ends the day of *now*: the session of a market without one."""
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)


def numbered(prefix: str) -> Iterator[str]:
    """Return ids that count up from 1 after *prefix*: the same in every run."""
    return (f"{prefix}{number}" for number in count(1))


class Matcher:
    """A venue with one account: it takes orders, sees the market and trades.

    It holds the *instruments* that can be traded, by symbol, and the *rules*. *session_end* tells
    when the trading session ends that an instant belongs to or comes before; DAY orders work until
    then. *venue_ids* and *trade_ids* yield the ids to hand out. Everything returns the events that
    it caused, in order; their times never go back as long as the times that come in do not.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        rules: MatchingRules | None = None,
        *,
        session_end: Callable[[str, datetime], datetime] = end_of_day,
        venue_ids: Iterator[str] | None = None,
        trade_ids: Iterator[str] | None = None,
    ) -> None:
        self.rules = MatchingRules() if rules is None else rules
        self._instruments = dict(instruments)
        self._session_end = session_end
        self._venue_ids = numbered("V") if venue_ids is None else venue_ids
        self._events: list[VenueEvent] = []
        self._books: dict[str, Book] = {}
        self._whereabouts: dict[str, Book] = {}
        self._desk = Desk(
            self.rules,
            numbered("T") if trade_ids is None else trade_ids,
            emit=self._events.append,
            ended=self._whereabouts.pop,
        )

    def book(self, symbol: str) -> Book:
        """Return the book of *symbol*; raise :class:`ExecutionError` for one that is not traded."""
        book = self._books.get(symbol)
        if book is None:
            instrument = self._instruments.get(symbol)
            if instrument is None:
                raise ExecutionError(
                    f"{symbol!r} cannot be traded here",
                    expected=", ".join(sorted(self._instruments)) or "an instrument",
                )
            book = self._books[symbol] = Book(instrument, self._desk)
        return book

    def set_instrument(self, instrument: Instrument) -> None:
        """Trade *instrument* from now on, or by its new filters; orders at work stay there."""
        self._instruments[instrument.symbol] = instrument
        if instrument.symbol in self._books:
            self._books[instrument.symbol].instrument = instrument

    def position(self, symbol: str) -> Decimal:
        """Return the units that this venue holds of *symbol* for us, negative when short."""
        return self.book(symbol).position

    def set_position(self, symbol: str, quantity: Decimal) -> None:
        """Say what is held of *symbol*: from before, or after a split."""
        self.book(symbol).position = quantity

    def resume(
        self,
        orders: Iterable[Order],
        positions: Mapping[str, Decimal],
        now: datetime,
        *,
        groups: Iterable[OrderGroup] = (),
    ) -> list[VenueEvent]:
        """Go on after a restart with what the account's owner kept.

        *orders* are all of the account's, ended ones included; those that were at work are again,
        from *now* on and in that order. One that was only submitted never came here, a request
        that was under way is lost, and a trailing stop trails from the trigger that its owner
        knows. Nothing is reported but what a group still has to do. The generators of ids must go
        on where they were.
        """
        for symbol, quantity in positions.items():
            self.set_position(symbol, quantity)
        known = {
            order.client_id: order.resumed(order.reason) if order.state in PENDING else order
            for order in orders
        }
        at_work = [Group.resume(group, known) for group in groups]
        members = {client_id: group for group in at_work for client_id in group.spec.members}
        books: dict[str, Book] = {}
        for order in known.values():
            book = books[order.symbol] = self.book(order.symbol)
            self._desk.resume(book.instrument.quote, traded_before(order, book.instrument).notional)
            if order.is_open and order.venue_id is not None:
                self._whereabouts[order.client_id] = book
                admission = Admission(order, order.venue_id, self._expiry(order, order.created))
                book.resume(admission, now, members.get(order.client_id))
        for book in books.values():
            book.regroup(now)
            book.refresh()
        return self._drain()

    def submit(
        self,
        orders: Sequence[Order],
        now: datetime,
        *,
        seen: BarView | Quote | None = None,
        group: OrderGroup | None = None,
    ) -> list[VenueEvent]:
        """Take *orders* to work: any number that are on their own, or all those of one *group*.

        If the venue would refuse one order of a group it refuses the group. *seen* is the last of
        the market that whoever decided on the orders knew: what they trade with under the policy
        same close, and what an order without a price is judged by. Raise
        :class:`~rustybt.execution.errors.DuplicateOrderError` if a client id is taken and
        :class:`~rustybt.execution.errors.ExecutionError` for an unknown symbol, for orders that
        are not those of the group, and if *seen* is not over by *now*; nothing is done then.
        """
        self._check_seen(seen, now)
        self._check_new(orders)
        _check_group(orders, group)
        together = group is not None or len(orders) == 1
        books: dict[str, Book] = {}
        for part in [orders] if together else [[order] for order in orders]:
            book = books[part[0].symbol] = self.book(part[0].symbol)
            for order in part:
                self._whereabouts[order.client_id] = book
            price = _known_price(seen, part[0])
            book.requests.send(partial(self._arrive, book, part, group, price), now)
        for book in books.values():
            self._trade_at_once(book, now, seen)
            book.refresh()
        return self._drain()

    def cancel(self, client_id: str, now: datetime) -> list[VenueEvent]:
        """Cancel an order; nothing comes of it if the order ends before the request arrives.

        Raise :class:`~rustybt.execution.errors.UnknownOrderError` if it is not open.
        """
        book = self._find(client_id)
        book.requests.send(partial(book.cancel, client_id), now)
        book.refresh()
        return self._drain()

    def modify(
        self, terms: Order, now: datetime, *, seen: BarView | Quote | None = None
    ) -> list[VenueEvent]:
        """Give the open order with the client id of *terms* their quantity, price and trigger.

        The reply is an :class:`~rustybt.model.event.OrderReplaced`, or an update that says
        why not. Raise :class:`~rustybt.execution.errors.UnknownOrderError` if it is not open.
        """
        self._check_seen(seen, now)
        book = self._find(terms.client_id)
        book.requests.send(partial(book.modify, terms), now)
        self._trade_at_once(book, now, seen)
        book.refresh()
        return self._drain()

    def on_bar(self, bar: BarView) -> list[VenueEvent]:
        """Match against *bar*, which must be later than all that was shown of its symbol."""
        book = self._books.get(bar.symbol)
        if book is None or book.idle(bar):
            return []
        book.trade_bar(bar)
        return self._drain()

    def on_quote(self, quote: Quote) -> list[VenueEvent]:
        """Match against *quote*."""
        book = self._books.get(quote.symbol)
        if book is None:
            return []
        book.trade_quote(quote, quote.time)
        return self._drain()

    def expire(self, now: datetime) -> list[VenueEvent]:
        """End all orders whose time is over at *now*, market data or not."""
        for book in self._books.values():
            book.expire(now)
        return self._drain()

    def split(self, symbol: str, new: int, old: int, now: datetime) -> list[VenueEvent]:
        """Bring the orders at work in *symbol* to what they are after *old* units became *new*.

        Quantities are rounded down to the lot, and an order of which nothing is left is cancelled;
        limit prices are never rounded to the worse side. Requests that are still under way arrive
        as they were sent. The position is not touched: see :meth:`set_position`.
        """
        book = self._books.get(symbol)
        if book is not None:
            book.split(Split(new, old), now)
        return self._drain()

    def _arrive(
        self,
        book: Book,
        orders: Sequence[Order],
        group: OrderGroup | None,
        price: Decimal | None,
        now: datetime,
    ) -> None:
        """Take *orders*, one or a whole group, to work, or refuse them all."""
        expiries = [self._expiry(order, now) for order in orders]
        reasons = [
            _reason(book, order, expires, price, now)
            for order, expires in zip(orders, expiries, strict=True)
        ]
        if any(reasons):
            self._refuse(orders, reasons, now)
            return
        taken = [
            Admission(order, next(self._venue_ids), expires)
            for order, expires in zip(orders, expiries, strict=True)
        ]
        book.accept(taken, now, group)

    def _expiry(self, order: Order, now: datetime) -> datetime | None:
        """Return when the time of *order* is over."""
        if order.time_in_force is TimeInForce.DAY:
            return self._session_end(order.symbol, now)
        return order.expires

    def _refuse(self, orders: Sequence[Order], reasons: Sequence[str], now: datetime) -> None:
        """Report that none of *orders* is taken."""
        for order, reason in zip(orders, reasons, strict=True):
            del self._whereabouts[order.client_id]
            self._events.append(
                OrderUpdated(
                    time=now,
                    client_id=order.client_id,
                    state=OrderState.REJECTED,
                    reason=reason or f"another order of group {order.group!r} was refused",
                )
            )

    def _trade_at_once(self, book: Book, now: datetime, seen: BarView | Quote | None) -> None:
        """Trade with what was *seen*, if the policy says so."""
        rules = self.rules
        if rules.policy is not FillPolicy.SAME_CLOSE or rules.delays or seen is None:
            return
        if seen.symbol != book.instrument.symbol:
            return
        if isinstance(seen, Quote):
            book.trade_quote(seen, now)
        else:
            book.trade_close(seen, now)

    @staticmethod
    def _check_seen(seen: BarView | Quote | None, now: datetime) -> None:
        """Refuse market data from the future."""
        if seen is None:
            return
        known = seen.time if isinstance(seen, Quote) else seen.end
        if known > now:
            raise ExecutionError(
                f"market data of {known} was seen at {now}",
                expected="data that is over by then",
                remedy="pass the last bar that has closed, or the last quote",
            )

    def _check_new(self, orders: Sequence[Order]) -> None:
        """Refuse a client id that is taken, and a symbol that is not traded."""
        known: set[str] = set()
        for order in orders:
            self.book(order.symbol)
            if order.client_id in self._whereabouts or order.client_id in known:
                raise DuplicateOrderError(
                    f"client id {order.client_id!r} stands for an open order",
                    expected="a client id of its own for each order",
                    remedy="ask the venue about that order before sending another",
                )
            known.add(order.client_id)

    def _find(self, client_id: str) -> Book:
        """Return the book with the open order *client_id*."""
        try:
            return self._whereabouts[client_id]
        except KeyError:
            raise UnknownOrderError(
                f"no open order has the client id {client_id!r}",
                expected="an order that was sent and has not ended",
                remedy="look at the last event of that order",
            ) from None

    def _drain(self) -> list[VenueEvent]:
        """Return the events since the last call."""
        events = self._events.copy()
        self._events.clear()
        return events


def _check_group(orders: Sequence[Order], group: OrderGroup | None) -> None:
    """Refuse orders that are not exactly the ones of *group*, or name one that is not given."""
    group_id = None if group is None else group.group_id
    strangers = [order.client_id for order in orders if order.group != group_id]
    if strangers:
        raise ExecutionError(
            f"the orders {', '.join(strangers)} are not of group {group_id!r}",
            expected="orders without a group, or a group with exactly its orders",
            remedy="make the orders with rustybt.model.oco or rustybt.model.bracket",
        )
    if group is None:
        return
    if sorted(order.client_id for order in orders) != sorted(group.members):
        raise ExecutionError(
            f"group {group_id!r} was given with {len(orders)} of its orders",
            expected=", ".join(group.members),
        )
    if len({order.symbol for order in orders}) > 1:
        raise ExecutionError(f"group {group_id!r} trades more than one symbol")


def _reason(
    book: Book, order: Order, expires: datetime | None, price: Decimal | None, now: datetime
) -> str:
    """Say why *order* is not taken now, nothing if it is."""
    if expires is not None and expires <= now:
        return f"its time was over at {expires}"
    if book.has_group(order.group):
        return f"group {order.group!r} has open orders"
    return refusal(book.instrument, order, price)


def _known_price(seen: BarView | Quote | None, order: Order) -> Decimal | None:
    """Return the price that was *seen* for *order*, if any was."""
    if seen is None or seen.symbol != order.symbol:
        return None
    if isinstance(seen, Quote):
        return seen.ask if order.side is Side.BUY else seen.bid
    return seen.close
