"""What the detectors of comments find: promises without an issue, bare suppressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, scan_comments, scan_suppressions

if TYPE_CHECKING:
    from pathlib import Path


def promises(folder: Path, code: str) -> list[tuple[int, int, str]]:
    """Return line, column and first word of each promise found in *code*."""
    (folder / "module.py").write_text(code, encoding="utf-8")
    findings = scan_comments([folder]).findings
    return [(found.line, found.column, found.message.partition(" ")[0]) for found in findings]


def suppressions(folder: Path, code: str) -> list[str]:
    """Return the message of each suppression found in *code*."""
    (folder / "module.py").write_text(code, encoding="utf-8")
    return [found.message for found in scan_suppressions([folder]).findings]


@pytest.mark.parametrize(
    ("code", "place"),
    [
        ("# TODO", (1, 1, "TODO")),
        ("# TODO: handle it", (1, 1, "TODO")),
        ("x = 1  # FIXME later", (1, 8, "FIXME")),
        ("x = (\n    1,  # XXX\n)", (2, 9, "XXX")),
        ("# a HACK, sorry", (1, 1, "HACK")),
        ("# todo: small letters", (1, 1, "TODO")),
        ("#fixme", (1, 1, "FIXME")),
        ("def f():\n    return 1\n    # TODO", (3, 5, "TODO")),
        ("# TODO 5 things, see issue", (1, 1, "TODO")),
        ("# TODO see https://example.com/", (1, 1, "TODO")),
        ("#5 TODO", (1, 1, "TODO")),
        ("x = 'é'  # TODO", (1, 10, "TODO")),
    ],
)
def test_a_promise_without_an_issue_is_found(
    tmp_path: Path, code: str, place: tuple[int, int, str]
) -> None:
    """A promise in a comment is found at its place."""
    assert promises(tmp_path, code) == [place]


@pytest.mark.parametrize(
    "code",
    [
        "# TODO(#12): handle it",
        "# TODO #12",
        "# FIXME GH-12",
        "# HACK: https://example.com/issues/12",
        "x = '# TODO'",
        "'''\nTODO: in a docstring\n'''",
        "x = f'# FIXME {1}'",
        "# todos are listed elsewhere; a hackney carriage",
        "# whatever is to do, method XXXL",
        "TODO = 1",
        "",
    ],
)
def test_what_is_no_bare_promise_is_left_alone(tmp_path: Path, code: str) -> None:
    """An issue makes a promise good; a text is no comment."""
    assert promises(tmp_path, code) == []


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# noqa", "noqa names no code"),
        ("# NOQA", "NOQA names no code"),
        ("# noqa - because", "noqa names no code"),
        ("# noqa: E501", "noqa gives no reason"),
        ("# noqa: E501,S603", "noqa gives no reason"),
        ("# noqa: E501 S603", "noqa gives no reason"),
        ("# noqa: E501 -", "noqa gives no reason"),
        ("# noqa: E501 - x", "noqa gives no reason"),
        ("# ruff: noqa", "ruff: noqa names no code"),
        ("# ruff: noqa: E501", "ruff: noqa gives no reason"),
        ("# type: ignore", "type: ignore names no code"),
        ("# type:ignore[attr-defined]", "type:ignore gives no reason"),
        ("# type: ignore because", "type: ignore names no code"),
        ("# pyright: ignore[x]", "pyright: ignore gives no reason"),
        ("# mypy: ignore-errors", "mypy: ignore-errors names no code"),
        ("# nosec", "nosec names no code"),
        ("# nosec B603", "nosec gives no reason"),
        ("# nosec: B603, B404", "nosec gives no reason"),
        ("# pylint: disable=too-many-lines", "pylint: disable gives no reason"),
        ("# type: ignore[x]  # noqa: E501 - long link", "type: ignore gives no reason"),
    ],
)
def test_a_bare_suppression_is_found(tmp_path: Path, comment: str, message: str) -> None:
    """A suppression without a code, or with a code and no reason, is found."""
    assert suppressions(tmp_path, f"x = 1  {comment}\n") == [message]


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa: S603 - the command is fixed",
        "# noqa: S603,E501 - the command is fixed",
        "# noqa: S603, E501 -- the command is fixed",
        "# ruff: noqa: E501 - tables",
        "# type: ignore[attr-defined] # a located node",
        "# type: ignore[attr-defined, misc] - a located node",
        "# nosec B603 - the command is fixed",
        "# pylint: disable=too-many-lines  one table",
        "# type: ignore[x] - odd stub  # noqa: E501 - long link",
        "# noqas are rare",
        "# nosection",
        "# this is noqa",
    ],
)
def test_an_explained_suppression_is_left_alone(tmp_path: Path, comment: str) -> None:
    """A code and a reason are enough, and prose is no suppression."""
    assert suppressions(tmp_path, f"x = 1  {comment}\n") == []


def test_two_bare_suppressions_are_two_findings(tmp_path: Path) -> None:
    """Each suppression on a line answers for itself."""
    assert suppressions(tmp_path, "x = 1  # type: ignore # noqa\n") == [
        "type: ignore names no code",
        "noqa names no code",
    ]


def test_nothing_to_examine_is_an_error(tmp_path: Path) -> None:
    """An empty folder is not a clean one."""
    with pytest.raises(DetectorError, match="no Python file"):
        scan_comments([tmp_path])
    with pytest.raises(DetectorError, match="no Python file"):
        scan_suppressions([tmp_path])
