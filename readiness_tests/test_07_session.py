"""Section 7: a session's orders, from decision to end, and the risk checks between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest

BTC = "BTC/USDT"
CHECKS = "rustybt/risk/checks.py"

# -- 7.2.1 the life of an order --------------------------------------------------------------

# A bar has a volume of 1 000 000 units, of which our orders may take the ten thousandth part.
SHARE = "0.00001"
LIVES: Mapping[str, Sequence[str]] = {
    "filled in parts": ["submitted", "accepted", "filled", "filled", "filled"],
    "filled in part, then cancelled": [
        "submitted",
        "accepted",
        "filled",
        "cancel asked",
        "cancelled",
    ],
    "refused": ["submitted", "refused"],
}


@ready.validation("7.2.1")
def test_orders_go_through_all_their_states(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each step is one that the table allows, stands in the journal, and ends where it should."""
    seen = engine.run(
        "session",
        prices={BTC: ["100"] * 7},
        share=SHARE,
        script={
            f"{BTC} 0": [[BTC, "25", None]],
            f"{BTC} 3": [[BTC, "60", "100"], [BTC, "999999", "100"]],
        },
        tell={"5": ["stop", "the check is over"]},
    )
    (session,) = seen["sessions"]
    sent = list(dict.fromkeys(name for name, step in seen["trail"] if step == "submitted"))
    evidence.expect("orders", len(LIVES), observed=len(sent))
    ends = []
    for client_id, (name, steps) in zip(sent, LIVES.items(), strict=True):
        found = [step for each, step in seen["trail"] if each == client_id]
        evidence.record(name, found)
        evidence.expect(f"{name}: begins", steps[:2], observed=found[:2])
        evidence.expect(f"{name}: every step is known", [], observed=sorted({*found} - {*steps}))
        ends.append(session["orders"][client_id])
    evidence.expect("ends", ["filled", "cancelled", "rejected"], observed=ends)
    parts = [step for each, step in seen["trail"] if each == sent[0] and step == "filled"]
    evidence.expect("parts of the first", 3, observed=len(parts))
    evidence.expect("tripped", False, observed=session["tripped"])


@test_orders_go_through_all_their_states.fails_when
def a_partial_fill_ends_the_order(engine: EngineUnderTest) -> None:
    """After its first trade an order takes no more."""
    engine.append(
        "rustybt/model/order.py",
        """
        _in_parts = Order.fill


        def _at_once(self, fill):
            return self if self.fills else _in_parts(self, fill)


        Order.fill = _at_once
        """,
    )


# -- 7.2.6 risk checks -----------------------------------------------------------------------


def _denials(seen: Mapping[str, Any]) -> list[str]:
    """Return what was denied, by the name of the limit."""
    notes = [said for said in seen["commands"] if said["type"] == "note"]
    return [note["message"].split(" ")[0] for note in notes if note["kind"] == "denied"]


CASES: Mapping[str, tuple[dict[str, str], list[str], dict[str, Any], int, list[str]]] = {
    # limits, prices, script, orders that pass, denials
    "size, at the price of now": (
        {"max_position_size": "0.1"},
        ["100", "100", "50", "50", "50"],
        # 10 units are a tenth of equity at 100; at 50 there may be about twice as many.
        {f"{BTC} 0": [[BTC, "10", None], [BTC, "0.01", None]], f"{BTC} 3": [[BTC, "8", None]]},
        2,
        ["max_position_size"],
    ),
    "leverage": (
        {"max_leverage": "0.5"},
        ["100"] * 5,
        {f"{BTC} 0": [[BTC, "50", None]], f"{BTC} 2": [[BTC, "0.01", None], [BTC, "-50", None]]},
        2,
        ["max_leverage"],
    ),
    "daily loss": (
        {"max_daily_loss": "0.05"},
        ["100", "100", "90.01", "90", "90", "90"],
        {
            f"{BTC} 0": [[BTC, "50", None]],
            f"{BTC} 2": [[BTC, "0.1", None]],
            f"{BTC} 4": [[BTC, "0.1", None], [BTC, "-10", None]],
        },
        3,
        ["max_daily_loss"],
    ),
}


@ready.validation("7.2.6")
def test_the_three_risk_checks_work(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Up to each limit orders pass, beyond it none does, and getting out is always possible."""
    for name, (limits, prices, script, passed, denied) in CASES.items():
        seen = engine.run("session", prices={BTC: prices}, limits=limits, script=script)
        evidence.expect(f"{name}: sent", passed, observed=len(seen["sessions"][0]["received"]))
        evidence.expect(f"{name}: denied", denied, observed=_denials(seen))


@test_the_three_risk_checks_work.fails_when
def leverage_is_left_out(engine: EngineUnderTest) -> None:
    """Nobody asks about leverage."""
    engine.append(
        CHECKS, "OPENING_ORDERS = tuple(x for x in OPENING_ORDERS if x is not leverage)\n"
    )


@test_the_three_risk_checks_work.fails_when
def what_is_allowed_is_denied(engine: EngineUnderTest) -> None:
    """The limit itself counts as beyond it."""
    engine.edit(
        CHECKS,
        "if value <= multiply(equity, threshold):",
        "if value < multiply(equity, threshold):",
    )


@test_the_three_risk_checks_work.fails_when
def old_prices_are_looked_at(engine: EngineUnderTest) -> None:
    """A position is valued at the first price that there was."""
    engine.append(
        "rustybt/risk/portfolio.py",
        """
        _first: dict = {}


        def _old(self, symbol):
            return _first.setdefault(symbol, self._prices.get(symbol))


        PortfolioSnapshot.price = _old
        """,
    )
