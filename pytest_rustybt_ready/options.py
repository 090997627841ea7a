"""What options and ini keys say, checked before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.errors import ChecklistError
from pytest_rustybt_ready.values import Stage

# Options of this plugin whose value is a folder.
FOLDERS = ("--deployment", "--ready-report")
CHECKLIST_KEY = pytest.StashKey[Checklist]()


def check(config: pytest.Config) -> None:
    """Raise UsageError for what cannot be meant, with every problem in it."""
    if misled := list(_misleading_words(config)):  # nothing else can be believed then
        raise pytest.UsageError("\n".join(misled))
    problems = [*_stage_problems(config), *_item_problems(config), *_deployment_problems(config)]
    if problems:
        raise pytest.UsageError("\n".join(problems))


def load_checklist(config: pytest.Config) -> Checklist:
    """Return the checklist of this run, with the deployment's stricter thresholds applied."""
    if CHECKLIST_KEY in config.stash:
        return config.stash[CHECKLIST_KEY]
    named = config.getini("ready_checklist")
    home = deployment(config)
    try:
        loaded = (
            checklist_file.load(config.rootpath / named) if named else checklist_file.built_in()
        )
        stricter = home / "readiness" / "thresholds.toml" if home else None
        # a link to nowhere is a mistake to tell of, not a file to do without
        if stricter is not None and os.path.lexists(stricter):
            loaded = checklist_file.tighten(loaded, stricter)
    except ChecklistError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[CHECKLIST_KEY] = loaded
    return loaded


def deployment(config: pytest.Config) -> Path | None:
    """Return the home that ``--deployment`` names, if it names one."""
    named = config.getoption("deployment")
    return Path(config.invocation_params.dir, _expanded(named)) if named else None


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
        return Path(config.invocation_params.dir, _expanded(named))
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
    named, home = config.getoption("deployment"), deployment(config)
    if named is None or (home is not None and home.is_dir()):
        return []
    # an empty name comes from a variable that is not set: no sandbox may be judged in its place
    return [f"--deployment: there is no folder {named!r}; `python -m rustybt init HOME` makes one"]


def _misleading_words(config: pytest.Config) -> Iterator[str]:
    """Tell of a folder that made pytest take a wrong place for the project.

    pytest looks for the project before it knows the options of plugins. Until then a folder that
    follows one as a word of its own passes for one that holds tests.
    """
    if config.getoption("inifilename") or config.getoption("rootdir"):
        return
    start = config.invocation_params.dir
    if config.inipath is not None and start.is_relative_to(config.inipath.parent):
        return
    for option, value in pairwise(map(str, config.invocation_params.args)):
        if option in FOLDERS and Path(start, _expanded(value)).exists():
            yield (
                f"{option} {value}: write it as one word, {option}={value}; as two, pytest takes "
                f"the folder for tests, and {config.rootpath} for the project"
            )


def _expanded(path: str) -> Path:
    """Return *path* with ``~`` expanded, as a shell does not do it after an equals sign."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # nobody has that name
        return Path(path)
