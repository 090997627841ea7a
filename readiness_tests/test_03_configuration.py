"""Section 3: configuration, judged on a deployment's home and by driving the engine."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pytest_rustybt_ready import Evidence, Provenance, at_most, one_of, ready
from readiness_tests import hours
from readiness_tests.bar_cases import CASES, NOW
from readiness_tests.engine import EngineUnderTest
from readiness_tests.hours import ALWAYS, DAY, NEW_YORK, Market, NoSecondSourceError
from readiness_tests.subjects import Deployment, owner_of, service_user, utc_now
from rustybt.data.catalog import Catalog
from rustybt.data.interval import Interval
from rustybt.data.manifest import FORMAT
from rustybt.deployment import is_practice_data, open_catalog
from rustybt.errors import RustyBTError
from rustybt.settings import Settings

CONFIGURED = "configured"
YEAR = timedelta(days=365)
# A source may take this long to publish a bar that has ended.
GRACE = timedelta(days=1)
QUALITY = "rustybt/data/quality.py"
RULES = "{rule.name: rule for rule in _NAMED}"
EXCHANGE = "rustybt/calendars/exchange.py"


# -- 3.2 data sources ------------------------------------------------------------------------


@ready.configuration("3.2.1")
def test_data_sources_are_configured(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The declared source of market data loads, knows its symbols, and has what it needs."""
    settings = _settings(deployment)
    seen = _fetched(deployment, engine)
    evidence.record("declared", settings.data_source or "nothing")
    evidence.expect("what keeps it from being opened", "", observed=seen["error"])
    expected = (settings.data_source or "").partition(":")[0]
    evidence.expect("kind of source", expected, observed=seen["name"].partition(":")[0])
    evidence.record("library", seen["library"])
    evidence.record("credentials needed", "none: bars of all known sources are public")
    evidence.expect("symbols", sorted(settings.data_symbols), observed=sorted(seen["symbols"]))
    if settings.data_source == "csv":
        missing = [name for name, one in seen["symbols"].items() if one["error"]]
        evidence.expect("symbols that the file lacks", [], observed=missing)


@test_data_sources_are_configured.fails_when
def the_source_is_unknown(deployment: Deployment) -> None:
    """The settings name a source that there is not."""
    _set(deployment, "DATA_SOURCE", "bloomberg")


@test_data_sources_are_configured.fails_when
def no_source_is_declared(deployment: Deployment) -> None:
    """The settings name no source at all."""
    _set(deployment, "DATA_SOURCE", "")


@test_data_sources_are_configured.fails_when
def its_library_is_not_installed(deployment: Deployment, engine: EngineUnderTest) -> None:
    """The source needs a library that this machine does not have."""
    _set(deployment, "DATA_SOURCE", "ccxt:binance")
    engine.edit(
        "rustybt/adapters/ccxt.py",
        "import ccxt  # type: ignore[import-untyped] # it has no types we could use",
        "import ccxt_as_on_a_machine_without_it as ccxt",
    )


@test_data_sources_are_configured.fails_when
def its_file_is_gone(deployment: Deployment) -> None:
    """The file that the source reads is not there."""
    _bar_file(deployment).unlink()


