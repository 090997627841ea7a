"""The data commands as a user runs them: what they print, store and return."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rustybt.cli import run
from rustybt.data.catalog import Catalog
from rustybt.data.interval import Interval
from rustybt.deployment import create_home
from rustybt.files import tree_digest

HEADER = "Date,Open,High,Low,Close,Adj Close,Volume\n"
DAYS = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"]
GOOD = HEADER + "".join(f"{day},10,11,9,10.5,10.5,100\n" for day in DAYS)
BAD_ROW = "2024-01-09,10,9,11,10,10,100\n"


@dataclass(frozen=True)
class Result:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Result]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return command


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_home(
        tmp_path_factory.mktemp("made") / "home", "dev", lambda: datetime.now(UTC)
    ).root


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", str(template), str(tmp_path / "home")], check=True)
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "AAPL.csv"
    path.write_text(GOOD)
    return path


def fetch(cli: Cli, home: Path, file: Path, *more: object, symbols: str = "AAPL") -> Result:
    arguments = ("--source", "csv", "--path", file, "--symbols", symbols, "--home", home)
    return cli("fetch-data", *arguments, "--calendar", "NYSE", *more)


def catalog(home: Path) -> Catalog:
    return Catalog(home / "state" / "catalog", lambda: datetime.now(UTC))


def test_bars_of_a_file_are_stored(cli: Cli, home: Path, file: Path) -> None:
    """What was stored is told, and is in the catalog; again, nothing is added."""
    done = fetch(cli, home, file, "--start", "2024-01-01")
    assert (done.code, done.err) == (0, "")
    assert done.out == "AAPL: 5 bars added, 5 stored, 2024-01-02 to 2024-01-08, version 1\n"
    assert len(catalog(home).read("AAPL", Interval.D1)) == 5
    again = fetch(cli, home, file, "--json").json
    assert again["ok"]
    assert (again["fetched"][0]["added"], again["fetched"][0]["version"]) == (0, 1)


def test_start_and_end_limit_what_is_stored(cli: Cli, home: Path, file: Path) -> None:
    """Days before the start, and from the end on, are left out."""
    done = fetch(cli, home, file, "--start", "2024-01-03", "--end", "2024-01-05T00:00:00Z")
    assert "2 bars added, 2 stored, 2024-01-03 to 2024-01-04" in done.out


def test_refused_rows_are_told_and_kept(cli: Cli, home: Path, file: Path) -> None:
    """The rest is stored; where the refused rows lie is said, and they can be accepted by rule."""
    file.write_text(GOOD + BAD_ROW)
    done = fetch(cli, home, file)
    assert done.code == 0
    assert "AAPL: 1 rows refused (high_below_low 1), set aside in" in done.err
    (kept,) = catalog(home).refused("AAPL", Interval.D1)
    assert (kept["row"], kept["rules"]) == (7, ["high_below_low"])
    assert "sound" in cli("data", "check", "--home", home).out
    rules = ("--accept", "high_below_low", "--accept", "close_outside_range")
    assert "1 bars added" in fetch(cli, home, file, *rules).out


def test_a_malformed_file_changes_nothing(cli: Cli, home: Path, file: Path) -> None:
    """Every problem has its line, the exit code is 1, and the home is as it was."""
    file.write_text(GOOD + "2024-01-09,10\n2024-01-10,x,11,9,10,10,1\n")
    before = tree_digest(home)
    done = fetch(cli, home, file)
    assert (done.code, done.out) == (1, "")
    assert "2 problems in" in done.err
    assert "line 7: 2 fields; the header has 7" in done.err
    assert "line 8: open is 'x', not a number" in done.err
    assert "Traceback" not in done.err
    assert tree_digest(home) == before


def test_one_malformed_file_of_several_stops_all(cli: Cli, home: Path, tmp_path: Path) -> None:
    """Files are read before anything of them is stored."""
    (tmp_path / "A.csv").write_text(GOOD)
    (tmp_path / "B.csv").write_text("nonsense")
    before = tree_digest(home)
    assert fetch(cli, home, tmp_path / "{symbol}.csv", symbols="A,B").code == 1
    assert tree_digest(home) == before
    (tmp_path / "B.csv").write_text(GOOD)
    assert fetch(cli, home, tmp_path / "{symbol}.csv", symbols="A, B,A").out.count("added") == 2


def test_a_symbol_that_fails_does_not_keep_others(cli: Cli, home: Path, tmp_path: Path) -> None:
    """The others are stored, the failure is named, and the exit code is 1."""
    (tmp_path / "A.csv").write_text(GOOD)
    (tmp_path / "B.csv").write_text(HEADER + BAD_ROW)
    done = fetch(cli, home, tmp_path / "{symbol}.csv", symbols="B,A")
    assert done.code == 1
    assert "A: 5 bars added" in done.out
    assert "B: none of 1 rows of B is a bar to keep (high_below_low 1)" in done.err
    failed = fetch(cli, home, tmp_path / "{symbol}.csv", "--json", symbols="B,A").json
    assert not failed["ok"]
    assert [one["symbol"] for one in failed["failed"]] == ["B"]


def test_a_correction_needs_a_word(cli: Cli, home: Path, file: Path) -> None:
    """Other values are refused until they are called a revision or a replacement."""
    fetch(cli, home, file)
    file.write_text(GOOD.replace("10.5,10.5,100", "10.6,10.6,100"))
    refused = fetch(cli, home, file)
    assert refused.code == 1
    assert "csv gives other values for 5 stored bars of AAPL 1d; on 2024-01-02 00:00" in refused.err
    assert "close 10.5 is now 10.6" in refused.err
    assert fetch(cli, home, file, "--revise").code == 0
    file.write_text(GOOD)
    assert "version 3" in fetch(cli, home, file, "--replace").out


def test_times_without_zone_need_one(cli: Cli, home: Path, file: Path) -> None:
    """Local times are refused until their zone is named."""
    file.write_text(HEADER + "2024-01-02 09:30,10,11,9,10.5,10.5,100\n")
    assert "naive_time 1" in fetch(cli, home, file, "--interval", "1h").err
    zone = ("--interval", "1h", "--zone", "America/New_York")
    assert fetch(cli, home, file, *zone).code == 0
    (at,) = catalog(home).read("AAPL", Interval.H1)["timestamp"]
    assert at == datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--source", "csv", "--symbols", "A"), 1, "the source csv needs a file"),
        (("--source", "csv", "--symbols", ","), 2, "names no symbol"),
        (("--source", "nowhere", "--symbols", "A"), 2, "'nowhere' is not one of"),
        (("--source", "ccxt", "--symbols", "A"), 2, "needs a first day"),
        (("--source", "csv", "--symbols", "A", "--start", "soon"), 2, "is neither a day"),
        (("--source", "csv", "--symbols", "A", "--end", "2024-01-01T10:00"), 2, "has no zone"),
        (("--source", "csv", "--symbols", "A", "--zone", "Mars"), 2, "is not a time zone"),
        (("--source", "csv", "--symbols", "A", "--interval", "7m"), 1, "is no interval of bars"),
        (("--source", "csv", "--symbols", "A", "--calendar", "MARS"), 1, "no calendar 'MARS'"),
        (("--source", "csv", "--symbols", "A", "--accept", "x"), 1, "no rule is called x"),
        (("--source", "csv", "--symbols", "A", "--path", "none.csv"), 1, "cannot read none.csv"),
    ],
)
def test_wrong_options_are_told(
    cli: Cli, home: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """Each is one clear message; nothing is changed."""
    before = tree_digest(home)
    done = cli("fetch-data", *arguments, "--home", home)
    assert done.code == code
    assert message in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err
    assert tree_digest(home) == before


def test_a_home_is_needed(cli: Cli, tmp_path: Path) -> None:
    """Commands do not make one: that is init's business."""
    for command in (("data", "list"), ("data", "check")):
        done = cli(*command, "--home", tmp_path / "nowhere")
        assert done.code == 1
        assert "there is no deployment at" in done.err
        assert "python -m rustybt init" in done.err


