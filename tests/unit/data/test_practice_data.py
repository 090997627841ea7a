"""The bars that a new home has to practise on, and how the catalog is brought up to date."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from rustybt.cli import run
from rustybt.data.errors import DataError, SourceError
from rustybt.data.interval import Interval
from rustybt.data.practice import PRACTICE_START, PRACTICE_SYMBOLS, practice_file
from rustybt.deployment import (
    create_home,
    history_start,
    is_practice_data,
    open_catalog,
    open_declared_source,
    update_data,
)
from rustybt.engine.intake import take_in
from rustybt.engine.stack import stack_at_once
from rustybt.errors import SettingsError
from rustybt.settings import Settings, load_settings

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
Command = Callable[..., tuple[int, str]]


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(create_home(tmp_path / "home", "dev", at(NOON)).root, {})


def edited(settings: Settings, *changes: tuple[str, str]) -> Settings:
    env = settings.home / ".env"
    text = env.read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    env.write_text(text, "utf-8")
    return load_settings(settings.home, {})


def test_a_longer_series_begins_with_the_shorter_one() -> None:
    """New days continue what the catalog holds; each symbol walks its own way."""
    for symbol in PRACTICE_SYMBOLS:
        short = practice_file(date(2025, 2, 1), [symbol])
        assert practice_file(date(2026, 2, 1), [symbol]).startswith(short)
    closes = {
        symbol: [line.split(",")[5] for line in practice_file(NOON.date(), [symbol]).splitlines()]
        for symbol in PRACTICE_SYMBOLS
    }
    assert closes["ELM/USDT"] != closes["OAK/USDT"]


def test_invented_bars_are_bars_and_stay_near_their_level() -> None:
    """Ten years of them keep every rule of bars: high is highest, prices are above zero."""
    lines = practice_file(date(2034, 12, 31)).splitlines()[1:]
    assert len(lines) == len(PRACTICE_SYMBOLS) * ((date(2035, 1, 1) - PRACTICE_START).days)
    for line in lines:
        _, _, opened, high, low, close, volume = line.split(",")
        assert float(high) >= max(float(opened), float(close), float(low))
        assert float(low) <= min(float(opened), float(close))
        assert 40 < float(close) < 200
        assert int(volume) >= 1000


def test_a_home_for_dev_declares_them_and_the_catalog_takes_them(settings: Settings) -> None:
    """The declared symbols are stored from the declared start to the last day that has ended."""
    assert is_practice_data(settings)
    assert history_start(settings) == datetime(2025, 1, 1, tzinfo=UTC)
    done = list(update_data(settings, at(NOON)))
    assert [(one.symbol, one.added, one.refused) for one in done] == [
        ("ELM/USDT", 59, 0),
        ("OAK/USDT", 59, 0),
    ]
    bars = open_catalog(settings, at(NOON)).read("OAK/USDT", Interval.D1)
    assert bars["timestamp"][-1] == datetime(2025, 2, 28, tzinfo=UTC)


def test_a_day_later_one_bar_is_added(settings: Settings) -> None:
    """The file is continued, and only what is new gets into the catalog."""
    list(update_data(settings, at(NOON)))
    later = list(update_data(settings, at(NOON + timedelta(days=1))))
    assert [one.added for one in later] == [1, 1]


def test_a_file_of_ones_own_is_left_alone(settings: Settings) -> None:
    """Only the file that init made is ever written."""
    own = settings.home / "data" / "own.csv"
    own.write_bytes((settings.home / "data" / "practice.csv").read_bytes())
    before = own.read_bytes()
    mine = edited(settings, ("data/practice.csv", "data/own.csv"))
    assert not is_practice_data(mine)
    assert [one.added for one in update_data(mine, at(NOON + timedelta(days=9)))] == [59, 59]
    assert own.read_bytes() == before


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_only_dev_gets_invented_bars(tmp_path: Path, environment: str) -> None:
    """Elsewhere nothing is declared, and whoever asks for an update is told what to set."""
    home = create_home(tmp_path / "home", environment, at(NOON))  # type: ignore[arg-type] # a stage
    settings = load_settings(home.root, {})
    assert settings.data_source is None
    assert list(home.data.iterdir()) == []
    with pytest.raises(SourceError, match="no source of market data is declared"):
        list(update_data(settings, at(NOON)))
    with pytest.raises(DataError, match="no history is declared"):
        history_start(settings)


def test_sources_are_opened_as_they_are_declared(settings: Settings) -> None:
    """The source ccxt is told which venue; its candles need no file."""
    other = edited(settings, ("DATA_SOURCE=csv", "DATA_SOURCE=ccxt:kraken"))
    assert open_declared_source(other).name == "ccxt:kraken"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("DATA_SOURCE=csv", "DATA_SOURCE=bloomberg", "is not a source that RustyBT knows"),
        ("DATA_SOURCE=csv", "DATA_SOURCE=csv:binance", "is not a source that RustyBT knows"),
        ("DATA_SOURCE=csv", "DATA_SOURCE=ccxt:practice", "is not a source that RustyBT knows"),
        ("DATA_PATH=data/practice.csv", "", "is missing, though DATA_SOURCE is csv"),
        ("DATA_SYMBOLS=ELM/USDT,OAK/USDT", "", "is missing, though there is a DATA_SOURCE"),
        ("DATA_SYMBOLS=ELM/USDT,OAK/USDT", "DATA_SYMBOLS=A,,B", "empty or too long"),
        ("DATA_SYMBOLS=ELM/USDT,OAK/USDT", "DATA_SYMBOLS=A,A", "names a symbol twice"),
        ("DATA_START=2025-01-01", "", "is missing, though there is a DATA_SOURCE"),
        ("DATA_START=2025-01-01", "DATA_START=2025-02-30", "is not a day of the calendar"),
        ("DATA_START=2025-01-01", "DATA_START=yesterday", "is not a day"),
        ("DATA_INTERVAL=1d", "DATA_INTERVAL=3d", "is not one of the choices"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    settings: Settings, old: str, new: str, said: str
) -> None:
    """Half a declaration, or one of something that is not there, does not load."""
    with pytest.raises(SettingsError, match=said):
        edited(settings, (old, new))


def test_the_declaration_is_shown_as_it_was_written(settings: Settings) -> None:
    """What verify-config shows is what could be written into the file."""
    shown = {one.key: one.value for one in settings.sources}
    assert shown["DATA_SYMBOLS"] == "ELM/USDT,OAK/USDT"
    assert shown["DATA_START"] == "2025-01-01"


def test_intervals_of_settings_are_the_ones_that_there_are(settings: Settings) -> None:
    """Settings cannot import the enumeration; they name the same lengths."""
    for interval in Interval:
        env = settings.home / ".env"
        assert load_settings(settings.home, {"DATA_INTERVAL": interval.value}).data_interval
        assert env.exists()


def test_the_command_updates_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``update-data`` continues the file to yesterday, in words and as JSON."""
    home = create_home(tmp_path / "home", "dev", at(NOON)).root
    assert run(["update-data", "--home", str(home), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [one["symbol"] for one in first["updated"]] == ["ELM/USDT", "OAK/USDT"]
    assert run(["update-data", "--home", str(home)]) == 0
    assert "ELM/USDT: 0 bars added, up to" in capsys.readouterr().out


def test_the_command_tells_how_many_rows_were_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that is no bar is counted, and the others are stored."""
    home = create_home(tmp_path / "home", "dev", at(NOON)).root
    own = home / "data" / "own.csv"
    own.write_text(practice_file(NOON.date()) + "2025-03-02,OAK/USDT,10,9,11,10,1\n", "utf-8")
    edited(load_settings(home, {}), ("data/practice.csv", "data/own.csv"))
    assert run(["update-data", "--home", str(home)]) == 0
    assert "OAK/USDT: 60 bars added, 1 rows refused" in capsys.readouterr().out


def test_a_backtest_leaves_out_bars_that_were_filled_in() -> None:
    """A bar that a gap policy made up is not shown to a strategy, and that is said."""
    day = datetime(2025, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "timestamp": [day + timedelta(days=n) for n in range(3)],
            **{name: [1.0, 2.0, 3.0] for name in ("open", "high", "low", "close", "volume")},
            "filled": [False, True, False],
        }
    )
    assert stack_at_once({"X": frame}, name="X") is None  # a closer look is needed
    (bars,) = take_in({"X": frame}, signed=frozenset())
    assert bars.frame["close"].to_list() == [1.0, 3.0]
    assert bars.notes == ("X: 1 bars were filled in where nobody traded and are left out",)
    (whole,) = take_in({"X": frame.with_columns(filled=pl.lit(value=False))}, signed=frozenset())
    assert (whole.frame.height, whole.notes) == (3, ())
