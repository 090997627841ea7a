"""``rustybt sweep`` as a user runs it, and the page that it writes."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rustybt.cli import run

MOMENTUM = Path(__file__).parents[2] / "examples" / "momentum.py"


def walk(seed: int, count: int = 400) -> pl.DataFrame:
    """Return daily bars of a random walk, the same for a seed."""
    random = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    return pl.DataFrame(
        {
            "timestamp": [
                datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(count)
            ],
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
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
def cli(capsys: pytest.CaptureFixture[str], bars: Path) -> Cli:
    """Call ``sweep`` on the bars in one process."""

    def call(*arguments: object, strategy: object = MOMENTUM) -> Printed:
        capsys.readouterr()
        given = ("sweep", "--strategy", strategy, "--data", bars, "--processes", 1, *arguments)
        code = run([str(argument) for argument in given])
        printed = capsys.readouterr()
        return Printed(code, printed.out, printed.err)

    return call


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "acme.parquet"
    walk(1).write_parquet(path)
    return path


GRID = ("--parameter", "fast=2:6:2", "--parameter", "slow=4,8,12", "--where", "fast < slow")


def test_a_table_of_the_best(cli: Cli, bars: Path) -> None:
    """Without options the best runs are printed, and nothing is written."""
    before = sorted(bars.parent.iterdir())
    printed = cli(*GRID, "--top", 3)

    assert printed.code == 0, printed.err
    assert "best 3 of 7 by Sharpe ratio" in printed.out
    assert "sharpe ratio" in printed.out
    assert printed.out.count("│") == 3 * 9
    assert sorted(bars.parent.iterdir()) == before


def test_json_and_files_say_the_same(cli: Cli, tmp_path: Path) -> None:
    """The ranking in JSON is that of the table in Parquet; the page is there."""
    folder = tmp_path / "out"
    printed = cli(*GRID, "--metric", "return", "--output", folder, "--json")
    document = json.loads(printed.out)
    results = pl.read_parquet(folder / "results.parquet").sort("total_return", descending=True)

    assert printed.code == 0, printed.err
    assert document["combinations"] == 7
    assert document["excluded"] == 2
    assert document["best"] == document["ranking"][0]["parameters"]
    assert [each["final_equity"] for each in document["ranking"]] == list(results["final_equity"])
    assert document["files"] == [str(folder / "results.parquet"), str(folder / "sweep.html")]
    assert sorted(map(str, folder.iterdir())) == sorted(document["files"])


def test_costs_and_cash_count(cli: Cli) -> None:
    """Commission, slippage, cash, lot and currency reach every run."""
    free = json.loads(cli(*GRID, "--json").out)["ranking"][0]
    options = ("--commission-bps", 10, "--slippage-bps", 5, "--cash", 50_000, "--currency", "EUR")
    document = json.loads(cli(*GRID, *options, "--lot", 1, "--fill", "same_close", "--json").out)

    assert document["currency"] == "EUR"
    assert free["fees"] == "0"
    assert float(document["ranking"][0]["fees"]) > 0
    assert float(document["ranking"][0]["final_equity"]) < 60_000


def test_walk_forward_windows(cli: Cli, tmp_path: Path) -> None:
    """Each window has what was chosen and how it did; all tests in a row make one figure."""
    folder = tmp_path / "out"
    plain = cli(*GRID, "--walk-forward", "100/50", "--output", folder)
    document = json.loads(cli(*GRID, "--walk-forward", "100/50", "--json").out)

    assert plain.code == 0, plain.err
    assert "6 windows, chosen by Sharpe ratio" in plain.out
    assert "all tests in a row: total return" in plain.out
    assert len(document["windows"]) == 6
    assert document["windows"][0]["test_start"] == "2020-04-10T00:00:00.000000+00:00"
    assert set(document["out_of_sample"]) == {"total_return", "sharpe_ratio", "max_drawdown"}
    names = ["results.parquet", "sweep.html", "windows.parquet"]
    assert sorted(path.name for path in folder.iterdir()) == names
    page = (folder / "sweep.html").read_text()
    assert "Walk-forward windows" in page
    assert page.count("<svg") == 2


def test_a_state_is_taken_up_again(cli: Cli, tmp_path: Path) -> None:
    """The second command runs nothing and says where its results are from."""
    state = tmp_path / "state"
    first = json.loads(cli(*GRID, "--state", state, "--json").out)
    second = cli(*GRID, "--state", state)
    changed = cli(*GRID, "--state", state, "--commission-bps", 1)

    assert first["reused"] == 0
    assert "7 results are from an earlier run" in second.out
    assert "note: begun anew: changed since the last run: settings" in changed.out


WRONG = {
    "unknown parameter": (("--parameter", "fats=1:2"), "'fats' is not a parameter"),
    "bad range": (("--parameter", "fast=1:x"), "'1:x' is no range of numbers"),
    "wrong type": (("--parameter", "fast=1.5"), "fast = '1.5' is not of type int"),
    "nothing left": ((*GRID, "--where", "slow < 1"), "all 9 combinations are excluded"),
    "bad condition": ((*GRID, "--where", "fast < "), "the condition 'fast <'"),
    "unknown metric": ((*GRID, "--metric", "luck"), "there is no metric 'luck'"),
    "bad windows": ((*GRID, "--walk-forward", "1"), "says no walk-forward windows"),
    "too few bars": ((*GRID, "--walk-forward", "400/5"), "none is left to test on"),
    "bad cash": ((*GRID, "--cash", "-1"), "initial cash of -1"),
    "no cluster": ((*GRID, "--dask", "nonsense://1"), "Dask"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_clear_error(cli: Cli, tmp_path: Path, case: str) -> None:
    """Whatever is wrong is one message, exit code 1, nothing written, no traceback."""
    arguments, message = WRONG[case]
    printed = cli(*arguments, "--output", tmp_path / "out")

    assert printed.code == 1
    assert printed.err.startswith("rustybt: ")
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["fast", "=1", "fast=", "fast=1:2|fast=3"])
def test_wrong_usage(cli: Cli, text: str) -> None:
    """What is no name=values, and a name given twice, is wrong usage."""
    arguments = [part for each in text.split("|") for part in ("--parameter", each)]

    assert cli(*arguments).code == 2


def test_a_cluster_needs_its_extra(bars: Path) -> None:
    """Without Dask the error names what to install."""
    probe = (
        "import sys; sys.modules['distributed'] = None\n"
        "from rustybt.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [
        "sweep",
        "--strategy",
        MOMENTUM,
        "--data",
        bars,
        *GRID,
        "--dask",
        "tcp://127.0.0.1:1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", probe, *map(str, command)], capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "Dask is not installed" in done.stderr
    assert "rustybt[sweep]" in done.stderr


def test_strategies_that_cannot_be_swept(cli: Cli, tmp_path: Path) -> None:
    """One without parameters, and one that fails with every combination."""
    path = tmp_path / "mine.py"
    head = "from rustybt.strategy import Strategy\nclass Mine(Strategy):\n"
    path.write_text(head + "    def on_bar(self, bar): pass\n")
    bare = cli("--parameter", "fast=1:2", strategy=path)
    path.write_text(head + "    fast = 1\n    def on_bar(self, bar): raise ValueError('no')\n")
    failing = cli("--parameter", "fast=1:2", strategy=path)
    path.write_text(
        head + "    fast = 1\n    def on_bar(self, bar):\n        1 / (self.fast - 1)\n"
    )
    one = cli("--parameter", "fast=1:2", strategy=path)

    assert (bare.code, failing.code, one.code) == (1, 1, 0)
    assert "Mine has no parameters to sweep over" in bare.err
    assert "all 2 runs failed: Mine failed in on_bar" in failing.err
    assert "1 of 2 runs failed" in one.out
    assert "failed: fast = 1: Mine failed in on_bar" in one.out


def test_an_existing_folder_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    """Results never go over other files."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    printed = cli(*GRID, "--output", tmp_path / "mine")

    assert printed.code == 1
    assert "exists and is left as it is" in printed.err


