"""Parameter grids: which values each parameter takes, and which combinations are left.

A range in text is ``first:last`` or ``first:last:step`` with both ends in it; several values or
ranges are separated by commas: ``5:50:5``, ``20,50,100``, ``0.1:0.5:0.1``, ``5:20:5,50``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from rustybt.engine.sweep.constraint import Constraint
from rustybt.engine.sweep.errors import SweepError
from rustybt.strategy.errors import StrategyError
from rustybt.strategy.parameters import Parameter, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rustybt.strategy.base import Strategy

MOST: Final = 1_000_000
"""Combinations of one grid, excluded ones included."""

Combination = dict[str, Parameter]
"""The swept parameters of one run."""

Values = str | Parameter | Iterable[Parameter]
_EXPECTED: Final = "values and ranges like 20,50,100 or 5:50:5 (first:last:step, both ends in it)"


def values_in(text: str) -> list[str]:
    """Return the values that *text* lists, ranges spelled out, as text.

    Raise ``ValueError`` with the problem if it is of another form.
    """
    found: list[str] = []
    for part in text.split(","):
        item = part.strip()
        if not item:
            raise ValueError(f"{text!r} has an empty value")
        found += _range(item) if ":" in item else [item]
    return found


def _range(text: str) -> list[str]:
    """Return the numbers of a range, exactly: 0.1:0.3:0.1 ends with 0.3."""
    parts = text.split(":")
    try:
        numbers = [Decimal(part.strip()) for part in parts]
    except InvalidOperation:
        raise ValueError(f"{text!r} is no range of numbers") from None
    if len(numbers) > 3 or not all(number.is_finite() for number in numbers):
        raise ValueError(f"{text!r} is no range of numbers")
    first, last = numbers[:2]
    step = numbers[2] if len(numbers) == 3 else Decimal(1)
    if step <= 0 or last < first:
        raise ValueError(f"{text!r} does not go up from its first value to its last")
    span = (last - first) / step
    if span >= MOST:
        raise ValueError(f"{text!r} has more than {MOST} values")
    return [f"{first + number * step:f}" for number in range(int(span) + 1)]


class Grid:
    """The combinations of *parameters* of a *strategy* class for which all of *where* hold.

    Conditions may name any parameter. The first one varies slowest. Raise
    :class:`~rustybt.engine.sweep.errors.SweepError` with all problems at once, and if nothing is
    left.
    """

    def __init__(
        self,
        strategy: type[Strategy],
        parameters: Mapping[str, Values],
        where: str | Sequence[str] = (),
    ) -> None:
        self.name = strategy.__name__
        known = strategy.parameters()
        self.values = _all_values(self.name, known, parameters)
        rules = [where] if isinstance(where, str) else list(where)
        self.where = tuple(Constraint(text, known) for text in rules)
        self.size = prod(len(each) for each in self.values.values())
        if self.size > MOST:
            raise SweepError(
                f"the grid has {self.size} combinations",
                expected=f"at most {MOST}",
                remedy="take fewer values or larger steps",
            )
        self.combinations = [each for each in self._product() if self._holds(known | each)]
        if not self.combinations:
            raise SweepError(
                f"all {self.size} combinations are excluded by {', '.join(map(str, self.where))}",
                remedy="take other values or another condition",
            )

    def _product(self) -> Iterator[Combination]:
        """Yield every combination of the values."""
        for each in product(*self.values.values()):
            yield dict(zip(self.values, each, strict=True))

    def _holds(self, parameters: Mapping[str, Parameter]) -> bool:
        """Tell whether all conditions hold."""
        return all(rule.holds(parameters) for rule in self.where)


def _all_values(
    strategy: str, known: dict[str, Parameter], given: Mapping[str, Values]
) -> dict[str, list[Parameter]]:
    """Return the distinct values of each parameter in the type of its default."""
    if not given:
        raise SweepError(
            f"no parameter of {strategy} was given values",
            expected=", ".join(f"{name} (now {value})" for name, value in known.items())
            or "a strategy with parameters: public class attributes of plain types",
        )
    if not known:
        raise SweepError(
            f"{strategy} has no parameters to sweep over",
            expected="public class attributes of plain types, like fast = 20",
        )
    problems: list[str] = []
    values = {name: _values(name, wanted, known, problems) for name, wanted in given.items()}
    if problems:
        raise SweepError(
            f"parameters of {strategy}: {'; '.join(problems)}",
            expected=", ".join(f"{name} (now {value})" for name, value in known.items()),
        )
    return values


def _values(
    name: str, wanted: Values, known: dict[str, Parameter], problems: list[str]
) -> list[Parameter]:
    """Return the values of one parameter; append to *problems* what is wrong with them."""
    if name not in known:
        problems.append(f"{name!r} is not a parameter")
        return []
    try:
        items = _listed(wanted, known[name])
    except ValueError as error:
        problems.append(f"{name}: {error}, not {_EXPECTED}")
        return []
    if not items:
        problems.append(f"{name} has no values")
    wrong = []
    found: list[Parameter] = []
    for item in items:
        try:
            found.append(checked("", {name: known[name]}, {name: item})[name])
        except StrategyError:
            wrong.append(repr(item))
    if wrong:
        kind = type(known[name]).__name__
        problems.append(f"{name} = {', '.join(wrong[:3])} is not of type {kind}")
    return list(dict.fromkeys(found))


def _listed(wanted: Values, default: Parameter) -> list[Parameter]:
    """Return the values that are *wanted*; those of words are words, whatever is in them."""
    if isinstance(wanted, str):
        if isinstance(default, str):
            return [word.strip() for word in wanted.split(",")]
        return list(values_in(wanted))
    return [wanted] if isinstance(wanted, Parameter) else list(wanted)
