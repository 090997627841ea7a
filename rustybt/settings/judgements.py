"""What a careful colleague would say about settings that are valid but unusual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rustybt.settings.model import Settings
from rustybt.settings.values import is_loopback
from rustybt.settings.venues import PRACTICE

Level = Literal["warning", "problem"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A remark about the setting *key*: a *warning* to think about or a *problem* to fix."""

    key: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class _Rule:
    key: str
    broken: Callable[[Settings], bool]
    text: str
    level: Level = "warning"


def _in_production(settings: Settings) -> bool:
    return settings.environment == "production"


_RULES = (
    _Rule(
        "MAX_POSITION_SIZE",
        lambda settings: settings.max_position_size > Decimal("0.10"),
        "one position may take more than 10 % of equity",
    ),
    _Rule(
        "MAX_DAILY_LOSS",
        lambda settings: settings.max_daily_loss > Decimal("0.05"),
        "more than 5 % of equity may be lost in a day before trading halts",
    ),
    _Rule("MAX_LEVERAGE", lambda settings: settings.max_leverage > 2, "leverage may exceed 2x"),
    _Rule(
        "LOG_LEVEL",
        lambda settings: _in_production(settings) and settings.log_level != "INFO",
        "production logs at INFO",
    ),
    _Rule(
        "LOG_FORMAT",
        lambda settings: _in_production(settings) and settings.log_format != "json",
        "production logs as JSON",
    ),
    _Rule(
        "LOG_RETENTION_DAYS",
        lambda settings: settings.log_retention_days < 90,
        "logs are kept for less than 90 days",
    ),
    _Rule(
        "BROKER",
        lambda settings: _in_production(settings) and settings.broker == PRACTICE,
        "production trades on the practice exchange",
    ),
    _Rule(
        "API_AUTH_TOKEN",
        lambda settings: settings.api_enabled and settings.api_auth_token is None,
        "every user of this machine can call the API: it asks for no token",
    ),
    _Rule(
        "API_HOST",
        lambda settings: settings.api_enabled and not is_loopback(settings.api_host),
        "the API listens beyond this machine, without TLS of its own",
    ),
    _Rule(
        "DB_POOL_SIZE",
        lambda settings: settings.db_pool_size < settings.num_workers,
        "there are fewer database connections than workers",
    ),
    _Rule(
        "RUSTYBT_ENCRYPTION_KEY",
        lambda settings: not settings.encryption_keys(),
        "there is no encryption key, so the vault cannot be opened",
        "problem",
    ),
    _Rule(
        "RUSTYBT_ENCRYPTION_KEY",
        lambda settings: len(settings.encryption_keys()) > 1,
        "a key rotation is not finished: run `python -m rustybt rotate-keys`",
    ),
)


def judge(settings: Settings) -> tuple[Judgement, ...]:
    """Return the remarks about *settings*, in a fixed order; none is good news."""
    remarks = [
        Judgement(rule.key, rule.level, rule.text) for rule in _RULES if rule.broken(settings)
    ]
    # In clear is in clear in any environment, but only production has something to lose by it.
    level: Level = "problem" if _in_production(settings) else "warning"
    remarks += [
        Judgement(
            f"{venue.name}_{field}".upper(),
            level,
            "stands in clear: run `python -m rustybt encrypt-credentials`",
        )
        for venue in settings.venues
        for field in venue.plaintext()
    ]
    return tuple(remarks)
