"""Numbers and tables as the pages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.benchmark.record import Record

GENERATED: Final = "<!-- Made from docs/records by `python -m benchmarks.pages`. Do not edit. -->"
_COMMIT_DIGITS: Final = 12


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, of_numbers: bool = True) -> str:
    """Return a table in Markdown; columns *of_numbers* are to the right, but for the first."""
    rule = "---:" if of_numbers else "---"
    lines = [columns, ["---", *[rule] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(_cell(each) for each in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return *text* so that it cannot end its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def seconds(value: float) -> str:
    """Return a time with three significant digits, in milliseconds below a second."""
    return f"{_digits(value)} s" if value >= 1 else f"{_digits(1000 * value)} ms"


def _digits(value: float) -> str:
    """Return *value* with three significant digits and no exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def thousands(value: float) -> str:
    """Return a speed with three significant digits and a blank between thousands."""
    return f"{float(f'{value:.3g}'):,.0f}".replace(",", " ")


def times(value: float) -> str:
    """Return a ratio with three significant digits."""
    return _digits(value)


def about(record: Record) -> str:
    """Return when, where and on which commit a record was made, as one sentence."""
    host = record["host"]
    commit = "an installed package"
    if record["commit"]:
        changed = ", with changes" if record["dirty"] else ""
        commit = f"commit `{record['commit'][:_COMMIT_DIGITS]}`{changed}"
    return (
        f"Measured {record['utc'][:16].replace('T', ' ')} UTC on {host['cpu']},"
        f" {host['cores']} cores, {host['memory_gib']} GiB, {host['system']}, {host['python']}"
        f" (machine `{host['digest']}`), {commit}.{_busy(record)}"
    )


def _busy(record: Record) -> str:
    """Return how busy the machine was, as a sentence; nothing where it was not looked at."""
    busy = " and ".join(f"{load:g}" for load in record.get("load", ()))
    return f" The load average was {busy}." if busy else ""
