"""Results: statistics, tables, charts, and what is worked out late."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.cli import run as run_cli
from rustybt.engine import Backtest, Result
from rustybt.engine.bar_files import read_bars
from rustybt.engine.charts import line_chart, monthly_returns, thinned
from rustybt.engine.curve import periods_per_year
from rustybt.engine.errors import BarDataError
from rustybt.engine.frames import DECIMAL, exact_series
from rustybt.engine.lookahead import find_lookahead
from rustybt.risk import RiskLimits
from rustybt.strategy import Strategy, StrategyBar

START = datetime(2024, 1, 1, tzinfo=UTC)


def bars(count: int, step: timedelta = timedelta(hours=1), price: float = 100.0) -> pl.DataFrame:
    columns = dict.fromkeys(("open", "high", "low", "close"), [price] * count)
    times = [START + step * number for number in range(count)]
    return pl.DataFrame({"timestamp": times, **columns, "volume": [1.0] * count})


class Alternate(Strategy):
    """In and out, a unit at a time."""

    def on_bar(self, bar: StrategyBar) -> None:
        self.order_target(bar.symbol, bar.row % 2)


def result(count: int = 2500) -> Result:
    return Backtest(Alternate, {"X": bars(count)}).run()


def test_long_runs_fit_on_a_page(tmp_path: Path) -> None:
    """Thousands of points and trades make a small file; the table says how many it leaves out."""
    found = result()
    page = found.to_html(tmp_path / "sheet.html")

    assert page.stat().st_size < 200_000
    assert "The last 200 of 1249 round trips" in page.read_text()
    assert 'class="buy"' not in page.read_text()


def test_thinning_keeps_ends_and_extremes() -> None:
    """Of many points the first, the last, the least and the greatest stay."""
    times = np.arange(10_000, dtype=np.int64)
    values = np.sin(times / 50.0)
    values[7777], values[3333] = 9.0, -9.0
    kept_times, kept = thinned(times, values)

    assert kept.size <= 2 * 900 + 2
    assert (kept_times[0], kept_times[-1]) == (0, 9999)
    assert (kept.max(), kept.min()) == (9.0, -9.0)


def test_a_flat_line_is_still_a_chart() -> None:
    """Equal values, one point alone and small numbers draw without a division by zero."""
    one = np.array([5], dtype=np.int64)
    assert "<polyline" in line_chart(one, np.array([0.0]), title="Flat")
    assert "nan" not in line_chart(one, np.array([1e-6]), title="Small")


def test_months_compound() -> None:
    """Returns of a month are multiplied; months without bars are empty."""
    days = ["2023-12-30", "2023-12-31", "2024-02-01"]
    times = np.array(days, dtype="datetime64[us]").astype(np.int64)
    table = monthly_returns(times, np.array([0.1, 0.1, -0.5]))

    assert [row.year for row in table] == [2023, 2024]
    assert table[0].returns[11] == pytest.approx(0.21)
    assert table[1].returns[:3] == (None, -0.5, None)
    assert table[1].total == -0.5
    assert monthly_returns(times[:0], np.array([])) == []


@pytest.mark.parametrize(
    ("step", "count", "expected"),
    [
        (timedelta(days=1), 30, 365),
        (timedelta(days=7), 60, 52),
        (timedelta(days=30), 30, 12),
        (timedelta(hours=1), 240, 365 * 24),
        (timedelta(days=1), 1, 252),
        (timedelta(days=1), 5, 252),
    ],
)
def test_how_many_bars_make_a_year(step: timedelta, count: int, expected: float) -> None:
    """From the distance of the bars, and whether any fall on a weekend."""
    times = bars(count, step)["timestamp"].cast(pl.Int64).to_numpy()
    assert periods_per_year(times) == expected


def test_numbers_that_do_not_fit_a_column_become_text() -> None:
    """38 digits with 18 decimals, or all digits as text: never fewer."""
    long = Decimal("0.1234567890123456789")
    assert exact_series("x", [Decimal("1.5"), None]).dtype == DECIMAL
    assert exact_series("x", [long, None, Decimal("2.50")]).to_list() == [str(long), None, "2.5"]
    assert exact_series("x", [Decimal("1e21")]).to_list() == ["1" + "0" * 21]


def test_the_day_starts_with_what_was_held() -> None:
    """A daily loss is counted from the value of the positions at midnight."""
    rows = bars(60)
    late = pl.col("timestamp") >= START + timedelta(hours=30)
    prices = pl.col("open", "high", "low", "close")
    falling = rows.with_columns(pl.when(late).then(prices * 0.5).otherwise(prices))

    class Hold(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row in (2, 20, 40):
                self.buy(bar.symbol, 500)

    limits = RiskLimits(max_daily_loss=Decimal("0.2"))
    found = Backtest(Hold, {"X": falling}, limits=limits).run()

    assert [fill.quantity for fill in found.fills] == [500, 500]
    assert "max_daily_loss" in found.refusals[0].reason


def test_lookahead_in_one_frame_and_over_late_symbols() -> None:
    """Frames with a column of symbols, lazy ones and symbols that start late can be checked."""
    late = bars(20).with_columns(pl.col("timestamp") + timedelta(hours=10), symbol=pl.lit("B"))
    both = pl.concat([bars(30).with_columns(symbol=pl.lit("A")), late])

    class Rows(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            if bar.time.hour % 5 == 0:
                self.buy(bar.symbol, 1, limit="99")

    class Column(Strategy):
        def signals(self) -> pl.Expr:
            return pl.col("close") - pl.col("close").shift(1) + pl.col("volume").cum_sum()

    for kind in (Rows, Column):
        report = find_lookahead(kind, both.lazy(), cuts=5)
        assert report.is_clean
        assert "the same as on all of the data" in report.conclusion
    assert find_lookahead(Column, bars(30)).prefixes == 29


def test_numbers_with_many_digits_stay_text(tmp_path: Path) -> None:
    """A CSV with more digits than a float keeps them; unreadable times in Parquet name the row."""
    path = tmp_path / "long.csv"
    row = "2024-01-01 10:00" + ",1.2345678901234567" * 4 + ",5"
    path.write_text(f"Time,Open,High,Low,Close,Volume\n{row}\n{row.replace('10:', '11:')}\n")
    found = Backtest(Alternate, read_bars(path)).run()
    assert found.final_equity == 100000
    assert str(read_bars(path)["open"][0]) == "1.2345678901234567"

    bad = tmp_path / "bad.parquet"
    bars(2).with_columns(timestamp=pl.lit("soon")).write_parquet(bad)
    with pytest.raises(BarDataError, match="row 1: 'soon' is no time"):
        read_bars(bad)


def test_the_command_refuses_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parameters without a value and one symbol for two files are wrong usage: exit code 2."""
    path = tmp_path / "x.csv"
    bars(5).write_csv(path)
    strategy = Path(__file__).parents[3] / "examples" / "momentum.py"
    common = ["backtest", "--strategy", str(strategy), "--data", str(path)]

    assert run_cli([*common, "--param", "fast"]) == 2
    assert run_cli([*common, "--data", str(path), "--symbol", "Y"]) == 2
    assert "not of the form name=value" in capsys.readouterr().err
    assert run_cli([*common, "--symbol", "Y", "--slippage-bps", "5"]) == 0


def test_fills_since_midnight_are_taken_back_to_find_its_equity() -> None:
    """An order of yesterday that fills today and loses counts against today's limit."""
    hour = pl.int_range(pl.len())
    price = pl.when(hour < 26).then(100.0).when(hour < 27).then(50.0).otherwise(20.0)
    falling = bars(40).with_columns(price.alias(name) for name in ("open", "high", "low", "close"))

    class Resting(Strategy):
        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 5:
                self.buy(bar.symbol, 500, limit="90")
            elif bar.row == 28:
                self.buy(bar.symbol, 1)

    for loss, refused in (("0.149", 1), ("0.151", 0)):
        limits = RiskLimits(max_daily_loss=Decimal(loss))
        found = Backtest(Resting, {"X": falling}, limits=limits).run()

        assert found.fills[0].price == 50
        assert len(found.refusals) == refused
