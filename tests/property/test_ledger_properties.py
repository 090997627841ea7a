"""Invariants of the books under any sequence of fills, against ratios without rounding."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rustybt.accounting import CostMethod, Ledger, LedgerState, equity, round_trips, value
from rustybt.model import (
    BookEntry,
    CashMoved,
    Charged,
    ChargeKind,
    DividendPaid,
    Fill,
    Instrument,
    InstrumentKind,
    SharesSplit,
    Side,
)
from rustybt.model.codec import from_msgpack, to_msgpack
from rustybt.model.money import add, multiply, subtract, total

NOW = datetime(2024, 3, 1, tzinfo=UTC)
D = Decimal


def instrument(symbol: str, quote: str, kind: InstrumentKind, multiplier: int = 1) -> Instrument:
    """Return an instrument whose base is its symbol."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote=quote,
        tick=D("0.01"),
        lot=D("0.001"),
        kind=kind,
        multiplier=D(multiplier),
    )


INSTRUMENTS = {
    each.symbol: each
    for each in (
        instrument("COIN", "USD", InstrumentKind.SPOT),
        instrument("SHARE", "EUR", InstrumentKind.EQUITY),
        instrument("FUT", "USD", InstrumentKind.FUTURE, 50),
    )
}
RATES = {"EUR": D("1.1"), "BNB": D("300.5"), "FUT": D(3), "SHARE": D(7)}
ONE_OF = [
    (symbol, side, fee_currency)
    for symbol in sorted(INSTRUMENTS)
    for side in Side
    for fee_currency in (None, symbol, "BNB")
]
"""What can be chosen about a fill; a share's own symbol as fee currency is cash of that name."""

small = st.integers(1, 20_000).map(lambda value: D(value).scaleb(-3))
prices = st.integers(-500, 20_000).map(lambda value: D(value).scaleb(-2))
symbols = st.sampled_from(sorted(INSTRUMENTS))
drafts = st.tuples(
    st.integers(0, len(ONE_OF) - 1),
    st.integers(1, 20_000),
    st.integers(-500, 20_000),
)
methods = st.sampled_from(CostMethod)
seeds = st.integers(0, 10**6)


def fill_of(row: tuple[int, int, int], trade_id: str = "t") -> Fill:
    """Return a draft as a fill."""
    symbol, side, fee_currency = ONE_OF[row[0]]
    return Fill(
        trade_id,
        "o",
        symbol,
        side,
        D(row[1]).scaleb(-3),
        D(row[2]).scaleb(-2),
        NOW,
        fee=D((row[1] + row[2]) % 500 - 50).scaleb(-4),  # drawing is what these tests wait for
        fee_currency=fee_currency,
    )


def fills_of(rows: list[tuple[int, int, int]]) -> list[Fill]:
    """Return the drafts as fills with trade ids of their own."""
    return [fill_of(row, f"t{number}") for number, row in enumerate(rows)]


fill_lists = st.lists(drafts, max_size=6).map(fills_of)


def booked(facts: list[Any], method: CostMethod = CostMethod.AVERAGE) -> Ledger:
    """Return a ledger with *facts* booked."""
    ledger = Ledger(INSTRUMENTS.values(), method=method)
    for fact in facts:
        ledger.record(fact)
    return ledger


class Reference(NamedTuple):
    """What an independent calculation in ratios says about one instrument."""

    quantity: Fraction
    proceeds: Fraction
    fees: Fraction
    cost: Fraction


def effect(fill: Fill) -> tuple[Fraction, Fraction, Fraction]:
    """Return the signed quantity, unit price and fee in quote currency of *fill*."""
    made = INSTRUMENTS[fill.symbol]
    unit = Fraction(fill.price) * Fraction(made.multiplier)
    quantity = Fraction(fill.quantity) * (1 if fill.side is Side.BUY else -1)
    fee = Fraction(fill.fee)
    if fill.fee_currency == made.base and made.kind is InstrumentKind.SPOT:
        return quantity - fee, unit, fee * unit
    return quantity, unit, fee if fill.fee_currency is None else Fraction(0)


def reference(fills: list[Fill], symbol: str, method: CostMethod) -> Reference:
    """Work out one instrument's books with ratios, one unit of a lot after the other."""
    lots: deque[tuple[Fraction, Fraction]] = deque()
    proceeds = fees = Fraction(0)
    for fill in fills:
        if fill.symbol != symbol:
            continue
        quantity, unit, fee = effect(fill)
        proceeds -= quantity * unit
        fees += fee
        while quantity and lots and (lots[0][0] > 0) != (quantity > 0):
            held, price = lots.popleft()
            if abs(held) > abs(quantity):
                lots.appendleft((held + quantity, price))
                quantity = Fraction(0)
            else:
                quantity += held
        if quantity:
            lots.append((quantity, unit))
            if method is CostMethod.AVERAGE:
                held = sum((lot for lot, _ in lots), Fraction(0))
                cost = sum((lot * price for lot, price in lots), Fraction(0))
                lots = deque([(held, cost / held)])
    return Reference(
        sum((lot for lot, _ in lots), Fraction(0)),
        proceeds,
        fees,
        sum((lot * price for lot, price in lots), Fraction(0)),
    )


