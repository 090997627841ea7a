"""Submit, modify and cancel an order of each type at the practice exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.exchange import Access
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.model.approval import RiskApproved
from rustybt.model.event import OrderReplaced, OrderUpdated
from rustybt.model.instrument import Instrument, Side
from rustybt.model.order import Order, OrderType, TimeInForce
from rustybt.model.order_state import CLOSED, OrderState
from rustybt.risk import PortfolioSnapshot, RiskLimits, RiskManager
from rustybt.trading.clocks import WallClock
from rustybt.trading.reports import RequestFailed

SYMBOL = "ELM/USDT"
PATIENCE_S = 20.0


def main(_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return, for each type, what the engine was told and what the exchange has, step by step."""
    return asyncio.run(_story())


async def _story() -> dict[str, Any]:
    """Go through all types, one after the other."""
    async with running_exchange(stamp="clock") as exchange:
        access = Access("practice", "binance", exchange.ccxt_config())
        told: list[Any] = []
        venue = CcxtVenue(access, clock=WallClock())
        instruments = await venue.start(told.append)
        shown = exchange.venue.tapes[SYMBOL].last
        last = Decimal(100) if shown is None else shown.close
        desk = _Desk(exchange, venue, dict(instruments), told)
        found = {}
        try:
            for number, (name, terms) in enumerate(_kinds(last).items(), 1):
                found[name] = await desk.live(f"RBT-1-{number}", terms)
        finally:
            await venue.stop()
    return found


def _kinds(last: Decimal) -> dict[str, dict[str, Any]]:
    """Return the terms of an order of each type, none of which trades, but the market order."""
    low, high = round(last * Decimal("0.7"), 2), round(last * Decimal("1.3"), 2)
    limit = {"type": OrderType.LIMIT, "price": low}
    return {
        "limit": limit,
        "limit, post only": limit | {"post_only": True},
        "stop": {"type": OrderType.STOP, "trigger": high},
        "stop limit": {"type": OrderType.STOP_LIMIT, "trigger": high, "price": high},
        "take profit": {"type": OrderType.TAKE_PROFIT, "trigger": low},
        "take profit, limit": {"type": OrderType.TAKE_PROFIT, "trigger": low, "price": low},
        "limit, at once or not at all": limit | {"time_in_force": TimeInForce.IOC},
        "limit, whole or not at all": limit | {"time_in_force": TimeInForce.FOK},
        "market": {"type": OrderType.MARKET},
    }


class _Desk:
    """Lives the lives of orders at *exchange* through *venue*, which tells *told*."""

    def __init__(
        self,
        exchange: Exchange,
        venue: CcxtVenue,
        instruments: dict[str, Instrument],
        told: list[Any],
    ) -> None:
        self._exchange, self._venue = exchange, venue
        self._instruments, self._told = instruments, told

    async def live(self, client_id: str, terms: dict[str, Any]) -> dict[str, Any]:
        """Submit an order; modify and cancel it if it works."""
        order = _order(client_id, terms)
        self._venue.submit([self._approved(order)])
        await self._until(lambda: self._state(client_id) is not None)
        found: dict[str, Any] = {"submitted": self._both(client_id)}
        if self._state(client_id) is not OrderState.ACCEPTED or not self._open(client_id):
            await self._until(lambda: self._state(client_id) in CLOSED)
            return {"ended": self._both(client_id)}
        changed = _order(client_id, terms, quantity=Decimal(2))
        self._venue.modify(self._approved(changed))
        await self._until(lambda: self._replaced(client_id))
        found["modified"] = self._both(client_id)
        self._venue.cancel(client_id)
        await self._until(lambda: self._state(client_id) in CLOSED)
        found["cancelled"] = self._both(client_id)
        return found

    def _approved(self, order: Order) -> RiskApproved:
        """Let a risk manager without limits approve *order*."""
        portfolio = PortfolioSnapshot(
            currency="USDT",
            equity=Decimal(10**6),
            day_start_equity=Decimal(10**6),
            instruments=self._instruments,
            positions={},
            prices={SYMBOL: Decimal(100)},
        )
        answer = RiskManager(RiskLimits()).review(order, portfolio, order.created)
        if not isinstance(answer, RiskApproved):
            raise TypeError(str(answer))
        return answer

    def _of(self, client_id: str) -> list[Any]:
        """Return what was told of an order."""
        return [each for each in self._told if getattr(each, "client_id", None) == client_id]

    def _state(self, client_id: str) -> OrderState | None:
        """Return the state that the engine would believe in."""
        states = [each.state for each in self._of(client_id) if isinstance(each, OrderUpdated)]
        failed = [each for each in self._of(client_id) if isinstance(each, RequestFailed)]
        fills = [each for each in self._told if hasattr(each, "fill")]
        if any(each.fill.client_id == client_id for each in fills):
            return OrderState.FILLED
        if failed and not states:
            return OrderState.REJECTED
        return states[-1] if states else None

    def _replaced(self, client_id: str) -> bool:
        """Tell whether the modification was answered."""
        return any(isinstance(each, OrderReplaced | RequestFailed) for each in self._of(client_id))

    def _open(self, client_id: str) -> list[Any]:
        """Return what the exchange has open under the id."""
        orders = self._exchange.venue.open_orders(self._exchange.account, SYMBOL)
        return [order for order in orders if order.client_id == client_id]

    def _both(self, client_id: str) -> dict[str, Any]:
        """Return what either side believes."""
        theirs = self._open(client_id)
        failed = [each.reason for each in self._of(client_id) if isinstance(each, RequestFailed)]
        return {
            "engine": str(self._state(client_id)),
            "failed": failed,
            "open_at_exchange": [f"{order.quantity:f}" for order in theirs],
        }

    async def _until(self, holds: Any) -> None:
        """Wait for *holds*."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        while not holds():
            await asyncio.sleep(0.01)
            if asyncio.get_running_loop().time() > end:
                return


def _order(client_id: str, terms: dict[str, Any], quantity: Decimal = Decimal(1)) -> Order:
    """Return a purchase on *terms*."""
    return Order(
        client_id=client_id,
        symbol=SYMBOL,
        side=Side.BUY,
        quantity=quantity,
        created=datetime.now(UTC),
        **terms,
    )
