"""Read a deployment's settings: defaults, then ``.env``, then the process environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rustybt.errors import HomeError, SettingsError, SettingsProblem
from rustybt.files import expanded, read_bounded
from rustybt.home import Home
from rustybt.settings.env_file import MASK, read_env_file
from rustybt.settings.model import CREDENTIAL_FIELDS, Settings, aliases, is_secret, venue_key
from rustybt.settings.venues import PRACTICE, VENUES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from rustybt.settings.env_file import EnvFile

ENCRYPTION_KEY = "RUSTYBT_ENCRYPTION_KEY"
ALERT_VARIABLE = re.compile(r"ALERT_[A-Z0-9_]{1,60}")
"""Names of secrets in ``.env`` that no setting is made of: addresses in alerts.yaml name them."""
_MAX_KEY_FILE_BYTES = 4096
_LOOKS_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9_+/=-]{20,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """What is known about one key of ``.env``; *venue* is empty for the engine's own."""

    field: str
    expected: str
    venue: str = ""
    secret: bool = False
    optional: bool = False  # an empty value means "not set"


def _known_keys() -> dict[str, _Key]:
    own = {
        key: _Key(
            field=key,
            expected=Settings.model_fields[name].description or "",
            secret=is_secret(Settings, name),
            optional=Settings.model_fields[name].default is None,
        )
        for name, key in aliases().items()
    }
    return own | {
        venue_key(venue, field): _venue_field(venue, field)
        for venue in VENUES
        for field in ("testnet", *CREDENTIAL_FIELDS)
    }


def _venue_field(venue: str, field: str) -> _Key:
    if field == "testnet":
        return _Key(field=field, venue=venue, expected="true or false")
    expected = f"the {field} that {venue} gave you"
    return _Key(field=field, venue=venue, expected=expected, secret=True, optional=True)


KNOWN = _known_keys()


@dataclass(frozen=True, slots=True)
class _Raw:
    """A value as it was found, before it is validated."""

    text: str
    source: str


def load_settings(home: Path, environ: Mapping[str, str]) -> Settings:
    """Return the settings of the deployment in *home*.

    ``home/.env`` overrides the defaults, *environ* overrides both. Of *environ* only keys that are
    known count, and of venues' credentials only those of the configured broker: other programs
    use names such as ``GEMINI_API_KEY`` too. An empty value means "not set" where a setting may be
    absent, and is a problem elsewhere. Raises `HomeError` if there is no readable ``.env`` and
    `SettingsError` with every problem at once: unreadable lines, unknown and repeated keys, wrong
    types, values out of range. Changes nothing.
    """
    place = Home(expanded(home).absolute())
    env_file = _read(place)
    found = {
        assignment.key: _Raw(assignment.value, f"{env_file.name}:{assignment.line}")
        for assignment in env_file.assignments
    }
    problems = [*env_file.problems, *_unknown(found), *_second_key(place, found)]
    raw = {key: value for key, value in found.items() if key in KNOWN}
    raw |= _from_key_file(place, raw)
    raw |= _from_environment(environ, raw)
    problems += [*_empty(raw), *_unprintable(raw)]
    given = {key: value for key, value in raw.items() if value.text}
    settings = _validate(place, given, problems)
    if settings is None or problems:
        raise SettingsError(sorted(problems, key=_position))
    return settings


def credential_of(key: str) -> tuple[str, str] | None:
    """Return the venue and field of a credential that *key* names, or ``None`` for other keys."""
    known = KNOWN.get(key)
    if known is None or known.field not in CREDENTIAL_FIELDS:
        return None
    return known.venue, known.field


def venue_variables(environ: Mapping[str, str], venue: str) -> dict[str, str]:
    """Return the non-empty credentials of *venue* that stand in *environ*, by field."""
    named = {field: environ.get(venue_key(venue, field), "") for field in CREDENTIAL_FIELDS}
    return {field: value for field, value in named.items() if value}


def _read(place: Home) -> EnvFile:
    if not place.env_file.exists():
        raise HomeError(
            f"{place.root} is not a deployment's home: it has no .env",
            remedy=f"python -m rustybt init {place.root}, or name another folder with --home",
        )
    return read_env_file(place.env_file)


def _unknown(found: Mapping[str, _Raw]) -> Iterator[SettingsProblem]:
    for key, value in found.items():
        if key not in KNOWN and not ALERT_VARIABLE.fullmatch(key):
            close = get_close_matches(key.upper(), KNOWN, n=1)
            yield SettingsProblem(
                source=value.source,
                key=_shown(key),
                value=MASK,
                problem="is not a setting",
                expected=f"{close[0]}?" if close else "a key that the documentation lists",
            )


