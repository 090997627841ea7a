"""Which rows of a source are bars to trade on. The others are set aside with the rule they break.

A rule looks at one row, or at how it follows the rows before it. Rules are applied in stages, each
to the rows that the stages before it left, so that a wrong time or a spike does not make its
neighbours look wrong, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from rustybt.data.bars import BARS, NUMBERS, PRICES, require_bars
from rustybt.data.errors import DataError
from rustybt.data.interval import Interval
from rustybt.data.reading import read_numbers, read_times

SPLITS: Final = (
    *(Decimal(n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 100)),
    Decimal("1.5"),
)
"""How many new shares a split usually makes of one; a reverse split the other way round."""
# The night's own move comes on top of the split's.
_SPLIT_TOLERANCE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the rules need to know besides the rows.

    *now* is the present time, aware: a bar that has not ended by then is refused. *zone* is that
    of times written without one; None refuses them. *previous* are the closes of up to two bars
    before the first row, the later one last. *outlier* is the factor by which a price has to be off
    both neighbouring closes to be refused. *splits* are the days (or instants) of splits on record.
    *any_sign* lets prices be zero or negative, as some futures' have been; no level is an outlier
    then.
    """

    now: datetime
    interval: Interval
    zone: ZoneInfo | None = None
    previous: tuple[Decimal, ...] = ()
    outlier: Decimal = Decimal(2)
    splits: frozenset[datetime] = frozenset()
    any_sign: bool = False


class Stage(IntEnum):
    """When a rule is applied."""

    ROW = 0
    ORDER = 1
    SPIKE = 2
    LEVEL = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to refuse a row: *finds* is true where it applies; null counts as false."""

    name: str
    says: str
    finds: Callable[[Circumstances], pl.Expr] = field(repr=False)
    stage: Stage = Stage.ROW


@dataclass(frozen=True, slots=True)
class Validated:
    """What became of a source's rows.

    *bars* passed every rule; *refused* has the others as they were written, columns ``row``,
    ``rules`` (the names of all rules of the stage that refused it), and the text of each value.
    """

    bars: pl.DataFrame
    refused: pl.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each rule refused, by name; rules that refused none are left out."""
        names = self.refused["rules"].explode(empty_as_null=True, keep_nulls=False).drop_nulls()
        return {name: names.eq(name).sum() for name in sorted(set(names))}


def sift(
    raw: pl.DataFrame, circumstances: Circumstances, rules: Mapping[str, Rule] | None = None
) -> Validated:
    """Divide a source's *raw* rows (see `rustybt.data.bars.RAW`) into bars and refused rows.

    Every row ends up in exactly one of the two. Without *rules*, all of ``RULES`` apply. Raise
    ``DataError`` if what the rules left are no bars, because a rule that was needed was left out.
    """
    applied = (RULES if rules is None else rules).values()
    frame = read_numbers(read_times(raw, circumstances.interval, circumstances.zone))
    frame = frame.with_columns(
        pl.col(column).cast(pl.Float64).alias(f"about.{column}") for column in PRICES
    )
    refused = []
    for stage in Stage:
        of_stage = [rule for rule in applied if rule.stage is stage]
        if stage >= Stage.SPIKE:
            frame = _beside(frame, circumstances)
        frame, out = _apply(frame, of_stage, circumstances)
        refused.append(out)
    bars = frame.select(pl.col("time").alias("timestamp"), *NUMBERS)
    return Validated(require_bars(bars.cast(BARS)), pl.concat(refused).sort("row"))


def without(names: Iterable[str]) -> dict[str, Rule]:
    """Return all rules but those called *names*; raise ``DataError`` for a name that none has."""
    names = set(names)
    unknown = sorted(names - RULES.keys())
    if unknown:
        raise DataError(
            f"no rule is called {', '.join(unknown)}", expected=f"one of {', '.join(RULES)}"
        )
    return {name: rule for name, rule in RULES.items() if name not in names}


