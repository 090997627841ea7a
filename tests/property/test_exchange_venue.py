"""The practice venue under any sequence of requests: money is conserved, state can be written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rustybt.exchange.account import model_order
from rustybt.exchange.errors import RefusalError
from rustybt.exchange.records import FeeIn, Kind, OrderRecord, OrderRequest, Report, Trading
from rustybt.exchange.venue import PracticeVenue
from rustybt.execution.broker import VenueEvent
from rustybt.execution.costs import BasisPointSlippage, MakerTakerCommission, PerShareCommission
from rustybt.execution.matching import Matcher
from rustybt.execution.rules import FillPolicy, MatchingRules
from rustybt.model.bar import Bar
from rustybt.model.event import OrderFilled
from rustybt.model.instrument import Instrument, Side
from rustybt.model.money import ZERO, add, subtract
from rustybt.model.order import TimeInForce

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SYMBOL = "ELM/USDT"
ELM = Instrument(symbol=SYMBOL, base="ELM", quote="USDT", tick=Decimal("0.5"), lot=Decimal("0.01"))
MONEY = {"USDT": Decimal(1000), "ELM": Decimal(3)}

PLACE = st.tuples(
    st.just("place"),
    st.sampled_from(Side),
    st.sampled_from(Kind),
    st.integers(0, 400),  # hundredths of a unit
    st.integers(150, 250),  # price, half dollars
    st.integers(150, 250),  # stop price, half dollars
    st.sampled_from((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)),
    st.sampled_from(("", "a", "b")),
)
BAR = st.tuples(
    st.just("bar"),
    st.lists(st.integers(160, 240), min_size=4, max_size=4),
    st.integers(0, 300),
)
CANCEL = st.tuples(st.just("cancel"), st.integers(1, 12))
REPLACE = st.tuples(st.just("replace"), st.integers(1, 12), PLACE)
HALT = st.tuples(st.just("halt"), st.sampled_from(Trading))
STEPS = st.lists(st.one_of(PLACE, BAR, BAR, CANCEL, REPLACE, HALT), max_size=12)

RULES = st.builds(
    MatchingRules,
    policy=st.sampled_from(FillPolicy),
    commission=st.sampled_from(
        (
            MakerTakerCommission(Decimal(-1), Decimal(10)),
            # A venue takes no more for a sale than the sale brings: here each brings more.
            PerShareCommission(Decimal("0.05"), minimum=Decimal("0.5")),
        )
    ),
    slippage=st.just(BasisPointSlippage(Decimal(30))),
    volume_share=st.sampled_from((None, Decimal("0.5"))),
)


def request(step: tuple[object, ...]) -> OrderRequest:
    """Return the order that *step* describes: with a price or a stop only where it has one."""
    _, side, kind, units, price, stop, times, name = step
    assert isinstance(side, Side)
    assert isinstance(kind, Kind)
    assert isinstance(units, int)
    assert isinstance(price, int)
    assert isinstance(stop, int)
    assert isinstance(times, TimeInForce)
    assert isinstance(name, str)
    priced = kind is Kind.LIMIT_MAKER or kind.value.endswith("LIMIT")
    return OrderRequest(
        symbol=SYMBOL,
        side=side,
        kind=kind,
        quantity=Decimal(units) / 100,
        price=Decimal(price) / 2 if priced else None,
        stop_price=Decimal(stop) / 2 if kind.value.startswith(("STOP", "TAKE")) else None,
        time_in_force=times if priced and kind is not Kind.LIMIT_MAKER else TimeInForce.GTC,
        client_id=name,
    )


class Session:
    """A venue that is driven by steps; it remembers what was answered and reported."""

    def __init__(self, rules: MatchingRules, fee_in: FeeIn) -> None:
        self.rules = rules
        self.venue = PracticeVenue([ELM], {"main": MONEY}, rules, fee_in=fee_in)
        self.time = START
        self.said: list[object] = []
        self.venue.subscribe(self.said.append)

    def reload(self) -> None:
        """Go on with what the venue wrote down."""
        self.venue = PracticeVenue.load(self.venue.dump(), self.rules)
        self.venue.subscribe(self.said.append)

    def do(self, step: tuple[object, ...]) -> None:
        """Take one step; a refusal is an answer as well."""
        try:
            self.said.append(self._do(step))
        except RefusalError as refusal:
            self.said.append((refusal.code, refusal.message))

    def _do(self, step: tuple[object, ...]) -> object:
        venue, now = self.venue, self.time
        if step[0] == "place":
            return venue.place("main", request(step), now)
        if step[0] == "cancel":
            assert isinstance(step[1], int)
            return venue.cancel("main", SYMBOL, now, order_id=step[1])
        if step[0] == "replace":
            assert isinstance(step[1], int)
            assert isinstance(step[2], tuple)
            return venue.cancel_replace("main", request(step[2]), now, order_id=step[1])
        if step[0] == "halt":
            assert isinstance(step[1], Trading)
            venue.set_trading(SYMBOL, step[1], now)
        else:
            self._show(step)
        return None

    def _show(self, step: tuple[object, ...]) -> None:
        """Show a bar with these prices."""
        halves, volume = step[1], step[2]
        assert isinstance(halves, list)
        assert isinstance(volume, int)
        first, second, third, fourth = (Decimal(each) / 2 for each in halves)
        high, low = max(first, second, third, fourth), min(first, second, third, fourth)
        begin, self.time = self.time, self.time + MINUTE
        units = Decimal(volume) / 100
        self.venue.on_bar(Bar(SYMBOL, begin, self.time, first, high, low, fourth, units))

    def trades(self) -> list[Report]:
        """Return the trades that were reported."""
        return [each for each in self.said if isinstance(each, Report) and each.trade is not None]


@given(rules=RULES, fee_in=st.sampled_from(FeeIn), steps=STEPS)
def test_money_is_conserved_to_the_last_digit(
    rules: MatchingRules, fee_in: FeeIn, steps: list[tuple[object, ...]]
) -> None:
    """Only trades move money, as reported; none is negative; what is locked is open orders'."""
    session = Session(rules, fee_in)
    for step in steps:
        session.do(step)
        balances = session.venue.balances("main")
        assert all(each.free >= ZERO and each.locked >= ZERO for each in balances.values())
    expected = dict(MONEY)
    for report in session.trades():
        trade = report.trade
        assert trade is not None
        buys = trade.side is Side.BUY
        sign = Decimal(1 if buys else -1)
        expected["ELM"] = add(expected["ELM"], sign * trade.quantity)
        expected["USDT"] = subtract(expected["USDT"], sign * trade.value)
        expected[trade.fee_asset] = subtract(expected[trade.fee_asset], trade.fee)
    balances = session.venue.balances("main")
    assert {asset: each.total for asset, each in balances.items()} == expected
    held = {"USDT": ZERO, "ELM": ZERO}
    for order in session.venue.accounts["main"].orders.values():
        assert order.is_open or not order.locked
        held[order.lock_asset] = add(held[order.lock_asset], order.locked)
    assert {asset: each.locked for asset, each in balances.items()} == held


