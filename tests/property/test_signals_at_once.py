"""What is worked out for all fills and all symbols at once is what one at a time would give."""

from decimal import Decimal
from random import Random

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rustybt.engine.scaled import Scaled, book_at_once, scaled_floats
from rustybt.engine.stack import stack_at_once
from rustybt.engine.tape import Tape
from rustybt.engine.targets import _evaluated, find_changes
from rustybt.model.money import add, multiply, subtract
from rustybt.strategy import Strategy
from rustybt.strategy import expressions as ex
from rustybt.strategy.signals import Signals

# One seed an example: drawing every number from hypothesis would take longer than the work.
seeds = st.integers(0, 2**64 - 1).map(Random)


@given(seeds, st.integers(0, 9))
def test_integers_are_what_floats_are_printed_as(random: Random, decimals: int) -> None:
    """Numbers of up to 15 digits come back from their floats to the last digit."""
    written = [Decimal(random.randint(1, 10**15 - 1)).scaleb(-decimals) for _ in range(5)]
    written += [Decimal(random.randint(1, 10**6 - 1)).scaleb(-decimals)]
    found = scaled_floats(np.array([float(number) for number in written]))

    assert found is not None
    assert found.decimals() == written
    assert found.floats().tolist() == [float(number) for number in written]


@given(seeds)
def test_booking_at_once_is_booking_one_by_one(random: Random) -> None:
    """Fees and cash of fills in machine integers are those in decimals."""
    count = random.randint(0, 8)
    quantities = Scaled(
        np.array([random.choice((-1, 1)) * random.randint(1, 10**5) for _ in range(count)], int),
        random.randint(0, 1),
    )
    prices = Scaled(
        np.array([random.randint(1, 10**6) for _ in range(count)], int), random.randint(0, 2)
    )
    rate = Decimal(random.randint(0, 50)).scaleb(-random.randint(3, 4))
    cash = first = Decimal(random.randint(1, 10**7)).scaleb(-random.randint(0, 5))
    found = book_at_once(first, quantities, prices, rate)

    fees, left = [], []
    for quantity, price in zip(quantities.decimals(), prices.decimals(), strict=True):
        fees.append(multiply(multiply(quantity, price).copy_abs(), rate))
        cash = subtract(cash, add(multiply(quantity, price), fees[-1]))
        left.append(cash)
    assert found is not None
    assert (found.fees.decimals(), found.cash.decimals()) == (fees, left)
    assert found.cash.floats().tolist() == [float(number) for number in left]


class Crossed(Strategy):
    """In above the slow average, out or short below."""

    fast = 2
    slow = 5
    off = 0.0

    def signals(self) -> pl.Expr:
        crossed = ex.crossing(ex.sma(self.fast) if self.fast else ex.CLOSE, ex.sma(self.slow))
        return ex.switch(crossed, on=2, off=self.off)


def a_tape(random: Random) -> Tape:
    """Return bars of a few symbols, some of them of a very different size, some beginning late."""
    even = random.random() < 0.5
    frames = {}
    for symbol in "AB"[: random.randint(1, 2)]:
        count = 30 if even else random.randint(1, 30)
        size = 10.0 ** random.choice((0, 0, 0, 6))
        close = np.array([random.randint(1, 5) * size for _ in range(count)])
        frames[symbol] = pl.DataFrame(
            {
                "timestamp": pl.Series(np.arange(30)[30 - count :] * 10**9).cast(pl.Datetime("us")),
                **dict.fromkeys(("open", "high", "low", "close"), close),
                "volume": close,
            }
        )
    whole = stack_at_once(frames, name="A")
    assert whole is not None
    return Tape(whole)


@given(seeds)
def test_a_plan_finds_what_polars_finds(random: Random) -> None:
    """Crossings of all symbols at once are those of the same expression, symbol by symbol."""
    tape = a_tape(random)
    strategy = Crossed(
        fast=random.randint(0, 4), slow=random.randint(3, 9), off=random.choice((0.0, -2.0))
    )
    found = find_changes(tape, strategy)
    rows, targets = _evaluated(tape, Signals(strategy.signals()), "Crossed")
    order = np.argsort(tape.rows_at(rows), kind="stable")

    assert found.rows.tolist() == tape.rows_at(rows)[order].tolist()
    assert found.targets.tolist() == targets[order].tolist()
