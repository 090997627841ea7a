"""The page on the way of orders to an exchange and back, made from its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rustybt.benchmark.tables import GENERATED, about, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rustybt.benchmark.record import Record

_INTRODUCTION: Final = (
    "A session trades on a practice exchange that runs in a process of its own, through ccxt and"
    " loopback; its journal is a SQLite file that is written through to the disk before anything is"
    " sent. Times count from the strategy's decision, in milliseconds: until the HTTP client writes"
    " the signed request, and until the engine has been told that the exchange has the order."
)
_PERCENTILES: Final = ("p50", "p95", "p99", "max")
_STEPS: Final = {"wire_ms": "on the wire", "acknowledged_ms": "acknowledged"}


def orders_page(record: Record) -> str:
    """Return the page on *record*, one of the suite order-execution with a peak."""
    command = (
        "python -m rustybt benchmark --suite order-execution"
        f" --iterations {record['iterations']} --peak {record['peak']['seconds']}"
    )
    parts = [
        GENERATED,
        "# Orders to an exchange and back",
        _INTRODUCTION,
        f"```console\n$ {command}\n```",
        about(record),
        "## One by one",
        _latencies(record["latency"], record["latency"]["wanted"]),
        _histogram(record["latency"]),
        "## At peak load",
        _peak(record["peak"]),
        _latencies(record["peak"], {}),
        _histogram(record["peak"]),
    ]
    return "\n\n".join(parts) + "\n"


def _latencies(part: Mapping[str, Any], wanted: Mapping[str, float]) -> str:
    """Return the table of percentiles."""
    rows = []
    for step, words in _STEPS.items():
        found = part[step]
        limit = wanted.get(f"{step.removesuffix('_ms')}_p99_ms")
        figures = [f"{found[each]:.2f}" for each in _PERCENTILES]
        rows.append([words, f"{found['count']}", *figures, "" if limit is None else f"{limit:g}"])
    return table(["ms until", "orders", *_PERCENTILES, "p99 wanted below"], rows)


def _histogram(part: Mapping[str, Any]) -> str:
    """Return how many orders took up to so many milliseconds."""
    bounds = sorted({float(bound) for step in _STEPS for bound in part[step]["histogram"]})
    rows = [
        [f"{bound:g}", *(str(part[step]["histogram"].get(f"{bound:g}", 0)) for step in _STEPS)]
        for bound in bounds
    ]
    return table(["up to ms, but above the half", *_STEPS.values()], rows)


def _peak(load: Mapping[str, Any]) -> str:
    """Return what was carried, in words."""
    return (
        f"For {load['seconds']} seconds {load['symbols']} symbols bring a bar each second, and"
        f" {load['orders']} orders are decided on at once. Of {load['bars']} bars and"
        f" {load['acknowledged']} orders {load['lost']} were lost; the rate was"
        f" {load['orders_per_second']:g} orders a second, counted to the last acknowledgement. The"
        f" process had {load['resident_mib'][0]:g} MiB in memory half-way and"
        f" {load['resident_mib'][-1]:g} MiB at the end."
    )
