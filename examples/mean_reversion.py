"""Buy what has fallen too far and sell it when it is back at its mean, with a stop behind it.

python -m rustybt backtest --strategy examples/mean_reversion.py --data prices.csv
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.strategy import ATR, RSI, Bollinger, Strategy

if TYPE_CHECKING:
    from rustybt.model import Fill
    from rustybt.strategy import StrategyBar


class MeanReversion(Strategy):
    """Bollinger bands with the RSI as a filter; a trailing stop limits what a fall can cost."""

    period = 20
    width = 2.0
    oversold = 35.0
    share = 0.25
    stop_ranges = 3.0

    def on_start(self) -> None:
        """Keep the indicators of each symbol and count the stops in the state."""
        self.bands = {symbol: Bollinger(self.period, self.width) for symbol in self.symbols}
        self.strength = {symbol: RSI() for symbol in self.symbols}
        self.ranges = {symbol: ATR() for symbol in self.symbols}
        self.stops: dict[str, str] = {}
        self.state.setdefault("stopped", 0)

    def on_bar(self, bar: StrategyBar) -> None:
        """Enter below the lower band, leave at the middle."""
        symbol = bar.symbol
        band = self.bands[symbol].update(bar.close)
        strength = self.strength[symbol].update(bar.close)
        self.ranges[symbol].update(bar.high, bar.low, bar.close)
        if self.position(symbol):
            if bar.close >= band.middle:
                self.leave(symbol)
        elif bar.close < band.lower and strength < self.oversold and not self.open_orders(symbol):
            self.order_percent(symbol, self.share)

    def leave(self, symbol: str) -> None:
        """Sell everything and take the stop back."""
        stop = self.stops.pop(symbol, None)
        if stop is not None:
            self.cancel(stop)
        self.close_position(symbol)

    def on_fill(self, fill: Fill) -> None:
        """Put a trailing stop behind what was bought; note when one has gone off."""
        if fill.client_id == self.stops.get(fill.symbol):
            del self.stops[fill.symbol]
            self.state["stopped"] += 1
        elif self.position(fill.symbol) > 0:
            distance = f"{self.stop_ranges * self.ranges[fill.symbol].value:.2f}"
            self.stops[fill.symbol] = self.sell(
                fill.symbol, fill.quantity, trail=distance, reduce_only=True
            )
