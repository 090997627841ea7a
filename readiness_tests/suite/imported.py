"""A pytest plugin (``-p readiness_tests.suite.imported``) that imports all of a checkout's modules.

Hypothesis draws now and then from the constants of whatever local modules are loaded by then, which
depends on the tests that ran earlier in the same process. With everything loaded before the first
test a seed gives the same examples in any order, and to any worker.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Import every package at the root of the checkout, with all that is in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a test that meets the module later is told
        for name in module_names(session.config.rootpath):
            with suppress(ImportError):  # it needs what is not installed; so it does in a test
                importlib.import_module(name)


def module_names(root: Path) -> Iterator[str]:
    """Yield the modules of the packages in *root*: no tests, and nothing that runs on import."""
    for package in sorted(path.parent for path in root.glob("*/__init__.py")):
        yield package.name
        yield from _below(package, package.name)


def _below(folder: Path, package: str) -> Iterator[str]:
    for found in sorted(pkgutil.iter_modules([str(folder)]), key=lambda module: module.name):
        if found.name in ("__main__", "conftest") or found.name.startswith("test_"):
            continue
        name = f"{package}.{found.name}"
        yield name
        if found.ispkg:
            yield from _below(folder / found.name, name)
