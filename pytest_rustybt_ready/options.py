"""What options and ini keys say, checked before anything runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.errors import ChecklistError
from pytest_rustybt_ready.values import Stage

CHECKLIST_KEY = pytest.StashKey[Checklist]()


def check(config: pytest.Config) -> None:
    """Raise UsageError for what cannot be meant, with every problem in it."""
    problems = [*_stage_problems(config), *_item_problems(config), *_deployment_problems(config)]
    if problems:
        raise pytest.UsageError("\n".join(problems))


def load_checklist(config: pytest.Config) -> Checklist:
    """Return the checklist of this run, with the deployment's stricter thresholds applied."""
    if CHECKLIST_KEY in config.stash:
        return config.stash[CHECKLIST_KEY]
    named = config.getini("ready_checklist")
    home = config.getoption("deployment")
    try:
        loaded = (
            checklist_file.load(config.rootpath / named) if named else checklist_file.built_in()
        )
        stricter = Path(home, "readiness", "thresholds.toml") if home else None
        # a link to nowhere is a mistake to tell of, not a file to do without
        if stricter is not None and os.path.lexists(stricter):
            loaded = checklist_file.tighten(loaded, stricter)
    except ChecklistError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[CHECKLIST_KEY] = loaded
    return loaded


def stage(config: pytest.Config) -> Stage:
    """Return the stage that the run gates at."""
    return Stage(config.getoption("ready_stage") or config.getini("ready_stage"))


def prefixes(config: pytest.Config) -> tuple[str, ...]:
    """Return the ids, or beginnings of ids, that ``--ready-item`` names."""
    return tuple(config.getoption("ready_item"))


def state_folder(config: pytest.Config) -> Path:
    """Return the folder for history and cached proofs."""
    return Path(config.rootpath, config.getini("ready_state"))


def report_folder(config: pytest.Config) -> Path:
    """Return the folder for reports."""
    named = config.getoption("ready_report")
    if named:
        return Path(config.invocation_params.dir, named)
    return Path(config.rootpath, config.getini("ready_report"))


def _stage_problems(config: pytest.Config) -> list[str]:
    named = config.getini("ready_stage")
    if named in list(Stage):
        return []
    return [f"ready_stage = {named!r} in the ini file: expected one of {', '.join(Stage)}"]


def _item_problems(config: pytest.Config) -> list[str]:
    checklist = load_checklist(config)
    unknown = [prefix for prefix in prefixes(config) if not any(checklist.under(prefix))]
    if not unknown:
        return []
    named = " or ".join(map(repr, unknown))
    return [f"--ready-item: no item of the checklist is {named}; `rustybt-ready list` shows them"]


def _deployment_problems(config: pytest.Config) -> list[str]:
    home = config.getoption("deployment")
    if home is None or (home and Path(home).expanduser().is_dir()):
        return []
    # an empty name comes from a variable that is not set: no sandbox may be judged in its place
    return [f"--deployment: there is no folder {home!r}; `python -m rustybt init HOME` makes one"]
