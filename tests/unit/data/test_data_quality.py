"""Which rows are bars, which are refused by which rule, and that none is lost."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from rustybt.data.bars import BARS, empty_bars, raw_rows, require_bars
from rustybt.data.errors import DataError
from rustybt.data.interval import Interval, parse_interval
from rustybt.data.quality import RULES, Circumstances, Rule, Validated, sift, without

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAILY = Circumstances(now=NOW, interval=Interval.D1)
HOURLY = Circumstances(now=NOW, interval=Interval.H1)
Row = tuple[object, ...]
GOOD = ("10", "11", "9", "10.5", "100")


def day(number: int, *values: object) -> Row:
    return (f"2025-03-{number:02}", *(values or GOOD))


def judge(
    rows: Sequence[Row],
    circumstances: Circumstances = DAILY,
    rules: Mapping[str, Rule] | None = None,
) -> Validated:
    return sift(raw_rows(rows), circumstances, rules)


def times(found: Validated) -> list[str]:
    return [f"{at:%Y-%m-%dT%H:%M:%S}" for at in found.bars["timestamp"]]


BAD: dict[str, Row] = {
    "missing_value": day(4, "10", "11", "", "10.5", "100"),
    "not_a_number": day(4, "10", "NaN", "9", "10.5", "100"),
    "too_precise": day(4, "10.1234567890123456789", "11", "9", "10.5", "100"),
    "unreadable_time": ("yesterday", *GOOD),
    "naive_time": ("2025-03-04 09:30:00", *GOOD),
    "future_time": ("2026-01-02", *GOOD),
    "unfinished_bar": ("2026-01-01", *GOOD),
    "high_below_low": day(4, "10", "9", "11", "10", "100"),
    "open_outside_range": day(4, "12", "11", "9", "10.5", "100"),
    "close_outside_range": day(4, "10", "11", "9", "8.9", "100"),
    "negative_price": day(4, "-10", "11", "-11", "10.5", "100"),
    "zero_price": day(4, "10", "11", "0", "10.5", "100"),
    "negative_volume": day(4, "10", "11", "9", "10.5", "-1"),
    "out_of_order": day(1),
    "duplicate_time": day(3),
    "outlier": day(4, "10", "110", "9", "10.5", "100"),
}


@pytest.mark.parametrize("name", BAD)
def test_each_rule_refuses_its_bad_row_and_no_other(name: str) -> None:
    """Among good bars a bad one is refused by its rule, alone, and kept as it was written."""
    rows = [day(2), day(3), BAD[name], day(5), day(6)]
    found = judge(rows)
    assert found.counts == {name: 1}
    assert len(found.bars) == 4
    refused = found.refused.row(0, named=True)
    assert (refused["row"], refused["rules"]) == (3, [name])
    columns = ("timestamp", "open", "high", "low", "close", "volume")
    assert tuple(refused[column] for column in columns) == BAD[name]


SIXTY = day(4, "5", "5.2", "4.9", "5.1", "200")
SPLIT = [day(2), day(3), SIXTY, day(5, *SIXTY[1:]), day(6, *SIXTY[1:])]


def test_a_jump_the_size_of_a_split_is_refused_once() -> None:
    """The first bar on the new level is refused; the bars that follow agree with each other."""
    found = judge(SPLIT)
    assert found.counts == {"split_jump": 1}
    assert found.refused["row"].to_list() == [3]
    reverse = [day(2, *SIXTY[1:]), day(3, "10.2", "11", "9.9", "10.5", "1"), day(4), day(5)]
    assert judge(reverse).counts == {"split_jump": 1}


def test_a_split_on_record_explains_the_jump() -> None:
    """Naming the day of the split lets its bar pass."""
    known = frozenset({datetime(2025, 3, 4, tzinfo=UTC)})
    circumstances = Circumstances(now=NOW, interval=Interval.D1, splits=known)
    assert len(judge(SPLIT, circumstances).bars) == 5


def test_a_real_move_is_no_outlier_and_no_split() -> None:
    """A fall by a third that stays, and one of 60 percent, are not refused."""
    low = ("6.3", "6.9", "6.2", "6.8", "1")
    assert judge([day(2), day(3), day(4, *low), day(5, *low), day(6, *low)]).counts == {}
    crash = ("4.2", "4.4", "4", "4.3", "1")
    assert judge([day(2), day(3), day(4, *crash), day(5, *crash), day(6, *crash)]).counts == {}


def test_a_spike_at_the_end_is_held_against_the_bars_before() -> None:
    """The last bar is refused if it is four times off; twice might still be a move that stays."""
    assert judge([day(2), day(3), day(4, "50", "51", "49", "50", "1")]).counts == {"outlier": 1}
    moved = judge([day(2), day(3), day(4, "27", "28", "26", "27", "1")])
    assert len(moved.bars) == 3


def test_new_rows_are_held_against_what_is_stored() -> None:
    """A single new row is compared with the closes before it; two rows alone are not judged."""
    stored = Circumstances(now=NOW, interval=Interval.D1, previous=(Decimal(1), Decimal("1.1")))
    assert judge([day(2)], stored).counts == {"outlier": 1}
    split = Circumstances(now=NOW, interval=Interval.D1, previous=(Decimal(20), Decimal(20)))
    assert judge([day(2), day(3)], split).counts == {"split_jump": 1}
    assert len(judge([day(2), day(3, "90", "91", "89", "90", "1")]).bars) == 2


def test_the_factor_of_an_outlier_can_be_chosen() -> None:
    """With a larger factor a smaller spike passes."""
    rows = [day(2), day(3), day(4, "10", "25", "9", "10.5", "1"), day(5)]
    assert judge(rows).counts == {"outlier": 1}
    lax = Circumstances(now=NOW, interval=Interval.D1, outlier=Decimal(3))
    assert judge(rows, lax).counts == {}


def test_a_bad_row_makes_no_neighbour_look_bad() -> None:
    """A time in the future, a spike and a NaN are refused alone; what follows is in order."""
    rows = [
        day(2),
        ("2035-01-01", *GOOD),
        day(3, "1000", "1100", "900", "1050", "1"),
        day(4, "nan", "nan", "nan", "nan", "nan"),
        day(5),
    ]
    found = judge(rows)
    assert found.counts == {"future_time": 1, "not_a_number": 1, "outlier": 1}
    assert found.refused["row"].to_list() == [2, 3, 4]
    assert len(found.bars) == 2


def test_every_rule_a_row_breaks_is_named() -> None:
    """A row that is wrong in several ways says so."""
    found = judge([day(2), (None, "x", "0", "-1", "1e99", "-3")])
    assert found.refused.row(0, named=True)["rules"] == [
        "missing_value",
        "not_a_number",
        "too_precise",
        "negative_price",
        "zero_price",
        "negative_volume",
    ]


def test_prices_of_any_sign_on_request() -> None:
    """Futures that went below zero pass when it is said that they may."""
    circumstances = Circumstances(now=NOW, interval=Interval.D1, any_sign=True)
    rows = [day(2), day(3, "1", "2", "-40", "-37.63", "9"), day(4, "0", "9", "-1", "9", "9")]
    assert len(judge(rows, circumstances).bars) == 3
    assert judge(rows).counts == {"negative_price": 2, "zero_price": 1}


def test_a_rule_can_be_left_out() -> None:
    """What is accepted by name is accepted; an unknown name is answered with the known ones."""
    assert len(judge(SPLIT, rules=without(["split_jump"])).bars) == 5
    with pytest.raises(DataError, match="no rule is called split; expected one of missing_value"):
        without(["split"])
    assert list(without([])) == list(RULES)
    assert all(rule.says for rule in RULES.values())


def test_without_rules_rows_that_are_no_bars_are_an_error() -> None:
    """Leaving out a rule that bars depend on is found, not passed on."""
    with pytest.raises(DataError, match="bars without a value for high"):
        judge([day(2, "1", "x", "1", "1", "1")], rules={})
    with pytest.raises(DataError, match="out of order, or two for one time"):
        judge([day(2), day(2)], rules={})
    assert len(judge([day(2)], rules={}).bars) == 1
    wrong = pl.DataFrame({"timestamp": ["2025-03-02"]})
    with pytest.raises(DataError, match="expected bars"):
        require_bars(wrong)


def test_no_rows() -> None:
    """Nothing in, nothing out, and of the right types."""
    found = judge([])
    assert found.bars.equals(empty_bars())
    assert found.bars.schema == BARS
    assert (len(found.refused), found.counts) == (0, {})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-03-04T09:30:00Z", "2025-03-04T09:30:00"),
        ("2025-03-04 09:30 UTC", "2025-03-04T09:30:00"),
        ("2025-03-04T09:30+01:00", "2025-03-04T08:30:00"),
        (" 2025-03-04  09:30:15.5-0500 ", "2025-03-04T14:30:15"),
        ("1741080600", "2025-03-04T09:30:00"),
        ("1741080600000", "2025-03-04T09:30:00"),
        ("1741080600000000", "2025-03-04T09:30:00"),
    ],
)
def test_instants_are_read_in_utc(written: str, read: str) -> None:
    """ISO 8601 with its offset, and counts since 1970, are the same instant."""
    found = judge([(written, *GOOD)], HOURLY)
    assert times(found) == [read]
    assert times(judge([(written, *GOOD)])) == ["2025-03-04T00:00:00"]


@pytest.mark.parametrize(
    "written", ["2025-02-30", "2025-13-01T00:00:00Z", "20250304", "04/03/2025"]
)
def test_what_is_no_time_is_not_guessed(written: str) -> None:
    """Days that do not exist and other spellings are refused."""
    assert judge([(written, *GOOD)]).counts == {"unreadable_time": 1}
    assert not judge([(written, *GOOD)], HOURLY).bars.height


def test_a_daily_bar_is_known_by_the_date_as_it_is_written() -> None:
    """Midnight in New York or Tokyo is that day's bar, not the one of the day in UTC."""
    rows = [("2025-03-04 00:00:00-05:00", *GOOD), ("2025-03-05T00:00:00+09:00", *GOOD)]
    assert times(judge(rows)) == ["2025-03-04T00:00:00", "2025-03-05T00:00:00"]


