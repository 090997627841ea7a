"""What holds for any orders in any market, and the same market walked tick by tick."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rustybt.execution import (
    BasisPointCommission,
    BasisPointSlippage,
    Commission,
    FillPolicy,
    FixedSlippage,
    Matcher,
    MatchingRules,
    NoSlippage,
    OrderManager,
    PerShareCommission,
    RoundedCommission,
    Slippage,
    Traded,
    VenueEvent,
    VolumeShareSlippage,
)
from rustybt.execution.market import path
from rustybt.execution.working import ALWAYS
from rustybt.model import (
    Bar,
    Fill,
    Instrument,
    InstrumentKind,
    Liquidity,
    Order,
    OrderFilled,
    OrderState,
    OrderType,
    OrderUpdated,
    Side,
    TimeInForce,
    bracket,
    oco,
)
from rustybt.model.money import add, multiply, total

D = Decimal
seeds = st.integers(0, 2**40)
START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHARE = Instrument(
    symbol="X", base="X", quote="USD", tick=D("0.5"), lot=D(1), kind=InstrumentKind.EQUITY
)
SLIPPAGES: tuple[Slippage, ...] = (
    NoSlippage(),
    FixedSlippage(D("0.7")),
    BasisPointSlippage(D(90)),
    VolumeShareSlippage(),
)
COMMISSIONS: tuple[Commission, ...] = (
    RoundedCommission(PerShareCommission(D("0.017"), minimum=D("0.5"), maximum=D("0.01"))),
    BasisPointCommission(D(10)),
)
RESTING = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)


def decimal(random: Random, low: int, high: int) -> Decimal:
    """Return a whole number from *low* to *high*."""
    return D(random.randint(low, high))


def draw_rules(random: Random) -> MatchingRules:
    """Return rules of any kind that keep fills within their bar."""
    return MatchingRules(
        policy=random.choice(list(FillPolicy)),
        slippage=random.choice(SLIPPAGES),
        commission=random.choice(COMMISSIONS),
        volume_share=random.choice([None, D("0.1"), D("0.5"), D(1)]),
        touch_share=random.choice([None, D(0), D("0.3")]),
        latency_bars=random.choice([0, 0, 0, 1]),
        latency=random.choice([0, 0, 0, 1]) * HOUR,
    )


def draw_bar(random: Random, start: datetime, last: int) -> Bar:
    """Return a bar of an hour near the *last* price, in half ticks."""
    prices = sorted(last + random.randint(-6, 6) for _ in range(4))
    low, *inner, high = prices
    random.shuffle(inner)
    opened, closed = inner
    volume = decimal(random, 0, 60)
    half = [D(price) / 2 for price in (opened, high, low, closed)]
    return Bar("X", start, start + HOUR, *half, volume)  # type: ignore[call-arg]  # 4 prices


def draw_order(random: Random, client_id: str, now: datetime, last: int) -> Order:
    """Return an order of any type near the *last* price."""
    kind = random.choice(list(OrderType))
    fields: dict[str, Any] = {}
    if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} or (
        kind is OrderType.TAKE_PROFIT and random.random() < 0.5
    ):
        fields["price"] = D(last + random.randint(-8, 8)) / 2
    if kind in {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT}:
        fields["trigger"] = D(last + random.randint(-8, 8)) / 2
    if kind is OrderType.TRAILING_STOP:
        fields["trail"] = decimal(random, 1, 8) / 2
    force = random.choice([*RESTING, TimeInForce.IOC, TimeInForce.FOK])
    if force is TimeInForce.GTD:
        fields["expires"] = now + random.randint(1, 9) * HOUR / 2
    if "price" in fields and force in RESTING:
        fields["post_only"] = random.random() < 0.2
    return Order(
        client_id=client_id,
        symbol="X",
        side=random.choice([Side.BUY, Side.SELL]),
        type=kind,
        quantity=decimal(random, 1, 20),
        created=now,
        time_in_force=force,
        reduce_only=random.random() < 0.2,
        **fields,
    )


class Told(NamedTuple):
    """An event, the bar it came in, its order after it and when that was last sent."""

    event: VenueEvent
    bar: Bar | None
    order: Order
    sent: datetime


class Made(NamedTuple):
    """A fill, the bar that it was made in, its order after it and when that was last sent."""

    fill: Fill
    bar: Bar
    order: Order
    sent: datetime


class Run:
    """A random session: orders, cancels and modifications between six bars."""

    def __init__(self, seed: int, *, show_every_bar: bool = False) -> None:
        random = Random(seed)  # noqa: S311 - a reproducible session, no secret
        self.rules = draw_rules(random)
        self.matcher = Matcher({"X": SHARE}, self.rules, session_end=lambda _, now: now + 3 * HOUR)
        self.orders = OrderManager()
        self.sent: dict[str, datetime] = {}
        self.groups: list[tuple[str, ...]] = []
        self.seen: list[Bar] = []
        self.events: list[Told] = []
        self.show_every_bar = show_every_bar
        self.now = START
        last = 200
        for step in range(6):
            for turn in range(random.randint(0, 2)):
                self._act(random, f"{step}-{turn}", last)
            bar = draw_bar(random, self.now, last)
            if show_every_bar:
                self.matcher.book("X").bounds = ALWAYS
            self._apply(self.matcher.on_bar(bar), bar)
            self.now = bar.end
            self.seen.append(bar)
            last = int(bar.close * 2)

    def _act(self, random: Random, name: str, last: int) -> None:
        """Do one thing that an owner of orders may do."""
        seen = self.seen[-1] if self.seen else None
        chance = random.random()
        at_work = [order for order in self.orders.open() if order.state not in {"submitted"}]
        if chance < 0.12 and at_work:
            self._cancel(random.choice(at_work))
        elif chance < 0.25 and at_work:
            self._modify(random, random.choice(at_work), last, seen)
        elif chance < 0.45:
            self._group(random, name, last, seen)
        else:
            self._submit([draw_order(random, name, self.now, last)], seen)

    def _submit(self, orders: list[Order], seen: Bar | None, group: Any = None) -> None:
        """Send orders."""
        for order in orders:
            self.orders.add(order)
            self.orders.move(order.client_id, OrderState.SUBMITTED)
            self.sent[order.client_id] = self.now
        self._apply(self.matcher.submit(orders, self.now, seen=seen, group=group), seen)

    def _group(self, random: Random, name: str, last: int, seen: Bar | None) -> None:
        """Send alternatives, or a bracket."""
        first = draw_order(random, f"{name}-0", self.now, last)
        if random.random() < 0.5:
            other = draw_order(random, f"{name}-1", self.now, last)
            group, orders = oco(f"g{name}", first, replace(other, side=first.side))
        else:
            entry = replace(first, reduce_only=False)
            common: dict[str, Any] = {
                "symbol": "X",
                "side": entry.side.opposite,
                "quantity": entry.quantity,
                "created": self.now,
                "reduce_only": True,
            }
            up, down = D(last + random.randint(1, 8)) / 2, D(last - random.randint(1, 8)) / 2
            profit, stop = (up, down) if entry.side is Side.BUY else (down, up)
            group, orders = bracket(
                f"g{name}",
                entry,
                take_profit=Order(
                    client_id=f"{name}-1", type=OrderType.LIMIT, price=profit, **common
                ),
                stop_loss=Order(client_id=f"{name}-2", type=OrderType.STOP, trigger=stop, **common),
            )
        self.groups.append(group.members)
        self._submit(list(orders), seen, group)

    def _cancel(self, order: Order) -> None:
        """Ask for the end of an order."""
        self.orders.move(order.client_id, OrderState.PENDING_CANCEL)
        self._apply(self.matcher.cancel(order.client_id, self.now), None)

    def _modify(self, random: Random, order: Order, last: int, seen: Bar | None) -> None:
        """Ask for another price, trigger and size."""
        if order.state in {"pending_cancel", "pending_replace"}:
            return
        terms: dict[str, Any] = {"quantity": order.filled + decimal(random, 1, 20)}
        for field in ("price", "trigger"):
            if getattr(order, field) is not None:
                terms[field] = D(last + random.randint(-8, 8)) / 2
        wanted = replace(order, **terms)
        self.orders.move(order.client_id, OrderState.PENDING_REPLACE)
        if not self.rules.delays:
            self.sent[order.client_id] = self.now
        self._apply(self.matcher.modify(wanted, self.now, seen=seen), seen)

    def _apply(self, events: list[VenueEvent], bar: Bar | None) -> None:
        """Book events on the orders: whatever the table forbids raises."""
        for event in events:
            order = self.orders.apply(event)
            sent = self.sent[order.client_id]
            self.events.append(Told(event, bar, order, sent))

    @property
    def fills(self) -> list[Made]:
        """All trades."""
        return [
            Made(told.event.fill, told.bar, told.order, told.sent)
            for told in self.events
            if isinstance(told.event, OrderFilled) and told.bar is not None
        ]


def check_place(fill: Fill, bar: Bar) -> None:
    """A fill is in its bar: in price, slippage included, and in time."""
    assert bar.low <= fill.price <= bar.high
    assert fill.time in {bar.start, bar.end}
    at_open = fill.time == bar.start
    assert not at_open or fill.price == bar.open or fill.liquidity is Liquidity.TAKER


def check_knowledge(rules: MatchingRules, fill: Fill, bar: Bar, sent: datetime) -> None:
    """Its bar began after the order came, or its close is the one the order was decided on."""
    at_close = rules.policy is FillPolicy.SAME_CLOSE and bar.end == sent == fill.time
    assert at_close or bar.start >= sent + rules.latency
    assert not (at_close and rules.delays)


def check_limit(fill: Fill, order: Order) -> None:
    """No buy is above its limit and no sale below; a post-only order never takes."""
    if order.price is not None:
        kept = fill.price <= order.price if order.side is Side.BUY else fill.price >= order.price
        assert kept
    assert not order.post_only or fill.liquidity is Liquidity.MAKER


@given(seeds)
def test_fills_are_in_their_bar_at_their_limit_and_not_too_large(seed: int) -> None:
    """No fill is outside its bar, sees the past, breaks a limit, its order's size or the share."""
    run = Run(seed)
    volumes: dict[datetime, Decimal] = {}
    for fill, bar, order, sent in run.fills:
        check_place(fill, bar)
        check_knowledge(run.rules, fill, bar, sent)
        check_limit(fill, order)
        assert order.filled <= order.quantity
        volumes[bar.end] = add(volumes.get(bar.end, D(0)), fill.quantity)
        share = run.rules.volume_share
        assert share is None or volumes[bar.end] <= multiply(bar.volume, share)


