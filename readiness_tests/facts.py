"""Facts of a deployment for the checklist's predicates, and its secrets for redaction."""

from __future__ import annotations

import os
from pathlib import Path

from readiness_tests.subjects import Deployment
from rustybt.errors import RustyBTError
from rustybt.settings import load_settings


def facts_of(home: Path) -> dict[str, bool | int | str | None]:
    """Return what the settings in *home* say; nothing if they cannot be read.

    An unknown fact never excuses an item, so that broken settings cannot make items go away.
    """
    try:
        settings = load_settings(home, dict(os.environ))
    except RustyBTError:
        return {}
    return {
        "api_enabled": settings.api_enabled,
        "broker": settings.broker,
        "environment": str(settings.environment),
        "has_clients": settings.has_clients,
        "regulated": settings.regulated,
        "trading_calendar": settings.trading_calendar,
    }


def secrets_of(home: Path) -> list[str]:
    """Return the secrets that the deployment in *home* holds; none if it cannot be opened."""
    deployment = Deployment(home)
    try:
        keys = [key.get_secret_value() for key in deployment.settings.encryption_keys()]
        return [*keys, *deployment.secrets().values()]
    except RustyBTError:
        return []
