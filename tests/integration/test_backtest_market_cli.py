"""``rustybt backtest`` on the catalog, with corporate actions, holding costs and margins."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rustybt.cli import run
from rustybt.data.bars import BARS
from rustybt.data.catalog import Catalog
from rustybt.data.interval import Interval

START = datetime(2024, 1, 1, tzinfo=UTC)
STRATEGY = '''
from rustybt.strategy import Strategy


class Hold(Strategy):
    """Hold some of everything from the first bar on."""

    units = 10

    def on_bar(self, bar):
        if not self.position(bar.symbol) and not self.open_orders(bar.symbol):
            self.order(bar.symbol, self.units)
'''


class Printed:
    """What a command returned and printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict[str, object]:
        """The document on stdout."""
        found: dict[str, object] = json.loads(self.out)
        return found


Cli = Callable[..., Printed]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    strategy = tmp_path / "hold.py"
    strategy.write_text(STRATEGY)

    def call(*arguments: object, command: str = "backtest") -> Printed:
        capsys.readouterr()
        code = run([command, "--strategy", str(strategy), *map(str, arguments)])
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return call


def bars(prices: list[str], start: datetime = START) -> pl.DataFrame:
    """Return daily bars, each at one price."""
    numbers = {name: list(map(Decimal, prices)) for name in ("open", "high", "low", "close")}
    times = [start + timedelta(days=day) for day in range(len(prices))]
    volume = [Decimal(100)] * len(prices)
    return pl.DataFrame({"timestamp": times, **numbers, "volume": volume}, schema=BARS)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog with two symbols."""
    root = tmp_path / "catalog"
    made = Catalog(root, lambda: START)
    made.write("ACME", Interval.D1, bars(["100", "100", "110", "120"]), source="test")
    made.write("BETA", Interval.D1, bars(["10.123456789012345678"] * 4), source="test")
    return root


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A CSV file of one symbol."""
    path = tmp_path / "acme.csv"
    numbers = pl.col("open", "high", "low", "close", "volume").cast(pl.Float64)
    bars(["100", "100", "50", "50", "50"]).with_columns(numbers).write_csv(path)
    return path


def test_all_of_a_catalog_is_run_on(cli: Cli, catalog: Path) -> None:
    """Without a symbol all are; numbers that are no floats keep their digits."""
    printed = cli("--catalog", catalog, "--json")

    assert printed.code == 0, printed.err
    assert printed.json["symbols"] == 2
    assert printed.json["bars"] == 8
    assert printed.json["final_equity"] == "100200"
    cash = Decimal(100_000) - 1000 - 10 * Decimal("10.123456789012345678")
    assert Decimal(str(printed.json["cash"])) == cash


def test_symbols_days_and_homes_are_chosen(cli: Cli, catalog: Path, tmp_path: Path) -> None:
    """From a day on, up to another; a deployment's folder stands for its catalog."""
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    catalog.rename(state / "catalog")
    options = ("--symbol", "ACME", "--from", "2024-01-02", "--to", "2024-01-04T00:00Z")
    printed = cli("--catalog", tmp_path / "home", *options, "--json")

    assert printed.code == 0, printed.err
    assert (printed.json["symbols"], printed.json["bars"]) == (1, 2)
    assert printed.json["start"] == "2024-01-02T00:00:00+00:00"
    assert printed.json["fills"] == 1


def test_days_of_files_are_chosen_as_well(cli: Cli, file: Path, tmp_path: Path) -> None:
    """With zones and without, in one file of many symbols, and by dates."""
    frame = pl.read_csv(file, try_parse_dates=True)
    cases = {
        "zoned": frame,
        "plain": frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)),
        "dates": frame.with_columns(pl.col("timestamp").cast(pl.Date)),
        "named": frame.with_columns(symbol=pl.lit("ACME")),
    }
    for name, each in cases.items():
        path = tmp_path / f"{name}.parquet"
        each.write_parquet(path)
        printed = cli("--data", path, "--from", "2024-01-03", "--to", "2024-01-05", "--json")
        assert printed.code == 0, printed.err
        assert printed.json["bars"] == 2, name


def test_actions_come_from_a_file(cli: Cli, file: Path, tmp_path: Path) -> None:
    """Dividends and splits as text; both names for the amount; a folder with the entries."""
    table = tmp_path / "actions.csv"
    table.write_text(
        "Symbol,Date,Kind,Amount,Ratio\n"
        "ACME,2024-01-03,dividend,0.50,\n"
        "ACME,2024-01-03,split,,2:1\n"
    )
    output = tmp_path / "out"
    printed = cli("--data", file, "--actions", table, "--output", output, "--json")

    assert printed.code == 0, printed.err
    assert printed.json["positions"] == {"ACME": "20"}
    assert printed.json["income"] == "5"
    assert printed.json["final_equity"] == "100005"
    assert pl.read_parquet(output / "entries.parquet")["kind"].to_list() == ["dividend", "split"]
    whole = tmp_path / "actions.parquet"
    pl.read_csv(table, infer_schema=False).with_columns(
        pl.col("Date").str.to_datetime(time_zone="UTC")
    ).write_parquet(whole)
    again = cli("--data", file, "--actions", whole, "--json")
    assert again.json["final_equity"] == "100005"


