"""What the books of one account share: rules, ids, volume, and where they report to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.execution.costs import Traded, fee
from rustybt.model.event import OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.fill import Fill, Liquidity
from rustybt.model.money import ZERO, add

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from decimal import Decimal

    from rustybt.execution.broker import VenueEvent
    from rustybt.execution.rules import MatchingRules
    from rustybt.execution.working import Working
    from rustybt.model.instrument import Instrument
    from rustybt.model.order import Order, OrderState


class Desk:
    """Turns what happens to orders into events, and charges for it.

    *ended* is told the client id of each order that has ended.
    """

    __slots__ = ("_emit", "_trade_ids", "_traded", "ended", "rules")

    def __init__(
        self,
        rules: MatchingRules,
        trade_ids: Iterator[str],
        *,
        emit: Callable[[VenueEvent], None],
        ended: Callable[[str], object],
    ) -> None:
        self.rules = rules
        self.ended = ended
        self._emit = emit
        self._trade_ids = trade_ids
        self._traded: dict[str, Decimal] = {}  # by quote currency

    def update(self, working: Working, state: OrderState, time: datetime, reason: str = "") -> None:
        """Report the state of an order."""
        self._emit(
            OrderUpdated(
                time=time,
                client_id=working.order.client_id,
                state=state,
                venue_id=None if reason else working.venue_id,
                reason=reason,
            )
        )

    def replace(self, order: Order, time: datetime) -> None:
        """Report the terms of an order."""
        self._emit(
            OrderReplaced(
                time=time,
                client_id=order.client_id,
                quantity=order.quantity,
                price=order.price,
                trigger=order.trigger,
            )
        )

    def trade(
        self,
        working: Working,
        instrument: Instrument,
        quantity: Decimal,
        price: Decimal,
        time: datetime,
        *,
        maker: bool,
    ) -> Fill:
        """Charge for a trade of an order, report it and return it."""
        order = working.order
        notional = instrument.notional(quantity, price).copy_abs()
        fill = Fill(
            trade_id=next(self._trade_ids),
            client_id=order.client_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            time=time,
            fee=self._charge(working, instrument.quote, quantity, notional, maker=maker),
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
            venue_id=working.venue_id,
        )
        self._emit(OrderFilled(time=time, fill=fill))
        return fill

    def resume(self, quote: str, notional: Decimal) -> None:
        """Count what was traded before a restart."""
        self._traded[quote] = add(self._traded.get(quote, ZERO), notional)

    def _charge(
        self, working: Working, quote: str, quantity: Decimal, notional: Decimal, *, maker: bool
    ) -> Decimal:
        """Count a trade, for its order and for the account; return its fee."""
        done, account = working.traded, self._traded.get(quote, ZERO)
        before = Traded(done.quantity, done.notional, done.maker_notional, account)
        self._traded[quote] = account = add(account, notional)
        working.traded = Traded(
            add(done.quantity, quantity),
            add(done.notional, notional),
            add(done.maker_notional, notional) if maker else done.maker_notional,
            account,
        )
        return fee(self.rules.commission, before, working.traded)