def test_the_list(cli: Cli, home: Path, file: Path) -> None:
    """An empty catalog says how to fill it; a filled one shows its series."""
    assert "the catalog is empty" in cli("data", "list", "--home", home).out
    assert cli("data", "list", "--home", home, "--json").json == {"series": []}
    fetch(cli, home, file)
    shown = cli("data", "list", "--home", home)
    assert shown.code == 0
    assert "AAPL" in shown.out
    (one,) = cli("data", "list", "--home", home, "--json").json["series"]
    assert (one["rows"], one["calendar"], one["source"]) == (5, "NYSE", "csv")


def test_the_check_passes_only_what_it_looked_at(cli: Cli, home: Path, file: Path) -> None:
    """An empty catalog is no success; a whole one is."""
    empty = cli("data", "check", "--home", home)
    assert empty.code == 1
    assert "there is nothing to check" in empty.err
    fetch(cli, home, file)
    assert cli("data", "check", "--home", home).code == 0
    whole = cli("data", "check", "--home", home, "--json")
    assert (whole.code, whole.json["ok"]) == (0, True)
    assert whole.json["series"][0]["gaps"] == []


def test_the_check_finds_gaps_by_the_series_calendar(cli: Cli, home: Path, file: Path) -> None:
    """A day the exchange was open is missing; by another calendar, the weekend as well."""
    file.write_text(GOOD.replace("2024-01-04,10,11,9,10.5,10.5,100\n", ""))
    fetch(cli, home, file)
    done = cli("data", "check", "--home", home)
    assert done.code == 1
    assert "AAPL 1d lacks 2024-01-04 00:00" in done.err
    other = cli("data", "check", "--home", home, "--calendar", "24/7", "--json").json
    assert other["series"][0]["gaps"] == [
        "2024-01-04 00:00",
        "2024-01-06 00:00 to 2024-01-07 00:00 (2 bars)",
    ]
    days = [datetime(2024, 1, 2, tzinfo=UTC) + timedelta(days=14 * n) for n in range(13)]
    rows = "".join(f"{day:%Y-%m-%d},10,11,9,10.5,10.5,100\n" for day in days)
    file.write_text(HEADER + rows)
    fetch(cli, home, file, "--replace")
    assert "AAPL 1d has 2 more gaps" in cli("data", "check", "--home", home).err


