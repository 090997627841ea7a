"""Corporate actions and dated charges: dividends, splits, funding, as facts to run a backtest on.

An action takes effect before the first bar of its symbol that begins at its time or later: for a
date, that is the first bar of the ex-date. Who holds units then gets (or, when short, pays) a
dividend on them; a split changes the units held, orders at work, and the last price as it counts.
Bars are taken as they are: an action belongs with prices that were *not* adjusted for it.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rustybt.engine.errors import ActionError
from rustybt.engine.tape import as_decimal
from rustybt.model.errors import InvalidValueError
from rustybt.model.money import ZERO, decimal
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rustybt.engine.tape import Tape

COLUMNS: Final = ("symbol", "timestamp", "kind", "amount")
_LARGEST_SIDE: Final = 1_000_000
_SHOWN: Final = 5


class ActionKind(StrEnum):
    """What can happen to what is held."""

    DIVIDEND = "dividend"
    """*amount* of quote currency per unit; who is short pays it."""
    SPLIT = "split"
    """Every unit becomes *amount* units: 2, 0.1, or 3:2 for three instead of two."""
    FUNDING = "funding"
    """Who is long pays the fraction *amount* of the position's value, who is short receives it."""


class Action(NamedTuple):
    """One action; *time* is in microseconds since 1970, *new* and *old* are those of a split."""

    symbol: str
    time: int
    kind: ActionKind
    amount: Decimal
    new: int = 1
    old: int = 1


class Due(NamedTuple):
    """An action and the row before which it takes effect; *number* is its place in the input."""

    row: int
    number: int
    action: Action


def read_actions(frame: pl.DataFrame) -> tuple[Action, ...]:
    """Return the actions in *frame*, by time, those of one time in the order in which they came.

    It has ``symbol``, ``timestamp`` (a Datetime in UTC, or a Date for the midnight that begins it),
    ``kind`` and ``amount``, as text, a decimal or an integer: a float does not say which digits
    were meant. Raise :class:`~rustybt.engine.errors.ActionError` naming all that is wrong with it.
    """
    times = _times(frame)
    problems: list[str] = []
    found: list[Action] = []
    rows = zip(frame["symbol"], times, frame["kind"], frame["amount"], strict=True)
    for number, (symbol, time, kind, amount) in enumerate(rows, 1):
        try:
            found.append(_action(symbol, time, kind, amount))
        except (InvalidValueError, ValueError) as error:
            problems.append(f"row {number}: {error}")
    problems += _repeated(found)
    if problems:
        rest = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ActionError(
            "; ".join(problems[:_SHOWN]) + rest,
            expected="a symbol, a time, one of dividend, split or funding, and its amount",
        )
    return tuple(sorted(found, key=lambda action: action.time))


def _times(frame: pl.DataFrame) -> pl.Series:
    """Return the times in microseconds; raise for columns that cannot be used."""
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise ActionError(
            f"the actions lack {', '.join(missing)}; they have {', '.join(frame.columns)}",
            expected="the columns " + ", ".join(COLUMNS),
        )
    if frame.schema["amount"].is_float():
        raise ActionError(
            "the amounts of the actions are floats",
            expected="text, decimals or integers: exact numbers",
            remedy="read them as text",
        )
    times = frame["timestamp"]
    if not isinstance(times.dtype, pl.Datetime | pl.Date):
        raise ActionError(
            f"timestamp of the actions is of type {times.dtype}",
            expected="a Polars Datetime in UTC, or a Date",
        )
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is not None:
        times = times.dt.convert_time_zone("UTC")
    return times.cast(pl.Datetime("us")).cast(pl.Int64)


def _action(symbol: object, time: object, kind: object, amount: object) -> Action:
    """Return one action; raise for what is none."""
    if not isinstance(symbol, str) or not symbol.strip():
        raise ValueError("there is no symbol")
    if not isinstance(time, int):
        raise ValueError(f"{symbol} has no timestamp")
    name = str(kind).strip().lower()
    if name not in set(ActionKind):
        raise ValueError(f"{symbol} has the kind {kind!r}")
    if amount is None:
        raise ValueError(f"{symbol} has no amount")
    known = ActionKind(name)
    if known is ActionKind.SPLIT:
        new, old = _ratio(amount)
        return Action(symbol.strip(), time, known, ZERO, new, old)
    number = as_decimal(amount)
    if known is ActionKind.DIVIDEND and number < ZERO:
        raise ValueError(f"the dividend {number} of {symbol} is negative")
    return Action(symbol.strip(), time, known, decimal(number, f"amount of {symbol}"))


def _ratio(amount: object) -> tuple[int, int]:
    """Return the new and the old units of a split."""
    text = str(amount).strip()
    sides = text.replace("/", ":").split(":")
    if len(sides) > 2:
        raise ValueError(f"{text!r} is no ratio")
    top, *rest = [decimal(side.strip(), "ratio") for side in sides]
    bottom = rest[0] if rest else Decimal(1)
    if top <= ZERO or bottom <= ZERO:
        raise ValueError(f"the ratio {text} is not above 0")
    (top_number, top_units), (number, units) = top.as_integer_ratio(), bottom.as_integer_ratio()
    new, old = top_number * units, top_units * number
    divisor = int(np.gcd(new, old)) if max(new, old) < 2**62 else 1
    new, old = new // divisor, old // divisor
    if max(new, old) > _LARGEST_SIDE:
        raise ValueError(f"the ratio {text} is finer than {_LARGEST_SIDE} parts")
    return new, old


def _repeated(found: Iterable[Action]) -> list[str]:
    """Name the actions that are there twice: they would take effect twice."""
    counts = Counter(found)
    return [
        f"{action.symbol} has the same {action.kind} of {instant(action.time)} {count} times"
        for action, count in counts.items()
        if count > 1
    ]


def place(actions: Sequence[Action], tape: Tape) -> tuple[list[Due], list[str]]:
    """Return when each of *actions* takes effect on *tape*, in order, and notes on the others.

    What comes before a symbol's first bar finds nothing held and is left out.
    """
    due: list[Due] = []
    late: dict[str, int] = {}
    unknown: dict[str, None] = {}
    starts = {symbol: tape.starts[tape.rows_of[i]] for i, symbol in enumerate(tape.symbols)}
    for number, action in enumerate(actions):
        times = starts.get(action.symbol)
        if times is None:
            unknown[action.symbol] = None
            continue
        position = int(np.searchsorted(times, action.time))
        if position == times.size:
            late[action.symbol] = late.get(action.symbol, 0) + 1
        elif position:
            rows = tape.rows_of[tape.symbols.index(action.symbol)]
            due.append(Due(int(rows[position]), number, action))
    notes = [
        f"{symbol}: {count} corporate actions after its last bar were left out"
        for symbol, count in late.items()
    ]
    if unknown:
        names = ", ".join(sorted(unknown))
        notes.append(f"corporate actions of symbols that have no bars were left out: {names}")
    return sorted(due, key=lambda each: (each.row, each.number)), notes