@pytest.mark.parametrize("processes", [1, 2])
def test_a_sweep_is_given_what_a_backtest_is(
    cli: Cli, catalog: Path, tmp_path: Path, processes: int
) -> None:
    """Catalog, days, actions, borrow and margins: each row is that backtest, in any process."""
    table = tmp_path / "actions.csv"
    table.write_text(
        "symbol,timestamp,kind,amount\nACME,2024-01-03,dividend,0.50\nACME,2024-01-04,split,2:1\n"
    )
    held = ("--actions", table, "--borrow", "0.365", "--margin-call", "liquidate")
    margins = ("--initial-margin", "0.5", "--maintenance-margin", "0.25")
    market = ("--catalog", catalog, "--symbol", "ACME", "--from", "2024-01-01")
    given = (*market, *held, *margins, "--commission-bps", 10, "--json")
    units = ("--parameter", "units=-7,5,9", "--processes", processes)
    swept = cli(*given, *units, command="sweep")
    assert swept.code == 0, swept.err
    rows = swept.json["ranking"]
    assert isinstance(rows, list)
    assert len(rows) == 3
    for row in rows:
        alone = cli(*given, "--param", f"units={row['parameters']['units']}").json
        assert alone["income"] != "0"
        for figure in ("final_equity", "fees", "fills"):
            assert row[figure] == alone[figure], figure


def test_lookahead_is_looked_for_in_a_catalog(cli: Cli, catalog: Path, tmp_path: Path) -> None:
    """With the same terms: a strategy that cannot pay for anything decides otherwise."""
    printed = cli("--catalog", catalog, "--cash", "5000", "--json", command="check-lookahead")
    assert printed.code == 0, printed.err
    assert printed.json["clean"] is True
    assert printed.json["decisions"] == 2
    both = cli("--catalog", catalog, "--data", tmp_path, command="check-lookahead")
    assert both.code == 2
    assert "name either files" in both.err
    wrong = cli("--catalog", catalog, "--cash", "-1", command="check-lookahead")
    assert wrong.code == 1
    assert "cash" in wrong.err


def test_holding_costs_and_margins_are_options(cli: Cli, file: Path) -> None:
    """A short that pays for being borrowed; a long that is called."""
    short = cli("--data", file, "--param", "units=-10", "--borrow", "0.365", "--json")
    named = cli("--data", file, "--param", "units=-10", "--borrow", "ACME=0.73", "--json")
    long = cli("--data", file, "--funding", "0.365", "--json")
    # 1500 at 100, with 100000 of equity, is 150000; at 50 there are 25000 left of it.
    called = cli(
        *("--data", file, "--param", "units=1500", "--margin-call", "liquidate"),
        *("--initial-margin", "0.5", "--maintenance-margin", "0.4", "--json"),
    )

    # A night at 1000 and two at 500, at a thousandth of that each.
    assert short.json["charges"] == "2"
    assert named.json["charges"] == "4"
    assert long.json["charges"] == "2"
    assert called.json["margin_calls"] == 1
    assert called.json["positions"] == {"ACME": "1000"}


