"""The commands, options and settings that there are, as the code itself tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer.main

from rustybt.settings import Settings

HELP = "--help"


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or option of a command: what it is written as, and what it is for."""

    words: tuple[str, ...]
    is_option: bool
    takes_value: bool
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a program, such as ``rustybt`` and ``data list``."""

    program: str
    name: str
    text: str
    parameters: tuple[Parameter, ...]

    def options(self) -> dict[str, Parameter]:
        """Return its options by each word that they are written as."""
        return {word: one for one in self.parameters if one.is_option for word in one.words}


def all_commands() -> dict[str, dict[str, Command]]:
    """Return the commands of both programs, by program and by name."""
    from pytest_rustybt_ready.cli import app as ready
    from rustybt.cli.app import app as engine

    return {
        program: {command.name: command for command in _below(program, app)}
        for program, app in (("rustybt", engine), ("rustybt-ready", ready))
    }


def _below(program: str, app: typer.Typer) -> Iterator[Command]:
    """Yield the commands of *app*, those of its groups with the group's name in front."""
    return _members(program, typer.main.get_command(app), "")


def _members(program: str, group: Any, prefix: str) -> Iterator[Command]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _members(program, one, f"{prefix}{name} ")
            continue
        parameters = tuple(map(_parameter, one.params))
        yield Command(program, prefix + name, (one.help or "").strip(), parameters)


def _parameter(one: Any) -> Parameter:
    is_option = one.param_type_name == "option"
    return Parameter(
        words=(*one.opts, *one.secondary_opts),
        is_option=is_option,
        takes_value=is_option and not one.is_flag,
        required=bool(one.required),
        text=(one.help or "").strip(),
    )


def all_settings() -> dict[str, str]:
    """Return what each setting expects, by its key in ``.env``."""
    return {
        field.alias: field.description or ""
        for field in Settings.model_fields.values()
        if field.alias
    }
