"""A world that is wholly made from a seed: time, market, venue, network, people, and an engine."""

from __future__ import annotations

import heapq
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from rustybt.model.bar import Bar
from rustybt.model.event import BarClosed
from rustybt.model.instrument import Instrument
from rustybt.model.money import Rounding, multiply, to_step
from rustybt.trading.reports import InstrumentsChanged
from rustybt.trading.settings import EngineSettings, GuardSettings
from rustybt.trading.simulation.faults import CALM, Faults, drawn
from rustybt.trading.simulation.invariants import Watch, unsettled
from rustybt.trading.simulation.machine import Machine, operated
from rustybt.trading.simulation.network import Network
from rustybt.trading.simulation.strategy import RandomStrategy
from rustybt.trading.simulation.venue import TruthVenue

if TYPE_CHECKING:
    from collections.abc import Callable

    from rustybt.strategy import Strategy
    from rustybt.trading.simulation.venue import Told

START: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
INTERVAL: Final = timedelta(seconds=15)
_RECONCILE: Final = timedelta(seconds=25)
_CASH: Final = Decimal("100000")
_INSTRUMENTS: Final = tuple(
    Instrument(symbol=f"{base}/USDT", base=base, quote="USDT", tick=Decimal("0.01"), lot=lot)
    for base, lot in (("BTC", Decimal("0.001")), ("ETH", Decimal("0.01")))
)
_SMALLER_LOTS: Final = (Decimal("0.0001"), Decimal("0.001"), Decimal("0.01"))
_SETTLE: Final = (70, 130, 700)
"""After how many calm seconds everything should have come to an end; the last counts."""
_COMMANDS: Final = ("halt", "resume", "resume", "disable", "enable", "flatten", "cancel", "stop")


