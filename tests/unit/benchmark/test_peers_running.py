"""Engines in processes of their own: ours, and scripts that go wrong."""

import json
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.cases import Case, write_prices
from benchmarks.peers.comparing import Plan, compare, described, merged, warm_up, workload
from benchmarks.peers.environments import (
    Environment,
    NotInstalledError,
    default_cache,
    environment_of,
    find_python,
    last_line,
)
from benchmarks.peers.peers import CALLBACK, PEERS, SIGNALS, Peer
from benchmarks.peers.reference import Expected, reference
from benchmarks.peers.running import ENGINES, FAILED, OK, TIMED_OUT, WRONG, Run, judged, run_engine

HERE = Environment(Path(sys.executable), "3.11", {"rustybt": "0.1.0", "polars": "2.0"})
OURS = [peer for peer in PEERS if peer.is_ours]
CASE = Case(2, 300)
PLAN = Plan(rounds=2, timeout=120, slow=100, head={"commit": "c"})

HONEST = """
import json, sys
job = json.load(open(sys.argv[1]))
words = {{
    "version": "1", "load_seconds": 0.5, "run_seconds": 0.25, "cpu_seconds": 0.125,
    "equity_cents": "{equity}", "fills": {fills}, "peak_kib": 2048,
}}
open(job["answer"], "w").write(json.dumps(words))
"""


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file with the case's bars."""
    path = tmp_path_factory.mktemp("prices") / "prices.parquet"
    write_prices(CASE, path)
    return path


@pytest.fixture(scope="module")
def expected(prices: Path) -> Expected:
    """Return how the case has to end."""
    return reference(write_prices(CASE, prices), CASE)


def scripted(folder: Path, text: str, name: str = "other") -> Peer:
    """Return an engine that is the script *text*."""
    script = folder / f"{name}.py"
    script.write_text(text, "utf-8")
    return Peer(
        name=name, title=name.title(), script=str(script), packages=("x==1",), deviation="None."
    )


@pytest.mark.parametrize("peer", OURS, ids=lambda peer: peer.name)
def test_ours_agrees_with_the_reference_to_the_last_digit(
    peer: Peer, prices: Path, expected: Expected
) -> None:
    """Both of our paths, run as peers are, end with the exact equity."""
    run = judged(run_engine(peer, HERE, CASE, prices, 120), expected, peer.tolerance)
    assert (run.status, run.reason) == (OK, "")
    assert run.answer["warm_seconds"] > 0


def test_a_script_that_raises_has_failed_with_its_last_line(tmp_path: Path, prices: Path) -> None:
    """The reason is what Python said last, without folders."""
    peer = scripted(tmp_path, "raise FileNotFoundError('/some/where/bars.csv is missing')")
    run = run_engine(peer, HERE, CASE, prices, 60)
    assert run.status == FAILED
    assert run.reason == "FileNotFoundError: bars.csv is missing"


def test_a_script_that_never_ends_is_stopped(tmp_path: Path, prices: Path) -> None:
    """Nothing waits longer than it was told to."""
    peer = scripted(tmp_path, "import time\ntime.sleep(600)")
    run = run_engine(peer, HERE, CASE, prices, 0.2)
    assert (run.status, run.reason) == (TIMED_OUT, "after 0.2 s")


def answered(equity: str, fills: int) -> Run:
    return Run(OK, "", 1.0, {"equity_cents": equity, "fills": fills})


@pytest.mark.parametrize(
    ("equity", "fills", "tolerance", "status"),
    [
        ("10000", 2, "0", OK),
        ("10000.000", 2, "0", OK),
        ("10000.001", 2, "0", WRONG),
        ("10001", 2, "0.01", OK),
        ("9999", 2, "0.01", OK),
        ("10001.0001", 2, "0.01", WRONG),
        ("9998.9", 2, "0.01", WRONG),
        ("10000", 3, "0.01", WRONG),
        ("nan", 2, "0.01", WRONG),
    ],
)
def test_an_end_is_wrong_beyond_the_tolerance(
    equity: str, fills: int, tolerance: str, status: str
) -> None:
    """Equity may be off by the tolerance, the number of fills not at all."""
    run = judged(answered(equity, fills), Expected(Decimal(100), 2), Decimal(tolerance))
    assert run.status == status
    assert ("expected 100 after 2" in run.reason) == (status == WRONG)


