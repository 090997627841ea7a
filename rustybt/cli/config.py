"""``rustybt verify-config``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from rustybt.cli.options import DEFAULT_HOME, HomeOption, JsonOption, wall_clock
from rustybt.cli.output import emit_json, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.errors import SettingsError
    from rustybt.settings import Judgement, Settings


def verify(home: HomeOption = DEFAULT_HOME, *, json: JsonOption = False) -> None:
    """Show the settings in force, where each comes from, and what is unusual or wrong."""
    from rustybt.deployment import inspect_home
    from rustybt.errors import SettingsError
    from rustybt.settings import load_settings

    try:
        settings = load_settings(home, os.environ)
    except SettingsError as error:
        if json:
            emit_json({"ok": False, "problems": _as_dicts(error)})
            raise typer.Exit(1) from None
        raise
    remarks = inspect_home(settings, wall_clock)
    failed = any(remark.level == "problem" for remark in remarks)
    if json:
        _emit(settings, remarks, ok=not failed)
    else:
        _show(settings, remarks)
    if failed:
        raise typer.Exit(1)


def _as_dicts(error: SettingsError) -> list[dict[str, str]]:
    return [
        {
            "source": problem.source,
            "key": problem.key,
            "value": problem.value,
            "problem": problem.problem,
            "expected": problem.expected,
        }
        for problem in error.problems
    ]


def _emit(settings: Settings, remarks: Sequence[Judgement], *, ok: bool) -> None:
    emit_json(
        {
            "ok": ok,
            "home": str(settings.home),
            "settings": [
                {"key": one.key, "value": one.value, "source": one.source}
                for one in settings.sources
            ],
            "judgements": [
                {"key": remark.key, "level": remark.level, "text": remark.text}
                for remark in remarks
            ],
        }
    )


def _show(settings: Settings, remarks: Sequence[Judgement]) -> None:
    by_key = {remark.key: remark for remark in reversed(remarks)}
    rows = [
        (one.key, one.value, one.source, by_key[one.key].level if one.key in by_key else "ok")
        for one in settings.sources
    ]
    table(("setting", "value", "source", "judgement"), rows, title=str(settings.home))
    for remark in remarks:
        say(f"{remark.level}: {remark.key}: {remark.text}")
    if not remarks:
        say("no problems, nothing unusual")