def test_other_currencies_come_with_their_rates(
    cli: Cli, file: Path, catalog: Path, tmp_path: Path
) -> None:
    """A symbol in euros, one in dollars, and bars of the euro."""
    euro = tmp_path / "eurusd.csv"
    bars(["1.1", "1.2", "1.3", "1.5"]).with_columns(
        pl.col("open", "high", "low", "close", "volume").cast(pl.Float64)
    ).write_csv(euro)
    printed = cli("--catalog", catalog, "--quote", "ACME=EUR", "--rates", f"EUR={euro}", "--json")

    assert printed.code == 0, printed.err
    assert printed.json["final_equity"] == "100300"
    balances = printed.json["balances"]
    assert isinstance(balances, dict)
    assert balances["EUR"] == "-1000"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name either files"),
        (["--data", "FILE", "--catalog", "CATALOG"], 2, "name either files"),
        (["--catalog", "nowhere"], 1, "there is no catalog"),
        (["--catalog", "CATALOG", "--interval", "1h"], 1, "has no 1h bars"),
        (["--catalog", "CATALOG", "--symbol", "ZZZ"], 1, "has no 1d bars of ZZZ"),
        (["--catalog", "CATALOG", "--interval", "1x"], 1, "1x"),
        (["--catalog", "CATALOG", "--from", "2030-01-01"], 1, "there are no bars"),
        (["--catalog", "CATALOG", "--from", "2024-02-30"], 2, "2024-02-30"),
        (["--catalog", "CATALOG", "--from", "2024-01-02T10:00"], 2, "has no zone"),
        (["--data", "FILE", "--from", "2024-02-01", "--to", "2024-01-01"], 2, "before --to"),
        (["--data", "FILE", "--symbol", "A", "--symbol", "B"], 2, "go with --catalog"),
        (["--data", "FILE", "--actions", "nowhere.csv"], 1, "there is no file nowhere.csv"),
        (["--data", "FILE", "--actions", "a.txt"], 1, "neither a .csv nor a .parquet"),
        (["--data", "FILE", "--actions", "EMPTY"], 1, "is empty"),
        (["--data", "FILE", "--actions", "TORN"], 1, "cannot be read"),
        (["--data", "FILE", "--actions", "FOLDER"], 1, "cannot read"),
        (["--data", "FILE", "--actions", "FILE"], 1, "lacks symbol, kind, amount"),
        (["--data", "FILE", "--actions", "WRONG"], 1, "line 2: 'soon' is no time"),
        (["--data", "FILE", "--borrow", "0.1", "--borrow", "0.2"], 2, "'0.1' is not like"),
        (["--data", "FILE", "--quote", "ACME"], 2, "'ACME' is not like ACME=EUR"),
        (["--data", "FILE", "--quote", "ACME=EUR"], 1, "give rates for the others"),
        (["--data", "FILE", "--rates", "EUR=none.csv"], 1, "there is no file none.csv"),
        (["--data", "FILE", "--borrow", "A=1", "--borrow", "A=2"], 2, "A is given twice"),
        (["--data", "FILE", "--borrow", "much"], 1, "'much' is not a finite number"),
        (["--data", "FILE", "--initial-margin", "0.5"], 2, "margins need it"),
        (["--data", "FILE", "--margin-call", "pray"], 1, "no margin policy 'pray'"),
    ],
)
def test_what_cannot_be_is_told(
    cli: Cli,
    file: Path,
    catalog: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """One clear error and an exit code."""
    empty, torn, wrong = (tmp_path / name for name in ("e.csv", "t.parquet", "w.csv"))
    empty.touch()
    torn.write_bytes(b"PAR1")
    wrong.write_text("symbol,timestamp,kind,amount\nACME,soon,dividend,1\n")
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    places = {
        "FILE": file,
        "CATALOG": catalog,
        "EMPTY": empty,
        "TORN": torn,
        "WRONG": wrong,
        "FOLDER": folder,
    }
    printed = cli(*(places.get(each, each) for each in arguments))

    assert printed.code == code, printed.err + printed.out
    assert message in printed.err.replace("\n", " ")
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--symbols", " , ", "--start", "2024-01-01", "--output", "new.csv"], 2, "no symbol"),
        (["--symbols", "A", "--start", "2999-01-01", "--output", "new.csv"], 2, "before --end"),
        (["--symbols", "A", "--start", "2024-01-01", "--output", "OLD"], 1, "left as it is"),
    ],
)
def test_dividends_are_fetched_for_something_into_a_new_file(
    capsys: pytest.CaptureFixture[str],
    file: Path,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """What cannot be is told before anybody is asked."""
    given = [str(file) if each == "OLD" else each for each in arguments]

    assert run(["fetch-dividends", *given]) == code
    assert message in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("rows", "code", "message"),
    [
        ([], 1, "there are no bars"),
        (["2024-01-01,10,10,10,10,5"], 0, '"fills": 0'),
        (
            ["2024-01-01,10,10,10,10,5", "2024-01-02,,,,,", "2024-01-03,9,9,9,9,5"],
            0,
            "lack a price",
        ),
        (["2024-01-02,9,9,9,9,5", "2024-01-01,10,10,10,10,5"], 0, "were sorted"),
        (["2024-01-01,10,10,10,10,5"] * 2, 0, "repeated rows"),
        (["2024-01-01,10,10,10,10,5", "2024-01-01,9,9,9,9,5"], 1, "different numbers"),
        (["2024-01-01,0,0,0,0,5", "2024-01-02,1,1,1,1,5"], 1, "not above 0"),
        (["2024-01-01,-1,-1,-1,-1,5"], 1, "not above 0"),
        (["2024-01-01,nan,nan,nan,nan,5"], 1, "there are no bars"),
        (["2024-01-01,1e999,1e999,1,1,5"], 1, "infinite"),
        (["2024-03-10T06:00Z,9,9,9,9,5", "2024-03-10T03:00-04:00,9,9,9,9,5"], 0, '"fills": 1'),
    ],
)
def test_series_as_they_come(
    cli: Cli, tmp_path: Path, rows: list[str], code: int, message: str
) -> None:
    """Right results with a note, or one clear error; never both, and never a traceback."""
    path = tmp_path / "acme.csv"
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    printed = cli("--data", path, "--json")

    assert printed.code == code, printed.err
    assert message in (printed.err if code else printed.out)
    assert "Traceback" not in printed.err