def check_fees(run: Run, order: Order) -> None:
    """However an order was filled, its fees are what the commission says about the whole of it."""
    notional = total(multiply(fill.price, fill.quantity) for fill in order.fills)
    whole = run.rules.commission.total(Traded(order.filled, notional))
    assert total(fill.fee for fill in order.fills) == whole


def check_time_in_force(order: Order) -> None:
    """All or nothing, at once or never, and nothing after the end."""
    if order.time_in_force is TimeInForce.FOK:
        assert order.filled in {D(0), order.quantity}
    if order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK} and order.fills:
        assert not order.is_open
        assert len(order.fills) == 1
    assert all(order.expires is None or fill.time <= order.expires for fill in order.fills)


def check_reducing(run: Run) -> None:
    """After a reduce-only fill the position is smaller and not on the other side."""
    position = D(0)
    for fill, _, order, _ in run.fills:
        before = position
        position = add(position, fill.signed_quantity)
        if order.reduce_only:
            assert abs(position) < abs(before)
            assert position == 0 or (position > 0) == (before > 0)
    assert run.matcher.position("X") == position


def check_groups(run: Run) -> None:
    """Of alternatives one trades; exits never exceed their entry."""
    for members in run.groups:
        orders = [run.orders[member] for member in members]
        if len(orders) == 3:
            entry, *exits = orders
            assert total(leg.filled for leg in exits) <= entry.filled
        else:
            assert sum(1 for order in orders if order.filled) <= 1


