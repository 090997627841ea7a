"""What goes wrong in a simulated world, and how often: drawn from the seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import random

_HOW_OFTEN = (0.0, 0.0, 0.02, 0.08, 0.2)
"""A world is calm in some ways and wild in others."""


class Faults(Struct, frozen=True, kw_only=True):
    """How likely each fault is, as a share of its occasions.

    * Requests: *lose_request* never arrives and *lose_reply* is never answered; *break_before* and
      *break_after* end in an error that leaves open whether it arrived; *not_sent*, *refuse*,
      *slow_request* (arrives many seconds later), *slow_reply* and *twice* (answered twice).
    * Stream: *lose_report*, *repeat_report*, *delay_report* (overtaken by later ones),
      *disconnect* (per second).
    * Venue: *lag* (seconds for which a new order is "not found"), *filters* (per bar).
    * Here: *crash* (per step), *clock_back* (per bar), *operator* (per bar), *lose_bar*,
      *delay_bar*, *repeat_bar*.
    """

    lose_request: float = 0.0
    lose_reply: float = 0.0
    break_before: float = 0.0
    break_after: float = 0.0
    not_sent: float = 0.0
    refuse: float = 0.0
    slow_request: float = 0.0
    slow_reply: float = 0.0
    twice: float = 0.0
    lose_report: float = 0.0
    repeat_report: float = 0.0
    delay_report: float = 0.0
    disconnect: float = 0.0
    lag: float = 0.0
    filters: float = 0.0
    crash: float = 0.0
    clock_back: float = 0.0
    operator: float = 0.0
    lose_bar: float = 0.0
    delay_bar: float = 0.0
    repeat_bar: float = 0.0


CALM = Faults()
"""Nothing goes wrong."""

_RARER = {"crash": 0.1, "not_sent": 0.5, "refuse": 0.5, "slow_request": 0.5}


def drawn(chance: random.Random) -> Faults:
    """Return faults as *chance* will have them."""
    rates = {
        name: chance.choice(_HOW_OFTEN) * _RARER.get(name, 1.0) for name in Faults.__struct_fields__
    }
    rates["lag"] = chance.choice((0.0, 0.0, 1.0, 4.0))
    return Faults(**rates)
