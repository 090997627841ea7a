"""The balances of one account: what is free and what orders hold back, exact and never negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.exchange.errors import ExchangeError, RefusalError
from rustybt.exchange.records import Balance
from rustybt.model.money import ZERO, add, subtract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class Wallet:
    """Free and locked amounts by asset."""

    def __init__(self, balances: Mapping[str, Balance]) -> None:
        self._balances = dict(balances)

    def __getitem__(self, asset: str) -> Balance:
        return self._balances.get(asset, Balance())

    def all(self) -> dict[str, Balance]:
        """Return the balance of every asset that the account ever had, by name."""
        return dict(sorted(self._balances.items()))

    def lock(self, asset: str, amount: Decimal) -> None:
        """Hold back *amount*; raise :class:`RefusalError` (-2010) if less is free."""
        balance = self[asset]
        if amount > balance.free:
            raise RefusalError(-2010, "Account has insufficient balance for requested action.")
        self._put(asset, subtract(balance.free, amount), add(balance.locked, amount))

    def release(self, asset: str, amount: Decimal) -> None:
        """Free *amount* of what is held back."""
        balance = self[asset]
        self._put(asset, add(balance.free, amount), subtract(balance.locked, amount))

    def credit(self, asset: str, amount: Decimal) -> None:
        """Add *amount*, negative to take it away, to what is free."""
        balance = self[asset]
        self._put(asset, add(balance.free, amount), balance.locked)

    def spend(self, asset: str, amount: Decimal, held: Decimal) -> None:
        """Pay *amount*: from the *held* part of what is locked, the rest from what is free."""
        balance = self[asset]
        from_lock = min(amount, held)
        rest = subtract(amount, from_lock)
        self._put(asset, subtract(balance.free, rest), subtract(balance.locked, from_lock))

    def _put(self, asset: str, free: Decimal, locked: Decimal) -> None:
        """Store a balance; one below zero would be a defect of the exchange."""
        if free < ZERO or locked < ZERO:
            raise ExchangeError(
                f"the balance of {asset} would be {free} free, {locked} locked",
                expected="no amount below 0",
            )
        self._balances[asset] = Balance(free, locked)
