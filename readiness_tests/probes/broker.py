"""Trade the smallest order there is at the deployment's broker, through a whole engine.

The practice exchange is run for the purpose, with the account's credentials from the deployment's
vault; any other broker is spoken to where the deployment says, on its testnet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

from rustybt.adapters.venue.ccxt_venue import CcxtVenue
from rustybt.adapters.venue.exchange import Access, open_exchange
from rustybt.adapters.venue.markets import read_instruments
from rustybt.deployment import open_vault
from rustybt.exchange.serving import running_exchange
from rustybt.exchange.signing import ApiKey
from rustybt.execution import BasisPointCommission, FillPolicy, MatchingRules
from rustybt.journal.signing import SigningKey
from rustybt.journal.store import Journal
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed
from rustybt.model.instrument import Instrument
from rustybt.settings import Settings, load_settings
from rustybt.settings.venues import PRACTICE
from rustybt.strategy import Strategy
from rustybt.system.access import venue_access
from rustybt.system.wiring import engine_settings
from rustybt.trading.clocks import WallClock
from rustybt.trading.commands import Alert
from rustybt.trading.engine import Engine
from rustybt.trading.reports import SessionStarted
from rustybt.trading.runner import Runner

PATIENCE_S = 30.0
IDLE_S = 2.0  # after which an engine without an open order will not order any more
INTERVAL = timedelta(minutes=1)


class RoundTrip(Strategy):
    """Buys the least there can be at the first bar, and closes it at the second."""

    quantity = "0"
    bars = 0

    def on_bar(self, bar: Any) -> None:
        """Act at the first two bars."""
        self.bars += 1
        if self.bars == 1:
            self.buy(bar.symbol, self.quantity)
        elif self.bars == 2:
            self.close_position(bar.symbol)


class Silent:
    """A feed that is told what to say."""

    def __init__(self) -> None:
        self.sink: Any = None

    async def start(self, sink: Any, _symbols: Any, _interval: Any) -> None:
        """Take the sink."""
        self.sink = sink

    async def stop(self) -> None:
        """Let go of it."""
        self.sink = None

    def say(self, symbol: str, price: Decimal) -> None:
        """Report a bar that closes now."""
        now = datetime.now(UTC)
        bar = Bar(
            symbol=symbol,
            start=now - INTERVAL,
            end=now,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(1000),
        )
        self.sink(BarClosed(time=now, bar=bar))


class Alerts:
    """Keeps what people would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep *alert*."""
        self.said.append(f"{alert.kind}: {alert.message}")


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of it. *home* is the deployment's; *trade* whether orders are sent."""
    settings = load_settings(Path(arguments["home"]), {})
    return asyncio.run(_story(settings, trade=arguments["trade"]))


async def _story(settings: Settings, *, trade: bool) -> dict[str, Any]:
    """Connect, look, and trade."""
    async with _account(settings) as access:
        found = await _connection(access)
        if trade and not found["refused"]:
            found |= await _trading(settings, access)
        return found


@contextlib.asynccontextmanager
async def _account(settings: Settings) -> AsyncIterator[Access]:
    """Yield the account at the broker."""
    clock = WallClock().now
    if settings.broker != PRACTICE:
        yield venue_access(settings, settings.broker, clock)
        return
    vault = open_vault(settings, clock)
    known = [vault.get(PRACTICE, name).get_secret_value() for name in ("api_key", "api_secret")]
    fees = MatchingRules(
        policy=FillPolicy.SAME_CLOSE, commission=BasisPointCommission(Decimal("7.5"))
    )
    key = ApiKey("main", *known)
    async with running_exchange(key=key, stamp="clock", rules=fees) as exchange:
        yield Access(PRACTICE, "binance", exchange.ccxt_config())


async def _connection(access: Access) -> dict[str, Any]:
    """Make one authenticated call and compare the clocks."""
    exchange = open_exchange(access)
    clock = WallClock()
    try:
        await exchange.load_markets()
        began = perf_counter()
        balance = await exchange.fetch_balance()
        latency = perf_counter() - began
        sent = clock.now()
        theirs = int(await exchange.fetch_time())
        middle = sent + (clock.now() - sent) / 2
        skew = theirs / 1000 - middle.timestamp()
    except Exception as error:  # noqa: BLE001 - what the venue refuses with is the finding
        said = f"{type(error).__name__}: {error}"
        return {"refused": said[:200], "testnet": access.testnet}
    finally:
        await exchange.close()
    return {
        "refused": "",
        "testnet": access.testnet or access.name == PRACTICE,
        "currencies": sorted(balance["total"]),
        "latency_ms": f"{1000 * latency:.1f}",
        "skew_s": f"{abs(skew):.3f}",
    }


