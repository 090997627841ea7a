"""Sweeps in this process: every row is what a backtest of its own says."""

import json
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.accounting import performance
from rustybt.engine import Backtest, BarDataError
from rustybt.engine.errors import ActionError
from rustybt.engine.sweep import Sweep, SweepError, SweepResult, SweepStateError
from rustybt.engine.sweep.measure import ratios
from rustybt.engine.sweep.run import quickest
from rustybt.engine.sweep.state import State
from rustybt.engine.terms import HoldingCosts
from rustybt.execution import BasisPointCommission
from rustybt.model import Instrument
from rustybt.model.instrument import InstrumentKind
from rustybt.strategy import SMA, Crossing, Strategy, StrategyBar, StrategyLoadError
from rustybt.strategy import expressions as ex

TEN = BasisPointCommission(Decimal(10))


class Signals(Strategy):
    """A crossing of averages as a column."""

    fast = 3
    slow = 8
    units = 10

    def signals(self) -> pl.Expr:
        return ex.switch(ex.crossing(ex.sma(self.fast), ex.sma(self.slow)), on=self.units)


class Bars(Strategy):
    """The same, bar by bar, long and short."""

    fast = 3
    slow = 8

    def on_start(self) -> None:
        self.averages = {each: (SMA(self.fast), SMA(self.slow)) for each in self.symbols}
        self.crossings = {each: Crossing() for each in self.symbols}

    def on_bar(self, bar: StrategyBar) -> None:
        fast, slow = self.averages[bar.symbol]
        crossed = self.crossings[bar.symbol].update(fast.update(bar.close), slow.update(bar.close))
        if crossed:
            self.order_target(bar.symbol, 10 * crossed)


class Failing(Signals):
    """Fails for one value of its parameter."""

    def on_start(self) -> None:
        if self.fast == 4:
            raise ValueError("four is too many")


class Gambler(Strategy):
    """Buys more than there is money for."""

    units = 1

    def signals(self) -> pl.Expr:
        return pl.lit(self.units, pl.Float64) + pl.col("close") * 0


