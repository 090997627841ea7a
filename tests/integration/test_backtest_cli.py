"""``rustybt backtest`` and ``check-lookahead`` as a user runs them, and the examples end to end."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.cli import run
from rustybt.engine import Backtest, Result
from rustybt.execution import BasisPointCommission
from rustybt.strategy import load_strategy

EXAMPLES = Path(__file__).parents[2] / "examples"
MOMENTUM = EXAMPLES / "momentum.py"


def walk(seed: int, count: int = 600, *, drift: float = 0.0) -> pl.DataFrame:
    """Return daily bars of a random walk, the same for a seed."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(drift, 0.01, count))), 2)
    opened = np.round(np.concatenate(([100.0], close[:-1])) * 1.001, 2)
    return pl.DataFrame(
        {
            "timestamp": [
                datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(count)
            ],
            "open": opened,
            "high": np.maximum(opened, close) + 0.5,
            "low": np.minimum(opened, close) - 0.5,
            "close": close,
            "volume": np.full(count, 10_000.0),
        }
    )


class Printed:
    """What a command returned and printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Cli = Callable[..., Printed]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> Printed:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return call


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "acme.csv"
    walk(1).write_csv(path)
    return path


def test_a_backtest_prints_what_it_found(cli: Cli, prices: Path) -> None:
    """Without options the table has the figures, and nothing is written."""
    before = sorted(prices.parent.iterdir())
    printed = cli("backtest", "--strategy", MOMENTUM, "--data", prices)

    assert printed.code == 0
    assert "final equity" in printed.out
    assert "Momentum" in printed.out
    assert sorted(prices.parent.iterdir()) == before


def test_files_and_json_say_the_same(cli: Cli, prices: Path, tmp_path: Path) -> None:
    """JSON, Parquet and tear sheet of one run agree with a run through the API."""
    folder = tmp_path / "out" / "run"
    printed = cli(
        *("backtest", "--strategy", MOMENTUM, "--data", prices, "--param", "fast=5"),
        *("--param", "slow=15", "--commission-bps", 10, "--output", folder, "--json"),
    )
    document = json.loads(printed.out)
    strategy = load_strategy(MOMENTUM)(fast=5, slow=15)
    commission = BasisPointCommission(Decimal(10))
    result = Backtest(strategy, {"ACME": walk(1)}, commission=commission).run()

    assert printed.code == 0
    assert Decimal(document["final_equity"]) == result.final_equity
    assert document["parameters"] == {"fast": 5, "slow": 15, "units": 10}
    names = ["equity.parquet", "fills.parquet", "tearsheet.html", "trades.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert sorted(map(Path, document["files"])) == [folder / name for name in names]
    assert pl.read_parquet(folder / "fills.parquet").equals(result.fills_frame)
    assert pl.read_parquet(folder / "trades.parquet").equals(result.trades_frame)
    assert pl.read_parquet(folder / "equity.parquet").equals(result.equity_frame)


def test_the_tear_sheet_stands_alone(prices: Path, tmp_path: Path) -> None:
    """One file: no script, nothing fetched, the charts in it, hostile names escaped."""
    source = MOMENTUM.read_text()
    path = tmp_path / "hostile.py"
    path.write_text(source + "    note = '<script>alert(1)</script>'\n")
    html = Backtest(load_strategy(path), {"<b>": walk(1)}).run().to_html(tmp_path / "t.html")
    text = html.read_text()

    assert text.count("<svg") == 2
    assert "<script" not in text
    assert "&lt;b&gt;" in text
    assert "http" not in text
    assert "Monthly returns" in text


def test_a_real_process_answers(prices: Path) -> None:
    """The module runs as a command, and its help imports nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-m", "rustybt", "backtest", "--strategy", MOMENTUM, "--data", prices],
        capture_output=True,
        text=True,
    )
    probe = (
        "import sys; from rustybt.cli import run; run(['backtest', '--help']);"
        "sys.exit(int(any(name in sys.modules for name in ('polars', 'numpy'))))"
    )
    helped = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert helped.returncode == 0, helped.stderr


