"""Heat maps as SVG text: a metric over two parameters.

A sweep of one parameter is a map of one row. Of three, there is a map for each value of the one
with the fewest; of more (or if those are many), a cell shows the best over all that it does not
name. With walk-forward windows a cell is the mean over the train parts.
"""

from __future__ import annotations

from html import escape
from math import fsum
from typing import TYPE_CHECKING, Final, NamedTuple

from rustybt.engine.frames import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rustybt.engine.sweep.metrics import Metric
    from rustybt.engine.sweep.result import SweepResult
    from rustybt.strategy.parameters import Parameter

_MOST_MAPS: Final = 9
_LEFT, _TOP, _BOTTOM = 78, 6, 40
_WIDTH: Final = 900
_CELL_HEIGHT: Final = 34
_TALLEST: Final = 700
_NARROWEST: Final = 44  # pixels that a figure needs
_LABELS: Final = 24  # along an axis, at most

Key = tuple["Parameter | None", "Parameter"]


class HeatMap(NamedTuple):
    """One map: what it is of, and the drawing."""

    title: str
    svg: str


class _Axes(NamedTuple):
    """The names of the parameters down, across, and one map each; and what the rest is for."""

    down: str | None
    across: str
    each: str | None
    others: tuple[str, ...]


def heat_maps(result: SweepResult) -> list[HeatMap]:
    """Return the maps of *result*; none if no run has the metric."""
    axes = _axes(result)
    scores = _scores(result)
    if not scores:
        return []
    better = min if result.metric.lower_is_better else max
    scale = _Scale(max(map(abs, scores.values())), better(scores.values()))
    combinations = result.grid.combinations
    over = f", the best over {' and '.join(axes.others)}" if axes.others else ""
    maps = []
    for chosen in [None] if axes.each is None else result.grid.values[axes.each]:
        numbers = [
            number
            for number in scores
            if axes.each is None or combinations[number][axes.each] == chosen
        ]
        named = "" if axes.each is None else f", {axes.each} = {plain(chosen)}"
        title = f"{result.metric.label} by {_by(axes)}{named}{over}"
        cells = _cells(((combinations[number], scores[number]) for number in numbers), axes, result)
        maps.append(HeatMap(title, _drawn(result, axes, cells, scale, title)))
    return maps


def _by(axes: _Axes) -> str:
    """Return the names of the axes."""
    return axes.across if axes.down is None else f"{axes.down} and {axes.across}"


def _axes(result: SweepResult) -> _Axes:
    """Return which parameter goes where: those with the most values are drawn."""
    values = {name: each for name, each in result.grid.values.items() if len(each) > 1}
    values = values or result.grid.values
    names = sorted(values, key=lambda name: -len(values[name]))
    drawn = [name for name in values if name in names[:2]]  # in the order in which they were given
    if len(drawn) == 1:
        return _Axes(None, drawn[0], None, ())
    rest = tuple(name for name in values if name not in drawn)
    if len(rest) == 1 and len(values[rest[0]]) <= _MOST_MAPS:
        return _Axes(drawn[0], drawn[1], rest[0], ())
    return _Axes(drawn[0], drawn[1], None, rest)


def _scores(result: SweepResult) -> dict[int, float]:
    """Return the metric of each combination: the mean over windows that have it."""
    found: dict[int, list[float]] = {}
    for each in result.outcomes:
        value = result.metric.of(each.figures)
        if value is not None:
            found.setdefault(each.number, []).append(float(value))
    return {number: fsum(values) / len(values) for number, values in sorted(found.items())}


def _cells(
    scored: Iterable[tuple[Mapping[str, Parameter], float]], axes: _Axes, result: SweepResult
) -> dict[Key, float]:
    """Return the best score of each cell."""
    better = min if result.metric.lower_is_better else max
    cells: dict[Key, float] = {}
    for combination, score in scored:
        key = (None if axes.down is None else combination[axes.down], combination[axes.across])
        cells[key] = better(cells.get(key, score), score)
    return cells


class _Scale(NamedTuple):
    """The score that is furthest from 0, without its sign, and the *best* one."""

    bound: float
    best: float

    def strength(self, score: float) -> float:
        """Return how opaque a cell is; text stays legible on the strongest."""
        return 0.06 + 0.5 * (abs(score) / self.bound if self.bound else 0)


