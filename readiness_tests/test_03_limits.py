"""Section 3: the limits that every order of this deployment has to keep."""

from __future__ import annotations

import re
from decimal import Decimal

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.controls import set_setting
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Deployment

WIRING = "rustybt/system/wiring.py"
PERCENT = Decimal(100)

# -- 3.3 risk limits -------------------------------------------------------------------------


def _limit(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence, name: str
) -> Decimal:
    """Return the limit *name* of a session; fail if there is none."""
    seen = engine.run("limits", home=str(deployment.root.resolve()))
    evidence.record(f"{name} of a session", seen[name])
    assert seen[name] is not None, f"a session has no {name}"
    value = Decimal(seen[name])
    evidence.expect("the limit is above zero", True, observed=value > 0)
    return value


@ready.configuration("3.3.1")
def test_positions_are_limited(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """No position of a session may exceed its share of equity."""
    value = _limit(deployment, engine, evidence, "max_position_size")
    evidence.meets("position_size", observed=f"{value * PERCENT:f}")


@test_positions_are_limited.fails_when
def positions_may_be_larger(deployment: Deployment) -> None:
    """A position may be a fifth of equity."""
    set_setting(deployment, "MAX_POSITION_SIZE", "0.2")


@test_positions_are_limited.fails_when
def sessions_have_no_limit_of_positions(engine: EngineUnderTest) -> None:
    """The setting is there, and the engine does not get it."""
    engine.edit(WIRING, "        max_position_size=settings.max_position_size,\n", "")


@ready.configuration("3.3.2")
def test_daily_losses_are_limited(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """A session stops to trade once it has lost its share of equity in a day."""
    value = _limit(deployment, engine, evidence, "max_daily_loss")
    guarded = _limit(deployment, engine, evidence, "guarded_daily_loss")
    evidence.meets("daily_loss", observed=f"{max(value, guarded) * PERCENT:f}")


@test_daily_losses_are_limited.fails_when
def more_may_be_lost(deployment: Deployment) -> None:
    """A tenth of equity may be lost in a day."""
    set_setting(deployment, "MAX_DAILY_LOSS", "0.1")


@test_daily_losses_are_limited.fails_when
def the_breaker_does_not_know_the_loss(engine: EngineUnderTest) -> None:
    """Orders are denied, and the breaker never trips."""
    engine.edit(WIRING, "        daily_loss=settings.max_daily_loss,\n", "")


@ready.configuration("3.3.3")
def test_leverage_is_limited(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """All positions of a session together stay within their multiple of equity."""
    value = _limit(deployment, engine, evidence, "max_leverage")
    evidence.meets("leverage", observed=f"{value:f}")


@test_leverage_is_limited.fails_when
def leverage_may_be_higher(deployment: Deployment) -> None:
    """Positions may be worth five times the equity."""
    set_setting(deployment, "MAX_LEVERAGE", "5")


@test_leverage_is_limited.fails_when
def sessions_have_no_limit_of_leverage(engine: EngineUnderTest) -> None:
    """The setting is there, and the engine does not get it."""
    engine.edit(WIRING, "        max_leverage=settings.max_leverage,\n", "")


@ready.configuration("3.3.4")
def test_the_number_of_positions_is_limited_on_purpose(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The deployment says itself how many positions there may be, and the engine keeps to it."""
    said = re.search(
        r"(?m)^MAX_OPEN_POSITIONS=\S", deployment.home.env_file.read_text("utf-8")
    ) or deployment.environ.get("MAX_OPEN_POSITIONS")
    evidence.expect("the deployment says it itself", True, observed=bool(said))
    value = _limit(deployment, engine, evidence, "max_open_positions")
    evidence.meets("open_positions", observed=f"{value:f}")


@test_the_number_of_positions_is_limited_on_purpose.fails_when
def nobody_has_said_how_many(deployment: Deployment) -> None:
    """Only the built-in default is in force."""
    env = deployment.home.env_file
    env.write_text(re.sub(r"(?m)^MAX_OPEN_POSITIONS=.*\n?", "", env.read_text("utf-8")), "utf-8")


@test_the_number_of_positions_is_limited_on_purpose.fails_when
def sessions_have_no_limit_of_their_number(engine: EngineUnderTest) -> None:
    """The setting is there, and the engine does not get it."""
    engine.edit(WIRING, "        max_open_positions=settings.max_open_positions,\n", "")
