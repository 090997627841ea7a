"""The smaller parts of the practice exchange: faults, candles, limits, files, signatures."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.exchange.errors import ExchangeError, RefusalError
from rustybt.exchange.faults import Call, Fault, FaultKind, Faults, fault_of
from rustybt.exchange.limits import Limiter, RateLimits
from rustybt.exchange.market import Tape, average_price
from rustybt.exchange.records import Balance, Kind, OrderRequest, instant, milliseconds
from rustybt.exchange.replay import Replay, file_bars, instrument_for, pair, practice_bars
from rustybt.exchange.serving import ccxt_config
from rustybt.exchange.signing import ApiKey, unsigned
from rustybt.exchange.state import Counter
from rustybt.exchange.store import Store
from rustybt.exchange.venue import PracticeVenue
from rustybt.exchange.wallet import Wallet
from rustybt.model.bar import Bar
from rustybt.model.instrument import Side

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
POST = Call(method="POST", endpoint="order", symbol="ELMUSDT", account="main")


def bar(hours: int, close: str, volume: str = "10") -> Bar:
    """Return the bar of one hour whose prices are all the same."""
    price, start = Decimal(close), START + hours * HOUR
    return Bar("ELM/USDT", start, start + HOUR, price, price, price, price, Decimal(volume))


# Faults


@pytest.mark.parametrize(
    ("terms", "hit"),
    [
        ({}, "100"),
        ({"nth": 2}, "010"),
        ({"nth": 2, "count": None}, "011"),
        ({"count": 2}, "110"),
        ({"method": "GET"}, "000"),
        ({"endpoint": "account"}, "000"),
        ({"symbol": "OAKUSDT"}, "000"),
        ({"account": "other"}, "000"),
        ({"probability": 0.0, "count": None}, "000"),
    ],
)
def test_a_fault_hits_the_calls_that_it_names(terms: dict[str, Any], hit: str) -> None:
    """From the nth on, so many times, and only what matches."""
    faults = Faults()
    number = faults.add(Fault(kind=FaultKind.DROP_REPLY, **terms))
    seen = "".join(str(len(faults.on_request(POST))) for _ in range(3))
    assert seen == hit
    assert faults.hits(number) == hit.count("1")
    assert faults.on_event(POST) == []


def test_chance_is_repeatable() -> None:
    """The same seed hits the same calls."""

    def drawn(seed: int) -> list[int]:
        faults = Faults()
        faults.add(Fault(kind=FaultKind.BAN, count=None, probability=0.5, seed=seed))
        return [len(faults.on_request(POST)) for _ in range(64)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_fault_that_cannot_be_is_refused_with_all_its_problems() -> None:
    """Every field that makes no sense is named; so is JSON that is no fault."""
    with pytest.raises(ExchangeError) as caught:
        Fault(kind=FaultKind.ERROR, nth=0, count=0, probability=2, delay=-1, status=200)
    for name in ("nth", "count", "probability", "delay", "status"):
        assert name in str(caught.value)
    for data in (b'{"kind": "bad luck"}', b'{"\xff', b"[" * 100_000):
        with pytest.raises(ExchangeError, match="no fault"):
            fault_of(data)
    with pytest.raises(ExchangeError, match="no fault number"):
        Faults().hits(1)


# The market


def test_longer_candles_are_made_of_whole_ones() -> None:
    """Two hours make a candle if both are there; the rest is not shown."""
    tape = Tape()
    for hours, close in ((0, "1"), (1, "3"), (2, "2"), (3, "5"), (4, "9")):
        tape.show(bar(hours, close))
    candles = tape.candles(None, None, 10, 2 * HOUR)
    assert [(each.open, each.high, each.close) for each in candles] == [
        (Decimal(1), Decimal(3), Decimal(3)),
        (Decimal(2), Decimal(5), Decimal(5)),
    ]
    assert tape.begun(2 * HOUR) is None
    between = tape.candles(START + HOUR, START + 2 * HOUR, 10, HOUR)
    assert [each.close for each in between] == [Decimal(3), Decimal(2)]
    assert [each.close for each in tape.candles(None, None, 2, HOUR)] == [Decimal(5), Decimal(9)]


def test_a_day_sums_up_its_bars() -> None:
    """High, low and volume are those of the span; without volume the last price is the average."""
    tape = Tape()
    assert tape.day(HOUR) is None
    for hours, close in ((0, "7"), (1, "3"), (2, "5")):
        tape.show(bar(hours, close))
    day = tape.day(2 * HOUR)
    assert day is not None
    assert (day.first.close, day.high, day.low, day.bars) == (
        Decimal(3),
        Decimal(5),
        Decimal(3),
        2,
    )
    assert average_price(day) == Decimal(4)
    quiet = Tape()
    quiet.show(bar(0, "7", "0"))
    day = quiet.day(HOUR)
    assert day is not None
    assert average_price(day) == Decimal(7)


def test_the_book_is_made_from_the_last_bar() -> None:
    """It is empty before the first, and never has a price that is not positive."""
    elm = instrument_for("ELM/USDT")
    tape = Tape()
    assert tape.depth(elm) == ((), ())
    tape.show(bar(0, "0.05"))
    depth = tape.depth(elm)
    assert [each.price for each in depth.bids] == [
        Decimal(each) for each in ("0.04", "0.03", "0.02", "0.01")
    ]
    assert depth.asks[0] == (Decimal("0.06"), Decimal("0.1"))


# Bars to come


def test_a_replay_shows_what_begins_together_together() -> None:
    """Bars of several symbols come by the instant; past ones can be skipped."""
    oak = replace(bar(0, "1"), symbol="OAK/USDT")
    replay = Replay([bar(1, "2"), oak, bar(0, "1")])
    assert replay.length == HOUR
    assert [each.symbol for each in replay.next()] == ["ELM/USDT", "OAK/USDT"]
    assert replay.left == 1
    assert [each.close for each in replay.skip(START + 2 * HOUR)] == [Decimal(2)]
    assert replay.next() == []
    assert Replay([]).length == timedelta(0)


def test_practice_bars_are_whole_days_in_cents() -> None:
    """They are those that a new deployment practises with."""
    bars = practice_bars(date(2025, 1, 2), ["ELM/USDT"])
    assert [each.end - each.start for each in bars] == [timedelta(days=1)] * 2
    assert instrument_for("ELM/USDT", bars).tick == Decimal("0.01")


def test_bars_come_from_files_with_all_their_digits(tmp_path: Path) -> None:
    """Prices stay as written; the tick becomes fine enough for them."""
    path = tmp_path / "ELMUSDT.csv"
    path.write_text(
        "timestamp,open,high,low,close\n2026-01-05,1,2,1,1.2345\n2026-01-06,1.1,2,1,1.5\n"
    )
    bars = file_bars(path)
    assert [(each.symbol, each.close, each.volume) for each in bars] == [
        ("ELMUSDT", Decimal("1.2345"), Decimal(0)),
        ("ELMUSDT", Decimal("1.5"), Decimal(0)),
    ]
    instrument = instrument_for("ELMUSDT", bars)
    assert (instrument.base, instrument.quote, instrument.tick) == (
        "ELM",
        "USDT",
        Decimal("0.0001"),
    )
    assert file_bars(path, ["OAK/USDT"])[0].symbol == "OAK/USDT"
    with pytest.raises(ExchangeError, match="no bars of"):
        file_bars(path, ["OAK/USDT", "ELM/USDT"])
    path.write_text("timestamp,open,high,low,close\n2026-01-05,1,2,1,1.5\n")
    with pytest.raises(ExchangeError, match="a single bar"):
        file_bars(path)


def test_a_pair_has_a_base_and_a_quote() -> None:
    """Written with a slash, or ending in a currency that is known."""
    assert pair("BTC/EUR") == pair("BTCEUR") == ("BTC", "EUR")
    for wrong in ("BTC", "USDT", "/USDT", "BTC/"):
        with pytest.raises(ExchangeError, match="no pair"):
            pair(wrong)


# Limits, wallets, keys


def test_the_window_of_a_limit_moves_on() -> None:
    """A new minute begins at nothing; without limits all is counted and nothing refused."""
    now = [0.0]
    limiter = Limiter(RateLimits(weight=2, patience=0, ban=10), lambda: now[0])
    assert limiter.charge("a", 2) == 2
    assert limiter.charge("b", 1) == 1
    with pytest.raises(RefusalError) as caught:
        limiter.charge("a", 1)
    assert (caught.value.status, caught.value.retry_after) == (418, 10)
    now[0] = 61.0
    assert limiter.charge("a", 2) == 2
    with pytest.raises(RefusalError) as caught:
        limiter.charge("a", 1)
    assert caught.value.retry_after == 20
    free = Limiter(RateLimits(), lambda: now[0])
    assert [free.charge_order("a") for _ in range(3)] == [1, 2, 3]


def test_a_wallet_never_goes_below_zero() -> None:
    """A lock beyond what is free is refused; a payment beyond it would be a defect."""
    wallet = Wallet({"USDT": Balance(Decimal(5))})
    with pytest.raises(RefusalError) as caught:
        wallet.lock("USDT", Decimal(6))
    assert caught.value.code == -2010
    with pytest.raises(ExchangeError, match="no amount below 0"):
        wallet.credit("USDT", Decimal(-6))
    assert wallet["USDT"] == Balance(Decimal(5))


def test_secrets_are_not_shown() -> None:
    """Neither half of a key is in its representation."""
    key = ApiKey("main", "public-half", "private-half")
    assert "half" not in repr(key)
    assert "main" in repr(key)


@pytest.mark.parametrize(
    ("text", "payload", "signature"),
    [
        ("a=1&signature=ff", "a=1", "ff"),
        ("signature=ff", "", "ff"),
        ("signature=ff&b=2", "", "ff"),
        ("a=1", "a=1", ""),
        ("a=1&designature=ff", "a=1&designature=ff", ""),
    ],
)
def test_the_signature_is_taken_off_what_was_signed(
    text: str, payload: str, signature: str
) -> None:
    """Only a parameter of that very name is one."""
    assert unsigned(text) == (payload, signature)


def test_times_and_ids_are_exact() -> None:
    """Milliseconds go both ways, ids count up from where they were."""
    assert instant(milliseconds(START)) == START
    assert [next(each) for each in [iter(Counter(6))] * 2] == ["7", "8"]


def test_ccxt_is_told_addresses_and_nothing_that_changes_what_it_does() -> None:
    """The stream address contains what ccxt looks for."""
    config = ccxt_config("http://127.0.0.1:9/", "k", "s")
    assert config["urls"]["api"]["ws"]["spot"] == "ws://127.0.0.1:9/stream/ws"
    assert config["urls"]["api"]["private"] == "http://127.0.0.1:9/api/v3"


# The file


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It has a key in it; and it can only be where a folder is."""
    Store(tmp_path / "state.db").close()
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0
    with pytest.raises(ExchangeError, match="cannot be used"):
        Store(tmp_path / "nowhere" / "state.db")


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    """A write that fails half-way is undone, and is there the next time."""
    store = Store(tmp_path / "state.db", wait=0)
    venue = PracticeVenue([instrument_for("ELM/USDT")], {"main": {"USDT": Decimal(100)}})
    store.save(venue)
    venue.subscribe(store.on_report)
    request = OrderRequest(
        symbol="ELM/USDT",
        side=Side.BUY,
        kind=Kind.LIMIT,
        quantity=Decimal(1),
        price=Decimal(10),
    )
    venue.place("main", request, START)
    other = Store(tmp_path / "state.db", wait=0)
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db", timeout=0)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(ExchangeError, match="database is locked"):
            store.commit(venue)
        writer.rollback()
    kept = other.load()
    assert kept is not None
    assert kept.accounts["main"].orders == []
    store.commit(venue)
    kept = other.load()
    assert kept is not None
    assert [each.order_id for each in kept.accounts["main"].orders] == [1]
    assert kept.accounts["main"].balances["USDT"].locked == Decimal(10)
    store.close()
    other.close()
