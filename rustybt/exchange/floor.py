"""The trading floor: what is traded, by which rules, at which price, and which orders may come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from rustybt.exchange.errors import (
    ExchangeError,
    RefusalError,
    failed_filter,
    missing,
    unknown_symbol,
)
from rustybt.exchange.filters import (
    Filters,
    crosses,
    filter_problem,
    shape_problem,
    triggers_at_once,
)
from rustybt.exchange.market import Tape
from rustybt.exchange.pricing import price_at_close, refuse_tiers
from rustybt.exchange.records import STOPPED, Kind, OrderRecord, Trading
from rustybt.exchange.state import TapeState
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from rustybt.exchange.account import Account
    from rustybt.exchange.records import OrderRequest
    from rustybt.exchange.state import VenueState
    from rustybt.model.instrument import Instrument

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Floor:
    """What all accounts of a venue share.

    Raise :class:`ExchangeError` for matching rules that cannot be kept here.
    """

    def __init__(
        self, state: VenueState, rules: MatchingRules | None, filters: Filters | None
    ) -> None:
        self.rules = MatchingRules(policy=FillPolicy.SAME_CLOSE) if rules is None else rules
        if self.rules.delays:
            raise ExchangeError(
                "the practice exchange cannot delay requests by rule",
                expected="matching rules without latency",
                remedy="delay them with a fault",
            )
        refuse_tiers(self.rules.commission)
        self.filters = Filters() if filters is None else filters
        self.instruments: dict[str, Instrument] = {}
        self.trading: dict[str, Trading] = {}
        self.tapes: dict[str, Tape] = {}
        for instrument in state.instruments:
            symbol = instrument.symbol
            kept = state.tapes.get(symbol, TapeState())
            self.instruments[symbol] = instrument
            self.trading[symbol] = state.trading.get(symbol, Trading.TRADING)
            self.tapes[symbol] = Tape(kept.bars, kept.shown)

    def set_instrument(self, instrument: Instrument) -> None:
        """Trade *instrument*, by these filters, from now on."""
        self.instruments[instrument.symbol] = instrument
        self.trading.setdefault(instrument.symbol, Trading.TRADING)
        self.tapes.setdefault(instrument.symbol, Tape())

    def has_seen(self, record: OrderRecord) -> bool:
        """Tell whether the market came by since *record* was accepted."""
        at_once = self.rules.policy is FillPolicy.SAME_CLOSE and record.arrived > 0
        return at_once or self.tapes[record.symbol].shown > record.arrived

    def admit(
        self, owner: Account, request: OrderRequest, now: datetime, order_ids: Iterator[str]
    ) -> OrderRecord:
        """Return the order that *request* asks for, numbered from *order_ids*, or refuse it."""
        instrument = self.tradable(request.symbol)
        problem = shape_problem(request)
        if problem is not None:
            raise problem
        tape = self.tapes[request.symbol]
        quantity = self._quantity(request, instrument, tape.price)
        problem = filter_problem(instrument, self.filters, request, quantity, tape.price)
        problem = problem or self._crowded(owner, request) or self._too_late(request, tape.price)
        if problem is not None:
            raise problem
        if request.client_id and self._open_named(owner, request.symbol, request.client_id):
            raise RefusalError(-2010, "Duplicate order sent.")
        return self._recorded(owner, request, quantity, now, order_ids)

    def _recorded(
        self,
        owner: Account,
        request: OrderRequest,
        quantity: Decimal,
        now: datetime,
        order_ids: Iterator[str],
    ) -> OrderRecord:
        """Return the order for *request* with the money that it has to hold back."""
        buys = request.side is Side.BUY
        tape = self.tapes[request.symbol]
        instrument = self.instruments[request.symbol]
        order_id = int(next(order_ids))
        record = OrderRecord(
            account=owner.name,
            order_id=order_id,
            client_id=request.client_id or f"practice-{order_id}",
            symbol=request.symbol,
            side=request.side,
            kind=request.kind,
            quantity=quantity,
            price=request.price,
            stop_price=request.stop_price,
            quote_quantity=request.quote_quantity,
            time_in_force=request.time_in_force,
            created=now,
            updated=now,
            lock_asset=instrument.quote if buys else instrument.base,
            locked=quantity,
            arrived=tape.shown,
        )
        if not buys:
            return record
        price = request.price or request.stop_price
        if price is None:
            price = self._market_price(request.symbol, quantity)
        return replace(record, locked=owner.reserve(record, quantity, price))

    def _market_price(self, symbol: str, quantity: Decimal) -> Decimal:
        """Return what a purchase of *quantity* without a limit would trade at now."""
        last = self.tapes[symbol].last
        if last is None:
            raise RefusalError(-2010, "Market is empty: there is no price yet.")
        return price_at_close(last, self.instruments[symbol], self.rules, Side.BUY, quantity)

    def _quantity(
        self, request: OrderRequest, instrument: Instrument, last: Decimal | None
    ) -> Decimal:
        """Return how many units *request* is for."""
        if request.quantity is not None:
            return request.quantity
        if request.quote_quantity is None:
            raise missing("quantity")
        if last is None:
            raise RefusalError(-2010, "Market is empty: there is no price yet.")
        return instrument.affordable(max(request.quote_quantity, ZERO), last)

    def _crowded(self, owner: Account, request: OrderRequest) -> RefusalError | None:
        """Return that too many orders are open."""
        if len(owner.open) < min(self.filters.max_orders, self.filters.max_stops):
            return None
        orders = owner.open_in(request.symbol)
        if len(orders) >= self.filters.max_orders:
            return failed_filter("MAX_NUM_ORDERS")
        stops = sum(not order.is_working for order in orders)
        if request.kind in STOPPED and stops >= self.filters.max_stops:
            return failed_filter("MAX_NUM_ALGO_ORDERS")
        return None

    def _too_late(self, request: OrderRequest, last: Decimal | None) -> RefusalError | None:
        """Return that the market is beyond a stop or a post-only limit already.

        Under the other policies the market is only looked at when the next bar is there.
        """
        if self.rules.policy is not FillPolicy.SAME_CLOSE:
            return None
        if triggers_at_once(request, last):
            return RefusalError(-2010, "Stop price would trigger immediately.")
        if request.kind is Kind.LIMIT_MAKER and crosses(request, last):
            return RefusalError(-2010, "Order would immediately match and take.")
        return None

    def market_time(self, symbol: str) -> datetime:
        """Return the end of the last bar: when all happens that happens before the next."""
        last = self.tapes[symbol].last
        return _BEGINNING if last is None else last.end

    def listed(self, symbol: str) -> Instrument:
        """Return the instrument of *symbol*, or refuse."""
        instrument = self.instruments.get(symbol)
        if instrument is None:
            raise unknown_symbol()
        return instrument

    def tradable(self, symbol: str) -> Instrument:
        """Return the instrument of *symbol* if it trades, or refuse."""
        instrument = self.listed(symbol)
        trading = self.trading[symbol]
        if trading is Trading.DELISTED:
            raise unknown_symbol()
        if trading is Trading.BREAK:
            raise RefusalError(-1013, "Market is closed.")
        return instrument

    @staticmethod
    def _open_named(owner: Account, symbol: str, client_id: str) -> bool:
        """Tell whether an open order has that client id."""
        found = owner.named(symbol, client_id)
        return found is not None and found.is_open
