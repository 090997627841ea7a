"""A deployment's settings: read from ``.env`` and the environment, validated, frozen."""

from rustybt.settings.env_file import MAX_BYTES, EnvFile, decode, parse_env, read_env_file
from rustybt.settings.judgements import Judgement, judge
from rustybt.settings.loading import (
    ENCRYPTION_KEY,
    credential_of,
    load_settings,
    venue_variables,
)
from rustybt.settings.model import (
    CREDENTIAL_FIELDS,
    EffectiveSetting,
    Settings,
    VenueSettings,
    venue_key,
)
from rustybt.settings.values import Environment
from rustybt.settings.venues import PRACTICE, VENUES, required_fields

__all__ = [
    "CREDENTIAL_FIELDS",
    "ENCRYPTION_KEY",
    "MAX_BYTES",
    "PRACTICE",
    "VENUES",
    "EffectiveSetting",
    "EnvFile",
    "Environment",
    "Judgement",
    "Settings",
    "VenueSettings",
    "credential_of",
    "decode",
    "judge",
    "load_settings",
    "parse_env",
    "read_env_file",
    "required_fields",
    "venue_key",
    "venue_variables",
]
