"""Accounts in several currencies: each trade is paid in the currency that its instrument quotes in.

Nothing is exchanged at a trade. What is bought in another currency is owed in it, and what is
earned in it stays there; all of it counts in the base currency at the rates of the moment, which
come with the data. Whoever wants to exchange trades the pair itself, as an instrument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rustybt.engine.account import Account
from rustybt.engine.errors import RateError
from rustybt.engine.tape import as_decimal
from rustybt.model.money import ONE, ZERO, add, multiply, subtract
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from rustybt.engine.tape import Integers
    from rustybt.model.instrument import Instrument

DAY: Final = 86_400_000_000  # microseconds


class Exchange:
    """What one unit of each other currency is worth in *base*, over time.

    *rates* has a frame for each: with ``timestamp`` and ``rate``, which is known from then on, or
    bars, whose ``close`` is known when they end (the shortest distance of two later, a day if there
    is one). Floats stand for their shortest text. Raise
    :class:`~rustybt.engine.errors.RateError` for frames that cannot be used.
    """

    def __init__(self, base: str, rates: Mapping[str, pl.DataFrame]) -> None:
        self.base = base
        if base in rates:
            raise RateError(
                f"there are rates of {base} into itself", expected="rates of other currencies"
            )
        self._known = {currency: _known(currency, frame) for currency, frame in rates.items()}

    def rate(self, currency: str, time: int) -> Decimal:
        """Return the last rate known at *time*, in microseconds since 1970; 1 for the base."""
        if currency == self.base:
            return ONE
        times, values = self._known[currency]
        number = int(np.searchsorted(times, time, side="right")) - 1
        if number < 0:
            raise self._unknown([f"{currency} at {instant(time)}"])
        return values[number]

    def rates(self, time: int) -> dict[str, Decimal]:
        """Return all rates known at *time*."""
        return {
            name: self.rate(name, time)
            for name, (times, _) in self._known.items()
            if times[0] <= time
        }

    def column(
        self, currency: str, times: Integers
    ) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Return the rates known at each of *times*, as floats."""
        known, values = self._known[currency]
        numbers = np.searchsorted(known, times, side="right") - 1
        return np.array(list(map(float, values)), dtype=np.float64)[numbers]

    def require(self, currencies: Iterable[str], first: int) -> None:
        """Raise unless all *currencies* have a rate by *first*, the end of the first bar."""
        lacking = []
        for currency in sorted({*currencies} - {self.base}):
            known = self._known.get(currency)
            if known is None:
                lacking.append(currency)
            elif known[0][0] > first:
                begins = instant(int(known[0][0]))
                lacking.append(
                    f"{currency} before {begins}; the first bar ends at {instant(first)}"
                )
        if lacking:
            raise self._unknown(lacking)

    def _unknown(self, what: Sequence[str]) -> RateError:
        """Return the error for rates that are not there."""
        return RateError(
            f"there is no rate into {self.base} of {', '.join(what)}",
            expected="rates for every currency that an instrument quotes in, from the first bar on",
            remedy="give rates={'EUR': bars of EUR in the account's currency}",
        )


def _known(currency: str, frame: pl.DataFrame) -> tuple[Integers, list[Decimal]]:
    """Return when each rate became known, and the rates."""
    column = next((name for name in ("rate", "close") if name in frame.columns), None)
    time = frame.schema.get("timestamp")
    if column is None or not isinstance(time, pl.Datetime | pl.Date):
        raise RateError(
            f"the rates of {currency} have the columns {', '.join(frame.columns)}",
            expected="timestamp (a Datetime in UTC, or a Date), and rate or close",
        )
    stamps = pl.col("timestamp")
    if isinstance(time, pl.Datetime) and time.time_zone is not None:
        stamps = stamps.dt.convert_time_zone("UTC")
    whole = frame.select(stamps.cast(pl.Datetime("us")).cast(pl.Int64), column).drop_nulls()
    if whole.schema[column].is_float():
        whole = whole.drop_nans()
    whole = whole.unique(maintain_order=True).sort("timestamp")
    times = whole["timestamp"].to_numpy()
    values = [as_decimal(value) for value in whole[column]]
    gaps = np.diff(times)
    if not values or min(values) <= ZERO or not bool((gaps > 0).all()):
        raise RateError(
            f"the rates of {currency} are none, not all above 0, or two of one time",
            expected="one rate above 0 for each time",
        )
    length = 0 if column == "rate" else int(gaps.min()) if gaps.size else DAY
    return times + length, values


class ForeignAccount(Account):
    """Books with cash in several currencies.

    *cash* is that of the base currency, *balances* are the others.
    """

    __slots__ = ("balances", "exchange")

    def __init__(
        self, cash: Decimal, instruments: Sequence[Instrument], exchange: Exchange
    ) -> None:
        super().__init__(cash, instruments)
        self.exchange = exchange
        self.balances = dict.fromkeys(
            (each.quote for each in instruments if each.quote != exchange.base), ZERO
        )

    def book(
        self,
        symbol: int,
        row: int,
        time: int,
        client_id: str,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
    ) -> None:
        """Book a trade of the signed *quantity*, paid in the currency of its instrument."""
        before = self.cash
        super().book(symbol, row, time, client_id, quantity, price, fee)
        currency = self.instruments[symbol].quote
        if currency != self.exchange.base:
            flow = subtract(self.cash, before)
            self.balances[currency] = add(self.balances[currency], flow)
            self.log.cash[-1] = self.cash = before

    def cash_at(self, time: int) -> Decimal:
        """Return all cash in the base currency, at the rates known at *time*."""
        result = self.cash
        for currency, balance in self.balances.items():
            if balance:
                result = add(result, multiply(balance, self.exchange.rate(currency, time)))
        return result

    def rate_of(self, index: int, time: int) -> Decimal:
        """Return what a unit of the currency of an instrument is worth at *time*."""
        return self.exchange.rate(self.instruments[index].quote, time)