def test_an_interrupt_from_the_keyboard_keeps_what_is_done(bars: Path, tmp_path: Path) -> None:
    """Ctrl-C ends all processes, prints what there is, exits 130, and can be gone on from."""
    started = tmp_path / "started"
    strategy = tmp_path / "slow.py"
    strategy.write_text(
        "import time\nfrom pathlib import Path\nfrom rustybt.strategy import Strategy\n\n\n"
        "class Slow(Strategy):\n    fast = 1\n\n    def on_bar(self, bar):\n        pass\n\n"
        f"    def on_start(self):\n        while self.fast > 2 and not Path({str(bars)!r} + '.go')"
        f".exists():\n            Path({str(started)!r}).touch()\n            time.sleep(0.01)\n"
    )
    command = [sys.executable, "-m", "rustybt", "sweep", "--strategy", strategy, "--data", bars]
    command += ["--parameter", "fast=1:6", "--processes", "2", "--state", tmp_path / "state"]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.01)
        done = tmp_path / "state"
        while done.read_bytes().count(b"final_equity") < 2:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    Path(f"{bars}.go").touch()
    again = subprocess.run(list(map(str, command)), capture_output=True, text=True)

    assert process.returncode == 130, err
    assert "best 2 of 2" in out
    assert "interrupted after 2 runs; run it again and it goes on" in err
    assert again.returncode == 0, again.stderr
    assert "2 results are from an earlier run" in again.stdout


