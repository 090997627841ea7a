"""Section 7: markets that are closed, halted or gone, and data that does not come as it should."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, containing, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.test_07_adversity import amounts

ENGINE = "rustybt/trading/engine.py"
RISK = "rustybt/risk/manager.py"
HOURS = {
    "a regular day": "2025-11-26T18:00:00+00:00",
    "Thanksgiving": "2025-11-27T18:00:00+00:00",
    "the day after it, over at 13:00": "2025-11-28T18:00:00+00:00",
}
"""13:00 in New York."""

# -- 7.3.5 closed, halted, early close, delisted ---------------------------------------------


@ready.validation("7.3.5")
def test_nothing_is_sent_to_a_market_that_does_not_trade(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Closed, over early, halted or delisted: no order leaves, and the books keep what is held."""
    seen = engine.run("adversity_closed", calendar="NYSE", around=HOURS)
    before, after = ["17:57", "17:58", "17:59"], ["18:00", "18:01", "18:02", "18:03", "18:04"]
    for day, sent in zip(HOURS, (before + after, [], before), strict=True):
        evidence.expect(f"{day}: orders sent at", sent, observed=seen[day])
    halted = seen["halted"]
    evidence.expect("a halt is noticed", True, observed=halted["noticed"])
    evidence.expect("orders sent before and during it", 1, observed=halted.get("during"))
    evidence.expect("connections lost during it", [], observed=halted.get("lost"))
    evidence.expect("its end is noticed", True, observed=halted.get("over"))
    evidence.expect("orders sent before and after it", 2, observed=halted["created"])
    gone = seen["delisted"]
    evidence.expect("a delisting is noticed", True, observed=gone["noticed"])
    evidence.expect("the order that rested", ["filled", "expired"], observed=gone["states"])
    evidence.expect("orders sent after it", 0, observed=gone["created"] - 2)
    evidence.expect("held of it", "1", observed=gone.get("held"))
    for name, case in (("halted", halted), ("delisted", gone)):
        evidence.expect(f"{name}: told", containing("delisted"), observed=" ".join(case["alerts"]))
        evidence.expect(f"{name}: orders that differ", [], observed=case["doubts"])
        ours, theirs = amounts(case["ours"]), amounts(case["theirs"])
        evidence.expect(f"{name}: money in the ledger", theirs, observed=ours)
        evidence.expect(f"{name}: the breaker", False, observed=case["tripped"])


@test_nothing_is_sent_to_a_market_that_does_not_trade.fails_when
def an_order_is_sent_to_a_closed_market(engine: EngineUnderTest) -> None:
    """The gate does not ask for the hours."""
    engine.append(
        RISK,
        """
        RiskManager._trading_hours = lambda self, case: None
        """,
    )


@test_nothing_is_sent_to_a_market_that_does_not_trade.fails_when
def an_early_close_is_missed(engine: EngineUnderTest) -> None:
    """Every day closes when the one before the holiday did."""
    engine.append(
        "rustybt/calendars/calendar.py",
        """
        _until_its_close = Calendar.is_open


        def _for_as_long_as_ever(self, at):
            from datetime import timedelta

            return _until_its_close(self, at) or _until_its_close(self, at - timedelta(hours=3))


        Calendar.is_open = _for_as_long_as_ever
        """,
    )


@test_nothing_is_sent_to_a_market_that_does_not_trade.fails_when
def a_halt_is_taken_for_a_lost_connection(engine: EngineUnderTest) -> None:
    """Nothing but another connection would help, the engine thinks."""
    engine.append(
        ENGINE,
        """
        _told_of_them = Engine._changed


        def _thinks_it_is_cut_off(self, event):
            if event.gone:
                self._books.lost["venue"] = "nothing is traded"
            _told_of_them(self, event)


        Engine._changed = _thinks_it_is_cut_off
        """,
    )


@test_nothing_is_sent_to_a_market_that_does_not_trade.fails_when
def a_halt_goes_unnoticed(engine: EngineUnderTest) -> None:
    """Orders go on as if the symbol were traded."""
    engine.append(
        "rustybt/adapters/venue/markets.py",
        """
        _all_of_them = Markets.read


        def _whatever_their_state(self, exchange):
            changed, _ = _all_of_them(self, exchange)
            self.instruments.update(self.known)
            return changed, []


        Markets.read = _whatever_their_state
        """,
    )


@test_nothing_is_sent_to_a_market_that_does_not_trade.fails_when
def a_delisted_position_vanishes(engine: EngineUnderTest) -> None:
    """With the symbol goes what is held of it."""
    engine.append(
        ENGINE,
        """
        _told_of_what_went = Engine._changed


        def _forgets_it(self, event):
            from msgspec.structs import replace

            _told_of_what_went(self, event)
            state = self._books.ledger.state()
            kept = tuple(
                replace(book, lots=()) if book.instrument.symbol in event.gone else book
                for book in state.books
            )
            self._books.ledger = type(self._books.ledger).restore(replace(state, books=kept))


        Engine._changed = _forgets_it
        """,
    )
