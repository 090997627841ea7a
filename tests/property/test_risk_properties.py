"""An approved order keeps every limit, a denied one breaks the limit that is named.

The limits are worked out again in fractions, and how far a position could go by trying all
combinations of what may fill.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rustybt.model import Instrument, InstrumentKind, Order, OrderType, Side
from rustybt.risk import Denial, Limit, PortfolioSnapshot, RiskLimits, RiskManager

D = Decimal
seeds = st.integers(0, 2**40)
NOW = datetime(2024, 3, 1, tzinfo=UTC)


def instrument(symbol: str, quote: str, multiplier: int) -> Instrument:
    """Return a future."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote=quote,
        tick=D("0.01"),
        lot=D(1),
        kind=InstrumentKind.FUTURE,
        multiplier=D(multiplier),
    )


INSTRUMENTS = {
    each.symbol: each
    for each in (instrument("A", "USD", 1), instrument("B", "EUR", 1), instrument("C", "USD", 5))
}
RATES = {"USD": Fraction(1), "EUR": Fraction(5, 4)}
SYMBOLS = sorted(INSTRUMENTS)


class Account:
    """A random account, its limits and an order to review."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)  # noqa: S311 - a reproducible account, no secret
        self.random = random
        self.equity = D(random.randint(-100, 4000))
        self.start = D(random.randint(1, 4000))
        self.prices = {
            symbol: D(random.randint(-20, 300)) / 10 for symbol in SYMBOLS if random.random() < 0.95
        }
        self.positions = {
            symbol: D(random.randint(-60, 60)) for symbol in random.sample(SYMBOLS, 2)
        }
        self.at_work = [self.order(f"o{index}") for index in range(random.randint(0, 4))]
        self.order_ = self.order("new")
        self.limits = RiskLimits(**self.draw_limits())

    def order(self, client_id: str) -> Order:
        """Return an order of one of the types that limits tell apart."""
        random = self.random
        symbol = random.choice(SYMBOLS)
        kind = random.choice([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT])
        near = int(self.prices.get(symbol, D(5)) * 10)
        fields: dict[str, Any] = {}
        if kind is not OrderType.MARKET:
            fields["price"] = D(near + random.randint(-40, 40)) / 10
        if kind is OrderType.STOP_LIMIT:
            fields["trigger"] = D(near + random.randint(-40, 40)) / 10
        return Order(
            client_id=client_id,
            symbol=symbol,
            side=random.choice(list(Side)),
            type=kind,
            quantity=D(random.randint(1, 60)),
            created=NOW,
            group=random.choice([None, None, "g", "h"]),
            reduce_only=random.random() < 0.15,
            **fields,
        )

    def draw_limits(self) -> dict[str, Any]:
        """Return some limits."""
        random = self.random
        drawn = {
            "max_position_size": D(random.randint(1, 100)) / 100,
            "max_order_notional": D(random.randint(10, 1500)),
            "max_daily_loss": D(random.randint(1, 90)) / 100,
            "max_leverage": D(random.randint(1, 300)) / 100,
            "max_open_positions": random.randint(1, 3),
            "price_collar": D(random.randint(1, 50)) / 100,
            "restricted": frozenset(random.sample(SYMBOLS, 1)),
        }
        kept = random.sample(sorted(drawn), random.randint(0, 3))
        return {name: drawn[name] for name in kept}

    def snapshot(self) -> PortfolioSnapshot:
        """Return what the manager is shown."""
        return PortfolioSnapshot(
            currency="USD",
            equity=self.equity,
            day_start_equity=self.start,
            instruments=INSTRUMENTS,
            positions=self.positions,
            prices=self.prices,
            orders=self.at_work,
            rates={"EUR": D("1.25")},
        )

    def review(self) -> Any:
        """Return the manager's answer."""
        return RiskManager(self.limits).review(self.order_, self.snapshot(), NOW)

    # The same again, the long way round.

    def reachable(self, symbol: str, orders: list[Order]) -> set[Fraction]:
        """Return every position that some of *orders* filled could lead to."""
        mine = [order for order in orders if order.symbol == symbol and not order.reduce_only]
        result = set()
        for chosen in product([False, True], repeat=len(mine)):
            filled = [order for order, fills in zip(mine, chosen, strict=True) if fills]
            groups = [(order.group, order.side) for order in filled if order.group is not None]
            if len(groups) == len(set(groups)):
                signed = (o.quantity if o.side is Side.BUY else -o.quantity for o in filled)
                result.add(Fraction(self.positions.get(symbol, D(0))) + sum(map(Fraction, signed)))
        return result

    def worth(self, symbol: str, price: Decimal | None) -> Fraction | None:
        """Return the value of one unit."""
        if price is None:
            return None
        known = INSTRUMENTS[symbol]
        return abs(Fraction(price)) * Fraction(known.multiplier) * RATES[known.quote]

    @property
    def all_orders(self) -> list[Order]:
        """The orders at work and the new one."""
        return [*self.at_work, self.order_]

    def gets_out(self) -> bool:
        """Tell whether the order can only reduce."""
        order = self.order_
        if order.reduce_only:
            return True
        same_side = [each for each in self.all_orders if each.side is order.side]
        ends = self.reachable(order.symbol, same_side)
        return min(ends) >= 0 if order.side is Side.SELL else max(ends) <= 0

    def broken(self) -> set[Limit]:
        """Return the limits that the order does not keep."""
        order, limits = self.order_, self.limits
        found = set()
        if order.symbol in limits.restricted:
            found.add(Limit.RESTRICTED)
        if self.off_collar():
            found.add(Limit.PRICE_COLLAR)
        if self.gets_out():
            return found
        return found | self.opening_broken()

    def off_collar(self) -> bool:
        """Tell whether the price is known to be too far away."""
        order, collar = self.order_, self.limits.price_collar
        reference = self.prices.get(order.symbol) if order.trigger is None else order.trigger
        if collar is None or order.price is None or reference is None:
            return False
        away = Fraction(order.price) - Fraction(reference)
        worse = away if order.side is Side.BUY else -away
        return worse > abs(Fraction(reference)) * Fraction(collar)

    def opening_broken(self) -> set[Limit]:
        """Return which of the limits on opening the order does not keep, where that is known."""
        broken = {
            Limit.MAX_ORDER_NOTIONAL: self.notional_broken(),
            Limit.MAX_DAILY_LOSS: self.loss_broken(),
            Limit.MAX_POSITION_SIZE: self.size_broken(),
            Limit.MAX_LEVERAGE: self.leverage_broken(),
            Limit.MAX_OPEN_POSITIONS: self.count_broken(),
        }
        return {limit for limit, is_broken in broken.items() if is_broken}

    def notional_broken(self) -> bool:
        """Tell whether the order is known to be worth too much."""
        order, most = self.order_, self.limits.max_order_notional
        price = order.price if order.price is not None else self.prices.get(order.symbol)
        unit = self.worth(order.symbol, price)
        if most is None or unit is None:
            return False
        return unit * Fraction(order.quantity) > Fraction(most)

    def loss_broken(self) -> bool:
        """Tell whether the day has lost too much."""
        most = self.limits.max_daily_loss
        lost = Fraction(self.start) - Fraction(self.equity)
        return most is not None and lost >= Fraction(self.start) * Fraction(most)

    def size_broken(self) -> bool:
        """Tell whether the position is known to become too large."""
        order, most = self.order_, self.limits.max_position_size
        unit = self.worth(order.symbol, self.prices.get(order.symbol))
        if most is None or unit is None:
            return False
        same_side = [each for each in self.all_orders if each.side is order.side]
        ends = self.reachable(order.symbol, same_side)
        end = max(ends) if order.side is Side.BUY else min(ends)
        return self.equity <= 0 or abs(end) * unit > Fraction(self.equity) * Fraction(most)

    def leverage_broken(self) -> bool:
        """Tell whether all positions together are known to become too large."""
        most, gross = self.limits.max_leverage, self.gross()
        if most is None or gross is None:
            return False
        return self.equity <= 0 or gross > Fraction(self.equity) * Fraction(most)

    def count_broken(self) -> bool:
        """Tell whether there would be too many positions."""
        most, symbol = self.limits.max_open_positions, self.order_.symbol
        before = {each for each in SYMBOLS if self.largest(each, self.at_work)}
        return most is not None and symbol not in before and len(before) + 1 > most

    def largest(self, symbol: str, orders: list[Order]) -> Fraction:
        """Return the largest position that *orders* could lead to, filled on one side or none."""
        ends = set()
        for side in Side:
            ends |= self.reachable(symbol, [each for each in orders if each.side is side])
        return max(abs(end) for end in ends)

    def gross(self) -> Fraction | None:
        """Return the value of all positions at their largest."""
        result = Fraction(0)
        for symbol in SYMBOLS:
            size = self.largest(symbol, self.all_orders)
            unit = self.worth(symbol, self.prices.get(symbol))
            if size and unit is None:
                return None
            result += size * (unit or 0)
        return result