@given(fill_lists, methods)
def test_positions_are_those_of_a_calculation_in_ratios(
    fills: list[Fill], method: CostMethod
) -> None:
    """Quantity, proceeds, fees and FIFO cost are exact; average cost is right to 38 digits."""
    ledger = booked(fills, method)
    for symbol in INSTRUMENTS:
        made, expected = ledger.position(symbol), reference(fills, symbol, method)
        assert Fraction(made.quantity) == expected.quantity
        assert Fraction(made.proceeds) == expected.proceeds
        assert Fraction(made.fees) == expected.fees
        if method is CostMethod.FIFO:
            assert Fraction(made.cost) == expected.cost
        size = max(abs(expected.cost), Fraction(1, 1000))
        assert abs(Fraction(made.cost) - expected.cost) <= size * Fraction(1, 10**30)


@given(fill_lists, methods)
def test_cash_positions_and_fees_balance_to_the_last_digit(
    fills: list[Fill], method: CostMethod
) -> None:
    """What the ledger keeps as it goes is what all that happened adds up to, in each currency."""
    ledger = booked(fills, method)
    marks = {symbol: D("12.34") for symbol in INSTRUMENTS}
    for currency in ledger.currencies:
        account = ledger.account(currency)
        assert ledger.cash(currency) == account.cash
        assert subtract(account.realised, account.cost) == account.proceeds
    made = value(ledger, marks, currency="USD", rates=RATES)
    earned = total([made.realised, made.unrealised, made.income])
    paid = add(made.fees, made.charges)
    assert made.equity == subtract(earned, paid)
    assert made.equity == equity(ledger, marks, currency="USD", rates=RATES)
    assert made.gross_exposure == subtract(made.long, made.short)


@given(fill_lists, methods, seeds)
def test_the_order_of_independent_fills_does_not_matter(
    fills: list[Fill], method: CostMethod, seed: int
) -> None:
    """Any merge of the same per-symbol sequences gives the same books, digit for digit."""
    random = Random(seed)  # noqa: S311 - a reproducible order, no secret
    queues = {symbol: deque(f for f in fills if f.symbol == symbol) for symbol in INSTRUMENTS}
    merged = []
    while any(queues.values()):
        queue = random.choice([queue for queue in queues.values() if queue])
        merged.append(queue.popleft())
    one, other = booked(fills, method).state(), booked(merged, method).state()
    assert to_msgpack(one.books) == to_msgpack(other.books)
    assert {name: str(amount) for name, amount in one.cash.items()} == {
        name: str(amount) for name, amount in other.cash.items()
    }
    assert one == other


@given(fill_lists, seeds)
def test_cash_and_quantity_do_not_depend_on_any_order(fills: list[Fill], seed: int) -> None:
    """Shuffled altogether, equity at any price is the same; only realised against open differs."""
    shuffled = list(fills)
    Random(seed).shuffle(shuffled)  # noqa: S311 - a reproducible order, no secret
    marks = {symbol: D("3.21") for symbol in INSTRUMENTS}
    one, other = booked(fills), booked(shuffled)
    for symbol in INSTRUMENTS:
        assert one.quantity(symbol) == other.quantity(symbol)
        assert one.position(symbol).proceeds == other.position(symbol).proceeds
    assert (
        value(one, marks, currency="USD", rates=RATES).equity
        == value(other, marks, currency="USD", rates=RATES).equity
    )


def parts_of(fill: Fill, cut: int) -> list[Fill]:
    """Return *fill* in two parts, the fee shared, or whole if it is too small."""
    first = fill.quantity.scaleb(3) * cut // 100
    if not 0 < first < fill.quantity.scaleb(3):
        return [fill]
    quantity = first.scaleb(-3)
    return [
        replace(fill, trade_id=fill.trade_id + "a", quantity=quantity, fee=D(0)),
        replace(fill, trade_id=fill.trade_id + "b", quantity=fill.quantity - quantity),
    ]


@given(fill_lists, methods, st.integers(1, 99))
def test_value_never_depends_on_how_a_quantity_was_split(
    fills: list[Fill], method: CostMethod, cut: int
) -> None:
    """One trade or two at the same price: quantity, cost, realised profit, cash, all the same."""
    plain = [
        replace(fill, fee_currency=None) if fill.fee_currency == fill.symbol else fill
        for fill in fills
    ]
    whole = booked(plain, method)
    parts = booked([part for fill in plain for part in parts_of(fill, cut)], method)
    for symbol in INSTRUMENTS:
        assert whole.position(symbol) == parts.position(symbol)
    for currency in whole.currencies:
        assert whole.account(currency) == parts.account(currency)
        assert whole.cash(currency) == parts.cash(currency)


