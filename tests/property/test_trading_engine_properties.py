"""Whatever a venue, a feed and people may say, in whatever order: what the engine keeps to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from rustybt.model.bar import Bar
from rustybt.model.codec import from_json, to_json
from rustybt.model.event import (
    BarClosed,
    CashMoved,
    ConnectionLost,
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
from rustybt.trading.commands import Cancel, Note, Query, Submit
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
from rustybt.trading.settings import EngineSettings, GuardSettings
from rustybt.trading.state import EngineState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.strategy import StrategyBar
    from rustybt.trading.commands import Command
    from rustybt.trading.reports import EngineEvent

START = datetime(2026, 3, 1, 23, 58, tzinfo=UTC)
SYMBOLS = ("BTC/USDT", "ETH/USDT")
INSTRUMENTS = {
    symbol: Instrument(
        symbol=symbol, base=symbol[:3], quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.1")
    )
    for symbol in SYMBOLS
}


class Restless(Strategy):
    """Orders something on every bar, cancels on some, and fails on one price."""

    def on_bar(self, bar: StrategyBar) -> None:
        """Do something that depends on the bar."""
        if bar.close == 13:
            raise ValueError("unlucky")
        orders = self.open_orders(bar.symbol)
        if int(bar.close) % 3 == 0 and orders:
            self.cancel(orders[0])
        elif int(bar.close) % 3 == 1:
            self.buy(bar.symbol, "1.25", limit="11.115")
        elif self.position(bar.symbol) > 0:
            self.bracket(bar.symbol, -1, take_profit="9", stop_loss="15")
        else:
            self.buy(bar.symbol, 1)

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Count."""
        self.state["bars"] = self.state.get("bars", 0) + len(bars)


class Line(NamedTuple):
    """A record of a journal."""

    sequence: int
    kind: str
    payload: bytes


class Run:
    """An engine, what it was told and what it wanted, as a journal."""

    def __init__(self, settings: EngineSettings) -> None:
        self.engine = Engine(Restless(), INSTRUMENTS, settings)
        self.journal: list[Line] = []
        self.submitted: list[str] = []
        self.fills: dict[tuple[str, str], Fill] = {}
        self.time = START
        self.count = 0

    def tell(self, event: EngineEvent) -> tuple[Command, ...]:
        """Let the engine process *event*; keep and check what it wants."""
        tripped = self.engine.breaker.is_tripped
        commands = self.engine.process(event)
        if isinstance(event, OperatorCommand):
            tripped = self.engine.breaker.is_tripped
        self._keep("event", to_json(event))
        for command in commands:
            self._keep("command", to_json(command.record()))
            if isinstance(command, Submit):
                self._sent(command, tripped=tripped)
            elif isinstance(command, Note) and command.kind == "breaker_tripped":
                tripped = True
        return commands

    def _sent(self, command: Submit, *, tripped: bool) -> None:
        """Check that orders could be sent: only people close positions while it is disabled."""
        orders = [each.order for each in command.approved]
        self.submitted += [order.client_id for order in orders]
        reduces = all(
            order.reduce_only or order.reducible(self.engine.ledger.quantity(order.symbol))
            for order in orders
        )
        closes = reduces and all(order.type == "market" for order in orders)
        assert closes or (self.engine.is_enabled and self.engine.phase == "ready")
        assert reduces or not tripped

    def _keep(self, kind: str, payload: bytes) -> None:
        """Write a line of the journal."""
        self.journal.append(Line(len(self.journal) + 1, kind, payload))


def settings_of(at_venue: bool) -> EngineSettings:
    """Return settings with everything switched on."""
    return EngineSettings(
        symbols=SYMBOLS,
        interval=timedelta(minutes=1),
        currency="USDT",
        groups_at_venue=at_venue,
        guard=GuardSettings(
            daily_loss=Decimal("0.2"),
            drawdown=Decimal("0.3"),
            max_orders=15,
            max_rejections=3,
            stale_after=timedelta(minutes=3),
        ),
    )


STATES = (
    OrderState.ACCEPTED,
    OrderState.FILLED,
    OrderState.CANCELLED,
    OrderState.REJECTED,
    OrderState.TRIGGERED,
    OrderState.EXPIRED,
)


