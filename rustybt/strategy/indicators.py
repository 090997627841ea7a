"""Indicators that are kept up to date bar by bar, in floats.

Each has an ``update`` that takes the next value and returns the indicator's, ``nan`` until enough
values were seen. Comparisons with ``nan`` are false, so a warm-up needs no special case. A ``nan``
that comes in is passed over: indicators of indicators warm up one after the other.
:mod:`rustybt.strategy.expressions` has the same as Polars expressions.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from rustybt.strategy.errors import StrategyError

NAN: Final = math.nan
TOLERANCE: Final = 1e-9
"""Two values closer than this part of the larger one count as equal.

Averages in floats differ in their last digits by how they were added up; without a tolerance exact
ties turn into spurious crossings."""


def _check_period(period: int, least: int = 1) -> int:
    """Return *period* if it is a whole number of at least *least*."""
    if type(period) is not int or period < least:
        raise StrategyError(f"a period of {period!r}", expected=f"a whole number from {least} on")
    return period


class SMA:
    """Simple moving average: the mean of the last *period* values."""

    __slots__ = ("_count", "_index", "_sum", "_window", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = _check_period(period)
        self.value = NAN
        self._window = [0.0] * period
        self._index = 0
        self._sum = 0.0
        self._count = NAN  # the period, once there are so many values: a mean is nan until then

    def update(self, value: float) -> float:
        """Take the next *value*; return the mean."""
        if value != value:
            return self.value
        index = self._index
        window = self._window
        self._sum = total = self._sum + (value - window[index])
        window[index] = value
        index += 1
        if index == self.period:
            # Once a round the sum is taken anew, so that rounding errors never pile up.
            self._sum = total = sum(window)
            self._count = index
            index = 0
        self._index = index
        self.value = mean = total / self._count
        return mean


class EMA:
    """Exponential moving average: each value has the weight ``2 / (period + 1)``.

    It begins with the first value and is shown from the *period*-th on, as
    ``ewm_mean(span=period, adjust=False, min_samples=period)`` of Polars.
    """

    __slots__ = ("_count", "_mean", "_weight", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = _check_period(period)
        self.value = NAN
        self._weight = 2 / (period + 1)
        self._mean = 0.0
        self._count = 0

    def update(self, value: float) -> float:
        """Take the next *value*; return the average."""
        if value != value:
            return self.value
        self._count += 1
        if self._count == 1:
            self._mean = value
        else:
            self._mean += self._weight * (value - self._mean)
        if self._count >= self.period:
            self.value = self._mean
        return self.value


class Wilder:
    """Wilder's smoothing: the mean of the first *period* values, then each weighs ``1 / period``.

    Source: J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
    """

    __slots__ = ("_count", "_sum", "period", "value")

    def __init__(self, period: int) -> None:
        self.period = _check_period(period)
        self.value = NAN
        self._sum = 0.0
        self._count = 0

    def update(self, value: float) -> float:
        """Take the next *value*; return the smoothed one."""
        if value != value:
            return self.value
        if self._count >= self.period:
            self.value += (value - self.value) / self.period
            return self.value
        self._count += 1
        self._sum += value
        if self._count == self.period:
            self.value = self._sum / self.period
        return self.value


class RSI:
    """Relative strength index of Wilder, from 0 to 100; 50 where nothing moved."""

    __slots__ = ("_gains", "_last", "_losses", "value")

    def __init__(self, period: int = 14) -> None:
        self._gains, self._losses = Wilder(period), Wilder(period)
        self._last = NAN
        self.value = NAN

    def update(self, value: float) -> float:
        """Take the next *value*; return the index."""
        if value != value:
            return self.value
        change = value - self._last
        self._last = value
        if change != change:
            return self.value
        gain = self._gains.update(max(change, 0.0))
        loss = self._losses.update(max(-change, 0.0))
        moved = gain + loss
        if moved == moved:
            self.value = 100 * gain / moved if moved else 50.0
        return self.value


class ATR:
    """Average true range of Wilder, in quote currency."""

    __slots__ = ("_close", "_mean")

    def __init__(self, period: int = 14) -> None:
        self._mean = Wilder(period)
        self._close = NAN

    @property
    def value(self) -> float:
        """The average as it is now."""
        return self._mean.value

    def update(self, high: float, low: float, close: float) -> float:
        """Take the next bar; return the average range, gaps to the close before included."""
        before = self._close
        self._close = close
        if before != before:
            return self._mean.update(high - low)
        return self._mean.update(max(high, before) - min(low, before))


class Band(NamedTuple):
    """Bollinger bands at one bar."""

    lower: float
    middle: float
    upper: float


class Bollinger:
    """The mean of the last *period* values, and *width* population deviations around it."""

    __slots__ = ("_window", "period", "value", "width")

    def __init__(self, period: int = 20, width: float = 2.0) -> None:
        self.period = _check_period(period, 2)
        self.width = width
        self.value = Band(NAN, NAN, NAN)
        self._window: deque[float] = deque(maxlen=period)

    def update(self, value: float) -> Band:
        """Take the next *value*; return the bands.

        The deviation is taken over the whole window: differences of sums of squares lose digits.
        """
        if value != value:
            return self.value
        window = self._window
        window.append(value)
        if len(window) == self.period:
            mean = math.fsum(window) / self.period
            squares = math.fsum([(each - mean) ** 2 for each in window])
            reach = self.width * math.sqrt(squares / self.period)
            self.value = Band(mean - reach, mean, mean + reach)
        return self.value


class _Extreme:
    """The largest of the last values; candidates that can no longer win are dropped."""

    __slots__ = ("_candidates", "_count", "_sign", "period", "value")

    def __init__(self, period: int, sign: int) -> None:
        self.period = _check_period(period)
        self.value = NAN
        self._sign = sign
        self._count = 0
        self._candidates: deque[tuple[int, float]] = deque()

    def update(self, value: float) -> float:
        """Take the next *value*; return the extreme of the last *period*."""
        if value != value:
            return self.value
        signed = value * self._sign
        candidates = self._candidates
        while candidates and candidates[-1][1] <= signed:
            candidates.pop()
        candidates.append((self._count, signed))
        if candidates[0][0] <= self._count - self.period:
            candidates.popleft()
        self._count += 1
        if self._count >= self.period:
            self.value = candidates[0][1] * self._sign
        return self.value


class RollingMax(_Extreme):
    """The largest of the last *period* values."""

    __slots__ = ()

    def __init__(self, period: int) -> None:
        super().__init__(period, 1)


class RollingMin(_Extreme):
    """The smallest of the last *period* values."""

    __slots__ = ()

    def __init__(self, period: int) -> None:
        super().__init__(period, -1)


class Crossing:
    """Tells when one value crosses another from one bar to the next.

    Values that differ by no more than *tolerance* times the larger of the two sizes are equal, and
    equal values are on neither side: a crossing goes from strictly below to strictly above, or the
    reverse, in one step.
    """

    __slots__ = ("_side", "tolerance")

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        self.tolerance = tolerance
        self._side = 0

    def update(self, fast: float, slow: float) -> int:
        """Return 1 if *fast* has just come out above *slow*, -1 if below, otherwise 0."""
        before = self._side
        difference = fast - slow
        # As compare() does it, here without a call: the larger of two sizes is that of the larger
        # number or that of the smaller one, turned.
        if difference > 0.0:
            side = 1 if difference > self.tolerance * (fast if fast > -slow else -slow) else 0
        elif difference < 0.0:
            side = -1 if -difference > self.tolerance * (slow if slow > -fast else -fast) else 0
        else:
            side = 0
        self._side = side
        return side if side + before == 0 else 0


def compare(first: float, second: float, tolerance: float = TOLERANCE) -> int:
    """Return 1 if *first* is above *second*, -1 if below, 0 if neither or one is ``nan``."""
    difference = first - second
    slack = tolerance * max(abs(first), abs(second))
    if difference > slack:
        return 1
    return -1 if difference < -slack else 0
