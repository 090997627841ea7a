"""A venue for paper trading: the matching of backtests behind the port of a live venue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rustybt.accounting.ledger import Ledger
from rustybt.execution.errors import ExecutionError, UnknownOrderError
from rustybt.execution.matching import Matcher, end_of_day, numbered
from rustybt.execution.order_manager import OrderManager
from rustybt.model.event import BarClosed, CashMoved, OrderFilled, QuoteChanged
from rustybt.model.instrument import InstrumentKind, Side
from rustybt.model.money import ZERO, add, multiply
from rustybt.model.order_state import OrderState
from rustybt.trading.reports import (
    Balance,
    OrderFound,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
    VenueOrder,
    VenueSnapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.approval import RiskApproved
    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.trading.ports import Clock, Sink
    from rustybt.trading.reports import EngineEvent
    from rustybt.trading.state import EngineState


class SimulatedVenue:
    """Trades by the bars that it is shown, as a backtest would. It is a ``trading.ports.Venue``.

    Whoever runs the session shows it each market event *before* the engine decides on it
    (:meth:`on_event`): a market order gets the next open. *cash* is what a new account holds, by
    currency. *state* is that of the engine after a restart: the account then has the positions
    and the open orders that the engine knows of. *checks_funds* refuses what the account cannot
    pay for or does not hold, as spot venues do; *run* makes ids of trades differ between runs.
    """

    name = "simulated"

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        cash: Mapping[str, Decimal],
        *,
        clock: Clock,
        rules: MatchingRules | None = None,
        session_end: Callable[[str, datetime], datetime] = end_of_day,
        state: EngineState | None = None,
        checks_funds: bool = True,
        run: int = 1,
    ) -> None:
        self._instruments = dict(instruments)
        self._clock = clock
        self._sink: Sink | None = None
        self._checks_funds = checks_funds
        self._prices: dict[str, Decimal] = {}
        self._shown: datetime | None = None
        self._matcher = Matcher(
            instruments,
            rules,
            session_end=session_end,
            venue_ids=numbered(f"V{run}-"),
            trade_ids=numbered(f"T{run}-"),
        )
        if state is not None and state.opened:
            self._ledger = Ledger.restore(state.ledger)
            self._orders = OrderManager(state.orders)
            self._prices.update(state.prices)
            self._matcher.resume(
                state.orders,
                self._ledger.quantities(),
                clock.now(),
                groups=state.groups.values(),
            )
        else:
            self._ledger = Ledger()
            self._orders = OrderManager()
            for currency, amount in cash.items():
                self._ledger.book(
                    CashMoved(
                        time=clock.now(),
                        entry_id=f"opening:{currency}",
                        currency=currency,
                        amount=amount,
                    )
                )
        for instrument in self._instruments.values():
            self._ledger.add_instrument(instrument)

    @property
    def ledger(self) -> Ledger:
        """The account as the venue keeps it; not to be changed."""
        return self._ledger

    async def start(self, sink: Sink) -> Mapping[str, Instrument]:
        """Report to *sink* from now on; return the instruments."""
        self._sink = sink
        return self._instruments

    async def stop(self) -> None:
        """Report no more."""
        self._sink = None

    # Market

    def on_event(self, event: EngineEvent) -> list[EngineEvent]:
        """Return what a market event does to the orders; nothing for any other event."""
        if isinstance(event, BarClosed):
            found = self._matcher.on_bar(event.bar)
            self._prices[event.bar.symbol] = event.bar.close
            self._shown = max(self._shown or event.bar.end, event.bar.end)
            return self._booked(found)
        if isinstance(event, QuoteChanged):
            self._shown = max(self._shown or event.quote.time, event.quote.time)
            return self._booked(self._matcher.on_quote(event.quote))
        return []

    # Requests

    def submit(self, orders: Sequence[RiskApproved], group: OrderGroup | None = None) -> None:
        """Take *orders* to work, or refuse them."""
        wanted = [approved.order for approved in orders]
        refused = [] if group is not None else self._refused(wanted)
        for order, reason in refused:
            self._fail(Request.SUBMIT, reason, order.client_id)
        taken = [order for order in wanted if all(order is not each for each, _ in refused)]
        if not taken:
            return
        try:
            found = self._matcher.submit(taken, self._market_time(), group=group)
        except ExecutionError as error:
            for order in taken:
                self._fail(Request.SUBMIT, str(error), order.client_id)
            return
        for order in taken:
            self._orders.add(order.to(OrderState.SUBMITTED))
        self._report(self._booked(found))

    def cancel(self, client_id: str) -> None:
        """End an order; one that is not open cannot be."""
        try:
            found = self._matcher.cancel(client_id, self._market_time())
        except UnknownOrderError as error:
            self._fail(Request.CANCEL, str(error), client_id)
            return
        self._report(self._booked(found))

    def modify(self, order: RiskApproved) -> None:
        """Give an open order other terms."""
        try:
            found = self._matcher.modify(order.order, self._market_time())
        except UnknownOrderError as error:
            self._fail(Request.MODIFY, str(error), order.order.client_id)
            return
        self._report(self._booked(found))

    def query(
        self,
        client_id: str,
        symbol: str,  # noqa: ARG002 - the client id says it all
        venue_id: str | None = None,  # noqa: ARG002 - likewise
    ) -> None:
        """Tell of an order."""
        now = self._clock.now()
        if client_id not in self._orders:
            self._report([OrderMissing(time=now, client_id=client_id, reason="never arrived")])
            return
        order = self._orders[client_id]
        self._report(
            [OrderFound(time=now, client_id=client_id, order=_shown(order), fills=order.fills)]
        )

    def snapshot(self, symbols: Sequence[str], since: datetime | None) -> None:
        """Tell of the account."""
        now = self._clock.now()
        wanted = set(symbols)
        fills = [
            fill
            for order in self._orders.orders()
            for fill in order.fills
            if fill.symbol in wanted and (since is None or fill.time >= since)
        ]
        self._report(
            [
                VenueSnapshot(
                    time=now,
                    asked=now,
                    since=since,
                    balances=tuple(
                        Balance(currency=currency, free=amount)
                        for currency, amount in sorted(self._ledger.holdings().items())
                    ),
                    orders=tuple(
                        _shown(order)
                        for order in self._orders.open()
                        if order.state is not OrderState.NEW
                    ),
                    fills=tuple(sorted(fills, key=lambda fill: fill.time)),
                    positions=self._contracts(),
                )
            ]
        )

    # How it is done

    def _market_time(self) -> datetime:
        """Return the end of what was shown: a clock that runs has always gone a little further.

        By that clock every order would miss the open that it was meant for.
        """
        return self._clock.now() if self._shown is None else self._shown

    def _contracts(self) -> dict[str, Decimal] | None:
        """Return the positions, if there is anything that is no balance of a currency."""
        spot = all(each.kind is InstrumentKind.SPOT for each in self._instruments.values())
        return None if spot else self._ledger.quantities()

    def _booked(self, events: Iterable[VenueEvent]) -> list[EngineEvent]:
        """Move orders and account along."""
        result: list[EngineEvent] = []
        now = self._clock.now()  # a fill at an open becomes known with the bar
        for event in events:
            self._orders.apply(event)
            if isinstance(event, OrderFilled):
                self._ledger.apply(event.fill)
            result.append(replace(event, time=max(event.time, now)))
        return result

    def _refused(self, orders: Sequence[Order]) -> list[tuple[Order, str]]:
        """Return the orders that the account cannot pay for, or has not the units to deliver."""
        if not self._checks_funds:
            return []
        found = []
        reserved: dict[str, Decimal] = {}
        for order in self._orders.open():
            self._reserve(order, reserved)
        for order in orders:
            instrument = self._instruments.get(order.symbol)
            if instrument is None or instrument.is_margined:
                continue
            self._reserve(order, reserved)
            asset = instrument.quote if order.side is Side.BUY else order.symbol
            has = self._has(asset, order)
            if reserved.get(asset, ZERO) > has:
                found.append((order, f"{has:f} {asset} are not enough"))
                self._reserve(order, reserved, back=True)
        return found

    def _has(self, asset: str, order: Order) -> Decimal:
        """Return what the account has of what *order* gives."""
        return self._ledger.cash(asset) if order.side is Side.BUY else self._ledger.quantity(asset)

    def _reserve(self, order: Order, reserved: dict[str, Decimal], *, back: bool = False) -> None:
        """Count what *order* may take: cash of the quote currency, or units of its symbol."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None or instrument.is_margined:
            return
        if order.side is Side.BUY:
            price = order.price or order.trigger or self._prices.get(order.symbol, ZERO)
            asset, amount = instrument.quote, multiply(order.leaves, price)
        else:
            asset, amount = order.symbol, order.leaves
            if order.reduce_only:
                return
        reserved[asset] = add(reserved.get(asset, ZERO), amount.copy_negate() if back else amount)

    def _fail(self, request: Request, reason: str, client_id: str) -> None:
        """Refuse a request."""
        self._report(
            [
                RequestFailed(
                    time=self._clock.now(),
                    request=request,
                    outcome=Outcome.REFUSED,
                    reason=reason,
                    client_id=client_id,
                )
            ]
        )

    def _report(self, events: Iterable[EngineEvent]) -> None:
        """Tell whoever listens."""
        if self._sink is not None:
            for event in events:
                self._sink(event)


def _shown(order: Order) -> VenueOrder:
    """Return *order* as the venue shows it."""
    return VenueOrder(
        client_id=order.client_id,
        venue_id=order.venue_id or "",
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled=order.filled,
        state=order.state,
        type=order.type,
        price=order.price,
        trigger=order.trigger,
        reason=order.reason,
    )
