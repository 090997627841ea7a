"""``rustybt init`` and ``rustybt update-data``."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say


class Stage(StrEnum):
    """The environments a deployment can be for."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


def init(
    home: Annotated[
        Path, typer.Argument(envvar="RUSTYBT_HOME", help="The folder to make.")
    ] = DEFAULT_HOME,
    env: Annotated[Stage, typer.Option(help="What the deployment is for.")] = Stage.DEV,
    *,
    json: JsonOption = False,
) -> None:
    """Lay out a deployment's home: settings, key, vault and folders."""
    from rustybt.deployment import create_home, open_vault, update_data
    from rustybt.settings import load_settings

    stood_in = _is_here(home)
    made = create_home(home, env.value, wall_clock)
    settings = load_settings(made.root, {})
    vault = open_vault(settings, wall_clock)
    stored = [] if settings.data_source is None else list(update_data(settings, wall_clock))
    if json:
        emit_json(
            {
                "home": str(made.root),
                "environment": env.value,
                "env_file": str(made.env_file),
                "vault_file": str(made.vault_file),
                "key_fingerprint": vault.key_fingerprint,
                "folders": [str(folder) for folder in made.folders],
                "practice_data": [one.symbol for one in stored],
            }
        )
        return
    say(f"made the {env.value} home {made.root}")
    say(f"  {made.env_file}  settings and encryption key (fingerprint {vault.key_fingerprint})")
    say(f"  {made.vault_file}  credentials, encrypted; holds those of the practice exchange")
    for folder in made.folders:
        say(f"  {folder}/")
    for one in stored:
        say(f"invented {one.version.rows} bars of {one.symbol}, to practise on")
    if stood_in:
        say(f"your shell still stands in the empty folder that was here:  cd {made.root}")
    say(f"next: edit .env, then  python -m rustybt verify-config --home {made.root}")


def update(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Bring the catalog up to date with the market data that .env declares."""
    from rustybt.deployment import update_data
    from rustybt.settings import load_settings

    stored = []
    for one in update_data(load_settings(home, os.environ), wall_clock):
        stored.append(one)
        if not json:
            refused = f", {one.refused} rows refused" if one.refused else ""
            last = f"{one.version.last:%Y-%m-%d %H:%M}"
            say(f"{one.symbol}: {one.added} bars added{refused}, up to {last}")
    if json:
        emit_json(
            {
                "updated": [
                    {
                        "symbol": one.symbol,
                        "added": one.added,
                        "refused": one.refused,
                        "last": one.version.last.isoformat(),
                    }
                    for one in stored
                ]
            }
        )


def _is_here(home: Path) -> bool:
    """Tell whether *home* is the working folder; making it replaces that folder."""
    from rustybt.files import expanded

    return expanded(home).resolve() == Path.cwd()
