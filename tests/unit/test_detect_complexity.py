"""What the detector of complexity finds, with ruff itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, scan_complexity

if TYPE_CHECKING:
    from pathlib import Path


def branching(name: str, branches: int, comment: str = "") -> str:
    """Return a function with *branches* ifs; its complexity is one more."""
    ifs = "".join(f"    if x == {number}:\n        x += 1\n" for number in range(branches))
    return f"def {name}(x):{comment}\n{ifs}    return x\n"


def test_only_functions_above_the_limit_are_found(tmp_path: Path) -> None:
    """Ten paths are allowed, eleven are not."""
    file = tmp_path / "module.py"
    file.write_text(branching("just", 9) + branching("above", 10))

    scan = scan_complexity([tmp_path])

    assert [(found.line, found.rule) for found in scan.findings] == [(21, "complexity")]
    assert "above" in scan.findings[0].message
    assert scan.findings[0].path == file.as_posix()
    assert scan.functions_examined == 2


def test_a_stricter_limit_finds_more(tmp_path: Path) -> None:
    """The limit is an argument."""
    (tmp_path / "module.py").write_text(branching("f", 4))

    assert scan_complexity([tmp_path], maximum=5).clean
    assert not scan_complexity([tmp_path], maximum=4).clean


def test_suppressions_and_settings_have_no_say(tmp_path: Path) -> None:
    """Neither `noqa`, nor a configuration file, nor an exclusion hides a function."""
    (tmp_path / "module.py").write_text(branching("f", 12, "  # noqa: C901 - sorry"))
    settings = 'exclude = ["*.py"]\n[lint]\nignore = ["C901"]\nmccabe.max-complexity = 99\n'
    (tmp_path / "ruff.toml").write_text(settings)
    (tmp_path / ".gitignore").write_text("*.py\n")

    assert len(scan_complexity([tmp_path]).findings) == 1


def test_a_broken_file_is_a_finding_once(tmp_path: Path) -> None:
    """What cannot be parsed cannot be counted, and is reported."""
    (tmp_path / "module.py").write_text("def f(:\n")

    assert {found.rule for found in scan_complexity([tmp_path]).findings} == {"syntax-error"}


def test_nothing_to_examine_is_an_error(tmp_path: Path) -> None:
    """An empty folder is not a simple one."""
    with pytest.raises(DetectorError, match="no Python file"):
        scan_complexity([tmp_path])


def test_a_refusal_by_ruff_is_an_error(tmp_path: Path) -> None:
    """A limit that ruff refuses is no clean scan."""
    (tmp_path / "module.py").write_text("x = 1\n")

    with pytest.raises(DetectorError, match="ruff failed with code 2"):
        scan_complexity([tmp_path], maximum=-1)


def test_a_run_without_an_end_is_an_error(tmp_path: Path) -> None:
    """Ruff that does not answer in time has found nothing out."""
    (tmp_path / "module.py").write_text("x = 1\n")

    with pytest.raises(DetectorError, match="ruff could not be run"):
        scan_complexity([tmp_path], seconds=1e-6)
