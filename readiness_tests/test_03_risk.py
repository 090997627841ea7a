"""Section 3: orders beyond a limit, and the circuit breaker."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Deployment

CHECKS = "rustybt/risk/checks.py"
GUARD = "rustybt/trading/guard.py"
DESK = "rustybt/trading/desk.py"
BTC = "BTC/USDT"
CASH = Decimal(10_000)
LOT = Decimal("0.0001")
FLAT = ["100"] * 6

# -- 3.3.5 beyond the limits -----------------------------------------------------------------


def _case(name: str, value: Decimal) -> tuple[dict[str, list[str]], dict[str, Any], dict[str, Any]]:
    """Return prices, and scripts that go up to the limit *name* of *value*, and just beyond."""
    at_limit = (value * CASH / 100).quantize(LOT)
    if name == "max_open_positions":
        symbols = [f"C{number}/USDT" for number in range(int(value) + 1)]
        within = {f"{symbols[0]} 0": [[symbol, "0.1", None] for symbol in symbols[:-1]]}
        beyond = {f"{symbols[0]} {2 * len(symbols)}": [[symbols[-1], "0.1", None]]}
        return dict.fromkeys(symbols, FLAT), within, beyond
    if name == "max_daily_loss":
        # 50 units lose their part of equity when the price falls by twice that part.
        edge = 100 - 2 * value * 100
        fallen = ["100", "100", f"{edge + Decimal('0.01'):f}", f"{edge:f}", f"{edge:f}"]
        within = {f"{BTC} 0": [[BTC, "50", None]], f"{BTC} 2": [[BTC, "0.1", None]]}
        return {BTC: fallen}, within, {f"{BTC} 3": [[BTC, "0.1", None]]}
    within = {f"{BTC} 0": [[BTC, f"{at_limit:f}", None]]}
    return {BTC: FLAT}, within, {f"{BTC} 2": [[BTC, f"{LOT:f}", None]]}


@ready.configuration("3.3.5")
def test_an_order_beyond_a_limit_is_never_sent(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Up to each of the deployment's limits orders pass; just beyond, they are denied by name."""
    own = engine.run("limits", home=str(deployment.root.resolve()))
    sent_beyond = 0
    for name in ("max_position_size", "max_daily_loss", "max_leverage", "max_open_positions"):
        assert own[name] is not None, f"the deployment has no {name}"
        value = (
            min(Decimal(own[name]), Decimal(1)) if name == "max_leverage" else Decimal(own[name])
        )
        prices, within, beyond = _case(name, value)
        limits = {name: f"{value:f}"}
        seen = engine.run("session", prices=prices, limits=limits, script=within | beyond)
        expected = sum(len(orders) for orders in within.values())
        received = seen["sessions"][0]["received"]
        evidence.expect(
            f"{name} {value:f}: orders up to it", expected, observed=len(received[:expected])
        )
        sent_beyond += len(received[expected:])
        notes = [said for said in seen["commands"] if said["type"] == "note"]
        denials = [note["message"] for note in notes if note["kind"] == "denied"]
        evidence.record(f"{name}: denied", denials[:1])
        evidence.expect(f"{name}: orders denied", 1, observed=len(denials))
        evidence.expect(f"{name}: named", True, observed=denials[0].startswith(name))
    evidence.meets("orders_sent", observed=sent_beyond)


@test_an_order_beyond_a_limit_is_never_sent.fails_when
def the_size_of_positions_is_not_looked_at(engine: EngineUnderTest) -> None:
    """A limit is set, and nobody asks about it."""
    engine.append(
        CHECKS, "OPENING_ORDERS = tuple(x for x in OPENING_ORDERS if x is not position_size)\n"
    )


@test_an_order_beyond_a_limit_is_never_sent.fails_when
def denied_orders_are_sent(engine: EngineUnderTest) -> None:
    """What the risk manager says is not waited for."""
    engine.append(
        "rustybt/risk/manager.py",
        """
        RiskManager._denial = lambda self, case: None
        """,
    )


# -- 3.3.6 the circuit breaker ---------------------------------------------------------------

