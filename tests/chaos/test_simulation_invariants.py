"""The simulation's own judgement: each thing that must hold is missed when it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rustybt.cli.simulate import simulate
from rustybt.model.order_state import OrderState
from rustybt.trading.simulation.invariants import unsettled
from rustybt.trading.simulation.session import Session, last_steps, run_session

BTC = "BTC/USDT"
Tales = Any


def bought(tale: Tales) -> Tales:
    """Return the tale after a purchase, with another order that works."""
    tale.wish(lambda each: each.buy(BTC, 1), lambda each: each.buy(BTC, 1, limit="90"))
    assert unsettled(tale.world) == ()
    return tale


def test_an_amount_that_differs_in_the_last_digit_is_seen(tale: Tales) -> None:
    """The ledger has to equal the venue exactly."""
    bought(tale).world.venue.amounts["USDT"] += Decimal("0.00000001")
    (problem,) = unsettled(tale.world)
    assert problem.startswith("USDT: ")


def test_an_order_that_the_venue_has_not_is_seen(tale: Tales) -> None:
    """The engine believes that it works."""
    del bought(tale).world.venue.orders["RBT-1-2"]
    assert unsettled(tale.world) == ("RBT-1-2 is accepted here, and unknown at the venue",)


def test_an_order_that_only_the_venue_has_is_seen(tale: Tales) -> None:
    """Whatever its id looks like."""
    orders = bought(tale).world.venue.orders
    orders["RBT-9-9"] = orders["RBT-1-2"]
    assert unsettled(tale.world) == ("RBT-9-9 is at the venue and unknown here",)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"state": OrderState.CANCELLED}, "is accepted here and cancelled at the venue"),
        ({"filled": Decimal("0.1")}, "traded 0 here and 0.1 at the venue"),
        ({"quantity": Decimal(2)}, "is of 1 here and of 2 at the venue"),
    ],
)
def test_an_order_that_differs_is_seen(tale: Tales, changes: dict[str, Any], seen: str) -> None:
    """In state, in what has traded, in its size."""
    placed = bought(tale).world.venue.orders["RBT-1-2"]
    for name, value in changes.items():
        setattr(placed, name, value)
    assert unsettled(tale.world) == (f"RBT-1-2 {seen}",)


def test_other_trades_of_the_same_size_are_seen(tale: Tales) -> None:
    """Trades are compared by their ids."""
    placed = bought(tale).world.venue.orders["RBT-1-1"]
    placed.fills = [replace(each, trade_id="other") for each in placed.fills]
    assert unsettled(tale.world) == ("RBT-1-1 has other trades",)


def test_a_changed_record_is_seen(tale: Tales) -> None:
    """The chain names it; what it adds up to is another matter."""
    journal = bought(tale).world.machine.journal
    journal[5] = replace(journal[5], micros=journal[5].micros + 1)
    assert unsettled(tale.world)[0].startswith("the chain is broken: record 6")


def test_a_record_that_is_missing_at_the_end_is_seen(tale: Tales) -> None:
    """The journal does not add up to what the engine knows."""
    del bought(tale).world.machine.journal[-20:]
    assert unsettled(tale.world) == ("the journal does not add up to what the engine knows",)


def test_an_engine_that_does_not_run_is_seen(tale: Tales) -> None:
    """There would be nothing to compare."""
    tale.world.machine.crash("by the test")
    assert unsettled(tale.world) == ("the engine does not run",)


def test_a_doubt_that_stays_is_seen(tale: Tales) -> None:
    """An answer is owed, and a recovery is not over."""
    tale.faults(lose_request=1.0).wish(lambda each: each.buy(BTC, 1))
    assert unsettled(tale.world)[0] == "RBT-1-1: nobody has found out what became of it"
    tale.kill()
    assert unsettled(tale.world)[0] == "the recovery is still asking"


def test_an_id_that_leaves_twice_is_seen(tale: Tales) -> None:
    """Each stands for one order for ever."""
    tale.world.watch.sending("RBT-1-1")
    tale.wish(lambda each: each.buy(BTC, 1))
    assert tale.world.watch.broken == ["RBT-1-1 was sent twice"]


def test_a_failure_is_told_with_its_last_steps_and_how_to_replay_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A person can begin at once."""
    from rustybt.cli.simulate import _failure, _print

    good = run_session(1)
    bad = Session(
        **{name: getattr(good, name) for name in Session.__struct_fields__[:-1]},
        broken=("something",),
    )
    _print([good, bad], [bad])
    told = capsys.readouterr().out
    assert "replay it: python -m rustybt simulate --seed 1 --sessions 1\n  something\n" in told
    assert all(line in told for line in last_steps(bad))
    assert _failure(bad)["broken"] == ["something"]


def test_the_command_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    """In words, and as JSON."""
    simulate(seed=1, sessions=2, json=False)
    assert capsys.readouterr().out.endswith("every invariant held in every session\n")
    simulate(seed=1, sessions=2, json=True)
    assert '"failures": []' in capsys.readouterr().out
