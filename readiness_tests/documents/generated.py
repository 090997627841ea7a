"""Pages of the site that are made from the code: they cannot be older than it."""

from __future__ import annotations

from readiness_tests.documents.programs import Command, all_commands, all_settings

CLEAN = str.maketrans({"|": r"\|", "<": "&lt;", ">": "&gt;", "[": r"\[", "*": r"\*", "\n": " "})
COMMANDS = """\
# Commands

Made from the code. `python -m rustybt` and `rustybt` are the same program. A command of it ends
with 0 if it did what it says, with 1 if it could not, and with 2 after wrong usage; `--help` tells
the same as this page. The codes of `rustybt-ready verify` and `merge` are those of a verdict.
"""
SETTINGS = """\
# Settings

Made from the code. A deployment's settings stand in `.env` in its home; the environment overrides
them. `python -m rustybt verify-config` shows what is in force, where each comes from, and what is
unwise. Credentials of a venue are kept in the vault, not here: see `encrypt-credentials`.

| key | expected |
| --- | --- |
"""


def generated_pages() -> dict[str, str]:
    """Return the pages that are made from the code, by their path below ``docs``."""
    return {"reference/cli.md": _commands(), "reference/settings.md": _settings()}


def _commands() -> str:
    parts = [COMMANDS]
    for commands in all_commands().values():
        parts += map(_command, commands.values())
    return "\n".join(parts)


def _command(command: Command) -> str:
    lines = [f"## {command.program} {command.name}", "", command.text.translate(CLEAN), ""]
    if command.parameters:
        lines += ["| parameter | meaning |", "| --- | --- |"]
    for one in command.parameters:
        words = ", ".join(f"`{word}`" for word in one.words)
        required = " (required)" if one.required else ""
        lines.append(f"| {words} | {one.text.translate(CLEAN)}{required} |")
    return "\n".join([*lines, ""])


def _settings() -> str:
    rows = (f"| `{key}` | {text.translate(CLEAN)} |\n" for key, text in all_settings().items())
    return SETTINGS + "".join(rows)
