"""Plant differences between the practice exchange and the engine's books, and see what becomes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from readiness_tests.probes.adversity_session import SYMBOL, Trading, trading
from rustybt.exchange.faults import FaultKind
from rustybt.exchange.records import Kind, OrderRequest
from rustybt.model.instrument import Side
from rustybt.model.order_state import OrderState

_CENT: Final = Decimal("0.01")
_BASE: Final = SYMBOL.partition("/")[0]


def main(_: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was noticed and done about each sort of difference."""
    return asyncio.run(_all())


async def _all() -> dict[str, Any]:
    cases = {
        "missed fill": _missed_fill,
        "unknown order": _unknown_order,
        "foreign order": _foreign_order,
        "lost order": _lost_order,
        "wrong quantity": _wrong_quantity,
        "foreign position": _foreign_position,
    }
    return {name: await _case(name, story) for name, story in cases.items()}


async def _case(name: str, story: Callable[[Trading], Awaitable[Any]]) -> dict[str, Any]:
    """Run *story*; return what came of it, and what people were told of it."""
    async with trading(name.replace(" ", "-")) as trade:
        found = await story(trade)
        account = trade.account()
        told = trade
    said = [message for kind, message in told.alerts.said if kind in ("discrepancy", "breaker")]
    return {**account, "seen": found, "said": said}


async def _resting(trade: Trading) -> None:
    """Let an order of ours rest, and the stream of the account say nothing more."""
    price = f"{(trade.price / 2).quantize(_CENT):f}"
    trade.wish(lambda strategy: strategy.buy(SYMBOL, "1", limit=price))
    await trade.until(lambda: [each.state for each in trade.orders()] == [OrderState.ACCEPTED])
    trade.fault(FaultKind.DROP_EVENT, endpoint="user", count=None)


async def _missed_fill(trade: Trading) -> str:
    """An order trades, and nobody tells us."""
    await _resting(trade)
    (order,) = trade.at_venue
    now = trade.exchange.server.now()
    trade.exchange.venue.force_trade(
        trade.exchange.account, order.order_id, Decimal(1), order.price, now
    )
    await trade.until(lambda: not trade.orders()[0].is_open)
    return f"{trade.engine.ledger.quantity(SYMBOL):f}"


async def _lost_order(trade: Trading) -> str:
    """An order ends at the exchange, and nobody tells us."""
    await _resting(trade)
    (order,) = trade.at_venue
    now = trade.exchange.server.now()
    trade.exchange.venue.cancel(trade.exchange.account, SYMBOL, order_id=order.order_id, now=now)
    await trade.until(lambda: not trade.orders()[0].is_open)
    return str(trade.orders()[0].state)


async def _unknown_order(trade: Trading) -> list[str]:
    """There is an order with an id of ours that the books do not have."""
    return await _placed(trade, "RBT-1-99", lambda: not trade.at_venue[0].is_open)


async def _foreign_order(trade: Trading) -> list[str]:
    """Somebody else uses the account, with ids of their own."""
    return await _placed(trade, "web_1", lambda: bool(trade.engine.state.reported))


async def _placed(trade: Trading, client_id: str, holds: Callable[[], bool]) -> list[str]:
    """Place an order past the engine; return whether it is open in the end, and what we have."""
    price = (trade.price / 2).quantize(_CENT)
    request = OrderRequest(
        symbol=SYMBOL,
        side=Side.BUY,
        kind=Kind.LIMIT,
        quantity=Decimal(1),
        price=price,
        client_id=client_id,
    )
    trade.exchange.venue.place(trade.exchange.account, request, trade.exchange.server.now())
    await trade.until(holds)
    return ["open" if trade.at_venue[0].is_open else "ended"]


async def _wrong_quantity(trade: Trading) -> str:
    """More is held than the books know of, and no trade explains it."""
    _deposit(trade, _BASE)
    await trade.until(lambda: trade.engine.breaker.is_tripped)
    return trade.engine.breaker.cause or ""


async def _foreign_position(trade: Trading) -> list[str]:
    """Something is held that is not traded here."""
    _deposit(trade, "OAK")
    await trade.until(lambda: bool(trade.engine.state.reported))
    return sorted(trade.engine.state.reported)


def _deposit(trade: Trading, asset: str) -> None:
    """Let two of *asset* come to the account."""
    trade.exchange.venue.accounts[trade.exchange.account].wallet.credit(asset, Decimal(2))
