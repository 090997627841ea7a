"""What the practice venue does with orders, and why it refuses some."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.exchange.errors import ExchangeError, RefusalError
from rustybt.exchange.filters import Filters
from rustybt.exchange.records import (
    Balance,
    Execution,
    FeeIn,
    Kind,
    OrderRecord,
    OrderRequest,
    Report,
    Status,
    Trading,
)
from rustybt.exchange.venue import PracticeVenue
from rustybt.execution.costs import BasisPointCommission, RoundedCommission, Tier, TieredCommission
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument, Side
from rustybt.model.order import TimeInForce

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ELM = Instrument(
    symbol="ELM/USDT",
    base="ELM",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    min_quantity=Decimal("0.01"),
    max_quantity=Decimal(1000),
    min_notional=Decimal(5),
    max_notional=Decimal(50_000),
    max_price=Decimal(400),
)
FEES = MatchingRules(policy=FillPolicy.SAME_CLOSE, commission=BasisPointCommission(Decimal(10)))
_NUMBERS = ("price", "stop_price", "quantity", "quote_quantity")
NEXT_OPEN = MatchingRules(policy=FillPolicy.NEXT_OPEN)


class Desk:
    """A venue with one account, the reports that it made, and a market that moves on demand."""

    def __init__(self, rules: MatchingRules | None = None, **terms: Any) -> None:
        self.venue = PracticeVenue(
            [ELM], {"main": {"USDT": Decimal(1000), "ELM": Decimal(2)}}, rules, **terms
        )
        self.now = START
        self.reports: list[Report] = []
        self.venue.subscribe(self.reports.append)

    def bar(self, *prices: str) -> Desk:
        """Show a bar: one price, or open, high, low and close."""
        first, high, low, last = map(Decimal, prices if len(prices) > 1 else prices * 4)
        begin, self.now = self.now, self.now + MINUTE
        self.venue.on_bar(Bar("ELM/USDT", begin, self.now, first, high, low, last, Decimal(1000)))
        return self

    def place(self, side: Side = Side.BUY, kind: Kind = Kind.LIMIT, **terms: Any) -> OrderRecord:
        """Place an order for one unit, or as *terms* say."""
        numbers: dict[str, Any] = {
            name: Decimal(value) if name in _NUMBERS and value is not None else value
            for name, value in terms.items()
        }
        if "quote_quantity" not in numbers:
            numbers.setdefault("quantity", Decimal(1))
        request = OrderRequest(symbol="ELM/USDT", side=side, kind=kind, **numbers)
        return self.venue.place("main", request, self.now)

    def order(self, record: OrderRecord) -> OrderRecord:
        """Return what became of an order."""
        return self.venue.order("main", "ELM/USDT", order_id=record.order_id)

    def refusal(self, *args: Any, **terms: Any) -> tuple[int, str]:
        """Return why an order is not taken; nothing may have changed then."""
        before = self.venue.dump()
        with pytest.raises(RefusalError) as caught:
            self.place(*args, **terms)
        after = PracticeVenue.load(self.venue.dump()).state()
        assert replace_ids(after) == replace_ids(PracticeVenue.load(before).state())
        return caught.value.code, caught.value.message

    @property
    def usdt(self) -> Balance:
        """What the account has of the quote currency."""
        return self.venue.balances("main")["USDT"]

    @property
    def elm(self) -> Balance:
        """What the account has of the base currency."""
        return self.venue.balances("main")["ELM"]


def replace_ids(state: Any) -> Any:
    """Return *state* without the count of order ids: a refused order may use one up."""
    return replace(state, last_order_id=0)


def test_a_market_order_trades_at_once_at_the_last_close() -> None:
    """By default the venue is like a real one: what can trade does so before the answer."""
    desk = Desk(FEES).bar("100")
    order = desk.place(kind=Kind.MARKET)

    assert order.status is Status.FILLED
    assert order.average_price == Decimal(100)
    assert desk.usdt == Balance(Decimal("899.9"), Decimal(0))
    assert desk.elm == Balance(Decimal(3), Decimal(0))
    assert [each.execution for each in desk.reports] == [Execution.NEW, Execution.TRADE]


def test_under_next_open_a_market_order_waits_for_the_next_bar() -> None:
    """With the policy of a backtest the same order gets the open of the bar after it."""
    desk = Desk(NEXT_OPEN).bar("100")
    order = desk.place(kind=Kind.MARKET)
    assert order.status is Status.NEW
    assert desk.usdt.locked == Decimal(100)

    desk.bar("101", "103", "99", "102")

    assert desk.order(order).average_price == Decimal(101)
    assert desk.order(order).updated == START + MINUTE
    assert desk.usdt == Balance(Decimal(899), Decimal(0))


def test_a_limit_order_holds_its_money_back_and_frees_what_it_did_not_need() -> None:
    """The lock is price times quantity and the fee; a better price gives the rest back."""
    desk = Desk(FEES).bar("100")
    order = desk.place(price="90", quantity="2")
    assert desk.usdt == Balance(Decimal("819.82"), Decimal("180.18"))

    desk.bar("80", "95", "80", "92")

    assert desk.order(order).status is Status.FILLED
    assert desk.order(order).average_price == Decimal(80)
    assert desk.usdt == Balance(Decimal("839.84"), Decimal(0))


def test_part_of_an_order_trades_and_the_rest_stays_locked() -> None:
    """A share of the volume fills a part; its lock shrinks by what that part had locked."""
    rules = MatchingRules(policy=FillPolicy.SAME_CLOSE, volume_share=Decimal("0.001"))
    desk = Desk(rules).bar("100")
    order = desk.place(price="90", quantity="3")
    desk.bar("95", "95", "80", "85")

    part = desk.order(order)
    assert (part.status, part.filled, part.locked) == (
        Status.PARTIALLY_FILLED,
        Decimal(1),
        Decimal(180),
    )
    assert desk.usdt == Balance(Decimal(730), Decimal(180))
    ended = desk.venue.cancel("main", "ELM/USDT", desk.now, order_id=order.order_id)
    assert (ended.status, ended.filled) == (Status.CANCELED, Decimal(1))
    assert desk.usdt == Balance(Decimal(910), Decimal(0))


def test_fees_can_come_out_of_what_a_purchase_brings() -> None:
    """Then less of the base arrives than was bought, and the quote pays the value alone."""
    desk = Desk(FEES, fee_in=FeeIn.RECEIVED).bar("100")
    desk.place(kind=Kind.MARKET, quantity="2")
    trade = desk.venue.my_trades("main", "ELM/USDT")[0]

    assert (trade.fee, trade.fee_asset) == (Decimal("0.002"), "ELM")
    assert desk.elm.free == Decimal("3.998")
    assert desk.usdt.free == Decimal(800)
    desk.place(Side.SELL, Kind.MARKET, quantity="3.998")
    assert desk.elm.free == Decimal(0)


def test_fees_change_only_while_nothing_is_open() -> None:
    """An open order holds back what its fee was; the currency cannot change under it."""
    desk = Desk(FEES).bar("100")
    order = desk.place(price="90")
    with pytest.raises(ExchangeError, match="orders are open"):
        desk.venue.set_fees(FeeIn.RECEIVED)
    desk.venue.cancel("main", "ELM/USDT", desk.now, order_id=order.order_id)
    desk.venue.set_fees(FeeIn.RECEIVED)
    desk.place(kind=Kind.MARKET)
    assert desk.venue.my_trades("main", "ELM/USDT")[0].fee_asset == "ELM"


def test_a_quote_quantity_buys_as_much_as_it_pays_for() -> None:
    """The quantity is what the amount buys at the last price, in whole lots."""
    desk = Desk().bar("33.33")
    order = desk.place(kind=Kind.MARKET, quote_quantity="100")
    assert order.quantity == Decimal("3")
    assert order.filled == order.quantity


@pytest.mark.parametrize(
    ("kind", "side", "stop", "limit", "price"),
    [
        (Kind.STOP_LOSS, Side.SELL, "95", None, "95"),
        (Kind.STOP_LOSS, Side.BUY, "105", None, "105"),
        (Kind.TAKE_PROFIT, Side.SELL, "105", None, "105"),
        (Kind.TAKE_PROFIT, Side.BUY, "95", None, "95"),
        (Kind.STOP_LOSS_LIMIT, Side.SELL, "95", "94", "95"),
        (Kind.TAKE_PROFIT_LIMIT, Side.SELL, "105", "104", "105"),
    ],
)
def test_a_stop_sleeps_until_its_price_comes(
    kind: Kind, side: Side, stop: str, limit: str | None, price: str
) -> None:
    """Each kind of stop trades when the bar reaches it, at its price or better."""
    desk = Desk().bar("100")
    order = desk.place(side, kind, stop_price=stop, price=limit)
    assert not order.is_working
    desk.bar("100", "101", "99", "100")
    assert desk.order(order).status is Status.NEW
    desk.bar("100", "110", "90", "100")

    after = desk.order(order)
    assert (after.status, after.triggered, after.average_price) == (
        Status.FILLED,
        True,
        Decimal(price),
    )
    assert [each.execution for each in desk.reports] == [
        Execution.NEW,
        Execution.NEW,
        Execution.TRADE,
    ]


def test_a_post_only_order_rests_and_trades_as_maker() -> None:
    """A limit maker stands in the book first."""
    desk = Desk().bar("100")
    order = desk.place(kind=Kind.LIMIT_MAKER, price="95")
    desk.bar("100", "100", "94", "96")
    assert desk.order(order).status is Status.FILLED
    assert desk.venue.my_trades("main", "ELM/USDT")[0].maker


def test_a_post_only_order_that_crosses_at_the_next_open_expires() -> None:
    """Where nothing trades at once, the next open decides about a limit maker."""
    desk = Desk(NEXT_OPEN).bar("100")
    order = desk.place(kind=Kind.LIMIT_MAKER, price="95")
    desk.bar("90")
    assert desk.order(order).status is Status.EXPIRED
    assert desk.usdt == Balance(Decimal(1000), Decimal(0))


def test_what_cannot_trade_at_once_expires_if_it_must() -> None:
    """Immediate-or-cancel that finds nothing ends as expired, not as cancelled by somebody."""
    desk = Desk().bar("100")
    order = desk.place(price="90", time_in_force=TimeInForce.IOC)
    assert order.status is Status.EXPIRED
    assert desk.usdt.locked == Decimal(0)


def test_a_purchase_that_became_too_dear_expires() -> None:
    """A market order whose open is beyond the account's money never makes a balance negative."""
    desk = Desk(NEXT_OPEN).bar("100")
    first = desk.place(kind=Kind.MARKET, quantity="5")
    second = desk.place(kind=Kind.MARKET, quantity="4")
    desk.bar("150", "160", "140", "150")

    # The first one needs 750 and has 500 of its own, 100 are free; the second one's 400 are not.
    assert desk.order(first).status is Status.EXPIRED
    assert desk.order(second).status is Status.FILLED
    assert desk.usdt == Balance(Decimal(400), Decimal(0))


