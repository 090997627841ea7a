"""What the HTTP interface says and takes. Amounts are exact decimals, as text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["1250.75"])]
"""An exact decimal."""
Words = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=500, strip_whitespace=True, pattern=r"^[^\x00-\x1f]*$"
    ),
]
"""Text in one line that says something."""


class _Model(BaseModel):
    """What all of them share: nothing beyond what is declared."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(_Model):
    """Why a request was refused."""

    detail: str


class Component(_Model):
    """One part of a deployment. *ok* is false when trading cannot rely on it."""

    ok: bool
    state: str


class Health(_Model):
    """Whether all is well, and each component."""

    status: Literal["ok", "failing"]
    time: datetime
    components: dict[str, Component]


class BreakerStatus(_Model):
    """Whether new risk is refused, since when and why."""

    tripped: bool
    since: datetime | None
    cause: str


class PositionStatus(_Model):
    """What is held of a symbol, at which price it was bought, and the last one."""

    quantity: Amount
    average_price: Amount | None
    price: Amount | None


class OrderStatus(_Model):
    """An order that is open."""

    client_id: str
    venue_id: str | None
    symbol: str
    side: str
    type: str
    quantity: Amount
    filled: Amount
    price: Amount | None
    trigger: Amount | None
    state: str
    created: datetime | None
    reason: str


class Status(_Model):
    """How the engine stands, as ``rustybt status`` says it, and what it holds.

    *feed_age* and *journal_lag* are in seconds; the latter is how far the journal is behind what a
    running engine knows. *journal_sequence* is the number of the last record.
    """

    time: datetime
    engine: Literal["running", "not running", "silent"]
    session: int
    session_id: str
    session_time: datetime | None
    mode: str
    clock: str
    phase: str
    enabled: bool
    breaker: BreakerStatus
    lost: dict[str, str]
    in_doubt: int
    currency: str
    equity: Amount
    daily_pnl: Amount | None
    cash: dict[str, Amount]
    positions: dict[str, PositionStatus]
    orders: list[OrderStatus]
    feed_age: dict[str, float]
    journal_sequence: int
    journal_lag: float | None
    problem: str


class Live(_Model):
    """What the page shows."""

    status: Status
    health: Health


class Verdict(_Model):
    """The last verdict on the deployment's readiness that was written into its home."""

    status: str
    scope_status: str
    stage: str
    at: datetime
    valid_until: datetime | None
    counts: dict[str, int]
    digest: str


class HaltRequest(_Model):
    """Who halts trading, and why: both go into the audit log."""

    operator: Words
    reason: Words


class HaltAnswer(_Model):
    """The running engine has taken it."""

    accepted: Literal["halt"]
    operator: str
    reason: str
