"""A pytest plugin that turns a production checklist into a verdict with evidence.

::

    from pytest_rustybt_ready import ready


    @ready.security("2.2.3")
    def test_env_file_is_private(deployment, evidence):
        evidence.expect("mode of .env", "0600", observed=deployment.env_mode())


    @test_env_file_is_private.fails_when
    def everybody_may_read_it(deployment):
        deployment.env_file.chmod(0o644)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_rustybt_ready.marks import ready

if TYPE_CHECKING:
    from pytest_rustybt_ready.evidence import Evidence as Evidence
    from pytest_rustybt_ready.expectations import at_least as at_least
    from pytest_rustybt_ready.expectations import at_most as at_most
    from pytest_rustybt_ready.expectations import below as below
    from pytest_rustybt_ready.expectations import containing as containing
    from pytest_rustybt_ready.expectations import one_of as one_of
    from pytest_rustybt_ready.values import Provenance as Provenance
    from pytest_rustybt_ready.values import Subject as Subject

__all__ = [
    "Evidence",
    "Provenance",
    "Subject",
    "at_least",
    "at_most",
    "below",
    "containing",
    "one_of",
    "ready",
]

# Loaded on first use: an ordinary test run imports this package and must not pay for them.
_LAZY = {
    "Evidence": "evidence",
    "Provenance": "values",
    "Subject": "values",
    "at_least": "expectations",
    "at_most": "expectations",
    "below": "expectations",
    "containing": "expectations",
    "one_of": "expectations",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
