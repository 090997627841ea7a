"""Section 7: what the engine does with orders, fills and prices, against sums of our own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.reckoning import NEARLY, Comparison, Holding, fraction

LEDGER = "rustybt/accounting/ledger.py"
LOTS = "rustybt/accounting/lots.py"
PERFORMANCE = "rustybt/accounting/performance.py"

Steps = list[dict[str, str]]


# -- 7.2.2 positions -------------------------------------------------------------------------

# What a position can go through, in prices and quantities that divide into long decimals.
LIFE = (
    ("open long", "0.3", "101.07"),
    ("increase", "0.1", "99.999999"),
    ("increase again", "0.00000007", "123456.789"),
    ("decrease", "-0.1", "104.2"),
    ("increase after a decrease", "0.2", "88.01"),
    ("close", "-0.50000007", "97.3"),
    ("open short", "-7", "31.4159"),
    ("increase short", "-3", "30"),
    ("decrease short", "4", "29.99"),
    ("turn to long", "9", "33.1"),
    ("turn to short", "-11", "28.7"),
    ("turn to long again", "8.5", "29"),
    ("close again", "-0.5", "0.01"),
)
BOOKS = (
    {"method": "average", "kind": "equity"},
    {"method": "fifo", "kind": "equity"},
    {"method": "average", "kind": "perpetual", "multiplier": "0.05"},
)


@ready.validation("7.2.2")
def test_positions_follow_the_fills(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Quantity, cost and realised profit are right after every fill, whatever it does."""
    lives = [LIFE, *(_random_life(seed) for seed in range(6))]
    runs = [{**books, "steps": _as_fills(life)} for books in BOOKS for life in lives]
    seen = engine.run("ledger", runs=runs)
    compared = Comparison()
    lived = [(books, life) for books in BOOKS for life in lives]
    for (books, life), after in zip(lived, seen, strict=True):
        _compare_positions(books, life, after, compared)
    evidence.record("steps of the written life", [name for name, _, _ in LIFE])
    evidence.record("figures compared", compared.figures)
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


def _random_life(seed: int) -> list[tuple[str, str, str]]:
    """Return forty fills around nothing held, so that the position turns often."""
    chance = random.Random(seed)  # noqa: S311 - the same every time, on purpose
    return [
        (f"fill {number} of life {seed}", _signed(chance), f"{chance.randint(1, 999_999) / 1000}")
        for number in range(40)
    ]


def _signed(chance: random.Random) -> str:
    """Return a quantity above or below 0 in tenths."""
    return str(chance.choice((-1, 1)) * Decimal(chance.randint(1, 30)) / 10)


def _as_fills(life: Sequence[tuple[str, str, str]]) -> Steps:
    return [{"symbol": "X", "quantity": quantity, "price": price} for _, quantity, price in life]


def _compare_positions(
    books: Mapping[str, str],
    life: Sequence[tuple[str, str, str]],
    seen: Sequence[Mapping[str, Any]],
    compared: Comparison,
) -> None:
    """Live the same life in fractions, and compare after each fill."""
    size = fraction(books.get("multiplier", "1"))
    ours = Holding(merged=books["method"] == "average")
    for (name, quantity, price), theirs in zip(life, seen, strict=True):
        ours.trade(fraction(quantity), fraction(price))
        # An average with more than 40 digits is kept rounded, and so is what follows from it.
        slack = Fraction(0) if ours.exact else NEARLY
        where = f"{books['method']} {books['kind']}, {name}"
        compared.hold(f"{where}: quantity", theirs["quantity"], ours.quantity)
        compared.hold(f"{where}: cost", theirs["cost"], ours.cost * size, slack)
        compared.hold(f"{where}: realised", theirs["realised"], ours.realised * size, slack)
        compared.hold(f"{where}: average price", theirs["average"], ours.average, NEARLY)
        compared.hold(f"{where}: open", float(theirs["open"]), Fraction(bool(ours.lots)))


@test_positions_follow_the_fills.fails_when
def a_turned_position_costs_what_was_traded(engine: EngineUnderTest) -> None:
    """What is left over of a fill that turns a position is booked at the cost of all of it."""
    engine.edit(LOTS, "self._increase(after, unit_price)", "self._increase(quantity, unit_price)")


@test_positions_follow_the_fills.fails_when
def a_closed_position_keeps_a_remainder(engine: EngineUnderTest) -> None:
    """The lots of a position are cleared only when it turns, so that their cost stays behind."""
    clear, turn = "            self.open.clear()\n", "            if after:\n"
    engine.edit(LOTS, clear + turn, turn + "    " + clear)


@test_positions_follow_the_fills.fails_when
def a_sale_is_booked_as_a_purchase(engine: EngineUnderTest) -> None:
    """The side of a fill is not looked at."""
    engine.edit(
        LEDGER,
        "quantity = fill.quantity if fill.side is Side.BUY else fill.quantity.copy_negate()",
        "quantity = fill.quantity",
    )


@test_positions_follow_the_fills.fails_when
def the_youngest_units_are_closed_first(engine: EngineUnderTest) -> None:
    """What was bought last is taken to be sold first."""
    add = "self.open.append{}(Lot(quantity, unit_price, ONE))"
    engine.edit(LOTS, add.format(""), add.format("left"))
