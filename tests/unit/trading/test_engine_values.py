"""Settings, state, fold and reconciliation of the trading engine, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from rustybt.accounting.ledger import Ledger
from rustybt.model.bar import Bar
from rustybt.model.codec import from_json, to_json
from rustybt.model.errors import InvalidValueError
from rustybt.model.event import BarClosed, CashMoved, OrderReplaced, OrderUpdated
from rustybt.model.fill import Fill
from rustybt.model.instrument import Instrument, InstrumentKind, Side
from rustybt.model.order_state import OrderState
from rustybt.trading.books import Books
from rustybt.trading.fold import fold
from rustybt.trading.reconciliation import expected, reconcile
from rustybt.trading.reports import Balance, VenueSnapshot
from rustybt.trading.settings import EngineSettings, GuardSettings, Kind
from rustybt.trading.state import EngineState
from rustybt.trading.taking import KEPT_ORDERS

Sessions = Any
NOW = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Line(NamedTuple):
    """A record of a journal."""

    sequence: int
    kind: str
    payload: bytes


def test_all_that_is_wrong_with_settings_is_said_at_once() -> None:
    """Each problem with the value seen."""
    with pytest.raises(InvalidValueError) as caught:
        EngineSettings(symbols=(), interval=timedelta(0), currency="", prefix="a b", query_tries=0)
    for part in ("symbols", "interval", "currency", "prefix", "query_tries"):
        assert part in str(caught.value)
    with pytest.raises(InvalidValueError) as caught:
        GuardSettings(
            daily_loss=Decimal(0),
            max_orders=0,
            window=timedelta(0),
            stale_after=timedelta(0),
        )
    for part in ("daily_loss", "max_orders", "window", "stale_after"):
        assert part in str(caught.value)


def test_settings_survive_json() -> None:
    """They are hashed and kept with the session."""
    settings = EngineSettings(
        symbols=("A",),
        interval=MINUTE,
        currency="USD",
        guard=GuardSettings(daily_loss=Decimal("0.05")),
    )
    assert from_json(to_json(settings), EngineSettings) == settings


def test_a_record_that_cannot_be_read_is_named() -> None:
    """With its number; records of other kinds do not count."""
    assert fold([Line(1, "head", b"?")]) == EngineState()
    with pytest.raises(InvalidValueError, match=r"record 7 \(event\)"):
        fold([Line(7, "event", b"{}")])
    with pytest.raises(InvalidValueError, match=r"record 8 \(command\)"):
        fold([Line(8, "command", b'{"type":"other"}')])


def test_a_fold_goes_on_from_a_snapshot(session: Sessions) -> None:
    """The state in the middle and the rest of the journal make the same state."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    middle, at = run.engine.state, len(run.journal)
    run.fill(order.client_id, "1").bar("101").operator("halt")
    kept = from_json(to_json(middle), EngineState)
    assert fold(run.journal[at:], kept) == run.engine.state


def test_ended_orders_are_forgotten_in_the_end(session: Sessions) -> None:
    """Failure 42: memory stays bounded; ids stay unique."""
    run = session(guard=GuardSettings(max_rejections=None)).start()

    def many(strategy: Any) -> None:
        for _ in range(100):
            strategy.buy("BTC/USDT", "0.001", limit=90)

    sent = 0
    while sent < 2 * KEPT_ORDERS + 1000:
        run.strategy.wishes.append(many)
        start = run.now
        run.now += MINUTE
        bar = Bar("BTC/USDT", start, run.now, *[Decimal(100)] * 5)
        run.out = run.engine.process(BarClosed(time=run.now, bar=bar))
        for order in run.sent():
            sent += 1
            ended = OrderUpdated(
                time=run.now, client_id=order.client_id, state=OrderState.CANCELLED
            )
            run.engine.process(ended)
    assert len(run.engine.orders.orders()) <= 2 * KEPT_ORDERS + 500
    run.journal.clear()
    run.before = run.engine.state
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1))
    assert order.client_id == f"RBT-1-{sent + 1}"


def test_old_trades_are_forgotten_in_the_end() -> None:
    """The newest of each symbol stay; the money is what it was."""
    coin = Instrument(symbol="A/B", base="A", quote="B", tick=Decimal("0.01"), lot=Decimal("0.01"))
    books = Books()
    books.advance(NOW)
    books.add_instrument(coin)
    for number in range(20_100):
        books.ledger.apply(Fill(f"T{number}", "C", "A/B", Side.BUY, Decimal(1), Decimal(2), NOW))
        books.forget_trades()
    state = books.ledger.state()
    assert len(state.books[0].trades) == 20_100
    for _ in range(20_000):
        books.forget_trades()
    trades = books.ledger.state().books[0].trades
    assert len(trades) == 20_000
    assert "T20099" in trades
    assert books.ledger.quantity("A/B") == 20_100


