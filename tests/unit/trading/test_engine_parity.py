"""One strategy over the same bars: in a backtest, and in the trading engine on paper."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rustybt.engine.backtest import Backtest
from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed, OperatorCommand
from rustybt.model.instrument import Instrument
from rustybt.strategy import Strategy
from rustybt.trading.commands import Cancel, Query, Submit, TakeSnapshot
from rustybt.trading.engine import Engine
from rustybt.trading.reports import SessionStarted
from rustybt.trading.settings import EngineSettings
from rustybt.trading.simulated import SimulatedVenue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.model.fill import Fill
    from rustybt.strategy import StrategyBar
    from rustybt.trading.reports import EngineEvent

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Stopped:
    """A clock that stands where it is put."""

    kind = "simulated"

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    async def sleep_until(self, time: datetime) -> None:
        """Let it be that time."""
        self.time = time


class Lively(Strategy):
    """Uses all kinds of orders, and logs trades and equity."""

    seed = 1

    def on_start(self) -> None:
        """Begin the same way each time."""
        self.random = random.Random(self.seed)  # noqa: S311 - repeatable, no secret
        self.log: list[Any] = []

    def on_bar(self, bar: StrategyBar) -> None:
        """Do something by chance."""
        chance, symbol = self.random.random(), bar.symbol
        below, above = (str(round(bar.close * factor, 2)) for factor in (0.998, 1.002))
        if chance < 0.1:
            self.order_target_percent(symbol, "0.3")
        elif chance < 0.15:
            self.close_position(symbol)
        elif chance < 0.25:
            self.buy(symbol, "0.5", limit=below)
        elif chance < 0.3 and self.position(symbol) > 0:
            self.sell(symbol, self.position(symbol), stop=below)
        elif chance < 0.35 and self.open_orders(symbol):
            self.cancel(self.open_orders(symbol)[0])
        elif chance < 0.4:
            self.bracket(symbol, 1, take_profit=above, stop_loss=below)

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Log what the account is worth after an instant."""
        self.log.append((len(bars), self.equity, self.cash))

    def on_fill(self, fill: Fill) -> None:
        """Log a trade."""
        self.log.append((fill.symbol, fill.side, fill.quantity, fill.price, fill.fee))


def market(seed: int, symbols: tuple[str, ...], count: int) -> list[tuple[Any, ...]]:
    """Return bars of a random walk, as rows."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, no secret
    last = dict.fromkeys(symbols, 100.0)
    rows = []
    for number in range(count):
        for symbol in symbols:
            opened = last[symbol]
            close = round(opened * (1 + chance.gauss(0, 0.001)), 2)
            high = round(max(opened, close) + chance.random() / 10, 2)
            low = round(min(opened, close) - chance.random() / 10, 2)
            last[symbol] = close
            rows.append((symbol, START + number * MINUTE, opened, high, low, close, 10.0))
    return rows


class Paper:
    """The trading engine on a simulated venue, with nothing between them."""

    def __init__(self, strategy: Strategy, instruments: Mapping[str, Instrument]) -> None:
        self.clock = Stopped()
        settings = EngineSettings(
            symbols=tuple(instruments), interval=MINUTE, currency="USDT", max_bar_age=MINUTE
        )
        self.engine = Engine(strategy, instruments, settings)
        self.waiting: list[EngineEvent] = []
        cash = {"USDT": Decimal(100_000)}
        self.venue = SimulatedVenue(instruments, cash, clock=self.clock, checks_funds=False)
        asyncio.run(self.venue.start(self.waiting.append))
        self.tell(
            SessionStarted(
                time=START,
                session="s",
                mode="paper",
                clock="simulated",
                venue="simulated",
                account="a",
                strategy="Lively",
                digest="d",
                version="1",
            )
        )
        self.tell(OperatorCommand(time=START, command="enable", operator="ann", reason="go"))

    def tell(self, event: EngineEvent) -> None:
        """Process an event and all that follows from it."""
        events = [event]
        while events:
            for command in self.engine.process(events.pop(0)):
                if isinstance(command, Submit):
                    self.venue.submit(command.approved, command.group)
                elif isinstance(command, Cancel):
                    self.venue.cancel(command.client_id)
                elif isinstance(command, Query):
                    self.venue.query(command.client_id, command.symbol, command.venue_id)
                elif isinstance(command, TakeSnapshot):
                    self.venue.snapshot(self.engine.settings.symbols, command.since)
            events += self.waiting
            self.waiting.clear()

    def show(self, bar: Bar) -> None:
        """Let a bar close: the venue sees it before the engine decides on it."""
        self.clock.time = bar.end
        event = BarClosed(time=bar.end, bar=bar)
        for report in self.venue.on_event(event):
            self.tell(report)
        self.tell(event)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("symbols", [("A/USDT",), ("A/USDT", "B/USDT")])
def test_backtest_and_paper_agree_on_every_trade(seed: int, symbols: tuple[str, ...]) -> None:
    """Trades, fees, cash and equity are the same, bar by bar, to the last digit."""
    instruments = {
        symbol: Instrument(
            symbol=symbol, base=symbol[0], quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
        )
        for symbol in symbols
    }
    rows = market(seed, symbols, 150)
    columns = ["symbol", "timestamp", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    tested, traded = Lively(seed=seed), Lively(seed=seed)
    Backtest(
        tested, frame, cash="100000", instruments=instruments, currency="USDT", interval=MINUTE
    ).run()

    paper = Paper(traded, instruments)
    for symbol, start, *numbers in rows:
        exact = [Decimal(repr(number)) for number in numbers]
        paper.show(Bar(symbol, start, start + MINUTE, *exact))

    assert traded.log == tested.log
    assert sum(len(line) == 5 for line in traded.log) > 20
