"""However a backtest carries orders out, the results are the same to the last digit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rustybt.accounting import Ledger
from rustybt.engine.backtest import _walk
from rustybt.engine.desk import Desk
from rustybt.engine.intake import take_in
from rustybt.engine.tape import Tape
from rustybt.engine.targets import Changes, Follower, follow, is_direct, visit
from rustybt.engine.wishes import FINEST
from rustybt.execution import (
    BasisPointCommission,
    BasisPointSlippage,
    FixedSlippage,
    MatchingRules,
    NoCommission,
    NoSlippage,
    PerShareCommission,
    PerTradeCommission,
    RoundedCommission,
    VolumeShareSlippage,
)
from rustybt.model import Instrument, InstrumentKind
from rustybt.model.event import CashMoved
from rustybt.strategy import Strategy, StrategyBar, TargetKind

START = datetime(2024, 1, 1, tzinfo=UTC)
CASH = Decimal(10_000)


def _frame(seed: int, days: range) -> pl.DataFrame:
    """Return bars on some days, the same for a seed."""
    random = np.random.default_rng(seed)
    prices = random.uniform(5, 50, (len(days), 4)).round(2)
    return pl.DataFrame(
        {
            "timestamp": [START + timedelta(days=day) for day in days],
            "open": prices[:, 0],
            "high": prices.max(axis=1),
            "low": prices.min(axis=1),
            "close": prices[:, 3],
            "volume": random.uniform(1, 100, len(days)).round(0),
        }
    )


FRAMES = {"A": _frame(1, range(10)), "B": _frame(2, range(3, 12, 2)), "C": _frame(3, range(6))}
TAPES = [
    Tape(take_in(FRAMES, signed=frozenset())),
    Tape(take_in({"A": FRAMES["A"]}, signed=frozenset())),
    Tape(take_in({"A": FRAMES["A"], "C": FRAMES["C"]}, signed=frozenset())),
    Tape(take_in({"A": FRAMES["A"], "C": _frame(4, range(10))}, signed=frozenset())),
]
INSTRUMENTS = {
    symbol: Instrument(
        symbol=symbol,
        base=symbol,
        quote="USD",
        tick=FINEST,
        lot=Decimal("0.01"),
        kind=InstrumentKind.EQUITY,
        multiplier=Decimal(multiplier),
    )
    for symbol, multiplier in (("A", 1), ("B", 5), ("C", 1))
}

COMMISSIONS = (
    NoCommission(),
    BasisPointCommission(Decimal("12.5")),
    BasisPointCommission(Decimal(10), Decimal(1)),
    PerShareCommission(Decimal("0.005"), Decimal(1), Decimal("0.01")),
    PerTradeCommission(Decimal("4.95")),
    RoundedCommission(BasisPointCommission(Decimal(3))),
)
SLIPPAGES = (
    NoSlippage(),
    FixedSlippage(Decimal("0.013")),
    BasisPointSlippage(Decimal(25)),
    VolumeShareSlippage(),
)
RULES = [
    MatchingRules(commission=commission, slippage=slippage, slip_outside=outside)
    for commission in COMMISSIONS
    for slippage in SLIPPAGES
    for outside in (False, True)
]
# One seed an example: drawing every order from hypothesis would take longer than trading them.
seeds = st.integers(0, 2**64 - 1).map(Random)


def a_script(random: Random) -> dict[int, list[tuple[int, Decimal]]]:
    """Return which orders follow on which rows: symbol and signed quantity."""
    return {
        random.randrange(21): [
            (random.randrange(3), Decimal(random.choice((-1, 1)) * random.randint(1, 5000)) / 100)
            for _ in range(random.randint(1, 3))
        ]
        for _ in range(random.randint(0, 7))
    }


class Scripted(Strategy):
    """Orders what it is told after each row."""

    def __init__(self, script: dict[int, list[tuple[int, Decimal]]]) -> None:
        super().__init__()
        self.script = script

    def on_bar(self, bar: StrategyBar) -> None:
        for index, quantity in self.script.get(bar.row, ()):
            self.order(self.symbols[index % len(self.symbols)], quantity)


def played(tape: Tape, how: MatchingRules, strategy: Strategy, *, shortcut: bool) -> Desk:
    """Walk the bars of *tape*."""
    desk = Desk(tape, INSTRUMENTS, CASH, how, shortcut=shortcut)
    strategy.bind(desk, tape.symbols)
    _walk(tape, desk, strategy, None)
    return desk


def outcome(desk: Desk) -> tuple[object, ...]:
    """Return everything that a backtest leaves."""
    log, account = desk.account.log, desk.account
    fills = [log.fill(number, desk.tape.symbols) for number in range(len(log))]
    return fills, log.rows, log.cash, account.cash, account.positions, desk.open_orders()


@given(st.sampled_from(TAPES), st.sampled_from(RULES), seeds)
def test_the_shortcut_the_matching_and_the_ledger_agree(
    tape: Tape, how: MatchingRules, random: Random
) -> None:
    """Market orders by the shortcut and through the matching: the same fills, fees and cash.

    And these are what a full ledger says that is given the same fills.
    """
    script = a_script(random)
    quick = played(tape, how, Scripted(script), shortcut=True)
    slow = played(tape, how, Scripted(script), shortcut=False)
    ledger = Ledger(INSTRUMENTS.values())
    ledger.book(CashMoved(time=START, entry_id="1", currency="USD", amount=CASH))
    for number in range(len(quick.account.log)):
        ledger.apply(quick.account.log.fill(number, tape.symbols))

    assert quick.takes_shortcut
    assert outcome(quick) == outcome(slow)
    assert ledger.cash("USD") == quick.account.cash
    assert [ledger.quantity(symbol) for symbol in tape.symbols] == quick.account.positions


@given(st.sampled_from(TAPES), st.sampled_from(RULES), seeds)
def test_targets_at_once_are_targets_bar_by_bar(
    tape: Tape, how: MatchingRules, random: Random
) -> None:
    """Booking all changes at once, visiting the slices that matter, walking all bars: the same."""
    rows = sorted(random.sample(range(tape.height), random.randint(0, 9)))
    targets, before = [], dict.fromkeys(range(3), 0.0)
    for row in rows:
        symbol = int(tape.symbol_of[row])
        before[symbol] += random.choice((-1, 1)) * random.randint(1, 9) / 4
        targets.append(before[symbol])
    changes = Changes(
        TargetKind.UNITS, np.array(rows, dtype=np.int64), np.array(targets, dtype=np.float64)
    )
    walked = played(tape, how, Follower(changes), shortcut=True)
    booked, visited = (Desk(tape, INSTRUMENTS, CASH, how) for _ in range(2))
    assert is_direct(changes, booked)
    follow(changes, booked)
    follower = Follower(changes)
    follower.bind(visited, tape.symbols)
    visit(follower, visited)

    assert outcome(walked) == outcome(booked) == outcome(visited)