@given(seeds)
def test_orders_keep_their_word(seed: int) -> None:
    """Fees add up; time in force, reduce-only and groups hold; positions are the sum of fills."""
    run = Run(seed)
    for order in run.orders.orders():
        check_fees(run, order)
        check_time_in_force(order)
    check_reducing(run)
    check_groups(run)


def check_answers(run: Run) -> None:
    """Every order is accepted or rejected when it arrives, and its end is told once."""
    ends = [
        event.client_id
        for event, _, order, _ in run.events
        if isinstance(event, OrderUpdated) and not order.is_open
    ]
    assert len(ends) == len(set(ends))
    assert run.rules.delays or not run.orders.in_flight()
    assert {order.client_id for order in run.orders.open()} >= set(run.matcher.book("X").orders)


@given(seeds)
def test_a_bar_that_is_passed_over_would_have_changed_nothing(seed: int) -> None:
    """The bounds are right: showing every bar gives the very same events, in order of time."""
    quick, thorough = Run(seed), Run(seed, show_every_bar=True)
    assert [told.event for told in quick.events] == [told.event for told in thorough.events]
    times = [told.event.time for told in quick.events]
    assert times == sorted(times)
    trade_ids = [made.fill.trade_id for made in quick.fills]
    assert len(trade_ids) == len(set(trade_ids))
    check_answers(quick)


