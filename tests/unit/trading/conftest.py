"""A session of the trading engine, told what happens in a word or two."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from rustybt.model.bar import Bar
from rustybt.model.codec import to_json
from rustybt.model.event import (
    BarClosed,
    OperatorCommand,
    OrderFilled,
    OrderUpdated,
    TimerFired,
)
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument, InstrumentKind, Side
from rustybt.model.order import Order
from rustybt.model.order_state import OrderState
from rustybt.strategy import Strategy
from rustybt.trading.commands import Alert, Command, Note, Submit
from rustybt.trading.engine import Engine
from rustybt.trading.fold import fold
from rustybt.trading.reports import (
    Balance,
    EngineEvent,
    OrderFound,
    OrderMissing,
    Outcome,
    Request,
    RequestFailed,
    SessionStarted,
    VenueOrder,
    VenueSnapshot,
)
from rustybt.trading.settings import EngineSettings
from rustybt.trading.state import EngineState

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)
ETH = Instrument(
    symbol="ETH/USDT", base="ETH", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.01")
)


class Told(Strategy):
    """Does on each bar what the test put into *wishes*, and remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Callable[[Strategy], object]] = []
        self.seen: list[Any] = []

    def on_start(self) -> None:
        """Note it."""
        self.seen.append("start")

    def on_bar(self, bar: Any) -> None:
        """Do what is wished, once."""
        self.seen.append((bar.symbol, bar.close))
        while self.wishes:
            self.wishes.pop(0)(self)

    def on_bars(self, bars: Any) -> None:
        """Note which there are."""
        self.seen.append(tuple(bars))

    def on_fill(self, fill: Fill) -> None:
        """Note it, with the position that follows."""
        self.seen.append((fill.trade_id, self.position(fill.symbol)))

    def on_stop(self) -> None:
        """Note it."""
        self.seen.append("stop")
        self.state["stopped"] = True


class Line(NamedTuple):
    """A record of a journal."""

    sequence: int
    kind: str
    payload: bytes


