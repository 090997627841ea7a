"""What may be risked, and how a refusal is put."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from rustybt.model.checks import Problems

TradingHours = Callable[[str, datetime], bool]
"""Tell whether a symbol may be traded at an instant, in UTC."""

MINUTE: Final = timedelta(minutes=1)


class Limit(StrEnum):
    """The limits, by the names that settings, denials and alerts use."""

    MAX_POSITION_SIZE = "max_position_size"
    MAX_ORDER_NOTIONAL = "max_order_notional"
    MAX_DAILY_LOSS = "max_daily_loss"
    MAX_LEVERAGE = "max_leverage"
    MAX_OPEN_POSITIONS = "max_open_positions"
    MAX_ORDER_RATE = "max_order_rate"
    PRICE_COLLAR = "price_collar"
    RESTRICTED = "restricted"
    TRADING_HOURS = "trading_hours"
    BREAKER = "breaker"
    """The circuit breaker has tripped."""
    KNOWN_VALUE = "known_value"
    """A limit needs an instrument, price or exchange rate that nobody knows."""


class RiskLimits(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """The limits that an order has to keep; ``None`` switches one off.

    * *max_position_size*: value of one position, as a fraction of equity.
    * *max_order_notional*: value of one order, in the currency of the account.
    * *max_daily_loss*: fraction of the equity at the start of the day; once it is lost, nothing is
      opened any more that day.
    * *max_leverage*: value of all positions, long and short alike, as a multiple of equity.
    * *max_open_positions*: number of instruments held.
    * *price_collar*: how much worse than the market a limit may be, as a fraction of the price.
    * *max_order_rate*: orders within *rate_window*.
    * *restricted*: symbols that must not be traded in either direction.

    Positions are counted at their worst: with the working orders that enlarge them filled, and
    without the ones that reduce them. Raise :class:`~rustybt.model.errors.InvalidValueError`
    naming all problems.
    """

    max_position_size: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_daily_loss: Decimal | None = None
    max_leverage: Decimal | None = None
    max_open_positions: int | None = None
    price_collar: Decimal | None = None
    max_order_rate: int | None = None
    rate_window: timedelta = MINUTE
    restricted: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        problems = Problems()
        for name in (
            "max_position_size",
            "max_order_notional",
            "max_daily_loss",
            "max_leverage",
            "price_collar",
        ):
            if getattr(self, name) is not None:
                problems.positive(name, getattr(self, name))
        for name in ("max_open_positions", "max_order_rate"):
            count = getattr(self, name)
            if count is not None and (type(count) is not int or count < 1):
                problems.append(f"{name} must be a whole number of at least 1, not {count!r}")
        if self.rate_window <= timedelta(0):
            problems.append(f"rate_window must be longer than nothing, not {self.rate_window}")
        for symbol in sorted(self.restricted, key=str):
            problems.text("a restricted symbol", symbol)
        problems.refuse("risk", "limits")


class Denial(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """An order that was not approved, and the one limit that forbids it.

    *value* is what the order would lead to and *threshold* the limit, in the limit's own unit; a
    value that had to be divided is rounded up to 40 digits. Both are ``None`` where the limit is
    not a number. *detail* is a sentence for people.
    """

    client_id: str
    time: datetime
    limit: Limit
    detail: str
    value: Decimal | None = None
    threshold: Decimal | None = None

    def __str__(self) -> str:
        figures = "" if self.value is None else f" ({self.value} against {self.threshold})"
        return f"{self.limit}{figures}: {self.detail}"