class Trade(NamedTuple):
    """A fill, to compare."""

    client_id: str
    step: int
    price: Decimal


class Ticker:
    """An order that looks at every tick: slow, simple, and written without the matcher."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.buy = order.side is Side.BUY
        self.awake = order.type in {OrderType.MARKET, OrderType.LIMIT}
        self.trigger = order.trigger
        self.done = False

    def triggers(self, price: Decimal) -> bool:
        """Tell whether *price* wakes it, moving a trailing trigger first."""
        if self.order.trail is not None:
            away = price + self.order.trail if self.buy else price - self.order.trail
            better = min if self.buy else max
            self.trigger = away if self.trigger is None else better(self.trigger, away)
        assert self.trigger is not None
        rising = self.buy != (self.order.type is OrderType.TAKE_PROFIT)
        return price >= self.trigger if rising else price <= self.trigger

    def trades(self, price: Decimal) -> bool:
        """Tell whether it trades at *price*."""
        if not self.awake:
            self.awake = self.triggers(price)
        limit = self.order.price
        if not self.awake:
            return False
        return limit is None or (price <= limit if self.buy else price >= limit)


def ticks(bar: Bar, policy: FillPolicy, tickers: list[Ticker], held: Any) -> list[Decimal]:
    """Return every tick after the open of *bar*."""
    sides = {ticker.order.side for ticker in tickers if not ticker.done}
    result, at = [], bar.open
    for target in path(bar, policy, held(), sides):
        step = SHARE.tick if target > at else -SHARE.tick
        while at != target:
            at += step
            result.append(at)
    return result


def by_ticks(rows: list[tuple[list[Order], Bar]], policy: FillPolicy) -> list[Trade]:
    """Return the trades of orders that see every tick, the oldest first."""
    tickers: list[Ticker] = []
    trades: list[Trade] = []

    def show(step: int, price: Decimal) -> None:
        for ticker in tickers:
            if not ticker.done and ticker.trades(price):
                ticker.done = True
                trades.append(Trade(ticker.order.client_id, step, price))

    def held() -> Decimal:
        sides = {ticker.order.client_id: ticker.order for ticker in tickers}
        signs = [1 if sides[trade.client_id].side is Side.BUY else -1 for trade in trades]
        quantities = [sides[trade.client_id].quantity for trade in trades]
        return sum((q * s for q, s in zip(quantities, signs, strict=True)), D(0))

    for step, (orders, bar) in enumerate(rows):
        tickers += [Ticker(order) for order in orders]
        show(step, bar.open)
        for price in ticks(bar, policy, tickers, held):
            show(step, price)
    return trades


def draw_rows(random: Random) -> list[tuple[list[Order], Bar]]:
    """Return six bars, each with the orders that come before it."""
    rows: list[tuple[list[Order], Bar]] = []
    now, last = START, 200
    for step in range(6):
        orders = [
            replace(
                draw_order(random, f"{step}-{turn}", now, last),
                time_in_force=TimeInForce.GTC,
                expires=None,
                post_only=False,
                reduce_only=False,
            )
            for turn in range(random.randint(0, 2))
        ]
        bar = draw_bar(random, now, last)
        rows.append((orders, bar))
        now, last = bar.end, int(bar.close * 2)
    return rows


@given(seeds)
def test_walking_a_bar_is_like_seeing_every_tick(seed: int) -> None:
    """The same orders trade in the same order at the same prices."""
    random = Random(seed)  # noqa: S311 - a reproducible market, no secret
    policy = random.choice([FillPolicy.NEXT_OPEN, FillPolicy.INTRABAR])
    rows = draw_rows(random)
    matcher = Matcher({"X": SHARE}, MatchingRules(policy=policy))
    trades: list[Trade] = []
    for step, (orders, bar) in enumerate(rows):
        matcher.submit(orders, bar.start)
        trades += [
            Trade(event.fill.client_id, step, event.fill.price)
            for event in matcher.on_bar(bar)
            if isinstance(event, OrderFilled)
        ]
    assert trades == by_ticks(rows, policy)
