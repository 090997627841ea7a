"""Which files the detectors read, how, and what they say where they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from readiness_tests.detectors import DetectorError, Finding, Scan, scan_constants
from readiness_tests.detectors.source import discover, examine_all, load, parse, read

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path, *paths: str) -> list[str]:
    """Return the files that *paths* in *folder* stand for, relative to it."""
    found = discover([folder / path for path in paths])
    return [file.relative_to(folder).as_posix() for file in found]


def make(folder: Path, *files: str) -> None:
    """Make Python files."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x = 1\n")


def test_a_folder_stands_for_every_python_file_below(tmp_path: Path) -> None:
    """Files are found at any depth, each once, in order; other files are not Python."""
    make(tmp_path, "b.py", "a/c.py", "a/d/e.py", "a/readme.md", "a/stub.pyi")

    assert names(tmp_path, ".", "a", "b.py") == ["a/c.py", "a/d/e.py", "b.py"]


def test_a_file_is_taken_as_given(tmp_path: Path) -> None:
    """A script needs no suffix when it is named."""
    make(tmp_path, "script", ".hidden/x.py")

    assert names(tmp_path, "script", ".hidden/x.py") == [".hidden/x.py", "script"]


def test_tool_folders_are_left_out(tmp_path: Path) -> None:
    """Hidden folders, caches and virtual environments hold no code of the project."""
    make(tmp_path, "a.py", ".tox/b.py", "__pycache__/c.py", "env/lib/d.py", "env/pyvenv.cfg")

    assert names(tmp_path, ".") == ["a.py"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A linked folder is examined, a link that leads back up ends there."""
    make(tmp_path, "real/a.py", "tree/b.py")
    (tmp_path / "tree" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "tree" / "up").symlink_to(tmp_path / "tree")

    assert names(tmp_path, "tree") == ["tree/b.py", "tree/linked/a.py"]


def test_every_bad_path_is_named(tmp_path: Path) -> None:
    """All paths that stand for nothing are reported at once."""
    make(tmp_path, "a.py", "empty/readme.md")

    with pytest.raises(DetectorError) as caught:
        discover([tmp_path / "a.py", tmp_path / "empty", tmp_path / "missing"])

    assert "empty: no Python file in this folder" in str(caught.value)
    assert "missing: no such file or folder" in str(caught.value)


def test_no_path_is_an_error() -> None:
    """Nothing was asked, so nothing is clean."""
    with pytest.raises(DetectorError, match="no path was given"):
        discover([])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("x = 'é'\n".encode(), "x = 'é'"),
        (b"# coding: latin-1\nx = '\xe9'\n", "x = 'é'"),
        (b"\xef\xbb\xbfx = '\xc3\xa9'\n", "x = 'é'"),
        (b"# one\r\nx = '\xc3\xa9'\r\n", "x = 'é'"),
        (b"# one\rx = '\xc3\xa9'\r", "x = 'é'"),
        (b"y = 1\n\x0c\nx = '\xc3\xa9'\n", "x = 'é'"),
    ],
)
def test_declared_encodings_and_line_ends_are_understood(data: bytes, line: str) -> None:
    """PEP 263 declarations, byte order marks and all line ends give the lines that were meant."""
    assert line in parse(data).lines


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"def f(:\n", "syntax-error"),
        (b"x = '\xe9'\n", "syntax-error"),
        (b"# coding: no-such-codec\n", "syntax-error"),
        (b"x = 1\x00\n", "syntax-error"),
        (b"(" * 500, "syntax-error"),
        (b"if x:\ny\n", "syntax-error"),
        (b"x = (1,\n", "syntax-error"),
    ],
)
def test_what_cannot_be_parsed_is_a_finding(tmp_path: Path, data: bytes, rule: str) -> None:
    """A file that is not Python is reported, and the others are still examined."""
    (tmp_path / "bad.py").write_bytes(data)
    make(tmp_path, "good.py")

    scan = scan_constants([tmp_path])

    assert [(found.path, found.rule) for found in scan.findings] == [
        ((tmp_path / "bad.py").as_posix(), rule)
    ]
    assert scan.files_examined == 2


def test_an_unreadable_file_is_a_finding(tmp_path: Path) -> None:
    """A dangling link cannot be read; it is not skipped."""
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")

    found = read(tmp_path / "gone.py")

    assert isinstance(found, Finding)
    assert (found.rule, found.line) == ("unreadable", 1)
    assert "No such file" in found.message
    assert [f.rule for f in scan_constants([tmp_path]).findings] == ["unreadable"]


def test_code_that_is_nested_too_deeply_is_a_finding(tmp_path: Path) -> None:
    """An expression that would exhaust the stack is reported, not a crash."""
    (tmp_path / "deep.py").write_text("def f(x): return " + "+".join(["1"] * 800) + "\n")

    assert [f.rule for f in scan_constants([tmp_path]).findings] == ["too-deep"]


def test_code_that_python_cannot_parse_is_a_finding(tmp_path: Path) -> None:
    """Where the interpreter gives up or the detector does, the file is reported."""
    (tmp_path / "deep.py").write_bytes(b"+".join([b"1"] * 20_000))

    (finding,) = scan_constants([tmp_path]).findings

    assert finding.rule in {"syntax-error", "too-deep"}


def test_odd_escapes_of_a_foreign_file_warn_nobody() -> None:
    """Warnings of the parser are not ours to give."""
    assert parse(b"x = '\\d'\n").lines[0] == "x = '\\d'"


def test_a_scan_of_nothing_is_not_clean(tmp_path: Path) -> None:
    """`clean` asks for something examined and nothing found."""
    make(tmp_path, "a.py")

    assert not Scan(files_examined=0, functions_examined=0).clean
    assert examine_all(*load([tmp_path]), lambda _: []).clean
