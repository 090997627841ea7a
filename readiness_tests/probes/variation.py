"""Call every performance statistic with inputs that differ, one of them at a time.

Nothing is listed here by hand but how an input of each name is made: statistics are found in the
module itself, so that a new one is varied, too, or refused for an input that is not known here.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from rustybt.accounting import performance

PERIODS = 120
FIRST = 1000
"""The seed of the inputs that stay as they are."""


def main(arguments: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """Return, by statistic and input, what comes out for each of *seeds* of that input alone."""
    seeds = [int(seed) for seed in arguments["seeds"]]
    return {name: _varied(function, seeds) for name, function in sorted(statistics().items())}


def statistics() -> dict[str, Callable[..., Any]]:
    """Return the public functions that the module itself defines."""
    return {
        name: function
        for name, function in inspect.getmembers(performance, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == performance.__name__
    }


def _varied(function: Callable[..., Any], seeds: list[int]) -> dict[str, list[Any]]:
    """Return what *function* gives when one input after the other takes other values."""
    names = list(inspect.signature(function).parameters)
    # Inputs that are series have seeds of their own, or a benchmark would be what it is held to.
    fixed = {name: made(name, FIRST + place) for place, name in enumerate(names)}
    return {
        name: [_plain(function(**fixed | {name: made(name, seed)})) for seed in seeds]
        for name in names
    }


def made(name: str, seed: int) -> Any:
    """Return an input called *name*; another *seed* gives another one.

    Raise KeyError for a name that is not known here.
    """
    chance = random.Random(f"{name} {seed}")  # noqa: S311 - the same every time, on purpose
    return _MAKERS[name](chance, seed)


def _returns(chance: random.Random, _: int) -> list[float]:
    return [chance.gauss(0.001, 0.02) for _ in range(PERIODS)]


def _amounts(chance: random.Random, _: int) -> list[float]:
    return [chance.uniform(50_000, 150_000) for _ in range(PERIODS)]


def _sizes(chance: random.Random, _: int) -> list[float]:
    # Now and then nothing is held; how often is itself left to chance.
    share = chance.uniform(0.2, 0.8)
    return [chance.uniform(0, 9e4) * (chance.random() < share) for _ in range(PERIODS)]


def _profits(chance: random.Random, _: int) -> list[Decimal]:
    count = chance.randint(60, 200)
    return [Decimal(chance.randint(-50_000, 60_000)) / 100 for _ in range(count)]


_MAKERS: dict[str, Callable[[random.Random, int], Any]] = {
    "returns": _returns,
    "benchmark": _returns,
    "equity": _amounts,
    "gross": _sizes,
    "traded": _sizes,
    "profits": _profits,
    "periods": lambda _, seed: 12.0 + seed % FIRST,
    "risk_free": lambda _, seed: (seed % FIRST) / 50_000,
    "required": lambda _, seed: (seed % FIRST) / 50_000,
    # Wide enough apart that another cutoff is another number of returns.
    "cutoff": lambda _, seed: 0.02 * (1 + seed % FIRST),
}


def _plain(value: Any) -> Any:
    """Return *value* as JSON can hold it."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return value.tolist() if hasattr(value, "tolist") else value
