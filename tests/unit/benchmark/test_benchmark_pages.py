"""Pages are made from records, and a figure that was typed is found."""

import json
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rustybt.benchmark import BenchmarkError
from rustybt.benchmark.orders_page import orders_page
from rustybt.benchmark.pages import differences, index_page, made_pages
from rustybt.benchmark.peers_page import peers_page
from rustybt.benchmark.record import to_json
from rustybt.benchmark.suites import SUITES
from rustybt.benchmark.tables import seconds, table, thousands, times

ROOT = Path(__file__).parents[3]
HOST = {
    "cpu": "A Processor",
    "cores": 2,
    "memory_gib": 24,
    "system": "Linux, Something 12",
    "machine": "x86_64",
    "python": "CPython 3.11.7",
    "digest": "0123456789abcdef",
}
HEAD = {
    "schema": 1,
    "utc": "2026-01-02T03:04:05+00:00",
    "version": "0.1.0",
    "commit": "a" * 40,
    "dirty": False,
    "host": HOST,
}


def suite_record(name: str) -> dict[str, Any]:
    return {
        **HEAD,
        "suite": name,
        "iterations": 2,
        "cases": [
            {
                "name": "1x100",
                "unit": "bars",
                "count": 100,
                "facts": {"final_equity": "1.5"},
                "seconds": {"bare": [0.5, 0.7], "callback": [1.5, 1.25]},
                "cpu_seconds": {"bare": [0.5, 0.3], "callback": [0.001, 0.003]},
                "median_seconds": {"bare": 0.6, "callback": 1.375},
                "per_second": {"bare": 167, "callback": 72727},
                "ratios": {
                    "callback_over_bare": {"median": 2.39286, "cpu_median": 2.5, "wanted": 4.0},
                    "bare_over_callback": {"median": 0.42, "cpu_median": 0.4, "wanted": None},
                },
            }
        ],
    }


def engine(title: str, *, ours: bool, **more: object) -> dict[str, Any]:
    return {
        "title": title,
        "ours": ours,
        "deviation": f"{title} | departs.",
        "tolerance": "0" if ours else "0.01",
        "installed": True,
        "version": "1.2",
        "python": "3.11",
        "libraries": {} if ours else {"numpy": "2.0"},
        **more,
    }


def result(run: float, *, own_rules: bool = False) -> dict[str, Any]:
    return {
        "status": "ok",
        "expected_equity": "99.5" if own_rules else "100.5",
        "expected_fills": 4,
        "rounds": 3,
        "median": {
            "run_seconds": run,
            "cpu_seconds": 1.0,
            "wall_seconds": 2 * run,
            "load_seconds": 0.1,
        },
        "bars_per_second": 1234567,
        "peak_mib": 88,
        "ratios": {"run_to_rustybt": run, "cpu_to_rustybt": 3.0, "wall_to_rustybt": 2.0},
    }


def peers_record() -> dict[str, Any]:
    failed = {"status": "failed", "reason": "it broke", "expected_equity": "1"}
    warm = result(0.001)
    warm["median"]["warm_seconds"] = 0.0005
    return {
        "schema": 1,
        "suite": "peers",
        "host": HOST,
        "workload": {
            "fast": 20,
            "slow": 50,
            "units": 10,
            "commission_bps": 10,
            "cash": "1000000",
            "fill": "next open",
        },
        "peers": {
            "rustybt": engine("Ours", ours=True),
            "quick": engine("Quick", ours=False),
            "own": engine("Own", ours=False),
            "broken": engine("Broken", ours=False),
            "absent": engine("Absent", ours=False, installed=False, reason="no such release"),
        },
        "cases": [
            {
                "name": "1x1000",
                "symbols": 1,
                "bars": 1000,
                "count": 1000,
                "measured": {
                    "utc": "2026-01-02T03:04:05+00:00",
                    "commit": "b" * 40,
                    "dirty": False,
                    "rounds": 3,
                    "slow_seconds": 120.0,
                    "load": [0.5, 3.0],
                },
                "expected": {"equity": "100.5", "fills": 4},
                "results": {
                    "rustybt": warm,
                    "quick": result(25.04),
                    "own": result(0.5, own_rules=True),
                    "broken": failed,
                    "absent": {**failed, "status": "not installed", "reason": "no such release"},
                },
            }
        ],
    }


