"""Backtests: one strategy over bars of the past, on exact money."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from rustybt.engine.blame import blaming
from rustybt.engine.choices import cash_of, rules_of
from rustybt.engine.currencies import Exchange
from rustybt.engine.desk import Desk
from rustybt.engine.errors import BacktestError
from rustybt.engine.foreign import ForeignResult
from rustybt.engine.holding import attend
from rustybt.engine.intake import NUMBERS, take_in
from rustybt.engine.result import Result
from rustybt.engine.stack import stack_at_once
from rustybt.engine.tape import Tape
from rustybt.engine.targets import Follower, find_changes, follow, is_direct, visit
from rustybt.engine.wishes import FINEST
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.instrument import Instrument, InstrumentKind
from rustybt.model.money import ONE, decimal
from rustybt.strategy.base import Strategy
from rustybt.strategy.state import dump_state, load_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    import polars as pl

    from rustybt.engine.intake import Frames
    from rustybt.engine.margin import MarginPolicy
    from rustybt.engine.targets import Changes
    from rustybt.engine.terms import HoldingCosts
    from rustybt.execution.costs import Commission, Slippage
    from rustybt.risk.limits import RiskLimits, TradingHours
    from rustybt.strategy.bar import StrategyBar
    from rustybt.strategy.base import Number
    from rustybt.strategy.state import State

    Row = tuple[StrategyBar, int, int, float, float, float, float, float]

Path = Literal["auto", "callback", "signals"]

CHUNK = 4_000
"""Rows that are turned into Python's numbers at a time: few enough to stay in the cache."""


