"""5.2.3: five events are made to happen, and each is told to people once."""

from __future__ import annotations

from typing import Any

from pytest_rustybt_ready import Evidence, at_most, ready
from readiness_tests.controls import drop_rules
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Deployment

CHANNELS = "rustybt/monitoring/alerts/channels.py"
DELIVERY = "rustybt/monitoring/alerts/delivery.py"


def _provoke(
    engine: EngineUnderTest, deployment: Deployment, event: str, *, down: bool = False
) -> dict[str, Any]:
    """Return what arrived when *event* happened under the deployment's rules."""
    rules = deployment.home.alerts_file.read_text("utf-8")
    found: dict[str, Any] = engine.run("alerts", rules=rules, event=event, down=down)
    return found


def _expect_once(evidence: Evidence, seen: dict[str, Any], marker: str, *words: str) -> None:
    """Expect one alert with *marker* in it, that says all of *words*, and no harm to the engine."""
    texts = [text for text in seen["texts"] if marker in text]
    evidence.expect(f"alerts that say {marker!r}", 1, observed=sum(t.count(marker) for t in texts))
    for word in words:
        said = any(word in text for text in texts)
        evidence.expect(f"it says {word!r}", True, observed=said)
    evidence.expect("messages", at_most(seen["rate"]), observed=len(seen["texts"]))
    evidence.expect("the engine goes on", True, observed=seen["goes_on"])


