"""Carry the peak load of the checklist through a session, as the benchmark does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rustybt.benchmark.orders import Load, carried


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of *seconds* with *orders* and a bar of each of *symbols* in each."""
    return dict(carried(Load(**arguments)))
