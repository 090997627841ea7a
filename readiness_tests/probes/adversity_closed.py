"""Trade at markets that are closed, close early, are halted, or go away while something is held."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from readiness_tests.probes.adversity_market import MINUTE, Planned, bar_at, session
from readiness_tests.probes.adversity_session import SYMBOL, Trading, trading
from rustybt.calendars import get_calendar
from rustybt.exchange.records import Trading as Market
from rustybt.model.order_state import OrderState

MINUTES = 4  # bars before the hour, and after it


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of orders; *around* are hours (ISO 8601) of the exchange *calendar*."""
    found: dict[str, Any] = {
        name: _hour(name, arguments["calendar"], datetime.fromisoformat(hour))
        for name, hour in arguments["around"].items()
    }
    return found | asyncio.run(_venue())


def _hour(name: str, calendar: str, hour: datetime) -> list[str]:
    """Return the minutes around an hour at which an order was sent; one is wished for at each."""
    calendar_of = get_calendar(calendar, start=date(hour.year, 1, 1), end=date(hour.year, 12, 31))
    first = hour - MINUTES * MINUTE
    bars = [bar_at("A/USDT", first + n * MINUTE, (100,) * 4) for n in range(2 * MINUTES)]
    plan = {n: lambda strategy: strategy.buy("A/USDT", 1) for n in range(1, len(bars) + 1)}

    def is_open(_symbol: str, at: datetime) -> bool:
        return calendar_of.is_open(at)

    engine, _, _ = asyncio.run(session(name, Planned(plan), bars, hours=is_open))
    sent = [order for order in engine.orders.orders() if order.state is not OrderState.DENIED]
    return [f"{order.created.astimezone(UTC):%H:%M}" for order in sent]


async def _venue() -> dict[str, Any]:
    """Return what became of a halt and of a delisting."""
    async with trading("halt", markets_every=0.0) as halted:
        halt = await _halted(halted)
    async with trading("delisting", markets_every=0.0) as delisted:
        delisting = await _delisted(delisted)
    return {
        "halted": halt | halted.account() | halted.told(),
        "delisted": delisting | delisted.account() | delisted.told(),
    }


async def _halted(trade: Trading) -> dict[str, Any]:
    """Wish for an order before, during and after a halt."""
    await _bought(trade, 1)
    _set(trade, Market.BREAK)
    if not await trade.until(lambda: _gone(trade) == (SYMBOL,)):
        return {"noticed": False}
    trade.wish(lambda strategy: strategy.buy(SYMBOL, "1"))
    await trade.until(trade.heeded)
    during, lost = trade.created, sorted(trade.engine.state.lost)
    _set(trade, Market.TRADING)
    over = await trade.until(lambda: not _gone(trade))
    await _bought(trade, 2)
    await trade.until(trade.agrees)
    return {"noticed": True, "during": during, "lost": lost, "over": over}


async def _delisted(trade: Trading) -> dict[str, Any]:
    """Hold something and let an order rest when it goes away."""
    await _bought(trade, 1)
    price = (trade.price * 2).quantize(Decimal("0.01"))
    trade.wish(lambda strategy: strategy.sell(SYMBOL, "1", limit=f"{price:f}"))
    await trade.until(lambda: [each.state for each in trade.orders()][1:] == [OrderState.ACCEPTED])
    _set(trade, Market.DELISTED)
    if not await trade.until(lambda: _gone(trade) == (SYMBOL,)):
        return {"noticed": False}
    await trade.until(lambda: not trade.orders()[1].is_open)
    trade.wish(lambda strategy: strategy.sell(SYMBOL, "1"))
    await trade.until(trade.heeded)
    await trade.until(trade.agrees)
    held = trade.engine.ledger.quantity(SYMBOL)
    return {"noticed": True, "held": f"{held:f}"}


async def _bought(trade: Trading, orders: int) -> None:
    """Buy one; it is the order of that number."""
    trade.wish(lambda strategy: strategy.buy(SYMBOL, "1"))
    await trade.until(lambda: [each.is_open for each in trade.orders()][orders - 1 :] == [False])
    await trade.until(trade.agrees)


def _set(trade: Trading, market: Market) -> None:
    """Let the market be halted, delisted, or traded."""
    trade.exchange.venue.set_trading(SYMBOL, market, trade.exchange.server.now())


def _gone(trade: Trading) -> Sequence[str]:
    """Return what the engine knows not to be traded."""
    return trade.engine.state.gone
