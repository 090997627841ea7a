"""Section 3: the broker, its credentials, a test order, and what its orders can do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.controls import set_setting
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import Deployment
from rustybt.settings.venues import PRACTICE, required_fields

EXCHANGE = "rustybt/adapters/venue/exchange.py"
SERVER = "rustybt/exchange/server.py"
VENUE = "rustybt/adapters/venue/ccxt_venue.py"
PRACTICE_VENUE = "rustybt/exchange/venue.py"
RUNNER = "rustybt/trading/runner.py"

# -- 3.1 broker ------------------------------------------------------------------------------


@ready.configuration("3.1.1")
def test_the_vault_holds_what_the_broker_asks_for(
    deployment: Deployment, evidence: Evidence
) -> None:
    """Every credential that the configured broker needs lies in the vault, and opens."""
    broker = deployment.settings.broker
    evidence.record("broker", broker)
    stored = deployment.secrets()
    needed = [f"{broker}.{name}" for name in required_fields(broker)]
    evidence.record("needed", needed)
    evidence.expect("missing", [], observed=[name for name in needed if not stored.get(name)])


@test_the_vault_holds_what_the_broker_asks_for.fails_when
def another_broker_is_configured(deployment: Deployment) -> None:
    """The vault has the credentials of another venue only."""
    set_setting(deployment, "BROKER", "kraken")


@ready.configuration("3.1.2")
def test_the_broker_accepts_the_credentials(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """An authenticated call succeeds, and the clocks agree."""
    seen = engine.run("broker", home=str(deployment.root.resolve()), trade=False)
    evidence.record("broker", deployment.settings.broker)
    evidence.expect("refused", "", observed=seen["refused"])
    evidence.record("latency in ms", seen["latency_ms"])
    evidence.meets("clock_skew", observed=seen["skew_s"])


@test_the_broker_accepts_the_credentials.fails_when
def the_secret_is_another_one(engine: EngineUnderTest) -> None:
    """Requests are signed with a secret that is not the account's."""
    engine.edit(
        EXCHANGE,
        '**access.config, "enableRateLimit": False}',
        '**access.config, "secret": "another", "enableRateLimit": False}',
    )


@test_the_broker_accepts_the_credentials.fails_when
def the_clocks_disagree(engine: EngineUnderTest) -> None:
    """The venue's clock is two seconds behind, which its window for requests still allows."""
    engine.append(
        SERVER,
        """
        def wall_clock() -> datetime:
            return datetime.now(UTC) - timedelta(seconds=2)
        """,
    )


