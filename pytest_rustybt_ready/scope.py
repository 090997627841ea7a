"""What a run was asked to judge, as precisely as it was asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from pytest_rustybt_ready import options
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.selection import Request, ready_paths, sections_selected
from pytest_rustybt_ready.values import CheckInfo, Scope


def scope_of(
    config: pytest.Config,
    request: Request,
    checklist: Checklist,
    infos: Mapping[str, CheckInfo],
    selected: Collection[str],
) -> Scope:
    """Return the scope of a run that collected *infos* and *selected* some of them."""
    prefixes = options.prefixes(config)
    if prefixes:
        under = [item.id for prefix in prefixes for item in checklist.under(prefix)]
        return Scope(kind="items", items=tuple(dict.fromkeys(under)))
    if request.narrow and selected:
        return _narrow([infos[check] for check in sorted(selected) if check in infos])
    keys = tuple(section.key for section in checklist.sections)
    asked = sections_selected(config.option.markexpr or "", keys)
    if request.paths and not _whole_folders(config):
        collected = {info.section for info in infos.values()}
        asked = tuple(key for key in asked if key in collected)
    return Scope() if asked == keys else Scope(kind="sections", sections=asked)


def _narrow(infos: Collection[CheckInfo]) -> Scope:
    """Return the items that the selected checks claim, and the sections that others support."""
    return Scope(
        kind="items",
        items=tuple(dict.fromkeys(claim for info in infos for claim in info.items)),
        sections=tuple(dict.fromkeys(info.section for info in infos if not info.items)),
    )


def _whole_folders(config: pytest.Config) -> bool:
    """Tell whether the arguments take in all folders of readiness checks."""
    base = config.invocation_params.dir
    named = [Path(base, arg).resolve() for arg in config.args]
    return all(any(root.is_relative_to(path) for path in named) for root in ready_paths(config))