@ready.configuration("3.2.2")
def test_data_sources_deliver(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The last bars of each symbol are well-formed, and no older than the calendar explains."""
    settings = _settings(deployment)
    fetched = _fetched(deployment, engine)
    evidence.expect("what keeps the source from being opened", "", observed=fetched["error"])
    evidence.expect("symbols", sorted(settings.data_symbols), observed=sorted(fetched["symbols"]))
    evidence.record("source", fetched["name"])
    for symbol, one in fetched["symbols"].items():
        if one["error"] and not one["reachable"]:
            evidence.unproven(
                f"the source cannot be reached: {one['error']}",
                remedy=f"python -m rustybt test-data --source {settings.data_source}",
            )
        evidence.expect(f"{symbol}: why it delivers nothing", "", observed=one["error"])
        evidence.expect(f"{symbol}: rows that rules refuse", {}, observed=one["refused"])
        evidence.expect(f"{symbol}: malformed rows", [], observed=_malformed(one["rows"]))
        _expect_fresh(settings, evidence, symbol, one["rows"][-1][0])


@test_data_sources_deliver.fails_when
def the_source_has_stopped(deployment: Deployment) -> None:
    """The last ten days are not there."""
    _edit_bars(deployment, lambda lines: _without_ages(lines, *range(11)))


@test_data_sources_deliver.fails_when
def the_source_has_nothing(deployment: Deployment) -> None:
    """There is a header, and not one bar."""
    _edit_bars(deployment, lambda lines: lines[:1])


@test_data_sources_deliver.fails_when
def a_bar_is_malformed(deployment: Deployment) -> None:
    """The newest bar's high is below its low."""
    _edit_bars(deployment, lambda lines: [*lines[:-1], _with_low_high(lines[-1])])


@ready.configuration("3.2.3")
def test_the_history_is_complete(deployment: Deployment, evidence: Evidence) -> None:
    """For each declared symbol the catalog holds every session since the declared start."""
    settings = _settings(deployment)
    catalog = open_catalog(settings, utc_now)
    assert settings.data_symbols, "no symbol is configured"
    assert settings.data_start is not None, "no start is configured"
    expected = _sessions(settings, settings.data_start)
    if is_practice_data(settings):
        evidence.provenance = Provenance.PRACTICE  # no proof of anything at production
    evidence.record("calendar", settings.trading_calendar)
    evidence.record("sessions expected", f"{len(expected)} since {settings.data_start}")
    assert expected, "no session has ended since the start that is configured"
    missing: list[str] = []
    for symbol in settings.data_symbols:
        held, written = _held(catalog, symbol, settings)
        evidence.record(f"{symbol}: sessions stored", len(held), at=written)
        missing += [f"{symbol} {day}" for day in expected if day not in held]
    evidence.record("missing", missing)
    evidence.meets("missing_sessions", observed=len(missing))


@test_the_history_is_complete.fails_when
def a_day_is_missing(deployment: Deployment) -> None:
    """One day in the middle was never stored."""
    _store_again(deployment, lambda lines: _without_ages(lines, 30))


@test_the_history_is_complete.fails_when
def the_latest_days_are_missing(deployment: Deployment) -> None:
    """Nobody has brought the catalog up to date for five days."""
    _store_again(deployment, lambda lines: _without_ages(lines, *range(6)))


@test_the_history_is_complete.fails_when
def a_symbol_is_missing(deployment: Deployment) -> None:
    """One of the symbols was never fetched."""
    symbols = ",".join((*deployment.settings.data_symbols, "ASH/USDT"))
    _set(deployment, "DATA_SYMBOLS", symbols)


@ready.configuration("3.2.4")
def test_bad_bars_are_refused(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each rule refuses the bar that is made to break it; it is kept apart, the others stored."""
    wanted = ("rows", "interval", "zone")
    cases = {name: {key: case[key] for key in wanted} for name, case in CASES.items()}
    seen = engine.run("bad_bars", now=NOW, cases=cases)
    evidence.expect("rules with a case of their own", sorted(CASES), observed=sorted(seen["rules"]))
    for name, case in CASES.items():
        found = seen["cases"][name]
        values = dict(zip(("timestamp", *_NUMBERS), case["bad"], strict=True))
        evidence.expect(f"{name}: error", "", observed=found["error"])
        evidence.expect(f"{name}: set aside", [([name], values)], observed=_refused(found))
        stored = [_exact(row) for row in found["bars"]]
        good = sorted(_exact(row) for row in case["good"])
        evidence.expect(f"{name}: every sound row is stored", True, observed=stored == good)


def _disabled(rule: str) -> Callable[[EngineUnderTest], None]:
    """Return a control that switches *rule* off."""

    def control(engine: EngineUnderTest) -> None:
        engine.edit(QUALITY, f"= {RULES}", f"= {RULES[:-1]} if rule.name != {rule!r}}}")

    control.__name__ = f"{rule}_is_switched_off"
    control.__doc__ = f"The rule {rule} is not applied."
    return control


for _rule in (
    "high_below_low",
    "negative_price",
    "not_a_number",
    "duplicate_time",
    "out_of_order",
    "future_time",
    "naive_time",
    "outlier",
    "split_jump",
):
    test_bad_bars_are_refused.fails_when(_disabled(_rule))


@test_bad_bars_are_refused.fails_when
def a_refused_row_is_lost(engine: EngineUnderTest) -> None:
    """What is refused is not kept."""
    kept = "self.catalog.set_aside(self.symbol, self.interval, refused)"
    engine.edit("rustybt/data/ingest.py", kept, "None")


@test_bad_bars_are_refused.fails_when
def a_good_row_is_refused(engine: EngineUnderTest) -> None:
    """An everyday move counts as a split."""
    engine.edit(QUALITY, "_SPLIT_TOLERANCE: Final = 0.05", "_SPLIT_TOLERANCE: Final = 0.6")


@ready.configuration("3.2.5")
def test_missing_bars_are_never_filled_unasked(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each gap policy does what its name says, and a strategy is shown no bar that was made up."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    present = [0, 1, 4, 5, 6, 8, 9]  # days after the start; 2, 3 and 7 are missing
    closes = {number: Decimal(100 + number) for number in present}
    rows = [_daily(start + number * DAY, closes[number]) for number in present]
    seen = engine.run(
        "gap_policies", start=start.isoformat(), end=(start + 10 * DAY).isoformat(), rows=rows
    )
    real = [[_iso(start + n * DAY), closes[n], Decimal(10), False] for n in present]
    made = [
        [_iso(start + n * DAY), closes[last], Decimal(0), True]
        for n, last in ((2, 1), (3, 1), (7, 6))
    ]
    policies = {name: _told(one) for name, one in seen["policies"].items()}
    refused: tuple[str, list[Any]] = ("GapError", [])
    evidence.expect("policies", ["forward-fill", "raise", "skip"], observed=sorted(policies))
    evidence.expect("raise", refused, observed=policies["raise"])
    said = seen["policies"]["raise"]["message"]
    named = [day for day in ("2026-01-07", "2026-01-08", "2026-01-12") if day in said]
    evidence.expect("days that raise names", 3, observed=len(named))
    evidence.expect("skip", ("", real), observed=policies["skip"])
    evidence.expect("forward-fill", ("", sorted(real + made)), observed=policies["forward-fill"])
    evidence.expect("when nothing is said", refused, observed=_told(seen["unsaid"]))
    shown = [[_iso(start + n * DAY), float(closes[n])] for n in present]
    for way in ("from the catalog", "after a forward fill"):
        evidence.expect(f"shown to a strategy {way}", shown, observed=seen[way])


@test_missing_bars_are_never_filled_unasked.fails_when
def bars_are_filled_unless_one_objects(engine: EngineUnderTest) -> None:
    """Whoever says nothing gets filled bars."""
    default = "policy: GapPolicy = GapPolicy."
    engine.edit("rustybt/data/gaps.py", f"{default}RAISE", f"{default}FORWARD_FILL")


@test_missing_bars_are_never_filled_unasked.fails_when
def fills_look_like_trades(engine: EngineUnderTest) -> None:
    """Bars that were made up are not marked."""
    filled = 'pl.col("filled").fill_null(value='
    engine.edit("rustybt/data/gaps.py", f"{filled}True)", f"{filled}False)")


@test_missing_bars_are_never_filled_unasked.fails_when
def skip_fills(engine: EngineUnderTest) -> None:
    """The policy skip makes bars up, like forward-fill."""
    engine.edit(
        "rustybt/data/gaps.py", "policy is not GapPolicy.FORWARD_FILL or not gaps", "not gaps"
    )


@test_missing_bars_are_never_filled_unasked.fails_when
def raise_has_no_effect(engine: EngineUnderTest) -> None:
    """The policy raise lets bars with holes through."""
    engine.edit("rustybt/data/gaps.py", "policy is GapPolicy.RAISE and gaps", "False")


@test_missing_bars_are_never_filled_unasked.fails_when
def a_strategy_is_shown_filled_bars(engine: EngineUnderTest) -> None:
    """A backtest takes made-up bars for real ones."""
    engine.edit(
        "rustybt/engine/intake.py", "    frame = _without_fills(symbol, frame, notes)\n", ""
    )


@ready.configuration("3.2.6")
def test_the_catalog_is_sound(deployment: Deployment, evidence: Evidence) -> None:
    """The catalog can be written, is of this release's format, and every checksum is right."""
    root = deployment.home.catalog
    manifests = sorted(root.glob("*/*/manifest.json"))
    evidence.record("series", len(manifests))
    assert manifests, "the catalog is empty"
    folders = sorted({root, *(path.parent for path in manifests)})
    evidence.expect(
        "folders that cannot be written", [], observed=[str(f) for f in folders if not _writable(f)]
    )
    damaged: list[str] = []
    formats = set()
    for path in manifests:
        document = _manifest(path, damaged)
        formats.add(document.get("format"))
        damaged += _wrong_files(path.parent, document)
    evidence.expect("files whose checksum is wrong", [], observed=damaged)
    evidence.expect("formats", {FORMAT}, observed=formats)


@test_the_catalog_is_sound.fails_when
def a_byte_is_flipped(deployment: Deployment) -> None:
    """One bit of one file is not what it was."""
    path = next(deployment.home.catalog.glob("*/*/*.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@test_the_catalog_is_sound.fails_when
def a_manifest_is_edited(deployment: Deployment) -> None:
    """Somebody changed what the catalog says about a series."""
    path = next(deployment.home.catalog.glob("*/*/manifest.json"))
    path.write_bytes(path.read_bytes().replace(b'"number":1', b'"number":2'))


@test_the_catalog_is_sound.fails_when
def it_is_of_another_format(deployment: Deployment) -> None:
    """A series was written by another release."""
    path = next(deployment.home.catalog.glob("*/*/manifest.json"))
    _, _, body = path.read_bytes().partition(b"\n")
    body = body.replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1))
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


@test_the_catalog_is_sound.fails_when
def its_folder_is_read_only(deployment: Deployment) -> None:
    """Nothing can be added to the catalog."""
    deployment.home.catalog.chmod(0o500)


@ready.configuration("3.2.6")
def test_a_killed_write_leaves_the_old_version(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Of a series whose writer is killed, the version before is read, or the new one."""
    for number, kill in enumerate(engine.run("catalog_writes", delays=[0, 0.03, 0.1]), start=1):
        evidence.record(f"kill {number}", kill)
        evidence.expect(f"kill {number}: damaged", [], observed=kill["damaged"])
        evidence.expect(f"kill {number}: by SIGKILL", True, observed=kill["killed"])
        reported = kill["reported"]
        evidence.expect(
            f"kill {number}: version read", one_of(reported, reported + 1), observed=kill["read"]
        )
        evidence.expect(f"kill {number}: all of it is there", True, observed=kill["whole"])


@test_a_killed_write_leaves_the_old_version.fails_when
def a_killed_write_does_damage(engine: EngineUnderTest) -> None:
    """What a series consists of is written over the old text, and that takes a while."""
    engine.edit(
        "rustybt/data/catalog.py",
        "write_atomic(folder / _MANIFEST, document)",
        "(folder / _MANIFEST).write_bytes(document[:40]); __import__('time').sleep(1); "
        "(folder / _MANIFEST).write_bytes(document)",
    )


# -- 3.4 trading calendar --------------------------------------------------------------------

# The configured market, and one with holidays, early closes and clock changes whatever is set.
MARKETS = pytest.mark.parametrize("market", [CONFIGURED, "NYSE"])


@ready.configuration("3.4.1")
def test_the_calendar_fits_the_market(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The configured calendar exists, and is one that the broker's market keeps to."""
    settings = _settings(deployment)
    name = settings.trading_calendar
    seen = _calendar(engine, name)
    evidence.expect(f"what is wrong with {name}", "", observed=seen["error"])
    fitting = STOCKS_TOO if settings.broker in STOCK_BROKERS else (ALWAYS,)
    evidence.expect(f"calendar for {settings.broker}", one_of(*fitting), observed=name)
    evidence.record("zone", seen["zone"])


STOCK_BROKERS = {"alpaca"}  # shares of New York beside crypto; all other venues never close
STOCKS_TOO = (ALWAYS, "NYSE", "NASDAQ", "XNYS", "XNAS")


@test_the_calendar_fits_the_market.fails_when
def a_crypto_venue_keeps_the_hours_of_new_york(deployment: Deployment) -> None:
    """The calendar of a stock exchange is configured for a venue that never closes."""
    _set(deployment, "TRADING_CALENDAR", "NYSE")
    _set(deployment, "TIMEZONE", NEW_YORK)


@test_the_calendar_fits_the_market.fails_when
def nobody_knows_the_calendar(deployment: Deployment) -> None:
    """There is no calendar of that name."""
    _set(deployment, "TRADING_CALENDAR", "ATLANTIS")


@ready.configuration("3.4.2")
@MARKETS
def test_market_hours_agree_with_a_second_source(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence, market: str
) -> None:
    """All opens and closes of the next twelve months are what another source says they are."""
    settings = _settings(deployment)
    name = settings.trading_calendar if market == CONFIGURED else market
    today = utc_now().date()
    second = _second_source(evidence, name, today)
    seen = _calendar(engine, name, today)
    evidence.record("second source", second.source)
    evidence.expect(f"what is wrong with {name}", "", observed=seen["error"])
    expected = {
        day.isoformat(): [one.opens.isoformat(), one.closes.isoformat()]
        for day, one in second.sessions.items()
    }
    assert len(expected) > 200, f"the second source knows only {len(expected)} sessions"
    observed = seen["sessions"]
    days = sorted({*expected, *observed})
    differing = [
        f"{day}: expected {expected.get(day)}, observed {observed.get(day)}"
        for day in days
        if expected.get(day) != observed.get(day)
    ]
    evidence.record("sessions compared", len(expected))
    evidence.record("differing", differing)
    evidence.meets("differences", observed=len(differing))
    early = sorted(day.isoformat() for day in second.early_closes)
    evidence.expect("early closes", early, observed=seen["early"])
    if market == CONFIGURED and settings.market_open and settings.market_close:
        configured = (settings.market_open, settings.market_close)
        evidence.expect("configured hours", second.regular, observed=configured)


@test_market_hours_agree_with_a_second_source.fails_when(case="NYSE")
def an_hour_is_shifted(engine: EngineUnderTest) -> None:
    """Every session opens and closes an hour late."""
    for name in ("opens", "closes"):
        later = f"{name}=[one + 3_600 for one in _seconds(source.{name})]"
        engine.edit(EXCHANGE, f"{name}=_seconds(source.{name})", later)


@test_market_hours_agree_with_a_second_source.fails_when(case="NYSE")
def early_closes_are_forgotten(engine: EngineUnderTest) -> None:
    """Every session lasts six and a half hours."""
    engine.edit(EXCHANGE, "closes=_seconds(source.closes)", CLOSES_LATE)


@test_market_hours_agree_with_a_second_source.fails_when(case=CONFIGURED)
def configured_hours_contradict_the_calendar(deployment: Deployment) -> None:
    """The settings open the market at half past eight."""
    _trade_in_new_york(deployment)
    env = deployment.home.env_file
    env.write_text(f"{env.read_text('utf-8')}MARKET_OPEN=08:30\nMARKET_CLOSE=16:00\n", "utf-8")


CLOSES_LATE = "closes=[one + 23_400 for one in _seconds(source.opens)]"


@ready.configuration("3.4.3")
@MARKETS
def test_the_time_zone_is_the_markets(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence, market: str
) -> None:
    """The zone is the market's, and around both clock changes it opens at the right instant."""
    settings = _settings(deployment)
    name = settings.trading_calendar if market == CONFIGURED else market
    today = utc_now().date()
    second = _second_source(evidence, name, today)
    seen = _calendar(engine, name, today)
    evidence.expect(f"what is wrong with {name}", "", observed=seen["error"])
    evidence.expect("zone of the calendar", second.zone, observed=seen["zone"])
    if market == CONFIGURED:
        evidence.expect("zone of the settings", second.zone, observed=settings.timezone)
    changes = hours.clock_changes(today + 5 * DAY, today + YEAR - 5 * DAY)
    evidence.record("clocks change on", [day.isoformat() for day in changes])
    opens = second.regular[0]
    around = [day for change in changes for day in hours.days(change - 4 * DAY, change + 4 * DAY)]
    compared = 0
    for day in around:
        found = seen["sessions"].get(day.isoformat())
        if found is not None:
            compared += 1
            evidence.expect(f"opens on {day}", _opening(second.zone, day, opens), observed=found[0])
    assert len(changes) >= 1, "no clock change lies in the year ahead"
    assert compared >= 5 * len(changes), f"only {compared} sessions lie around the clock changes"


@test_the_time_zone_is_the_markets.fails_when(case=CONFIGURED)
def new_york_is_traded_in_utc(deployment: Deployment) -> None:
    """The calendar is New York's, the zone is not."""
    _trade_in_new_york(deployment)
    _set(deployment, "TIMEZONE", "UTC")


@test_the_time_zone_is_the_markets.fails_when(case="NYSE")
def the_open_ignores_the_clock_change(engine: EngineUnderTest) -> None:
    """The market opens at half past two in UTC, summer and winter."""
    all_at_once = "opens=[one - one % 86_400 + 52_200 for one in _seconds(source.opens)]"
    engine.edit(EXCHANGE, "opens=_seconds(source.opens)", all_at_once)


@ready.configuration("3.4.4")
def test_the_calendar_reaches_far_enough(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The calendar knows enough days ahead, and the next holidays are the real ones."""
    name = _settings(deployment).trading_calendar
    today = utc_now().date()
    seen = _calendar(engine, name, today)
    evidence.expect(f"what is wrong with {name}", "", observed=seen["error"])
    horizon = date.fromisoformat(seen["horizon"])
    evidence.record("calendar ends", horizon.isoformat())
    evidence.meets("horizon", observed=(horizon - today).days)
    sessions = sorted(seen["sessions"])
    assert sessions, "the calendar knows no session ahead"
    ahead = (date.fromisoformat(sessions[-1]) - today).days
    evidence.record("last session of the next twelve months", sessions[-1])
    evidence.meets("horizon", observed=ahead)
    evidence.record("next holidays", seen["holidays"][:10] or "none: the market never closes")
    try:
        second = hours.market(name, today, today + YEAR)
    except NoSecondSourceError as error:
        evidence.record("holidays not compared", str(error))
        return
    expected = [day.isoformat() for day in second.holidays(today, today + YEAR)]
    evidence.expect("holidays", expected, observed=seen["holidays"])


@test_the_calendar_reaches_far_enough.fails_when
def the_calendar_has_ended(engine: EngineUnderTest) -> None:
    """The calendar knows the past only."""
    engine.edit("rustybt/calendars/lookup.py", "YEARS_AHEAD: Final = 2", "YEARS_AHEAD: Final = -1")


@test_the_calendar_reaches_far_enough.fails_when
def a_holiday_is_unknown(deployment: Deployment, engine: EngineUnderTest) -> None:
    """The list of the holidays ahead lacks the next one."""
    _trade_in_new_york(deployment)
    engine.edit(
        "rustybt/calendars/calendar.py",
        "return tuple(day for day in missing if day.weekday() in self._table.weekdays)",
        "return tuple(day for day in missing if day.weekday() in self._table.weekdays)[1:]",
    )


@ready.configuration("3.4.5")
def test_no_order_leaves_outside_hours(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Of orders at thousands of instants, the exchange receives those of open markets only."""
    today = utc_now().date()
    second = _second_source(evidence, "NYSE", today)
    instants = _instants(second, today)
    is_open = [_is_open(second, at) for at in instants]
    seen = engine.run(
        "gate",
        settings=f"TRADING_CALENDAR=NYSE\nTIMEZONE={NEW_YORK}\n",
        instants=[at.isoformat() for at in instants],
    )
    received = set(seen["received"])
    outside = [at.isoformat() for n, at in enumerate(instants) if n in received and not is_open[n]]
    evidence.record("second source", second.source)
    evidence.record("instants", f"{len(instants)}, {sum(is_open)} of them in open markets")
    evidence.record("received outside hours", outside[:20])
    evidence.meets("orders_sent", observed=len(outside))
    kept = [at.isoformat() for n, at in enumerate(instants) if is_open[n] and n not in received]
    evidence.expect("kept back although the market was open", [], observed=kept[:20])
    named = len(seen.get("trading_hours", []))
    evidence.expect("denied for trading hours", is_open.count(False), observed=named)
    assert len(instants) > 1000, "too few instants were tried"
    assert second.early_closes, "no early close lies ahead"


@test_no_order_leaves_outside_hours.fails_when
def the_gate_is_off(engine: EngineUnderTest) -> None:
    """The risk manager does not ask whether the market is open."""
    engine.edit("rustybt/risk/manager.py", "if self._hours is None or ", "if True or ")


@test_no_order_leaves_outside_hours.fails_when
def the_gate_is_not_connected(engine: EngineUnderTest) -> None:
    """The settings' calendar is not asked."""
    engine.edit("rustybt/deployment.py", "return calendar.is_open(at)\n", "return True\n")


@test_no_order_leaves_outside_hours.fails_when
def orders_leave_after_an_early_close(engine: EngineUnderTest) -> None:
    """Sessions that end early are taken for whole ones."""
    engine.edit(EXCHANGE, "closes=_seconds(source.closes)", CLOSES_LATE)


# -- what the checks share -------------------------------------------------------------------

_NUMBERS = ("open", "high", "low", "close", "volume")


def _settings(deployment: Deployment) -> Settings:
    """Return the settings; that they cannot be read is a finding, not a defect of the check."""
    try:
        return deployment.settings
    except RustyBTError as error:
        raise AssertionError(f"the settings cannot be read: {error}") from error


def _set(deployment: Deployment, key: str, value: str) -> None:
    """Give *key* another value in the settings (controls)."""
    env = deployment.home.env_file
    lines = env.read_text("utf-8").splitlines()
    if not any(line.startswith(f"{key}=") for line in lines):
        raise ValueError(f"{key} is not set in {env.name}")
    changed = [f"{key}={value}" if line.startswith(f"{key}=") else line for line in lines]
    env.write_text("\n".join([*changed, ""]), "utf-8")


def _trade_in_new_york(deployment: Deployment) -> None:
    _set(deployment, "TRADING_CALENDAR", "NYSE")
    _set(deployment, "TIMEZONE", NEW_YORK)


def _fetched(deployment: Deployment, engine: EngineUnderTest) -> dict[str, Any]:
    """Return what the deployment's source delivered of the last forty days."""
    since = (utc_now() - 40 * DAY).replace(microsecond=0)
    found: dict[str, Any] = engine.run(
        "sources", home=str(deployment.root), since=since.isoformat()
    )
    return found


def _malformed(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows that are no bars, in order, by reckoning of our own."""
    times = [row[0] for row in rows]
    wrong = [] if times == sorted(set(times)) else ["the times do not ascend"]
    return wrong + [",".join(map(str, row)) for row in rows if not _is_bar(row[1:])]


def _is_bar(numbers: Sequence[str]) -> bool:
    try:
        opened, high, low, close, volume = map(Decimal, numbers)
    except InvalidOperation:
        return False
    finite = all(number.is_finite() for number in (opened, high, low, close, volume))
    return finite and 0 < low <= min(opened, close) <= max(opened, close) <= high and volume >= 0


def _expect_fresh(settings: Settings, evidence: Evidence, symbol: str, newest: str) -> None:
    """Expect that no finished session lies between *newest* and a day ago."""
    last = datetime.fromisoformat(newest).date()
    evidence.record(f"{symbol}: newest bar", newest)
    late = [day for day in _sessions(settings, last) if day > last]
    evidence.expect(f"{symbol}: finished sessions since", at_most(0), observed=len(late))


def _sessions(settings: Settings, start: date) -> list[date]:
    """Return the sessions from *start* on that have ended long enough ago to be published.

    Of bars of a week, it is the Mondays of the weeks that have.
    """
    from rustybt.calendars import get_calendar

    known, today = utc_now() - GRACE, utc_now().date()
    if settings.trading_calendar == ALWAYS:  # no need to ask: the sessions are the days
        ended = hours.days(start, known.date() - DAY)
    else:
        calendar = get_calendar(settings.trading_calendar, start=min(start, today), end=today)
        ended = [one.day for one in calendar.sessions(start, today) if one.close <= known]
    if settings.data_interval != "1w":
        return ended
    mondays = {day - day.weekday() * DAY for day in ended}
    return sorted(day for day in mondays if start <= day <= known.date() - 7 * DAY)


def _held(catalog: Catalog, symbol: str, settings: Settings) -> tuple[set[date], datetime | None]:
    """Return the days of which the catalog has a bar of *symbol*, and when it was written."""
    interval = Interval(settings.data_interval)
    try:
        times = catalog.read(symbol, interval)["timestamp"].to_list()
        written = catalog.manifest(symbol, interval).newest.written
    except RustyBTError:
        return set(), None
    zone = UTC if interval.by_day else ZoneInfo(settings.timezone)
    return {at.astimezone(zone).date() for at in times}, written


def _bar_file(deployment: Deployment) -> Path:
    path = deployment.settings.data_path
    assert path is not None, "the sandbox has no file of bars"
    return path


def _edit_bars(deployment: Deployment, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of the file that bars come from (controls)."""
    path = _bar_file(deployment)
    lines = path.read_text("utf-8").splitlines()
    changed = change(lines)
    if changed == lines:
        raise ValueError(f"{path.name}: nothing was changed")
    path.write_text("\n".join([*changed, ""]), "utf-8")


def _age(line: str) -> int | None:
    """Return how many days old the bar in *line* is; None for the header."""
    if not line[:1].isdigit():
        return None
    return (utc_now().date() - date.fromisoformat(line[:10])).days


def _without_ages(lines: list[str], *ages: int) -> list[str]:
    return [line for line in lines if _age(line) not in ages]


def _with_low_high(line: str) -> str:
    cells = line.split(",")
    cells[3] = "0.01"
    return ",".join(cells)


def _store_again(deployment: Deployment, change: Callable[[list[str]], list[str]]) -> None:
    """Fill the catalog anew, from a file with other lines (controls)."""
    _edit_bars(deployment, change)
    settings = deployment.settings
    words = ("--source", "csv", "--path", str(settings.data_path), "--replace")
    done = deployment.rustybt("fetch-data", *words, "--symbols", ",".join(settings.data_symbols))
    if done.returncode != 0:
        raise ValueError(f"the catalog could not be filled: {done.stderr}")


def _refused(found: dict[str, Any]) -> list[tuple[list[str], dict[str, str]]]:
    """Return the rules and the text of each row that was set aside."""
    wanted = ("timestamp", *_NUMBERS)
    return [(row["rules"], {key: row[key] for key in wanted}) for row in found["refused"]]


def _exact(row: Sequence[str]) -> tuple[datetime, *tuple[Decimal, ...]]:
    return datetime.fromisoformat(row[0]), *map(Decimal, row[1:])


def _daily(at: datetime, close: Decimal) -> list[str]:
    """Return a bar that opens at half a unit below its close."""
    around = (close - Decimal("0.5"), close + 1, close - 1, close, 10)
    return [f"{at:%Y-%m-%d}", *map(str, around)]


def _iso(at: datetime) -> str:
    return at.isoformat()


def _told(one: dict[str, Any]) -> tuple[str, list[list[Any]]]:
    """Return the error and the bars that a policy made, its numbers as numbers."""
    bars = [[at, Decimal(close), Decimal(volume), mark] for at, close, volume, mark in one["bars"]]
    return one["error"], bars


def _writable(folder: Path) -> bool:
    """Tell whether the service user may write: as owner, by the mode, on a disk that allows it."""
    owns = owner_of(folder) == service_user() and folder.stat().st_mode & 0o300 == 0o300
    allowed = os.access(folder, os.W_OK | os.X_OK)  # always true for root: hence the mode, too
    return owns and allowed and not os.statvfs(folder).f_flag & os.ST_RDONLY


def _manifest(path: Path, damaged: list[str]) -> dict[str, Any]:
    """Return what a manifest says, or nothing and a line in *damaged*."""
    checksum, _, body = path.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        damaged.append(str(path))
        return {"versions": [], "format": FORMAT}
    found: dict[str, Any] = json.loads(body)
    return found


def _wrong_files(folder: Path, document: dict[str, Any]) -> list[str]:
    """Return the files of a series that are missing or not what the manifest says."""
    wrong = []
    for version in document["versions"]:
        file = folder / f"{version['sha256']}.parquet"
        data = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(data).hexdigest() != version["sha256"] or len(data) != version["size"]:
            wrong.append(str(file))
    return wrong


def _calendar(engine: EngineUnderTest, name: str, today: date | None = None) -> dict[str, Any]:
    """Return what the engine knows of the twelve months from *today* on."""
    begin = today or utc_now().date()
    found: dict[str, Any] = engine.run(
        "calendar_days",
        calendar=name,
        today=begin.isoformat(),
        start=begin.isoformat(),
        end=(begin + YEAR).isoformat(),
    )
    return found


def _second_source(evidence: Evidence, name: str, today: date) -> Market:
    try:
        return hours.market(name, today, today + YEAR)
    except NoSecondSourceError as error:
        evidence.unproven(
            f"no second source for {name}: {error}",
            remedy="pip install pandas-market-calendars, or compare with the exchange's own pages",
        )


def _opening(zone: str, day: date, opens: time) -> str:
    """Return the instant, in UTC, at which clocks in *zone* show *opens* on *day*."""
    if zone != NEW_YORK:
        return datetime.combine(day, opens, ZoneInfo(zone)).astimezone(UTC).isoformat()
    return (datetime.combine(day, opens, UTC) - hours.new_york_offset(day)).isoformat()


def _instants(second: Market, today: date) -> list[datetime]:
    """Return instants around every edge of the sessions ahead, and others at random."""
    random = Random(20_260_101)  # noqa: S311 - the same instants every time, no secret
    tiny, minute = timedelta(microseconds=1), timedelta(minutes=1)
    steps = (-minute, -tiny, timedelta(0), tiny, minute)
    edges = [
        edge
        for day, one in second.sessions.items()
        if day > today
        for edge in (one.opens, one.closes)
    ]
    begin = datetime.combine(today + DAY, time(), UTC)
    span = YEAR - 10 * DAY
    near = [edge + step for edge in edges for step in steps if edge < begin + span]
    # On days that are special: the times at which a whole session would have been open.
    special = {*second.early_closes, *second.holidays(today + DAY, today + span)}
    whole = [
        datetime.combine(day, time(hour, half), UTC)
        for day in special
        for hour in range(13, 23)
        for half in (0, 30)
    ]
    anywhere = [begin + span * random.random() for _ in range(1000)]
    return sorted({*near, *(at for at in whole if at < begin + span), *anywhere})


def _is_open(second: Market, at: datetime) -> bool:
    """Tell by the second source whether the market is open at *at*."""
    day = at.astimezone(ZoneInfo(second.zone)).date()
    one = second.sessions.get(day)
    return one is not None and one.opens <= at < one.closes