class Session:
    """An engine, its journal, and short ways to tell it things. Seconds count from START."""

    def __init__(self, state: EngineState | None = None, **settings: Any) -> None:
        hours = settings.pop("hours", None)
        strategy = settings.pop("strategy", None)
        instruments = settings.pop("instruments", (BTC, ETH))
        named = {"symbols": ("BTC/USDT",), "interval": MINUTE, "currency": "USDT", **settings}
        self.settings = EngineSettings(**named)
        self.strategy = strategy or Told()
        self.engine = Engine(
            self.strategy,
            {each.symbol: each for each in instruments},
            self.settings,
            hours=hours,
            state=state,
        )
        self.before = state
        self.journal: list[Line] = []
        self.out: tuple[Command, ...] = ()
        self.all: list[Command] = []
        self.now = START if state is None or state.time is None else state.time

    def at(self, seconds: float) -> datetime:
        """Let it be so many seconds later; return the time."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def tell(self, event: EngineEvent) -> Session:
        """Process an event; the journal has to add up to the state after it."""
        self.out = self.engine.process(event)
        self.all += self.out
        self.journal.append(Line(len(self.journal) + 1, "event", to_json(event)))
        for command in self.out:
            line = Line(len(self.journal) + 1, "command", to_json(command.record()))
            self.journal.append(line)
        assert fold(self.journal, self.before) == self.engine.state
        return self

    def start(self, *balances: tuple[str, str], orders: Iterable[VenueOrder] = ()) -> Session:
        """Begin a session and recover with the first snapshot; trading is enabled."""
        self.begin()
        self.snapshot(*(balances or (("USDT", "1000"),)), orders=orders)
        return self.operator("enable")

    def begin(self) -> Session:
        """Begin a session."""
        return self.tell(
            SessionStarted(
                time=self.now,
                session="s",
                mode="paper",
                clock="simulated",
                venue="v",
                account="a",
                strategy="Told",
                digest="d",
                version="1",
            )
        )

    def operator(self, command: str, **arguments: str) -> Session:
        """Let a person command something."""
        return self.tell(
            OperatorCommand(
                time=self.now,
                command=command,
                operator="ann",
                reason="because",
                arguments=arguments,
            )
        )

    def bar(self, close: str, symbol: str = "BTC/USDT", *, late: int = 0) -> Session:
        """Close a bar of a minute now, or known so many seconds late."""
        price = Decimal(close)
        start = self.now.replace(second=0, microsecond=0)
        self.now = start + MINUTE
        bar = Bar(symbol, start, self.now, price, price, price, price, Decimal(1))
        return self.tell(BarClosed(time=self.at(late), bar=bar))

    def wish(self, wish: Callable[[Strategy], object], close: str = "100") -> tuple[Order, ...]:
        """Let the strategy do something on a new bar; return the orders that are sent."""
        self.strategy.wishes.append(wish)
        self.bar(close)
        return self.sent()

    def sent(self) -> tuple[Order, ...]:
        """Return the orders that the last event sent."""
        return tuple(
            each.order
            for command in self.out
            if isinstance(command, Submit)
            for each in command.approved
        )

    def update(self, client_id: str, state: str, reason: str = "") -> Session:
        """Report the state of an order."""
        return self.tell(
            OrderUpdated(
                time=self.now,
                client_id=client_id,
                state=OrderState(state),
                venue_id=f"V{client_id}",
                reason=reason,
            )
        )

    def fill(
        self,
        client_id: str,
        quantity: str,
        price: str = "100",
        trade: str = "T1",
        fee: str = "0",
        fee_currency: str | None = None,
    ) -> Session:
        """Report a trade."""
        fill = self.trade(client_id, quantity, price, trade, fee, fee_currency)
        return self.tell(OrderFilled(time=self.now, fill=fill))

    def trade(
        self,
        client_id: str,
        quantity: str,
        price: str = "100",
        trade: str = "T1",
        fee: str = "0",
        fee_currency: str | None = None,
    ) -> Fill:
        """Return a trade of an order that is known."""
        order = self.engine.orders[client_id]
        return Fill(
            trade,
            client_id,
            order.symbol,
            order.side,
            Decimal(quantity),
            Decimal(price),
            self.now,
            Decimal(fee),
            fee_currency,
        )

    def failed(
        self, request: str, outcome: str, client_id: str | None = None, after: int | None = None
    ) -> Session:
        """Report a request that went wrong."""
        return self.tell(
            RequestFailed(
                time=self.now,
                request=Request(request),
                outcome=Outcome(outcome),
                reason="it went wrong",
                client_id=client_id,
                retry_after=after,
            )
        )

    def there(self, client_id: str | None, state: str = "accepted", **changes: Any) -> VenueOrder:
        """Return an order as the venue has it: as we do, but for *state* and *changes*."""
        known = client_id is not None and client_id in self.engine.orders
        named: dict[str, Any] = {"symbol": "BTC/USDT", "side": Side.BUY, "quantity": Decimal(1)}
        if known:
            order = self.engine.orders[str(client_id)]
            for name in ("symbol", "side", "quantity", "filled", "price"):
                named[name] = getattr(order, name)
        named = {"filled": Decimal(0), "venue_id": f"V{client_id}", **named, **changes}
        return VenueOrder(client_id=client_id, state=OrderState(state), **named)

    def found(
        self, client_id: str, state: str = "accepted", *fills: Fill, **changes: Any
    ) -> Session:
        """Answer that the venue has an order."""
        order = self.there(client_id, state, **changes)
        return self.tell(OrderFound(time=self.now, client_id=client_id, order=order, fills=fills))

    def missing(self, client_id: str) -> Session:
        """Answer that the venue does not know an order."""
        return self.tell(OrderMissing(time=self.now, client_id=client_id))

    def snapshot(
        self,
        *balances: tuple[str, str],
        orders: Iterable[VenueOrder] = (),
        fills: Iterable[Fill] = (),
        asked: float = 0,
        **named: Any,
    ) -> Session:
        """Answer what the account has; it was *asked* so many seconds ago."""
        return self.tell(
            VenueSnapshot(
                time=self.now,
                asked=self.now - timedelta(seconds=asked),
                balances=tuple(
                    Balance(currency=currency, free=Decimal(free)) for currency, free in balances
                ),
                orders=tuple(orders),
                fills=tuple(fills),
                **named,
            )
        )

    def fire(self, name: str) -> Session:
        """Let a timer fire when it is due."""
        self.now = max(self.now, self.engine.state.timers[name])
        return self.tell(TimerFired(time=self.now, name=name))

    def notes(self, kind: str) -> list[Note]:
        """Return the notes of a kind so far."""
        return [each for each in self.all if isinstance(each, Note) and each.kind == kind]

    def alerts(self, kind: str | None = None) -> list[Alert]:
        """Return the alerts (of a kind) so far."""
        found = [each for each in self.all if isinstance(each, Alert)]
        return [each for each in found if kind is None or each.kind == kind]

    def commands(self, kind: type) -> list[Any]:
        """Return the commands of a type that the last event led to."""
        return [each for each in self.out if isinstance(each, kind)]

    def order(self, client_id: str) -> Order:
        """Return an order as it is."""
        return self.engine.orders[client_id]


@pytest.fixture
def session() -> type[Session]:
    """What a test makes its sessions of."""
    return Session


@pytest.fixture
def shares() -> Instrument:
    """A share that counts in whole units."""
    return Instrument(
        symbol="ACME",
        base="ACME",
        quote="USDT",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        kind=InstrumentKind.EQUITY,
    )
