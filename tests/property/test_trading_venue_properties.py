"""An engine against a venue that is honest over a network that is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rustybt.model.bar import Bar
from rustybt.model.codec import to_json
from rustybt.model.event import (
    BarClosed,
    ConnectionRestored,
    OperatorCommand,
    OrderFilled,
    OrderUpdated,
    TimerFired,
)
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument, Side
from rustybt.model.order_state import OrderState
from rustybt.strategy import Strategy
from rustybt.trading.commands import Cancel, Query, SetTimer, Submit, TakeSnapshot
from rustybt.trading.engine import Engine
from rustybt.trading.fold import fold
from rustybt.trading.reports import (
    Balance,
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

if TYPE_CHECKING:
    from rustybt.model.order import Order
    from rustybt.strategy import StrategyBar
    from rustybt.trading.commands import Command
    from rustybt.trading.reports import EngineEvent

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SYMBOL = "BTC/USDT"
COIN = Instrument(
    symbol=SYMBOL, base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.01")
)
SETTINGS = EngineSettings(symbols=(SYMBOL,), interval=timedelta(minutes=1), currency="USDT")


KINDS = (*(0,) * 6, *(1,) * 9, *(2,) * 4, *(3,) * 9, *(4,) * 3, 5, 6)


class Trading(Strategy):
    """Buys, cancels and sells by turns."""

    def on_bar(self, bar: StrategyBar) -> None:
        """Do what it is the turn of."""
        turn = self.state["turn"] = self.state.get("turn", 0) + 1
        if turn % 3 == 0 and self.open_orders():
            self.cancel(self.open_orders()[0])
        elif turn % 4 == 3:
            self.close_position(bar.symbol)
        else:
            self.buy(bar.symbol, "1.03", limit="100")


class Line(NamedTuple):
    """A record of a journal."""

    sequence: int
    kind: str
    payload: bytes


class World:
    """An engine, its venue, and reports on their way between them."""

    def __init__(self) -> None:
        self.now = START
        self.orders: dict[str, VenueOrder] = {}
        self.creates: list[str] = []
        self.fills: list[Fill] = []
        self.cash, self.coins = Decimal(10_000), Decimal(0)
        self.reports: list[EngineEvent] = []
        self.requests: list[Command] = []
        self.journal: list[Line] = []
        self.timers: dict[str, datetime] = {}
        self.snapshots = 0
        self.bars = 0
        self.engine = Engine(Trading(), {SYMBOL: COIN}, SETTINGS)
        self.restart()
        self.serve(0)
        self.tell(self.reports.pop())

    # The engine's side

    def restart(self) -> None:
        """Kill the engine and start another on the same journal; requests on their way are lost."""
        self.requests.clear()
        self.timers.clear()
        state = fold(self.journal) if self.journal else None
        self.engine = Engine(Trading(), {SYMBOL: COIN}, SETTINGS, state=state)
        self.tell(
            SessionStarted(
                time=self.now,
                session="s",
                mode="simulation",
                clock="simulated",
                venue="v",
                account="a",
                strategy="Trading",
                digest="d",
                version="1",
            )
        )
        self.tell(OperatorCommand(time=self.now, command="enable", operator="ann", reason="go"))

    def tell(self, event: EngineEvent) -> None:
        """Let the engine process *event* and put what it wants on its way."""
        commands = self.engine.process(event)
        self.journal.append(Line(len(self.journal) + 1, "event", to_json(event)))
        for command in commands:
            line = Line(len(self.journal) + 1, "command", to_json(command.record()))
            self.journal.append(line)
            if isinstance(command, SetTimer):
                self.timers[command.name] = command.due
            elif isinstance(command, Submit | Cancel | Query | TakeSnapshot):
                self.requests.append(command)

    def bar(self) -> None:
        """Close a bar."""
        start = START + timedelta(minutes=self.bars)
        self.bars += 1
        self.now = max(self.now, start + timedelta(minutes=1))
        bar = Bar(SYMBOL, start, start + timedelta(minutes=1), *[Decimal(100)] * 5)
        self.tell(BarClosed(time=self.now, bar=bar))

    def timer(self) -> None:
        """Let the next timer fire."""
        if self.timers:
            name = min(self.timers, key=lambda each: self.timers[each])
            self.now = max(self.now, self.timers.pop(name))
            self.tell(TimerFired(time=self.now, name=name))

    # The venue's side

    def serve(self, fault: int) -> None:
        """Let the oldest request arrive; *fault* decides what gets lost on the way."""
        if not self.requests:
            return
        request = self.requests.pop(0)
        if fault == 1:  # it never arrives, nobody knows
            self.fail(request)
            return
        if isinstance(request, Submit):
            for each in request.approved:
                self.create(each.order)
        elif isinstance(request, Cancel):
            self.cancel(request)
        elif isinstance(request, Query):
            self.reports.append(self.answer(request))
        elif isinstance(request, TakeSnapshot):
            self.reports.append(self.account(request))
        if fault == 2 and isinstance(request, Submit | Cancel):  # the answer gets lost
            self.fail(request)

    def fail(self, request: Command) -> None:
        """Report a time-out."""
        if isinstance(request, Submit):
            kind, ids = Request.SUBMIT, [each.order.client_id for each in request.approved]
        elif isinstance(request, Cancel):
            kind, ids = Request.CANCEL, [request.client_id]
        elif isinstance(request, Query):
            kind, ids = Request.QUERY, [request.client_id]
        else:
            kind, ids = Request.SNAPSHOT, [""]
        for client_id in ids:
            self.reports.append(
                RequestFailed(
                    time=self.now,
                    request=kind,
                    outcome=Outcome.UNKNOWN,
                    reason="timed out",
                    client_id=client_id or None,
                )
            )

    def create(self, order: Order) -> None:
        """Take an order."""
        self.creates.append(order.client_id)
        self.orders[order.client_id] = VenueOrder(
            client_id=order.client_id,
            venue_id=f"V{len(self.orders)}",
            symbol=SYMBOL,
            side=order.side,
            quantity=order.quantity,
            filled=Decimal(0),
            state=OrderState.ACCEPTED,
            type=order.type,
            price=order.price,
        )
        self.update(order.client_id)

    def update(self, client_id: str) -> None:
        """Report the state of an order on the stream."""
        order = self.orders[client_id]
        self.reports.append(
            OrderUpdated(
                time=self.now, client_id=client_id, state=order.state, venue_id=order.venue_id
            )
        )

    def cancel(self, request: Cancel) -> None:
        """End an order, or refuse to."""
        order = self.orders.get(request.client_id)
        if order is None or order.state is not OrderState.ACCEPTED:
            self.reports.append(
                RequestFailed(
                    time=self.now,
                    request=Request.CANCEL,
                    outcome=Outcome.REFUSED,
                    reason="unknown order",
                    client_id=request.client_id,
                )
            )
            return
        self.orders[request.client_id] = replace(order, state=OrderState.CANCELLED)
        self.update(request.client_id)

    def trade(self, size: int) -> None:
        """Fill a part of the oldest open order."""
        working = [each for each in self.orders.values() if each.state is OrderState.ACCEPTED]
        if not working:
            return
        order = working[0]
        left = order.quantity - order.filled
        quantity = left if size > 5 else min(left, Decimal(size + 1) / 10)
        signed = quantity if order.side is Side.BUY else -quantity
        fee = quantity / 1000 if order.side is Side.BUY else Decimal("0.01")
        client_id = str(order.client_id)
        trade = f"T{len(self.fills)}"
        paid_in = "BTC" if order.side is Side.BUY else "USDT"
        price = Decimal(100)
        fill = Fill(trade, client_id, SYMBOL, order.side, quantity, price, self.now, fee, paid_in)
        self.fills.append(fill)
        self.cash -= signed * 100 + (fee if paid_in == "USDT" else 0)
        self.coins += signed - (fee if paid_in == "BTC" else 0)
        state = OrderState.FILLED if quantity == left else OrderState.ACCEPTED
        self.orders[client_id] = replace(order, filled=order.filled + quantity, state=state)
        self.reports.append(OrderFilled(time=self.now, fill=fill))

    def answer(self, request: Query) -> EngineEvent:
        """Answer a question."""
        order = self.orders.get(request.client_id)
        if order is None:
            return OrderMissing(time=self.now, client_id=request.client_id)
        fills = tuple(fill for fill in self.fills if fill.client_id == request.client_id)
        return OrderFound(time=self.now, client_id=request.client_id, order=order, fills=fills)

    def account(self, request: TakeSnapshot) -> EngineEvent:
        """Answer what the account has."""
        since = request.since
        self.snapshots += 1
        return VenueSnapshot(
            time=self.now,
            asked=self.now,
            since=since,
            balances=(
                Balance(currency="USDT", free=self.cash),
                Balance(currency="BTC", free=self.coins),
            ),
            orders=tuple(
                each for each in self.orders.values() if each.state is OrderState.ACCEPTED
            ),
            fills=tuple(fill for fill in self.fills if since is None or fill.time >= since),
        )

    def deliver(self, which: int) -> None:
        """Deliver a report; not always the oldest, and some twice."""
        if self.reports:
            report = self.reports[which % min(3, len(self.reports))]
            if which % 4:
                self.reports.remove(report)
            self.now += timedelta(milliseconds=10)
            self.tell(replace(report, time=self.now) if which % 2 else report)

    def lose(self, which: int) -> None:
        """Lose a report of the stream: the connection is gone, and comes back."""
        stream = [each for each in self.reports if isinstance(each, OrderUpdated | OrderFilled)]
        for each in stream[: which % 4]:
            self.reports.remove(each)
        self.tell(ConnectionRestored(time=self.now, component="stream"))

    def step(self, what: int, size: int) -> None:
        """Let one thing happen."""
        self.now += timedelta(milliseconds=100 * size)
        if what == 0:
            self.bar()
        elif what == 1:
            self.serve(size)
        elif what == 2:
            self.trade(size)
        elif what == 3:
            self.deliver(size)
        elif what == 4:
            self.timer()
        elif what == 5:
            self.lose(size)
        else:
            self.restart()

    def calm(self) -> None:
        """Let the network work until nothing is left to say."""
        before, rounds = self.snapshots, 0
        while not self.is_quiet() or self.snapshots < before + 3:
            rounds += 1
            assert rounds < 100
            self.timer()
            while self.requests or self.reports:
                while self.reports:
                    self.now += timedelta(milliseconds=10)
                    self.tell(self.reports.pop(0))
                self.serve(0)

    def is_quiet(self) -> bool:
        """Tell whether nobody owes anybody an answer."""
        waits = self.requests or self.reports or self.engine.orders.in_flight()
        return self.engine.phase == "ready" and not waits


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(0, 9)),
        max_size=30,
    )
)
def test_no_order_is_lost_or_doubled_and_the_ledger_equals_the_venue(
    steps: list[tuple[int, int]],
) -> None:
    """Requests and answers get lost, reports come twice, late, in disorder; the engine is killed.

    Once the network works again, ledger and venue agree to the last digit, on orders, too.
    """
    world = World()
    for what, size in steps:
        world.step(what, size)
    world.calm()
    engine = world.engine

    assert len(set(world.creates)) == len(world.creates)
    held = engine.ledger.holdings()
    assert held.get("USDT", 0) == world.cash
    assert held.get("BTC", 0) == world.coins
    for client_id, there in world.orders.items():
        ours = engine.orders[client_id]
        assert ours.filled == there.filled
        assert ours.is_open == (there.state is OrderState.ACCEPTED)
    assert not {order.client_id for order in engine.orders.open()} - world.orders.keys()
    assert not engine.breaker.is_tripped
    assert fold(world.journal) == engine.state