def orders_record() -> dict[str, Any]:
    """Return a record of the suite order-execution."""
    figures = {"count": 3, "p50": 1.5, "p95": 2.0, "p99": 2.25, "max": 4.5}
    part = {
        "wire_ms": {**figures, "histogram": {"2": 3}},
        "acknowledged_ms": {**figures, "p99": 12.5, "histogram": {"2": 2, "8": 1}},
    }
    peak = {"seconds": 60, "symbols": 500, "orders": 200, "bars": 30000, "acknowledged": 12000}
    more = {"lost": 0, "orders_per_second": 202.5, "resident_mib": [200.5, 201.25]}
    return {
        **suite_record("ledger"),
        "suite": "order-execution",
        "latency": {**part, "wanted": {"wire_p99_ms": 5.0, "acknowledged_p99_ms": 25.0}},
        "peak": {**part, **peak, **more},
    }


def growth_record() -> dict[str, Any]:
    """Return the record of how backtests grow, with figures easy to recognise."""
    first = {"case": "1x100", "path": "callback", "nanoseconds_per_bar": 900.5}
    second = {**first, "case": "1x1000", "nanoseconds_per_bar": 850.5, "slope": 845.0}
    third = {**second, "case": "1x10000", "slope": 929.5}
    held = {"columns_bytes": 2**20, "loaded_over_columns": 1.25, "peak_over_columns": 2.5}
    return {
        **suite_record("ledger"),
        "suite": "growth",
        "rounds": 5,
        "linear": [first, {**second, "over_first": 1.0}, {**third, "over_first": 1.1}],
        "memory": [{"case": "1x100", "path": "signals", **held}],
        "cold": [{"case": "1x100", "path": "signals", "seconds": 0.5}],
    }


Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Return a folder with records of all suites and the pages made from them."""
    records = tmp_path / "records"
    records.mkdir()
    for name in SUITES:
        (records / f"benchmark-{name}.json").write_bytes(to_json(suite_record(name)))
    (records / "peers.json").write_bytes(to_json(peers_record()))
    (records / "orders.json").write_bytes(to_json(orders_record()))
    (records / "growth.json").write_bytes(to_json(growth_record()))
    (tmp_path / "performance").mkdir()
    for path, text in made_pages(tmp_path).items():
        path.write_text(text, "utf-8")
    return tmp_path


def test_the_index_shows_the_figures_of_its_records() -> None:
    """Medians, the spread of the rounds, speeds, ratios, machine and commit are all there."""
    page = index_page([suite_record(name) for name in SUITES], growth_record())
    for text in (
        "$ python -m rustybt benchmark --suite ledger --iterations 2",
        "Measured 2026-01-02 03:04 UTC on A Processor, 2 cores, 24 GiB, Linux, Something 12, ",
        "CPython 3.11.7 (machine `0123456789abcdef`), commit `aaaaaaaaaaaa`.",
        "### 1x100 (final equity 1.5)",
        "| 600 ms | 500 ms to 700 ms | 400 ms | 250 |",
        "| 1.38 s | 1.25 s to 1.50 s | 2.00 ms | 50 000 |",
        "| callback : bare | 2.39 | 2.50 | at most 4 |",
        "| bare : callback | 0.42 | 0.40 |  |",
    ):
        assert text in page


def test_the_index_shows_how_backtests_grow() -> None:
    """Times per bar and slopes, memory as a multiple of the columns, and whole processes."""
    page = index_page([suite_record("ledger")], growth_record())
    for text in (
        "| 1x100 | bar by bar | 900.5 |  |  |  |",
        "| 1x1000 | bar by bar | 850.5 | 845 | 1.00 | 0.9 to 1.1 |",
        "| 1x10000 | bar by bar | 850.5 | 929.5 | 1.10 | 0.9 to 1.1 |",
        "| 1x100 | targets as a column | 1.0 MiB | 1.25 | 2.50 | at most 3 |",
        "| 1x100 | targets as a column | 500 ms |",
    ):
        assert text in page


def test_the_page_on_orders_shows_percentiles_histograms_and_the_peak() -> None:
    """Both parts, with what is wanted of the first."""
    page = orders_page(orders_record())
    for text in (
        "$ python -m rustybt benchmark --suite order-execution --iterations 2 --peak 60",
        "| on the wire | 3 | 1.50 | 2.00 | 2.25 | 4.50 | 5 |",
        "| acknowledged | 3 | 1.50 | 2.00 | 12.50 | 4.50 | 25 |",
        "| 8 | 0 | 1 |",
        "Of 30000 bars and 12000 orders 0 were lost; the rate was 202.5 orders a second",
        "had 200.5 MiB in memory half-way and 201.25 MiB at the end",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("change", "text"),
    [({"dirty": True}, "commit `aaaaaaaaaaaa`, with changes."), ({"commit": None}, "package.")],
)
def test_a_page_says_if_no_clean_commit_was_measured(change: dict[str, Any], text: str) -> None:
    """Changes that are in no commit are not hidden."""
    assert text in index_page([{**suite_record("ledger"), **change}], growth_record())


def test_the_page_on_peers_shows_figures_and_what_has_none() -> None:
    """Ratios, deviations, failures and missing engines are all there."""
    page = peers_page(peers_record())
    for text in (
        "$ python -m benchmarks.peers run",
        "commit `bbbbbbbbbbbb`. The load average was 0.5 and 3. 3 rounds; ",
        "; an engine whose process took longer than 120 s has one.",
        "## 1 x 1 000 bars",
        "equity 100.5 after 4 fills",
        "| Ours | 1.00 ms | 1.00 s | 1 000 | 0.50 ms | 2.00 ms | 88 MiB | 3 |",
        "| Quick | 25.0 s | 1.00 s | 1 000 | - | 50.1 s | 88 MiB | 3 |",
        "| Broken | failed | - | - | - | - | - | - |",
        "| Quick | 25.0 | 3.00 | 2.00 | - | - | 100.5 |",
        "| Own | 0.50 | 3.00 | 2.00 | - | - | 99.5 by its own rules |",
        "- Broken: failed: it broke",
        "- Absent could not be installed: no such release",
        "| Ours 1.2 | Python 3.11 | to the last digit | Ours \\| departs. |",
        "| Quick 1.2 | Python 3.11, numpy 2.0 | within 0.01 | Quick \\| departs. |",
        "cash is 1 000 000",
    ):
        assert text in page
    assert "| Absent 1.2" not in page


def test_a_load_that_nobody_looked_at_is_not_told() -> None:
    """A record without it makes a page without it."""
    record = peers_record()
    del record["cases"][0]["measured"]["load"]
    assert "The load average was" not in peers_page(record)


def test_ours_alone_is_compared_with_nobody() -> None:
    """Without another engine there is no table of ratios; who did not run is named."""
    record = peers_record()
    record["cases"][0]["results"] = {"rustybt": result(0.5)}
    page = peers_page(record)
    assert "How many times" not in page
    assert "- Quick: not run on these bars" in page
    assert "- Ours: not run" not in page


def test_pages_that_are_as_made_do_not_differ(docs: Path) -> None:
    """What was just made is what the records say."""
    assert differences(docs) == []


@pytest.mark.parametrize("page", ["index.md", "peers.md"])
def test_a_figure_that_is_edited_is_found(docs: Path, page: str) -> None:
    """The difference names the page, the line, what is there and what has to be."""
    path = docs / "performance" / page
    text = path.read_text("utf-8")
    lines = text.split("\n")
    number = next(n for n, line in enumerate(lines, 1) if " ms |" in line)
    lines[number - 1] = lines[number - 1].replace(" ms |", "1 ms |", 1)
    path.write_text("\n".join(lines), "utf-8")
    [found] = differences(docs)
    assert (found.page, found.line) == (path, number)
    assert found.expected == text.split("\n")[number - 1]
    assert f"{page}:{number}: " in str(found)


@pytest.mark.parametrize("change", ["more\n", ""])
def test_lines_more_or_less_are_found(docs: Path, change: str) -> None:
    """A page that goes on, or ends too early, differs."""
    path = docs / "performance" / "index.md"
    text = path.read_text("utf-8")
    path.write_text(text + change if change else text[:-40], "utf-8")
    assert len(differences(docs)) == 1


def test_a_page_that_is_missing_is_found(docs: Path) -> None:
    """No page is not the same as the right page."""
    path = docs / "performance" / "peers.md"
    path.unlink()
    [found] = differences(docs)
    assert str(found) == f"{path} does not exist"


@pytest.mark.parametrize("name", [*(f"benchmark-{suite}" for suite in SUITES), "peers"])
def test_a_record_that_is_newer_than_its_page_is_found(docs: Path, name: str) -> None:
    """Another record makes another page."""
    path = docs / "records" / f"{name}.json"
    record = json.loads(path.read_bytes())
    record["host"]["cpu"] = "Another Processor"
    path.write_bytes(to_json(record))
    assert len(differences(docs)) == 1


def test_a_missing_record_is_no_agreement(docs: Path) -> None:
    """Where there is nothing to compare with, nothing agrees."""
    (docs / "records" / "peers.json").unlink()
    with pytest.raises(BenchmarkError, match="cannot read the record"):
        differences(docs)


def test_a_record_of_another_suite_is_refused(docs: Path) -> None:
    """A record does not count for what it did not measure."""
    record = suite_record("signals")
    (docs / "records" / "benchmark-ledger.json").write_bytes(to_json(record))
    with pytest.raises(BenchmarkError, match="is a record of signals; expected ledger"):
        made_pages(docs)


def test_making_pages_changes_no_record(docs: Path) -> None:
    """The same record makes the same page every time."""
    record = peers_record()
    before = deepcopy(record)
    assert peers_page(record) == peers_page(record)
    assert record == before
    assert made_pages(docs) == made_pages(docs)


def pages(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "benchmarks.pages", *map(str, arguments))
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_makes_pages_and_finds_differences(docs: Path) -> None:
    """It ends with 0 if pages and records agree, otherwise with 1 and the place."""
    path = docs / "performance" / "index.md"
    path.write_text("# Typed\n", "utf-8")
    found = pages("--docs", docs, "--check")
    assert found.returncode == 1
    assert f"{path}:1: '# Typed'" in found.stdout
    made = pages("--docs", docs)
    assert made.returncode == 0
    assert str(path) in made.stdout
    agreed = pages("--docs", docs, "--check")
    assert (agreed.returncode, agreed.stdout) == (0, "the pages are what the records say\n")


def test_the_command_without_records_ends_with_one_message(tmp_path: Path) -> None:
    """Nothing to look at is an error, not agreement."""
    failed = pages("--docs", tmp_path, "--check")
    assert failed.returncode == 1
    assert failed.stderr.startswith("rustybt: cannot read the record")
    assert len(failed.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0001234, "0.12 ms"), (0.0123, "12.3 ms"), (0.999, "999 ms"), (1, "1.00 s"), (250, "250 s")],
)
def test_times_have_three_digits(value: float, text: str) -> None:
    """Milliseconds below a second, no exponents."""
    assert seconds(value) == text


def test_numbers_are_short() -> None:
    """Speeds and ratios have three digits."""
    assert (thousands(1234567), thousands(999), thousands(12.34)) == ("1 230 000", "999", "12")
    assert (times(0.4567), times(12.34), times(1234.5)) == ("0.46", "12.3", "1234")


def test_a_cell_cannot_end_its_table() -> None:
    """Bars and line ends in a text stay within its cell."""
    assert table(["a", "b"], [["x|y", "1\n2"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 2 |"
