"""What the page on performance says of how backtests grow, made from the record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rustybt.benchmark.tables import about, seconds, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rustybt.benchmark.record import Record

SUITE: Final = "growth"
SLOPE_WANTED, MEMORY_WANTED = "0.9 to 1.1", "at most 3"
_PATHS: Final = {"callback": "bar by bar", "signals": "targets as a column"}
_LINEAR: Final = (
    "The time per bar, each case in its quickest round; and the slope, what each bar costs beyond"
    " those of the case above. A fixed cost per run shows in the first figure, never in the second."
)
_MEMORY: Final = (
    "By how much the peak of a process of its own exceeds what it had before the columns were"
    " there, as a multiple of the columns; and by how much it did so when they had been loaded."
)
_COLD: Final = (
    "Whole processes, from Parquet, one file a symbol, to the final equity, with Python's start and"
    " all imports. What other engines need for that is the column *wall* of [their page](peers.md)."
)


def growth_part(record: Record) -> list[str]:
    """Return the paragraphs and tables on *record*."""
    return [
        "## Growth",
        "```console\n$ python benchmarks/backtest.py --record docs/records/growth.json\n```",
        f"{about(record)} {record['rounds']} rounds.",
        "### With bars and with symbols",
        _LINEAR,
        _linear(record["linear"]),
        "### In memory",
        _MEMORY,
        _memory(record["memory"]),
        "### From a cold start",
        _COLD,
        table(
            ["", "path", "median"],
            [
                [each["case"], _PATHS[each["path"]], seconds(each["seconds"])]
                for each in record["cold"]
            ],
        ),
    ]


def _linear(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of times per bar."""
    columns = ["", "path", "ns per bar", "slope, ns", "over the first slope", "wanted"]
    return table(
        columns,
        [
            [
                each["case"],
                _PATHS[each["path"]],
                f"{each['nanoseconds_per_bar']:g}",
                f"{each['slope']:g}" if "slope" in each else "",
                f"{each['over_first']:.2f}" if "slope" in each else "",
                SLOPE_WANTED if "slope" in each else "",
            ]
            for each in rows
        ],
    )


def _memory(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of peaks."""
    return table(
        ["", "path", "columns", "loaded", "peak", "wanted"],
        [
            [
                each["case"],
                _PATHS[each["path"]],
                f"{each['columns_bytes'] / 2**20:.1f} MiB",
                f"{each['loaded_over_columns']:.2f}",
                f"{each['peak_over_columns']:.2f}",
                MEMORY_WANTED,
            ]
            for each in rows
        ],
    )
