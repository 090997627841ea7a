"""Targets said as columns, and the fills that follow from them without walking the bars."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from rustybt.engine.scaled import Scaled, ScaledLog, book_at_once, scaled_floats
from rustybt.engine.taking import fee_of, price_at_open, proportional_rate
from rustybt.engine.wishes import Waiting, is_unbounded
from rustybt.execution.costs import NoSlippage
from rustybt.model.errors import InvalidValueError
from rustybt.model.money import ONE, ZERO, add, is_multiple, multiply, subtract
from rustybt.strategy.base import Strategy
from rustybt.strategy.errors import StrategyError, StrategyFailedError
from rustybt.strategy.plans import Switch, plan_of
from rustybt.strategy.signals import Signals, TargetKind, as_signals

if TYPE_CHECKING:
    from rustybt.engine.account import Account
    from rustybt.engine.desk import Desk
    from rustybt.engine.tape import Floats, Integers, Tape
    from rustybt.strategy.bar import StrategyBar

_TARGET = "target of the strategy"


class Changes(NamedTuple):
    """The rows after which another position is wanted, in order, and which."""

    kind: TargetKind
    rows: Integers
    targets: Floats


def target_column(frame: pl.DataFrame, symbol: str, signals: Signals, strategy: str) -> pl.Series:
    """Return the target after each bar of one symbol's *frame*; null where none is said.

    Raise :class:`~rustybt.strategy.errors.StrategyFailedError` if the expression cannot be
    evaluated and :class:`~rustybt.strategy.errors.StrategyError` if it gives what is no target.
    """
    # Lazily, so that columns that the expression does not name are never made.
    bars = frame.lazy().with_columns(
        pl.col("timestamp").cast(pl.Datetime("us", "UTC")), symbol=pl.lit(symbol)
    )
    try:
        column = bars.select("timestamp", signals.target.alias(_TARGET)).collect()[_TARGET]
        column = column.cast(pl.Float64).fill_nan(None)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise StrategyFailedError(
            f"signals() of {strategy} cannot be evaluated for {symbol}: {first}",
            expected="an expression with one number per bar",
        ) from error
    if column.is_infinite().any():
        raise StrategyError(f"signals() of {strategy} wants an infinite position in {symbol}")
    return column


def find_changes(tape: Tape, strategy: Strategy) -> Changes:
    """Return where the targets of *strategy* change, over all symbols."""
    name = type(strategy).__name__
    signals = as_signals(strategy.signals(), name)
    plan = plan_of(signals.target)
    if isinstance(plan, Switch):
        positions, targets = plan.changes(tape.stack.numbers["close"], tape.stack.edges)
    else:
        positions, targets = _evaluated(tape, signals, name)
    rows = tape.rows_at(positions)
    if len(tape.symbols) == 1:
        return Changes(signals.kind, rows, targets)
    order = np.argsort(rows, kind="stable")
    return Changes(signals.kind, rows[order], targets[order])


def _evaluated(tape: Tape, signals: Signals, strategy: str) -> tuple[Integers, Floats]:
    """Return the positions in the stack after which the target changes, symbol by symbol."""
    positions: list[Integers] = []
    targets: list[Floats] = []
    for index, symbol in enumerate(tape.symbols):
        column = target_column(tape.stack.frame(index), symbol, signals, strategy)
        if column.null_count():
            column = column.forward_fill().fill_null(0.0)
        levels = column.to_numpy()
        changed = np.flatnonzero(np.diff(levels, prepend=0.0))
        positions.append(changed + tape.stack.edges[index])
        targets.append(levels[changed])
    return np.concatenate(positions), np.concatenate(targets)


class Follower(Strategy):
    """Orders what is missing to given targets, bar by bar: the slow way that always works."""

    def __init__(self, changes: Changes) -> None:
        super().__init__()
        self._kind = changes.kind
        self._targets = dict(
            zip(changes.rows.tolist(), map(_exact, changes.targets.tolist()), strict=True)
        )

    def on_bar(self, bar: StrategyBar) -> None:
        """Order if the target has changed."""
        target = self._targets.get(bar.row)
        if target is not None:
            self.want(bar.symbol, target)

    def want(self, symbol: str, target: Decimal) -> None:
        """Order what is missing to *target*."""
        if self._kind is TargetKind.UNITS:
            self.order_target(symbol, target)
        elif self._kind is TargetKind.VALUE:
            self.order_target_value(symbol, target)
        else:
            self.order_target_percent(symbol, target)

    def targets(self) -> Iterable[tuple[int, Decimal]]:
        """Yield the rows with a change, in order, and the targets."""
        return self._targets.items()


def _exact(number: float) -> Decimal:
    """Return the decimal with the digits that *number* is printed with."""
    return Decimal(repr(number))


def is_direct(changes: Changes, desk: Desk) -> bool:
    """Tell whether every change leads to one fill whose size depends on nothing but the targets."""
    if changes.kind is not TargetKind.UNITS or not desk.takes_shortcut:
        return False
    instruments = desk.account.instruments
    if not all(map(is_unbounded, instruments)):
        return False
    lots = {instrument.lot for instrument in instruments}
    wanted = [_exact(target) for target in np.unique(changes.targets).tolist()]
    try:
        return all(is_multiple(target, lot) for target in wanted for lot in lots)
    except InvalidValueError:
        return False


def follow(changes: Changes, desk: Desk) -> None:
    """Book all fills at once: each change is filled at the next open of its symbol.

    Only for changes that :func:`is_direct` allows. What it books is what walking the bars with a
    :class:`Follower` books.
    """
    if not _follow_in_integers(changes, desk):
        _follow_in_decimals(changes, desk)


def _follow_in_integers(changes: Changes, desk: Desk) -> bool:
    """Book all fills in machine integers; return whether that can be done."""
    tape, account = desk.tape, desk.account
    rate = proportional_rate(desk.rules)
    quantities = _scaled_quantities(changes, tape)
    if rate is None or quantities is None or not tape.is_float:
        return False
    fill_rows = tape.following(changes.rows)
    places = _by_filling(fill_rows)
    rows = fill_rows[places]
    opens = tape.stack.at("open", tape.positions(rows))
    prices, ours = scaled_floats(opens), quantities.at(places)
    if prices is None or any(each != ONE for each in account.multipliers):
        return False
    booking = book_at_once(account.cash, ours, prices, rate)
    if booking is None:
        return False
    missed = np.flatnonzero(fill_rows < 0)
    _strand(desk, changes, missed, quantities.at(missed).decimals())
    log = ScaledLog(
        rows=rows,
        times=tape.times[tape.slice_of(rows)],
        symbols=tape.symbols_at(rows),
        ids=places + 1,
        quantities=ours,
        prices=opens,
        held=changes.targets[places],
        booking=booking,
    )
    _enter(log, account)
    return True


def _enter(log: ScaledLog, account: Account) -> None:
    """Make *log* that of the account, with what it leaves of cash and positions."""
    account.log = log
    account.cash = log.last_cash(account.cash)
    symbols = log.places[1].tolist()
    for symbol, units in dict(zip(symbols, log.held.tolist(), strict=True)).items():
        account.positions[symbol] = _exact(units)


def _scaled_quantities(changes: Changes, tape: Tape) -> Scaled | None:
    """Return what has to be traded to go from target to target of each symbol, starting from 0."""
    wanted = scaled_floats(changes.targets)
    if wanted is None or not wanted.units.size:
        return wanted
    units = wanted.units
    if len(tape.symbols) == 1:
        return Scaled(np.diff(units, prepend=0), wanted.scale)
    symbols = tape.symbols_at(changes.rows)
    order = np.argsort(symbols, kind="stable")
    steps = np.diff(units[order], prepend=0)
    first = np.flatnonzero(np.diff(symbols[order], prepend=-1))
    steps[first] = units[order[first]]
    quantities = np.empty_like(units)
    quantities[order] = steps
    return Scaled(quantities, wanted.scale)


def _by_filling(fill_rows: Integers) -> Integers:
    """Return which orders are filled, in the order of their fills, whatever that of the signals."""
    filled = np.flatnonzero(fill_rows >= 0)
    rows = fill_rows[filled]
    if (rows[1:] >= rows[:-1]).all():
        return filled
    return filled[np.argsort(rows, kind="stable")]


def _follow_in_decimals(changes: Changes, desk: Desk) -> None:
    """Book all fills in decimals, column by column."""
    tape, account = desk.tape, desk.account
    known = {value: _exact(value) for value in np.unique(changes.targets).tolist()}
    targets = [known[value] for value in changes.targets.tolist()]
    symbols = tape.symbols_at(changes.rows).tolist()
    quantities = _quantities(targets, symbols, len(tape.symbols))
    fill_rows = tape.following(changes.rows)
    places = _by_filling(fill_rows)
    missed = np.flatnonzero(fill_rows < 0)
    _strand(desk, changes, missed, [quantities[number] for number in missed.tolist()])
    rows = fill_rows[places]
    log = account.log
    log.rows = rows.tolist()
    log.times = tape.times[tape.slice_of(rows)].tolist()
    log.symbols = tape.symbols_at(rows).tolist()
    log.client_ids = [f"O{number}" for number in (places + 1).tolist()]
    log.quantities = [quantities[number] for number in places.tolist()]
    _settle(desk, rows)


def _quantities(targets: list[Decimal], symbols: list[int], count: int) -> list[Decimal]:
    """Return what has to be traded to go from target to target, signed, starting from 0."""
    if count == 1:
        return list(map(subtract, targets, [ZERO, *targets[:-1]]))
    held = [ZERO] * count
    quantities = []
    for symbol, target in zip(symbols, targets, strict=True):
        quantities.append(subtract(target, held[symbol]))
        held[symbol] = target
    return quantities


def _strand(desk: Desk, changes: Changes, missed: Integers, quantities: list[Decimal]) -> None:
    """Leave open the orders of the changes that are *missed*: their symbols have no later bar."""
    symbols = desk.tape.symbols_at(changes.rows[missed]).tolist()
    for number, symbol, quantity in zip(missed.tolist(), symbols, quantities, strict=True):
        desk.stranded.setdefault(symbol, []).append(Waiting(f"O{number + 1}", quantity))


def _settle(desk: Desk, rows: Integers) -> None:
    """Work out prices, fees, cash and positions of the fills in the log; nothing is rounded."""
    account, log, rules = desk.account, desk.account.log, desk.rules
    if type(rules.slippage) is NoSlippage:
        log.prices = desk.tape.exact_many(rows, "open")
    else:
        log.prices = [
            price_at_open(desk.tape, row, quantity, account.instruments[symbol], rules)
            for row, quantity, symbol in zip(log.rows, log.quantities, log.symbols, strict=True)
        ]
    costs = list(map(multiply, log.quantities, log.prices))
    if any(multiplier != ONE for multiplier in account.multipliers):
        factors = [account.multipliers[symbol] for symbol in log.symbols]
        costs = list(map(multiply, costs, factors))
    notionals = map(Decimal.copy_abs, costs)
    sizes = map(Decimal.copy_abs, log.quantities)
    log.fees = list(map(fee_of(rules.commission), sizes, notionals))
    flows = map(add, costs, log.fees)
    log.cash = list(accumulate(flows, subtract, initial=account.cash))[1:]
    account.cash = log.cash[-1] if log.cash else account.cash
    for symbol, quantity in zip(log.symbols, log.quantities, strict=True):
        account.positions[symbol] = add(account.positions[symbol], quantity)


def visit(follower: Follower, desk: Desk) -> None:
    """Go only to the slices in which a target changes or an order is due.

    For targets whose size depends on what the account is worth at that moment.
    """
    tape = desk.tape
    changes = list(follower.targets())
    slices = tape.slice_of(np.array([row for row, _ in changes], dtype=np.int64)).tolist()
    due: list[int] = []
    for number, (row, target) in enumerate(changes):
        now = slices[number]
        if not number or slices[number - 1] != now:
            _fill_until(desk, due, now)
            _look_at(desk, now)
        desk.base = desk.bars[int(tape.symbol_of[row])]
        before = len(desk.waiting.get(int(tape.symbol_of[row]), ()))
        follower.want(desk.base.symbol, target)
        if len(desk.waiting.get(int(tape.symbol_of[row]), ())) > before:
            following = int(tape.next_row[row])
            if following >= 0:
                heapq.heappush(due, int(tape.slice_of(np.array([following]))[0]))
    _fill_until(desk, due, tape.slices.size)


def _fill_until(desk: Desk, due: list[int], last: int) -> None:
    """Fill the orders that are *due* in the slices up to and including *last*."""
    slices = desk.tape.slices
    while due and due[0] <= last:
        now = heapq.heappop(due)
        desk.open_slice(int(slices[now]), int(slices[now + 1]))


def _look_at(desk: Desk, now: int) -> None:
    """Move every bar to the last one that has closed by the end of slice *now*."""
    tape = desk.tape
    end = int(tape.slices[now + 1])
    for index, bar in enumerate(desk.bars):
        known = int(np.searchsorted(tape.rows_of[index], end))
        if known:
            bar.row = int(tape.rows_of[index][known - 1])
            bar.start = int(tape.starts[bar.row])