entries = st.one_of(
    st.builds(
        CashMoved,
        time=st.just(NOW),
        entry_id=st.just("e"),
        currency=st.sampled_from(["USD", "EUR"]),
        amount=prices,
    ),
    st.builds(
        DividendPaid,
        time=st.just(NOW),
        entry_id=st.just("e"),
        symbol=symbols,
        per_unit=small,
    ),
    st.builds(
        Charged,
        time=st.just(NOW),
        entry_id=st.just("e"),
        kind=st.sampled_from(ChargeKind),
        currency=st.sampled_from(["USD", "EUR"]),
        amount=prices,
        symbol=st.one_of(st.none(), symbols),
    ),
    st.builds(
        SharesSplit,
        time=st.just(NOW),
        entry_id=st.just("e"),
        symbol=symbols,
        new=st.integers(1, 7),
        old=st.integers(1, 7),
        price=small,
    ),
)


def numbered(facts: list[Any]) -> list[Fill | BookEntry]:
    """Return *facts* under ids of their own."""
    result: list[Fill | BookEntry] = []
    for number, fact in enumerate(facts):
        if isinstance(fact, Fill):
            result.append(replace(fact, trade_id=f"t{number}"))
        else:
            result.append(replace(fact, entry_id=f"e{number}"))
    return result


fact_lists = st.lists(st.one_of(drafts.map(fill_of), entries), max_size=6).map(numbered)


@given(fact_lists, methods, st.integers(0, 6))
def test_replay_equals_incremental(
    facts: list[Fill | BookEntry], method: CostMethod, cut: int
) -> None:
    """Stop anywhere, restore from the snapshot's bytes, replay everything: the same books."""
    straight = booked(facts, method)
    early = booked(facts[:cut], method)
    resumed = Ledger.restore(from_msgpack(to_msgpack(early.state()), LedgerState))
    for fact in facts:
        resumed.record(fact)
    assert to_msgpack(resumed.state()) == to_msgpack(straight.state())


@given(fact_lists, methods)
def test_everything_balances_with_entries_too(
    facts: list[Fill | BookEntry], method: CostMethod
) -> None:
    """Deposits, dividends, charges and splits keep cash what it adds up to."""
    ledger = booked(facts, method)
    for currency in ledger.currencies:
        account = ledger.account(currency)
        assert ledger.cash(currency) == account.cash
    marks = {symbol: D("7.77") for symbol in INSTRUMENTS}
    made = value(ledger, marks, currency="USD", rates=RATES)
    deposits = total(
        multiply(ledger.account(currency).deposits, {**RATES, "USD": D(1)}[currency])
        for currency in ledger.currencies
    )
    earned = total([deposits, made.realised, made.unrealised, made.income])
    assert made.equity == subtract(earned, add(made.fees, made.charges))


@given(fact_lists, methods, st.integers(1, 7), st.integers(1, 7))
def test_a_split_keeps_cost_and_loses_less_than_a_lot(
    facts: list[Fill | BookEntry], method: CostMethod, new: int, old: int
) -> None:
    """Whole lots remain; the cost goes with the units; the cash pays for what was lost."""
    ledger = booked(facts, method)
    for symbol, made in INSTRUMENTS.items():
        before = ledger.position(symbol)
        ledger.book(
            SharesSplit(
                time=NOW, entry_id="s" + symbol, symbol=symbol, new=new, old=old, price=D(0)
            )
        )
        after = ledger.position(symbol)
        exact = Fraction(before.quantity) * new / old
        lost = exact - Fraction(after.quantity)
        assert abs(lost) < Fraction(made.lot)
        assert lost * exact >= 0
        assert (Fraction(after.quantity) / Fraction(made.lot)).denominator == 1
        assert after.proceeds == before.proceeds
        if not lost:
            assert after.cost == before.cost
        elif method is CostMethod.AVERAGE:
            share = Fraction(after.quantity) / exact
            size = max(abs(Fraction(before.cost)), Fraction(1))
            assert abs(Fraction(after.cost) - Fraction(before.cost) * share) < size / 10**30


@given(fill_lists)
def test_round_trips_and_open_positions_share_all_profit(fills: list[Fill]) -> None:
    """Closed trips and what is still open add up to the ledger's profit and fees."""
    ledger = booked(fills)
    trips = round_trips(fills, INSTRUMENTS.values())
    for symbol in INSTRUMENTS:
        made = ledger.position(symbol)
        ours = [trip for trip in trips if trip.symbol == symbol]
        if not made.quantity and all(fill.fee_currency is None for fill in fills):
            assert total(trip.profit for trip in ours) == made.realised
            fee_gap = subtract(total(trip.fees for trip in ours), made.fees)
            assert abs(fee_gap) < D("1E-30")
        for trip in ours:
            assert trip.quantity > 0
            assert trip.opened <= trip.closed
