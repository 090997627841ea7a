"""Whole sessions on practice exchanges on which something goes wrong, for the probes beside this.

Time is the wall's, so every wait is for a condition, with a limit that no machine should reach.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.exchange import Access
from rustybt.data.practice import PRACTICE_START
from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.limits import RateLimits
from rustybt.exchange.replay import practice_bars
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.execution import BasisPointCommission, FillPolicy, MatchingRules
from rustybt.journal.lease import Lease
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed
from rustybt.model.order import Order
from rustybt.strategy import Strategy
from rustybt.trading.clocks import WallClock
from rustybt.trading.commands import Alert
from rustybt.trading.engine import Engine
from rustybt.trading.ports import Notifier
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Runner
from rustybt.trading.settings import EngineSettings
from rustybt.trading.summary import restored

PATIENCE_S = 20.0
IMPATIENCE_S = 2.0
"""How long is waited after something did not come: the case is lost already."""
SYMBOL = "ELM/USDT"
INTERVAL = timedelta(minutes=1)
ACCOUNT = "the account"
_SOON = timedelta(milliseconds=100)


class Obedient(Strategy):
    """Does at each bar what it was told to wish for."""

    def on_start(self) -> None:
        """Begin with no wishes."""
        self.wishes: list[Callable[[Obedient], object]] = []

    def on_bar(self, _bar: Any) -> None:
        """Do what was wished for."""
        while self.wishes:
            self.wishes.pop(0)(self)


class Told:
    """A feed that says what it is told to say."""

    sink: Any = None

    async def start(self, sink: Any, _symbols: Any, _interval: Any) -> None:
        """Take the sink."""
        self.sink = sink

    async def stop(self) -> None:
        """Let go of it."""
        self.sink = None

    def say(self, price: Decimal) -> None:
        """Report a bar that closes now."""
        now = datetime.now(UTC)
        bar = Bar(
            symbol=SYMBOL,
            start=now - INTERVAL,
            end=now,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(1000),
        )
        self.sink(BarClosed(time=now, bar=bar))


class Kept:
    """Keeps what people would be told, and tells *further* if there is any."""

    def __init__(self, further: Notifier | None = None) -> None:
        self.said: list[tuple[str, str]] = []
        self._further = further

    def notify(self, alert: Alert, time: datetime) -> None:
        """Keep *alert*."""
        self.said.append((alert.kind, alert.message))
        if self._further is not None:
            self._further.notify(alert, time)


class Trading:
    """A session that runs, and the exchange that it trades on.

    Once something did not come, none of them waits long any more.
    """

    patience: ClassVar[float] = PATIENCE_S

    def __init__(
        self, exchange: Exchange, runner: Runner, strategy: Obedient, feed: Told, alerts: Kept
    ) -> None:
        self.exchange = exchange
        self.runner = runner
        self.engine = runner.engine
        self.alerts = alerts
        self.running: asyncio.Future[Any] | None = None
        self._strategy = strategy
        self._feed = feed
        # A delay of nothing does no harm, and counts the requests that come in.
        self._orders = exchange.faults.add(
            Fault(kind=FaultKind.DELAY_REPLY, method="POST", endpoint="order", count=None)
        )

    @property
    def price(self) -> Decimal:
        """The last price at the exchange."""
        last = self.exchange.venue.tapes[SYMBOL].last
        assert last is not None
        return last.close

    @property
    def created(self) -> int:
        """How many requests for an order reached the exchange."""
        return self.exchange.faults.hits(self._orders)

    @property
    def at_venue(self) -> list[Any]:
        """The orders that the exchange has."""
        return list(self.exchange.venue.all_orders(self.exchange.account, SYMBOL, limit=1000))

    def orders(self) -> list[Order]:
        """Return the orders in the engine's books."""
        return list(self.engine.orders.orders())

    def wish(self, wish: Callable[[Obedient], object]) -> None:
        """Let the strategy do something at a bar that closes now."""
        self._strategy.wishes.append(wish)
        self._feed.say(self.price)

    def heeded(self) -> bool:
        """Tell whether the strategy has done what it was to wish for."""
        return not self._strategy.wishes

    def say(self, price: Decimal) -> None:
        """Report a bar at *price* that closes now."""
        self._feed.say(price)

    def fault(self, kind: FaultKind, **terms: Any) -> int:
        """Arm a fault."""
        return self.exchange.faults.add(Fault(kind=kind, **terms))

    async def until(self, holds: Callable[[], bool]) -> bool:
        """Wait until something holds, the session has ended, or patience has; tell whether it does.

        What does not hold shows in the account that the case gives: that is for the check to judge.
        """
        end = asyncio.get_running_loop().time() + self.patience
        while not holds():
            ended = self.running is None or self.running.done()
            if ended or asyncio.get_running_loop().time() > end:
                Trading.patience = IMPATIENCE_S
                return False
            await asyncio.sleep(0.01)
        return True

    def agrees(self) -> bool:
        """Return whether both sides have the same money, and nothing is in doubt."""
        ours = {name: held for name, held in self.engine.ledger.holdings().items() if held}
        return ours == self._theirs() and not any(self._doubts())

    def _theirs(self) -> dict[str, Decimal]:
        """Return what the exchange has for the account."""
        found = self.exchange.venue.balances(self.exchange.account)
        totals = {name: each.free + each.locked for name, each in found.items()}
        return {name: total for name, total in totals.items() if total}

    def _doubts(self) -> list[str]:
        """Return the orders that differ in what was traded or whether they are open."""
        theirs = {each.client_id: each for each in self.at_venue}
        doubts = []
        for order in self.orders():
            there = theirs.get(order.client_id)
            filled = Decimal(0) if there is None else there.filled
            if order.filled != filled or order.is_open != (there is not None and there.is_open):
                doubts.append(order.client_id)
        return doubts

    def account(self) -> dict[str, Any]:
        """Return what became of it all, as text."""
        ours = {name: f"{held:f}" for name, held in self.engine.ledger.holdings().items() if held}
        return {
            "created": self.created,
            "at_venue": len(self.at_venue),
            "states": [str(order.state) for order in self.orders()],
            "doubts": self._doubts(),
            "ours": ours,
            "theirs": {name: f"{held:f}" for name, held in self._theirs().items()},
            "tripped": self.engine.breaker.is_tripped,
            "cause": self.engine.breaker.cause or "",
        }

    def told(self) -> dict[str, Any]:
        """Return what people were told: all of it once the session has ended, not before."""
        kinds = [kind for kind, _ in self.alerts.said]
        return {"alerts": sorted(set(kinds)), "rejections": kinds.count("rejection")}


