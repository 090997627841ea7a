"""The strategy inside a trading engine: shown bars and fills, and kept from doing harm."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from rustybt.strategy.bar import StrategyBar, instant
from rustybt.strategy.base import Strategy
from rustybt.strategy.errors import StrategyError
from rustybt.strategy.loader import described
from rustybt.strategy.state import dump_state, load_state
from rustybt.trading.commands import KeepState, Severity
from rustybt.trading.trader import EngineTrader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from rustybt.model.bar import Bar
    from rustybt.model.fill import Fill
    from rustybt.trading.desk import Desk

_EMPTY = "{}"
_EPOCH = instant(0)


class Hooks:
    """Calls the hooks of *strategy*; one that raises is not called again until a person resumes.

    Symbols are shown in order of their names, as a backtest shows them.
    """

    def __init__(self, strategy: Strategy, desk: Desk) -> None:
        self.strategy = strategy
        self.failed = False
        self.trader = EngineTrader(desk)
        self._desk = desk
        self._bars = {symbol: StrategyBar(symbol) for symbol in sorted(desk.settings.symbols)}
        self._rows = 0

    def start(self) -> None:
        """Let the strategy prepare, with the state that it left."""
        self.strategy.state = load_state(self._desk.books.strategy_state.encode())
        self.strategy.bind(self.trader, tuple(self._bars))
        self._call("on_start", self.strategy.on_start)

    def stop(self) -> None:
        """Let the strategy finish."""
        self._call("on_stop", self.strategy.on_stop)

    def filled(self, fill: Fill) -> None:
        """Tell the strategy of a trade of ours."""
        self._call("on_fill", lambda: self.strategy.on_fill(fill))

    def closed(self, bars: list[Bar], now: datetime) -> None:
        """Show the strategy all bars of an instant."""
        oldest = self._desk.settings.max_bar_age
        self.trader.is_late = oldest is not None and now - bars[0].end > oldest
        shown = self._show(bars)

        def hooks() -> None:
            for bar in shown.values():
                self.strategy.on_bar(bar)
            self.strategy.on_bars(shown)

        self._call("on_bar", hooks)
        self.trader.is_late = False

    def warm_up(self, bars: Iterable[Bar]) -> None:
        """Show earlier bars; what the strategy orders or remembers meanwhile comes to nothing."""
        kept = self._desk.books.strategy_state
        self.trader.warming = {}
        instant: list[Bar] = []
        for bar in sorted(bars, key=lambda each: (each.start, each.symbol)):
            if instant and bar.start > instant[0].start:
                self._warm(instant)
                instant = []
            if bar.symbol in self._bars:
                instant.append(bar)
        if instant:
            self._warm(instant)
        self.trader.warming = None
        self.strategy.state = load_state(kept.encode())

    def _warm(self, bars: list[Bar]) -> None:
        """Show one instant of earlier bars."""
        if self.trader.warming is not None:
            self.trader.warming.update({bar.symbol: bar.close for bar in bars})
        self.closed(bars, bars[0].end)

    def _show(self, bars: list[Bar]) -> Mapping[str, StrategyBar]:
        """Let the strategy's bars be these."""
        shown = {}
        for bar in bars:
            view = self._bars[bar.symbol]
            view.row = self._rows
            view.start = _microseconds(bar.start)
            view.open, view.high = float(bar.open), float(bar.high)
            view.low, view.close = float(bar.low), float(bar.close)
            view.volume = float(bar.volume)
            shown[bar.symbol] = view
            self._rows += 1
        return shown

    def _call(self, name: str, hook: Callable[[], object]) -> None:
        """Call a hook; stop trading if it raises."""
        if self.failed:
            return
        try:
            hook()
            self._keep_state()
        except Exception as error:
            if self.trader.warming is not None:
                raise _failed_warm_up(type(self.strategy).__name__, name, error) from error
            self.failed = True
            self._blame(name, error)

    def _keep_state(self) -> None:
        """Record the strategy's state if it has changed."""
        if self.trader.warming is not None:
            return
        state = self.strategy.state
        known = self._desk.books.strategy_state
        text = dump_state(state).decode() if state else _EMPTY
        if text != known:
            self._desk.emit(KeepState(state=text))

    def _blame(self, name: str, error: Exception) -> None:
        """Say what the strategy raised and where, and stop trading."""
        kind = type(self.strategy).__name__
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}:{frame.lineno}"
        problem = f"{kind}.{name} raised {described(error)}"
        lines = "".join(traceback.format_exception(error))
        self._desk.note("strategy_error", problem, at=place, traceback=lines)
        self._desk.alert("strategy_error", problem, Severity.CRITICAL, at=place)
        self._desk.trip(f"strategy error: {problem} at {place}")


def _failed_warm_up(kind: str, name: str, error: Exception) -> StrategyError:
    """Return the error for a strategy that cannot even be shown earlier bars."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return StrategyError(
        f"{kind}.{name} raised {described(error)} during the warm-up,"
        f" at {place.filename}:{place.lineno}",
        remedy="run a backtest over the same bars",
    )


def refuse_silent(strategy: Strategy) -> None:
    """Raise for a strategy that says its targets as a column only: it would never trade."""
    kind = type(strategy)
    if kind.on_bar is Strategy.on_bar and kind.on_bars is Strategy.on_bars:
        raise StrategyError(
            f"{kind.__name__} has neither on_bar nor on_bars",
            expected="a strategy that decides bar by bar; signals are for backtests",
        )


def _microseconds(time: datetime) -> int:
    """Return *time* in microseconds since 1970."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
