"""Where all parts of a trading engine put what they want done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.model.order_state import OrderState
from rustybt.risk.limits import Denial, RiskLimits
from rustybt.risk.manager import RiskManager
from rustybt.risk.portfolio import PortfolioSnapshot
from rustybt.trading.commands import (
    Alert,
    Cancel,
    Modify,
    Note,
    Query,
    SetTimer,
    Severity,
    Submit,
    TakeSnapshot,
)
from rustybt.trading.recorded import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from rustybt.model.group import OrderGroup
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order
    from rustybt.risk.limits import TradingHours
    from rustybt.trading.books import Books
    from rustybt.trading.commands import Command
    from rustybt.trading.settings import EngineSettings


class Desk:
    """Commands on their way out, and the books that they change at once."""

    def __init__(
        self, books: Books, settings: EngineSettings, hours: TradingHours | None = None
    ) -> None:
        self.books = books
        self.settings = settings
        self.hours = hours
        self.out: list[Command] = []
        self.ended = False
        self._manager = RiskManager(
            settings.limits, hours=hours, breaker=books.breaker, sent=books.sent
        )
        # Closing positions because a person says so must not fail for any limit of ours.
        self._unlimited = RiskManager(RiskLimits())

    def emit(self, command: Command) -> None:
        """Put a command on its way."""
        record(self.books, command.record())  # type: ignore[arg-type]  # all plain ones are kept
        self.out.append(command)

    def note(self, kind: str, message: str, **details: str) -> None:
        """Write something into the audit log."""
        self.emit(Note(kind=kind, message=message, details=details))

    def alert(
        self, kind: str, message: str, severity: Severity = Severity.WARNING, **details: str
    ) -> None:
        """Tell people something."""
        self.emit(Alert(kind=kind, severity=severity, message=message, details=details))

    def tell_once(self, key: str, kind: str, message: str) -> bool:
        """Tell people something unless they know; return whether they did not."""
        if self.books.reported.get(key) == message:
            return False
        self.note("discrepancy", message, key=key)
        self.alert(kind, message)
        return True

    def trip(self, cause: str) -> None:
        """Stop trading because of *cause*, once."""
        if not self.books.breaker.is_tripped:
            self.note("breaker_tripped", cause)

    def timer(self, name: str, after: timedelta) -> None:
        """Ask for a timer unless one of that name is waiting."""
        if name not in self.books.timers:
            self.restart_timer(name, after)

    def restart_timer(self, name: str, after: timedelta) -> None:
        """Ask for a timer, in place of an earlier one of that name."""
        self.emit(SetTimer(name=name, due=self.books.now + after))

    def query(self, client_id: str, symbol: str, venue_id: str | None) -> None:
        """Ask for an order."""
        self.emit(Query(client_id=client_id, symbol=symbol, venue_id=venue_id))

    def snapshot(self, reason: str) -> None:
        """Ask for the account, with all trades since the last complete one and some before."""
        watermark = self.books.watermark
        since = None if watermark is None else watermark - self.settings.overlap
        self.emit(TakeSnapshot(reason=reason, since=since))

    def cancel(self, order: Order, reason: str) -> None:
        """End an order: one that was never sent here, any other at the venue."""
        if order.state is OrderState.NEW:
            self.note("dropped", reason, client_id=order.client_id)
        elif order.is_open and order.state is not OrderState.PENDING_CANCEL:
            self.emit(
                Cancel(client_id=order.client_id, symbol=order.symbol, venue_id=order.venue_id)
            )

    def send(
        self,
        orders: Sequence[Order],
        group: OrderGroup | None = None,
        *,
        forced: bool = False,
        keep: Callable[[], None] | None = None,
    ) -> Denial | tuple[()]:
        """Send *orders*, which belong together, or return the first denial.

        *forced* ones, with which a person closes positions, know no limits. *keep* is called
        between approval and sending.
        """
        manager = self._unlimited if forced else self._manager
        manager.breaker = manager.breaker if forced else self.books.breaker
        outcome = manager.review_all(orders, self.portfolio(orders), self.books.now)
        if isinstance(outcome, Denial):
            return outcome
        if keep is not None:
            keep()
        self.emit(Submit(outcome, group))
        return ()

    def modify(self, order: Order) -> None:
        """Ask for the terms of *order*, an exit that only has to become smaller or larger."""
        outcome = self._unlimited.review(order, self.portfolio([order]), self.books.now)
        if not isinstance(outcome, Denial):
            self.emit(Modify(outcome))

    def portfolio(self, replaced: Sequence[Order] = ()) -> PortfolioSnapshot:
        """Return the account as the risk manager wants to see it, without *replaced* orders."""
        books = self.books
        ids = {order.client_id for order in replaced}
        equity = books.equity()
        return PortfolioSnapshot(
            currency=books.currency,
            equity=equity,
            day_start_equity=equity if books.day_start is None else books.day_start,
            instruments={symbol: self.instrument(symbol) for symbol in books.ledger.symbols},
            positions=books.ledger.quantities(),
            prices=books.prices,
            orders=[order for order in books.orders.open() if order.client_id not in ids],
            rates=books.rates(),
        )

    def instrument(self, symbol: str) -> Instrument:
        """Return what is traded under *symbol*."""
        return self.books.ledger.instrument(symbol)