def test_a_date_is_no_time_for_a_bar_of_an_hour() -> None:
    """A bare date says which day, not which hour of it."""
    assert judge([day(4)], HOURLY).counts == {"naive_time": 1}


def test_local_times_in_a_named_zone() -> None:
    """With a zone, times without one are read in it; what a clock change blurs is refused."""
    zone = ZoneInfo("America/New_York")
    hourly = Circumstances(now=NOW, interval=Interval.H1, zone=zone)
    rows = [
        ("2025-03-07 09:30", *GOOD),
        ("2025-03-09 02:30", *GOOD),  # skipped
        ("2025-03-10 09:30", *GOOD),
        ("2025-11-02 01:30", *GOOD),  # twice
        ("2025-11-03 09:30", *GOOD),
    ]
    found = judge(rows, hourly)
    assert times(found) == ["2025-03-07T14:30:00", "2025-03-10T13:30:00", "2025-11-03T14:30:00"]
    assert found.counts == {"clock_change": 2}
    daily = Circumstances(now=NOW, interval=Interval.D1, zone=zone)
    assert times(judge([rows[0]], daily)) == ["2025-03-07T00:00:00"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e15", "1000000000000000"),
        ("1E-12", "0.000000000001"),
        ("1000000000000000.000000000001", "1000000000000000.000000000001"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("+2.50", "2.5"),
        (".5", "0.5"),
        ("3.", "3"),
        ("0.10000000000000000000000", "0.1"),
        ("9999999999999999999", "9999999999999999999"),
    ],
)
def test_numbers_are_exact(text: str, value: str) -> None:
    """Huge and tiny numbers, exponents and trailing zeros are kept to the last digit."""
    found = judge([day(4, text, text, text, text, text)])
    assert set(found.bars.row(0)[1:]) == {Decimal(value)}


