"""The pages on performance, made from records: no figure is ever typed.

``docs/records/benchmark-*.json`` and ``growth.json`` make ``docs/performance/index.md``,
``peers.json`` makes ``peers.md``, and ``orders.json`` (the suite order-execution) ``orders.md``;
``python -m benchmarks.pages`` in a checkout does it.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rustybt.benchmark.errors import BenchmarkError
from rustybt.benchmark.growth_page import SUITE as GROWTH
from rustybt.benchmark.growth_page import growth_part
from rustybt.benchmark.orders import SUITE as ORDER_EXECUTION
from rustybt.benchmark.orders_page import orders_page
from rustybt.benchmark.peers_page import peers_page
from rustybt.benchmark.record import read_record
from rustybt.benchmark.suites import SUITES
from rustybt.benchmark.tables import GENERATED, about, seconds, table, thousands

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rustybt.benchmark.record import Record

INDEX, ORDERS, PEERS = "index.md", "orders.md", "peers.md"
_FOLDER: Final = "performance"
_WORDS: Final = {
    "bare": "a bare loop in Python with the same arithmetic on floats",
    "float": "the engine with floats in place of exact decimals",
    "callback": "the engine, bar by bar, on exact decimals",
    "signals": "the engine, targets as a column, on exact decimals",
    "average": "the ledger, average cost",
    "lots": "the ledger, first in, first out",
}

_INTRODUCTION: Final = (
    "Figures depend on the machine; ratios within one run much less, so those are what counts."
    " Processor time is what other work on the same machine disturbs least: where the load average"
    " is above the number of cores, look at it rather than at the clock's."
    " Everything here can be measured again: the command stands above each table. How other"
    " engines do on the same bars is on [a page of its own](peers.md), and so is"
    " [how long orders take](orders.md)."
)


class Difference(NamedTuple):
    """A *page* that is not what its records say, from *line* on; 0 if it is not there at all."""

    page: Path
    line: int
    expected: str
    found: str

    def __str__(self) -> str:
        if not self.line:
            return f"{self.page} does not exist"
        return f"{self.page}:{self.line}: {self.found!r}; by the records {self.expected!r}"


def made_pages(docs: Path) -> dict[Path, str]:
    """Return what each page below *docs* has to be.

    Raise :class:`~rustybt.benchmark.errors.BenchmarkError` if a record is missing, of no use or not
    of its suite.
    """
    records = docs / "records"
    suites = [_record_of(records / f"benchmark-{name}.json", name) for name in SUITES]
    peers = _record_of(records / "peers.json", "peers")
    growth = _record_of(records / "growth.json", GROWTH)
    orders = _record_of(records / "orders.json", ORDER_EXECUTION)
    folder = docs / _FOLDER
    return {
        folder / INDEX: index_page(suites, growth),
        folder / ORDERS: orders_page(orders),
        folder / PEERS: peers_page(peers),
    }


def _record_of(path: Path, suite: str) -> Record:
    """Return the record of *suite* in *path*."""
    record = read_record(path)
    if record.get("suite") != suite:
        raise BenchmarkError(f"{path} is a record of {record.get('suite')}", expected=suite)
    return record


def differences(docs: Path) -> list[Difference]:
    """Return the pages below *docs* that are not what their records say, one entry for each."""
    found = []
    for path, wanted in made_pages(docs).items():
        if not path.is_file():
            found.append(Difference(path, 0, "", ""))
            continue
        text = path.read_text("utf-8")
        if text != wanted:
            found.append(_first_difference(path, wanted.split("\n"), text.split("\n")))
    return found


def _first_difference(path: Path, wanted: Sequence[str], lines: Sequence[str]) -> Difference:
    """Return the first line that differs; a line that is missing counts as empty."""
    longest = max(len(wanted), len(lines))
    pairs = zip(
        [*wanted, *[""] * (longest - len(wanted))],
        [*lines, *[""] * (longest - len(lines))],
        strict=True,
    )
    numbered = enumerate(pairs, start=1)
    line, (expected, found) = next((n, pair) for n, pair in numbered if pair[0] != pair[1])
    return Difference(path, line, expected, found)


def index_page(records: Sequence[Record], growth: Record) -> str:
    """Return the page on our own speed, by suite and by *growth*."""
    parts = [
        GENERATED,
        "# Performance",
        _INTRODUCTION,
    ]
    for record in records:
        parts += _suite(record)
    parts += growth_part(growth)
    return "\n\n".join(parts) + "\n"


def _suite(record: Record) -> list[str]:
    """Return the part of one suite."""
    name = record["suite"]
    command = f"python -m rustybt benchmark --suite {name} --iterations {record['iterations']}"
    parts = [
        f"## {name.capitalize()}",
        f"What is measured: {SUITES[name].about}.",
        f"```console\n$ {command}\n```",
        about(record),
    ]
    for case in record["cases"]:
        parts += [f"### {_title(case)}", _times(case), _ratios(case)]
    return parts


def _title(case: Mapping[str, Any]) -> str:
    """Return the heading of a case."""
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in case["facts"].items())
    return f"{case['name']} ({facts})"


def _times(case: Mapping[str, Any]) -> str:
    """Return the table of times."""
    rows = []
    for name, rounds in case["seconds"].items():
        worked = median(case["cpu_seconds"][name])
        rows.append(
            [
                _WORDS[name],
                seconds(case["median_seconds"][name]),
                f"{seconds(min(rounds))} to {seconds(max(rounds))}",
                seconds(worked),
                thousands(case["count"] / worked),
            ]
        )
    speed = f"{case['unit']} per second of it"
    return table(["", "median", "rounds", "processor time", speed], rows)


def _ratios(case: Mapping[str, Any]) -> str:
    """Return the table of ratios."""
    rows = []
    for name, ratio in case["ratios"].items():
        upper, _, lower = name.partition("_over_")
        wanted = "" if ratio["wanted"] is None else f"at most {ratio['wanted']:g}"
        both = [f"{ratio[name]:.2f}" for name in ("median", "cpu_median")]
        rows.append([f"{upper} : {lower}", *both, wanted])
    return table(["median of the rounds' ratios", "time", "processor time", "wanted"], rows)
