"""``rustybt encrypt-credentials`` and ``rustybt credentials``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table, warn

if TYPE_CHECKING:
    from pydantic import SecretStr

    from rustybt.credentials import Encrypted, Place

_SECONDS_A_DAY = 86_400


def encrypt(
    home: HomeOption = DEFAULT_HOME,
    broker: Annotated[
        str | None, typer.Option(help="Only this venue's credentials, such as binance.")
    ] = None,
    *,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="Read lines such as BINANCE_API_KEY=... from stdin.")
    ] = False,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Ask for the broker's credentials, without echo.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Move credentials that stand in clear into the vault and out of .env."""
    from rustybt.credentials import encrypt_credentials

    venue = _known(broker)
    given = _from_stdin(venue) if stdin else {}
    given |= _asked_for(venue, home) if prompt else {}
    done = encrypt_credentials(home, os.environ, wall_clock, venue=venue, given=given)
    if json:
        emit_json(
            {
                "stored": done.stored,
                "removed_from_env_file": done.removed,
                "still_in_environment": done.in_environment,
                "leftover_lines": done.leftover_lines,
            }
        )
    else:
        _tell(done)
    if done.leftover_lines:
        lines = ", ".join(f".env:{line}" for line in done.leftover_lines)
        warn(f"a stored value still stands in clear in {lines}; delete it there")
        raise typer.Exit(1)


def _tell(done: Encrypted) -> None:
    say(f"in the vault now: {', '.join(done.stored)}")
    if done.removed:
        say(f"removed from .env: {', '.join(done.removed)}")
    if done.in_environment:
        say(f"still in the environment, unset them: {', '.join(done.in_environment)}")


def _known(broker: str | None) -> str | None:
    from rustybt.settings import VENUES

    if broker is None or broker.lower() in VENUES:
        return broker and broker.lower()
    raise typer.BadParameter("not a venue that RustyBT knows", param_hint="--broker")


def _from_stdin(venue: str | None) -> dict[Place, SecretStr]:
    """Read credentials in the form of ``.env`` from standard input."""
    from pydantic import SecretStr

    from rustybt.errors import RustyBTError, SettingsError, SettingsProblem
    from rustybt.settings import MAX_BYTES, credential_of, decode, parse_env

    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise RustyBTError("standard input is too large", expected=f"at most {MAX_BYTES} bytes")
    parsed = parse_env(decode(data, "stdin"), "stdin")
    places = {found.key: credential_of(found.key) for found in parsed.assignments}
    wrong = [
        SettingsProblem(
            source=f"stdin:{found.line}",
            key=found.key[:40],
            value="***",
            problem="is not a credential" + (f" of {venue}" if venue else ""),
            expected="a key such as BINANCE_API_KEY, and a value",
        )
        for found in parsed.assignments
        if not found.value or (places[found.key] or ("",))[0] not in _allowed(venue)
    ]
    if wrong or parsed.problems:
        raise SettingsError([*parsed.problems, *wrong])
    return {
        place: SecretStr(found.value)
        for found in parsed.assignments
        if (place := places[found.key]) is not None
    }


def _allowed(venue: str | None) -> frozenset[str]:
    from rustybt.settings import VENUES

    return VENUES if venue is None else frozenset({venue})


def _asked_for(venue: str | None, home: Path) -> dict[Place, SecretStr]:
    """Ask at the terminal for what the venue, or the configured broker, needs."""
    from pydantic import SecretStr

    from rustybt.settings import load_settings, required_fields

    name = venue or load_settings(home, os.environ).broker
    return {
        (name, field): SecretStr(typer.prompt(f"{name} {field}", hide_input=True))
        for field in required_fields(name)
    }


def list_(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """List the stored credentials: names, ages, fingerprints."""
    from rustybt.deployment import open_vault
    from rustybt.settings import load_settings

    vault = open_vault(load_settings(home, os.environ), wall_clock)
    now = wall_clock()
    listed = [
        {
            "name": entry.name,
            "field": entry.field,
            "environment": entry.environment,
            "created_at": entry.created_at.isoformat(),
            "rotated_at": entry.rotated_at and entry.rotated_at.isoformat(),
            "age_days": int(entry.age(now).total_seconds() // _SECONDS_A_DAY),
            "fingerprint": vault.fingerprint(entry.name, entry.field),
        }
        for entry in vault.entries()
    ]
    if json:
        emit_json({"key_fingerprint": vault.key_fingerprint, "credentials": listed})
    else:
        columns = ("name", "field", "environment", "age_days", "fingerprint")
        table(columns, [[str(row[column]) for column in columns] for row in listed])
        say(f"encrypted under key {vault.key_fingerprint}")
