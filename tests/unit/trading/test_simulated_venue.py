"""The venue of paper trading: what it refuses, answers, and remembers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed, OrderFilled, OrderReplaced, OrderUpdated
from rustybt.model.instrument import Instrument, Side
from rustybt.model.order import Order, OrderType
from rustybt.model.order_state import OrderState
from rustybt.risk.limits import Denial, RiskLimits
from rustybt.risk.manager import RiskManager
from rustybt.risk.portfolio import PortfolioSnapshot
from rustybt.trading.clocks import SimulatedClock
from rustybt.trading.reports import (
    OrderFound,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
    VenueSnapshot,
)
from rustybt.trading.simulated import SimulatedVenue

if TYPE_CHECKING:
    from rustybt.model.approval import RiskApproved
    from rustybt.trading.reports import EngineEvent

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)


def approved(order: Order) -> RiskApproved:
    """Return *order* as it may be sent."""
    account = PortfolioSnapshot(
        currency="USDT",
        equity=Decimal(1000),
        day_start_equity=Decimal(1000),
        instruments={"BTC/USDT": BTC},
        positions={},
        prices={"BTC/USDT": Decimal(100)},
    )
    answer = RiskManager(RiskLimits()).review(order, account, START)
    assert not isinstance(answer, Denial)
    return answer


def order(client_id: str, side: Side, quantity: str, price: str | None = None) -> Order:
    """Return a new order."""
    return Order(
        client_id=client_id,
        symbol="BTC/USDT",
        side=side,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        created=START,
    )


class Desk:
    """A venue with 1000 USDT whose last price is 100, and what it told."""

    def __init__(self) -> None:
        self.told: list[EngineEvent] = []
        self.bars = 0
        self.venue = SimulatedVenue(
            {"BTC/USDT": BTC}, {"USDT": Decimal(1000)}, clock=SimulatedClock(START)
        )
        asyncio.run(self.venue.start(self.told.append))
        self.bar()

    def bar(self, price: str = "100") -> list[EngineEvent]:
        """Show a bar; return what came of it."""
        at = START + self.bars * MINUTE
        self.bars += 1
        each = Decimal(price)
        bar = Bar(
            symbol="BTC/USDT",
            start=at,
            end=at + MINUTE,
            open=each,
            high=each,
            low=each,
            close=each,
            volume=Decimal(100),
        )
        return self.venue.on_event(BarClosed(time=at + MINUTE, bar=bar))

    def send(self, *orders: Order) -> list[EngineEvent]:
        """Send orders; return what the venue tells at once."""
        self.told.clear()
        self.venue.submit([approved(each) for each in orders])
        return list(self.told)


@pytest.mark.parametrize(
    "wish", [order("A-1-1", Side.BUY, "11", "100"), order("A-1-1", Side.SELL, "1")]
)
def test_what_the_account_cannot_give_is_refused(wish: Order) -> None:
    """Neither cash nor units that are not there can be sold or spent, as on spot venues."""
    told = Desk().send(wish)
    assert [type(each) for each in told] == [RequestFailed]
    (failed,) = told
    assert isinstance(failed, RequestFailed)
    assert (failed.request, failed.outcome) == (Request.SUBMIT, Outcome.REFUSED)
    assert "not enough" in failed.reason


def test_open_orders_reserve_what_they_may_take() -> None:
    """Two orders cannot spend the same cash."""
    desk = Desk()
    told = desk.send(order("A-1-1", Side.BUY, "6", "90"), order("A-1-2", Side.BUY, "6", "90"))
    assert [each.client_id for each in told if isinstance(each, RequestFailed)] == ["A-1-2"]
    told = desk.send(order("A-1-3", Side.BUY, "5.2", "90"))
    assert [each.client_id for each in told if isinstance(each, RequestFailed)] == ["A-1-3"]


def test_a_market_order_trades_at_the_next_open() -> None:
    """It is accepted at once and trades with the next bar; the account follows."""
    desk = Desk()
    desk.send(order("A-1-1", Side.BUY, "2"))
    told = desk.bar("110")
    assert [each.fill.price for each in told if isinstance(each, OrderFilled)] == [Decimal(110)]
    assert desk.venue.ledger.cash("USDT") == Decimal(780)
    assert desk.venue.ledger.quantity("BTC/USDT") == Decimal(2)


def test_orders_can_be_modified_and_cancelled_and_asked_for() -> None:
    """Each request has its answer."""
    desk = Desk()
    desk.send(order("A-1-1", Side.BUY, "2", "90"))
    desk.venue.modify(approved(order("A-1-1", Side.BUY, "3", "91")))
    assert [each.price for each in desk.told if isinstance(each, OrderReplaced)] == [Decimal(91)]
    desk.venue.query("A-1-1", "BTC/USDT")
    found = desk.told[-1]
    assert isinstance(found, OrderFound)
    assert (found.order.quantity, found.order.state) == (Decimal(3), OrderState.ACCEPTED)
    desk.venue.snapshot(["BTC/USDT"], None)
    seen = desk.told[-1]
    assert isinstance(seen, VenueSnapshot)
    assert [each.client_id for each in seen.orders] == ["A-1-1"]
    desk.venue.cancel("A-1-1")
    ended = desk.told[-1]
    assert isinstance(ended, OrderUpdated)
    assert ended.state is OrderState.CANCELLED


def test_what_is_not_there_is_said_so() -> None:
    """An unknown order can be neither cancelled nor modified, and is missing when asked for."""
    desk = Desk()
    desk.told.clear()
    desk.venue.cancel("A-1-9")
    desk.venue.modify(approved(order("A-1-9", Side.BUY, "1", "90")))
    desk.venue.query("A-1-9", "BTC/USDT")
    failed = [each.request for each in desk.told if isinstance(each, RequestFailed)]
    assert failed == [Request.CANCEL, Request.MODIFY]
    assert isinstance(desk.told[-1], OrderMissing)


def test_a_venue_that_stopped_is_silent() -> None:
    """After the end nothing is told any more."""
    desk = Desk()
    asyncio.run(desk.venue.stop())
    assert desk.send(order("A-1-1", Side.BUY, "2")) == []