@ready.configuration("3.1.3")
def test_a_test_order_goes_all_the_way(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """The smallest order is placed, filled and journaled, and its position closed again."""
    seen = _traded(deployment, engine, evidence)
    evidence.record("symbol and quantity", [seen["symbol"], seen["quantity"]])
    states = [[side, state] for _, side, state, _ in seen["orders"]]
    evidence.expect("orders", [["buy", "filled"], ["sell", "filled"]], observed=states)
    evidence.expect(
        "held after the purchase", Decimal(seen["quantity"]), observed=Decimal(seen["held_between"])
    )
    evidence.expect("held in the end", Decimal(0), observed=Decimal(seen["held_after"]))
    journaled = [[client_id, side] for client_id, side, _ in seen["journaled_fills"]]
    ordered = [[client_id, side] for client_id, side, _, _ in seen["orders"]]
    evidence.expect("orders with a fill in the journal", ordered, observed=journaled)
    evidence.expect("how the session ended", 0, observed=seen["ended"][0])


@test_a_test_order_goes_all_the_way.fails_when
def the_exchange_rejects_orders(engine: EngineUnderTest) -> None:
    """No order is large enough for the venue."""
    engine.append(
        PRACTICE_VENUE,
        """
        def _place(self, *_args, **_options):
            raise RefusalError(-1013, "Filter failure: NOTIONAL")


        PracticeVenue.place = _place
        """,
    )


@test_a_test_order_goes_all_the_way.fails_when
def fills_are_not_journaled(engine: EngineUnderTest) -> None:
    """The engine is told of a trade that is not written down."""
    engine.append(
        RUNNER,
        """
        _thorough = Runner._process


        def _forgetful(self, event):
            if type(event).__name__ == "OrderFilled":
                self._wanted += self.engine.process(event)
            else:
                _thorough(self, event)


        Runner._process = _forgetful
        """,
    )


@ready.configuration("3.1.4")
def test_balances_agree_to_the_last_digit(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """After trading, the ledger has of every currency what the venue says there is."""
    seen = _traded(deployment, engine, evidence)
    ours = {name: Decimal(amount) for name, amount in seen["ledger"].items()}
    theirs = {name: Decimal(amount) for name, amount in seen["venue"].items()}
    evidence.record("currencies", sorted({*ours, *theirs}))
    assert theirs, "the account holds nothing: there is nothing to compare"
    apart = [
        abs(ours.get(name, Decimal(0)) - theirs.get(name, Decimal(0))) for name in {*ours, *theirs}
    ]
    evidence.meets("difference", observed=f"{max(apart):f}")


@test_balances_agree_to_the_last_digit.fails_when
def fees_are_forgotten(engine: EngineUnderTest) -> None:
    """A trade costs nothing in our books, and something at the venue."""
    engine.append(
        VENUE,
        """
        _honest = fill_of


        def fill_of(*found):
            from msgspec.structs import replace

            return replace(_honest(*found), fee=exact(None))
        """,
    )


# -- 3.1.6 order types -----------------------------------------------------------------------

MODIFIABLE = ("limit", "limit, post only")
WITH_TRIGGER = ("stop", "stop limit", "take profit", "take profit, limit")
AT_ONCE = {
    "limit, at once or not at all": "expired",
    "limit, whole or not at all": "expired",
    "market": "filled",
}


@ready.configuration("3.1.6")
def test_orders_of_each_type_do_what_they_are_told(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """After each step, the order at the exchange is the one that the engine believes in."""
    seen = engine.run("order_types")
    evidence.expect("types", sorted([*MODIFIABLE, *WITH_TRIGGER, *AT_ONCE]), observed=sorted(seen))
    working = {"engine": "accepted", "failed": [], "open_at_exchange": ["1"]}
    gone = {"engine": "cancelled", "open_at_exchange": []}
    for name in MODIFIABLE:
        evidence.expect(f"{name}: submitted", working, observed=seen[name]["submitted"])
        changed = working | {"open_at_exchange": ["2"]}
        evidence.expect(f"{name}: modified", changed, observed=seen[name]["modified"])
        evidence.expect(f"{name}: cancelled", gone, observed=_believed(seen[name]["cancelled"]))
    for name in WITH_TRIGGER:
        evidence.expect(f"{name}: submitted", working, observed=seen[name]["submitted"])
        # It is not claimed that these can be modified: the order has to be left as it was.
        kept = _believed(working)
        evidence.expect(f"{name}: kept", kept, observed=_believed(seen[name]["modified"]))
        evidence.expect(f"{name}: cancelled", gone, observed=_believed(seen[name]["cancelled"]))
    for name, state in AT_ONCE.items():
        over = {"engine": state, "open_at_exchange": []}
        evidence.expect(f"{name}: ended", over, observed=_believed(seen[name]["ended"]))


def _believed(both: dict[str, Any]) -> dict[str, Any]:
    """Return what both sides say of the order itself."""
    return {name: both[name] for name in ("engine", "open_at_exchange")}


@test_orders_of_each_type_do_what_they_are_told.fails_when
def a_modification_drops_the_trigger(engine: EngineUnderTest) -> None:
    """A stop that is modified becomes an order that trades at once."""
    engine.edit(VENUE, "        if order.trigger is not None:\n", "        if order.group == '':\n")


@test_orders_of_each_type_do_what_they_are_told.fails_when
def a_cancelled_order_stays_open(engine: EngineUnderTest) -> None:
    """The cancel is taken for done without being sent."""
    engine.append(
        VENUE,
        """
        async def _believe(self, client_id):
            self._update(client_id, OrderState.CANCELLED, self._ids.venue(client_id))


        CcxtVenue._cancel = _believe
        """,
    )


def _traded(deployment: Deployment, engine: EngineUnderTest, evidence: Evidence) -> Any:
    """Trade the smallest order; leave the check unproven where that would be real money."""
    settings = deployment.settings
    own = next((each for each in settings.venues if each.name == settings.broker), None)
    if settings.broker != PRACTICE and own is not None and not own.testnet:
        evidence.unproven(
            f"orders at {settings.broker} would be real",
            remedy=f"run test-broker --broker {settings.broker} --testnet",
        )
    seen = engine.run("broker", home=str(deployment.root.resolve()), trade=True)
    evidence.expect("refused", "", observed=seen["refused"])
    return seen
