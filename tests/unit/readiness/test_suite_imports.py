"""Which modules of a checkout are imported before its property tests."""

from __future__ import annotations

from pathlib import Path

from readiness_tests.suite.imported import module_names


def test_modules_are_named_but_not_what_runs_or_tests(tmp_path: Path) -> None:
    """All modules of all packages, in order; no tests, no conftest, no `__main__`, no scripts."""
    for name in ("b/__init__", "b/__main__", "b/two", "b/sub/__init__", "b/sub/three"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    for name in ("a/__init__", "a/test_one", "a/conftest", "scripts/tool", "loose"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    assert list(module_names(tmp_path)) == ["a", "b", "b.sub", "b.sub.three", "b.two"]
