"""Section 3: the trading calendar and its hours."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_rustybt_ready import Evidence, one_of, ready
from readiness_tests import hours
from readiness_tests.engine import EngineUnderTest
from readiness_tests.hours import ALWAYS, DAY, NEW_YORK, NoSecondSourceError
from readiness_tests.market_data import (
    set_key,
    settings_of,
    trade_in_new_york,
)
from readiness_tests.subjects import Deployment, utc_now
from readiness_tests.trading_days import (
    YEAR,
    calendar_days,
    instants_to_try,
    is_open,
    opening,
    second_source,
)

CONFIGURED = "configured"
EXCHANGE = "rustybt/calendars/exchange.py"


# -- 3.4 trading calendar --------------------------------------------------------------------

# The configured market, and one with holidays, early closes and clock changes whatever is set.
MARKETS = pytest.mark.parametrize("market", [CONFIGURED, "NYSE"])


@ready.configuration("3.4.1")
def test_the_calendar_fits_the_market(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The configured calendar exists, and is one that the broker's market keeps to."""
    settings = settings_of(deployment)
    name = settings.trading_calendar
    seen = calendar_days(engine, name)
    evidence.expect(f"what is wrong with {name}", "", observed=seen["error"])
    fitting = STOCKS_TOO if settings.broker in STOCK_BROKERS else (ALWAYS,)
    evidence.expect(f"calendar for {settings.broker}", one_of(*fitting), observed=name)
    evidence.record("zone", seen["zone"])


STOCK_BROKERS = {"alpaca"}  # shares of New York beside crypto; all other venues never close
STOCKS_TOO = (ALWAYS, "NYSE", "NASDAQ", "XNYS", "XNAS")


@test_the_calendar_fits_the_market.fails_when
def a_crypto_venue_keeps_the_hours_of_new_york(deployment: Deployment) -> None:
    """The calendar of a stock exchange is configured for a venue that never closes."""
    set_key(deployment, "TRADING_CALENDAR", "NYSE")
    set_key(deployment, "TIMEZONE", NEW_YORK)


@test_the_calendar_fits_the_market.fails_when
def nobody_knows_the_calendar(deployment: Deployment) -> None:
    """There is no calendar of that name."""
    set_key(deployment, "TRADING_CALENDAR", "ATLANTIS")


@ready.configuration("3.4.2")
@MARKETS
def test_market_hours_agree_with_a_second_source(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence, market: str
) -> None:
    """All opens and closes of the next twelve months are what another source says they are."""
    settings = settings_of(deployment)
    name = settings.trading_calendar if market == CONFIGURED else market
    today = utc_now().date()
    second = second_source(evidence, name, today)
    seen = calendar_days(engine, name, today)
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
    trade_in_new_york(deployment)
    env = deployment.home.env_file
    env.write_text(f"{env.read_text('utf-8')}MARKET_OPEN=08:30\nMARKET_CLOSE=16:00\n", "utf-8")


CLOSES_LATE = "closes=[one + 23_400 for one in _seconds(source.opens)]"


@ready.configuration("3.4.3")
@MARKETS
def test_the_time_zone_is_the_markets(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence, market: str
) -> None:
    """The zone is the market's, and around both clock changes it opens at the right instant."""
    settings = settings_of(deployment)
    name = settings.trading_calendar if market == CONFIGURED else market
    today = utc_now().date()
    second = second_source(evidence, name, today)
    seen = calendar_days(engine, name, today)
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
            evidence.expect(f"opens on {day}", opening(second.zone, day, opens), observed=found[0])
    assert len(changes) >= 1, "no clock change lies in the year ahead"
    assert compared >= 5 * len(changes), f"only {compared} sessions lie around the clock changes"


@test_the_time_zone_is_the_markets.fails_when(case=CONFIGURED)
def new_york_is_traded_in_utc(deployment: Deployment) -> None:
    """The calendar is New York's, the zone is not."""
    trade_in_new_york(deployment)
    set_key(deployment, "TIMEZONE", "UTC")


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
    name = settings_of(deployment).trading_calendar
    today = utc_now().date()
    seen = calendar_days(engine, name, today)
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
    trade_in_new_york(deployment)
    engine.edit(
        "rustybt/calendars/calendar.py",
        "return tuple(day for day in missing if day.weekday() in self._table.weekdays)",
        "return tuple(day for day in missing if day.weekday() in self._table.weekdays)[1:]",
    )


@ready.configuration("3.4.5")
def test_no_order_leaves_outside_hours(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Of orders at thousands of instants, the exchange receives those of open markets only."""
    today = utc_now().date()
    second = second_source(evidence, "NYSE", today)
    instants = instants_to_try(second, today)
    opened = [is_open(second, at) for at in instants]
    seen = engine.run(
        "gate",
        settings=f"TRADING_CALENDAR=NYSE\nTIMEZONE={NEW_YORK}\n",
        instants=[at.isoformat() for at in instants],
    )
    received = set(seen["received"])
    outside = [at.isoformat() for n, at in enumerate(instants) if n in received and not opened[n]]
    evidence.record("second source", second.source)
    evidence.record("instants", f"{len(instants)}, {sum(opened)} of them in open markets")
    evidence.record("received outside hours", outside[:20])
    evidence.meets("orders_sent", observed=len(outside))
    kept = [at.isoformat() for n, at in enumerate(instants) if opened[n] and n not in received]
    evidence.expect("kept back although the market was open", [], observed=kept[:20])
    named = len(seen.get("trading_hours", []))
    evidence.expect("denied for trading hours", opened.count(False), observed=named)
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
