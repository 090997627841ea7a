r"""Hold the strongest of many symbols in equal parts and bring them back in line every month.

    python -m rustybt backtest --strategy examples/rebalancer.py --data universe.parquet

Or over all series of a catalog, some of them in another currency:

    python -m rustybt backtest --strategy examples/rebalancer.py --catalog ~/.rustybt \
        --quote SAP=EUR --rates EUR=eurusd.csv
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rustybt.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.strategy import StrategyBar


class Rebalancer(Strategy):
    """The *held* symbols that rose most over the months before, *invested* of equity among them."""

    held = 20
    months = 6
    invested = 0.95

    def on_start(self) -> None:
        """Remember the closes at the ends of months."""
        self.month = 0
        self.closes: list[dict[str, float]] = []

    def on_bars(self, bars: Mapping[str, StrategyBar]) -> None:
        """Trade at the first bar of a month, on what is known by then."""
        month = next(iter(bars.values())).time.month
        if month == self.month:
            return
        self.month = month
        self.closes.append({symbol: bar.close for symbol, bar in bars.items()})
        if len(self.closes) > self.months:
            self.rebalance(self.closes.pop(0), self.closes[-1])

    def rebalance(self, then: dict[str, float], now: dict[str, float]) -> None:
        """Sell what is not wanted any more, then bring the rest to equal parts."""
        rises = {symbol: now[symbol] / then[symbol] for symbol in now if symbol in then}
        wanted = sorted(rises, key=lambda symbol: (-rises[symbol], symbol))[: self.held]
        for symbol in self.symbols:
            if symbol not in wanted and self.position(symbol):
                self.close_position(symbol)
        for symbol in wanted:
            self.order_target_percent(symbol, self.invested / self.held)
