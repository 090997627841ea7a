"""The suites: what is measured, beside which yardsticks, and how each is known to be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from rustybt.benchmark.errors import BenchmarkError
from rustybt.benchmark.rounds import Case, Ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rustybt.engine import Result
    from rustybt.strategy import Strategy

MANY: Final = 100
"""Symbols in the case with many of them."""
_MANY_BARS = 2_520
_LEAST = 100  # bars of each symbol: fewer than two slow averages decide nothing
_CLOSE_ENOUGH = 1e-9


class Suite(Struct, frozen=True, kw_only=True):
    """A suite: its *name*, what *about* says of it, how many items it handles unless told."""

    name: str
    about: str
    unit: str
    size: int
    cases: Callable[[int], list[Case]]


def backtest_cases(size: int) -> list[Case]:
    """Return one symbol with *size* bars, and many symbols with a fortieth of that each."""
    from rustybt.benchmark.workload import Bars, ManyBars

    many = size * _MANY_BARS // 100_000
    return [_backtest_case(1, size, Bars), _backtest_case(MANY, max(many, _LEAST), ManyBars)]


def _backtest_case(symbols: int, bars: int, strategy: type[Strategy]) -> Case:
    """Return the callback path beside its yardsticks."""
    from rustybt.benchmark import workload
    from rustybt.benchmark.floats import run_floats

    frames = workload.series(symbols, bars)

    exact, twin = workload.run(strategy, frames), run_floats(frames)
    ends = (float(exact.final_equity), len(exact.fills))
    same = len(twin.trades) == ends[1] and _close(twin.final_equity, ends[0])
    demand("float", (twin.final_equity, len(twin.trades)), ends, agrees=same)
    return Case(
        name=f"{symbols}x{bars}",
        unit="bars",
        count=symbols * bars,
        works={
            "bare": lambda: workload.bare(frames),
            "float": lambda: run_floats(frames),
            "callback": lambda: workload.run(strategy, frames),
        },
        ratios=(Ratio("callback", "float", 1.15), Ratio("callback", "bare", 4.0)),
        facts=_facts(exact),
    )


def signal_cases(size: int) -> list[Case]:
    """Return one symbol with *size* bars: by signals, by callbacks, and the bare loop."""
    from rustybt.benchmark import workload

    frames = workload.series(1, max(size, _LEAST))
    by_bars, by_column = (workload.run(kind, frames) for kind in (workload.Bars, workload.Column))
    ends = [(each.final_equity, len(each.fills)) for each in (by_bars, by_column)]
    demand("signals", ends[1], ends[0], agrees=by_bars.fills == by_column.fills)
    return [
        Case(
            name=f"1x{by_bars.bars}",
            unit="bars",
            count=by_bars.bars,
            works={
                "bare": lambda: workload.bare(frames),
                "callback": lambda: workload.run(workload.Bars, frames),
                "signals": lambda: workload.run(workload.Column, frames),
            },
            ratios=(Ratio("signals", "bare"), Ratio("callback", "signals")),
            facts=_facts(by_bars),
        )
    ]


def ledger_cases(size: int) -> list[Case]:
    """Return the booking of *size* fills: by average cost, by lots, and in a loop of floats."""
    from rustybt.benchmark import booking

    fills = booking.fills(size)
    expected = booking.expected_cash(fills)
    for method in booking.METHODS:
        cash = booking.book(fills, method)
        demand(method.value, cash, expected, agrees=cash == expected)
    rows = booking.plain(fills)
    loop = booking.bare(rows)
    demand("bare", loop, expected, agrees=_close(loop, float(expected)))
    average, lots = booking.METHODS
    return [
        Case(
            name=f"{size} fills",
            unit="fills",
            count=size,
            works={
                "bare": lambda: booking.bare(rows),
                "average": lambda: booking.book(fills, average),
                "lots": lambda: booking.book(fills, lots),
            },
            ratios=(Ratio("average", "bare"), Ratio("lots", "bare")),
            facts={"cash": str(expected), "symbols": booking.SYMBOLS},
        )
    ]


def _facts(result: Result) -> dict[str, object]:
    """Return what a run ended with."""
    return {"fills": len(result.fills), "final_equity": f"{result.final_equity.normalize():f}"}


def demand(name: str, found: object, expected: object, *, agrees: bool) -> None:
    """Raise unless what the *name* way *found* agrees with what was *expected* of it."""
    if not agrees:
        raise BenchmarkError(
            f"the {name} run ended with {found}",
            expected=str(expected),
            remedy="find out which is right; until both agree nothing is measured",
        )


def _close(one: float, other: float) -> bool:
    """Tell whether two numbers are equal up to the rounding of floats."""
    return abs(one - other) <= abs(other) * _CLOSE_ENOUGH


SUITES: Final[Mapping[str, Suite]] = {
    suite.name: suite
    for suite in (
        Suite(
            name="backtest",
            about="the callback path on exact money, from bars in memory to the equity curve",
            unit="bars",
            size=100_000,
            cases=backtest_cases,
        ),
        Suite(
            name="ledger",
            about="fills booked into the ledger on exact money",
            unit="fills",
            size=100_000,
            cases=ledger_cases,
        ),
        Suite(
            name="signals",
            about="the signal path, from bars in memory to the equity curve",
            unit="bars",
            size=1_000_000,
            cases=signal_cases,
        ),
    )
}
