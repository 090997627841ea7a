"""Entries that are no trades: deposits, dividends, splits, charges; and snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.accounting import CostMethod, Ledger, LedgerError, LedgerState, UnknownInstrumentError
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
from rustybt.model.codec import from_json, from_msgpack, to_json, to_msgpack
from rustybt.model.money import add, subtract

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)

SPY = Instrument(
    symbol="SPY", base="SPY", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.EQUITY
)
PERP = Instrument(
    symbol="BTC-PERP",
    base="BTC",
    quote="USD",
    tick=D("0.1"),
    lot=D("0.001"),
    kind=InstrumentKind.PERPETUAL,
)


def trade(trade_id: str, side: Side, quantity: str, price: str, symbol: str = "SPY") -> Fill:
    """Return a fill."""
    return Fill(trade_id, "o", symbol, side, D(quantity), D(price), NOW)


def moved(amount: str, entry_id: str = "m1", currency: str = "USD") -> CashMoved:
    """Return a deposit or withdrawal."""
    return CashMoved(time=NOW, entry_id=entry_id, currency=currency, amount=D(amount))


def dividend(per_unit: str) -> DividendPaid:
    """Return a dividend of SPY."""
    return DividendPaid(time=NOW, entry_id="d1", symbol="SPY", per_unit=D(per_unit))


def split(new: int, old: int, **changes: Any) -> SharesSplit:
    """Return a split of SPY."""
    made = SharesSplit(time=NOW, entry_id="s1", symbol="SPY", new=new, old=old)
    return replace(made, **changes)


def charged(amount: str, **changes: Any) -> Charged:
    """Return a borrow charge in USD on the account."""
    made = Charged(
        time=NOW, entry_id="c1", kind=ChargeKind.BORROW, currency="USD", amount=D(amount)
    )
    return replace(made, **changes)


def holding(
    *lots: tuple[str, str], side: Side = Side.BUY, method: CostMethod = CostMethod.AVERAGE
) -> Ledger:
    """Return a ledger with a position in SPY made of *lots* of quantity and price."""
    ledger = Ledger([SPY, PERP], method=method)
    for number, (quantity, price) in enumerate(lots):
        ledger.apply(trade(f"t{number}", side, quantity, price))
    return ledger


def test_deposits_and_withdrawals() -> None:
    """Cash in several currencies, each on its own."""
    ledger = Ledger()
    assert ledger.book(moved("1000.50"))
    assert ledger.book(moved("-200.25", "m2"))
    assert ledger.book(moved("7", "m3", "EUR"))
    assert (ledger.cash("USD"), ledger.cash("EUR")) == (D("800.25"), D(7))
    account = ledger.account("USD")
    assert (account.currency, account.deposits, account.cash) == ("USD", D("800.25"), D("800.25"))
    assert ledger.currencies == ("EUR", "USD")


def test_a_repeated_entry_is_booked_once() -> None:
    """The same entry under the same id, whenever it was reported again."""
    ledger = Ledger()
    ledger.book(moved("5"))
    assert ledger.book(replace(moved("5"), time=NOW + timedelta(days=1))) is False
    assert ledger.cash("USD") == 5


@pytest.mark.parametrize(
    "other", [moved("6"), moved("5", currency="EUR"), charged("5", entry_id="m1")]
)
def test_one_entry_id_cannot_stand_for_two_entries(other: CashMoved | Charged) -> None:
    """Another entry under a known id is an error, and nothing is booked."""
    ledger = Ledger()
    ledger.book(moved("5"))
    with pytest.raises(LedgerError, match="entry 'm1' was booked as CashMoved") as caught:
        ledger.book(other)
    assert (caught.value.expected, caught.value.remedy) == (
        "one entry per id",
        "stop trading and reconcile with the venue",
    )
    assert repr(other) in str(caught.value)
    assert ledger.holdings() == {"USD": D(5)}


@pytest.mark.parametrize(("side", "expected"), [(Side.BUY, "15"), (Side.SELL, "-15")])
def test_a_dividend_is_received_or_paid(side: Side, expected: str) -> None:
    """Who is long receives, who is short pays; cost and realised profit do not change."""
    ledger = holding(("10", "100"), side=side)
    before = ledger.position("SPY")
    cash = ledger.cash("USD")
    ledger.book(dividend("1.5"))
    assert ledger.position("SPY") == replace(before, income=D(expected))
    assert ledger.cash("USD") - cash == D(expected)
    assert ledger.account("USD").income == D(expected)
    assert ledger.account("USD").cash == ledger.cash("USD")


def test_dividends_add_up() -> None:
    """A second dividend is added to the first."""
    ledger = holding(("10", "100"))
    ledger.book(dividend("1.5"))
    ledger.book(replace(dividend("0.5"), entry_id="d2"))
    assert ledger.position("SPY").income == 20


def test_charges_count_for_their_instrument_and_the_account() -> None:
    """Funding and borrow costs are paid in cash, received ones are negative."""
    ledger = holding(("10", "100"), side=Side.SELL)
    ledger.book(charged("2.5", symbol="SPY"))
    ledger.book(charged("-1", entry_id="c2", kind=ChargeKind.FUNDING, symbol="BTC-PERP"))
    ledger.book(charged("0.25", entry_id="c3", kind=ChargeKind.INTEREST))
    assert ledger.position("SPY").charges == D("2.5")
    assert ledger.position("BTC-PERP").charges == -1
    assert ledger.account("USD").charges == D("1.75")
    assert ledger.cash("USD") == D("998.25")
    assert ledger.account("USD").cash == D("998.25")


def test_a_charge_in_another_currency_counts_for_the_account_only() -> None:
    """A position's charges are all in its quote currency."""
    ledger = holding(("10", "100"))
    ledger.book(charged("3", symbol="SPY", currency="EUR"))
    assert ledger.position("SPY").charges == 0
    assert ledger.account("EUR").charges == 3
    assert ledger.cash("EUR") == -3


