"""Failures that really happened to other systems: positions, sizes, filters. Each is provoked."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from rustybt.model.event import OrderFilled
from rustybt.model.order_state import OrderState
from rustybt.trading.fold import COMMAND
from rustybt.trading.reports import InstrumentsChanged

BTC = "BTC/USDT"
Tales = Any
HALF = 2.0
"""So thin a market trades four tenths of what is left of an order each time it moves."""


def buy(quantity: str, **terms: Any) -> Any:
    """Return the wish to buy."""
    return lambda strategy: strategy.buy(BTC, quantity, **terms)


def close(strategy: Any) -> None:
    """Sell all that is held."""
    strategy.close_position(BTC)


def commands(tale: Tales, kind: str) -> list[dict[str, Any]]:
    """Return the commands of a kind that are in the journal."""
    found = [
        json.loads(each.payload) for each in tale.world.machine.journal if each.kind == COMMAND
    ]
    return [each for each in found if each["type"] == kind]


def test_failure_07_a_position_older_than_what_the_venue_tells_is_kept(tale: Tales) -> None:
    """After an hour no snapshot goes back to its trade; a restart still knows it, and sells it."""
    tale.wish(buy("1")).wait(3600).kill()
    (trade,) = tale.world.venue.trades
    since = commands(tale, "take_snapshot")[-1]["since"]
    assert since > (trade.time + timedelta(minutes=50)).isoformat()
    assert tale.engine.ledger.quantity(BTC) == Decimal(1)
    tale.wish(close)
    assert tale.engine.ledger.quantity(BTC) == Decimal(0)
    tale.ends_well()


def test_failure_11_an_order_that_is_filled_twice_stops_trading(tale: Tales) -> None:
    """A second trade of its whole size, with an id of its own, cannot be: nothing more is sent."""
    tale.wish(buy("1"))
    twice = replace(tale.world.venue.trades[0], trade_id="T99")
    tale.world.network.report(lambda time: OrderFilled(time=time, fill=twice))
    tale.wait(0.3)
    assert tale.engine.breaker.cause.startswith("overfill: ")
    assert tale.engine.orders["RBT-1-1"].filled == Decimal(1)
    tale.wish(buy("1"))
    assert len(tale.orders) == 1


def test_failure_11_the_venue_of_the_simulation_fills_what_was_ordered_and_no_more(
    tale: Tales,
) -> None:
    """However often the market comes back to the limit."""
    tale.wish(buy("1", limit="95"))
    for price in ("94", "96", "94", "93", "96", "94"):
        tale.market(price)
    assert [trade.quantity for trade in tale.world.venue.trades] == [Decimal(1)]
    tale.ends_well()


def test_failure_19_after_a_stop_that_traded_in_part_the_rest_is_the_next_size(
    tale: Tales,
) -> None:
    """Its group is cancelled, the process is killed, and the position closed: what is left."""
    tale.wish(lambda each: each.bracket(BTC, "1", take_profit="120", stop_loss="95"))
    tale.wait(1).world.venue.thin = HALF
    tale.market("94")
    tale.world.venue.thin = 0.0
    stop = next(order for order in tale.orders if order.filled and order.client_id != "RBT-1-1")
    assert Decimal(0) < stop.filled < Decimal(1)
    tale.operator("cancel", client_id=stop.client_id).kill().wish(close)
    assert tale.orders[-1].quantity == Decimal(1) - stop.filled
    assert tale.engine.ledger.quantity(BTC) == Decimal(0)
    tale.ends_well()


def test_failure_22_a_stop_is_put_on_the_price_grid(tale: Tales) -> None:
    """Prices have more digits than the venue takes; it refuses none of them."""
    tale.wish(
        lambda each: each.bracket(
            BTC, "1", limit="100.001", take_profit="110.12345", stop_loss="90.12345"
        )
    ).wait(1)
    prices = sorted(order.trigger or order.price or Decimal(0) for order in tale.orders)
    assert prices[0] == Decimal("90.12")
    assert all(order.state is not OrderState.REJECTED for order in tale.engine.orders.orders())
    tale.ends_well()


def test_failure_39_filters_that_change_meanwhile_cost_one_refusal(tale: Tales) -> None:
    """An order on the old grid is refused and told; the next one is on the new grid."""
    changed = replace(
        tale.world.venue.instruments[BTC], lot=Decimal("0.01"), min_quantity=Decimal("0.01")
    )
    tale.world.venue.instruments[BTC] = changed
    tale.wish(buy("0.123"))
    assert tale.engine.orders["RBT-1-1"].state is OrderState.REJECTED
    machine = tale.world.machine
    machine.hear(
        lambda time: InstrumentsChanged(time=time, instruments=(changed,)), machine.generation
    )
    tale.wish(buy("0.123"))
    assert [order.filled for order in tale.orders] == [Decimal("0.12")]
    tale.ends_well()
