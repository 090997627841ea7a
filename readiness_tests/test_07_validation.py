"""Section 7: what the engine does with orders, fills and prices, against sums of our own."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest

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


@ready.validation("7.2.2")
@pytest.mark.parametrize("quick", [True, False], ids=["at the open", "through matching"])
def test_a_strategy_sees_what_it_holds(
    engine: EngineUnderTest, evidence: Evidence, quick: bool
) -> None:
    """After every bar a running strategy holds the sum of what it has traded, and no remainder."""
    told = {str(number): list(_said(quantity)) for number, (_, quantity, _) in enumerate(LIFE)}
    run = {"bars": {"X": _bars(100, len(LIFE) + 1)}, "told": {"X": told}, "shortcut": quick}
    (seen,) = engine.run("backtest", runs=[run])
    sums = accumulate((fraction(quantity) for _, quantity, _ in LIFE), initial=Fraction(0))
    compared = Comparison()
    names = ["nothing", *(name for name, _, _ in LIFE)]
    for name, held, expected in zip(names, seen["held"], sums, strict=True):
        compared.hold(f"held after {name}", held["X"], expected)
    evidence.record("steps", [name for name, _, _ in LIFE])
    evidence.expect("fills", len(LIFE), observed=len(seen["fills"]))
    evidence.expect("positions at the end", {}, observed=seen["positions"])
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


@test_a_strategy_sees_what_it_holds.fails_when
def the_account_adds_floats(engine: EngineUnderTest) -> None:
    """A position that was closed keeps what floats leave over."""
    engine.edit(
        "rustybt/engine/account.py",
        "self.positions[symbol] = add(self.positions[symbol], quantity)",
        "self.positions[symbol] = "
        "type(quantity)(repr(float(self.positions[symbol]) + float(quantity)))",
    )


# -- 7.2.4 signals ---------------------------------------------------------------------------

BARS = 12
DAY_S = 86_400
FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
Signals = Mapping[str, Mapping[int, tuple[str, str]]]

# What is said after which bar; a position that is held and wanted again needs no order.
SAID: Signals = {
    "AAA": {
        0: ("hold", "0"),
        1: ("buy", "10"),
        2: ("hold", "0"),
        3: ("target", "10"),
        4: ("sell", "4"),
        6: ("target", "-5"),
        7: ("hold", "0"),
        9: ("target", "0"),
        10: ("target", "0"),
    },
    "BBB": {1: ("sell", "3"), 2: ("buy", "3"), 5: ("target", "2"), 8: ("hold", "0")},
}
SENT = {
    "AAA": {1: "10", 4: "-4", 6: "-11", 9: "5"},
    "BBB": {1: "-3", 2: "3", 5: "2"},
}
"""The orders that these signals are, signed; nothing else may be sent."""

# Targets are all that a column can say; the same rule again and again is no new order.
WANTED: Signals = {
    "AAA": {1: ("target", "10"), 3: ("target", "10"), 6: ("target", "-5"), 9: ("target", "0")},
    "BBB": {0: ("target", "0"), 2: ("target", "7"), 4: ("target", "7"), 7: ("target", "3")},
}
WANTED_SENT = {"AAA": {1: "10", 6: "-15", 9: "5"}, "BBB": {2: "7", 7: "-4"}}
WAYS: dict[str, dict[str, Any]] = {
    "by hooks": {"path": "callback"},
    "by hooks, through matching": {"path": "callback", "shortcut": False},
    "by a column": {"path": "signals"},
}


@ready.validation("7.2.4")
@pytest.mark.parametrize("way", WAYS)
def test_signals_become_orders(engine: EngineUnderTest, evidence: Evidence, way: str) -> None:
    """Buy, sell and hold become just the orders they are, at once, and nothing else trades."""
    column = WAYS[way]["path"] == "signals"
    said, sent = (WANTED, WANTED_SENT) if column else (SAID, SENT)
    told = {s: {str(n): list(words) for n, words in each.items()} for s, each in said.items()}
    bars = {symbol: _bars(base) for symbol, base in (("AAA", 100), ("BBB", 40))}
    run = {"bars": bars, "told": told, "orders": not column, **WAYS[way]}
    (seen,) = engine.run("backtest", runs=[run])
    evidence.record("signals", told)
    evidence.expect("fills", _fills(sent, bars), observed=_simply(seen["fills"]))
    evidence.expect(
        "left open or refused", [0, []], observed=[seen["open_orders"], seen["refused"]]
    )
    if not column:
        evidence.expect("orders", _orders(sent), observed=sorted(seen["sent"]))


def _bars(base: int, count: int = BARS) -> list[list[str]]:
    """Return bars whose opens are all different, so that a late fill has another price."""
    return [
        [
            (FIRST_DAY + timedelta(days=n)).isoformat(),
            f"{base + n}",
            f"{base + n + 1}.5",
            f"{base + n - 1}.25",
            f"{base + n}.75",
            "1000",
        ]
        for n in range(count)
    ]


def _second(number: int) -> int:
    """Return the start of bar *number* in seconds since 1970."""
    return int(FIRST_DAY.timestamp()) + number * DAY_S


def _fills(
    sent: Mapping[str, Mapping[int, str]], bars: Mapping[str, Sequence[Sequence[str]]]
) -> list[list[object]]:
    """Return the fills that *sent* has to give: at the open of the bar after the signal's."""
    return sorted(
        [_second(number + 1), symbol, *_said(quantity), bars[symbol][number + 1][1]]
        for symbol, orders in sent.items()
        for number, quantity in orders.items()
    )


