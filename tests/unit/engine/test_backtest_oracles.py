"""Real series with results that nobody here worked out, and an independent loop in 40 digits."""

from decimal import Decimal, localcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rustybt.engine import Backtest, Result
from rustybt.execution import BasisPointCommission
from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar
from rustybt.strategy import expressions as ex


class Callback(Strategy):
    """Ten units while the fast average is above the slow one, said bar by bar."""

    fast = 10
    slow = 20

    def on_start(self) -> None:
        self.averages = SMA(self.fast), SMA(self.slow)
        self.crossing = Crossing()

    def on_bar(self, bar: StrategyBar) -> None:
        fast, slow = (average.update(bar.close) for average in self.averages)
        crossed = self.crossing.update(fast, slow)
        if crossed > 0 and not self.position(bar.symbol):
            self.buy(bar.symbol, 10)
        elif crossed < 0 and self.position(bar.symbol):
            self.sell(bar.symbol, 10)


class Column(Strategy):
    """The same, said as a column."""

    fast = 10
    slow = 20

    def signals(self) -> pl.Expr:
        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=10)


PATHS: list[tuple[type[Strategy], dict[str, Any]]] = [
    (Callback, {}),
    (Callback, {"shortcut": False}),
    (Column, {}),
    (Column, {"path": "callback"}),
    (Column, {"shortcut": False}),
]


def bars_of(name: str) -> pl.DataFrame:
    """Load a series that the package backtesting ships."""
    raw = pl.read_csv(folder_of("backtesting") / "test" / f"{name}.csv", infer_schema=False)
    frame = raw.rename({column: column.lower() or "timestamp" for column in raw.columns})
    time = pl.col("timestamp").str.to_datetime(time_unit="us", strict=True)
    return frame.with_columns(time, pl.exclude("timestamp").cast(pl.Float64))


def sp500() -> pl.DataFrame:
    """Load the S&P 500 that the package arch ships; importing it would take seconds."""
    path = folder_of("arch") / "data" / "sp500" / "sp500.csv.gz"
    raw = pl.read_csv(path).rename(str.lower).rename({"date": "timestamp"})
    return raw.with_columns(
        pl.col("timestamp").str.to_date("%m/%d/%Y"), pl.col("volume").cast(pl.Float64)
    )


def msft() -> pl.DataFrame:
    """Load Microsoft's unadjusted days, which the package bokeh-sampledata ships."""
    path = folder_of("bokeh_sampledata") / "_data" / "stocks.csv.gz"
    raw = pl.read_csv(path).rename(str.lower).rename({"date": "timestamp"})
    return raw.filter(pl.col("ticker") == "MSFT").select(
        pl.col("timestamp").str.to_date("%Y-%m-%d"),
        pl.col("open", "high", "low", "close", "volume").cast(pl.Float64),
    )


OTHERS = {"SP500": sp500, "MSFT": msft}