@pytest.mark.parametrize(
    ("terms", "code", "message"),
    [
        ({}, -1102, "'price'"),
        ({"price": "90", "stop_price": "80"}, -1106, "'stopPrice'"),
        ({"kind": Kind.MARKET, "price": "90"}, -1106, "'price'"),
        ({"kind": Kind.STOP_LOSS}, -1102, "'stopPrice'"),
        ({"price": "90", "quantity": None}, -1102, "'quantity'"),
        ({"kind": Kind.MARKET, "quantity": None}, -1102, "'quantity'"),
        ({"kind": Kind.MARKET, "quantity": "1", "quote_quantity": "9"}, -1128, "combination"),
        ({"price": "90", "client_id": "x" * 37}, -1100, "newClientOrderId"),
        ({"price": "90.123456789"}, -1111, "too much precision"),
        ({"price": "90.001"}, -1013, "PRICE_FILTER"),
        ({"price": "0"}, -1013, "PRICE_FILTER"),
        ({"price": "401"}, -1013, "PRICE_FILTER"),
        ({"price": "19.99"}, -1013, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "90", "quantity": "0"}, -1013, "LOT_SIZE"),
        ({"price": "90", "quantity": "1.0001"}, -1013, "LOT_SIZE"),
        ({"price": "90", "quantity": "0.009"}, -1013, "LOT_SIZE"),
        ({"price": "90", "quantity": "1000.1"}, -1013, "LOT_SIZE"),
        ({"price": "90", "quantity": "0.05"}, -1013, "NOTIONAL"),
        ({"price": "90", "quantity": "600"}, -1013, "NOTIONAL"),
        ({"kind": Kind.MARKET, "quantity": "0.04"}, -1013, "NOTIONAL"),
        ({"price": "90", "quantity": "12"}, -2010, "insufficient balance"),
        ({"side": Side.SELL, "price": "110", "quantity": "2.001"}, -2010, "insufficient balance"),
        ({"kind": Kind.LIMIT_MAKER, "price": "100"}, -2010, "immediately match"),
        ({"kind": Kind.STOP_LOSS, "stop_price": "100"}, -2010, "trigger immediately"),
        ({"kind": Kind.TAKE_PROFIT, "stop_price": "100"}, -2010, "trigger immediately"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_with_its_code(
    terms: dict[str, Any], code: int, message: str
) -> None:
    """Each refusal has the code and the words that clients know, and changes nothing."""
    seen = Desk().bar("100").refusal(**terms)
    assert seen[0] == code
    assert message.lower() in seen[1].lower()


def test_before_the_first_price_only_priced_orders_are_taken() -> None:
    """There is nothing to trade with, and nothing to value a market order by."""
    desk = Desk()
    assert desk.refusal(kind=Kind.MARKET)[0] == -2010
    assert desk.refusal(kind=Kind.MARKET, quote_quantity="100")[0] == -2010
    order = desk.place(price="100")
    desk.bar("99")
    assert desk.order(order).status is Status.FILLED


def test_client_ids_are_unique_among_open_orders_only() -> None:
    """A second open order of the name is a duplicate; after the first ended it is not."""
    desk = Desk().bar("100")
    first = desk.place(price="90", client_id="mine")
    assert desk.refusal(price="91", client_id="mine") == (-2010, "Duplicate order sent.")
    desk.venue.cancel("main", "ELM/USDT", desk.now, client_id="mine")
    second = desk.place(price="91", client_id="mine")
    assert desk.venue.order("main", "ELM/USDT", client_id="mine") == second
    assert desk.order(first).status is Status.CANCELED
    assert desk.refusal(price="9000", client_id="other")[0] == -1013


def test_a_refusal_by_the_matcher_leaves_the_former_order_of_that_name() -> None:
    """What matching itself refuses is undone: lock, order, and the name."""
    desk = Desk().bar("100")
    former = desk.place(price="90", client_id="mine")
    desk.venue.cancel("main", "ELM/USDT", desk.now, client_id="mine")
    desk.venue.accounts["main"].matcher.set_instrument(replace(ELM, min_quantity=Decimal(5)))
    code, message = desk.refusal(price="90", client_id="mine")
    assert (code, "below the minimum" in message) == (-1013, True)
    assert desk.venue.order("main", "ELM/USDT", client_id="mine").order_id == former.order_id
    assert desk.refusal(price="90", client_id="new")[0] == -1013


def test_there_are_only_so_many_open_orders() -> None:
    """Both kinds of crowding are refused by their own filter."""
    desk = Desk(filters=Filters(max_orders=3, max_stops=1)).bar("100")
    desk.place(price="90")
    desk.place(kind=Kind.STOP_LOSS, stop_price="110")
    assert "ALGO" in desk.refusal(kind=Kind.STOP_LOSS, stop_price="111")[1]
    desk.place(price="91")
    assert desk.refusal(price="92")[1] == "Filter failure: MAX_NUM_ORDERS"


def test_a_probe_says_what_placing_would_and_places_nothing() -> None:
    """A test order is judged by all the rules and leaves no trace."""
    desk = Desk().bar("100")
    before = desk.venue.dump()
    good = OrderRequest(symbol="ELM/USDT", side=Side.BUY, kind=Kind.MARKET, quantity=Decimal(1))
    desk.venue.probe("main", good, desk.now)
    with pytest.raises(RefusalError, match="LOT_SIZE"):
        desk.venue.probe("main", replace(good, quantity=Decimal("0.0001")), desk.now)
    assert desk.venue.dump() == before


def test_cancelling_what_is_not_open_is_refused() -> None:
    """An unknown order, one that ended, and a request that names none."""
    desk = Desk().bar("100")
    done = desk.place(kind=Kind.MARKET)
    for known in ({"order_id": 99}, {"order_id": done.order_id}, {"client_id": "?"}):
        with pytest.raises(RefusalError) as caught:
            desk.venue.cancel("main", "ELM/USDT", desk.now, **known)
        assert caught.value.code == -2011
    with pytest.raises(RefusalError) as caught:
        desk.venue.cancel("main", "ELM/USDT", desk.now)
    assert caught.value.code == -1102
    with pytest.raises(RefusalError) as caught:
        desk.venue.cancel_all("main", "ELM/USDT", desk.now)
    assert caught.value.code == -2011


def test_all_open_orders_can_be_cancelled_together() -> None:
    """Every one of them ends and gives its money back."""
    desk = Desk().bar("100")
    orders = [desk.place(price="90"), desk.place(Side.SELL, price="110")]
    ended = desk.venue.cancel_all("main", "ELM/USDT", desk.now)
    assert [each.order_id for each in ended] == [each.order_id for each in orders]
    assert desk.venue.open_orders("main") == []
    assert desk.usdt.locked == desk.elm.locked == Decimal(0)


def test_replacing_cancels_and_places() -> None:
    """A replacement is a new order; the old one ends as cancelled under the name of the cancel."""
    desk = Desk().bar("100")
    old = desk.place(price="90")
    request = OrderRequest(
        symbol="ELM/USDT", side=Side.BUY, kind=Kind.LIMIT, quantity=Decimal(2), price=Decimal(91)
    )
    done = desk.venue.cancel_replace(
        "main", request, desk.now, order_id=old.order_id, cancel_id="c1"
    )
    assert (done.cancelled.status, done.cancelled.cancel_id) == (Status.CANCELED, "c1")
    assert done.placed.order_id > old.order_id
    assert desk.usdt.locked == Decimal(182)

    with pytest.raises(RefusalError) as caught:
        desk.venue.cancel_replace("main", request, desk.now, order_id=old.order_id)
    assert caught.value.code == -2022
    too_much = replace(request, quantity=Decimal(50))
    with pytest.raises(RefusalError) as caught:
        desk.venue.cancel_replace("main", too_much, desk.now, order_id=done.placed.order_id)
    assert caught.value.code == -2021
    assert desk.venue.open_orders("main") == []


def test_a_halted_symbol_takes_nothing_and_shows_nothing() -> None:
    """Orders stay through a halt; no bar reaches them; afterwards they trade on."""
    desk = Desk().bar("100")
    order = desk.place(price="90")
    desk.venue.set_trading("ELM/USDT", Trading.BREAK, desk.now)
    assert desk.refusal(price="91") == (-1013, "Market is closed.")
    desk.bar("80")
    assert desk.order(order).status is Status.NEW
    desk.venue.set_trading("ELM/USDT", Trading.TRADING, desk.now)
    desk.bar("80")
    assert desk.order(order).status is Status.FILLED


def test_orders_in_a_delisted_symbol_expire() -> None:
    """Their money is free again, and the symbol is unknown from then on; the coins stay."""
    desk = Desk().bar("100")
    order = desk.place(price="90")
    desk.venue.set_trading("ELM/USDT", Trading.DELISTED, desk.now)
    assert desk.order(order).status is Status.EXPIRED
    assert desk.refusal(price="90") == (-1121, "Invalid symbol.")
    assert desk.elm.free == Decimal(2)


def test_new_filters_hold_for_new_orders() -> None:
    """Orders at work stay as they are."""
    desk = Desk().bar("100")
    old = desk.place(price="90.01")
    desk.venue.set_instrument(replace(ELM, tick=Decimal("0.5")))
    assert desk.refusal(price="90.01")[1] == "Filter failure: PRICE_FILTER"
    desk.bar("90")
    assert desk.order(old).status is Status.FILLED


def test_a_trade_can_be_forced_after_the_cancel() -> None:
    """What a real venue does now and then: the order is cancelled, and filled."""
    desk = Desk().bar("100")
    order = desk.place(price="90")
    desk.venue.cancel("main", "ELM/USDT", desk.now, order_id=order.order_id)
    desk.venue.force_trade("main", order.order_id, Decimal("0.4"), Decimal(90), desk.now)
    assert (desk.order(order).status, desk.order(order).filled) == (
        Status.CANCELED,
        Decimal("0.4"),
    )
    desk.venue.force_trade("main", order.order_id, Decimal("0.7"), Decimal(90), desk.now)
    assert (desk.order(order).status, desk.order(order).filled) == (Status.FILLED, Decimal("1.1"))
    assert desk.usdt == Balance(Decimal(901), Decimal(0))


def test_a_trade_forced_on_an_open_order_leaves_it_the_rest() -> None:
    """The matcher goes on with what is left, and only that."""
    desk = Desk().bar("100")
    order = desk.place(price="90")
    desk.venue.force_trade("main", order.order_id, Decimal("0.25"), Decimal(90), desk.now)
    assert desk.order(order).status is Status.PARTIALLY_FILLED
    desk.bar("85")
    assert desk.order(order).filled == Decimal(1)
    assert len(desk.venue.my_trades("main", "ELM/USDT")) == 2
    with pytest.raises(ExchangeError, match="would need"):
        desk.venue.force_trade("main", order.order_id, Decimal(999), Decimal(90), desk.now)
    with pytest.raises(ExchangeError, match="no order 77"):
        desk.venue.force_trade("main", 77, Decimal(1), Decimal(90), desk.now)


def test_rules_that_cannot_be_kept_are_refused() -> None:
    """Latency is a fault's business, and a tiered fee cannot be held back."""
    with pytest.raises(ExchangeError, match="delay"):
        Desk(MatchingRules(latency_bars=1))
    tiers = TieredCommission((Tier(Decimal(0), Decimal(10)),))
    with pytest.raises(ExchangeError, match="tiered"):
        Desk(MatchingRules(commission=RoundedCommission(tiers)))


def test_bars_come_in_order_and_of_known_symbols() -> None:
    """A bar from before the last one, or of something else, is a mistake of who feeds them."""
    desk = Desk().bar("100")
    late = desk.venue.tapes["ELM/USDT"].bars[0]
    with pytest.raises(ExchangeError, match="comes late"):
        desk.venue.on_bar(late)
    with pytest.raises(ExchangeError, match="not traded"):
        desk.venue.on_bar(replace(late, symbol="ASH/USDT"))
    with pytest.raises(ExchangeError, match="not traded"):
        desk.venue.set_trading("ASH/USDT", Trading.BREAK, desk.now)
    with pytest.raises(ExchangeError, match="no account"):
        desk.venue.balances("other")
    with pytest.raises(RefusalError, match="Invalid symbol"):
        desk.venue.open_orders("main", "ASH/USDT")


def test_a_state_that_is_none_is_refused() -> None:
    """Loading takes what dump wrote and nothing else."""
    with pytest.raises(ExchangeError, match="no state"):
        PracticeVenue.load(b'{"accounts": 3}')


def test_questions_about_the_past_can_be_paged() -> None:
    """The newest come without an id to start from, the next ones with it."""
    desk = Desk().bar("100")
    for _ in range(4):
        desk.place(kind=Kind.MARKET, quantity="0.1")
    venue = desk.venue
    assert [each.order_id for each in venue.all_orders("main", "ELM/USDT", limit=2)] == [3, 4]
    paged = venue.all_orders("main", "ELM/USDT", from_id=2, limit=2)
    assert [each.order_id for each in paged] == [2, 3]
    assert [each.trade_id for each in venue.my_trades("main", "ELM/USDT", limit=2)] == [3, 4]
    trades = venue.my_trades("main", "ELM/USDT", from_id=2, limit=2)
    assert [each.trade_id for each in trades] == [2, 3]
    with pytest.raises(RefusalError) as caught:
        venue.order("main", "ELM/USDT", order_id=9)
    assert caught.value.code == -2013


def test_who_does_not_listen_any_more_is_told_nothing() -> None:
    """Subscribing returns the way out."""
    desk = Desk().bar("100")
    heard: list[Report] = []
    leave = desk.venue.subscribe(heard.append)
    desk.place(price="90")
    leave()
    desk.place(price="91")
    assert len(heard) == 1
