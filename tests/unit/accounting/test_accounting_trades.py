"""Round trips: what each position earned from flat to flat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.accounting import RoundTrip, UnknownInstrumentError, round_trips
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

D = Decimal
START = datetime(2024, 3, 1, tzinfo=UTC)
SPY = Instrument(
    symbol="SPY", base="SPY", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.EQUITY
)
BTC = Instrument(symbol="BTCUSD", base="BTC", quote="USD", tick=D("0.01"), lot=D("0.001"))


def at(hour: int) -> datetime:
    """Return a time some hours after the start."""
    return START + timedelta(hours=hour)


def trade(hour: int, side: Side, quantity: str, price: str, **changes: Any) -> Fill:
    """Return a fill of SPY; the hour is its trade id too."""
    made = Fill(f"t{hour}", "o", "SPY", side, D(quantity), D(price), at(hour))
    return replace(made, **changes)


def trip(**changes: Any) -> RoundTrip:
    """Return 10 bought at 100 and sold at 110, without fees, with *changes*."""
    fields = {
        "symbol": "SPY",
        "side": Side.BUY,
        "opened": at(1),
        "closed": at(2),
        "quantity": D(10),
        "entry_price": D(100),
        "exit_price": D(110),
        "profit": D(100),
        "fees": D(0),
        "income": D(0),
        "charges": D(0),
    }
    return RoundTrip(**{**fields, **changes})


BUY, SELL = Side.BUY, Side.SELL


def test_a_purchase_and_its_sale() -> None:
    """One round trip with both fees; nothing else of it is open."""
    facts = [
        trade(1, BUY, "10", "100", fee=D(1)),
        trade(2, SELL, "10", "110", fee=D("1.1")),
    ]
    made = round_trips(facts, [SPY])
    assert made == [trip(fees=D("2.1"))]
    assert made[0].net == D("97.9")


def test_a_short_round_trip() -> None:
    """Its side is that of the entry."""
    facts = [trade(1, SELL, "10", "110"), trade(2, BUY, "10", "100")]
    assert round_trips(facts, [SPY]) == [trip(side=SELL, entry_price=D(110), exit_price=D(100))]


def test_parts_are_averaged() -> None:
    """Two entries and two exits are one trip, from the first to the last."""
    facts = [
        trade(1, BUY, "4", "100"),
        trade(2, BUY, "6", "105"),
        trade(3, SELL, "5", "110"),
        trade(4, SELL, "5", "112"),
    ]
    assert round_trips(facts, [SPY]) == [
        trip(closed=at(4), entry_price=D(103), exit_price=D(111), profit=D(80))
    ]


def test_an_entry_after_a_partial_exit_counts() -> None:
    """All that was entered is the quantity, whatever was held at once."""
    facts = [
        trade(1, BUY, "4", "100"),
        trade(2, SELL, "2", "110"),
        trade(3, BUY, "4", "103"),
        trade(4, SELL, "6", "105"),
    ]
    (made,) = round_trips(facts, [SPY])
    assert (made.quantity, made.entry_price) == (D(8), D("101.5"))
    assert made.profit == 20 + 10 + 8


def test_what_is_open_is_not_a_round_trip() -> None:
    """It may still go either way."""
    assert round_trips([trade(1, BUY, "10", "100")], [SPY]) == []
    assert round_trips([trade(1, BUY, "10", "100"), trade(2, SELL, "9", "110")], [SPY]) == []
    assert round_trips([], []) == []


def test_trips_follow_each_other() -> None:
    """The second begins from where the books were, not from zero."""
    first = [trade(1, BUY, "10", "100", fee=D(1)), trade(2, SELL, "10", "110", fee=D(1))]
    second = [trade(3, BUY, "10", "100", fee=D(2)), trade(4, SELL, "10", "95", fee=D(2))]
    assert round_trips([*first, *second], [SPY]) == [
        trip(fees=D(2)),
        trip(opened=at(3), closed=at(4), exit_price=D(95), profit=D(-50), fees=D(4)),
    ]


def test_a_flip_ends_one_and_begins_the_next() -> None:
    """Its fee is shared by quantity, and all fees and profits are in one trip or the other."""
    facts = [
        trade(1, BUY, "10", "100", fee=D(1)),
        trade(2, SELL, "15", "110", fee=D(3)),
        trade(3, BUY, "5", "108", fee=D("0.5")),
    ]
    assert round_trips(facts, [SPY]) == [
        trip(fees=D(3)),
        trip(
            side=SELL,
            opened=at(2),
            closed=at(3),
            quantity=D(5),
            entry_price=D(110),
            exit_price=D(108),
            profit=D(10),
            fees=D("1.5"),
        ),
    ]


def test_dividends_and_charges_belong_to_the_trip() -> None:
    """What was received and paid while the position was open, and not what came before."""
    early = DividendPaid(time=at(0), entry_id="d0", symbol="SPY", per_unit=D(9))
    facts: list[Fill | BookEntry] = [
        CashMoved(time=at(0), entry_id="m", currency="USD", amount=D(1)),
        early,
        trade(1, BUY, "10", "100"),
        DividendPaid(time=at(1), entry_id="d1", symbol="SPY", per_unit=D("0.5")),
        Charged(
            time=at(1),
            entry_id="c1",
            kind=ChargeKind.BORROW,
            currency="USD",
            amount=D(2),
            symbol="SPY",
        ),
        Charged(time=at(1), entry_id="c2", kind=ChargeKind.OTHER, currency="USD", amount=D(7)),
        trade(2, SELL, "10", "110"),
    ]
    (made,) = round_trips(facts, [SPY])
    assert made == trip(income=D(5), charges=D(2))
    assert made.net == 103


def test_a_split_restates_quantities_and_prices() -> None:
    """10 at 100 are 20 at 50 afterwards, also for what was closed before."""
    facts: list[Fill | BookEntry] = [
        trade(1, BUY, "12", "100"),
        trade(2, SELL, "2", "104"),
        SharesSplit(time=at(3), entry_id="s", symbol="SPY", new=2, old=1),
        trade(4, SELL, "20", "55"),
    ]
    (made,) = round_trips(facts, [SPY])
    assert (made.quantity, made.entry_price) == (D(24), D(50))
    assert made.exit_price == D(1308) / 24
    assert made.profit == 8 + 100


def test_a_position_that_vanishes_in_a_split() -> None:
    """It ends there, with the cash for the fraction as its proceeds and no exit price."""
    facts: list[Fill | BookEntry] = [
        trade(1, BUY, "4", "10"),
        SharesSplit(time=at(2), entry_id="s", symbol="SPY", new=1, old=10, price=D(90)),
        trade(3, BUY, "1", "90"),
        trade(4, SELL, "1", "91"),
    ]
    first, second = round_trips(facts, [SPY])
    assert first == trip(
        quantity=D("0.4"), entry_price=D(100), exit_price=None, profit=D(-4), closed=at(2)
    )
    assert (second.opened, second.profit) == (at(3), D(1))


def test_a_split_of_nothing_is_no_trip() -> None:
    """Nothing was open, nothing ends."""
    facts = [SharesSplit(time=at(2), entry_id="s", symbol="SPY", new=2, old=1)]
    assert round_trips(facts, [SPY]) == []


def test_duplicates_do_not_count_twice() -> None:
    """A replayed fill changes nothing, in the middle of a trip or after it."""
    facts = [trade(1, BUY, "10", "100"), trade(2, SELL, "10", "110")]
    twice = [facts[0], facts[0], facts[1], facts[1]]
    assert round_trips(twice, [SPY]) == [trip()]


def test_symbols_do_not_mix() -> None:
    """Trips of two symbols overlap; they are listed by the time they closed."""
    facts = [
        trade(1, BUY, "10", "100"),
        trade(1, SELL, "1", "30000", symbol="BTCUSD"),
        trade(2, BUY, "1", "29000", symbol="BTCUSD"),
        trade(3, SELL, "10", "110"),
    ]
    made = round_trips(facts, [SPY, BTC])
    assert [(each.symbol, each.side, each.profit) for each in made] == [
        ("BTCUSD", SELL, D(1000)),
        ("SPY", BUY, D(100)),
    ]


def test_a_fee_in_coins_makes_the_trip_smaller() -> None:
    """What arrived is what was entered; its fee is worth the price."""
    facts = [
        trade(1, BUY, "1", "30000", symbol="BTCUSD", fee=D("0.001"), fee_currency="BTC"),
        trade(2, SELL, "0.999", "31000", symbol="BTCUSD"),
    ]
    (made,) = round_trips(facts, [BTC])
    assert (made.quantity, made.profit, made.fees) == (D("0.999"), D(999), D(30))


def test_a_purchase_eaten_by_its_fee_opens_nothing() -> None:
    """Nothing arrived, nothing was entered."""
    eaten = trade(1, BUY, "1", "100", symbol="BTCUSD", fee=D(1), fee_currency="BTC")
    rest = [
        trade(2, BUY, "1", "100", symbol="BTCUSD"),
        trade(3, SELL, "1", "101", symbol="BTCUSD"),
    ]
    (made,) = round_trips([eaten, *rest], [BTC])
    assert (made.opened, made.fees) == (at(2), D(0))


def test_unknown_symbols_are_refused() -> None:
    """A trip needs its instrument."""
    with pytest.raises(UnknownInstrumentError, match="no instrument 'SPY'"):
        round_trips([trade(1, BUY, "10", "100")], [BTC])