def event_of(run: Run, what: int, size: int) -> EngineEvent | None:  # noqa: C901 - a table of kinds
    """Return an event of the kind *what*, about something that *size* selects."""
    run.time += timedelta(seconds=size - 1)  # time may stand still, or step back
    run.count += 1
    time, orders = run.time, run.engine.orders.orders()
    order = orders[size % len(orders)] if orders else None
    client_id = f"RBT-1-{size}" if order is None else order.client_id
    symbol = SYMBOLS[size % 2] if order is None else order.symbol
    side = Side.BUY if order is None else order.side
    quantity = Decimal(size + 1) / 4
    if what == 0:
        minute = START + timedelta(minutes=run.count)
        price = Decimal(10 + size)
        bar = Bar(SYMBOLS[size % 2], minute, minute + timedelta(minutes=1), *[price] * 5)
        run.time = max(run.time, bar.end)
        return BarClosed(time=run.time, bar=bar)
    if what == 1:
        state = STATES[size % len(STATES)]
        return OrderUpdated(time=time, client_id=client_id, state=state, venue_id="V", reason="")
    if what == 2:
        trade = f"T{run.count // 2}"  # some come twice, some with another content
        fill = Fill(trade, client_id, symbol, side, quantity, Decimal(10), time, Decimal("0.001"))
        known = run.fills.setdefault((symbol, trade), fill)
        return OrderFilled(time=time, fill=known)
    if what == 3:
        return RequestFailed(
            time=time,
            request=list(Request)[size % 5],
            outcome=list(Outcome)[size % 3],
            reason="no",
            client_id=client_id,
        )
    if what == 4:
        return OrderMissing(time=time, client_id=client_id)
    if what in (5, 6):
        there = VenueOrder(
            client_id=client_id,
            venue_id="V",
            symbol=symbol,
            side=side,
            quantity=quantity if order is None else order.quantity,
            filled=Decimal(0) if order is None else order.filled,
            state=STATES[size % len(STATES)],
        )
        if what == 5:
            return OrderFound(time=time, client_id=client_id, order=there)
        balances = (Balance(currency="USDT", free=Decimal(1000)),)
        open_orders = (there,) if size % 2 else ()
        return VenueSnapshot(time=time, asked=time, balances=balances, orders=open_orders, fills=())
    if what == 7:
        timers = sorted(run.engine.state.timers.items(), key=lambda each: each[1])
        if not timers:
            return None
        name, due = timers[0]
        run.time = max(run.time, due)
        return TimerFired(time=run.time, name=name)
    if what == 8:
        commands = ("enable", "disable", "halt", "resume", "flatten", "enable", "cancel", "what")
        return OperatorCommand(
            time=time,
            command=commands[size % len(commands)],
            operator="ann",
            reason="so",
            arguments={"client_id": client_id},
        )
    if what == 9:
        return ConnectionLost(time=time, component=("feed", "stream")[size % 2], reason="gone")
    if what == 10:
        return ConnectionRestored(time=time, component=("feed", "stream")[size % 2])
    if what == 11:
        return CashMoved(time=time, entry_id=f"E{size}", currency="USDT", amount=Decimal(size))
    return session(time)


def session(time: datetime) -> SessionStarted:
    """Return the begin of a session."""
    return SessionStarted(
        time=time,
        session="s",
        mode="simulation",
        clock="simulated",
        venue="v",
        account="a",
        strategy="Restless",
        digest="d",
        version="1",
    )


def ready(settings: EngineSettings) -> Run:
    """Return a run in which trading is enabled."""
    run = Run(settings)
    run.tell(session(START))
    balances = (Balance(currency="USDT", free=Decimal(1000)),)
    run.tell(VenueSnapshot(time=START, asked=START, balances=balances, orders=(), fills=()))
    run.tell(OperatorCommand(time=START, command="enable", operator="ann", reason="go"))
    return run


STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7, 7, 8, 9, 10, 11, 12)),
        st.integers(0, 12),
    ),
    max_size=18,
)


@given(steps=STEPS, at_venue=st.booleans())
def test_any_events_in_any_order_leave_the_engine_sane(
    steps: list[tuple[int, int]], at_venue: bool
) -> None:
    """It never raises, the journal adds up to its state, money is the sum of the fills.

    Ids never repeat; it trades only when it may; the same events give the same commands byte for
    byte.
    """
    settings = settings_of(at_venue)
    run = ready(settings)
    events: list[EngineEvent] = []
    for what, size in steps:
        event = event_of(run, what, size)
        if event is not None:
            events.append(event)
            run.tell(event)
    state = run.engine.state

    assert fold(run.journal) == state
    assert from_json(to_json(state), EngineState) == state
    assert len(set(run.submitted)) == len(run.submitted)

    again = ready(settings)
    for event in events:
        again.tell(event)
    assert again.journal == run.journal

    ledger = run.engine.ledger
    for symbol in SYMBOLS:
        booked = {
            event.fill.trade_id: event.fill
            for event in events
            if isinstance(event, OrderFilled) and event.fill.symbol == symbol
        }
        assert ledger.quantity(symbol) == sum(fill.signed_quantity for fill in booked.values())


@given(steps=STEPS, cut=st.integers(0, 200))
def test_a_journal_cut_anywhere_is_a_start(steps: list[tuple[int, int]], cut: int) -> None:
    """From whatever records reached the disk, a new engine recovers, with ids of its own."""
    run = ready(settings_of(at_venue=False))
    for what, size in steps:
        event = event_of(run, what, size)
        if event is not None:
            run.tell(event)
    state = fold(run.journal[: cut % (len(run.journal) + 1)])
    engine = Engine(Restless(), INSTRUMENTS, settings_of(at_venue=False), state=state)
    known = {order.client_id for order in state.orders}
    commands = engine.process(session(run.time + timedelta(hours=1)))

    assert not engine.is_enabled
    assert not any(isinstance(command, Submit) for command in commands)
    asked = {each.client_id for each in commands if isinstance(each, Query | Cancel)}
    in_flight = {order.client_id for order in engine.orders.in_flight()}
    assert in_flight <= asked
    assert engine.state.session > state.session
    assert not any(each.startswith(f"RBT-{engine.state.session}-") for each in known)
