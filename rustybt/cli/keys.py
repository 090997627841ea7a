"""``rustybt keygen`` and ``rustybt rotate-keys``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, warn


def keygen(
    home: HomeOption = DEFAULT_HOME,
    output: Annotated[
        Path | None, typer.Option(help="Write the key to this new file, not into the home.")
    ] = None,
    *,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print the key itself, for a pipe; write no file.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a new encryption key in a new file of mode 0600; print where, never the key."""
    from rustybt.security.keys import key_fingerprint, new_key

    if stdout and (output is not None or json):
        raise typer.BadParameter("it goes with neither --output nor --json", param_hint="--stdout")
    key = new_key()
    if stdout:
        say(key.get_secret_value())
        warn(f"made a key with fingerprint {key_fingerprint(key)}; keep what was printed secret")
        return
    path = _write_new_key(output or _vacant_key_file(home), key.get_secret_value())
    if json:
        emit_json({"path": str(path), "fingerprint": key_fingerprint(key)})
    else:
        say(f"made a key in {path} (mode 0600), fingerprint {key_fingerprint(key)}")


def _vacant_key_file(root: Path) -> Path:
    """Return the key file of the home *root*, which must have no key yet."""
    from rustybt.errors import HomeError, KeyFileError
    from rustybt.files import expanded
    from rustybt.home import Home
    from rustybt.settings import ENCRYPTION_KEY, read_env_file

    home = Home(expanded(root).absolute())
    if not home.env_file.exists():
        raise HomeError(
            f"{home.root} is not a deployment's home: it has no .env",
            remedy=f"python -m rustybt init {home.root} makes one with a key, or use --output FILE",
        )
    for assignment in read_env_file(home.env_file).assignments:
        if assignment.key == ENCRYPTION_KEY and assignment.value:
            raise KeyFileError(
                f"{home.root} has its key already, in .env:{assignment.line}",
                remedy="replace it with `python -m rustybt rotate-keys`, or use --output FILE",
            )
    return home.key_file


def _write_new_key(path: Path, text: str) -> Path:
    from rustybt.errors import KeyFileError
    from rustybt.files import create_exclusively, expanded

    path = expanded(path).absolute()
    try:
        create_exclusively(path, f"{text}\n".encode())
    except FileExistsError:
        raise KeyFileError(
            f"{path} exists and is left as it is",
            expected="a path where nothing is: overwriting a key would lose what it encrypts",
            remedy="name another file, or move this one away",
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error
    return path


def rotate(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Encrypt the vault anew under a new key and forget the old one."""
    from rustybt.credentials import rotate_keys

    rotated = rotate_keys(home, os.environ, wall_clock)
    if json:
        emit_json(
            {
                "old_fingerprint": rotated.old,
                "new_fingerprint": rotated.new,
                "place": rotated.place,
                "finished": rotated.finished,
            }
        )
        return
    say(f"the vault is encrypted under key {rotated.new} now; before it was {rotated.old}")
    if rotated.finished:
        say(f"{rotated.place} holds the new key alone")
    else:
        say("now remove the old key from RUSTYBT_ENCRYPTION_KEY where you set it")