def folder_of(package: str) -> Path:
    """Return where *package* is installed."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.mark.parametrize(("kind", "how"), PATHS)
def test_goog_to_the_last_digit(kind: type[Strategy], how: dict[str, Any]) -> None:
    """Every path reproduces what three engines and a decimal loop agree on."""
    data = {"GOOG": bars_of("GOOG")}
    result = Backtest(kind, data, commission=BasisPointCommission(Decimal(20)), **how).run()

    assert result.final_equity == Decimal("108608.0044")
    assert result.cash == Decimal("100546.1044")
    assert result.fees == Decimal("869.6956")
    assert result.positions == {"GOOG": Decimal(10)}
    assert len(result.fills) == 93
    first, last = result.fills[0], result.fills[-1]
    assert (first.time.date().isoformat(), first.price) == ("2004-12-06", Decimal("179.13"))
    assert (last.time.date().isoformat(), last.price) == ("2012-12-03", Decimal("702.24"))
    assert result.drawdown is not None
    assert result.drawdown.depth == pytest.approx(-0.01320295471414545, rel=1e-15)


@pytest.mark.parametrize(("kind", "how"), PATHS)
def test_goog_without_a_fee(kind: type[Strategy], how: dict[str, Any]) -> None:
    """Without a fee the same trades end at the figure that the other engines end at."""
    result = Backtest(kind, {"GOOG": bars_of("GOOG")}, **how).run()

    assert result.final_equity == Decimal("109477.70")
    assert result.fees == 0


def decimal_loop(frame: pl.DataFrame, fast: int, slow: int, points: int) -> tuple[Decimal, int]:
    """Trade ten units on average crossings in decimals alone; return final equity and fills.

    Written without looking at the engine: sums of text prices, no indicator, no tolerance.
    """
    with localcontext() as context:
        context.prec = 40
        closes = [Decimal(repr(price)) for price in frame["close"].to_list()]
        opens = [Decimal(repr(price)) for price in frame["open"].to_list()]
        cash, held, fills = Decimal(100000), 0, 0
        wanted = 0
        before = Decimal(0)
        for bar in range(len(closes)):
            if wanted != held:
                cash -= (wanted - held) * opens[bar]
                cash -= abs(wanted - held) * opens[bar] * points / 10000
                held, fills = wanted, fills + 1
            if bar + 1 < slow:
                continue
            # The difference of the means, without a division: signs are all that is asked for.
            quick = sum(closes[bar + 1 - fast : bar + 1]) * slow
            lazy = sum(closes[bar + 1 - slow : bar + 1]) * fast
            now = Decimal(quick - lazy)
            if bar + 1 > slow and before < 0 < now:
                wanted = 10
            elif bar + 1 > slow and before > 0 > now:
                wanted = 0
            before = now
        return cash + held * closes[-1], fills


@pytest.mark.parametrize("name", ["EURUSD", "BTCUSD", "SP500", "MSFT"])
@pytest.mark.parametrize(("fast", "slow"), [(5, 12), (20, 50)])
def test_other_series_against_a_decimal_loop(name: str, fast: int, slow: int) -> None:
    """On other data both paths agree with an independent 40-digit loop, to the last digit."""
    frame = OTHERS[name]() if name in OTHERS else bars_of(name)
    equity, fills = decimal_loop(frame, fast, slow, points=10)
    commission = BasisPointCommission(Decimal(10))
    for kind in (Callback, Column):
        result = Backtest(kind(fast=fast, slow=slow), {name: frame}, commission=commission).run()

        assert (result.final_equity, len(result.fills)) == (equity, fills)


def all_in(frame: pl.DataFrame, fast: int, slow: int) -> dict[object, int]:
    """Return what to hold after each crossing, by the time of its bar: all, long or short.

    Sizes are whole units for 99.99 % of the cash at the next open, which no strategy could know
    when it decides: backtesting.py sizes its orders when they are filled, so they are scripted.
    """
    opens = [Decimal(repr(price)) for price in frame["open"].to_list()]
    closes = [Decimal(repr(price)) for price in frame["close"].to_list()]
    times = frame["timestamp"].to_list()
    cash, held, before, targets = Decimal(10000), 0, Decimal(0), {}
    for bar in range(slow - 1, len(closes) - 1):
        quick = sum(closes[bar + 1 - fast : bar + 1]) * slow
        now = Decimal(quick - sum(closes[bar + 1 - slow : bar + 1]) * fast)
        if before * now < 0:
            price = opens[bar + 1]
            cash += held * price
            size = int(cash * Decimal("0.9999") // price)
            held = size if now > 0 else -size
            cash -= held * price
            targets[times[bar]] = held
        before = now
    return targets


class Scripted(Strategy):
    """Goes to the positions of a script."""

    script: dict[object, int]

    def on_bar(self, bar: StrategyBar) -> None:
        target = self.script.get(bar.time.replace(tzinfo=None))
        if target is not None:
            self.order_target(bar.symbol, target)


def test_what_backtesting_py_publishes() -> None:
    """All in, long and short, ends at the figures that backtesting.py has for SMA 10/30 on GOOG.

    Left open, the last trade is worth more by the last bar's rise: those figures rest on its being
    closed at the last open. Their Sharpe ratio is of another kind and not compared.
    """
    frame = bars_of("GOOG")

    class All(Scripted):
        script = all_in(frame, 10, 30) | {frame["timestamp"][-2]: 0}

    result = Backtest(All, {"GOOG": frame}, cash=Decimal(10000), path="callback").run()

    assert result.final_equity == Decimal("51422.99")
    assert len(result.trades) == 66
    assert result.positions == {}
    assert result.drawdown is not None
    assert result.drawdown.depth == pytest.approx(-0.4798012705007589, rel=1e-12)


def test_the_books_agree_with_the_ledger() -> None:
    """The light books of a run and the full ledger that its fills make say the same."""
    commission = BasisPointCommission(Decimal(20))
    result: Result = Backtest(Callback, {"GOOG": bars_of("GOOG")}, commission=commission).run()

    assert result.ledger.cash("USD") == result.cash
    assert result.ledger.position("GOOG").fees == result.fees
    assert (
        sum(trade.net for trade in result.trades)
        + result.ledger.position("GOOG").unrealised(Decimal("806.19"))
        - result.fills[-1].fee
        == result.profit
    )
