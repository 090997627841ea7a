"""Section 7: markets that are closed, halted or gone, and data that does not come as it should."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, at_least, containing, ready
from readiness_tests.engine import EngineUnderTest
from readiness_tests.test_07_adversity import amounts

ENGINE = "rustybt/trading/engine.py"
RISK = "rustybt/risk/manager.py"
FEED = "rustybt/adapters/venue/feed.py"
HOURS = {
    "a regular day": "2025-11-26T18:00:00+00:00",
    "Thanksgiving": "2025-11-27T18:00:00+00:00",
    "the day after it, over at 13:00": "2025-11-28T18:00:00+00:00",
}
"""13:00 in New York."""

# -- 7.3.1 gaps ------------------------------------------------------------------------------


@ready.validation("7.3.1")
def test_gaps_in_data_are_noticed_and_not_traded_on(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """What can be fetched later is, once and in order; for the rest people are told."""
    seen = engine.run("adversity_gaps")
    for case in ("left out", "outage", "partial"):
        found = seen[case]
        evidence.expect(f"{case}: bars", at_least(5), observed=found["bars"])
        evidence.expect(f"{case}: days from bar to bar", [1], observed=found["apart"])
        evidence.expect(f"{case}: bars unlike the exchange's", [], observed=found["wrong"])
    evidence.expect("the outage is told", at_least(1), observed=seen["outage"]["lost"])
    evidence.expect("its end is told", at_least(1), observed=seen["outage"]["restored"])
    sent = {"hole": [1, 2, 5, 6], "cut off": [1, 3, 4], "late": [1, 2, 3, 4], "old": [1, 14]}
    for case, minutes in sent.items():
        evidence.expect(f"{case}: orders sent at", minutes, observed=seen[case]["sent"])
        evidence.expect(f"{case}: prices", ["A/USDT 100"] * 4, observed=seen[case]["seen"])
    for case, kind in (("hole", "missing_bar"), ("cut off", "connection_lost")):
        told = " ".join(seen[case]["told"])
        evidence.expect(f"{case}: people are told", containing(kind), observed=told)
    silent = seen["silent"]
    evidence.expect("a silent feed trips the breaker", "stale data", observed=silent["cause"])
    evidence.expect("the last order before that", 7, observed=max(silent["sent"]))


@test_gaps_in_data_are_noticed_and_not_traded_on.fails_when
def a_missing_bar_goes_unnoticed(engine: EngineUnderTest) -> None:
    """Nobody compares when a bar should have come with when one did."""
    engine.append(
        ENGINE,
        """
        def left_out(gap, interval, hours):
            return None
        """,
    )


@test_gaps_in_data_are_noticed_and_not_traded_on.fails_when
def an_outage_goes_unnoticed(engine: EngineUnderTest) -> None:
    """The feed keeps to itself that it has lost its connection."""
    engine.append(
        FEED,
        """
        CcxtFeed._lose = lambda self, symbol, reason: None
        """,
    )


@test_gaps_in_data_are_noticed_and_not_traded_on.fails_when
def a_late_bar_is_taken_for_a_new_one(engine: EngineUnderTest) -> None:
    """Whatever comes last is the newest."""
    engine.edit(
        "rustybt/trading/taking.py",
        "if repeated or (last is not None and bar.start <= last):",
        "if repeated:",
    )


@test_gaps_in_data_are_noticed_and_not_traded_on.fails_when
def a_partial_candle_is_taken_for_a_complete_one(engine: EngineUnderTest) -> None:
    """Every candle counts as it is."""
    engine.append(
        FEED,
        """
        CcxtFeed._is_complete = lambda self, symbol, candle: True
        """,
    )


@test_gaps_in_data_are_noticed_and_not_traded_on.fails_when
def a_silent_feed_is_taken_for_a_quiet_market(engine: EngineUnderTest) -> None:
    """However long nothing comes, it may be that nothing happens."""
    engine.edit(
        ENGINE,
        "cause = stale(self._books, guard, self._desk.hours)",
        "cause = None",
    )


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


# -- 7.2.5 history and stream ----------------------------------------------------------------

BARS = 20
SOURCE = "rustybt/adapters/ccxt.py"


@ready.validation("7.2.5")
def test_history_and_stream_give_the_same_bars(engine: EngineUnderTest, evidence: Evidence) -> None:
    """What was heard bar by bar, and read again later, is what the exchange has shown."""
    seen = engine.run("history_and_stream", bars=BARS)
    shown = seen["shown"]
    evidence.expect("bars shown", at_least(BARS), observed=len(shown))
    evidence.expect(
        "the first and last of the stream",
        [shown[0], shown[-1]],
        observed=[seen["stream"][0], seen["stream"][-1]],
    )
    differing = 0
    for name in ("stream", "history"):
        evidence.expect(f"bars of the {name}", len(shown), observed=len(seen[name]))
        apart = [row[0] for row, real in zip(seen[name], shown, strict=True) if row != real]
        evidence.expect(f"bars of the {name} that differ", [], observed=apart)
        differing += len(apart)
    evidence.meets("differences", observed=differing)


@test_history_and_stream_give_the_same_bars.fails_when
def a_bar_of_the_stream_is_lost(engine: EngineUnderTest) -> None:
    """The feed leaves out what begins on the fifth of a month."""
    engine.append(
        FEED,
        """
        _each = CcxtFeed._report


        def _but_one(self, symbol, candle):
            if instant(candle[0]).day != 5:
                _each(self, symbol, candle)


        CcxtFeed._report = _but_one
        """,
    )


@test_history_and_stream_give_the_same_bars.fails_when
def history_and_stream_disagree(engine: EngineUnderTest) -> None:
    """The history has prices without their digits after the point."""
    engine.append(
        SOURCE,
        """
        _exact = CcxtSource._candles


        def _rounded(self, *asked):
            return [
                [row[0], *(str(int(float(each))) for each in row[1:5]), row[5]]
                for row in _exact(self, *asked)
            ]


        CcxtSource._candles = _rounded
        """,
    )


@test_history_and_stream_give_the_same_bars.fails_when
def times_shift_by_the_zone(engine: EngineUnderTest) -> None:
    """The history is written down by the wall clock of New York."""
    engine.append(
        SOURCE,
        """
        def _time(candle):
            return _EPOCH + int(candle[0]) * _MILLISECOND - timedelta(hours=5)
        """,
    )
