"""Walk-forward windows: choose parameters on what is past, measure them on what comes next."""

from __future__ import annotations

from typing import Final, NamedTuple

from rustybt.engine.sweep.errors import SweepError

_EXPECTED: Final = "TRAIN/TEST or TRAIN/TEST/STEP in bars, like 252/63"


class Window(NamedTuple):
    """Train from *start* to before *split*, test from there to before *end*.

    They are instants with bars, counted from 0.
    """

    start: int
    split: int
    end: int


class WalkForward:
    """Windows of *train* and *test* instants with bars, each *step* later (*test* if not given).

    A window's parameters are chosen on its train part alone; its test part begins where the train
    part ends. Test parts never overlap, so *step* is at least *test*. Raise
    :class:`~rustybt.engine.sweep.errors.SweepError` for lengths that make no windows.
    """

    def __init__(self, train: int, test: int, step: int | None = None) -> None:
        self.train, self.test = train, test
        self.step = test if step is None else step
        if train < 2 or test < 1:
            raise SweepError(
                f"walk-forward windows of {train} and {test} bars",
                expected="at least 2 bars to train on and 1 to test on",
            )
        if self.step < test:
            raise SweepError(
                f"a step of {self.step} bars makes tests of {test} bars overlap",
                expected=f"a step of {test} or more",
            )

    @classmethod
    def parse(cls, text: str) -> WalkForward:
        """Return the windows that *text* says: ``252/63`` or ``252/63/126``."""
        try:
            numbers = [int(part) for part in text.split("/")]
        except ValueError:
            numbers = []
        if len(numbers) not in (2, 3):
            raise SweepError(f"{text!r} says no walk-forward windows", expected=_EXPECTED)
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.train}/{self.test}/{self.step}"

    def windows(self, count: int) -> list[Window]:
        """Return the windows in *count* instants; the last test part may be shorter.

        Raise :class:`~rustybt.engine.sweep.errors.SweepError` if there is none.
        """
        found = [
            Window(split - self.train, split, min(split + self.test, count))
            for split in range(self.train, count, self.step)
        ]
        if not found:
            raise SweepError(
                f"there are {count} instants with bars and none is left to test on",
                expected=f"more than {self.train}",
                remedy="train on fewer bars, or bring more data",
            )
        return found