class Backtest:
    """One run of *strategy* (a class, or an instance with its parameters) over *data*.

    *data* is a Polars frame with ``timestamp`` (when the bar began, UTC), ``open``, ``high``,
    ``low``, ``close``, ``volume`` and, for several instruments, ``symbol``; or a mapping of symbols
    to such frames. Prices may be floats (each stands for its shortest text), decimals or text.

    *cash* is what there is at the beginning, in *currency*. *fill* is when orders trade,
    *commission* and *slippage* what that costs; *rules* says all of this, volume shares and latency
    at once instead. *instruments* describes what is traded; for other symbols any price and
    multiples of *lot* are taken. *limits* are risk limits that every order has to pass; without
    them nothing keeps a strategy from borrowing. *state* is what the strategy kept from before.
    *interval* is how long a bar lasts (otherwise the shortest distance of two bars), *periods* how
    many make a year in statistics. *progress* is told rows done and rows in all.

    *actions* are dividends, splits and funding (see :mod:`rustybt.engine.actions`), *costs* what
    borrowing and funding cost a day, *margin* is what follows when equity falls below the
    maintenance margin of the instruments; with it, no order may need more initial margin than
    there is equity. *margins* are the initial and the maintenance margin of other symbols.
    *hours* tells when orders may be sent. *rates* are what other currencies are worth in
    *currency* (see :class:`~rustybt.engine.currencies.Exchange`), *quotes* the currencies of
    symbols that *instruments* does not describe.

    *path* is ``callback`` (every bar goes to the hooks), ``signals`` (only the rows where a target
    changes are visited; no hook but on_start and on_stop is called) or ``auto``: signals if the
    strategy has them. Both give the same results.
    """

    def __init__(
        self,
        strategy: type[Strategy] | Strategy,
        data: Frames,
        *,
        cash: Number = "100000",
        commission: Commission | None = None,
        slippage: Slippage | None = None,
        fill: FillPolicy | str = FillPolicy.NEXT_OPEN,
        rules: MatchingRules | None = None,
        instruments: Mapping[str, Instrument] | None = None,
        currency: str = "USD",
        lot: Number = "0.00000001",
        limits: RiskLimits | None = None,
        session_end: Callable[[str, datetime], datetime] | None = None,
        state: State | None = None,
        interval: timedelta | None = None,
        periods: float | None = None,
        progress: Callable[[int, int], object] | None = None,
        path: Path = "auto",
        symbol: str = "ASSET",
        shortcut: bool = True,
        actions: pl.DataFrame | None = None,
        costs: HoldingCosts | None = None,
        margin: MarginPolicy | str | None = None,
        margins: tuple[Decimal, Decimal] = (ONE, ONE),
        hours: TradingHours | None = None,
        rates: Mapping[str, pl.DataFrame] | None = None,
        quotes: Mapping[str, str] | None = None,
    ) -> None:
        self._quotes = quotes or {}
        self._margins = margins
        self._hours = hours
        self._exchange = None if rates is None else Exchange(currency, rates)
        self._actions, self._costs, self._margin = actions, costs, margin
        self._strategy = strategy() if isinstance(strategy, type) else strategy
        self._data = data
        self._cash = cash_of(cash)
        self._rules = rules or rules_of(fill, commission, slippage)
        if rules is not None and (commission is not None or slippage is not None):
            raise BacktestError(
                "a backtest was given rules as well as commission or slippage",
                remedy="put them into the MatchingRules",
            )
        self._instruments = dict(instruments or {})
        self._currency = currency
        self._lot = decimal(lot, "lot")
        self._limits = limits
        self._session_end = session_end
        self._state = state
        self._interval = interval
        self._periods = periods
        self._progress = progress
        self._shortcut = shortcut
        self._symbol = symbol
        self._path = _path(path, self._strategy)

    def run(self) -> Result:
        """Run and return the result.

        Raise :class:`~rustybt.engine.errors.BarDataError` for data that cannot be used and
        :class:`~rustybt.strategy.errors.StrategyFailedError` if the strategy's code raises.
        """
        desk, state = self._run()
        strategy = self._strategy
        kind = Result if desk.foreign is None else ForeignResult
        return kind(
            desk,
            strategy=type(strategy).__name__,
            parameters={name: getattr(strategy, name) for name in strategy.parameters()},
            path=self._path,
            initial_cash=self._cash,
            state=state,
            periods=self._periods,
        )

    def decisions(self) -> list[tuple[int, str, str]]:
        """Run and return what was ordered: when the bar before began, the symbol, the order.

        Times are in microseconds since 1970.
        """
        found: list[tuple[int, str, str]] = []
        self._run(found)
        return found

    def _run(self, decisions: list[tuple[int, str, str]] | None = None) -> tuple[Desk, State]:
        """Run; return what is there afterwards. Fill *decisions* if it is given."""
        strategy = self._strategy
        tape = self._tape()
        desk = Desk(
            tape,
            self._all_instruments(tape.symbols),
            self._cash,
            self._rules,
            limits=self._limits,
            session_end=self._session_end,
            shortcut=self._shortcut,
            hours=self._hours,
            exchange=self._exchange,
        )
        if self._exchange is not None:
            quotes = [each.quote for each in desk.account.instruments]
            self._exchange.require(quotes, int(tape.times[0]) + tape.bar_length)
        attend(desk, actions=self._actions, costs=self._costs, margin=self._margin)
        desk.decisions = decisions
        if self._state is not None:
            strategy.state = load_state(dump_state(self._state))
        strategy.bind(desk, tape.symbols)
        with blaming(strategy, desk):
            strategy.on_start()
            by_signals = self._path == "signals" or not _has(strategy, "on_bar", "on_bars")
            changes = find_changes(tape, strategy) if by_signals else None
            if changes is None:
                _walk(tape, desk, strategy, self._progress)
            else:
                self._follow(tape, desk, changes)
            desk.decisions = None
            _go_to_the_end(tape, desk)
            strategy.on_stop()
            state = load_state(dump_state(strategy.state))
        desk.finish()
        return desk, state

    def _follow(self, tape: Tape, desk: Desk, changes: Changes) -> None:
        """Trade the *changes* of the targets in the quickest way that the rules allow."""
        if self._path == "signals" and is_direct(changes, desk):
            follow(changes, desk)
            return
        follower = Follower(changes)
        follower.bind(desk, tape.symbols)
        if self._path == "signals" and desk.takes_shortcut:
            visit(follower, desk)
        else:
            _walk(tape, desk, follower, self._progress)

    def _tape(self) -> Tape:
        """Return the bars in order."""
        signed = {symbol for symbol, each in self._instruments.items() if each.is_margined}
        whole = stack_at_once(self._data, name=self._symbol)
        if whole is not None:
            return Tape(whole, interval=self._interval)
        bars = take_in(self._data, signed=frozenset(signed), name=self._symbol)
        notes = [note for each in bars if not each.frame.height for note in each.notes]
        return Tape(
            [each for each in bars if each.frame.height], interval=self._interval, notes=notes
        )

    def _all_instruments(self, symbols: tuple[str, ...]) -> dict[str, Instrument]:
        """Return the instrument of each symbol; raise unless all are quoted in one currency."""
        result = {
            symbol: self._instruments.get(symbol)
            or Instrument(
                symbol=symbol,
                base=symbol,
                quote=self._quotes.get(symbol, self._currency),
                tick=FINEST,
                lot=self._lot,
                kind=InstrumentKind.EQUITY,
                initial_margin=self._margins[0],
                maintenance_margin=self._margins[1],
            )
            for symbol in symbols
        }
        if unknown := sorted(self._quotes.keys() - result.keys()):
            raise BacktestError(
                f"quotes name {', '.join(unknown)}", expected="symbols that have bars"
            )
        quotes = {each.quote for each in result.values()}
        if quotes != {self._currency} and self._exchange is None:
            raise BacktestError(
                f"the instruments are quoted in {', '.join(sorted(quotes))}",
                expected=f"one currency, {self._currency}",
                remedy="name the account's currency, and give rates for the others",
            )
        return result


def _walk(
    tape: Tape,
    desk: Desk,
    strategy: Strategy,
    progress: Callable[[int, int], object] | None,
) -> None:
    """Show every bar to the hooks of *strategy*."""
    if _has(strategy, "on_fill"):
        desk.on_fill = strategy.on_fill
    walk = _walk_one if len(tape.symbols) == 1 else _walk_many
    walk(tape, desk, strategy, chain.from_iterable(_chunks(tape, desk.bars, progress)))