@given(rules=RULES, fee_in=st.sampled_from(FeeIn), before=STEPS, after=STEPS)
def test_a_venue_that_was_written_down_goes_on_as_if_nothing_had_been(
    rules: MatchingRules,
    fee_in: FeeIn,
    before: list[tuple[object, ...]],
    after: list[tuple[object, ...]],
) -> None:
    """A reloaded venue says the same about itself, and the same to all that follows."""
    # What was taken from the last bar at its close is not part of the state: see load().
    if rules.policy is FillPolicy.SAME_CLOSE:
        rules = MatchingRules(policy=rules.policy, commission=rules.commission)
    plain, reloaded = Session(rules, fee_in), Session(rules, fee_in)
    for step in before:
        plain.do(step)
        reloaded.do(step)
    reloaded.reload()
    assert reloaded.venue.dump() == plain.venue.dump()
    for step in after:
        plain.do(step)
        reloaded.do(step)
    assert reloaded.said == plain.said
    assert reloaded.venue.dump() == plain.venue.dump()


@given(
    rules=RULES,
    steps=st.lists(st.one_of(PLACE, BAR, BAR), max_size=12),
)
def test_the_venue_trades_exactly_as_the_simulated_broker(
    rules: MatchingRules, steps: list[tuple[object, ...]]
) -> None:
    """The orders that the venue takes get the same trades from a bare matcher, fee and time too."""
    rich = {"USDT": Decimal(10**9), "ELM": Decimal(10**6)}
    session = Session(rules, FeeIn.QUOTE)
    session.venue = PracticeVenue([ELM], {"main": rich}, rules)
    session.venue.subscribe(session.said.append)
    matcher = Matcher({SYMBOL: ELM}, rules, trade_ids=iter(map(str, count(1))))
    matcher.set_position(SYMBOL, rich["ELM"])
    events: list[VenueEvent] = []
    for step in steps:
        seen, now = session.venue.tapes[SYMBOL].last, session.time
        session.do(step)
        if step[0] == "bar":
            last = session.venue.tapes[SYMBOL].last
            assert last is not None
            events += matcher.on_bar(last)
        elif isinstance(record := session.said[-1], OrderRecord):
            taken = replace(record, filled=ZERO)
            events += matcher.submit([model_order(taken)], now, seen=seen)
    plain = [
        (each.fill.client_id, each.fill.price, each.fill.quantity, each.fill.fee, each.fill.time)
        for each in events
        if isinstance(each, OrderFilled)
    ]
    booked = [
        (str(trade.order_id), trade.price, trade.quantity, trade.fee, trade.time)
        for trade in session.venue.my_trades("main", SYMBOL, limit=10**6)
    ]
    assert booked == plain