def test_a_terminal_sees_how_far_it_is(bars: Path) -> None:
    """On a terminal there is a bar with the time that is left, on stderr."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rustybt", "sweep", "--strategy", MOMENTUM, "--data", bars]
    done = subprocess.run(
        list(map(str, [*command, *GRID, "--processes", "1"])),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)

    assert done.returncode == 0
    assert b"best 7 of 7" in done.stdout
    assert "7/7" in shown


def test_help_imports_nothing_heavy() -> None:
    """``sweep --help`` needs neither polars nor numpy."""
    probe = (
        "import sys; from rustybt.cli import run; run(['sweep', '--help']);"
        "sys.exit(int(any(name in sys.modules for name in ('polars', 'numpy'))))"
    )
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0


# The page


def drawings(html: str) -> list[ET.Element]:
    """Return the drawings of a page."""
    found = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    return [ET.fromstring(text) for text in found]  # noqa: S314 - what this project has drawn


def test_the_page_stands_alone(cli: Cli, tmp_path: Path) -> None:
    """One file: no script, nothing fetched, hostile names escaped, notes and failures told."""
    path = tmp_path / "hostile.py"
    path.write_text(
        MOMENTUM.read_text()
        + "    note = ''\n\n    def on_stop(self):\n        if self.fast == 4:\n"
        + "            raise ValueError('<script>alert(2)</script>')\n"
    )
    out = tmp_path / "out"
    hostile = ("--parameter", "note=<b>,<script>alert(1)</script>")
    printed = cli(*GRID[:2], "--parameter", "slow=8", *hostile, "--output", out, strategy=path)
    html = (out / "sweep.html").read_text()

    assert printed.code == 0, printed.err
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "&lt;script&gt;alert(2)" in html
    assert "http" not in html
    assert "2 runs failed" in html


def test_a_map_has_a_cell_for_each_pair(cli: Cli, tmp_path: Path) -> None:
    """Two parameters make one map: excluded pairs are empty, the best is framed, figures told."""
    cli(*GRID, "--output", tmp_path / "out")
    (drawing,) = drawings((tmp_path / "out" / "sweep.html").read_text())
    cells = [each for each in drawing.iter("rect") if each.get("class") != "best"]
    frames = [each for each in drawing.iter("rect") if each.get("class") == "best"]
    tips = [each.findtext("title") or "" for each in cells]

    assert len(cells) == 9
    assert len(frames) == 1
    assert sum(each.get("class") == "none" for each in cells) == 2
    assert "fast = 4, slow = 4: not run or not defined" in tips
    assert any(re.fullmatch(r"fast = 2, slow = 12: -?\d+\.\d\d", tip) for tip in tips)


MAPS = {
    "one parameter": (("--parameter", "fast=2:6"), 1, "Sharpe ratio by fast"),
    "a map each": ((*GRID, "--parameter", "units=1,2"), 2, "units = 2"),
    "a value that is the same for all": ((*GRID, "--parameter", "units=3"), 1, "fast and slow"),
    "the best over others": (
        ("--parameter", "fast=2,3", "--parameter", "slow=5:14", "--parameter", "units=1:10"),
        2,
        "fast = 3",
    ),
}


@pytest.mark.parametrize("case", MAPS)
def test_maps_of_other_numbers_of_parameters(cli: Cli, tmp_path: Path, case: str) -> None:
    """One parameter is a row; a third makes small multiples."""
    arguments, count, title = MAPS[case]
    cli(*arguments, "--output", tmp_path / "out")
    html = (tmp_path / "out" / "sweep.html").read_text()

    assert len(drawings(html)) == count
    assert title in html


def test_more_parameters_show_the_best_over_the_others(cli: Cli, tmp_path: Path) -> None:
    """With four parameters a cell is the best over the two that are not drawn."""
    path = tmp_path / "four.py"
    path.write_text(MOMENTUM.read_text() + "    extra = 1\n")
    extra = ("--parameter", "units=1,2", "--parameter", "extra=1,2")
    cli(*GRID, *extra, "--metric", "volatility", "--output", tmp_path / "out", strategy=path)
    html = (tmp_path / "out" / "sweep.html").read_text()
    results = pl.read_parquet(tmp_path / "out" / "results.parquet")
    least = results.filter((pl.col("fast") == 2) & (pl.col("slow") == 4))["volatility"].min()
    tips = [each.findtext("title") or "" for each in drawings(html)[0].iter("rect")]

    assert "by fast and slow, the best over units and extra" in html
    assert f"fast = 2, slow = 4: {least:.2%}" in tips


def test_a_sweep_without_the_metric_says_so(cli: Cli, tmp_path: Path) -> None:
    """Runs that never trade have no Sharpe ratio: there is no map and no best, and no failure."""
    printed = cli("--parameter", "fast=500,600", "--output", tmp_path / "out")
    html = (tmp_path / "out" / "sweep.html").read_text()

    assert printed.code == 0
    assert drawings(html) == []
    assert "there is nothing to draw" in html