async def _trading(settings: Settings, access: Access) -> dict[str, Any]:
    """Buy the least there can be and sell it again, through an engine with a journal."""
    symbol, instrument, price = await _cheapest(access)
    quantity = _least(instrument, price)
    clock, feed, alerts = WallClock(), Silent(), Alerts()
    limits = settings.model_copy(update={"max_position_size": Decimal(1)})
    wanted = engine_settings(
        limits,
        symbols=(symbol,),
        interval=INTERVAL,
        currency=instrument.quote,
        groups_at_venue=False,
    )
    url = "sqlite:///round-trip.db"
    key = SigningKey.generate()
    with Journal.open(url, session="round-trip", clock=clock.now, key=key) as journal:
        engine = Engine(RoundTrip(quantity=f"{quantity:f}"), {symbol: instrument}, wanted)
        runner = Runner(
            engine,
            venue=CcxtVenue(access, clock=clock),
            feed=lambda _: feed,
            clock=clock,
            journal=journal,
            notifier=alerts,
            started=_started(clock.now(), access),
            wall=clock.now,
        )
        running = asyncio.ensure_future(runner.run(enabled_by="readiness", reason="a test order"))
        await wait_until(lambda: str(engine.phase) == "ready" and feed.sink is not None, running)
        feed.say(symbol, price)
        await wait_until(_ended(engine, 1), running)
        held = engine.ledger.quantity(symbol)
        feed.say(symbol, price)
        await wait_until(_ended(engine, 2), running)
        theirs = await _balances(access)
        runner.operate("stop", "readiness", "the test is over")
        ending = await asyncio.wait_for(running, PATIENCE_S)
        fills = _journaled(journal)
    return {
        "symbol": symbol,
        "quantity": f"{quantity:f}",
        "orders": [
            [order.client_id, str(order.side), str(order.state), f"{order.filled:f}"]
            for order in engine.orders.orders()
        ],
        "held_between": f"{held:f}",
        "held_after": f"{engine.ledger.quantity(symbol):f}",
        "journaled_fills": fills,
        "ledger": {name: f"{each:f}" for name, each in engine.ledger.holdings().items() if each},
        "venue": theirs,
        "ended": [ending.code, ending.reason],
        "alerts": alerts.said,
    }


async def _cheapest(access: Access) -> tuple[str, Instrument, Decimal]:
    """Return a symbol, its instrument and its last price."""
    instruments = await read_instruments(access)
    wished = [
        each for each in ("BTC/USDT", "ETH/USDT", *sorted(instruments)) if each in instruments
    ]
    exchange = open_exchange(access)
    try:
        await exchange.load_markets()
        ticker = await exchange.fetch_ticker(wished[0])
    finally:
        await exchange.close()
    return wished[0], instruments[wished[0]], Decimal(str(ticker["last"]))


def _least(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the smallest quantity that may be ordered, with a little room above the minimum."""
    lots = max(instrument.min_quantity, instrument.min_notional * Decimal("1.1") / price)
    return (lots / instrument.lot).to_integral_value(rounding="ROUND_CEILING") * instrument.lot


async def _balances(access: Access) -> dict[str, str]:
    """Return what the venue itself says the account holds."""
    exchange = open_exchange(access)
    try:
        await exchange.load_markets()
        found = await exchange.fetch_balance()
    finally:
        await exchange.close()
    return {name: f"{Decimal(total):f}" for name, total in found["total"].items() if Decimal(total)}


async def wait_until(holds: Callable[[], bool], running: asyncio.Future[Any]) -> None:
    """Wait until something holds, or the session ended, or it took too long."""
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while not (holds() or running.done()):
        await asyncio.sleep(0.005)
        if asyncio.get_running_loop().time() > end:
            return


def _ended(engine: Engine, count: int) -> Callable[[], bool]:
    """Return whether *count* orders have ended, or nothing more is to be expected."""
    began = asyncio.get_running_loop().time()

    def holds() -> bool:
        orders = engine.orders.orders()
        idle = asyncio.get_running_loop().time() - began > IDLE_S
        if any(order.is_open for order in orders):
            return False
        return len(orders) >= count or idle

    return holds


def _journaled(journal: Journal) -> list[list[str]]:
    """Return the trades that the journal tells of."""
    found = []
    for record in journal.records(kinds={"event"}):
        event = json.loads(record.payload)
        if event["type"] == "order_filled":
            fill = event["fill"]
            found.append([fill["client_id"], fill["side"], fill["quantity"]])
    return found


def _started(now: datetime, access: Access) -> SessionStarted:
    return SessionStarted(
        time=now,
        session="round-trip",
        mode="live",
        clock="wall",
        venue=access.name,
        account="readiness",
        strategy="RoundTrip",
        digest="-",
        version="-",
    )