def test_the_check_names_what_is_damaged(cli: Cli, home: Path, file: Path) -> None:
    """A flipped byte, and a manifest that is gone, are found and named."""
    fetch(cli, home, file)
    (data,) = (home / "state" / "catalog").rglob("*.parquet")
    content = bytearray(data.read_bytes())
    content[100] ^= 1
    data.write_bytes(content)
    done = cli("data", "check", "--home", home)
    assert done.code == 1
    assert f"{data} is damaged" in done.err
    assert "damaged" in done.out
    found = cli("data", "check", "--home", home, "--json").json
    assert not found["ok"]
    assert str(data) in found["series"][0]["problems"][0]
    data.with_name("manifest.json").unlink()
    gone = cli("data", "check", "--home", home)
    assert (gone.code, "holds bars but no manifest" in gone.err) == (1, True)


def fresh_file(path: Path, age: int) -> None:
    """Write bars of the last 20 days, the newest of which ended *age* days ago."""
    today = datetime.now(UTC)
    days = [today - timedelta(days=age + 1 + n) for n in range(20, -1, -1)]
    path.write_text(HEADER + "".join(f"{day:%Y-%m-%d},10,11,9,10.5,10.5,9\n" for day in days))


def test_a_source_can_be_tried(cli: Cli, tmp_path: Path) -> None:
    """What it delivers is shown; nothing needs a home or is stored."""
    path = tmp_path / "BTC.csv"
    fresh_file(path, 0)
    arguments = ("test-data", "--source", "csv", "--path", path)
    done = cli(*arguments)
    assert (done.code, done.err) == (0, "")
    assert "BTC" in done.out
    (shown,) = cli(*arguments, "--json").json["symbols"]
    assert (shown["bars"], shown["behind"]) == (21, 0)


def test_a_stale_or_unsound_source_fails(cli: Cli, tmp_path: Path) -> None:
    """Too many missing bars at the end, or rows that are refused, are said and exit 1."""
    path = tmp_path / "BTC.csv"
    fresh_file(path, 5)
    arguments = ("test-data", "--source", "csv", "--path", path)
    assert cli(*arguments).code == 0
    stale = cli(*arguments, "--max-behind", 2)
    assert stale.code == 1
    assert "BTC is stale: 5 bars behind; at most 2 are accepted" in stale.err
    path.write_text(GOOD + BAD_ROW)
    unsound = cli(*arguments, "--calendar", "NYSE")
    assert unsound.code == 1
    assert "BTC has rows that the rules refuse" in unsound.err
    assert cli("test-data", "--source", "csv").code == 2


def test_help_imports_nothing_heavy() -> None:
    """The commands are known without loading what they need."""
    code = (
        "import sys, rustybt.cli.app\n"
        "heavy = {'polars', 'pandas', 'numpy', 'ccxt', 'yfinance', 'exchange_calendars'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