@contextlib.asynccontextmanager
async def trading(
    name: str,
    *,
    limits: RateLimits | None = None,
    rate: float = 10_000.0,
    balances: Mapping[str, Decimal] | None = None,
    markets_every: float = 300.0,
    further: Notifier | None = None,
    **changes: Any,
) -> AsyncIterator[Trading]:
    """Run a session called *name*, ready to trade, until the context ends."""
    fees = MatchingRules(
        policy=FillPolicy.SAME_CLOSE, commission=BasisPointCommission(Decimal("7.5"))
    )
    unlimited = RateLimits(weight=10**9, orders=10**9)
    async with running_exchange(
        bars=exchange_bars(),
        rules=fees,
        stamp="clock",
        limits=limits or unlimited,
        balances=balances,
    ) as exchange:
        with _journal(name) as journal:
            lease = Lease.acquire(
                journal.engine, ACCOUNT, owner=name, now=_now(), ttl=timedelta(minutes=5)
            )
            journal.fence(lease)
            options = {"rate": rate, "burst": int(rate), "markets_every": markets_every}
            async with session_on(
                exchange, journal, name, venue=options, further=further, lease=lease, **changes
            ) as session:
                yield session


@contextlib.asynccontextmanager
async def session_on(
    exchange: Exchange,
    journal: Journal,
    name: str,
    *,
    venue: Mapping[str, Any] | None = None,
    further: Notifier | None = None,
    lease: Lease | None = None,
    **changes: Any,
) -> AsyncIterator[Trading]:
    """Run a session called *name* on what *journal* knows, until the context ends.

    *venue* are options of the connection, *changes* settings of the engine; *further* hears of
    alerts, too.
    """
    access = Access("practice", "binance", exchange.ccxt_config())
    clock, feed, alerts, strategy = WallClock(), Told(), Kept(further), Obedient()
    quick: dict[str, Any] = {
        "reconcile_every": 3 * _SOON,
        "query_after": _SOON,
        "query_threshold": 3 * _SOON,
        "query_tries": 2,
        "overlap": timedelta(hours=1),
    }
    settings = EngineSettings(
        symbols=(SYMBOL,),
        interval=INTERVAL,
        currency="USDT",
        groups_at_venue=False,
        **(quick | changes),
    )
    instruments = {each.symbol: each for each in exchange.venue.instruments.values()}
    state = None if journal.last is None else restored(journal)
    engine = Engine(strategy, {SYMBOL: instruments[SYMBOL]}, settings, state=state)
    options: dict[str, Any] = {"rate": 10_000.0, "burst": 10_000, **(venue or {})}
    runner = Runner(
        engine,
        venue=CcxtVenue(access, clock=clock, **options),
        feed=lambda _: feed,
        clock=clock,
        journal=journal,
        notifier=alerts,
        started=_started(clock.now(), name),
        wall=clock.now,
        lease=lease,
    )
    session = Trading(exchange, runner, strategy, feed, alerts)
    running = asyncio.ensure_future(runner.run(enabled_by="readiness", reason=name))
    session.running = running
    try:
        await session.until(lambda: str(engine.phase) == "ready" and engine.is_enabled)
        await session.until(lambda: feed.sink is not None)
        yield session
    finally:
        runner.abort("the case is over", 0)
        await running


@functools.cache
def exchange_bars() -> tuple[Bar, ...]:
    """Return some days of practice bars."""
    return tuple(practice_bars(PRACTICE_START + timedelta(days=45), [SYMBOL]))


def database(name: str) -> str:
    """Return where the session called *name* keeps its journal."""
    return f"sqlite:///{Path(f'{name}.db')}"


def _journal(name: str) -> Journal:
    """Return an empty journal of the session called *name*."""
    return Journal.open(database(name), session=name, clock=_now, key=SigningKey.generate())


def _started(now: datetime, name: str) -> SessionStarted:
    """Return the first event of the session called *name*."""
    return SessionStarted(
        time=now,
        session=name,
        mode="live",
        clock="wall",
        venue="practice",
        account=ACCOUNT,
        strategy="Obedient",
        digest="none",
        version="0",
    )


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
