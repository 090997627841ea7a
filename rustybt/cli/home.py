"""``rustybt init``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, JsonOption, wall_clock
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
    from rustybt.deployment import create_home, open_vault
    from rustybt.settings import load_settings

    stood_in = _is_here(home)
    made = create_home(home, env.value, wall_clock)
    vault = open_vault(load_settings(made.root, {}), wall_clock)
    if json:
        emit_json(
            {
                "home": str(made.root),
                "environment": env.value,
                "env_file": str(made.env_file),
                "vault_file": str(made.vault_file),
                "key_fingerprint": vault.key_fingerprint,
                "folders": [str(folder) for folder in made.folders],
            }
        )
        return
    say(f"made the {env.value} home {made.root}")
    say(f"  {made.env_file}  settings and encryption key (fingerprint {vault.key_fingerprint})")
    say(f"  {made.vault_file}  credentials, encrypted; holds those of the practice exchange")
    for folder in made.folders:
        say(f"  {folder}/")
    if stood_in:
        say(f"your shell still stands in the empty folder that was here:  cd {made.root}")
    say(f"next: edit .env, then  python -m rustybt verify-config --home {made.root}")


def _is_here(home: Path) -> bool:
    """Tell whether *home* is the working folder; making it replaces that folder."""
    from rustybt.files import expanded

    return expanded(home).resolve() == Path.cwd()
