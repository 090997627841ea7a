"""Send many orders through a whole engine to the practice exchange; time them, and count them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from time import perf_counter
from typing import Any

from readiness_tests.probes.broker import Alerts, Silent, wait_until
from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.exchange import Access
from rustybt.adapters.venue.markets import read_instruments
from rustybt.exchange.limits import RateLimits
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.execution import BasisPointCommission, FillPolicy, MatchingRules
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.order_state import OrderState
from rustybt.strategy import Strategy
from rustybt.trading.clocks import WallClock
from rustybt.trading.engine import Engine
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Runner
from rustybt.trading.settings import EngineSettings

SYMBOL = "ELM/USDT"
INTERVAL = timedelta(minutes=1)


class Burst(Strategy):
    """Orders the same so many times at every bar, and notes when."""

    each = 1
    limit = ""

    def on_start(self) -> None:
        """Begin a list of decisions."""
        self.decided: dict[str, float] = {}

    def on_bar(self, bar: Any) -> None:
        """Decide."""
        terms = {"limit": self.limit} if self.limit else {}
        for _ in range(self.each):
            now = perf_counter()
            self.decided[self.buy(bar.symbol, "0.1", **terms)] = now


class TimedVenue(CcxtVenue):
    """Notes when an order is first acknowledged."""

    def __init__(self, access: Access, **options: Any) -> None:
        super().__init__(access, **options)
        self.acknowledged: dict[str, float] = {}

    def _update(self, client_id: str, state: OrderState, venue_id: str | None) -> None:
        self.acknowledged.setdefault(client_id, perf_counter())
        super()._update(client_id, state, venue_id)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of *bars* times *each* orders, market ones or (*limit*) resting ones."""
    return asyncio.run(_story(**arguments))


async def _story(*, bars: int, each: int, limit: str) -> dict[str, Any]:
    """Trade, and count."""
    rules = MatchingRules(
        policy=FillPolicy.SAME_CLOSE, commission=BasisPointCommission(Decimal("7.5"))
    )
    unlimited = RateLimits(weight=10**9, orders=10**9)
    async with running_exchange(
        rules=rules, stamp="clock", limits=unlimited, balances={"USDT": Decimal(10**7)}
    ) as exchange:
        access = Access("practice", "binance", exchange.ccxt_config())
        venue = TimedVenue(access, clock=WallClock(), rate=10_000.0, burst=10_000)
        instruments = await read_instruments(access)
        return await _trade(exchange, venue, instruments, bars, Burst(each=each, limit=limit))


async def _trade(
    exchange: Exchange, venue: TimedVenue, instruments: Any, bars: int, strategy: Burst
) -> dict[str, Any]:
    """Run the session; return what both sides have of it."""
    clock, feed = WallClock(), Silent()
    wanted = EngineSettings(
        symbols=(SYMBOL,), interval=INTERVAL, currency="USDT", groups_at_venue=False
    )
    engine = Engine(strategy, {SYMBOL: instruments[SYMBOL]}, wanted)
    key = SigningKey.generate()
    with Journal.open("sqlite:///orders.db", session="orders", clock=clock.now, key=key) as journal:
        runner = Runner(
            engine,
            venue=venue,
            feed=lambda _: feed,
            clock=clock,
            journal=journal,
            notifier=Alerts(),
            started=_started(),
            wall=clock.now,
        )
        running = asyncio.ensure_future(runner.run(enabled_by="readiness", reason="measure"))
        await wait_until(lambda: str(engine.phase) == "ready" and feed.sink is not None, running)
        for number in range(bars):
            feed.say(SYMBOL, Decimal(100))
            expected = (number + 1) * strategy.each
            await wait_until(partial(_has_answered, engine, expected), running)
        ledger = {name: f"{held:f}" for name, held in engine.ledger.holdings().items() if held}
        states = Counter(str(order.state) for order in engine.orders.orders())
        balances = exchange.venue.balances(exchange.account)
        found = exchange.venue.all_orders(exchange.account, SYMBOL, limit=100_000)
        await _end(runner, running)
    latencies = sorted(
        venue.acknowledged[name] - decided
        for name, decided in strategy.decided.items()
        if name in venue.acknowledged
    )
    return {
        "decided": len(strategy.decided),
        "acknowledged": len(latencies),
        "states": dict(states),
        "at_venue": len(found),
        "ids_at_venue": len({order.client_id for order in found}),
        "known_at_venue": len({order.client_id for order in found} & strategy.decided.keys()),
        "p50_ms": _percentile(latencies, 50),
        "p99_ms": _percentile(latencies, 99),
        "histogram_ms": _histogram(latencies),
        "ledger": ledger,
        "venue": {name: f"{each.free + each.locked:f}" for name, each in balances.items()},
    }


async def _end(runner: Runner, running: asyncio.Future[Any]) -> None:
    """Stop the session."""
    runner.abort("measured", 0)
    await running


def _has_answered(engine: Engine, count: int) -> bool:
    """Tell whether the venue has acknowledged or refused *count* orders."""
    orders = engine.orders
    return len(orders.orders()) >= count and not orders.open()


def _percentile(latencies: list[float], percent: int) -> str:
    """Return a percentile in milliseconds; nothing measured takes for ever."""
    if not latencies:
        return "Infinity"
    return f"{1000 * latencies[min(len(latencies) * percent // 100, len(latencies) - 1)]:.2f}"


def _histogram(latencies: list[float]) -> dict[str, int]:
    """Return how many took up to so many milliseconds, by doublings."""
    found: Counter[str] = Counter()
    for latency in latencies:
        bound = 1
        while 1000 * latency > bound:
            bound *= 2
        found[f"<= {bound}"] += 1
    return dict(sorted(found.items(), key=lambda item: int(item[0][3:])))


def _started() -> SessionStarted:
    return SessionStarted(
        time=datetime.now(UTC),
        session="orders",
        mode="live",
        clock="wall",
        venue="practice",
        account="readiness",
        strategy="Burst",
        digest="-",
        version="-",
    )