def test_an_existing_folder_is_left_alone(cli: Cli, prices: Path, tmp_path: Path) -> None:
    """Results never go over other files."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    printed = cli("backtest", "--strategy", MOMENTUM, "--data", prices, "--output", folder)

    assert printed.code == 1
    assert "exists and is left as it is" in printed.err
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]


BAD_DATA = {
    "empty": (b"", "is empty"),
    "no such column": (b"date,open\n2020-01-01,1\n", "lacks high, low, close"),
    "no time": (b"open,high,low,close\n1,1,1,1\n", "lacks timestamp"),
    "long line": (
        b"date,open,high,low,close\n2020-01-01,1,1,1,1\n2020-01-02,1,1,1,1,9\n",
        "line 3",
    ),
    "short line": (b"date,open,high,low,close\n2020-01-01,1,1,1,1\n2020-01-02,1\n", "line 3"),
    "word": (
        b"date,open,high,low,close\n\n2020-01-01,1,1,one,1\n",
        "line 3: 'one' is no number (low)",
    ),
    "time": (b"date,open,high,low,close\nyesterday,1,1,1,1\n", "line 2: 'yesterday' is no time"),
    "price": (b"date,open,high,low,close\n2020-01-01,1,1,2,1\n", "low above the high"),
    "only a head": (b"date,open,high,low,close\n", "there are no bars"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_one_clear_error(cli: Cli, tmp_path: Path, name: str) -> None:
    """Malformed files name themselves and the line; nothing is left behind."""
    content, message = BAD_DATA[name]
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    printed = cli("backtest", "--strategy", MOMENTUM, "--data", path, "--output", tmp_path / "out")

    assert printed.code == 1
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["bad.csv"]


BAD_OPTIONS = [
    (("--cash", "lots"), "'lots' is not a finite number"),
    (("--cash", "-5"), "initial cash of -5"),
    (("--fill", "yesterday"), "no fill policy 'yesterday'"),
    (("--param", "fsat=3"), "'fsat' is not a parameter"),
    (("--param", "fast=three"), "fast = 'three' is not of type int"),
    (("--name", "Other"), "has no strategy 'Other'"),
    (("--commission-bps", "-1"), "points must be a Decimal of at least 0"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options_are_one_clear_error(
    cli: Cli, prices: Path, options: tuple[str, str], message: str
) -> None:
    """Whatever is wrong with an option is said with the value that was seen."""
    printed = cli("backtest", "--strategy", MOMENTUM, "--data", prices, *options)

    assert printed.code == 1
    assert message in printed.err


def test_files_that_are_no_bars(cli: Cli, tmp_path: Path, prices: Path) -> None:
    """A missing file, an unknown ending, a folder, a cut-off Parquet file and a clash of names."""
    broken, other = tmp_path / "broken.parquet", tmp_path / "bars.xlsx"
    broken.write_bytes(b"PAR1 but no more")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path, message in [
        (tmp_path / "gone.csv", "there is no file"),
        (other, "neither a .csv nor a .parquet"),
        (folder, "cannot read"),
        (broken, "not a whole Parquet file"),
    ]:
        printed = cli("backtest", "--strategy", MOMENTUM, "--data", path)
        assert (printed.code, message in printed.err) == (1, True), printed.err
    twice = cli("backtest", "--strategy", MOMENTUM, "--data", prices, "--data", prices)
    assert "two files are of the symbol ACME" in twice.err


def test_a_strategy_that_raises_names_its_line(cli: Cli, prices: Path, tmp_path: Path) -> None:
    """An exception inside on_bar: kind, message, file, line and bar, and nothing written."""
    path = tmp_path / "faulty.py"
    path.write_text(
        "from rustybt.strategy import Strategy\n"
        "class Faulty(Strategy):\n"
        "    def on_bar(self, bar):\n"
        "        1 / (bar.row - 5)\n"
    )
    printed = cli("backtest", "--strategy", path, "--data", prices, "--output", tmp_path / "out")

    assert printed.code == 1
    assert f"Faulty failed in on_bar ({path}:4)" in printed.err
    assert "ZeroDivisionError" in printed.err
    assert not (tmp_path / "out").exists()


def test_parquet_times_and_several_symbols(cli: Cli, tmp_path: Path) -> None:
    """A Parquet file with a column of symbols, and times with a Z, are read alike."""
    both = pl.concat(
        [walk(seed, 80).with_columns(symbol=pl.lit(name)) for seed, name in ((1, "A"), (2, "B"))]
    )
    parquet, csv = tmp_path / "both.parquet", tmp_path / "both.csv"
    both.write_parquet(parquet)
    stamp = pl.col("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    both.with_columns(stamp).rename({"timestamp": "Date", "close": "Close"}).write_csv(csv)
    printed = [
        cli("backtest", "--strategy", MOMENTUM, "--data", path, "--json", "--param", "slow=25")
        for path in (parquet, csv)
    ]

    assert printed[0].code == 0, printed[0].err
    assert json.loads(printed[0].out) == json.loads(printed[1].out)


LEAKY = """
import polars as pl
from rustybt.strategy import Strategy