def _from_key_file(place: Home, raw: Mapping[str, _Raw]) -> dict[str, _Raw]:
    """Return the key from the home's key file, a line a key, unless ``.env`` gives one."""
    own = raw.get(ENCRYPTION_KEY)
    if (own is not None and own.text) or not place.key_file.exists():
        return {}
    data = read_bounded(place.key_file, _MAX_KEY_FILE_BYTES)
    return {
        ENCRYPTION_KEY: _Raw(",".join(data.decode("ascii", "replace").split()), place.key_file.name)
    }


def _second_key(place: Home, found: Mapping[str, _Raw]) -> Iterator[SettingsProblem]:
    """Refuse a home with two keys: nobody could tell which of them is in force."""
    own = found.get(ENCRYPTION_KEY)
    if own is not None and own.text and place.key_file.exists():
        yield SettingsProblem(
            source=own.source,
            key=ENCRYPTION_KEY,
            value=MASK,
            problem=f"stands here and in {place.key_file.name} too",
            expected="the key in one place; remove the one that does not open the vault",
        )


def _from_environment(environ: Mapping[str, str], raw: Mapping[str, _Raw]) -> dict[str, _Raw]:
    given = {key: _Raw(environ[key], "environment") for key in KNOWN if key in environ}
    broker = {**raw, **given}.get("BROKER", _Raw(PRACTICE, "default")).text.lower()
    return {key: value for key, value in given.items() if KNOWN[key].venue in {"", broker}}


def _empty(raw: Mapping[str, _Raw]) -> Iterator[SettingsProblem]:
    for key, value in raw.items():
        if not value.text and not KNOWN[key].optional:
            yield SettingsProblem(
                source=value.source,
                key=key,
                value="",
                problem="is empty",
                expected=f"{KNOWN[key].expected}; or no such line, for the default",
            )


def _unprintable(raw: Mapping[str, _Raw]) -> Iterator[SettingsProblem]:
    """Refuse control characters; only a credential, a PEM key say, may have several lines."""
    for key, value in raw.items():
        text = value.text.replace("\n", "") if credential_of(key) else value.text
        if not text.isprintable():
            yield SettingsProblem(
                source=value.source,
                key=key,
                value=MASK,
                problem="holds a line break or another control character",
                expected=KNOWN[key].expected,
            )


def _validate(
    place: Home, raw: Mapping[str, _Raw], problems: list[SettingsProblem]
) -> Settings | None:
    """Return the settings that *raw* gives, or add to *problems* all that is wrong with it."""
    own = {key: value.text for key, value in raw.items() if not KNOWN[key].venue}
    venues: dict[str, dict[str, str]] = {}
    for key, value in raw.items():
        if venue := KNOWN[key].venue:
            venues.setdefault(venue, {"name": venue})[KNOWN[key].field] = value.text
    listed = [venues[name] for name in sorted(venues)]
    origins = [(key, value.source) for key, value in raw.items()]
    try:
        return Settings.model_validate(
            {**own, "home": place.root, "origins": origins, "venues": listed}
        )
    except ValidationError as error:
        names = [venue["name"] for venue in listed]
        problems += [
            _invalid(_key_of(details["loc"], names), details, raw)
            for details in error.errors(include_url=False)
        ]
        return None


def _key_of(place: tuple[int | str, ...], venues: list[str]) -> str:
    """Return the key whose value pydantic calls *place*; defaults go by their field's name."""
    match place:
        case ("venues", int(index), str(field)):
            return venue_key(venues[index], field)
        case _:
            return aliases().get(str(place[0]), str(place[0]))


_RANGE = "is out of range"
_MEANING = {
    "greater_than": _RANGE,
    "greater_than_equal": _RANGE,
    "less_than": _RANGE,
    "less_than_equal": _RANGE,
    "literal_error": "is not one of the choices",
    "bool_parsing": "is neither true nor false",
}


def _invalid(key: str, details: ErrorDetails, raw: Mapping[str, _Raw]) -> SettingsProblem:
    """Put one of pydantic's errors in our words, without the value if it may be secret."""
    value = raw.get(key, _Raw("", "default"))
    cause = details.get("ctx", {}).get("error")
    meaning = str(cause) if isinstance(cause, ValueError) else _MEANING.get(details["type"])
    return SettingsProblem(
        source=value.source,
        key=key,
        value=MASK if KNOWN[key].secret and value.text else _shown(value.text),
        problem=meaning or details["msg"],
        expected=KNOWN[key].expected,
    )


def _shown(text: str) -> str:
    """Return *text* fit for a message: short, printable, unlike a secret put in the wrong place."""
    if _LOOKS_LIKE_A_TOKEN.search(text):
        return MASK
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return printable if len(printable) <= 40 else f"{printable[:40]}..."


def _position(problem: SettingsProblem) -> tuple[str, int, str]:
    file, _, line = problem.source.rpartition(":")
    return (file, int(line), problem.key) if line.isdecimal() else (problem.source, 0, problem.key)