def test_modified_orders_take_their_terms(session: Sessions) -> None:
    """By the venue's own report; one that cannot be is asked about, an unknown one looked into."""
    run = session().start()
    (order,) = run.wish(lambda strategy: strategy.buy("BTC/USDT", 1, limit=90))
    run.update(order.client_id, "accepted").fill(order.client_id, "0.5")
    named = {"time": run.now, "client_id": order.client_id, "price": Decimal(91)}
    run.tell(OrderReplaced(quantity=Decimal(2), **named))
    assert (run.order(order.client_id).quantity, run.order(order.client_id).price) == (2, 91)
    run.tell(OrderReplaced(quantity=Decimal("0.1"), **named))
    assert run.notes("contradiction")
    run.tell(OrderReplaced(quantity=Decimal(1), **{**named, "client_id": "web-1"}))
    assert run.alerts("discrepancy")


def contracts() -> tuple[Instrument, Instrument]:
    """Return a perpetual and a share."""
    perpetual = Instrument(
        symbol="BTC-PERP",
        base="BTC",
        quote="USD",
        tick=Decimal(1),
        lot=Decimal(1),
        kind=InstrumentKind.PERPETUAL,
    )
    share = Instrument(
        symbol="ACME",
        base="ACME",
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        kind=InstrumentKind.EQUITY,
    )
    return perpetual, share


def ledger_of(*held: tuple[Instrument, int]) -> Ledger:
    """Return a ledger with 1000 USD that bought units at 10 each."""
    ledger = Ledger(instrument for instrument, _ in held)
    ledger.book(CashMoved(time=NOW, entry_id="D", currency="USD", amount=Decimal(1000)))
    for instrument, units in held:
        symbol = instrument.symbol
        ledger.apply(Fill("T", "C", symbol, Side.BUY, Decimal(units), Decimal(10), NOW))
    return ledger


def compared(ledger: Ledger, cash: str, positions: dict[str, Decimal] | None, **more: str) -> Any:
    """Return the kinds and subjects of what differs."""
    balances = {"USD": cash, **more}
    snapshot = VenueSnapshot(
        time=NOW + MINUTE,
        asked=NOW + MINUTE,
        balances=tuple(
            Balance(currency=name, free=Decimal(free)) for name, free in balances.items()
        ),
        orders=(),
        fills=(),
        positions=positions,
    )
    found = reconcile(
        snapshot,
        ledger=ledger,
        orders={},
        symbols=ledger.symbols,
        is_ours=lambda client_id: client_id.startswith("RBT"),
        touched={},
        booked=NOW,
    )
    return [(each.kind, each.subject) for each in found]


def test_positions_of_a_venue_that_has_them_are_compared() -> None:
    """Contracts and shares by symbol; what is held of others is foreign."""
    perpetual, share = contracts()
    ledger = ledger_of((perpetual, 3), (share, 5))
    right = {"BTC-PERP": Decimal(3), "ACME": Decimal(5)}
    assert compared(ledger, "950", right) == []
    assert compared(ledger, "950", {**right, "ACME": Decimal(4), "X": Decimal(1)}) == [
        (Kind.FOREIGN_POSITION, "X"),
        (Kind.QUANTITY_DRIFT, "ACME"),
    ]


def test_shares_count_as_balances_where_there_are_no_positions() -> None:
    """Under the name of their base; contracts have no balance."""
    _, share = contracts()
    ledger = ledger_of((share, 5))
    assert expected(ledger) == {"USD": 950, "ACME": 5}
    assert compared(ledger, "950", None, ACME="5") == []
    assert compared(ledger, "951", None, ACME="4") == [
        (Kind.CASH_DRIFT, "USD"),
        (Kind.QUANTITY_DRIFT, "ACME"),
    ]


def test_what_came_to_an_account_from_elsewhere_is_foreign() -> None:
    """A currency that the books have never known is told, one without an amount is not."""
    _, share = contracts()
    ledger = ledger_of((share, 5))
    found = compared(ledger, "950", None, ACME="5", DOGE="7", DUST="0")
    assert found == [(Kind.FOREIGN_POSITION, "DOGE")]
