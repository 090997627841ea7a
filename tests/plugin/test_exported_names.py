"""The names that others build on. A change here is a change for every project that has checks."""

from __future__ import annotations

import inspect

import pytest_rustybt_ready
from pytest_rustybt_ready import checks, evidence, hookspecs, marks, run, verdict

PACKAGE = {
    "Evidence", "Provenance", "Subject", "at_least", "at_most", "below", "containing", "one_of",
    "ready",
}  # fmt: skip


def public(thing: object) -> set[str]:
    """Return the public names of *thing*."""
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_package_exports_what_checks_need() -> None:
    """``from pytest_rustybt_ready import …`` gives these names, and all of them are there."""
    assert set(pytest_rustybt_ready.__all__) == PACKAGE
    assert all(getattr(pytest_rustybt_ready, name) is not None for name in PACKAGE)


def test_evidence_offers_these_verbs() -> None:
    """What a check can do with its evidence."""
    assert public(evidence.Evidence) == {
        "attach", "awaiting", "clear", "entries", "expect", "meets", "record", "threshold",
        "unproven",
    }  # fmt: skip


def test_ready_has_a_decorator_for_each_section() -> None:
    """The eleven sections, and any section of a checklist of one's own."""
    assert public(marks.Ready) == {*marks.SECTIONS, "section"}
    assert len(marks.SECTIONS) == 11


def test_projects_may_implement_these_hooks() -> None:
    """The hooks by which a project says what is judged, with their arguments."""
    found = {
        name: list(inspect.signature(hook).parameters)
        for name, hook in vars(hookspecs).items()
        if name.startswith("pytest_ready_")
    }
    assert found == {
        "pytest_ready_subject": ["config"],
        "pytest_ready_digest": ["config", "subject"],
        "pytest_ready_secrets": ["config", "subject"],
    }


def test_checks_may_ask_for_these_fixtures_and_paths() -> None:
    """The fixtures of a readiness run, and what a project's conftest takes from it."""
    assert {"evidence", "proving"} <= public(checks.CheckHooks)
    assert set(run.__all__) == {
        "load_checklist", "now", "report_folder", "start", "state_folder", "subject_of",
    }  # fmt: skip


def test_verdicts_are_made_by_one_function() -> None:
    """What reports and commands use of a verdict."""
    assert {"Exit", "Inputs", "Status", "Verdict", "judge"} <= set(verdict.__all__)
    assert all(hasattr(verdict, name) for name in verdict.__all__)
