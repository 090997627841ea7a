"""What is known of account and market at one place on the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.engine.currencies import ForeignAccount
from rustybt.model.money import add, divide, multiply
from rustybt.strategy.bar import StrategyBar
from rustybt.strategy.errors import StrategyError

if TYPE_CHECKING:
    from decimal import Decimal

    from rustybt.engine.account import Account
    from rustybt.engine.holding import Holding
    from rustybt.engine.tape import Tape
    from rustybt.model.instrument import Instrument


class View:
    """An *account* on a *tape*, as it stands after the last closed *bars*.

    *bars* go by index of their symbol; whoever walks the tape moves them, and says by *base* one
    that has just closed. *notes* are what whoever reads the result should know.
    """

    def __init__(self, tape: Tape, account: Account) -> None:
        self.tape = tape
        self.account = account
        self.bars = [StrategyBar(symbol) for symbol in tape.symbols]
        self.indices = {symbol: index for index, symbol in enumerate(tape.symbols)}
        self.base = self.bars[0]
        self.holding: Holding | None = None
        self.notes: list[str] = []
        self.foreign = account if isinstance(account, ForeignAccount) else None
        self._inside: int | None = None

    @property
    def now(self) -> int:
        """The time in microseconds since 1970: the end of the last bar, or within a slice."""
        if self._inside is not None:
            return self._inside
        return self.base.start + self.tape.bar_length

    @property
    def cash(self) -> Decimal:
        """What there is to pay with, in the account's currency."""
        if self.foreign is not None:
            return self.foreign.cash_at(self.now)
        return self.account.cash

    @property
    def equity(self) -> Decimal:
        """Cash and the value of all positions at the last closes."""
        account = self.account
        result = self.cash
        for index, units in enumerate(account.positions):
            if units:
                result = add(result, multiply(units, self.unit_value(index)))
        return result

    @property
    def currency(self) -> str:
        """The currency that the account is kept in."""
        if self.foreign is not None:
            return self.foreign.exchange.base
        return self.account.instruments[0].quote

    def rates(self) -> dict[str, Decimal]:
        """Return what other currencies are worth in the account's."""
        return {} if self.foreign is None else self.foreign.exchange.rates(self.now)

    def equity_in(self, symbol: str) -> Decimal:
        """Return the equity in the currency that *symbol* quotes in, to 40 digits."""
        if self.foreign is None:
            return self.equity
        return divide(self.equity, self.foreign.rate_of(self._index(symbol), self.now))

    def unit_value(self, index: int) -> Decimal:
        """Return what a unit is worth at the last close, in the account's currency."""
        value = multiply(self.last_price(index), self.account.multipliers[index])
        if self.foreign is None:
            return value
        return multiply(value, self.foreign.rate_of(index, self.now))

    def position(self, symbol: str) -> Decimal:
        """Return the units held, negative when short."""
        return self.account.positions[self._index(symbol)]

    def price(self, symbol: str) -> Decimal | None:
        """Return the last close; ``None`` before the first bar."""
        index = self._index(symbol)
        return None if self.row(index) < 0 else self.last_price(index)

    def instrument(self, symbol: str) -> Instrument:
        """Return what is traded under *symbol*."""
        return self.account.instruments[self._index(symbol)]

    # By index of the symbol

    def row(self, index: int) -> int:
        """Return the row of the last closed bar of a symbol, -1 before the first."""
        return self.bars[index].row

    def next_row(self, index: int) -> int:
        """Return the row of a symbol's next bar, -1 if there is none."""
        return self.tape.next_after(self.bars[index].row, index)

    def last_price(self, index: int) -> Decimal:
        """Return the last close of a symbol that has had one."""
        row = max(self.row(index), 0)
        if self.holding is not None:
            return self.holding.price(index, row)
        return self.tape.exact(row, "close")

    def _index(self, symbol: str) -> int:
        """Return the index of *symbol*."""
        try:
            return self.indices[symbol]
        except KeyError:
            names = self.tape.symbols
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" * (len(names) > 10))
            raise StrategyError(f"{symbol!r} is not in the data", expected=shown) from None
