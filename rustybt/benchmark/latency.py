"""When orders were decided on, sent and acknowledged, and what that comes to."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

DECIDED: Final = 0
"""The strategy has decided, and nothing else has happened yet."""
SENT: Final = 1
"""The HTTP client writes the request, signed and complete, to its connection."""
ACKNOWLEDGED: Final = 2
"""The engine is told that the venue has the order."""
_STEPS: Final = 3
_ROOM: Final = 4096
_PERCENTILES: Final = (50, 95, 99)


class Stamps:
    """Times of orders by the number in their client id, in room that does not grow order by order.

    *clock* counts seconds and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter, room: int = _ROOM) -> None:
        self._clock = clock
        self._times = np.full((max(room, 1), _STEPS), np.nan)

    def now(self) -> float:
        """Return what the clock shows."""
        return self._clock()

    def mark(self, client_id: str, step: int, time: float | None = None) -> None:
        """Note that *client_id* has reached *step* now, or at *time*; only the first time counts.

        A client id that does not end in a number is nobody's.
        """
        digits = client_id.rpartition("-")[2]
        if not digits.isdecimal():
            return
        number = int(digits)
        while number >= len(self._times):
            self._times = np.concatenate((self._times, np.full_like(self._times, np.nan)))
        if math.isnan(self._times[number, step]):
            self._times[number, step] = self._clock() if time is None else time

    def count(self, step: int) -> int:
        """Return how many orders have reached *step*."""
        return int(np.count_nonzero(~np.isnan(self._times[:, step])))

    def seconds(self, until: int) -> list[float]:
        """Return how long each order that got there took from the decision to *until*."""
        taken = self._times[:, until] - self._times[:, DECIDED]
        return sorted(float(each) for each in taken[~np.isnan(taken)])

    def span(self) -> float:
        """Return the seconds from the first decision to the last acknowledgement; 0 for none."""
        if not self.count(DECIDED) or not self.count(ACKNOWLEDGED):
            return 0.0
        last = np.nanmax(self._times[:, ACKNOWLEDGED])
        return float(last - np.nanmin(self._times[:, DECIDED]))


def summary(seconds: Sequence[float]) -> dict[str, object]:
    """Return what sorted latencies come to, in milliseconds.

    Percentiles are the smallest latency that so many per cent do not exceed. The histogram
    counts by upper bounds that are powers of two.
    """
    if not seconds:
        return {"count": 0, "histogram": {}}
    found: dict[str, object] = {"count": len(seconds)}
    found |= {f"p{each}": _ms(percentile(seconds, each)) for each in _PERCENTILES}
    return found | {"max": _ms(seconds[-1]), "histogram": histogram(seconds)}


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest of *ordered* that *percent* of them do not exceed."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def histogram(seconds: Sequence[float]) -> dict[str, int]:
    """Return how many took up to so many milliseconds (a power of two), but more than the half."""
    found: dict[float, int] = {}
    for each in seconds:
        bound = 2.0 ** math.ceil(math.log2(max(1000 * each, 0.125)))
        found[bound] = found.get(bound, 0) + 1
    return {f"{bound:g}": found[bound] for bound in sorted(found)}


def slope(points: Sequence[tuple[int, int]]) -> float:
    """Return by how much the second numbers grow with one of the first: least squares.

    Nothing grows in fewer than two points.
    """
    if len({x for x, _ in points}) < 2:
        return 0.0
    x, y = (np.array(each, dtype=np.float64) for each in zip(*points, strict=True))
    return float(_fit(x - x.mean(), y))


def _fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> np.float64:
    """Return the slope of *y* over *x*, whose mean is 0."""
    found: np.float64 = (x * y).sum() / (x * x).sum()
    return found


def _ms(seconds: float) -> float:
    """Return milliseconds with three digits after the point: more would be noise."""
    return round(1000 * seconds, 3)