def _walk_one(tape: Tape, desk: Desk, strategy: Strategy, rows: Iterator[Row]) -> None:
    """Walk the bars of a single symbol."""
    bar = desk.bars[0]
    after_bar = _after_bar(desk, strategy, bar)
    last = tape.height - 1
    if desk.active:  # on_start may have ordered
        desk.open_slice(0, 1)
    # The fields of the bar are the loop's own targets: nothing costs less. The orders see the next
    # bar before they are set, so that no hook can look at a bar that has not closed.
    for (
        _,
        bar.row,
        bar.start,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
    ) in rows:
        after_bar(bar)
        if desk.active and bar.row < last:
            desk.open_slice(bar.row + 1, bar.row + 2)


def _after_bar(desk: Desk, strategy: Strategy, bar: StrategyBar) -> Callable[[StrategyBar], object]:
    """Return what is to be called with each bar of a single symbol."""
    hooks: list[Callable[[StrategyBar], object]] = []
    if _has(strategy, "on_bar"):
        hooks.append(strategy.on_bar)
    if _has(strategy, "on_bars"):
        bars = {bar.symbol: bar}
        hooks.append(lambda _: strategy.on_bars(bars))
    if desk.fills_at_once:
        hooks.append(lambda _: desk.report())
    if len(hooks) == 1:
        return hooks[0]

    def all_of_them(bar: StrategyBar) -> None:
        for hook in hooks:
            hook(bar)

    return all_of_them


def _walk_many(tape: Tape, desk: Desk, strategy: Strategy, rows: Iterator[Row]) -> None:
    """Walk the bars of several symbols, one instant after the other."""
    bars = desk.bars
    everyone = MappingProxyType({bar.symbol: bar for bar in bars})
    on_bar = strategy.on_bar if _has(strategy, "on_bar") else None
    on_bars = strategy.on_bars if _has(strategy, "on_bars") else None
    first = 0
    for last in tape.slices[1:].tolist():
        if desk.active:
            desk.open_slice(first, last)
        closed = bars
        _close(islice(rows, last - first))
        if last - first < len(bars):
            closed = [bars[symbol] for symbol in tape.symbol_of[first:last].tolist()]
        desk.base = closed[0]
        if on_bar is not None:
            for bar in closed:
                on_bar(bar)
        if on_bars is not None:
            on_bars(
                everyone if len(closed) == len(everyone) else {bar.symbol: bar for bar in closed}
            )
        if desk.fills_at_once:
            desk.report()
        first = last


def _close(rows: Iterator[Row]) -> None:
    """Set the bars to what is in *rows*."""
    bar: StrategyBar
    # As with a single symbol, the fields are the loop's own targets.
    for (
        bar,  # noqa: B007 - the targets after it are its fields
        bar.row,
        bar.start,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
    ) in rows:
        pass


def _chunks(
    tape: Tape, bars: Sequence[StrategyBar], progress: Callable[[int, int], object] | None
) -> Iterator[Iterator[Row]]:
    """Yield the rows of the tape as Python's numbers, each with its bar, a chunk at a time."""
    for first, last in tape.stretches(CHUNK):
        numbers = [tape.numbers(name, first, last) for name in NUMBERS]
        starts = tape.began_all(first, last)
        whose = tape.each(bars, first, last)
        yield zip(whose, range(first, last), starts, *numbers, strict=True)
        if progress is not None:
            progress(last, tape.height)


def _go_to_the_end(tape: Tape, desk: Desk) -> None:
    """Set the bars to the last ones there are: where on_stop looks from."""
    ends = tape.stack.edges[1:] - 1
    rows = tape.rows_at(ends)
    columns = [rows, tape.times[tape.slice_of(rows)]]
    numbers = [tape.stack.at(name, ends) for name in NUMBERS]
    last = zip(desk.bars, *(column.tolist() for column in (*columns, *numbers)), strict=True)
    for bar, bar.row, bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume in last:
        if bar.row == tape.height - 1:
            desk.base = bar


def _has(strategy: Strategy, *hooks: str) -> bool:
    """Tell whether *strategy* has one of the *hooks* of its own."""
    return any(getattr(type(strategy), hook) is not getattr(Strategy, hook) for hook in hooks)


def _path(path: str, strategy: Strategy) -> Literal["callback", "signals"]:
    """Return which of the two paths to take."""
    if path not in ("auto", "callback", "signals"):
        raise BacktestError(f"there is no path {path!r}", expected="auto, callback or signals")
    has_signals = _has(strategy, "signals")
    name = type(strategy).__name__
    if path == "signals" and not has_signals:
        raise BacktestError(f"{name} has no signals()", remedy="use the callback path")
    if not has_signals and not _has(strategy, "on_bar", "on_bars"):
        raise BacktestError(
            f"{name} decides nothing", expected="on_bar, on_bars or signals in the strategy"
        )
    return "signals" if has_signals and path != "callback" else "callback"
