"""What every engine is given: the same bars in whole cents, and the same wishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

Prices = np.ndarray[Any, np.dtype[np.int64]]

COLUMNS: Final = ("open", "high", "low", "close", "volume")
OPEN, CLOSE = COLUMNS.index("open"), COLUMNS.index("close")
FAST, SLOW, QUANTITY, BASIS_POINTS = 20, 50, 10, 10
CASH: Final = 100_000_000
"""Cash at the beginning, in cents: enough for every symbol at once."""
_MINUTE, _DAY = 60, 86_400
_START: Final = 1_262_304_000  # 2010-01-01, in seconds since 1970
_FLOOR: Final = 1_000  # no price is lower, in cents


@dataclass(frozen=True)
class Case:
    """So many *symbols*, and so many *bars* of each.

    One symbol has bars of a minute, several have bars of a day; no day is missing, weekends
    included, since engines differ in what they make of gaps.
    """

    symbols: int
    bars: int

    @property
    def name(self) -> str:
        """The name by which cases are chosen: ``500x2520``."""
        return f"{self.symbols}x{self.bars}"

    @property
    def names(self) -> list[str]:
        """The symbols, each of letters and four digits."""
        return [f"S{number:04}" for number in range(self.symbols)]

    def job(self, prices: Path, answer: Path, folder: Path) -> dict[str, object]:
        """Return the words that an engine's script is given; *folder* is for files of its own."""
        return {
            "symbols": self.names,
            "prices": str(prices),
            "start": _START,
            "step": _MINUTE if self.symbols == 1 else _DAY,
            "cash": CASH,
            "quantity": QUANTITY,
            "fast": FAST,
            "slow": SLOW,
            "bps": BASIS_POINTS,
            "answer": str(answer),
            "folder": str(folder),
        }


CASES: Final = (Case(1, 100_000), Case(1, 1_000_000), Case(100, 2_520), Case(500, 2_520))


def case_of(name: str) -> Case:
    """Return the case called *name*; raise ``ValueError`` unless it is two numbers above 0."""
    symbols, _, bars = name.partition("x")
    if not (symbols.isdecimal() and bars.isdecimal() and int(symbols) > 0 and int(bars) > SLOW):
        raise ValueError(
            f"{name!r} is no case; expected SYMBOLSxBARS with more than {SLOW} bars, as 100x2520"
        )
    return Case(int(symbols), int(bars))


def prices_of(case: Case) -> Prices:
    """Return whole numbers, symbols by columns by bars: a random walk, the same every time.

    It goes in whole cents and is turned back at the floor, so no rounding is ever involved.
    """
    random = np.random.default_rng(7)
    shape = (case.symbols, case.bars)
    steps = random.integers(-9, 10, size=shape)
    close = _FLOOR + np.abs(10_000 - _FLOOR + np.cumsum(steps, axis=1))
    opened = close - random.integers(-4, 5, size=shape)
    high = np.maximum(opened, close) + random.integers(0, 4, size=shape)
    low = np.minimum(opened, close) - random.integers(0, 4, size=shape)
    volume = np.full(shape, 1_000_000)
    return np.stack([opened, high, low, close, volume], axis=1).astype(np.int64)


def write_prices(case: Case, path: Path) -> Prices:
    """Write the prices of *case* to *path* as Parquet and return them.

    A column is called by its symbol and its name, with a full stop between them.
    """
    prices = prices_of(case)
    pl.DataFrame(
        {
            f"{symbol}.{name}": prices[number, column]
            for number, symbol in enumerate(case.names)
            for column, name in enumerate(COLUMNS)
        }
    ).write_parquet(path)
    return prices