def walk(seed: int, count: int = 300, *, start: int = 0) -> pl.DataFrame:
    """Return daily bars of a random walk, the same for a seed."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    first = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=start)
    return pl.DataFrame(
        {
            "timestamp": [first + timedelta(days=day) for day in range(count)],
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": np.full(count, 10_000.0),
        }
    )


GRID = {"fast": "2:4", "slow": "3:9:3"}


@pytest.mark.parametrize("kind", [Signals, Bars])
@pytest.mark.parametrize("symbols", [1, 3])
@pytest.mark.parametrize("exact", [False, True])
def test_rows_are_those_of_single_backtests(
    kind: type[Strategy], symbols: int, exact: bool
) -> None:
    """Money, counts and ratios of each row are those of a backtest with its parameters."""
    data = {f"S{number}": walk(number, start=7 * number) for number in range(symbols)}
    if exact:
        prices = [pl.col(name).cast(pl.String) for name in ("open", "high", "low", "close")]
        data = {symbol: frame.with_columns(prices) for symbol, frame in data.items()}
    swept = Sweep(kind, data, GRID, where="fast < slow", processes=1, commission=TEN).run()

    assert swept.frame.height == 7
    for row in swept.frame.to_dicts():
        strategy = kind(fast=row["fast"], slow=row["slow"])
        alone = Backtest(strategy, data, commission=TEN).run()
        summary = alone.summary()
        assert Decimal(row["final_equity"]) == alone.final_equity
        assert Decimal(row["profit"]) == alone.profit
        assert Decimal(row["fees"]) == alone.fees
        assert (row["fills"], row["trades"]) == (len(alone.fills), len(alone.trades))
        assert row["error"] is None
        for name in ("total_return", "annual_return", "volatility", "sharpe_ratio"):
            assert row[name] == pytest.approx(summary[name], rel=1e-9, abs=1e-12), name
        for name in ("sortino_ratio", "calmar_ratio", "max_drawdown"):
            assert row[name] == pytest.approx(summary[name], rel=1e-9, abs=1e-12), name


def test_what_holding_costs_is_in_every_row() -> None:
    """Charges are no fills and no fees, and they are in the money, as in a backtest."""
    costs = HoldingCosts(borrow=Decimal("0.1"), funding=Decimal("0.05"))
    data = {"A": walk(1), "B": walk(2)}
    grid = {"fast": "2:3", "slow": "6:9:3"}
    swept = Sweep(Bars, data, grid, processes=1, commission=TEN, costs=costs).run()
    tested = Sweep(
        Bars, data, grid, processes=1, commission=TEN, costs=costs, walk_forward="200/100"
    ).run()

    for row in swept.frame.to_dicts():
        strategy = Bars(fast=row["fast"], slow=row["slow"])
        alone = Backtest(strategy, data, commission=TEN, costs=costs).run()
        assert Decimal(row["final_equity"]) == alone.final_equity
        assert Decimal(row["fees"]) == alone.fees
        assert (row["fills"], row["trades"]) == (len(alone.fills), len(alone.trades))
    (row,) = tested.window_frame.to_dicts()
    alone = Backtest(
        Bars(fast=row["fast"], slow=row["slow"]), data, commission=TEN, costs=costs
    ).run()
    later = [fill for fill in alone.fills if fill.time >= row["test_start"]]
    assert Decimal(row["fees"]) == sum(fill.fee for fill in later)
    assert row["fills"] == len(later)


def actions(*rows: tuple[str, int, str, str]) -> pl.DataFrame:
    """Return actions: symbol, day from the first bar on, kind, amount."""
    first = datetime(2020, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        [(symbol, first + timedelta(days=day), kind, amount) for symbol, day, kind, amount in rows],
        schema=["symbol", "timestamp", "kind", "amount"],
        orient="row",
    )


@pytest.mark.parametrize("kind", [Signals, Bars])
def test_dividends_and_splits_are_in_every_row(kind: type[Strategy]) -> None:
    """Actions and margins reach each run; a part of the bars takes those of its own."""
    data = {"A": walk(1), "B": walk(2)}
    table = actions(
        *(("A", day, "dividend", "0.75") for day in range(20, 300, 9)),
        *(("B", day, "split", ratio) for day, ratio in ((60, "2"), (150, "3:2"), (250, "0.1"))),
        ("A", 900, "dividend", "1"),
    )
    grid = {"fast": "2:3", "slow": "6:9:3"}
    half = Decimal("0.5")
    options = {"commission": TEN, "actions": table, "margin": "liquidate", "margins": (half, half)}
    swept = Sweep(kind, data, grid, processes=1, **options).run()  # type: ignore[arg-type]  # mixed
    tested = Sweep(kind, data, grid, processes=1, walk_forward="200/100", **options).run()  # type: ignore[arg-type]  # mixed

    assert swept.notes == ("A: 1 corporate actions after its last bar were left out",)
    plain = Sweep(kind, data, grid, processes=1, commission=TEN).run()
    assert set(swept.frame["final_equity"]).isdisjoint(plain.frame["final_equity"])
    for row in swept.frame.to_dicts():
        alone = Backtest(kind(fast=row["fast"], slow=row["slow"]), data, **options).run()  # type: ignore[arg-type]  # mixed
        assert alone.entries
        assert Decimal(row["final_equity"]) == alone.final_equity
        assert Decimal(row["fees"]) == alone.fees
        assert (row["fills"], row["trades"]) == (len(alone.fills), len(alone.trades))
    (row,) = tested.window_frame.to_dicts()
    alone = Backtest(kind(fast=row["fast"], slow=row["slow"]), data, **options).run()  # type: ignore[arg-type]  # mixed
    assert Decimal(row["final_equity"]) == alone.final_equity


def test_actions_that_are_none_are_refused_before_any_run() -> None:
    """What is wrong with a table is said once, not by every combination."""
    with pytest.raises(ActionError, match="kind 'gift'"):
        Sweep(Signals, walk(1), GRID, actions=actions(("ASSET", 5, "gift", "1")))


def test_a_sweep_says_what_is_best() -> None:
    """By the metric, and by the order of the grid among equals; undefined ones come last."""
    swept = Sweep(Signals, walk(1), {"fast": [2, 3, 400], "slow": 9}, processes=1).run()
    ratios = dict(zip(swept.frame["fast"], swept.frame["sharpe_ratio"], strict=True))

    assert ratios[400] is None
    assert swept.best == {"fast": max((2, 3), key=lambda fast: ratios[fast]), "slow": 9}
    assert [each.number for each in swept.ranked][-1] == 2
    assert Sweep(Signals, walk(1), {"fast": 400}, processes=1).run().best is None


def test_one_failure_is_a_row_and_no_end() -> None:
    """A combination whose strategy raises has an error that says where; the others have figures."""
    swept = Sweep(Failing, walk(1), {"fast": "3:5"}, processes=1).run()
    errors = swept.frame["error"].to_list()

    assert errors[0] is None
    assert errors[2] is None
    assert "Failing failed in on_start" in errors[1]
    assert "four is too many" in errors[1]
    assert [each.number for each in swept.failed] == [1]
    assert swept.frame["final_equity"].null_count() == 1
    assert swept.summary()["failed"] == 1


def test_a_defect_outside_of_the_strategy_is_a_row_as_well() -> None:
    """Whatever a run raises becomes its error."""
    made: dict[str, type] = {}
    source = "class Odd:\n    def total(self, traded): raise RuntimeError('no tariff')\n"
    exec(source, made)  # noqa: S102 - so that it is in no file of the strategy
    swept = Sweep(Signals, walk(1), {"fast": "3:4"}, processes=1, commission=made["Odd"]()).run()

    assert swept.frame["error"].to_list() == ["RuntimeError: no tariff"] * 2


def test_ruin_has_no_ratios() -> None:
    """An account that fell to nothing keeps its money and its counts, and has no statistics."""
    falling = walk(1, 40).with_columns(
        **{name: pl.Series(np.linspace(100, 10, 40)) for name in ("open", "high", "low", "close")}
    )
    swept = Sweep(Gambler, falling, {"units": [1, 5000]}, processes=1, cash="100000").run()
    safe, ruined = swept.frame.to_dicts()

    assert not safe["ruined"]
    assert safe["max_drawdown"] < 0
    assert ruined["ruined"]
    assert ruined["sharpe_ratio"] is ruined["total_return"] is None
    assert Decimal(ruined["final_equity"]) < 0
    assert swept.best == {"units": 1}


def test_what_cannot_be_run_is_refused_at_once(tmp_path: Path) -> None:
    """Bad options, data, metrics, windows and files are errors before anything runs."""
    from rustybt.engine import BacktestError

    with pytest.raises(BacktestError, match="initial cash of 0"):
        Sweep(Signals, walk(1), GRID, cash="0")
    with pytest.raises(BarDataError, match="there are no bars"):
        Sweep(Signals, walk(1).head(0), GRID)
    with pytest.raises(SweepError, match="there is no metric"):
        Sweep(Signals, walk(1), GRID, metric="luck")
    with pytest.raises(SweepError, match="none is left to test on"):
        Sweep(Signals, walk(1, 10), GRID, walk_forward="10/5")
    with pytest.raises(SweepError, match="0 processes"):
        Sweep(Signals, walk(1), GRID, processes=0)
    with pytest.raises(StrategyLoadError, match="cannot read the strategy"):
        Sweep(tmp_path / "none.py", walk(1), GRID)


def test_progress_ends_at_all(tmp_path: Path) -> None:
    """Progress is told after each run, windows and their tests included."""
    told: list[tuple[int, int]] = []
    Sweep(
        Signals,
        walk(1),
        GRID,
        processes=1,
        walk_forward="100/50",
        progress=lambda done, total: told.append((done, total)),
    ).run()

    assert told[-1] == (9 * 4 + 4, 9 * 4 + 4)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# Walk-forward


def test_each_window_tests_what_did_best_in_its_training() -> None:
    """The choice is the best of the train part alone; the test is the run that goes on from it."""
    data = walk(3)
    swept = Sweep(
        Signals, data, GRID, processes=1, walk_forward="100/50", commission=TEN, metric="return"
    ).run()

    assert swept.window_frame.height == 4
    for window, row in zip(swept.windows, swept.window_frame.to_dicts(), strict=True):
        train = data[window.start : window.split]
        returns = {}
        for combination in swept.grid.combinations:
            alone = Backtest(Signals(**combination), train, commission=TEN).run()
            returns[combination["fast"], combination["slow"]] = alone.profit
        chosen = (row["fast"], row["slow"])
        assert returns[chosen] == max(returns.values())
        assert row["trained"] == pytest.approx(float(returns[chosen] / 100_000))
        whole = data[window.start : window.end]
        strategy = Signals(fast=chosen[0], slow=chosen[1])
        both = Backtest(strategy, whole, commission=TEN).run()
        before = both.equity_at(window.split - window.start - 1)
        assert Decimal(row["profit"]) == both.final_equity - before
        assert row["total_return"] == pytest.approx(float((both.final_equity - before) / before))
        since = [fill for fill in both.fills if fill.time >= row["test_start"]]
        assert row["fills"] == len(since)
        closed = [trade for trade in both.trades if trade.closed >= row["test_start"]]
        assert row["trades"] == len(closed)


def test_later_bars_change_neither_choice_nor_test() -> None:
    """What a window chose depends on its train part, what it tested on nothing after it."""
    data = walk(3, 24)

    def forward(changed_from: int) -> SweepResult:
        later = pl.int_range(pl.len()) >= changed_from
        prices = [
            pl.when(later).then(pl.col(name) * 2 + 1).otherwise(pl.col(name)).alias(name)
            for name in ("open", "high", "low", "close")
        ]
        grid = {"fast": "1:3", "slow": "2:4"}
        return Sweep(
            Signals,
            data.with_columns(prices),
            grid,
            where="fast < slow",
            walk_forward="8/4",
            processes=1,
            metric="return",
        ).run()

    whole = forward(24)
    assert len(whole.windows) == 4
    for changed_from in range(8, 24):
        rows = forward(changed_from).window_frame.to_dicts()
        for span, ours, theirs in zip(
            whole.windows, whole.window_frame.to_dicts(), rows, strict=True
        ):
            if changed_from >= span.split:
                assert all(ours[name] == theirs[name] for name in ("fast", "slow", "trained"))
            if changed_from >= span.end:
                assert ours == theirs


def test_tests_in_a_row_compound() -> None:
    """Out of sample is what the tests return one after the other, with their times."""
    swept = Sweep(Signals, walk(3), GRID, processes=1, walk_forward="100/50").run()
    chained, path = swept.chained(), swept.out_of_sample

    assert chained is not None
    assert path is not None
    times, growth = path
    product = np.prod([1 + each for each in swept.window_frame["total_return"]])
    assert growth[-1] == pytest.approx(product)
    assert chained["total_return"] == pytest.approx(product - 1)
    assert times.size == 200
    assert (np.diff(times) > 0).all()
    assert swept.best == swept.grid.combinations[swept.grid.combinations.index(swept.best or {})]
    assert "out_of_sample" in swept.summary()


def test_where_nothing_could_be_chosen_there_is_no_return() -> None:
    """If no run has the metric, the window stays in cash and says so by nulls."""
    swept = Sweep(Signals, walk(3), {"fast": [400]}, processes=1, walk_forward="100/50").run()
    path = swept.out_of_sample

    assert swept.window_frame["fast"].null_count() == 4
    assert path is not None
    assert (path[1] == 1.0).all()
    assert swept.best is None


def test_a_failed_test_leaves_no_chain() -> None:
    """A test that failed is in the table with its error, and nothing is chained over it."""
    data = walk(3)
    kind = _stopping(float(data["close"][-1]))
    swept = Sweep(kind, data, GRID, processes=1, walk_forward="100/50").run()

    assert "too low" in swept.window_frame["error"][-1]
    assert swept.window_frame["error"].null_count() == 3
    assert swept.out_of_sample is None
    assert swept.chained() is None
    assert len(swept.failed) == 1


def _stopping(value: float) -> type[Strategy]:
    """Return a strategy that fails where the last close is *value*."""

    class Stopping(Signals):
        def on_stop(self) -> None:
            price = self.price("ASSET")
            if price is not None and float(price) == value:
                raise ValueError("too low")

    return Stopping


# State


def kept(path: Path, **changes: object) -> SweepResult:
    """Return a sweep with its results kept in *path*."""
    given = {"strategy": Signals, "data": walk(1), "parameters": GRID, **changes}
    strategy, data, parameters = (given.pop(name) for name in ("strategy", "data", "parameters"))
    return Sweep(strategy, data, parameters, processes=1, state=path, **given).run()  # type: ignore[arg-type]  # as a user would


def test_a_second_run_takes_what_the_first_left(tmp_path: Path) -> None:
    """All results are reused, a larger grid runs only what it adds, the table is the same."""
    path = tmp_path / "deep" / "state"
    first = kept(path)
    again = kept(path)
    more = kept(path, parameters={"fast": "2:5", "slow": "3:9:3"})

    assert (first.reused, again.reused, more.reused) == (0, 9, 9)
    assert again.frame.equals(first.frame)
    assert more.frame.height == 12
    assert more.frame.equals(Sweep(Signals, walk(1), more.grid.values, processes=1).run().frame)
    assert again.notes == ()


def test_walk_forward_results_are_kept_as_well(tmp_path: Path) -> None:
    """Train and test parts come from the file the second time, returns included."""
    path = tmp_path / "state"
    first = kept(path, walk_forward="100/50")
    again = kept(path, walk_forward="100/50")

    assert again.reused == 9 * 4 + 4
    assert again.window_frame.equals(first.window_frame)
    assert again.chained() == first.chained()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"data": walk(2)}, "data"),
        ({"data": walk(1).with_columns(pl.col("close").cast(pl.String))}, "data"),
        ({"strategy": Failing}, "strategy"),
        ({"commission": TEN}, "settings"),
        ({"cash": "50000"}, "settings"),
        ({"actions": actions(*(("ASSET", d, "dividend", "1") for d in range(90)))}, "settings"),
    ],
)
def test_other_inputs_begin_anew_and_say_so(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    """What changed is named, nothing of before is used, and it is there when one comes back."""
    path = tmp_path / "state"
    kept(path)
    changed = kept(path, **change)
    back = kept(path)

    assert changed.reused == 0
    assert f"begun anew: changed since the last run: {named}" in changed.notes
    assert back.reused == 9


def test_another_row_in_the_middle_of_the_actions_begins_anew(tmp_path: Path) -> None:
    """A long table is told from another one by all of its rows."""
    days = [(day, "1") for day in range(90)]
    path = tmp_path / "state"
    kept(path, actions=actions(*(("ASSET", day, "dividend", each) for day, each in days)))
    days[45] = (45, "2")
    changed = kept(path, actions=actions(*(("ASSET", day, "dividend", each) for day, each in days)))

    assert changed.reused == 0


def test_a_changed_file_begins_anew(tmp_path: Path) -> None:
    """A strategy whose file was edited is another strategy."""
    source = (
        "from rustybt.strategy import Strategy\nimport polars as pl\n\n\nclass One(Strategy):\n"
    )
    source += "    units = 1\n\n    def signals(self):\n        return pl.col('close') * 0 + 1\n"
    file = tmp_path / "one.py"
    file.write_text(source)
    first = kept(tmp_path / "state", strategy=file, parameters={"units": "1:3"})
    file.write_text(source + "\n# changed\n")
    second = kept(tmp_path / "state", strategy=file, parameters={"units": "1:3"})

    assert (first.reused, second.reused) == (0, 0)
    assert second.notes == ("begun anew: changed since the last run: strategy",)


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_last_line_is_run_again(tmp_path: Path, cut: int) -> None:
    """What a crash left of the last line is cut away; only that result is run again."""
    path = tmp_path / "state"
    first = kept(path)
    path.write_bytes(path.read_bytes()[:-cut])
    again = kept(path)

    assert again.reused == 8
    assert again.notes == ("the last line was cut off by a crash and is run again",)
    assert again.frame.equals(first.frame)
    assert kept(path).reused == 9


def test_damaged_lines_are_run_again(tmp_path: Path) -> None:
    """A line with a flipped byte, or with another document in it, is left out with a note."""
    path = tmp_path / "state"
    first = kept(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"final_equity", b"final_equitY")
    lines[4] = b"%08x []\n" % zlib.crc32(b"[]")
    path.write_bytes(b"".join(lines))
    again = kept(path)

    assert again.reused == 7
    assert again.notes == ("2 damaged lines are not used",)
    assert again.frame.equals(first.frame)


def test_failures_are_kept_too(tmp_path: Path) -> None:
    """A strategy that raises does so again: its error is a result."""
    path = tmp_path / "state"
    first = kept(path, strategy=Failing)
    again = kept(path, strategy=Failing)

    assert again.reused == 9
    assert again.frame["error"].to_list() == first.frame["error"].to_list()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """A file with something else in it, a folder, and a sweep that is still running."""
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with pytest.raises(SweepStateError, match="holds no results of a sweep"):
        kept(other)
    assert other.read_text() == "mine"
    with pytest.raises(SweepStateError, match="cannot use"):
        kept(tmp_path)

    path = tmp_path / "state"
    kept(path)
    from rustybt.engine.sweep.state import Inputs

    inputs = Inputs(strategy="a", data="b", settings="c", engine="d")
    with (
        State(path, inputs),
        pytest.raises(SweepStateError, match="being written by another sweep"),
    ):
        kept(path)
    assert kept(path).reused == 9


def test_inputs_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    """Costs without a text, and strategies without a file, cannot be kept."""

    class Nameless:
        def total(self, _: object) -> Decimal:
            return Decimal(0)

    with pytest.raises(SweepError, match="no text by which a change"):
        kept(tmp_path / "state", commission=Nameless())
    typed: dict[str, type[Strategy]] = {}
    exec(  # noqa: S102 - as an interpreter makes classes
        "from rustybt.strategy import Strategy\n"
        "class Typed(Strategy):\n    fast = 1\n    def on_bar(self, bar): pass\n",
        {"__name__": "nowhere"},
        typed,
    )
    with pytest.raises(SweepError, match="Typed has no file"):
        kept(tmp_path / "state", strategy=typed["Typed"], parameters={"fast": "1:2"})


def test_an_interrupt_keeps_what_is_done(tmp_path: Path) -> None:
    """The rows until then are returned, and the next run does the rest."""
    path = tmp_path / "state"

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    stopped = kept(path, progress=interrupt)
    again = kept(path)

    assert stopped.interrupted
    assert stopped.frame.height == 4
    assert stopped.summary()["interrupted"] is True
    assert again.reused == 4
    assert again.frame.height == 9
    assert not again.interrupted


def test_an_interrupt_among_windows_chains_nothing() -> None:
    """A window whose test was not run is no window without a choice."""

    def interrupt(done: int, total: int) -> None:
        if done == total - 2:
            raise KeyboardInterrupt

    stopped = Sweep(
        Signals, walk(3), GRID, processes=1, walk_forward="100/50", progress=interrupt
    ).run()

    assert stopped.interrupted
    assert stopped.out_of_sample is None
    assert stopped.window_frame.height == 4


# Instruments with a price below zero


def test_contracts_may_cost_less_than_nothing() -> None:
    """Prices of a future may be negative in a sweep as they may in a backtest."""
    data = walk(1).with_columns(pl.col("open", "high", "low", "close") - 100)
    oil = Instrument(
        symbol="OIL",
        base="OIL",
        quote="USD",
        tick=Decimal("1e-18"),
        lot=Decimal(1),
        kind=InstrumentKind.FUTURE,
        multiplier=Decimal(100),
    )
    swept = Sweep(Signals, {"OIL": data}, GRID, processes=1, instruments={"OIL": oil}).run()
    alone = Backtest(Signals(fast=2, slow=3), {"OIL": data}, instruments={"OIL": oil}).run()

    assert Decimal(swept.frame["final_equity"][0]) == alone.final_equity


# Files


def test_tables_are_written_and_read_back(tmp_path: Path) -> None:
    """Parquet has what the frames have, JSON can say the summary."""
    swept = Sweep(Signals, walk(3), GRID, processes=1, walk_forward="100/50").run()
    results, windows = swept.to_parquet(tmp_path / "out")

    assert pl.read_parquet(results).equals(swept.frame)
    assert pl.read_parquet(windows).equals(swept.window_frame)
    assert json.loads(json.dumps(swept.summary()))["combinations"] == 9
    plain = Sweep(Signals, walk(3), GRID, processes=1).run()
    assert plain.to_parquet(tmp_path / "plain") == (tmp_path / "plain" / "results.parquet",)


def test_values_of_all_types_become_columns() -> None:
    """Whole numbers, floats, truths, words, and decimals as their exact text."""

    class Typed(Signals):
        size = Decimal("1.5")
        width = 0.5
        kind = "a"
        short = False

    grid = {"fast": 3, "size": "1.50,2", "width": "0.5,1", "kind": "a,b", "short": "true,false"}
    frame = Sweep(Typed, walk(1), grid, processes=1).run().frame
    kinds = dict(frame.schema)

    assert frame["size"].unique().sort().to_list() == ["1.5", "2"]
    assert kinds["size"] == kinds["kind"] == pl.String
    assert (kinds["width"], kinds["short"], kinds["fast"]) == (pl.Float64, pl.Boolean, pl.Int64)


def test_ratios_of_long_curves_are_those_of_the_accounting() -> None:
    """Curves of several blocks have the moments and the drawdown of the whole."""
    equity = 1000 * np.cumprod(1 + np.random.default_rng(5).normal(0, 0.01, 20_001))
    returns = performance.returns_of(equity)
    found = ratios(equity, float(equity[-1] / equity[0] - 1), 252.0)
    drawdown = performance.equity_drawdown(equity)

    assert drawdown is not None
    assert found["max_drawdown"] == pytest.approx(drawdown.depth)
    assert found["sharpe_ratio"] == pytest.approx(performance.sharpe_ratio(returns))
    assert found["sortino_ratio"] == pytest.approx(performance.sortino_ratio(returns))
    assert found["volatility"] == pytest.approx(performance.volatility(returns))


def test_returns_beyond_a_float_have_no_annual_figure() -> None:
    """Doubling every day for a year is more than can be said."""
    assert ratios(np.array([1.0, 1e10]), 1e10, 365.0)["annual_return"] is None


def test_little_work_starts_no_processes() -> None:
    """By default a short sweep runs here, also of a class that no other process could find."""

    class Local(Signals):
        """Found by nobody else."""

    assert Sweep(Local, walk(1), GRID).run().failed == []
    with pytest.raises(SweepError, match="cannot be found by other processes"):
        Sweep(Local, walk(1), GRID, processes=2)


def test_much_work_is_for_all_cores() -> None:
    """A hundred runs by signals over 100 000 bars are done here, as many bar by bar are not."""
    assert quickest(100, 100_000, by_signals=True, cores=4) == 1
    assert quickest(1000, 100_000, by_signals=True, cores=4) == 4
    assert quickest(100, 100_000, by_signals=False, cores=4) == 4
    assert quickest(10, 10_000, by_signals=False, cores=4) == 1
    assert quickest(2000, 100, by_signals=True, cores=4) == 4