class World:
    """Makes one session from *seed*: the same in, the same out, to the last byte of the journal.

    *faults* replace those that the seed would draw, *strategy* makes another one than the
    strategy of chance for each start. *log* takes a line for each step.
    """

    def __init__(
        self,
        seed: int,
        *,
        faults: Faults | None = None,
        strategy: Callable[[], Strategy] | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same every time, on purpose
        own = drawn(self.chance)
        self.faults = own if faults is None else faults
        self.now = START
        self.goes_on = True
        self.strategy = strategy or (lambda: RandomStrategy(self.chance))
        self.sent_at: dict[str, datetime] = {}
        self._log = log
        self._waiting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = 0
        self._offset = timedelta(0)
        symbols = self.chance.choice((1, 1, 2))
        self.settings = EngineSettings(
            symbols=tuple(each.symbol for each in _INSTRUMENTS[:symbols]),
            interval=INTERVAL,
            currency="USDT",
            reconcile_every=_RECONCILE,
            groups_at_venue=False,
            guard=GuardSettings(max_errors=self.chance.choice((None, 20))),
        )
        self.network = Network(self)
        self.venue = TruthVenue(
            _INSTRUMENTS[:symbols],
            {"USDT": _CASH},
            chance=self.chance,
            clock=lambda: self.now,
            tell=self.network.report,
            thin=self.chance.choice((0.0, 0.3, 0.6)),
            in_base=self.chance.random() < 0.5,
        )
        for instrument in self.venue.instruments.values():
            self.venue.prices[instrument.symbol] = Decimal(100)
        self.machine = Machine(self)
        self.watch = Watch(self)

    # Time and chance

    def local(self) -> datetime:
        """Return what the clock says where the engine runs."""
        return self.now + self._offset

    def hits(self, rate: float) -> bool:
        """Tell whether something of this likelihood happens now."""
        return rate > 0 and self.chance.random() < rate

    def between(self, least: float, most: float) -> float:
        """Return so many seconds, by chance."""
        return self.chance.uniform(least, most)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let *action* happen in so many seconds."""
        self._number += 1
        due = self.now + timedelta(seconds=seconds)
        heapq.heappush(self._waiting, (due, self._number, action))

    def say(self, line: Callable[[], str]) -> None:
        """Put a line into the log if there is one."""
        if self._log is not None:
            self._log(f"{(self.now - START).total_seconds():8.3f} {line()}")

    def run_until(self, time: datetime) -> None:
        """Let everything happen that is due."""
        while self._waiting and self._waiting[0][0] <= time:
            due, _, action = heapq.heappop(self._waiting)
            self.now = due
            action()
        self.now = time

    # The session

    def run(self, bars: int) -> tuple[str, ...]:
        """Live through *bars* wild instants and a calm end; return what did not hold."""
        self.machine.start()
        for _ in range(bars):
            self.run_until(self.now + INTERVAL)
            self._instant()
            if self.watch.broken:
                return tuple(self.watch.broken)
        return self.calm_down()

    def calm_down(self) -> tuple[str, ...]:
        """Let nothing go wrong any more; return what does not hold once all has come to rest."""
        self.say(lambda: "== from here on nothing goes wrong")
        self.faults = CALM
        self.goes_on = False
        self.network.reconnect()
        self.machine.start()
        calm = self.now
        found: tuple[str, ...] = ()
        for seconds in _SETTLE:
            self.run_until(calm + timedelta(seconds=seconds))
            self.machine.start()
            found = (*self.watch.broken, *unsettled(self))
            if not found:
                return ()
        return found

    # What happens at every bar

    def _instant(self) -> None:
        """Move the market, show a bar, and let something happen."""
        faults = self.faults
        for symbol, before in list(self.venue.prices.items()):
            factor = Decimal(str(round(self.between(0.99, 1.01), 4)))
            price = to_step(multiply(before, factor), Decimal("0.01"), Rounding.NEAREST)
            self.after(self.between(0, 10), partial(self.venue.move, symbol, price))
            self._show(symbol, before)
        if self.hits(faults.disconnect) and self.network.connected:
            self.after(self.between(0, 15), self.network.disconnect)
        if self.hits(faults.clock_back):
            self._offset -= timedelta(seconds=self.between(0.1, 5))
            self.say(lambda: f"   the clock steps back to {self.local()}")
        if self.hits(faults.filters):
            self._change_filters()
        if self.hits(faults.operator):
            self.after(self.between(0, 15), self._operate)

    def _show(self, symbol: str, price: Decimal) -> None:
        """Tell of a bar that has closed, unless that is lost."""
        faults = self.faults
        if self.hits(faults.lose_bar):
            return
        bar = Bar(symbol, self.now - INTERVAL, self.now, price, price, price, price, Decimal(1))
        delay = self.between(5, 30) if self.hits(faults.delay_bar) else self.between(0, 0.5)
        self.after(delay, lambda: self._tell(_closed(bar)))
        if self.hits(faults.repeat_bar):
            self.after(delay + 1, lambda: self._tell(_closed(bar)))

    def _tell(self, told: Told) -> None:
        """Tell whatever process runs."""
        self.machine.hear(told, self.machine.generation)

    def _change_filters(self) -> None:
        """Let the venue want other sizes; the engine learns of it later."""
        symbol = self.chance.choice(list(self.venue.instruments))
        lot = self.chance.choice(_SMALLER_LOTS)
        changed = replace(self.venue.instruments[symbol], lot=lot, min_quantity=lot)
        self.venue.instruments[symbol] = changed
        self.say(lambda: f"   {symbol} now trades in lots of {lot}")
        self.after(
            self.between(0, 20),
            lambda: self._tell(lambda time: InstrumentsChanged(time=time, instruments=(changed,))),
        )

    def _operate(self) -> None:
        """Let a person do something."""
        command = self.chance.choice(_COMMANDS)
        orders = list(self.venue.orders)
        arguments = {}
        if command == "cancel":
            arguments = {"client_id": self.chance.choice(orders) if orders else "none"}
        self._tell(operated(command, **arguments))


def _closed(bar: Bar) -> Told:
    """Return the report of a bar, which is not told before its end whatever the clock says."""
    return lambda time: BarClosed(time=max(time, bar.end), bar=bar)
