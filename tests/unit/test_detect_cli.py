"""What the detector scripts have in common, run in this process."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, Scan, scan_constants, scan_mocks
from readiness_tests.detectors.cli import Detector, run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path


def values(paths: Sequence[Path], _: argparse.Namespace) -> Scan:
    """Look for hardcoded values."""
    return scan_constants(paths)


VALUES = Detector(name="values", summary="Find values.", defaults=("pkg",), scan=values)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one honest package."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("def f(x): return x\n")
    return tmp_path


def test_clean_is_0(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without paths the defaults below the root are examined."""
    assert run(VALUES, root, []) == 0

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "values: 1 files and 1 functions examined, 0 findings\n"


def test_a_finding_is_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths that are given are examined instead of the defaults."""
    (root / "bad.py").write_text("def fee(x): return 0.1\n")

    assert run(VALUES, root, [str(root / "bad.py")]) == 1
    assert "bad.py:1:1 hardcoded-amount fee always gives 0.1\n" in capsys.readouterr().out


def test_paths_are_shown_as_seen_from_here(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default below the working directory is shown relative to it."""
    (root / "pkg" / "bad.py").write_text("def fee(x): return 0.1\n")
    monkeypatch.chdir(root)

    run(VALUES, root, [])

    assert capsys.readouterr().out.startswith("pkg/bad.py:1:1 ")


def test_no_function_is_2_where_functions_count(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A detector of functions that sees none has seen nothing."""
    (root / "pkg" / "a.py").write_text("X = 1\n")
    counting = replace(VALUES, counts_functions=True)

    assert run(counting, root, []) == 2
    assert "no function" in capsys.readouterr().err
    assert run(VALUES, root, []) == 0


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DetectorError("no such thing"), "values: no such thing\n"),
        (KeyboardInterrupt(), "values: interrupted; nothing is known\n"),
    ],
)
def test_an_error_is_2_and_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], error: BaseException, message: str
) -> None:
    """Whatever stops a detector, nothing is claimed."""

    def refuse(paths: Sequence[Path], given: argparse.Namespace) -> Scan:
        raise error

    assert run(replace(VALUES, scan=refuse), root, ["--json"]) == 2
    assert tuple(capsys.readouterr()) == ("", message)


def test_options_are_added(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A detector may have arguments of its own; JSON tells what was allowed."""

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--strict", action="store_true")

    def stand_ins(paths: Sequence[Path], given: argparse.Namespace) -> Scan:
        return scan_mocks(paths, strict=given.strict)

    (root / "pkg" / "b.py").write_text("fake = 1  # allow-mock: so it is called\n")
    own = replace(VALUES, options=options, scan=stand_ins)

    assert run(own, root, ["--json"]) == 0
    lenient, err = capsys.readouterr()
    assert run(own, root, ["--json", "--strict"]) == 1
    strict = capsys.readouterr().out

    assert err.endswith("0 findings, 1 allowed\n")
    assert [a["accepted"] for a in json.loads(lenient)["allowances"]] == [True]
    assert [a["accepted"] for a in json.loads(strict)["allowances"]] == [False]


def test_what_the_terminal_cannot_show_is_escaped(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A character outside the terminal's encoding does not end the run."""
    (root / "pkg" / "\u00e9.py").write_text("def fee(x): return 0.1\n")
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", screen)

    assert run(VALUES, root, []) == 1
    screen.seek(0)
    assert "\\xe9.py:1:1" in screen.read()
