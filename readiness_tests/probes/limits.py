"""Read the limits that a session under a deployment's settings has, from the engine itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rustybt.settings import load_settings
from rustybt.system.wiring import engine_settings


def main(arguments: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the limits by name, ``None`` for one that is off. *home* is the deployment's."""
    settings = load_settings(Path(arguments["home"]), {})
    wired = engine_settings(
        settings, symbols=("ELM/USDT",), interval=timedelta(minutes=1), currency="USDT"
    )
    names = ("max_position_size", "max_daily_loss", "max_leverage", "max_open_positions")
    values = {name: getattr(wired.limits, name) for name in names}
    values["guarded_daily_loss"] = wired.guard.daily_loss
    return {name: None if value is None else str(value) for name, value in values.items()}
