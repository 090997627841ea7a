"""Section 5.3: what the deployment tells those who watch it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pytest_rustybt_ready import Evidence, at_least, ready
from readiness_tests.engine import EngineUnderTest

APP = "rustybt/api/app.py"
DASHBOARD = "rustybt/api/grafana.json"
FIGURES = "rustybt/api/figures.py"
METRIC: Final = re.compile(r"\brustybt_[a-z_]+")
METRICS = "rustybt/api/metrics.py"
TALLY = "rustybt/api/tally.py"
SYMBOL = "ELM/USDT"
# The second bar trades what the first one ordered; the third ends at midnight.
PRICES: Final = ("100", "104", "104", "110", "109", "109")
SCRIPT: Final = {
    f"{SYMBOL} 0": [[SYMBOL, "10", None]],
    f"{SYMBOL} 3": [
        [SYMBOL, "-10", None],
        [SYMBOL, "1", "50"],
        [SYMBOL, "1", "51"],
        *[[SYMBOL, "1", "13"]] * 3,  # the probe loses what costs this
    ],
}
DELAYS: Final = (0.02, 0.3, 2, 4)
ENDS: Final = tuple(
    f"2026-03-0{day}T{time}:00+00:00"
    for day, time in (
        *((2, "23:58"), (2, "23:59"), (3, "00:00")),
        *((3, "00:01"), (3, "00:02"), (3, "00:03")),
    )
)


def scraped(engine: EngineUnderTest) -> dict[str, Any]:
    """Return the figures after each bar of the session, and at its end."""
    seen: dict[str, Any] = engine.run(
        "exported_figures", prices={SYMBOL: list(PRICES)}, script=SCRIPT, delays=list(DELAYS)
    )
    return seen


def course(seen: dict[str, Any], name: str) -> list[float | None]:
    """Return a figure after each bar; ``None`` where it is not exported."""
    return [seen["bars"].get(end, {}).get(f"rustybt_{name}") for end in ENDS]


# -- 5.3.1 the health endpoint ----------------------------------------------------------------


@ready.monitoring("5.3.1")
def test_health_tells_what_was_cut_off(engine: EngineUnderTest, evidence: Evidence) -> None:
    """200 while all is well; 503 soon after the broker or the feed is cut off or falls silent."""
    seen = engine.run("health_endpoint")
    for case in ("well", "before"):
        evidence.expect(f"{case}: code", 200, observed=seen[case]["code"])
        evidence.expect(f"{case}: what fails", [], observed=seen[case]["failing"])
    for case, component in (("broker", "broker"), ("feed", "feed"), ("silent", "feed")):
        evidence.expect(f"{case}: code", 503, observed=seen[case]["code"])
        named = component in seen[case]["failing"]
        evidence.expect(f"{case}: {component} is named", True, observed=named)
    slowest = max(seen[case]["intervals"] for case in ("broker", "feed"))
    evidence.meets("detection", observed=slowest)


@test_health_tells_what_was_cut_off.fails_when
def the_endpoint_always_answers_200(engine: EngineUnderTest) -> None:
    """Whatever the components say."""
    engine.edit(APP, '200 if found.status == "ok" else 503', "200")


@test_health_tells_what_was_cut_off.fails_when
def a_dead_feed_goes_unnoticed(engine: EngineUnderTest) -> None:
    """The feed is taken for fresh, always."""
    engine.append(FIGURES, '_feed = lambda view: Finding(ok=True, state="fresh")')


# -- 5.3.3 the dashboard ----------------------------------------------------------------------


@ready.monitoring("5.3.3")
def test_the_dashboard_names_what_is_exported(engine: EngineUnderTest, evidence: Evidence) -> None:
    """It is JSON, and each name in its queries is in what a session exports."""
    problem, queries = queries_of((engine.root / DASHBOARD).read_text("utf-8"))
    evidence.expect("problem of the dashboard", "none", observed=problem)
    evidence.expect("queries", at_least(1), observed=len(queries))
    seen = scraped(engine)
    exported = {name.partition("{")[0] for name in seen["end"]}
    wanted = {name for query in queries for name in METRIC.findall(query)}
    evidence.record("unknown", sorted(wanted - exported))
    evidence.meets("unknown_metrics", observed=len(wanted - exported))


def queries_of(text: str) -> tuple[str, list[str]]:
    """Return what is wrong with a dashboard, ``none`` if nothing is, and its queries."""
    try:
        panels = json.loads(text)["panels"]
        return "none", [target["expr"] for panel in panels for target in panel["targets"]]
    except (ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}", []


@test_the_dashboard_names_what_is_exported.fails_when
def a_metric_is_renamed(engine: EngineUnderTest) -> None:
    """The number of positions goes by another name."""
    engine.edit(METRICS, '_gauge("positions"', '_gauge("positions_held"')


@test_the_dashboard_names_what_is_exported.fails_when
def the_dashboard_is_not_valid_json(engine: EngineUnderTest) -> None:
    """There is something behind its end."""
    engine.append(DASHBOARD, "}")


# -- 5.3.4.1 order latency --------------------------------------------------------------------


@ready.monitoring("5.3.4.1")
def test_each_order_is_in_the_bucket_of_its_delay(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Four orders of known delays, three that nobody ever answers."""
    end = scraped(engine)["end"]
    name = "rustybt_order_latency_seconds"
    bounds = {"0.01": 0, "0.025": 1, "0.25": 1, "0.5": 2, "1.0": 2, "2.5": 3, "5.0": 4, "+Inf": 4}
    for bound, count in bounds.items():
        seen = end.get(f'{name}_bucket{{le="{bound}"}}')
        evidence.expect(f"orders within {bound} s", count, observed=seen)
    total = end.get(f"{name}_sum")
    evidence.expect(
        "sum in milliseconds", 6320, observed=None if total is None else round(total * 1000)
    )