def test_a_failure_stays_one() -> None:
    """What did not end well is not judged again."""
    run = Run(FAILED, "no", 1.0, {})
    assert judged(run, Expected(Decimal(1), 1), Decimal(0)) is run


def test_a_comparison_records_every_round_and_every_failure(
    tmp_path: Path, expected: Expected
) -> None:
    """Figures of what agrees, the reason of what does not, and nothing left out."""
    cents = expected.equity * 100
    right = scripted(tmp_path, HONEST.format(equity=cents, fills=expected.fills), "right")
    wrong = scripted(tmp_path, HONEST.format(equity=cents + 5, fills=expected.fills), "wrong")
    broken = scripted(tmp_path, "raise SystemExit('no such method')", "broken")
    absent = scripted(tmp_path, "", "absent")
    peers: dict[Peer, Environment | str] = dict.fromkeys([OURS[0], right, wrong, broken], HERE)
    peers[absent] = "no matching distribution"
    saved: list[int] = []
    said: list[str] = []
    [case] = compare(
        [CASE], peers, PLAN, save=lambda cases: saved.append(len(cases)), say=said.append
    )
    results = case["results"]
    assert saved == [1, 1]
    assert len(case["measured"].pop("load")) == 2
    assert case["measured"] == {"commit": "c", "rounds": 2, "slow_seconds": 100}
    assert len(said) == 6  # two that agree twice, two that do not once
    assert {name: result["status"] for name, result in results.items()} == {
        CALLBACK: "ok",
        "right": "ok",
        "wrong": "wrong",
        "broken": "failed",
        "absent": "not installed",
    }
    assert results["broken"]["reason"] == "no such method"
    assert results["absent"]["reason"] == "no matching distribution"
    assert "run_seconds" not in results["wrong"]
    assert results["right"]["run_seconds"] == [0.25, 0.25]
    assert results["right"]["cpu_seconds"] == [0.125, 0.125]
    assert results["right"]["rounds"] == 2
    assert results["right"]["bars_per_second"] == 2400
    assert results["right"]["peak_mib"] == 2
    ours = results[CALLBACK]
    assert ours["ratios"]["run_to_rustybt"] == 1.0
    ratios = sorted(0.25 / each for each in ours["run_seconds"])
    assert results["right"]["ratios"]["run_to_rustybt"] == pytest.approx(sum(ratios) / 2, rel=1e-4)
    assert "warm_to_rustybt" not in results["right"]["ratios"]
    assert "run_to_rustybt-signals" not in results["right"]["ratios"]


def test_a_slow_engine_has_one_round(tmp_path: Path, expected: Expected) -> None:
    """What takes long is not run again, and its record says how often it ran."""
    peer = scripted(
        tmp_path, HONEST.format(equity=expected.equity * 100, fills=expected.fills), "slow"
    )
    plan = Plan(rounds=3, timeout=60, slow=0)
    [case] = compare([CASE], {peer: HERE}, plan, save=len, say=len)
    assert case["results"]["slow"]["rounds"] == 1
    assert case["results"]["slow"]["ratios"] == {}


def test_warming_up_runs_what_is_installed(tmp_path: Path) -> None:
    """Every installed engine runs once; what comes of it does not count."""
    peer = scripted(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'a').write('x')")
    warm_up({peer: HERE, OURS[0]: "not there"}, PLAN)
    assert (tmp_path / "ran").read_text("utf-8") == "x"


def test_engines_are_described_with_versions_or_the_reason() -> None:
    """Who reads the record knows what ran, with which libraries, or why it did not."""
    other = PEERS[-1]
    about = described({OURS[0]: HERE, other: "no"})
    assert about[CALLBACK]["version"] == "0.1.0"
    assert about[CALLBACK]["libraries"] == {"polars": "2.0"}
    assert about[CALLBACK]["ours"] is True
    assert about[other.name]["installed"] is False
    assert about[other.name]["reason"] == "no"
    assert about[other.name]["deviation"] == other.deviation
    assert workload()["cash"] == "1000000"


