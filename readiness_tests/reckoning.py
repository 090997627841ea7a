"""What positions and accounts come to, worked out in fractions: the other side of the comparison.

Nothing here is taken from the engine, neither code nor formulas: a fraction never rounds, each lot
is a quantity and a price, and what a closed part earned is its quantity times the difference of two
prices. It is slow, which does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Any

DIGITS = 40
"""Digits that a quotient of the engine has; a number that fits must agree in every one of them."""
NEARLY = Fraction(1, 10**30)
"""How far a figure may be off once a quotient before it had more digits than that."""
COLUMNS = ("time", "open", "high", "low", "close", "volume")
POINT = Fraction(1, 10_000)


@dataclass
class Holding:
    """One instrument: lots of signed quantity and price, oldest first; *merged* into one or not.

    *realised* is what was earned by closing, before fees. *exact* tells whether every cost since
    the position was last flat can be written as a decimal of :data:`DIGITS` digits.
    """

    merged: bool = True
    lots: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    realised: Fraction = Fraction(0)
    exact: bool = True

    @property
    def quantity(self) -> Fraction:
        """Return the units held, negative when short."""
        return sum((quantity for quantity, _ in self.lots), Fraction(0))

    @property
    def cost(self) -> Fraction:
        """Return what the units held cost, negative when short."""
        return sum((quantity * price for quantity, price in self.lots), Fraction(0))

    @property
    def average(self) -> Fraction | None:
        """Return the average price of the units held, None when flat."""
        return self.cost / self.quantity if self.lots else None

    def trade(self, quantity: Fraction, price: Fraction) -> None:
        """Close what goes the other way, oldest first, and open a lot with the rest."""
        while quantity and self.lots and (self.lots[0][0] > 0) != (quantity > 0):
            quantity = self._close(quantity, price)
        self.exact = self.exact or not self.lots
        if quantity:
            self.lots.append((quantity, price))
            if self.merged:
                held = self.quantity
                self.lots = [(held, self.cost / held)]
        self.exact = self.exact and is_short(self.cost)

    def _close(self, quantity: Fraction, price: Fraction) -> Fraction:
        """Close up to *quantity* of the oldest lot and return what is left of it."""
        held, paid = self.lots.pop(0)
        closed = min(abs(held), abs(quantity)) * (1 if held > 0 else -1)
        self.realised += closed * (price - paid)
        if held != closed:
            self.lots.insert(0, (held - closed, paid))
        return quantity + closed


def fraction(text: str | float | Decimal) -> Fraction:
    """Return the number that *text* says; a float is exactly what it is."""
    return Fraction(text)


def is_short(number: Fraction) -> bool:
    """Tell whether *number* is a decimal of at most :data:`DIGITS` digits."""
    return Fraction(nearest(number)) == number


def nearest(number: Fraction) -> Decimal:
    """Return the decimal of :data:`DIGITS` digits that is nearest to *number*."""
    context = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN)
    return context.divide(Decimal(number.numerator), Decimal(number.denominator))


@dataclass(frozen=True)
class Trading:
    """What is traded: *orders* by symbol and number of the bar after which each is given.

    Orders are signed quantities, filled at the next open. *commission* and *slippage* are basis
    points; the price moves against the order, and not out of the range of its bar.
    """

    orders: Mapping[str, Mapping[int, str]]
    cash: str
    commission: str = "0"
    slippage: str = "0"


class Account:
    """The account of whoever does that *trading* over *bars*: rows of time and prices, as text.

    *equity* is its worth at the close of each bar, *fills* are quantity, price and fee of each.
    """

    def __init__(self, bars: Mapping[str, Sequence[Sequence[str]]], trading: Trading) -> None:
        self.bars = bars
        self.trading = trading
        self.cash = self.start = fraction(trading.cash)
        self.fees = Fraction(0)
        self.holdings = {symbol: Holding() for symbol in sorted(bars)}
        self.fills: list[tuple[Fraction, Fraction, Fraction]] = []
        length = min(len(rows) for rows in bars.values())
        self.equity = [self._after(number) for number in range(length)]

    @property
    def realised(self) -> Fraction:
        """Return what was earned by closing, before fees."""
        return sum((holding.realised for holding in self.holdings.values()), Fraction(0))

    @property
    def cost(self) -> Fraction:
        """Return what the open positions cost."""
        return sum((holding.cost for holding in self.holdings.values()), Fraction(0))

    def _after(self, number: int) -> Fraction:
        """Trade at the open of bar *number* what was ordered before; return its closing equity."""
        for symbol in self.holdings:
            quantity = self.trading.orders.get(symbol, {}).get(number - 1)
            if quantity is not None:
                self._trade(symbol, number, fraction(quantity))
        return self.cash + sum(
            holding.quantity * self._price(symbol, number, "close")
            for symbol, holding in self.holdings.items()
        )

    def _trade(self, symbol: str, number: int, quantity: Fraction) -> None:
        """Pay for *quantity* at the open of bar *number*."""
        away = fraction(self.trading.slippage) * POINT * (1 if quantity > 0 else -1)
        opened, high, low = (self._price(symbol, number, c) for c in ("open", "high", "low"))
        price = max(low, min(high, opened * (1 + away)))
        fee = abs(quantity) * price * fraction(self.trading.commission) * POINT
        self.cash -= quantity * price + fee
        self.fees += fee
        self.holdings[symbol].trade(quantity, price)
        self.fills.append((quantity, price, fee))

    def _price(self, symbol: str, number: int, column: str) -> Fraction:
        return fraction(self.bars[symbol][number][COLUMNS.index(column)])


class Books:
    """Cash, positions and what came in beside trades, in fractions."""

    def __init__(self) -> None:
        self.holdings: dict[str, Holding] = {}
        self.sums = dict.fromkeys(("cash", "fees", "income", "charges"), Fraction(0))

    def take(self, step: Mapping[str, Any]) -> None:
        """Book one step."""
        holding = self.holdings.setdefault(step.get("symbol", ""), Holding())
        if "deposit" in step:
            self.pay("cash", fraction(step["deposit"]), 0)
        elif "dividend" in step:
            self.pay("income", holding.quantity * fraction(step["dividend"]), 1)
        elif "charge" in step:
            self.pay("charges", fraction(step["charge"]), -1)
        elif "price" in step:
            quantity, price = fraction(step["quantity"]), fraction(step["price"])
            holding.trade(quantity, price)
            self.sums["cash"] -= quantity * price
            self.pay("fees", fraction(step["fee"]), -1)

    def pay(self, name: str, amount: Fraction, sign: int) -> None:
        """Count *amount* under *name*, and in cash with a *sign* of its own."""
        self.sums[name] += amount
        self.sums["cash"] += sign * amount

    def figures(self, step: Mapping[str, Any]) -> dict[str, Fraction]:
        """Return what there is to see after *step*."""
        if "prices" not in step:
            return {"cash": self.sums["cash"]}
        open_ones = {symbol: h for symbol, h in self.holdings.items() if h.lots}
        worth = {s: h.quantity * fraction(step["prices"][s]) for s, h in open_ones.items()}
        total = sum(worth.values(), Fraction(0))
        short = sum((value for value in worth.values() if value < 0), Fraction(0))
        realised = sum((h.realised for h in self.holdings.values()), Fraction(0))
        cost = sum((h.cost for h in open_ones.values()), Fraction(0))
        equity = self.sums["cash"] + total
        return self.sums | {
            "equity": equity,
            "quick_equity": equity,
            "realised": realised,
            "unrealised": total - cost,
            "long": total - short,
            "short": short,
        }


@dataclass
class Comparison:
    """Figures of the engine against figures worked out here.

    *first* names the first that differs, with both values; *largest* is the largest difference;
    *figures* counts them all.
    """

    figures: int = 0
    first: str = "none"
    largest: Fraction = Fraction(0)

    def hold(
        self,
        name: str,
        observed: str | float | None,
        expected: Fraction | None,
        slack: Fraction = Fraction(0),
    ) -> None:
        """Count one figure; it differs if it is further than *slack* from what was expected."""
        self.figures += 1
        if observed is None or expected is None:
            gap = Fraction(0) if observed is None and expected is None else Fraction(1)
        else:
            gap = abs(fraction(observed) - expected)
        if gap <= slack:
            return
        if self.first == "none":
            shown = None if expected is None else nearest(expected)
            self.first = f"{name}: expected {shown}, observed {observed}"
        self.largest = max(self.largest, gap)

    @property
    def difference(self) -> str:
        """Return the largest difference in words that a threshold understands."""
        return str(nearest(self.largest))
