"""The states of an order, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class OrderState(StrEnum):
    """Where an order is in its life."""

    NEW = "new"
    """Made here, not yet approved or sent."""
    DENIED = "denied"
    """Refused by our own risk manager; the venue never saw it."""
    SUBMITTED = "submitted"
    """In flight. It stays here while nobody knows whether the venue has it."""
    ACCEPTED = "accepted"
    """Working at the venue."""
    TRIGGERED = "triggered"
    """Its trigger was reached; now it works as a market or limit order."""
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """Refused by the venue."""


_S = OrderState
_FILLS = frozenset({_S.PARTIALLY_FILLED, _S.FILLED})
_ENDS = frozenset({_S.CANCELLED, _S.EXPIRED, _S.REJECTED})
PENDING: Final = frozenset({_S.PENDING_CANCEL, _S.PENDING_REPLACE})
"""States in which the venue has been asked to cancel or modify and has not answered."""
CLOSED: Final = frozenset({_S.DENIED, _S.FILLED, *_ENDS})
"""States in which the venue is not expected to trade the order any more."""
UNFILLED: Final = frozenset({_S.NEW, _S.DENIED, _S.SUBMITTED, _S.ACCEPTED, _S.TRIGGERED})
"""States in which nothing can have been filled."""

TRANSITIONS: Final[Mapping[OrderState, frozenset[OrderState]]] = MappingProxyType(
    {
        # An order that waits for its bracket's entry may be dropped, or outlive its time.
        _S.NEW: frozenset({_S.DENIED, _S.SUBMITTED, _S.CANCELLED, _S.EXPIRED}),
        _S.DENIED: frozenset(),
        # The stream may report the trade, the trigger or the end before the reply to our request
        # brings the acknowledgement. A cancel may be sent while that reply is outstanding.
        _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.TRIGGERED, _S.PENDING_CANCEL, *_FILLS, *_ENDS}),
        # Rejected after accepted: some venues do so to a post-only order that would have crossed.
        _S.ACCEPTED: frozenset({_S.TRIGGERED, *PENDING, *_FILLS, *_ENDS}),
        # Rejected after triggered: the market or limit order it became may lack funds.
        _S.TRIGGERED: frozenset({*PENDING, *_FILLS, *_ENDS}),
        _S.PARTIALLY_FILLED: frozenset({*PENDING, *_FILLS, _S.CANCELLED, _S.EXPIRED}),
        # A trade while the cancel is under way leaves the cancel pending (the row names itself);
        # the venue may refuse the cancel, and the order goes back to work.
        _S.PENDING_CANCEL: frozenset(
            {_S.PENDING_CANCEL, _S.ACCEPTED, _S.TRIGGERED, *_FILLS, *_ENDS}
        ),
        # The same for a modification, and a cancel may overtake it.
        _S.PENDING_REPLACE: frozenset({*PENDING, _S.ACCEPTED, _S.TRIGGERED, *_FILLS, *_ENDS}),
        # Stream and REST both report the last trade.
        _S.FILLED: frozenset({_S.FILLED}),
        # Venues report fills that raced with the cancel; dropping one loses money. A fill of a
        # part leaves the rest cancelled, and stream and REST both report the cancel.
        _S.CANCELLED: frozenset({_S.CANCELLED, _S.FILLED}),
        # The same race at the end of the session or of the order's time.
        _S.EXPIRED: frozenset({_S.EXPIRED, _S.FILLED}),
        # "Not found" right after the create; then it turns up after all, working or done.
        _S.REJECTED: frozenset(
            {_S.REJECTED, _S.ACCEPTED, _S.TRIGGERED, *_FILLS, _S.CANCELLED, _S.EXPIRED}
        ),
    }
)
"""From each state, the states that may follow. What is not here raises."""
