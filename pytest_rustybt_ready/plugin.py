"""The plugin's entry point: options, marks, and whether this run is about readiness at all.

This module is imported by every pytest run of an environment that has the plugin, so it imports
nothing heavy and, unless readiness was asked for, registers nothing more.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_rustybt_ready.marks import MARK, PREFIX, SECTIONS


class NotAsked(NamedTuple):
    """What a run leaves alone: the folders of readiness checks, and whatever bears these marks."""

    folders: tuple[Path, ...]
    marks: frozenset[str]


ONLY_CHECKS_KEY = pytest.StashKey[bool]()
NOT_ASKED_KEY = pytest.StashKey[NotAsked]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini keys."""
    group = parser.getgroup("readiness", "production readiness")
    group.addoption(
        "--ready-stage",
        choices=["dev", "staging", "production", "live"],
        help="stage whose items decide (default: ini ready_stage, else dev)",
    )
    group.addoption(
        "--ready-report",
        metavar="DIR",
        help="folder for the reports (default: ini ready_report, else readiness-report)",
    )
    group.addoption(
        "--ready-item",
        action="append",
        default=[],
        metavar="ID",
        help="run only the checks of an item or of all items below an id, such as 2.2.3 or 2.2",
    )
    group.addoption(
        "--ready-prove",
        action="store_true",
        help="also run each check's negative controls on throwaway sandboxes",
    )
    group.addoption(
        "--deployment",
        metavar="HOME",
        help="the deployment to judge (default: a sandbox made for the run)",
    )
    parser.addini("ready_checklist", "checklist file to use instead of the built-in one")
    parser.addini("ready_stage", "stage whose items decide", default="dev")
    parser.addini("ready_report", "folder for the reports", default="readiness-report")
    parser.addini("ready_state", "folder for history and cached proofs", default=".readiness")
    parser.addini(
        "ready_paths", "folders of readiness checks", type="args", default=["readiness_tests"]
    )
    parser.addini(
        "ready_proof_inputs",
        "files and folders on which proofs depend, beside the checks themselves",
        type="args",
        default=[],
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the hooks that projects may implement."""
    from pytest_rustybt_ready import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and the run when readiness was asked for."""
    titles = section_titles(config)
    config.addinivalue_line("markers", f"{MARK}: a check of the production checklist")
    for key, title in titles.items():
        line = f"{PREFIX}{key}(*ids): a check of the section {title!r}; it claims the items named"
        config.addinivalue_line("markers", line)

    from pytest_rustybt_ready.selection import (
        REQUEST_KEY,
        asks_for_nothing_else,
        ready_paths,
        request_of,
    )

    request = config.stash[REQUEST_KEY] = request_of(config, titles)
    if request.asked:
        from pytest_rustybt_ready.run import start

        config.stash[ONLY_CHECKS_KEY] = asks_for_nothing_else(config, request, titles)
        start(config, request)
    else:
        marks = frozenset({MARK, *(PREFIX + key for key in titles)})
        leave_alone(config, NotAsked(ready_paths(config), marks))


def leave_alone(config: pytest.Config, not_asked: NotAsked) -> None:
    """Keep readiness checks out of a run that did not ask for them."""
    config.stash[NOT_ASKED_KEY] = not_asked
    if config.args_source is config.ArgsSource.TESTPATHS:
        # pytest never asks plugins whether to ignore what testpaths names
        folders = not_asked.folders
        config.args[:] = [arg for arg in config.args if Path(arg).resolve() not in folders]


def section_titles(config: pytest.Config) -> dict[str, str]:
    """Return key and title of every section; reads the checklist only if it is not our own."""
    if not config.getini("ready_checklist"):
        return SECTIONS
    from pytest_rustybt_ready.options import load_checklist

    return {section.key: section.title for section in load_checklist(config).sections}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the folders of readiness checks alone unless they were asked for.

    Where nothing else was asked for, leave files without checks alone: an ordinary test that cannot
    be imported is for a check to find, and must not end the run.
    """
    if config.stash.get(ONLY_CHECKS_KEY, False):
        return ignores_without_checks(collection_path, config)
    not_asked = config.stash.get(NOT_ASKED_KEY, None)
    return True if not_asked and collection_path in not_asked.folders else None


def ignores_without_checks(path: Path, config: pytest.Config) -> bool | None:
    """Return True for a test module outside of the folders of checks that has no check in it."""
    from pytest_rustybt_ready.selection import holds_checks, ready_paths

    if path.suffix != ".py" or path.name in ("__init__.py", "conftest.py"):
        return None
    inside = any(path.is_relative_to(folder) for folder in ready_paths(config))
    return None if inside or holds_checks(path) else True


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect readiness checks that live among ordinary tests, unless they were asked for."""
    not_asked = config.stash.get(NOT_ASKED_KEY, None)
    if not_asked is None:
        return
    checks = _checks_among(items, not_asked.marks)
    if checks:
        config.hook.pytest_deselected(items=[item for item in items if item in checks])
        items[:] = [item for item in items if item not in checks]


def _checks_among(items: list[pytest.Item], marks: frozenset[str]) -> set[pytest.Item]:
    """Return the items that have one of *marks*, asking what they share only once."""
    inherited: dict[object, bool] = {}
    found = set()
    for item in items:
        parent = item.parent
        if parent is not None and parent not in inherited:
            inherited[parent] = any(mark.name in marks for mark in parent.iter_markers())
        if inherited.get(parent) or any(mark.name in marks for mark in item.own_markers):
            found.add(item)
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell an xdist worker what was asked for: its own command line does not show it."""
    from pytest_rustybt_ready.selection import REQUEST_KEY

    config: pytest.Config = getattr(node, "config")  # noqa: B009 - xdist's node is not typed
    worker_input: dict[str, object] = getattr(node, "workerinput")  # noqa: B009 - likewise
    request = config.stash[REQUEST_KEY]
    worker_input["ready_request"] = tuple(request)