@given(seeds)
def test_an_order_is_approved_exactly_if_it_keeps_every_limit(seed: int) -> None:
    """And the denial names one that it breaks, with a value on the wrong side of the threshold."""
    account = Account(seed)
    answer, broken = account.review(), account.broken()
    if not isinstance(answer, Denial):
        assert broken == set()
        return
    if answer.limit is Limit.KNOWN_VALUE:
        assert set(SYMBOLS) - set(account.prices)
        return
    assert answer.limit in broken
    check_figures(account, answer)


def check_figures(account: Account, denial: Denial) -> None:
    """Check that the denial's value breaks its threshold."""
    value, threshold = denial.value, denial.threshold
    if value is None or threshold is None:
        assert denial.limit is Limit.RESTRICTED or account.equity <= 0
        return
    if denial.limit is Limit.PRICE_COLLAR and account.order_.side is Side.SELL:
        assert value < threshold
    elif denial.limit is Limit.MAX_DAILY_LOSS:
        assert value >= threshold
    else:
        assert value > threshold


@given(seeds)
def test_a_batch_keeps_the_limits_as_a_whole(seed: int) -> None:
    """Orders reviewed one after the other never exceed together what one may."""
    account = Account(seed)
    account.limits = RiskLimits(max_leverage=D(2), max_position_size=D("1.5"), max_open_positions=2)
    account.at_work, account.positions = [], {}
    manager, snapshot = RiskManager(account.limits), account.snapshot()
    for index in range(8):
        order = account.order(f"b{index}")
        if not isinstance(manager.review(order, snapshot, NOW), Denial):
            account.at_work.append(order)
    account.order_ = account.order("last")
    sizes = {symbol: account.largest(symbol, account.at_work) for symbol in SYMBOLS}
    values = {
        s: size * (account.worth(s, account.prices[s]) or 0) for s, size in sizes.items() if size
    }
    assert len(values) <= 2
    assert sum(values.values(), Fraction(0)) <= max(Fraction(0), Fraction(account.equity) * 2)


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(1, 5), st.integers(1, 100))
def test_the_order_rate_is_kept(gaps: list[int], most: int, window: int) -> None:
    """No window of that length ever holds more approved orders; as many as may, do."""
    limits = RiskLimits(max_order_rate=most, rate_window=timedelta(seconds=window))
    manager = RiskManager(limits)
    order = Order(
        client_id="o",
        symbol="A",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=D(1),
        created=NOW,
    )
    approved: list[int] = []
    second = 0
    for gap in gaps:
        second += gap // 10
        snapshot = PortfolioSnapshot(
            currency="USD",
            equity=D(1),
            day_start_equity=D(1),
            instruments=INSTRUMENTS,
            positions={},
            prices={},
        )
        recent = [earlier for earlier in approved if earlier > second - window]
        answer = manager.review(order, snapshot, NOW + timedelta(seconds=second))
        assert isinstance(answer, Denial) == (len(recent) >= most)
        if not isinstance(answer, Denial):
            approved.append(second)
