"""What a trading engine knows, and how events and commands change it.

Nothing here decides anything: the same events and commands always lead to the same books, without
strategy or settings. That is what makes ``state == fold(journal)`` true.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from rustybt.accounting.errors import MissingPriceError
from rustybt.accounting.ledger import Ledger
from rustybt.execution.order_manager import OrderManager
from rustybt.model.money import ZERO, add, multiply, subtract
from rustybt.model.order_state import PENDING, OrderState
from rustybt.trading.state import EngineState, Inquiry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rustybt.accounting.state import BookState
    from rustybt.model.bar import Bar
    from rustybt.model.fill import Fill
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.risk.breaker import Breaker
    from rustybt.trading.reports import OrderFound, VenueSnapshot
    from rustybt.trading.state import Phase

_ID = re.compile(r"([A-Za-z0-9]+)-([0-9]+)-([0-9]+)")
_PLAIN: Final = (
    "prefix",
    "currency",
    "symbols",
    "window",
    "session",
    "session_id",
    "counter",
    "phase",
    "enabled",
    "enable_by",
    "stopping",
    "flattening",
    "breaker",
    "gone",
    "strategy_state",
    "rejections",
    "day",
    "day_start",
    "peak",
    "snapshot_asked",
    "snapshot_failures",
    "watermark",
    "booked",
    "trades",
    "opened",
    "skew",
)
_MAPS: Final = (
    "groups",
    "inquiries",
    "cancels",
    "terms",
    "prices",
    "heard",
    "bars",
    "gathering",
    "lost",
    "timers",
    "touched",
    "suspects",
    "reported",
    "set_aside",
)
_IN_FLIGHT = PENDING | {OrderState.SUBMITTED}
_MAY_TRADE_LATE = frozenset({OrderState.CANCELLED, OrderState.EXPIRED})
_NEVER = datetime.min.replace(tzinfo=UTC)
_DAY = timedelta(days=1)
_MANY_TRADES = 20_000
"""How many trade ids per symbol are kept at least."""


class Facts:
    """What an event came to, for whoever has to act on it.

    *bars* are those of one instant or several, each complete; *gaps* say of which symbol none came
    from when until when; *fills* are new ones of our orders; *ended* orders were rejected, *faults*
    are reports that cannot be, as kind and sentence; *odd* are harmless oddities.
    """

    __slots__ = (
        "bars",
        "ended",
        "faults",
        "fills",
        "found",
        "gaps",
        "odd",
        "snapshot",
        "split",
        "unknown",
    )

    def __init__(self) -> None:
        self.bars: list[list[Bar]] = []
        self.gaps: list[tuple[str, datetime, datetime]] = []
        self.fills: list[Fill] = []
        self.ended: list[Order] = []
        self.faults: list[tuple[str, str]] = []
        self.odd: list[tuple[str, str]] = []
        self.unknown: list[str] = []
        self.split: list[str] = []
        self.found: OrderFound | None = None
        self.snapshot: VenueSnapshot | None = None


class Books:
    """The state of a trading engine while it runs; the fields are those of the value."""

    prefix: str
    currency: str
    symbols: tuple[str, ...]
    window: int
    session: int
    session_id: str
    counter: int
    phase: Phase
    enabled: bool
    enable_by: str
    stopping: str
    flattening: str
    breaker: Breaker
    gone: tuple[str, ...]
    strategy_state: str
    rejections: int
    day: str
    day_start: Decimal | None
    peak: Decimal | None
    snapshot_asked: datetime | None
    snapshot_failures: int
    watermark: datetime | None
    booked: datetime | None
    trades: int
    opened: bool
    skew: int | None
    groups: dict[str, OrderGroup]
    inquiries: dict[str, Inquiry]
    cancels: dict[str, int]
    terms: dict[str, Order]
    prices: dict[str, Decimal]
    heard: dict[str, datetime]
    bars: dict[str, datetime]
    gathering: dict[str, Bar]
    lost: dict[str, str]
    timers: dict[str, datetime]
    touched: dict[str, datetime]
    suspects: dict[str, str]
    reported: dict[str, str]
    set_aside: dict[str, Decimal]

    def __init__(self, state: EngineState | None = None) -> None:
        state = EngineState() if state is None else state
        for name in _PLAIN:
            setattr(self, name, getattr(state, name))
        for name in _MAPS:
            setattr(self, name, dict(getattr(state, name)))
        self._time = state.time
        self._day_ends = _NEVER
        if state.time is not None:
            self._day_ends = _midnight(state.time) + _DAY
        self.orders = OrderManager(state.orders)
        self.ledger = Ledger.restore(state.ledger)
        self.sent = deque(state.sent)
        self.errors = deque(state.errors)
        self._rates: dict[str, str] = {}
        for book in state.ledger.books:
            self._add_rate(book.instrument)

    def state(self) -> EngineState:
        """Return all of it as a value."""
        named: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        named |= {name: dict(getattr(self, name)) for name in _MAPS}
        return EngineState(
            time=self._time,
            orders=self.orders.orders(),
            ledger=self.ledger.state(),
            sent=tuple(self.sent),
            errors=tuple(self.errors),
            **named,
        )

    # Time

    @property
    def now(self) -> datetime:
        """The time of the last event; it never goes back. Raise before the first."""
        if self._time is None:
            raise RuntimeError("nothing has happened yet")  # a defect: commands follow events
        return self._time

    def advance(self, time: datetime) -> bool:
        """Let it be *time*; return False, and stay, if that is in the past."""
        if self._time is not None and time < self._time:
            return False
        self._time = time
        if time >= self._day_ends:
            begins = _midnight(time)
            self._day_ends = begins + _DAY
            self.day = begins.date().isoformat()
            if self.opened:
                self.day_start = self.equity()
        return True

    # Ids

    def next_id(self) -> str:
        """Return the client id that the next order gets; using it up is recorded separately."""
        return f"{self.prefix}-{self.session}-{self.counter + 1}"

    def is_ours(self, client_id: str) -> bool:
        """Tell whether an id looks like one of ours."""
        found = _ID.fullmatch(client_id)
        return found is not None and found[1] == self.prefix

    def see(self, client_id: str) -> None:
        """Never give *client_id* away again, whoever used it."""
        found = _ID.fullmatch(client_id)
        if found is None or found[1] != self.prefix:
            return
        seen = int(found[2]), int(found[3])
        if seen > (self.session, self.counter):
            self.session, self.counter = seen

    # Money

    def add_instrument(self, instrument: Instrument) -> None:
        """Open a book for an instrument, or bring its filters up to date."""
        self.ledger.add_instrument(instrument)
        self._add_rate(instrument)

    def _add_rate(self, instrument: Instrument) -> None:
        """Remember which symbol tells what a currency is worth."""
        self._rates.setdefault(f"{instrument.base} {instrument.quote}", instrument.symbol)

    def rate(self, currency: str) -> Decimal | None:
        """Return what a unit of *currency* is worth in the account's, if a price tells."""
        if currency == self.currency:
            return Decimal(1)
        symbol = self._rates.get(f"{currency} {self.currency}")
        return None if symbol is None else self.prices.get(symbol)

    def rates(self) -> dict[str, Decimal]:
        """Return the rates of all currencies that the books know and a price tells."""
        found = {currency: self.rate(currency) for currency in self.ledger.currencies}
        return {currency: rate for currency, rate in found.items() if rate is not None}

    def equity(self) -> Decimal:
        """Return what the account is worth, in its currency, at the last prices.

        A position without a price counts at its cost, a currency without a rate not at all, nor
        what was there of coins before we came.
        """
        result = ZERO
        for currency, amount in self._worth().items():
            ours = subtract(amount, self.set_aside.get(currency, ZERO))
            rate = self.rate(currency) if ours else None
            if rate is not None:
                result = add(result, multiply(ours, rate))
        return result

    def _worth(self) -> dict[str, Decimal]:
        """Return what there is per currency; what has no price counts at its cost."""
        try:
            return self.ledger.worth(self.prices)
        except MissingPriceError:
            costs = {
                symbol: position.average_price or ZERO
                for symbol, position in self.ledger.positions().items()
            }
            return self.ledger.worth({**costs, **self.prices})

    def mark(self) -> None:
        """Note the highest equity so far."""
        if self.opened:
            equity = self.equity()
            if self.peak is None or equity > self.peak:
                self.peak = equity

    def rebase(self) -> None:
        """Measure losses from here."""
        if self.opened:
            self.day_start = self.peak = self.equity()

    def forget_trades(self) -> None:
        """Forget the oldest trade ids once there are too many; orders know theirs by themselves."""
        self.trades += 1
        if self.trades < _MANY_TRADES:
            return
        self.trades = 0
        state = self.ledger.state()
        kept = tuple(
            replace(book, trades=dict(islice(book.trades.items(), _surplus(book), None)))
            for book in state.books
        )
        self.ledger = Ledger.restore(replace(state, books=kept))

    # Orders

    def settle(self, order: Order) -> None:
        """Forget the doubts that the new state of *order* answers."""
        client_id = order.client_id
        if not order.is_open:
            self.inquiries.pop(client_id, None)
            self.cancels.pop(client_id, None)
            if not self._may_have_been_larger(order):
                self.terms.pop(client_id, None)
        elif order.state not in _IN_FLIGHT:
            self.inquiries.pop(client_id, None)
            self.terms.pop(client_id, None)

    def _may_have_been_larger(self, order: Order) -> bool:
        """Tell whether an order ended while it was being enlarged: trades at that size may come."""
        wanted = self.terms.get(order.client_id)
        return (
            wanted is not None
            and order.state in _MAY_TRADE_LATE
            and wanted.quantity > order.quantity
        )

    def doubt(self, client_id: str, *, failed: bool = False) -> None:
        """Be in doubt about an order."""
        known = self.inquiries.get(client_id)
        if known is None:
            self.inquiries[client_id] = Inquiry(since=self.now, failed=failed)
        elif failed and not known.failed:
            self.inquiries[client_id] = Inquiry(
                since=known.since, tries=known.tries, missing=known.missing, failed=True
            )

    def heard_of(self, client_id: str) -> None:
        """Forget that the venue did not know an order: it told of it."""
        known = self.inquiries.get(client_id)
        if known is not None and known.missing:
            self.inquiries[client_id] = replace(known, missing=0)

    def in_doubt(self) -> bool:
        """Tell whether the venue owes an answer about any order."""
        return bool(self.inquiries)

    def expected(self) -> Iterable[str]:
        """Return the symbols that bars are expected of."""
        return (symbol for symbol in self.symbols if symbol not in self.gone)

    def count(self, times: deque[datetime]) -> None:
        """Add now to *times* and forget those before the window."""
        since = self.now - timedelta(seconds=self.window)
        while times and times[0] <= since:
            times.popleft()
        times.append(self.now)


def _surplus(book: BookState) -> int:
    """Return how many of the trades of a book are not needed any more."""
    return max(0, len(book.trades) - _MANY_TRADES)


def _midnight(time: datetime) -> datetime:
    """Return the midnight, UTC, before *time*."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
