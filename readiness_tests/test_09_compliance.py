"""Section 9: the audit log holds everything, and nobody changes it unnoticed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest

VERIFICATION = "rustybt/journal/verification.py"

# -- 9.1 audit log ---------------------------------------------------------------------------

RECORDS = 40
FLIPS = 40
RUNNER = "rustybt/trading/runner.py"
PRICES = {"BTC/USDT": ["100", "101", "102", "101", "100", "99", "100", "101"]}


def _each_bar(count: int) -> dict[str, Any]:
    """Return a script that buys and sells in turn, at every bar."""
    return {
        f"BTC/USDT {number}": [["BTC/USDT", "1" if number % 2 == 0 else "-1", None]]
        for number in range(count)
    }


def _submitted(seen: dict[str, Any]) -> list[str]:
    """Return the ids of the orders that the log says were sent."""
    return [name for name, step in seen["trail"] if step == "submitted"]


@ready.compliance("9.1.1")
def test_no_order_is_sent_without_its_record(engine: EngineUnderTest, evidence: Evidence) -> None:
    """The record comes first: once the disk is full, nothing is sent any more."""
    seen = engine.run("session", prices=PRICES, script=_each_bar(8), full_at=4)
    (session,) = seen["sessions"]
    evidence.record("orders that the exchange got", session["received"])
    evidence.expect("some were sent before", True, observed=len(session["received"]) > 0)
    evidence.expect("not all were sent", True, observed=len(session["received"]) < 8)
    evidence.expect("the session ended as failed", True, observed=session["ending"] != 0)
    unrecorded = sorted(set(session["received"]) - set(_submitted(seen)))
    evidence.record("orders without a record", unrecorded)
    evidence.meets("unrecorded_orders", observed=len(unrecorded))


@test_no_order_is_sent_without_its_record.fails_when
def orders_leave_before_their_record(engine: EngineUnderTest) -> None:
    """What the engine wants is done first, and written down afterwards."""
    engine.append(
        RUNNER,
        """
        def _hasty(self):
            wanted, self._wanted = self._wanted, []
            for command in wanted:
                self._carry_out(command)
            self._commit()


        Runner._settle = _hasty
        """,
    )


@test_no_order_is_sent_without_its_record.fails_when
def the_log_is_off(engine: EngineUnderTest) -> None:
    """Nothing is written."""
    engine.append(RUNNER, "Runner._commit = lambda self: None\n")


@ready.compliance("9.1.2")
def test_every_trade_is_recorded(engine: EngineUnderTest, evidence: Evidence) -> None:
    """The exchange's trades and the log's are the same: time, asset, quantity, price."""
    seen = engine.run("session", prices=PRICES, script=_each_bar(8))
    traded = [tuple(trade) for trade in seen["sessions"][0]["traded"]]
    fills = [event["fill"] for event in seen["events"] if event["type"] == "order_filled"]
    recorded = [
        (each["client_id"], each["time"], each["symbol"], each["quantity"], each["price"])
        for each in fills
    ]
    evidence.record("trades at the exchange", len(traded))
    assert traded, "nothing was traded"
    apart = set(traded) ^ set(recorded)
    evidence.record("first differences", [list(each) for each in sorted(apart)[:3]])
    evidence.expect("trades recorded", len(traded), observed=len(recorded))
    evidence.expect("trades that only one side has", 0, observed=len(apart))


@test_every_trade_is_recorded.fails_when
def some_trades_are_left_out(engine: EngineUnderTest) -> None:
    """The engine takes note of every second trade only, in the log."""
    engine.append(
        RUNNER,
        """
        _thorough = Runner._process


        def _forgetful(self, event):
            if type(event).__name__ == "OrderFilled" and int(event.fill.trade_id[-1]) % 2:
                self._wanted += self.engine.process(event)
            else:
                _thorough(self, event)


        Runner._process = _forgetful
        """,
    )


LIFE = {
    "BTC/USDT 0": [["BTC/USDT", "1", None], ["BTC/USDT", "1", "50"]],
    "BTC/USDT 2": [["BTC/USDT", "100000", "50"]],
}
LIVES = {
    "a filled one": ["submitted", "accepted", "filled"],
    "a cancelled one": ["submitted", "accepted", "cancel asked", "cancelled"],
    "a refused one": ["submitted", "refused"],
}


@ready.compliance("9.1.3")
def test_every_step_of_an_order_is_recorded(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Sent, accepted, filled, cancelled and refused are in the log, in this order."""
    seen = engine.run("session", prices=PRICES, script=LIFE)
    sent = list(dict.fromkeys(_submitted(seen)))
    evidence.expect("orders sent", len(LIVES), observed=len(sent))
    for client_id, (name, steps) in zip(sent, LIVES.items(), strict=True):
        found = [step for each, step in seen["trail"] if each == client_id]
        evidence.expect(name, steps, observed=found)