class _Layout(NamedTuple):
    """Where cells lie on the drawing, in pixels."""

    columns: Sequence[Parameter]
    rows: Sequence[Parameter | None]

    @property
    def width(self) -> float:
        """The width of a cell."""
        return (_WIDTH - _LEFT - 4) / len(self.columns)

    @property
    def height(self) -> float:
        """The height of a cell."""
        return min(_CELL_HEIGHT, _TALLEST / len(self.rows))

    @property
    def bottom(self) -> float:
        """Where the cells end."""
        return _TOP + self.height * len(self.rows)

    def x(self, column: int) -> float:
        """Return where a column begins."""
        return round(_LEFT + column * self.width, 1)

    def y(self, row: int) -> float:
        """Return where a row begins."""
        return round(_TOP + row * self.height, 1)


def _drawn(
    result: SweepResult, axes: _Axes, cells: Mapping[Key, float], scale: _Scale, title: str
) -> str:
    """Return the drawing of one map; *scale* is that of all maps of a sweep."""
    values = result.grid.values
    rows = [None] if axes.down is None else values[axes.down]
    layout = _Layout(values[axes.across], rows)
    parts = []
    for row, down in enumerate(layout.rows):
        for column, across in enumerate(layout.columns):
            score = cells.get((down, across))
            name = f"{axes.across} = {plain(across)}"
            if axes.down is not None:
                name = f"{axes.down} = {plain(down)}, {name}"
            parts.append(_cell(layout, (row, column), score, scale, name, result.metric))
    parts += _labels(layout, axes)
    height = round(layout.bottom + _BOTTOM)
    label = escape(title, quote=True)
    return (
        f'<svg class="heat" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f"<title>{label}</title>{''.join(parts)}</svg>"
    )


def _cell(
    layout: _Layout,
    place: tuple[int, int],
    score: float | None,
    scale: _Scale,
    name: str,
    metric: Metric,
) -> str:
    """Return one cell: gains in one colour, losses in another, the stronger the further from 0."""
    x, y = layout.x(place[1]), layout.y(place[0])
    width, height = round(layout.width - 1, 1), round(layout.height - 1, 1)
    box = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    if score is None:
        shown = f"{escape(name)}: not run or not defined"
        return f'<rect class="none" {box}><title>{shown}</title></rect>'
    kind = "up" if score >= 0 else "down"
    figure = _figure(score, metric)
    tip = f"<title>{escape(name)}: {figure}</title>"
    parts = [f'<rect class="{kind}" fill-opacity="{scale.strength(score):.2f}" {box}>{tip}</rect>']
    if score == scale.best:
        parts.append(f'<rect class="best" {box}/>')
    if layout.width >= _NARROWEST and layout.height >= 14:
        middle, base = round(x + width / 2, 1), round(y + height / 2 + 4, 1)
        parts.append(f'<text x="{middle}" y="{base}" text-anchor="middle">{figure}</text>')
    return "".join(parts)


def _figure(score: float, metric: Metric) -> str:
    """Return a score for people."""
    if metric.percent:
        return f"{score:.2%}"
    return f"{score:,.0f}" if abs(score) >= 1000 else f"{score:.2f}"


def _labels(layout: _Layout, axes: _Axes) -> list[str]:
    """Return the values along both axes and their names."""
    parts = []
    for column in _some(len(layout.columns)):
        x = round(layout.x(column) + layout.width / 2, 1)
        text = escape(str(plain(layout.columns[column])))
        y = round(layout.bottom + 14, 1)
        parts.append(f'<text x="{x}" y="{y}" text-anchor="middle">{text}</text>')
    name_y = round(layout.bottom + 32, 1)
    middle = round((_LEFT + _WIDTH) / 2, 1)
    name = escape(axes.across)
    parts.append(f'<text class="axis" x="{middle}" y="{name_y}" text-anchor="middle">{name}</text>')
    if axes.down is None:
        return parts
    for row in _some(len(layout.rows)):
        y = round(layout.y(row) + layout.height / 2 + 4, 1)
        text = escape(str(plain(layout.rows[row])))
        parts.append(f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end">{text}</text>')
    y = round(_TOP + (layout.bottom - _TOP) / 2, 1)
    turned = f'transform="rotate(-90 12 {y})"'
    name = escape(axes.down)
    parts.append(f'<text class="axis" x="12" y="{y}" text-anchor="middle" {turned}>{name}</text>')
    return parts


def _some(count: int) -> range:
    """Return which of so many labels have room."""
    return range(0, count, -(-count // _LABELS))