class Leaky(Strategy):
    def signals(self):
        return pl.when(pl.col("close").shift(-1) > pl.col("close")).then(1).otherwise(0)
"""

WHOLE = """
import polars as pl
from rustybt.strategy import Strategy

class Whole(Strategy):
    def signals(self):
        return (pl.col("close") > pl.col("close").mean()).cast(pl.Float64)
"""

PEEKING = """
from rustybt.strategy import Strategy

class Peeking(Strategy):
    def on_bar(self, bar):
        closes = self.trader.tape.columns["close"]
        if closes[-1] > bar.close and not self.position(bar.symbol):
            self.buy(bar.symbol, 1)
"""


@pytest.mark.parametrize("source", [LEAKY, WHOLE, PEEKING])
def test_lookahead_is_found(cli: Cli, tmp_path: Path, prices: Path, source: str) -> None:
    """A shift into the future, a statistic of the whole and a peek past the bar are all found."""
    path = tmp_path / "leaky.py"
    path.write_text(source)
    printed = cli("check-lookahead", "--strategy", path, "--data", prices, "--cuts", 20)

    assert printed.code == 1
    assert "looks ahead" in printed.out


@pytest.mark.parametrize("example", ["momentum", "mean_reversion"])
def test_honest_strategies_pass(cli: Cli, prices: Path, example: str) -> None:
    """The examples decide the same on every prefix; the report counts what it compared."""
    printed = cli(
        *("check-lookahead", "--strategy", EXAMPLES / f"{example}.py", "--data", prices),
        *("--cuts", 10, "--json"),
    )
    document = json.loads(printed.out)

    assert printed.code == 0
    assert document["clean"] is True
    assert document["decisions"] > 5
    assert document["prefixes"] >= 10


def test_nothing_to_check_is_no_success(cli: Cli, tmp_path: Path) -> None:
    """Data on which nothing is decided does not count as clean."""
    path = tmp_path / "short.csv"
    walk(1, 5).write_csv(path)
    printed = cli("check-lookahead", "--strategy", MOMENTUM, "--data", path)

    assert printed.code == 1
    assert "nothing to check" in printed.err


def example(name: str, data: dict[str, pl.DataFrame]) -> Result:
    """Run an example with costs."""
    commission = BasisPointCommission(Decimal(5))
    return Backtest(load_strategy(EXAMPLES / f"{name}.py"), data, commission=commission).run()


def test_example_momentum_trades_the_same_both_ways() -> None:
    """The column and the bars of the momentum example make the very same fills."""
    data = {"A": walk(1), "B": walk(2)}
    kind = load_strategy(MOMENTUM)
    runs = [Backtest(kind, data, path=path).run() for path in ("signals", "callback")]

    assert runs[0].fills == runs[1].fills
    assert len(runs[0].fills) > 10
    assert runs[0].final_equity == runs[1].final_equity


def test_example_mean_reversion() -> None:
    """It trades, its stops go off at times, and the count is kept in the state."""
    result = example("mean_reversion", {"A": walk(3, 1500), "B": walk(4, 1500)})

    assert len(result.trades) > 10
    assert result.state["stopped"] > 0
    assert all(units > 0 for units in result.positions.values())


def test_example_pairs() -> None:
    """Both legs are traded in opposite directions and of about the same value."""
    common = walk(5, 1000)
    noise = np.exp(np.random.default_rng(6).normal(0, 0.01, 1000).round(4))
    columns = ("open", "high", "low", "close")
    other = common.with_columns((pl.col(name) * pl.Series(noise)).round(2) for name in columns)
    result = example("pairs", {"A": common, "B": other})

    assert len(result.fills) >= 10
    first, second = result.fills[:2]
    assert first.side is second.side.opposite
    assert abs(first.quantity * first.price / (second.quantity * second.price) - 1) < Decimal("0.1")


def test_example_rebalancer_over_120_symbols() -> None:
    """120 symbols, twenty held at a time, in parts that are about equal after a rebalancing."""
    data = {f"S{number:03}": walk(number, 400) for number in range(120)}
    result = example("rebalancer", data)

    assert len(result.positions) == 20
    assert len(result.fills) > 150
    assert result.summary()["symbols"] == 120