@test_every_step_of_an_order_is_recorded.fails_when
def cancels_are_not_recorded(engine: EngineUnderTest) -> None:
    """That an order was cancelled is done, and not written down."""
    engine.append(
        RUNNER,
        """
        _thorough = Runner._process


        def _forgetful(self, event):
            if str(getattr(event, "state", "")) == "cancelled":
                self._wanted += self.engine.process(event)
            else:
                _thorough(self, event)


        Runner._process = _forgetful
        """,
    )


@ready.compliance("9.1.4")
def test_denials_and_trips_are_recorded_with_their_cause(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """What a limit has denied and what the breaker did is in the log, and why."""
    seen = engine.run(
        "session",
        prices=PRICES,
        script=_each_bar(8),
        limits={"max_position_size": "0.005"},
        tell={"4": ["halt", "for the audit"]},
    )
    notes = [said for said in seen["commands"] if said["type"] == "note"]
    denials = [note["message"] for note in notes if note["kind"] == "denied"]
    evidence.expect("first denial", True, observed=denials[:1] != [])
    evidence.expect("it names the limit", True, observed="max_position_size" in denials[0])
    evidence.expect("it names value and threshold", True, observed="against 0.005" in denials[0])
    alerts = [said["message"] for said in seen["commands"] if said["type"] == "alert"]
    trips = [message for message in alerts if "trading stopped" in message]
    evidence.expect("trips told of", 1, observed=len(trips))
    evidence.expect("the trip names its cause", True, observed="for the audit" in trips[0])
    people = [event for event in seen["events"] if event["type"] == "operator_command"]
    halts = [[each["operator"], each["reason"]] for each in people if each["command"] == "halt"]
    evidence.expect("who halted, and why", [["somebody", "for the audit"]], observed=halts)


@test_denials_and_trips_are_recorded_with_their_cause.fails_when
def denials_are_not_recorded(engine: EngineUnderTest) -> None:
    """An order is denied, and nobody can tell."""
    engine.append(
        RUNNER,
        """
        _record = to_json


        def to_json(value):
            if getattr(value, "kind", "") == "denied":
                value = type(value)(kind="denied", message="an order was denied")
            return _record(value)
        """,
    )


@ready.compliance("9.1.6")
def test_no_change_of_the_audit_log_goes_unnoticed(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Every flipped bit, every record deleted, put in or exchanged, every cut end is found."""
    seen = engine.run("tampering", records=RECORDS, flips=FLIPS, seed=9)
    evidence.expect("records of the log itself", RECORDS, observed=seen["records"])
    evidence.expect("the log itself is whole", True, observed=seen["whole"])
    kinds = Counter(name for name, _, _ in seen["changes"])
    evidence.record("changes tried", dict(sorted(kinds.items())))
    evidence.expect("every sort of change was tried", 10, observed=len(kinds))
    unnoticed = [change for change in seen["changes"] if change[2] is None]
    misplaced = [change for change in seen["changes"] if change[2] not in (None, change[1])]
    evidence.expect("changes found at another place", [], observed=misplaced[:5])
    evidence.record("first changes unnoticed", unnoticed[:5])
    evidence.meets("undetected", observed=len(unnoticed))


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def the_hashes_are_not_compared(engine: EngineUnderTest) -> None:
    """A record passes with whatever hash it holds."""
    engine.edit(VERIFICATION, " or own != hashed(said).digest():", ":")


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def a_cut_end_is_taken_for_the_end(engine: EngineUnderTest) -> None:
    """The signed heads are not looked at once the records are through."""
    engine.edit(
        VERIFICATION,
        "finding = self._read(chunks) or self._cut() or self._forgery()",
        "finding = self._read(chunks) or self._forgery()",
    )


@test_no_change_of_the_audit_log_goes_unnoticed.fails_when
def the_place_is_that_of_the_next_record(engine: EngineUnderTest) -> None:
    """The record named is the one behind the changed one."""
    engine.append(
        VERIFICATION,
        """
        _right = _found


        def _found(row: Row, sequence: int, problem: str) -> Finding:
            return _right(row, sequence + 1, problem)
        """,
    )