def _apply(
    frame: pl.DataFrame, rules: Sequence[Rule], circumstances: Circumstances
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that no rule finds, and the others as they were written."""
    found = frame.select(
        (rule.finds(circumstances) & pl.lit(value=True)).fill_null(value=False).alias(rule.name)
        for rule in rules
    )
    if not len(frame) or not rules:
        return frame, _written(frame.clear(), [])
    bad = found.select(pl.any_horizontal(pl.all())).to_series()
    if not bad.any():
        return frame, _written(frame.clear(), [])
    broken = [
        [name for name, here in zip(found.columns, row, strict=True) if here]
        for row in found.filter(bad).iter_rows()
    ]
    return frame.filter(~bad), _written(frame.filter(bad), broken)


def _written(frame: pl.DataFrame, broken: Sequence[Sequence[str]]) -> pl.DataFrame:
    """Return rows as they were written, with the rules that each has *broken*."""
    return frame.select(
        "row",
        pl.Series("rules", broken, dtype=pl.List(pl.String)),
        "timestamp",
        *(pl.col(f"text.{column}").alias(column) for column in NUMBERS),
    )


def _missing(_: Circumstances) -> pl.Expr:
    cells = [pl.col("timestamp"), *(pl.col(f"text.{column}") for column in NUMBERS)]
    return pl.any_horizontal(cell.is_null() | (cell.str.strip_chars() == "") for cell in cells)


def _not_a_number(_: Circumstances) -> pl.Expr:
    return pl.any_horizontal(
        pl.col(column).is_null()
        & ~pl.col(f"inexact.{column}")
        & (pl.col(f"text.{column}").str.strip_chars() != "")
        for column in NUMBERS
    )


def _too_precise(_: Circumstances) -> pl.Expr:
    return pl.any_horizontal(pl.col(f"inexact.{column}") for column in NUMBERS)


def _unreadable_time(_: Circumstances) -> pl.Expr:
    written = pl.col("timestamp").str.strip_chars() != ""
    return written & pl.col("time").is_null() & ~pl.col("naive") & ~pl.col("unclear")


def _future(circumstances: Circumstances) -> pl.Expr:
    return pl.col("time") > circumstances.now


def _unfinished(circumstances: Circumstances) -> pl.Expr:
    now = circumstances.now
    return (pl.col("time") <= now) & (pl.col("time") > now - circumstances.interval.length)


def _negative(circumstances: Circumstances) -> pl.Expr:
    below = pl.any_horizontal(pl.col(column) < 0 for column in PRICES)
    return below & pl.lit(not circumstances.any_sign)


def _zero(circumstances: Circumstances) -> pl.Expr:
    zero = pl.any_horizontal(pl.col(column) == 0 for column in PRICES)
    return zero & pl.lit(not circumstances.any_sign)


def _outside(column: str) -> Callable[[Circumstances], pl.Expr]:
    price = pl.col(column)
    # With high below low there is no range to be outside of: that is another rule's.
    ordered = pl.col("low") <= pl.col("high")
    return lambda _: ordered & ((price < pl.col("low")) | (price > pl.col("high")))


def _out_of_order(_: Circumstances) -> pl.Expr:
    return pl.col("time").is_first_distinct() & (pl.col("time") < pl.col("time").cum_max())


def _beside(frame: pl.DataFrame, circumstances: Circumstances) -> pl.DataFrame:
    """Add what rules about levels compare with: closes ``before`` and ``after``, and the ``jump``.

    At either end, where there is no such close, the one beyond the other neighbour stands in:
    ``edge`` tells so. Levels are compared in floats; the numbers that are kept are not touched.
    """
    known = pl.DataFrame(
        {"about.close": list(map(float, circumstances.previous))}, {"about.close": pl.Float64}
    )
    close = pl.col("about.close")
    before, after = close.shift(1), close.shift(-1)
    closes = pl.concat([known, frame.select("about.close")])
    beside = closes.select(
        before.fill_null(close.shift(-2)).alias("before"),
        after.fill_null(close.shift(2)).alias("after"),
        (before.is_null() | after.is_null()).alias("edge"),
        before.alias("latest"),
    ).slice(len(known))
    return frame.with_columns(beside.get_columns()).with_columns(
        jump=pl.col("about.open") / pl.col("latest")
    )


def _outlier(circumstances: Circumstances) -> pl.Expr:
    """Find prices off both neighbours; at an edge, where a move may stay, by the factor squared."""
    before, after = pl.col("before"), pl.col("after")
    factor = float(circumstances.outlier)
    factors = pl.when(pl.col("edge")).then(factor**2).otherwise(factor)
    prices = [pl.col(f"about.{column}") for column in PRICES]
    above = pl.max_horizontal(prices) > pl.max_horizontal(before, after) * factors
    below = pl.min_horizontal(prices) < pl.min_horizontal(before, after) / factors
    both = before.is_not_null() & after.is_not_null()
    return (above | below) & both & pl.lit(not circumstances.any_sign)


def _split_jump(circumstances: Circumstances) -> pl.Expr:
    near = pl.any_horizontal(
        pl.col("jump").is_between(size * (1 - _SPLIT_TOLERANCE), size * (1 + _SPLIT_TOLERANCE))
        for split in map(float, SPLITS)
        for size in (split, 1 / split)
    )
    on_record = pl.col("time").is_in(sorted(circumstances.splits))
    return near & ~on_record & pl.lit(not circumstances.any_sign)


_NAMED: Final = (
    Rule("missing_value", "a cell is empty", _missing),
    Rule("not_a_number", "a price or the volume is NaN, infinite or no number", _not_a_number),
    Rule("too_precise", "a number has more digits than 19 and 18 decimals", _too_precise),
    Rule("unreadable_time", "the time is not one", _unreadable_time),
    Rule("naive_time", "the time is written without a zone", lambda _: pl.col("naive")),
    Rule("clock_change", "a clock change skips or repeats the time", lambda _: pl.col("unclear")),
    Rule("future_time", "the bar starts in the future", _future),
    Rule("unfinished_bar", "the bar has not ended yet", _unfinished),
    Rule("high_below_low", "high is below low", lambda _: pl.col("high") < pl.col("low")),
    Rule("open_outside_range", "open is not between low and high", _outside("open")),
    Rule("close_outside_range", "close is not between low and high", _outside("close")),
    Rule("negative_price", "a price is below zero", _negative),
    Rule("zero_price", "a price is zero", _zero),
    Rule("negative_volume", "the volume is below zero", lambda _: pl.col("volume") < 0),
    Rule("out_of_order", "a later bar came before it", _out_of_order, Stage.ORDER),
    Rule(
        "duplicate_time",
        "there was a bar for this time",
        lambda _: ~pl.col("time").is_first_distinct(),
        Stage.ORDER,
    ),
    Rule("outlier", "a price is far off the bars before and after", _outlier, Stage.SPIKE),
    Rule(
        "split_jump",
        "it opens at a level that a split on no record would explain",
        _split_jump,
        Stage.LEVEL,
    ),
)
RULES: Final[Mapping[str, Rule]] = {rule.name: rule for rule in _NAMED}
"""Every rule, by name, in the order in which they are applied."""
