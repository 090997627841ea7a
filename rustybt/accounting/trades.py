"""Round trips: what each position earned from the fill that opened it to the one that closed it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from rustybt.accounting.ledger import Ledger
from rustybt.model.event import CashMoved, SharesSplit
from rustybt.model.fill import Fill
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO, add, divide, multiply, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rustybt.accounting.state import Position
    from rustybt.model.event import BookEntry
    from rustybt.model.instrument import Instrument


class RoundTrip(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One position from flat to flat. Amounts are in the instrument's quote currency.

    *side* is that of the entry, *quantity* all that was entered. *profit* is before *fees*,
    *income* and *charges*; prices are averages to 40 digits, and there is no
    exit price if the position vanished in a split. Fees in a third currency are not in it.
    """

    symbol: str
    side: Side
    opened: datetime
    closed: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    profit: Decimal
    fees: Decimal
    income: Decimal
    charges: Decimal

    @property
    def net(self) -> Decimal:
        """Profit after fees, income and charges."""
        return subtract(add(self.profit, self.income), add(self.fees, self.charges))


class _Trip:
    """A round trip under way. *start* is what the books said before it."""

    def __init__(self, start: Position, side: Side, opened: datetime) -> None:
        self.start, self.side, self.opened = start, side, opened
        self.entered = self.entered_value = self.left = self.left_value = ZERO

    def enter(self, quantity: Decimal, price: Decimal) -> None:
        """Count *quantity* entered at *price*."""
        self.entered = add(self.entered, quantity)
        self.entered_value = add(self.entered_value, multiply(quantity, price))

    def leave(self, quantity: Decimal, price: Decimal) -> None:
        """Count *quantity* closed at *price*."""
        self.left = add(self.left, quantity)
        self.left_value = add(self.left_value, multiply(quantity, price))

    def split(self, new: int, old: int) -> None:
        """Count everything so far in units after a split."""
        self.entered = divide(multiply(self.entered, new), old)
        self.left = divide(multiply(self.left, new), old)

    def finish(self, end: Position, closed: datetime) -> RoundTrip:
        """Return the round trip that ended with the books at *end*."""
        start = self.start
        return RoundTrip(
            symbol=start.symbol,
            side=self.side,
            opened=self.opened,
            closed=closed,
            quantity=self.entered,
            entry_price=divide(self.entered_value, self.entered),
            exit_price=divide(self.left_value, self.left) if self.left else None,
            profit=subtract(end.realised, start.realised),
            fees=subtract(end.fees, start.fees),
            income=subtract(end.income, start.income),
            charges=subtract(end.charges, start.charges),
        )


def round_trips(
    facts: Iterable[Fill | BookEntry], instruments: Iterable[Instrument]
) -> list[RoundTrip]:
    """Return the round trips in *facts*, fills and other entries in their order, by closing time.

    A fill that flips a position ends one and begins the next; its fee is shared by quantity. What
    is still open at the end is not a round trip. Raise what :class:`Ledger` raises.
    """
    ledger = Ledger(instruments)
    under_way: dict[str, _Trip] = {}
    finished: list[RoundTrip] = []
    for fact in facts:
        symbol = None if isinstance(fact, CashMoved) else fact.symbol
        if symbol is None:
            continue
        before = ledger.position(symbol)
        if not ledger.record(fact):
            continue
        after = ledger.position(symbol)
        trip = under_way.pop(symbol, None)
        if isinstance(fact, Fill):
            trip = _after_fill(trip, before, after, fact, finished)
        elif isinstance(fact, SharesSplit) and trip is not None:
            trip.split(fact.new, fact.old)
            if not after.quantity:
                finished.append(trip.finish(after, fact.time))
                trip = None
        if trip is not None:
            under_way[symbol] = trip
    return finished


def _after_fill(
    trip: _Trip | None, before: Position, after: Position, fill: Fill, finished: list[RoundTrip]
) -> _Trip | None:
    """Return the trip that is under way after *fill*; append the one that it ended."""
    moved = subtract(after.quantity, before.quantity)
    size = moved.copy_abs()
    against = trip is not None and (moved > ZERO) is not (before.quantity > ZERO)
    closing = min(size, before.quantity.copy_abs()) if against else ZERO
    opening = subtract(size, closing)
    start = before
    if trip is not None and closing:
        trip.leave(closing, fill.price)
        if opening or not after.quantity:
            fee = subtract(after.fees, before.fees)
            share = divide(multiply(fee, closing), size) if opening else fee
            start = replace(after, fees=add(before.fees, share))
            finished.append(trip.finish(start, fill.time))
            trip = None
    if opening:
        side = Side.BUY if moved > ZERO else Side.SELL
        trip = trip or _Trip(start, side, fill.time)
        trip.enter(opening, fill.price)
    return trip
