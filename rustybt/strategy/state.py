"""What a strategy wants to remember, as bytes that outlive the process."""

from __future__ import annotations

import json
import math
from typing import Any

from rustybt.strategy.errors import StrategyError

State = dict[str, Any]


def dump_state(state: State) -> bytes:
    """Return *state* as JSON, the same bytes for equal states.

    It may hold text, numbers, booleans, ``None``, lists and dictionaries with text as keys. Raise
    :class:`~rustybt.strategy.errors.StrategyError` naming the first value that is none of these:
    it would not come back as what it was (a decimal or a time has to be kept as text).
    """
    _check(state, "state")
    return json.dumps(state, sort_keys=True, separators=(",", ":")).encode()


def load_state(data: bytes) -> State:
    """Return the state that :func:`dump_state` made *data* of; raise if it did not."""
    try:
        state = json.loads(data)
    except ValueError as error:
        raise StrategyError(f"the strategy's state is not JSON: {error}") from None
    if not isinstance(state, dict):
        raise StrategyError(f"the strategy's state is a {type(state).__name__}, not a dictionary")
    return state


def _check(value: object, place: str) -> None:
    """Raise if *value*, found at *place*, would not survive."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                raise _unfit(place, f"the key {key!r} is not text")
            _check(item, f"{place}[{key!r}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _unfit(place, f"{value} is not a finite number")
    elif value is not None and type(value) not in (bool, int, float, str):
        raise _unfit(place, f"it is a {type(value).__name__}")


def _unfit(place: str, problem: str) -> StrategyError:
    """Return the error for a value that would not survive."""
    return StrategyError(
        f"{place} cannot be kept: {problem}",
        expected="text, finite numbers, booleans, None, lists and dictionaries of these",
        remedy="keep decimals and times as text",
    )