@test_each_order_is_in_the_bucket_of_its_delay.fails_when
def the_histogram_does_not_move(engine: EngineUnderTest) -> None:
    """What the venue says is not looked at."""
    engine.append(TALLY, "Tally._answered = lambda self, client_id, time: None")


@test_each_order_is_in_the_bucket_of_its_delay.fails_when
def a_delay_is_counted_in_the_wrong_unit(engine: EngineUnderTest) -> None:
    """Milliseconds are taken for seconds."""
    engine.edit(TALLY, "(time - sent).total_seconds()", "1000 * (time - sent).total_seconds()")


# -- 5.3.4.2 error rate -----------------------------------------------------------------------


@ready.monitoring("5.3.4.2")
def test_requests_and_errors_grow_by_what_happened(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Seven orders are sent, three of which never leave."""
    seen = scraped(engine)
    submit = 'requests_total{request="submit"}'
    failed = 'request_errors_total{outcome="not_sent",request="submit"}'
    evidence.expect("orders sent", [1, 1, 1, 7, 7, 7], observed=course(seen, submit))
    errors = [None, None, None, 3, 3, 3]
    evidence.expect("orders that failed", errors, observed=course(seen, failed))
    others = {
        name: value
        for name, value in seen["end"].items()
        if name.startswith("rustybt_request_errors_total") and name != f"rustybt_{failed}"
    }
    evidence.expect("other errors", {}, observed=others)


@test_requests_and_errors_grow_by_what_happened.fails_when
def errors_are_not_counted(engine: EngineUnderTest) -> None:
    """A failure leaves the counters alone."""
    engine.edit(TALLY, "self.failures[event.request, event.outcome] += 1", "pass")


@test_requests_and_errors_grow_by_what_happened.fails_when
def an_error_is_counted_twice(engine: EngineUnderTest) -> None:
    """Each failure counts for two."""
    counted = "self.failures[event.request, event.outcome] += "
    engine.edit(TALLY, f"{counted}1", f"{counted}2")


# -- 5.3.4.3 portfolio value ------------------------------------------------------------------


@ready.monitoring("5.3.4.3")
def test_the_value_follows_the_ledger(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Ten units bought at 100, sold at 110, valued at each close between."""
    value = course(scraped(engine), 'portfolio_value{currency="USDT"}')
    evidence.expect("value", [10_000, 10_040, 10_040, 10_100, 10_100, 10_100], observed=value)


@test_the_value_follows_the_ledger.fails_when
def the_value_is_frozen(engine: EngineUnderTest) -> None:
    """It stays as it was at first."""
    engine.append(
        FIGURES,
        """
        _first = []


        def equity(view):
            _first.append(Books(view.state).equity())
            return _first[0]
        """,
    )


@test_the_value_follows_the_ledger.fails_when
def the_value_lags_behind_the_last_price(engine: EngineUnderTest) -> None:
    """It is reckoned with the prices before the last ones."""
    engine.append(
        FIGURES,
        """
        from msgspec.structs import replace

        _prices = []


        def equity(view):
            if not _prices or _prices[-1] != view.state.prices:
                _prices.append(view.state.prices)
            return Books(replace(view.state, prices=_prices[-2:][0])).equity()
        """,
    )


# -- 5.3.4.4 number of positions --------------------------------------------------------------


@ready.monitoring("5.3.4.4")
def test_the_number_of_positions_follows_the_ledger(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """None, then one, then none again."""
    held = course(scraped(engine), "positions")
    evidence.expect("positions", [0, 1, 1, 1, 0, 0], observed=held)


@test_the_number_of_positions_follows_the_ledger.fails_when
def the_number_is_frozen(engine: EngineUnderTest) -> None:
    """There is never a position."""
    engine.append(FIGURES, "positions = lambda view: {}")


@test_the_number_of_positions_follows_the_ledger.fails_when
def closed_positions_are_still_counted(engine: EngineUnderTest) -> None:
    """What was held once counts for good."""
    engine.append(
        FIGURES,
        """
        _ever = {}


        def positions(view):
            _ever.update(Books(view.state).ledger.positions())
            return _ever
        """,
    )


# -- 5.3.4.5 the day's profit and loss --------------------------------------------------------


@ready.monitoring("5.3.4.5")
def test_the_days_result_starts_anew_at_midnight(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Forty gained before midnight, sixty after it."""
    gained = course(scraped(engine), 'daily_pnl{currency="USDT"}')
    evidence.expect("result of the day", [0, 40, 0, 60, 60, 60], observed=gained)


@test_the_days_result_starts_anew_at_midnight.fails_when
def the_result_is_frozen(engine: EngineUnderTest) -> None:
    """Nothing is ever gained."""
    engine.append(FIGURES, "daily_pnl = lambda view: subtract(equity(view), equity(view))")


@test_the_days_result_starts_anew_at_midnight.fails_when
def yesterdays_result_is_carried_over(engine: EngineUnderTest) -> None:
    """It is measured from the first day's begin."""
    engine.append(
        FIGURES,
        """
        _begins = []


        def daily_pnl(view):
            if view.state.day_start is None:
                return None
            _begins.append(view.state.day_start)
            return subtract(equity(view), _begins[0])
        """,
    )
