"""One strategy over one day of one-minute bars trades the same in a backtest, on paper and live."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest

from rustybt.accounting.ledger import Ledger
from rustybt.deployment import create_home
from rustybt.engine import Backtest
from rustybt.execution.costs import BasisPointCommission, BasisPointSlippage
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.bar import Bar
from rustybt.model.codec import from_json
from rustybt.model.event import OrderFilled
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import live_session, paper_session, risk_limits
from rustybt.system.practice import practising
from rustybt.system.wiring import open_journal, recovered
from rustybt.trading.fold import EVENT
from rustybt.trading.reports import EngineEvent

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rustybt.exchange.server import PracticeServer
    from rustybt.model.fill import Fill
    from rustybt.system.practice import PracticeThread
    from rustybt.system.session import Session
    from rustybt.trading.commands import Alert

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = 1440
CASH = Decimal(100_000)
RULES = MatchingRules(
    commission=BasisPointCommission(Decimal(10)),
    slippage=BasisPointSlippage(Decimal(2)),
    volume_share=Decimal("0.25"),
    touch_share=Decimal("0.1"),
)


def instrument(symbol: str) -> Instrument:
    """Return a pair in cents and thousandths."""
    base, _, quote = symbol.partition("/")
    return Instrument(
        symbol=symbol, base=base, quote=quote, tick=Decimal("0.01"), lot=Decimal("0.001")
    )


def walk(symbol: str, seed: int) -> list[Bar]:
    """Return a day of bars: a random walk in cents that is the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - bars, no secrets
    price, found = 10_000, []
    for number in range(DAY):
        begin = price + chance.randint(-3, 3)
        price = max(2_000, begin + chance.randint(-40, 40))
        high = max(begin, price) + chance.randint(0, 15)
        low = min(begin, price) - chance.randint(0, 15)
        cents = (Decimal(each).scaleb(-2) for each in (begin, high, low, price))
        first, top, bottom, last = cents
        start = START + number * MINUTE
        volume = Decimal(chance.randint(1, 60)).scaleb(-1)
        found.append(Bar(symbol, start, start + MINUTE, first, top, bottom, last, volume))
    return found


def frame(bars: Iterable[Bar]) -> pl.DataFrame:
    """Return bars as a backtest takes them, with exact prices as text."""
    rows = [
        {
            "timestamp": bar.start,
            "symbol": bar.symbol,
            **{name: str(getattr(bar, name)) for name in ("open", "high", "low", "close")},
            "volume": str(bar.volume),
        }
        for bar in bars
    ]
    return pl.DataFrame(rows)


class Momentum(Strategy):
    """Holds some of its equity, at the market, while prices are above their average.

    A spot venue sells nobody what he has not: an order has to end before the next.
    """

    def on_bar(self, bar: Any) -> None:
        """Follow the average of the last twenty closes."""
        closes = [*self.state.get(bar.symbol, []), repr(bar.close)][-20:]
        self.state[bar.symbol] = closes
        if len(closes) == 20 and not self.open_orders(bar.symbol):
            mean = sum(map(float, closes)) / 20
            self.order_target_percent(bar.symbol, "0.002" if bar.close > mean else "0")


class Ladder(Strategy):
    """Works with limits that fill in parts, stops, and cancels what has not filled."""

    def on_bar(self, bar: Any) -> None:
        """Bid below the market, protect what is held, start over every quarter of an hour."""
        minute = bar.time.minute
        held = self.position(bar.symbol)
        if minute % 15 == 0:
            for client_id in self.open_orders(bar.symbol):
                self.cancel(client_id)
        elif minute % 15 == 1 and held < 5:
            self.buy(bar.symbol, "3.5", limit=f"{bar.close - 0.15:.2f}")
            self.buy(bar.symbol, "0.75", stop=f"{bar.close + 0.3:.2f}")
        elif minute % 15 == 5 and held:
            self.sell(bar.symbol, held, limit=f"{bar.close + 0.1:.2f}", reduce_only=True)
        elif minute % 15 == 6 and held:
            self.sell(bar.symbol, held, trail="0.25", reduce_only=True)


class Brackets(Strategy):
    """Opens a bracket when it has nothing."""

    def on_bar(self, bar: Any) -> None:
        """Enter at the market with a profit and a loss around it."""
        if not self.position(bar.symbol) and not self.open_orders(bar.symbol):
            self.bracket(
                bar.symbol,
                "1.5",
                take_profit=f"{bar.close + 0.6:.2f}",
                stop_loss=f"{bar.close - 0.5:.2f}",
            )


class Traded(NamedTuple):
    """What a run came to: its fills without their ids, and what there is afterwards."""

    fills: list[tuple[Any, ...]]
    cash: Decimal
    positions: dict[str, Decimal]


def traded(fills: Iterable[Fill], instruments: Iterable[Instrument]) -> Traded:
    """Return what *fills* come to, told by books of their own."""
    books = Ledger()
    for each in instruments:
        books.add_instrument(each)
    known = sorted(fills, key=lambda fill: (fill.time, fill.symbol))
    for fill in known:
        books.apply(fill)
    rows = [(fill.time, fill.symbol, fill.signed_quantity, fill.price, fill.fee) for fill in known]
    return Traded(rows, books.cash("USDT"), books.quantities())


