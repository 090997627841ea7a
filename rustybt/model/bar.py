"""Market data: bars and quotes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.model.money import add, divide, subtract


class Bar(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What was traded in one instrument from *start* until just before *end*.

    Prices are in quote currency, volume in units of the instrument. A bar is known only once
    *end* has passed; a partial candle is not a bar. Prices may be zero or negative: some futures
    have been. Raise :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    symbol: str
    start: datetime
    end: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    def __post_init__(self) -> None:
        problems = Problems()
        problems.text("symbol", self.symbol)
        start_fine = problems.time("start", self.start)
        end_fine = problems.time("end", self.end)
        if start_fine and end_fine and self.start >= self.end:
            problems.append(f"start {self.start} is not before end {self.end}")
        prices_fine = [
            problems.number("open", self.open),
            problems.number("high", self.high),
            problems.number("low", self.low),
            problems.number("close", self.close),
        ]
        if all(prices_fine):
            self._check_prices(problems)
        problems.not_negative("volume", self.volume)
        problems.refuse("bar of", self.symbol)

    def _check_prices(self, problems: Problems) -> None:
        """Require that high and low enclose open and close."""
        if self.low > self.high:
            problems.append(f"low {self.low} is above high {self.high}")
        for name, price in (("open", self.open), ("close", self.close)):
            if not self.low <= price <= self.high:
                problems.append(f"{name} {price} is outside low {self.low} to high {self.high}")


class Quote(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The best bid and offer at one instant, with the units on offer at each.

    A locked market (bid equal to ask) is a quote, a crossed one is not. Raise
    :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    symbol: str
    time: datetime
    bid: Decimal
    ask: Decimal
    bid_size: Decimal
    ask_size: Decimal

    def __post_init__(self) -> None:
        problems = Problems()
        problems.text("symbol", self.symbol)
        problems.time("time", self.time)
        bid_fine = problems.number("bid", self.bid)
        ask_fine = problems.number("ask", self.ask)
        if bid_fine and ask_fine and self.bid > self.ask:
            problems.append(f"bid {self.bid} is above ask {self.ask}")
        problems.not_negative("bid_size", self.bid_size)
        problems.not_negative("ask_size", self.ask_size)
        problems.refuse("quote of", self.symbol)

    @property
    def middle(self) -> Decimal:
        """The price halfway between bid and ask."""
        return divide(add(self.bid, self.ask), 2)

    @property
    def spread(self) -> Decimal:
        """The price difference between ask and bid, in quote currency."""
        return subtract(self.ask, self.bid)
