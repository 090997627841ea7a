"""Charts as SVG text: no library, no script, nothing from a network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.engine.tape import Floats, Integers

WIDTH, HEIGHT = 900, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 12, 10, 24
_BUCKETS: Final = 900  # one column of pixels each


class Mark(NamedTuple):
    """A trade on a chart: where on the time axis, at which value, and whether it bought."""

    time: int
    value: float
    buys: bool


def thinned(times: Integers, values: Floats) -> tuple[Integers, Floats]:
    """Return the points that can be seen: of each column of pixels the least and the greatest."""
    if times.size <= 2 * _BUCKETS:
        return times, values
    edges = np.linspace(0, times.size, _BUCKETS + 1).astype(np.int64)
    kept = {0, times.size - 1}
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[first:last]
        kept.add(first + int(part.argmin()))
        kept.add(first + int(part.argmax()))
    chosen = np.array(sorted(kept), dtype=np.int64)
    return times[chosen], values[chosen]


def line_chart(
    times: Integers,
    values: Floats,
    *,
    title: str,
    percent: bool = False,
    filled: bool = False,
    marks: Sequence[Mark] = (),
) -> str:
    """Return a chart of *values* over *times* (microseconds), its area down from 0 if *filled*."""
    seen, points = thinned(times, values)
    low, high = float(points.min()), float(points.max())
    if filled:
        high = 0.0
    if low == high:
        low, high = low - (abs(low) or 1) * 0.01, high + (abs(high) or 1) * 0.01
    box = _Box(int(times[0]), int(times[-1]), low, high)
    line = " ".join(
        f"{box.x(t)},{box.y(v)}" for t, v in zip(seen.tolist(), points.tolist(), strict=True)
    )
    parts = [_axes(box, percent=percent)]
    if filled:
        start, end = box.x(int(times[0])), box.x(int(times[-1]))
        parts.append(f'<polygon class="area" points="{start},{box.y(0)} {line} {end},{box.y(0)}"/>')
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [_dot(box, mark) for mark in marks]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


class _Box(NamedTuple):
    """Where times and values lie on the drawing."""

    start: int
    end: int
    low: float
    high: float

    def x(self, time: int) -> float:
        """Return the place of *time*, in pixels from the left."""
        share = (time - self.start) / ((self.end - self.start) or 1)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Return the place of *value*, in pixels from the top."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def ticks(low: float, high: float, *, percent: bool = False) -> list[tuple[float, str]]:
    """Return two to six round values from *low* to *high*, with how each is written.

    They are whole multiples of 1, 2 or 5 times a power of ten, written with no digit too many.
    """
    rough = (high - low) / 5
    power = math.floor(math.log10(rough))
    factor = next(f for f in (1, 2, 5, 10) if f * 10.0**power >= rough * (1 - 1e-9))
    step = factor * 10.0**power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [n * step for n in range(first, last + 1)]
    power += factor == 10
    largest = max(abs(low), abs(high))
    if percent:
        form = f",.{max(0, -power - 2)}%"
    elif step >= 1e-5 and largest < 1e9:
        form = f",.{max(0, -power)}f"
    else:
        form = f".{math.floor(math.log10(largest)) - power + 1}g"
    return [(value, format(value, form)) for value in values]


def _axes(box: _Box, *, percent: bool) -> str:
    """Return grid lines with their values, and the dates at both ends and in the middle."""
    parts = []
    for value, shown in ticks(box.low, box.high, percent=percent):
        y = box.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{shown}</text>')
    anchors = {"start": 0.0, "middle": 0.5, "end": 1.0}
    for anchor, share in anchors.items():
        time = box.start + int((box.end - box.start) * share)
        x, date = box.x(time), instant(time)
        parts.append(
            f'<text x="{x}" y="{HEIGHT - 6}" text-anchor="{anchor}">{date:%Y-%m-%d}</text>'
        )
    return "".join(parts)


def _dot(box: _Box, mark: Mark) -> str:
    """Return the triangle of a trade: up for a purchase, down for a sale."""
    x, y = box.x(mark.time), box.y(mark.value)
    tip = 5 if mark.buys else -5
    kind = "buy" if mark.buys else "sell"
    points = f"{x},{y - tip} {x - 4},{y + tip * 0.6:.1f} {x + 4},{y + tip * 0.6:.1f}"
    return f'<polygon class="{kind}" points="{points}"/>'


class Month(NamedTuple):
    """One month's compounded return; ``None`` where there were no bars."""

    year: int
    returns: tuple[float | None, ...]
    total: float


def monthly_returns(times: Integers, returns: Floats) -> list[Month]:
    """Return the compounded return of each month, by year, in UTC."""
    if not times.size:
        return []
    months = times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    firsts = np.flatnonzero(np.diff(months, prepend=months[0] - 1))
    grown = np.multiply.reduceat(returns + 1, firsts) - 1
    found = dict(zip(months[firsts].tolist(), grown.tolist(), strict=True))
    first, last = int(months[0]) // 12, int(months[-1]) // 12
    table = []
    for year in range(first, last + 1):
        row = tuple(found.get(year * 12 + month) for month in range(12))
        total = float(np.prod([1 + each for each in row if each is not None])) - 1
        table.append(Month(1970 + year, row, total))
    return table
