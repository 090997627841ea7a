"""A simulated world in which a test decides what goes wrong, and when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed
from rustybt.model.fill import Fill
from rustybt.strategy import Strategy
from rustybt.trading.engine import Engine
from rustybt.trading.simulation.faults import CALM, Faults
from rustybt.trading.simulation.machine import operated
from rustybt.trading.simulation.venue import Placed
from rustybt.trading.simulation.world import INTERVAL, World

BTC = "BTC/USDT"
Wish = Callable[[Strategy], object]


def _closed(bar: Bar) -> Callable[[datetime], BarClosed]:
    """Return the report of a bar."""
    return lambda time: BarClosed(time=max(time, bar.end), bar=bar)


class Told(Strategy):
    """Does on each bar the next wish that is there, whichever process it lives in."""

    def __init__(self, wishes: list[Wish], held: list[Decimal]) -> None:
        super().__init__()
        self._wishes, self._held = wishes, held

    def on_bar(self, bar: Any) -> None:
        """Do what is wished, once."""
        if bar.symbol == BTC and self._wishes:
            self._wishes.pop(0)(self)

    def on_fill(self, fill: Fill) -> None:
        """Note what is held as the strategy is told of a trade."""
        self._held.append(self.position(fill.symbol))


class Tale:
    """A world without faults but those that a test sets, an engine that trades in it."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.held: list[Decimal] = []
        self.world = World(1, faults=CALM, strategy=lambda: Told(self.wishes, self.held))
        self.world.venue.thin, self.world.venue.in_base = 0.0, False
        self.world.machine.start()
        self.wait(5)

    @property
    def engine(self) -> Engine:
        """The engine that runs."""
        assert self.world.machine.engine is not None
        return self.world.machine.engine

    @property
    def orders(self) -> list[Placed]:
        """The orders that the venue has, oldest first."""
        return list(self.world.venue.orders.values())

    def wait(self, seconds: float) -> Tale:
        """Let time pass."""
        self.world.run_until(self.world.now + timedelta(seconds=seconds))
        return self

    def faults(self, **faults: float) -> Tale:
        """Let this go wrong from now on, and nothing else."""
        self.world.faults = Faults(**faults)
        return self

    def wish(self, *wishes: Wish, wait: float = 1) -> Tale:
        """Let the strategy do each on a bar of its own."""
        for each in wishes:
            self.wishes.append(each)
            self.wait(INTERVAL.total_seconds())
            for symbol, price in self.world.venue.prices.items():
                start, end = self.world.now - INTERVAL, self.world.now
                bar = Bar(symbol, start, end, price, price, price, price, Decimal(1))
                machine = self.world.machine
                machine.hear(_closed(bar), machine.generation)
            self.wait(wait)
        return self

    def market(self, price: str) -> Tale:
        """Let the market move."""
        self.world.venue.move(BTC, Decimal(price))
        return self.wait(0.3)

    def operator(self, command: str, **arguments: str) -> Tale:
        """Let a person command something."""
        self.world.machine.hear(operated(command, **arguments), self.world.machine.generation)
        return self.wait(0.3)

    def kill(self, wait: float = 40) -> Tale:
        """Kill the process; it is started again within that time."""
        self.world.machine.crash("by the test")
        return self.wait(wait)

    def ends_well(self) -> None:
        """Let all calm down: books, venue and journal agree, and nothing was forbidden."""
        assert self.world.calm_down() == ()


@pytest.fixture
def tale() -> Tale:
    """Return a world that has just begun."""
    return Tale()
