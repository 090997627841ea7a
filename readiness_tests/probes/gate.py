"""Try to send an order at each of many instants, through the risk manager, to an exchange."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rustybt.deployment import trading_hours
from rustybt.execution import Matcher
from rustybt.model.event import OrderUpdated
from rustybt.model.instrument import Instrument, InstrumentKind, Side
from rustybt.model.order import Order, OrderType
from rustybt.risk import Denial, PortfolioSnapshot, RiskLimits, RiskManager
from rustybt.settings import load_settings

SHARE = Instrument(
    symbol="SHARE",
    base="SHARE",
    quote="USD",
    tick=Decimal("0.01"),
    lot=Decimal(1),
    kind=InstrumentKind.EQUITY,
)


def main(arguments: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return which of *instants*, by number, the exchange got an order at, and why not the others.

    *settings* is the text of a deployment's settings; the gate is the one that they make.
    """
    Path(".env").write_text(arguments["settings"], "utf-8")
    instants = [datetime.fromisoformat(text) for text in arguments["instants"]]
    hours = trading_hours(load_settings(Path(), {}), instants[0])
    manager = RiskManager(RiskLimits(), hours=hours)
    exchange = Matcher({SHARE.symbol: SHARE})
    found: dict[str, list[int]] = {"received": []}
    for number, at in enumerate(instants):
        answer = manager.review(_order(number, at), _account(), at)
        if isinstance(answer, Denial):
            found.setdefault(str(answer.limit), []).append(number)
            continue
        replies = exchange.submit([answer.order], at)
        found["received"] += [number] if _received(replies, answer.order.client_id) else []
        exchange.cancel(answer.order.client_id, at)
    return found


def _received(replies: list[Any], client_id: str) -> bool:
    """Tell whether the exchange has the order: it says so itself."""
    return any(
        isinstance(reply, OrderUpdated) and reply.client_id == client_id for reply in replies
    )


def _order(number: int, at: datetime) -> Order:
    return Order(
        client_id=f"O{number}",
        symbol=SHARE.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal(1),
        price=Decimal(10),
        created=at,
    )


def _account() -> PortfolioSnapshot:
    return PortfolioSnapshot(
        currency="USD",
        equity=Decimal(100_000),
        day_start_equity=Decimal(100_000),
        instruments={SHARE.symbol: SHARE},
        positions={},
        prices={SHARE.symbol: Decimal(10)},
    )