def _said(quantity: str) -> tuple[str, str]:
    return ("sell", quantity[1:]) if quantity.startswith("-") else ("buy", quantity)


def _simply(fills: Sequence[Sequence[Any]]) -> list[list[object]]:
    """Return fills without their fees, quantities without needless zeros."""
    return sorted(
        [at, symbol, side, f"{Decimal(quantity).normalize():f}", price]
        for at, symbol, side, quantity, price, _ in fills
    )


def _orders(sent: Mapping[str, Mapping[int, str]]) -> list[list[object]]:
    """Return what has to be sent after which bar."""
    return sorted(
        [_second(number), symbol, f"market {quantity}"]
        for symbol, orders in sent.items()
        for number, quantity in orders.items()
    )


STRATEGY = "rustybt/strategy/base.py"
SIGNALS = "rustybt/strategy/signals.py"


@test_signals_become_orders.fails_when(case="by hooks")
def buying_and_selling_are_exchanged(engine: EngineUnderTest) -> None:
    """A strategy that says sell is taken to say buy, and the other way round."""
    sell = "self._order(symbol, _positive(quantity).copy_negate(), terms)"
    buy = "self._order(symbol, _positive(quantity), terms)"
    engine.edit(STRATEGY, sell, "an exchanged order")
    engine.edit(STRATEGY, buy, sell)
    engine.edit(STRATEGY, "an exchanged order", buy)


@test_signals_become_orders.fails_when(case="by hooks")
def holding_sends_an_order(engine: EngineUnderTest) -> None:
    """A position that is wanted is ordered again, although it is held."""
    engine.edit(
        STRATEGY,
        "return subtract(wanted, add(trader.position(symbol), trader.pending(symbol)))",
        "return wanted",
    )


@test_signals_become_orders.fails_when(case="by hooks")
def a_signal_comes_a_bar_late(engine: EngineUnderTest) -> None:
    """An order takes a bar to reach the venue, although nobody asked for that."""
    engine.edit("rustybt/execution/rules.py", "latency_bars: int = 0", "latency_bars: int = 1")


@test_signals_become_orders.fails_when(case="by hooks, through matching")
def the_venue_takes_the_side_for_its_opposite(engine: EngineUnderTest) -> None:
    """Orders that go through matching are sent with the wrong side."""
    engine.edit(
        "rustybt/engine/wishes.py",
        "side=Side.BUY if quantity > ZERO else Side.SELL",
        "side=Side.SELL if quantity > ZERO else Side.BUY",
    )


@test_signals_become_orders.fails_when(case="by a column")
def a_column_is_followed_a_bar_late(engine: EngineUnderTest) -> None:
    """The change of a target is seen one bar after it was said."""
    engine.edit(SIGNALS, "return Signals(value)", "return Signals(value.shift(1))")


@test_signals_become_orders.fails_when(case="by a column")
def a_column_buys_where_it_should_sell(engine: EngineUnderTest) -> None:
    """A target is taken for its opposite."""
    engine.edit(SIGNALS, "return Signals(value)", "return Signals(-value)")