class Quiet:
    """Keeps alerts."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def notify(self, alert: Alert, _time: datetime) -> None:
        """Keep it."""
        self.alerts.append(alert)


ONE, TWO = ("ELM/USDT",), ("ELM/USDT", "OAK/USDT")


@pytest.mark.parametrize(
    ("strategy", "policy", "symbols"),
    [
        (Momentum, FillPolicy.NEXT_OPEN, ONE),
        (Ladder, FillPolicy.NEXT_OPEN, TWO),
        (Ladder, FillPolicy.INTRABAR, ONE),
        (Brackets, FillPolicy.INTRABAR, TWO),
    ],
)
def test_a_day_on_paper_is_the_day_of_the_backtest(
    tmp_path: Path, strategy: type[Strategy], policy: FillPolicy, symbols: tuple[str, ...]
) -> None:
    """Fills, cash and positions are those of the backtest to the last digit; so is the journal."""
    rules = MatchingRules(
        policy=policy,
        commission=RULES.commission,
        slippage=RULES.slippage,
        volume_share=RULES.volume_share,
        touch_share=RULES.touch_share,
    )
    bars = [bar for seed, symbol in enumerate(symbols) for bar in walk(symbol, seed)]
    instruments = {symbol: instrument(symbol) for symbol in symbols}
    settings = load_settings(create_home(tmp_path / "home", "dev", lambda: START).root, {})

    result = Backtest(
        strategy(),
        frame(bars),
        cash=CASH,
        currency="USDT",
        rules=rules,
        instruments=instruments,
        limits=risk_limits(settings),
    ).run()
    expected = traded(result.fills, instruments.values())

    notifier = Quiet()
    session = paper_session(
        settings,
        strategy(),
        source=b"",
        bars=bars,
        instruments=instruments,
        cash={"USDT": CASH},
        notifier=notifier,
        rules=rules,
    )
    ending = session.run(enabled_by="test", reason="parity")
    session.close()
    with open_journal(settings, session="reader", clock=lambda: START, readonly=True) as journal:
        state = recovered(journal)
        told = [
            from_json(record.payload, EngineEvent)
            for record in journal.records()
            if record.kind == EVENT
        ]

    assert ending.code == 0, ending.reason
    assert state is not None
    fills = [event.fill for event in told if isinstance(event, OrderFilled)]
    found = traded(fills, instruments.values())
    assert len(expected.fills) > 20
    assert found == expected
    kept = Ledger.restore(state.ledger)
    assert kept.quantities() == expected.positions
    assert kept.cash("USDT") == CASH + expected.cash
    assert len(told) >= len(bars)


class Watched(Momentum):
    """Counts the bars that it saw."""

    seen = 0

    def on_bar(self, bar: Any) -> None:
        """Decide, then count."""
        super().on_bar(bar)
        self.seen += 1


async def _live(session: Session, practice: PracticeThread, strategy: Watched, count: int) -> int:
    """Show a bar after the other, each when all that followed from the last has arrived."""
    server: PracticeServer = practice.exchange.server
    running = asyncio.ensure_future(session.run_async(enabled_by="test", reason="parity"))
    await asyncio.wrap_future(practice.submit(practice.heard()))
    for number in range(count):
        await asyncio.wrap_future(practice.submit(_shown(server)))
        while not running.done():
            if strategy.seen > number and not session.runner.engine.orders.open():
                break
            await asyncio.sleep(0.0005)
    session.runner.operate("stop", "test", "all bars were shown")
    return (await running).code


async def _shown(server: PracticeServer) -> int:
    """Show the next bar."""
    return server.step(1)


def test_a_day_live_is_the_day_of_the_backtest(tmp_path: Path) -> None:
    """Orders sent over the network to the practice exchange trade as those of a backtest do."""
    rules = MatchingRules(policy=FillPolicy.SAME_CLOSE, commission=RULES.commission)
    bars, instruments = walk("ELM/USDT", 7), {"ELM/USDT": instrument("ELM/USDT")}
    settings = load_settings(create_home(tmp_path / "home", "dev", lambda: START).root, {})
    strategy = Watched()
    with practising(bars, history=0, rules=rules) as practice:
        session = live_session(
            settings,
            strategy,
            source=b"",
            access=practice.access(),
            symbols=["ELM/USDT"],
            interval=MINUTE,
            notifier=Quiet(),
        )
        code = asyncio.run(_live(session, practice, strategy, len(bars)))
        kept = session.runner.engine.ledger
        traded_there = practice.exchange.venue.my_trades("main", "ELM/USDT", limit=DAY)
        session.close()
        lots = practice.exchange.venue.instruments
    result = Backtest(
        Momentum(),
        frame(bars),
        cash=CASH,
        currency="USDT",
        rules=rules,
        instruments={symbol: lots[symbol] for symbol in instruments},
        limits=risk_limits(settings),
    ).run()
    expected = traded(result.fills, instruments.values())

    assert code == 0
    assert strategy.seen == len(bars)
    assert len(expected.fills) > 20
    assert [(trade.price, trade.quantity) for trade in traded_there] == [
        (fill.price, fill.quantity) for fill in result.fills
    ]
    assert kept.quantities() == expected.positions
    assert kept.cash("USDT") == CASH + expected.cash