def old_and_new() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return two records: of cases a and b, and of case b and another engine."""
    head = {"host": {"digest": "x"}, "workload": {"fast": 20}}
    a, b = {"name": "a", "symbols": 1, "bars": 10}, {"name": "b", "symbols": 2, "bars": 10}
    old = {**head, "peers": {"one": {"version": "1"}}, "cases": [b, a]}
    new = {**head, "peers": {"two": {"version": "2"}}, "cases": [{**b, "again": True}]}
    return old, new


def test_cases_that_are_not_measured_again_stay() -> None:
    """A record may be made bit by bit; what is new takes the place of what is old."""
    old, new = old_and_new()
    found = merged(old, new)
    assert [(case["name"], case.get("again")) for case in found["cases"]] == [
        ("a", None),
        ("b", True),
    ]
    assert list(found["peers"]) == ["one", "two"]


@pytest.mark.parametrize(
    "change",
    [
        {"host": {"digest": "y"}},
        {"workload": {"fast": 21}},
        {"peers": {"one": {"version": "2"}}},
    ],
)
def test_what_cannot_be_compared_does_not_stay(change: dict[str, Any]) -> None:
    """Another machine, other work or another release makes the old figures useless."""
    old, new = old_and_new()
    new |= change
    assert merged(old, new) == new


def test_every_engine_has_its_script_and_pins() -> None:
    """Releases are pinned, names are used once, and every script is there."""
    assert [peer.name for peer in OURS] == [CALLBACK, SIGNALS]
    assert len({peer.name for peer in PEERS}) == len(PEERS) == 10
    for peer in PEERS:
        assert (ENGINES / peer.script).is_file()
        assert all("==" in package for package in peer.packages)
        assert peer.deviation.endswith(".")


def test_scripts_of_engines_import_nothing_of_ours() -> None:
    """An engine under another licence never meets our code in one process."""
    for script in ENGINES.glob("run_*.py"):
        ours = "rustybt" in script.name
        assert ("rustybt" in script.read_text("utf-8")) is ours, script.name


def wheel(folder: Path) -> Path:
    """Write a package that can be installed without a network."""
    path = folder / "tiny_engine-1.2-py3-none-any.whl"
    info = "tiny_engine-1.2.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_engine.py", "")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-engine\nVersion: 1.2\n"
        )
        archive.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_an_environment_is_made_once_and_kept(tmp_path: Path) -> None:
    """The second time nothing is installed; the versions are those found in it."""
    peer = Peer(
        name="tiny", title="Tiny", script="x.py", packages=(str(wheel(tmp_path)),), deviation="."
    )
    made = environment_of(peer, tmp_path / "cache", tmp_path, "")
    assert made.versions["tiny-engine"] == "1.2"
    done = subprocess.run([made.python, "-c", "import tiny_engine"], check=False)
    assert done.returncode == 0
    [folder] = (tmp_path / "cache").iterdir()
    (folder / "installed.json").write_text(json.dumps({"tiny-engine": "kept"}), "utf-8")
    assert environment_of(peer, tmp_path / "cache", tmp_path, "").versions["tiny-engine"] == "kept"


def test_what_cannot_be_installed_says_why(tmp_path: Path) -> None:
    """Ours is taken from a commit; without that commit there is nothing to install."""
    with pytest.raises(NotInstalledError, match=r"not a git repository|not a valid object|fatal"):
        environment_of(OURS[0], tmp_path / "cache", tmp_path, "0" * 40)
    assert not list((tmp_path / "cache").glob("*/installed.json"))


def test_an_interpreter_is_found() -> None:
    """The one that runs this is taken if all engines run on it."""
    version, python = find_python()
    assert version in {"3.11", "3.12", "3.13"}
    assert python.is_file()


def test_environments_lie_outside_of_the_tree() -> None:
    """Their folder is in a cache."""
    assert default_cache().name == "rustybt-peers"
    assert Path(__file__).parents[3] not in default_cache().parents


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("\n \n", ""), ("a\nb c\n\n", "b c"), ("x: /a/b/c.py broke", "x: c.py broke")],
)
def test_the_last_line_names_no_folder(text: str, line: str) -> None:
    """Reasons are published: they hold file names only."""
    assert last_line(text) == line
