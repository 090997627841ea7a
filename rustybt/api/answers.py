"""The answers of the HTTP interface, made from how things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from pydantic import ValidationError

from rustybt.api import figures
from rustybt.api.errors import ApiError
from rustybt.api.models import Component, Health, Status, Verdict
from rustybt.malformed import MALFORMED
from rustybt.trading.summary import orders, summary

if TYPE_CHECKING:
    from rustybt.api.watch import View
    from rustybt.home import Home

_LONGEST_RECORD: Final = 64_000_000
_FROM_SUMMARY: Final = (
    *("session", "session_id", "phase", "enabled", "breaker", "lost", "in_doubt"),
    *("currency", "equity", "cash", "positions"),
)


def health(view: View) -> Health:
    """Return whether all is well, and each component."""
    found = figures.components(view)
    return Health(
        status="ok" if all(each.ok for each in found.values()) else "failing",
        time=view.now,
        components={name: Component(ok=each.ok, state=each.state) for name, each in found.items()},
    )


def status(view: View) -> Status:
    """Return how the engine stands and what it holds."""
    told = summary(view.state)
    lag, gained = figures.journal_lag(view), figures.daily_pnl(view)
    fields: dict[str, Any] = {name: told[name] for name in _FROM_SUMMARY}
    fields |= {
        "time": view.now,
        "engine": view.engine,
        "session_time": view.state.time,
        "mode": view.tally.mode,
        "clock": view.tally.clock,
        "daily_pnl": None if gained is None else f"{gained:f}",
        "orders": orders(view.state),
        "feed_age": {name: age.total_seconds() for name, age in figures.feed_ages(view).items()},
        "journal_sequence": view.sequence,
        "journal_lag": None if lag is None else lag.total_seconds(),
        "problem": view.problem,
    }
    return Status.model_validate(fields)


def verdict(home: Home) -> Verdict | None:
    """Return the last verdict in the deployment's home; ``None`` if there is none.

    Raise :class:`~rustybt.api.errors.ApiError` if the file is no readiness record.
    """
    path = home.readiness / "readiness.json"
    try:
        if path.stat().st_size > _LONGEST_RECORD:
            raise ApiError(f"{path.name} is too large to be a readiness record")
        record = msgspec.json.decode(path.read_bytes())
        said = record["verdict"]
        wanted = {name: said.get(name) for name in Verdict.model_fields if name != "digest"}
        return Verdict.model_validate({**wanted, "digest": record["digest"]})
    except FileNotFoundError:
        return None
    except (*MALFORMED, OSError, KeyError, AttributeError, TypeError, ValidationError):
        raise ApiError(
            f"{path.name} is no readiness record",
            remedy="judge the deployment again with --ready-report HOME/readiness",
        ) from None