RESTING = [BTC, "1", "50"]
HOLDING = [[BTC, "50", None], RESTING]
FALLING = ["100", "100", "100", "90", "88", "88", "88", "88"]
CAUSES: dict[str, dict[str, Any]] = {
    "daily loss": {
        "prices": {BTC: FALLING},
        "script": {f"{BTC} 0": HOLDING},
        "guard": {"daily_loss": "0.05"},
    },
    "drawdown": {
        "prices": {BTC: FALLING},
        "script": {f"{BTC} 0": HOLDING},
        "guard": {"drawdown": "0.05"},
    },
    "order rate": {
        "prices": {BTC: FLAT},
        "script": {f"{BTC} 0": [[BTC, "1", "50"]] * 6},
        "guard": {"max_orders": "4"},
    },
    "rejections": {
        "prices": {BTC: FLAT},
        "script": {f"{BTC} 0": [RESTING, *([[BTC, "100000", "50"]] * 4)]},
        "guard": {"max_rejections": "3"},
    },
    "error rate": {
        "prices": {BTC: FLAT},
        "script": {f"{BTC} 0": [RESTING, *([[BTC, "1", "13"]] * 4)]},
        "guard": {"max_errors": "3", "max_rejections": "9"},
    },
    "stale data": {
        "prices": {BTC: FLAT[:3], "ETH/USDT": [*FLAT, *FLAT]},
        "script": {f"{BTC} 0": [RESTING]},
        "guard": {"stale_after": "240"},
    },
    "by hand": {
        "prices": {BTC: FLAT},
        "script": {f"{BTC} 0": [RESTING]},
        "tell": {"2": ["halt", "to be on the safe side"]},
    },
}
LATER = {f"{BTC} 1": [[BTC, "1", None]]}


@ready.configuration("3.3.6")
def test_the_breaker_trips_and_holds(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Whatever trips it: open orders are cancelled, nothing is sent, not after a restart either."""
    for name, case in CAUSES.items():
        seen = engine.run("session", keep=True, later=LATER, **case)
        first, second = seen["sessions"]
        evidence.expect(f"{name}: tripped", True, observed=first["tripped"])
        evidence.record(f"{name}: cause", first["cause"])
        evidence.expect(f"{name}: a cause is named", True, observed=bool(first["cause"]))
        still_open = [
            state for state in first["orders"].values() if state in ("accepted", "submitted")
        ]
        evidence.expect(f"{name}: orders left open", [], observed=still_open)
        evidence.expect(f"{name}: tripped after a restart", True, observed=second["tripped"])
        evidence.expect(f"{name}: sent after a restart", [], observed=second["received"])
    evidence.expect("the breaker is reset by", ["somebody"], observed=_reset(engine))


def _reset(engine: EngineUnderTest) -> list[str]:
    """Return who resets a breaker that was tripped by hand, if orders are sent after that."""
    script = {f"{BTC} 4": [[BTC, "1", None]]}
    tell = {"1": ["halt", "a check"], "3": ["resume", "the check is over"]}
    seen = engine.run("session", prices={BTC: FLAT}, script=script, tell=tell)
    if len(seen["sessions"][0]["received"]) != 1:
        return []
    people = [event for event in seen["events"] if event["type"] == "operator_command"]
    return [each["operator"] for each in people if each["command"] == "resume" and each["reason"]]


@test_the_breaker_trips_and_holds.fails_when
def a_restart_forgets_it(engine: EngineUnderTest) -> None:
    """The breaker's state is not part of what the journal adds up to."""
    engine.append(
        "rustybt/trading/summary.py",
        """
        _kept = restored


        def restored(journal):
            from msgspec.structs import replace

            from rustybt.risk.breaker import Breaker

            return replace(_kept(journal), breaker=Breaker())
        """,
    )


@test_the_breaker_trips_and_holds.fails_when
def a_drawdown_trips_nothing(engine: EngineUnderTest) -> None:
    """One of the causes is overlooked."""
    engine.append(
        GUARD,
        """
        _all_losses = losses


        def losses(books, guard):
            from msgspec.structs import replace

            return _all_losses(books, replace(guard, drawdown=None))
        """,
    )
    engine.edit(
        "rustybt/trading/engine.py",
        "cause = losses(self._books,",
        "cause = __import__('rustybt.trading.guard', fromlist=['x']).losses(self._books,",
    )


@test_the_breaker_trips_and_holds.fails_when
def open_orders_stay_open(engine: EngineUnderTest) -> None:
    """A trip cancels nothing."""
    engine.edit(
        "rustybt/trading/settings.py", "cancel_on_trip: bool = True", "cancel_on_trip: bool = False"
    )