@pytest.mark.parametrize(
    "entry",
    [
        replace(dividend("1"), symbol="X"),
        replace(split(2, 1), symbol="X"),
        charged("1", symbol="X"),
    ],
)
def test_an_entry_for_an_unknown_symbol_is_refused(
    entry: DividendPaid | SharesSplit | Charged,
) -> None:
    """Nothing is booked, and the entry can be booked once the instrument is there."""
    ledger = Ledger([SPY])
    before = ledger.state()
    with pytest.raises(UnknownInstrumentError, match="no instrument 'X'; expected SPY;"):
        ledger.book(entry)
    assert ledger.state() == before
    ledger.add_instrument(replace(SPY, symbol="X"))
    assert ledger.book(entry)


@pytest.mark.parametrize("method", CostMethod)
@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_split_changes_quantity_and_price_only(method: CostMethod, side: Side, sign: int) -> None:
    """Twice the shares at half the price: cost, profit and cash stay to the last digit."""
    ledger = holding(("10", "100"), ("20", "130"), side=side, method=method)
    before = ledger.position("SPY")
    cash = ledger.cash("USD")
    ledger.book(split(2, 1))
    after = ledger.position("SPY")
    assert after == replace(before, quantity=D(60 * sign))
    assert after.average_price == 60
    assert ledger.cash("USD") == cash


@pytest.mark.parametrize("method", CostMethod)
def test_a_split_of_a_reduced_position_keeps_its_cost(method: CostMethod) -> None:
    """A cost that has no last digit is the same number before and after."""
    ledger = holding(("1", "1"), ("2", "4.5"), method=method)
    ledger.apply(trade("x", Side.SELL, "1", "5"))
    before = ledger.position("SPY")
    ledger.book(split(3, 1))
    assert ledger.position("SPY") == replace(before, quantity=D(6))
    ledger.apply(trade("y", Side.SELL, "3", "2"))
    half = ledger.position("SPY").cost
    assert abs(subtract(add(half, half), before.cost)) < D("1E-38")


