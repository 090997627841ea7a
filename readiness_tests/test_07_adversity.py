"""Section 7: adversity. What goes wrong on the way to a venue, at it, and in its market."""

from __future__ import annotations

from typing import Any

from pytest_rustybt_ready import Evidence, at_least, containing, ready
from readiness_tests.engine import EngineUnderTest

VENUE = "rustybt/adapters/venue/ccxt_venue.py"


def expect_agreement(evidence: Evidence, seen: dict[str, Any], states: dict[str, str]) -> None:
    """Expect that the only order of each case ended in a state, and is the same on both sides."""
    for case, state in states.items():
        found = seen[case]
        evidence.expect(f"{case}: state of the order", [state], observed=found["states"])
        evidence.expect(f"{case}: orders that differ", [], observed=found["doubts"])
        ours, theirs = amounts(found["ours"]), amounts(found["theirs"])
        evidence.expect(f"{case}: money in the ledger", theirs, observed=ours)


def amounts(texts: dict[str, str]) -> dict[str, str]:
    """Return amounts without zeros that say nothing."""
    return {name: text.rstrip("0") if "." in text else f"{text}." for name, text in texts.items()}


# -- 7.3.2 connection loss -------------------------------------------------------------------

PAUSES = (0.5, 1.0)  # seconds: half of what it waits before it reconnects, which chance may take


@ready.validation("7.3.2")
def test_a_cut_connection_loses_and_doubles_no_order(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Cut before, after and amid all that happens to an order: it is there once, or not at all."""
    seen = engine.run("adversity_connection")
    states = {
        "before sending": "rejected",
        "after acceptance": "filled",
        "during a fill": "filled",
        "during a cancel": "filled",
        "after a cancel": "cancelled",
    }
    for case, state in states.items():
        evidence.expect(f"{case}: orders sent", 1, observed=seen[case]["created"])
        taken = 0 if state == "rejected" else 1
        evidence.expect(f"{case}: orders there", taken, observed=seen[case]["at_venue"])
    expect_agreement(evidence, seen, states)
    unanswered = seen["during a cancel"]["after the cancel was lost"]
    evidence.expect("an order whose cancel went unanswered", "accepted", observed=unanswered)
    alerts = " ".join(seen["during a fill"]["alerts"])
    evidence.expect("a dead stream is told", containing("connection_lost"), observed=alerts)
    for pause, least in zip(seen["storm"]["pauses"], PAUSES, strict=True):
        evidence.expect("seconds before it reconnects", at_least(least), observed=pause)
    rivals = seen["two engines"]
    evidence.expect("a second engine is refused", True, observed=rivals["refused"])
    evidence.expect("the overtaken engine ends", True, observed=rivals["ended"])
    evidence.expect("orders of the overtaken engine", 0, observed=rivals["created"])


@test_a_cut_connection_loses_and_doubles_no_order.fails_when
def a_request_without_an_answer_is_sent_again(engine: EngineUnderTest) -> None:
    """Every request is tried twice."""
    engine.append(
        VENUE,
        """
        _once = CcxtVenue._ask


        async def _twice(self, request, call, client_id, **terms):
            async def again():
                try:
                    return await call()
                except Exception:
                    return await call()

            return await _once(self, request, again, client_id, **terms)


        CcxtVenue._ask = _twice
        """,
    )


@test_a_cut_connection_loses_and_doubles_no_order.fails_when
def a_cancel_is_taken_for_done(engine: EngineUnderTest) -> None:
    """What the venue says of a cancel, or whether it says anything, does not matter."""
    engine.append(
        VENUE,
        """
        _asked = CcxtVenue._cancel


        async def _assumed(self, client_id):
            await _asked(self, client_id)
            self._update(client_id, OrderState.CANCELLED, self._venue_ids.get(client_id))


        CcxtVenue._cancel = _assumed
        """,
    )
