"""What holding costs and brings, against a reckoning in fractions that knows nothing of ledgers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from random import Random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rustybt.accounting import Ledger
from rustybt.engine import HoldingCosts, Result
from rustybt.engine.backtest import _walk
from rustybt.engine.desk import Desk
from rustybt.engine.holding import attend
from rustybt.engine.intake import take_in
from rustybt.engine.tape import Tape
from rustybt.engine.wishes import FINEST
from rustybt.execution import MatchingRules
from rustybt.model import Instrument, InstrumentKind
from rustybt.model.event import CashMoved
from rustybt.strategy import Strategy, StrategyBar

START = datetime(2024, 1, 1, tzinfo=UTC)
CASH = Decimal(100_000)
SYMBOLS = ("A", "B")
seeds = st.integers(0, 2**64 - 1).map(Random)
Script = dict[tuple[str, int], int]


class World:
    """Some days of two symbols, prices in cents, and dividends on some of them."""

    def __init__(self, random: Random) -> None:
        self.days = sorted(random.sample(range(12), 5))
        self.opens = {symbol: [random.randint(1, 9999) for _ in self.days] for symbol in SYMBOLS}
        self.closes = {symbol: [random.randint(1, 9999) for _ in self.days] for symbol in SYMBOLS}
        self.paid = {
            (symbol, number): random.randint(1, 500)
            for symbol in SYMBOLS
            for number in range(1, len(self.days))
            if random.random() < 0.3
        }
        self.tape = Tape(take_in({each: self.bars(each) for each in SYMBOLS}, signed=frozenset()))
        rows = [
            (symbol, self.time(number), "dividend", str(Decimal(cents) / 1000))
            for (symbol, number), cents in self.paid.items()
        ]
        columns: dict[str, type[str] | pl.DataType] = {
            "symbol": str,
            "timestamp": pl.Datetime("us", "UTC"),
            "kind": str,
            "amount": str,
        }
        self.actions = pl.DataFrame(rows, schema=columns, orient="row")

    def time(self, number: int) -> datetime:
        """Return when a bar begins."""
        return START + timedelta(days=self.days[number])

    def bars(self, symbol: str) -> pl.DataFrame:
        """Return the bars of a symbol."""
        pairs = list(zip(self.opens[symbol], self.closes[symbol], strict=True))
        return pl.DataFrame(
            {
                "timestamp": [self.time(number) for number in range(len(self.days))],
                "open": [pair[0] / 100 for pair in pairs],
                "high": [max(pair) / 100 for pair in pairs],
                "low": [min(pair) / 100 for pair in pairs],
                "close": [pair[1] / 100 for pair in pairs],
                "volume": [1.0] * len(pairs),
            }
        )


WORLDS = [World(Random(seed)) for seed in range(40)]  # noqa: S311 - no secret is drawn
SHARES = {
    symbol: Instrument(
        symbol=symbol,
        base=symbol,
        quote="USD",
        tick=FINEST,
        lot=Decimal(1),
        kind=InstrumentKind.EQUITY,
    )
    for symbol in SYMBOLS
}


class Scripted(Strategy):
    """Orders at the market after each bar what the script says."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    def on_bar(self, bar: StrategyBar) -> None:
        self.order(bar.symbol, self.script.get((bar.symbol, bar.row // 2), 0))


def reckoned(world: World, script: Script, borrow: int, funding: int) -> Fraction:
    """Return the cash at the end; rates are in ten-thousandths a year."""
    cash, held = Fraction(CASH), dict.fromkeys(SYMBOLS, 0)
    for number in range(1, len(world.days)):
        nights = world.days[number] - world.days[number - 1]
        for symbol in SYMBOLS:
            value = Fraction(held[symbol] * world.closes[symbol][number - 1], 100)
            a_year = abs(value) * nights / 365 / 10_000
            if value < 0:
                cash -= away_from_zero(a_year * borrow)
            cash -= (1 if value > 0 else -1) * to_the_nearest(a_year * funding)
            cash += Fraction(held[symbol] * world.paid.get((symbol, number), 0), 1000)
        for symbol in SYMBOLS:
            quantity = script.get((symbol, number - 1), 0)
            cash -= Fraction(quantity * world.opens[symbol][number], 100)
            held[symbol] += quantity
    return cash


def away_from_zero(amount: Fraction) -> Fraction:
    """Return *amount* in whole cents."""
    return Fraction(ceil(amount * 100) if amount > 0 else floor(amount * 100), 100)


def to_the_nearest(amount: Fraction) -> Fraction:
    """Return *amount* in whole cents, a tie to the even one."""
    return Fraction(round(amount * 100), 100)


@given(st.sampled_from(WORLDS), seeds)
def test_holding_costs_what_a_reckoning_says(world: World, random: Random) -> None:
    """Any trades, any rates: the same cash to the last digit, and a ledger that agrees."""
    script = {
        (symbol, number): random.randint(-900, 900)
        for symbol in SYMBOLS
        for number in range(4)
        if random.random() < 0.6
    }
    borrow, funding = random.randint(-500, 5000), random.randint(-2000, 2000)
    desk = Desk(world.tape, SHARES, CASH, MatchingRules())
    costs = HoldingCosts(borrow=Decimal(borrow) / 10_000, funding=Decimal(funding) / 10_000)
    attend(desk, actions=world.actions, costs=costs, margin=None)
    strategy = Scripted(script)
    strategy.bind(desk, SYMBOLS)
    _walk(world.tape, desk, strategy, None)
    result = Result(desk, strategy="", parameters={}, path="", initial_cash=CASH, state={})

    assert Fraction(result.cash) == reckoned(world, script, borrow, funding)
    ledger = Ledger(SHARES.values())
    ledger.book(CashMoved(time=START, entry_id="d", currency="USD", amount=CASH))
    for fact in result.facts:
        ledger.record(fact)
    assert ledger.cash("USD") == result.cash
    prices = {symbol: Decimal(world.closes[symbol][-1]) / 100 for symbol in SYMBOLS}
    assert ledger.worth(prices)["USD"] == result.final_equity
