"""A strategy that decides by chance, so that it does what nobody thought of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rustybt.model.money import Rounding, multiply, to_step
from rustybt.strategy import Strategy

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from rustybt.model.fill import Fill

_CENT = Decimal("0.01")
_UNITS = tuple(Decimal(each) for each in ("0.01", "0.05", "0.1", "0.25"))
_NEAR = tuple(Decimal(each) for each in ("0.99", "0.998", "1", "1.002", "1.01"))


class RandomStrategy(Strategy):
    """Orders, cancels and closes on bars as *chance* has it; counts what it saw in its state."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def on_bar(self, bar: Any) -> None:
        """Do one thing or nothing."""
        self.state["bars"] = int(self.state.get("bars", 0)) + 1
        wishes: tuple[Callable[[str], object] | None, ...] = (
            None,
            self._market,
            self._limit,
            self._limit,
            self._cancel,
            self._close,
            self._bracket,
        )
        wish = self._chance.choice(wishes)
        if wish is not None:
            wish(bar.symbol)

    def on_fill(self, fill: Fill) -> None:
        """Count it, by symbol."""
        self.state[fill.symbol] = int(self.state.get(fill.symbol, 0)) + 1

    def _price(self, symbol: str, factor: Decimal) -> Decimal:
        """Return a price near the market's."""
        return to_step(multiply(self.price(symbol) or _CENT, factor), _CENT, Rounding.NEAREST)

    def _size(self, symbol: str) -> Decimal:
        """Return units to buy, or below zero to sell of what is held."""
        units = self._chance.choice(_UNITS)
        held = self.position(symbol)
        return -min(units, held) if held > 0 and self._chance.random() < 0.4 else units

    def _market(self, symbol: str) -> None:
        """Order at the market."""
        self.order(symbol, self._size(symbol))

    def _limit(self, symbol: str) -> None:
        """Order at a limit that may be reached now, later or never."""
        self.order(
            symbol, self._size(symbol), limit=self._price(symbol, self._chance.choice(_NEAR))
        )

    def _cancel(self, symbol: str) -> None:
        """Cancel an open order."""
        orders = self.open_orders(symbol)
        if orders:
            self.cancel(self._chance.choice(orders))

    def _close(self, symbol: str) -> None:
        """Go flat."""
        self.close_position(symbol)

    def _bracket(self, symbol: str) -> None:
        """Buy with two exits that wait."""
        self.bracket(
            symbol,
            self._chance.choice(_UNITS),
            take_profit=self._price(symbol, Decimal("1.006")),
            stop_loss=self._price(symbol, Decimal("0.994")),
        )
