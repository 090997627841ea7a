"""What a trading engine is told once: what it trades, what it may risk, when it has doubts."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.risk.limits import MINUTE, RiskLimits

FEED: Final = "feed"
"""The component that brings bars, in ``ConnectionLost`` and ``ConnectionRestored``."""

_PREFIX = re.compile(r"[A-Za-z0-9]{1,10}")
_SECOND = timedelta(seconds=1)


class Kind(StrEnum):
    """In what our books and the venue can differ."""

    MISSED_FILL = "missed_fill"
    """The venue has traded more of an order than it told us."""
    UNKNOWN_ORDER = "unknown_order"
    """An open order with an id of ours that is not in our books: their end was lost."""
    FOREIGN_ORDER = "foreign_order"
    """An open order of somebody else."""
    LOST_ORDER = "lost_order"
    """An order that works according to our books is not open at the venue."""
    STATE_DRIFT = "state_drift"
    """An order that has ended, or has other terms, according to our books is open there."""
    QUANTITY_DRIFT = "quantity_drift"
    """The venue has another quantity of what we trade."""
    CASH_DRIFT = "cash_drift"
    """The venue has another amount of a currency."""
    FOREIGN_POSITION = "foreign_position"
    """The venue holds what we do not trade."""


class Policy(StrEnum):
    """What becomes of a difference once it is certain."""

    BOOK = "book"
    """Believe the venue: bring the books to what it says."""
    CANCEL = "cancel"
    """Take the order into the books and cancel it."""
    HALT = "halt"
    """Trip the breaker."""
    ALERT = "alert"
    """Tell people, go on."""


_DEFAULT_POLICIES: Final = {
    Kind.MISSED_FILL: Policy.BOOK,
    Kind.UNKNOWN_ORDER: Policy.CANCEL,
    Kind.FOREIGN_ORDER: Policy.ALERT,
    Kind.LOST_ORDER: Policy.BOOK,
    Kind.STATE_DRIFT: Policy.BOOK,
    Kind.QUANTITY_DRIFT: Policy.HALT,
    Kind.CASH_DRIFT: Policy.HALT,
    Kind.FOREIGN_POSITION: Policy.ALERT,
}


class OnStop(StrEnum):
    """What becomes of open orders at a planned end."""

    CANCEL = "cancel"
    KEEP = "keep"


class GuardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the breaker trips by itself; ``None`` switches a trigger off.

    *daily_loss* and *drawdown* are fractions of the equity at the start of the day (UTC) and of
    its highest; *max_orders* and *max_errors* (failed requests) count within *window*;
    *max_rejections* counts those in a row. *stale_after* is how long a symbol may bring no bar
    while trading is enabled, *max_skew* how far the clock may be off the venue's, in milliseconds,
    as heartbeats tell (state ``skew_ms``). *max_snapshot_failures* counts snapshots in a row that
    could not be had.
    """

    daily_loss: Decimal | None = None
    drawdown: Decimal | None = None
    max_orders: int | None = None
    max_errors: int | None = 20
    window: timedelta = MINUTE
    max_rejections: int | None = 5
    stale_after: timedelta | None = None
    max_skew: int | None = None
    max_snapshot_failures: int | None = 10

    def __post_init__(self) -> None:
        problems = Problems()
        for name in ("daily_loss", "drawdown"):
            if getattr(self, name) is not None:
                problems.positive(name, getattr(self, name))
        for name in (
            "max_orders",
            "max_errors",
            "max_rejections",
            "max_skew",
            "max_snapshot_failures",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"{name} must be at least 1, not {value}")
        if self.window < _SECOND:
            problems.append(f"window must be at least a second, not {self.window}")
        if self.stale_after is not None and self.stale_after < _SECOND:
            problems.append(f"stale_after must be at least a second, not {self.stale_after}")
        problems.refuse("guard", "settings")


class EngineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to trade *symbols* on bars of *interval*, in an account kept in *currency*.

    * *prefix*: what our client ids begin with, 1 to 10 letters and digits; ids are
      ``PREFIX-SESSION-NUMBER``.
    * *reconcile_every*: time between snapshots; *overlap*: how far before the last complete one
      trades are asked for again, which has to exceed what clocks may differ.
    * *query_after*: when an order without an answer is asked for, and how often; it counts as
      never arrived once it was missing *query_tries* times and for *query_threshold*.
    * *bars_grace*: how long the bars of an instant wait for those of the other symbols.
    * *max_bar_age*: what is wished on a bar that ended longer ago is denied (it was caught up).
    * *groups_at_venue*: whether the venue follows the rules of brackets itself.
    * *on_stop*, *stop_within*: what becomes of open orders at the end, and how long it may take.
    * *cancel_on_trip*: whether a trip cancels open orders; with *allow_reducing* the ones that
      only reduce stay, and new ones like that are allowed.
    * *warm_up*: how many earlier bars the strategy wants to see; for whoever fetches them.

    Raise :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    symbols: tuple[str, ...]
    interval: timedelta
    currency: str
    limits: RiskLimits = RiskLimits()
    guard: GuardSettings = GuardSettings()
    prefix: str = "RBT"
    reconcile_every: timedelta = MINUTE
    overlap: timedelta = MINUTE
    query_after: timedelta = timedelta(seconds=2)
    query_threshold: timedelta = timedelta(seconds=5)
    query_tries: int = 5
    bars_grace: timedelta = _SECOND
    max_bar_age: timedelta | None = None
    groups_at_venue: bool = True
    on_stop: OnStop = OnStop.CANCEL
    stop_within: timedelta = timedelta(seconds=30)
    cancel_on_trip: bool = True
    allow_reducing: bool = True
    warm_up: int = 0
    policies: dict[Kind, Policy] = {}

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            problems.append(f"symbols must be different ones, at least one, not {self.symbols}")
        problems.text("currency", self.currency)
        if not _PREFIX.fullmatch(self.prefix):
            problems.append(f"prefix must be 1 to 10 letters and digits, not {self.prefix!r}")
        for name in ("interval", "reconcile_every", "query_after", "bars_grace", "stop_within"):
            if getattr(self, name) <= timedelta(0):
                problems.append(f"{name} must be longer than nothing, not {getattr(self, name)}")
        if self.query_tries < 1 or self.warm_up < 0:
            problems.append("query_tries must be at least 1 and warm_up at least 0")
        problems.refuse("engine", "settings")

    def policy(self, kind: Kind) -> Policy:
        """Return what becomes of a difference of *kind*."""
        return self.policies.get(kind, _DEFAULT_POLICIES[kind])
