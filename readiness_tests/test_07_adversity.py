"""Section 7: adversity. What goes wrong on the way to a venue, at it, and in its market."""

from __future__ import annotations

from typing import Any

from pytest_rustybt_ready import Evidence, at_least, containing, ready
from readiness_tests.engine import EngineUnderTest

VENUE = "rustybt/adapters/venue/ccxt_venue.py"
LIMITER = "rustybt/adapters/venue/limiter.py"
ENGINE = "rustybt/trading/engine.py"
TWICE = """
_once = CcxtVenue._ask


async def _twice(self, request, call, client_id, **terms):
    async def again():
        try:
            return await call()
        except Exception:
            return await call()

    return await _once(self, request, again, client_id, **terms)


CcxtVenue._ask = _twice
"""


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
    engine.append(VENUE, TWICE)


@test_a_cut_connection_loses_and_doubles_no_order.fails_when
def a_cancel_is_taken_for_done(engine: EngineUnderTest) -> None:
    """What the venue says of a cancel, or whether it says anything, does not matter."""
    engine.append(
        VENUE,
        """
        _asked = CcxtVenue._cancel


        async def _assumed(self, client_id):
            await _asked(self, client_id)
            self._update(client_id, OrderState.CANCELLED, self._ids.venue(client_id))


        CcxtVenue._cancel = _assumed
        """,
    )


# -- 7.3.3 rejected orders, 7.3.4 lack of funds ----------------------------------------------

REFUSED = ("filter", "precision", "price band")
THROTTLED = ("too many requests", "ban")
WISHES = 3  # of the strategy whose venue wants to be left alone


@ready.validation("7.3.3", "7.3.4")
def test_a_rejected_order_leaves_everything_in_order(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """It ends as rejected, is told once and never sent again, and nothing is kept back for it."""
    seen = engine.run("adversity_refusals")
    for case in REFUSED:
        evidence.expect(f"{case}: requests for the order", 1, observed=seen[case]["created"])
        evidence.expect(f"{case}: alerts", 1, observed=seen[case]["rejections"])
    expect_agreement(evidence, seen, dict.fromkeys(REFUSED, "rejected"))
    for case in THROTTLED:
        found = seen[case]
        evidence.expect(f"{case}: requests during it", 1, observed=found["created"])
        evidence.expect(f"{case}: orders", ["rejected"] * WISHES, observed=found["states"])
        evidence.expect(f"{case}: alerts", WISHES, observed=found["rejections"])
    funds = seen["funds"]
    evidence.expect("funds: orders", ["rejected", "filled"], observed=funds["states"])
    evidence.expect("funds: requests", 2, observed=funds["created"])
    evidence.expect("funds: alerts", 1, observed=funds["rejections"])
    ours, theirs = amounts(funds["ours"]), amounts(funds["theirs"])
    evidence.expect("funds: money in the ledger", theirs, observed=ours)


@test_a_rejected_order_leaves_everything_in_order.fails_when
def no_alert_goes_out(engine: EngineUnderTest) -> None:
    """People are not told of orders that ended as rejected."""
    engine.append(
        ENGINE,
        """
        _told = Engine._tell


        def _silent(self, facts):
            facts.ended.clear()
            _told(self, facts)


        Engine._tell = _silent
        """,
    )


@test_a_rejected_order_leaves_everything_in_order.fails_when
def a_ban_is_ignored(engine: EngineUnderTest) -> None:
    """How long the venue wants to be left alone is forgotten."""
    engine.append(
        LIMITER,
        """
        Limiter.be_quiet = lambda self, seconds: None
        """,
    )


@test_a_rejected_order_leaves_everything_in_order.fails_when
def a_refused_order_is_sent_again(engine: EngineUnderTest) -> None:
    """A request for an order that fails is made once more."""
    engine.append(VENUE, TWICE)


# -- 7.3.6 wild markets ----------------------------------------------------------------------

RATE = 10  # symbols whose bars come at once, those of ten instants together
BARS = 200


@ready.validation("7.3.6")
def test_wild_markets_stay_within_the_limits(engine: EngineUnderTest, evidence: Evidence) -> None:
    """A gap, a crash, an open spread and a flood of bars do what they must and no more."""
    seen = engine.run("adversity_market", rate=RATE, bars=BARS)
    # The market closes at 100 and opens at 80: nobody traded at the stop of 95.
    gap = ["buy 100 at 100", "sell 100 at 80"]
    evidence.expect("a stop across a gap", gap, observed=seen["gap"]["fills"])
    crash = seen["crash"]
    # 200 units fall from 100 to 45: 11 % of 100 000 are lost, and the limit is 10 %.
    evidence.expect("a crash trips the breaker", True, observed=crash["tripped"])
    evidence.expect("why", containing("daily loss: 0.1100"), observed=crash["cause"])
    evidence.expect("what was traded in it", ["buy 200 at 100"], observed=crash["fills"])
    spread = seen["spread"]
    evidence.expect("held when the spread opens", ["buy 500 at 100"], observed=spread["fills"])
    evidence.expect("equity throughout", ["100000"], observed=spread["equities"])
    evidence.expect("the spread trips nothing", False, observed=spread["tripped"])
    rate = seen["rate"]
    evidence.expect("bars sent", RATE * BARS, observed=rate["sent"])
    evidence.expect("bars seen by the strategy", RATE * BARS, observed=rate["seen"])
    evidence.expect("all of them in order", True, observed=rate["in order"])


@test_wild_markets_stay_within_the_limits.fails_when
def losses_trip_nothing(engine: EngineUnderTest) -> None:
    """Nobody looks at what was lost."""
    engine.append(
        "rustybt/trading/guard.py",
        """
        def losses(books, guard):
            return None
        """,
    )


@test_wild_markets_stay_within_the_limits.fails_when
def a_bid_is_taken_for_the_price(engine: EngineUnderTest) -> None:
    """What is held is worth what the best bid is, however far from the ask."""
    engine.append(
        "rustybt/trading/taking.py",
        """
        from rustybt.model.event import QuoteChanged


        def _quoted(books, event, facts):
            books.prices[event.quote.symbol] = event.quote.bid


        _HANDLERS[QuoteChanged] = _quoted
        """,
    )


@test_wild_markets_stay_within_the_limits.fails_when
def what_waits_too_long_is_dropped(engine: EngineUnderTest) -> None:
    """Market data come into a queue that forgets what does not fit."""
    engine.append(
        "rustybt/trading/runner.py",
        """
        _whole = Runner.put


        def _bounded(self, event):
            if len(self._market) < 50:
                _whole(self, event)


        Runner.put = _bounded
        """,
    )