@ready.monitoring("5.2.3.1")
def test_a_lost_connection_is_told(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """The exchange cuts the stream: one alert, before that of the reconnect, late if it must be."""
    seen = _provoke(engine, deployment, "connection")
    _expect_once(evidence, seen, "is not connected", "broker: practice")
    first = next(iter(seen["texts"]), "")
    evidence.expect("the loss is told first", True, observed="is not connected" in first)
    late = _provoke(engine, deployment, "connection", down=True)
    evidence.expect("arrived while the receiver was down", 0, observed=late["before"])
    _expect_once(evidence, late, "is not connected")


@test_a_lost_connection_is_told.fails_when
def the_rule_for_a_lost_connection_is_removed(deployment: Deployment) -> None:
    """Nobody wants to hear of it."""
    drop_rules(deployment, "broker-connection")


@test_a_lost_connection_is_told.fails_when
def the_alert_comes_only_after_the_reconnect(engine: EngineUnderTest) -> None:
    """What was lost is told once it is back."""
    engine.append(
        "rustybt/trading/engine.py",
        """
        _back = Engine._restored


        def _late(self, event):
            _back(self, event)
            self._desk.alert("connection_lost", f"{event.component} is not connected")


        Engine._lost = lambda self, event: None
        Engine._restored = _late
        """,
    )


@test_a_lost_connection_is_told.fails_when
def a_receiver_that_is_down_stops_the_engine(engine: EngineUnderTest) -> None:
    """Alerts are sent by the engine itself, which gives up when they are refused."""
    engine.append(
        "rustybt/trading/notices.py",
        "Notices.notify = lambda self, alert, time: self._notifier.notify(alert, time)",
    )
    engine.append(
        DELIVERY,
        """
        def _at_once(self, alert, time):
            for courier in self._couriers:
                if not courier._channel.send(alert.kind, alert.message, alert.severity):
                    raise OSError("the receiver is down")


        Delivery.notify = _at_once
        """,
    )


@ready.monitoring("5.2.3.2")
def test_a_trip_of_the_breaker_is_told(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """Rejections trip the breaker: one alert that names the cause."""
    seen = _provoke(engine, deployment, "breaker")
    _expect_once(evidence, seen, "trading stopped", "rejections in a row: 3 reached the limit of 3")


@test_a_trip_of_the_breaker_is_told.fails_when
def the_rule_for_the_breaker_is_removed(deployment: Deployment) -> None:
    """Nobody wants to hear of it."""
    drop_rules(deployment, "breaker")


@test_a_trip_of_the_breaker_is_told.fails_when
def the_alert_does_not_name_the_cause(engine: EngineUnderTest) -> None:
    """Only the beginning of a message is told."""
    engine.append(
        DELIVERY,
        """
        _all_lines = _lines


        def _lines(message):
            return [line.partition(":")[0] for line in _all_lines(message)]
        """,
    )


@test_a_trip_of_the_breaker_is_told.fails_when
def every_alert_is_sent_twice(engine: EngineUnderTest) -> None:
    """A channel sends what it is given, and again."""
    engine.append(
        CHANNELS,
        """
        _once = AppriseChannel.send


        def _twice(self, *given):
            return _once(self, *given) and _once(self, *given)


        AppriseChannel.send = _twice
        """,
    )


@ready.monitoring("5.2.3.3")
def test_a_rejected_order_is_told(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """One alert with order and reason; of many orders all are told, in few messages."""
    seen = _provoke(engine, deployment, "rejection")
    _expect_once(evidence, seen, "was rejected", "RBT-1-1", "LOT_SIZE")
    many = _provoke(engine, deployment, "flood")
    told_of = "\n".join(many["texts"]).count("was rejected")
    evidence.expect("rejections told", len(many["said"]), observed=told_of)
    evidence.expect("messages", at_most(min(many["rate"], 10)), observed=many["before"])


@test_a_rejected_order_is_told.fails_when
def the_rule_for_rejections_is_removed(deployment: Deployment) -> None:
    """Nobody wants to hear of it."""
    drop_rules(deployment, "order-rejection")


@test_a_rejected_order_is_told.fails_when
def many_rejections_flood_the_receiver(engine: EngineUnderTest) -> None:
    """Each alert is a message, however many there were."""
    engine.append(
        DELIVERY,
        """
        Courier._not_before = lambda self, now: self._resting_until or now
        Courier._is_last = lambda self, now: False
        """,
    )


@ready.monitoring("5.2.3.4")
def test_the_daily_loss_limit_is_told(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """The price halves: one alert on the same day, with limit and value."""
    seen = _provoke(engine, deployment, "daily loss")
    _expect_once(evidence, seen, "daily loss: 0.00", "reached the limit of 0.001")
    days = [day for day in seen["days"] if any(f"time: {day}" in text for text in seen["texts"])]
    evidence.expect("told on the day of the loss", True, observed=bool(days))


@test_the_daily_loss_limit_is_told.fails_when
def no_rule_for_the_daily_loss_is_left(deployment: Deployment) -> None:
    """Neither its own rule nor the one for all breakers."""
    drop_rules(deployment, "daily-loss", "breaker")


@test_the_daily_loss_limit_is_told.fails_when
def it_is_told_after_the_next_day_has_begun(engine: EngineUnderTest) -> None:
    """Alerts are told a day late."""
    engine.append(
        DELIVERY,
        """
        _today = Delivery.notify


        def _tomorrow(self, alert, time):
            _today(self, alert, time + timedelta(days=1))


        Delivery.notify = _tomorrow
        """,
    )


@ready.monitoring("5.2.3.5")
def test_an_exception_is_told(
    engine: EngineUnderTest, deployment: Deployment, evidence: Evidence
) -> None:
    """A strategy raises: one alert that names the exception, and gives no secret away."""
    seen = _provoke(engine, deployment, "exception")
    texts = [text for text in seen["texts"] if "trading stopped" not in text]
    _expect_once(evidence, seen | {"texts": texts}, "on_bar raised", "ValueError")
    leaks = sum("canary" in text for text in [*seen["texts"], *seen["titles"]])
    evidence.expect("alerts with the secret", 0, observed=leaks)


@test_an_exception_is_told.fails_when
def the_rule_for_system_errors_is_removed(deployment: Deployment) -> None:
    """Nobody wants to hear of it."""
    drop_rules(deployment, "system-error")


@test_an_exception_is_told.fails_when
def the_alert_contains_a_secret(engine: EngineUnderTest) -> None:
    """Nothing is taken out of messages."""
    engine.append(
        DELIVERY,
        """
        class Redactor:
            def __init__(self, secrets):
                self.text = str
        """,
    )
