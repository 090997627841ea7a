"""``rustybt benchmark`` as a user runs it, on tiny sizes: what it says, not how fast it is."""

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rustybt.benchmark.suites import SUITES
from rustybt.cli import run

ROOT = Path(__file__).parents[2]
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_prints_a_record(cli: Cli, suite: str) -> None:
    """The record says suite, rounds, machine, commit, and every round's figure."""
    code, out, err = cli("benchmark", "--suite", suite, "--iterations", 2, "--size", 100, "--json")
    assert (code, err) == (0, "")
    record = json.loads(out)
    assert (record["suite"], record["iterations"], record["schema"]) == (suite, 2, 1)
    assert record["utc"].endswith("+00:00")
    assert set(record["host"]) >= {"cpu", "cores", "memory_gib", "system", "python", "digest"}
    assert set(record) >= {"commit", "dirty", "version"}
    for case in record["cases"]:
        assert all(len(rounds) == 2 for rounds in case["seconds"].values())
        assert case["ratios"]


def test_orders_are_timed_one_by_one_and_at_peak(cli: Cli, tmp_path: Path) -> None:
    """Every order of both parts is in the percentiles and in the histograms, and none is lost."""
    path = tmp_path / "record.json"
    sizes = ("--iterations", 1, "--size", 100, "--peak", 1)
    code, out, _ = cli("benchmark", "--suite", "order-execution", *sizes, "--output", path)
    assert code == 0
    record = json.loads(path.read_bytes())
    for part, orders in (("latency", 100), ("peak", 200)):
        for step in ("wire_ms", "acknowledged_ms"):
            found = record[part][step]
            assert found["count"] == orders == sum(found["histogram"].values())
            assert 0 < found["p50"] <= found["p95"] <= found["p99"] <= found["max"]
    load = record["peak"]
    assert (load["acknowledged"], load["bars"], load["lost"]) == (200, 500, 0)
    assert "peak of 1 s: 200 orders and 500 bars of 500 symbols, 0 lost" in out
    assert f"{record['latency']['acknowledged_ms']['p99']:.2f}" in out


def test_people_see_tables_and_the_record_goes_to_a_file(cli: Cli, tmp_path: Path) -> None:
    """The file holds the figures that are shown."""
    path = tmp_path / "record.json"
    code, out, _ = cli(
        "benchmark", "--suite", "backtest", "--iterations", 1, "--size", 200, "--output", path
    )
    assert code == 0
    record = json.loads(path.read_bytes())
    case = record["cases"][0]
    assert f"backtest: {case['name']}, 1 rounds" in out
    assert f"{case['per_second']['callback']:,}" in out
    ratio = case["ratios"]["callback_over_float"]
    assert f"callback takes {ratio['median']:.2f} times as long as float" in out
    assert "(wanted: at most 1.15)" in out
    assert record["host"]["digest"] in out
    assert str(path) in out


def test_json_and_file_are_the_same_record(cli: Cli, tmp_path: Path) -> None:
    """With both, both are there."""
    path = tmp_path / "record.json"
    code, out, _ = cli(
        "benchmark",
        *("--suite", "ledger", "--iterations", 1, "--size", 100, "--json", "--output", path),
    )
    assert code == 0
    assert json.loads(out) == json.loads(path.read_bytes())


def test_an_unknown_suite_is_named_with_those_that_are(cli: Cli) -> None:
    """Wrong usage ends with 2."""
    code, out, err = cli("benchmark", "--suite", "anything")
    assert (code, out) == (2, "")
    assert "'anything' is none of backtest, ledger, order-execution, signals" in err


@pytest.mark.parametrize("option", [("--iterations", 0), ("--size", 99)])
def test_numbers_that_measure_nothing_are_refused(cli: Cli, option: tuple[str, int]) -> None:
    """No rounds, or too few bars to decide anything, are wrong usage."""
    code, _, err = cli("benchmark", "--suite", "ledger", *option)
    assert code == 2
    assert option[0] in err


def test_a_file_that_cannot_be_is_refused_before_measuring(cli: Cli, tmp_path: Path) -> None:
    """Nobody waits for a record that has no place."""
    for path in (tmp_path, tmp_path / "missing" / "record.json"):
        code, out, err = cli("benchmark", "--suite", "ledger", "--output", path)
        assert (code, out) == (1, "")
        assert str(path) in err
        assert "expected the path of a file" in err
    assert list(tmp_path.iterdir()) == []


def test_progress_is_shown_to_who_is_looking() -> None:
    """On a terminal the rounds are counted on stderr; the record stays alone on stdout."""
    leader, follower = pty.openpty()
    command = (sys.executable, "-m", "rustybt", "benchmark", "--suite", "ledger")
    seen: list[bytes] = []
    with subprocess.Popen(
        (*command, "--iterations", "2", "--size", "100"),
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(follower)
        reader = threading.Thread(target=drain, args=(leader, seen))
        reader.start()
        out, _ = process.communicate()
        reader.join()
    os.close(leader)
    assert process.returncode == 0
    assert b"ledger: 100 fills, 2 rounds" in out
    assert b"ledger" in b"".join(seen)


def drain(terminal: int, seen: list[bytes]) -> None:
    """Read all that is written to *terminal*, so that its writer never waits for us."""
    with contextlib.suppress(OSError):  # EIO: the other end was closed
        while data := os.read(terminal, 65536):
            seen.append(data)


def peers(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "benchmarks.peers", *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_engines_are_listed_with_their_releases() -> None:
    """Who wants to choose sees what there is."""
    done = peers("list")
    assert done.returncode == 0
    assert "backtesting==0.6.6" in done.stdout
    assert "this checkout" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--case", "1x"), "is no case"),
        (("run", "--commit", "HEAD"), "is not the full name of a commit"),
        (("run", "--rounds", "0"), "is not a whole number from 1 on"),
        (("run", "--peer", "nobody"), "invalid choice"),
        ((), "required"),
    ],
)
def test_wrong_choices_are_refused(arguments: tuple[str, ...], message: str) -> None:
    """Nothing is installed or run for a command that is wrong."""
    done = peers(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