@pytest.mark.parametrize(("method", "cost"), [("average", "2100"), ("fifo", "2300")])
def test_the_cost_method_survives_a_split(method: str, cost: str) -> None:
    """What is bought afterwards is averaged, or stays a lot of its own."""
    ledger = holding(("10", "100"), method=CostMethod(method))
    ledger.book(split(2, 1))
    ledger.apply(trade("x", Side.BUY, "20", "90"))
    ledger.apply(trade("y", Side.SELL, "10", "90"))
    assert ledger.position("SPY").cost == D(cost)


def test_the_fraction_of_a_reverse_split_is_paid_out() -> None:
    """25 shares 1 for 10 are 2 shares and half a share in cash, its cost gone with it."""
    ledger = holding(("25", "10"))
    cash = ledger.cash("USD")
    ledger.book(split(1, 10, price=D("120.33")))
    made = ledger.position("SPY")
    assert made.quantity == 2
    assert made.cost == 200
    assert ledger.cash("USD") - cash == D("60.16")  # 60.165, a tie, to the even cent
    assert made.realised == D("10.16")
    assert ledger.account("USD").cash == ledger.cash("USD")


def test_a_short_fraction_is_paid_for() -> None:
    """Who is short buys the fraction back."""
    ledger = holding(("25", "10"), side=Side.SELL)
    ledger.book(split(1, 10, price=D(120), cent=D(1)))
    made = ledger.position("SPY")
    assert (made.quantity, made.cost, made.realised) == (D(-2), D(-200), D(-10))
    assert ledger.cash("USD") == 250 - 60


def test_a_multiplier_counts_for_the_fraction() -> None:
    """The cash for a fraction of a contract is worth its multiplier."""
    ledger = Ledger([replace(SPY, multiplier=D(100))])
    ledger.apply(trade("t", Side.BUY, "5", "10"))
    ledger.book(split(1, 2, price=D(20)))
    assert ledger.quantity("SPY") == 2
    assert ledger.cash("USD") == -5000 + 1000


def test_a_fraction_without_a_price_is_refused() -> None:
    """Nobody guesses what half a share is worth; nothing is booked."""
    ledger = holding(("25", "10"))
    before = ledger.state()
    with pytest.raises(LedgerError) as caught:
        ledger.book(split(1, 10))
    assert str(caught.value) == (
        "a 1:10 split of 25 SPY leaves a fraction of 0.5;"
        " expected whole lots of 1, or a price to pay for the rest;"
        " to fix it: give the price at which fractions are paid out"
    )
    assert ledger.state() == before
    assert ledger.book(split(1, 10, price=D(0)))
    assert ledger.position("SPY").realised == -50


def test_a_position_smaller_than_one_new_share_is_paid_out() -> None:
    """4 shares 1 for 10 leave nothing but cash."""
    ledger = holding(("4", "10"))
    ledger.book(split(1, 10, price=D(90)))
    made = ledger.position("SPY")
    assert (made.quantity, made.cost, made.realised) == (D(0), D(0), D(-4))
    assert ledger.positions() == {}


def test_a_split_of_nothing_is_nothing() -> None:
    """Who holds no shares is not concerned."""
    ledger = Ledger([SPY])
    assert ledger.book(split(2, 1))
    assert ledger.quantity("SPY") == 0


def test_fifo_lots_are_joined_when_one_is_too_small() -> None:
    """Two lots of 5 become one share that cost what both did."""
    ledger = holding(("5", "10"), ("5", "20"), method=CostMethod.FIFO)
    ledger.book(split(1, 10))
    made = ledger.position("SPY")
    assert (made.quantity, made.cost, made.realised) == (D(1), D(150), D(0))


def test_fifo_lots_share_the_cost_by_units() -> None:
    """Lots of 15 and 15 become 1 and 2 shares; the second one has half of the first's in it."""
    ledger = holding(("15", "10"), ("15", "20"), method=CostMethod.FIFO)
    ledger.book(split(1, 10))
    lots = ledger.state().books[1].lots
    assert [(lot.quantity, lot.cost()) for lot in lots] == [(D(1), D(100)), (D(2), D(350))]
    ledger.apply(trade("x", Side.SELL, "1", "300"))
    assert ledger.position("SPY").realised == 200