@pytest.mark.parametrize("text", ["1e-19", "1e19", "10000000000000000000", "1.0000000000000000001"])
def test_numbers_that_would_be_rounded_are_refused(text: str) -> None:
    """A digit that cannot be stored is not dropped in silence."""
    assert judge([day(4, "1", "1", "1", "1", text)]).counts == {"too_precise": 1}


def test_a_bar_is_unfinished_until_its_end() -> None:
    """The bar that ends now is there; the one that ends later is not, whatever its values."""
    rows = [(at.isoformat(), *GOOD) for at in (NOW - timedelta(hours=1), NOW, NOW + DAILY_STEP)]
    found = judge(rows, HOURLY)
    assert found.bars["timestamp"].to_list() == [NOW - timedelta(hours=1)]
    assert found.counts == {"future_time": 1, "unfinished_bar": 1}


DAILY_STEP = timedelta(microseconds=1)


def test_intervals() -> None:
    """Each has its length; an unknown one is answered with the known ones."""
    assert parse_interval("15m").length == timedelta(minutes=15)
    assert parse_interval("4h").length == timedelta(hours=4)
    assert parse_interval("1w").length == timedelta(days=7)
    assert [one.by_day for one in (Interval.H12, Interval.D1, Interval.W1)] == [False, True, True]
    with pytest.raises(DataError, match="'1y' is no interval of bars; expected one of 1m"):
        parse_interval("1y")


ODD_NUMBERS = ["", "nan", "-1", "0", "inf", "1e-18", "1e-19", "1E15", "x", " 7 ", "1_0", None]
ODD_TIMES = ["", "2025-01-01", "2025-01-01 10:00", "2031-01-01T00:00Z", "1735689600", "?", None]


def any_row(chance: random.Random) -> Row:
    """Return a row most of whose cells are sound."""
    instant = f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T05:00:00Z"
    time = chance.choice(ODD_TIMES) if chance.random() < 0.1 else instant
    low, high = sorted(f"{chance.uniform(8, 12):.3f}".zfill(6) for _ in range(2))
    sound = [chance.choice([low, high]), high, low, chance.choice([low, high]), "1e2"]
    return (
        time,
        *(chance.choice(ODD_NUMBERS) if chance.random() < 0.05 else cell for cell in sound),
    )


@pytest.mark.parametrize("seed", range(10))
def test_every_row_is_a_bar_or_is_refused(seed: int) -> None:
    """Accepted and refused rows add up, are as written, and what is accepted is sound."""
    chance = random.Random(seed)  # noqa: S311 - reproducible rows, no secret
    rows = [any_row(chance) for _ in range(500)]
    found = judge(rows, HOURLY)
    assert len(found.bars) + len(found.refused) == len(rows)
    assert 1 < len(found.bars) < len(rows)
    for row in found.refused.iter_rows(named=True):
        assert tuple(row.values())[2:] == rows[row["row"] - 1]
        assert row["rules"]
        assert set(row["rules"]) <= set(RULES)
    for bar in found.bars.iter_rows(named=True):
        assert 0 < bar["low"] <= min(bar["open"], bar["close"])
        assert max(bar["open"], bar["close"]) <= bar["high"]
        assert bar["volume"] >= 0
        assert bar["timestamp"] + Interval.H1.length <= NOW