def test_fifo_fraction_at_the_end_of_the_youngest_lot_is_lost() -> None:
    """What does not make a share any more is the youngest part."""
    ledger = holding(("10", "10"), ("5", "20"), method=CostMethod.FIFO)
    ledger.book(split(1, 10, price=D(200)))
    made = ledger.position("SPY")
    assert (made.quantity, made.cost, made.realised) == (D(1), D(100), D(0))


def test_lots_finer_than_a_unit() -> None:
    """Where fractions of a coin are traded, a split leaves them."""
    ledger = Ledger([PERP])
    ledger.apply(trade("t", Side.BUY, "0.005", "100", "BTC-PERP"))
    ledger.book(split(1, 2, symbol="BTC-PERP", price=D(300)))
    assert ledger.quantity("BTC-PERP") == D("0.002")
    # Half a thousandth that cost 0.10 is paid out at 300.
    assert ledger.cash("USD") == D("0.05")


def test_fills_and_entries_go_through_one_door() -> None:
    """Replay books facts of both kinds in their order."""
    ledger = Ledger([SPY])
    facts: list[Fill | BookEntry] = [moved("1000"), trade("t", Side.BUY, "1", "100"), dividend("2")]
    assert [ledger.record(fact) for fact in facts] == [True, True, True]
    assert [ledger.record(fact) for fact in facts] == [False, False, False]
    assert ledger.cash("USD") == 902


def busy(method: CostMethod) -> Ledger:
    """Return a ledger in which everything happened once."""
    ledger = holding(("10", "100"), ("7", "101.5"), method=method)
    ledger.apply(replace(trade("f", Side.SELL, "3", "99"), fee=D("0.1"), fee_currency="BNB"))
    ledger.apply(replace(trade("p", Side.SELL, "3", "99", "BTC-PERP"), fee=D("0.1")))
    for entry in (
        moved("5000"),
        dividend("1"),
        charged("2", symbol="SPY"),
        split(3, 2, price=D(5)),
    ):
        ledger.book(entry)
    return ledger


@pytest.mark.parametrize("method", CostMethod)
def test_a_snapshot_brings_back_the_same_ledger(method: CostMethod) -> None:
    """Through JSON or msgpack, with every digit, and it goes on in the same way."""
    ledger = busy(method)
    state = ledger.state()
    assert from_json(to_json(state), LedgerState) == state
    assert from_msgpack(to_msgpack(state), LedgerState) == state
    back = Ledger.restore(from_json(to_json(state), LedgerState))
    assert back.state() == state
    assert back.method is method
    more: list[Fill | BookEntry] = [trade("n", Side.SELL, "20", "50"), moved("1", "m9")]
    more += [trade("b", Side.BUY, "40", "60"), trade("d", Side.BUY, "7", "70")]
    more.append(trade("s", Side.SELL, "5", "65"))
    for fact in more:
        assert back.record(fact) == ledger.record(fact)
    assert back.state() == ledger.state()
    for currency in ledger.currencies:
        assert back.account(currency) == ledger.account(currency)
        assert back.cash(currency) == ledger.cash(currency)


def test_a_restored_ledger_knows_what_was_booked() -> None:
    """Duplicates are still recognised after a restart."""
    ledger = busy(CostMethod.AVERAGE)
    back = Ledger.restore(ledger.state())
    assert back.record(trade("f", Side.SELL, "3", "99")) is False
    assert back.record(moved("5000")) is False


def test_a_restored_ledger_shares_nothing_with_its_snapshot() -> None:
    """Going on leaves the snapshot and the original as they were."""
    ledger = busy(CostMethod.FIFO)
    state = ledger.state()
    frozen = to_json(state)
    Ledger.restore(state).apply(trade("n", Side.SELL, "5", "50"))
    ledger.apply(trade("m", Side.SELL, "2", "50"))
    assert to_json(state) == frozen
