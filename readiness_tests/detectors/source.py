"""Find Python files and read them, leaving nothing out silently."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_tests.detectors.finding import DetectorError, Finding, Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
"""The nodes that count as functions examined."""


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed file: its text by lines, its syntax tree and its comments by line number.

    `nodes` are all nodes of the tree, listed once because every rule goes through them.
    """

    path: str
    lines: tuple[str, ...]
    tree: ast.Module
    nodes: tuple[ast.AST, ...] = field(repr=False)
    comments: dict[int, tuple[int, str]] = field(repr=False)

    def finding(self, node: ast.AST, rule: str, message: str) -> Finding:
        """Return a finding at *node*."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return self.at(line, column + 1, rule, message)

    def at(self, line: int, column: int, rule: str, message: str) -> Finding:
        """Return a finding at *line* and *column*, both from 1."""
        text = self.lines[line - 1].strip() if line <= len(self.lines) else ""
        return Finding(self.path, line, column, rule, message, text)

    def functions(self) -> list[Function]:
        """Return every function and method, however deeply nested."""
        return [node for node in self.nodes if isinstance(node, Function)]


def discover(paths: Iterable[str | Path]) -> list[Path]:
    """Return the Python files that *paths* name, each once, sorted.

    A file is taken as given, a folder stands for every `*.py` below it. Left out are only hidden
    folders, `__pycache__` and virtual environments (folders with a `pyvenv.cfg`). Raises
    DetectorError naming every path that does not exist and every folder without a Python file.
    """
    files: dict[Path, Path] = {}
    problems = []
    for path in map(Path, paths):
        below = list(_python_files(path, seen=set())) if path.exists() else []
        files.update({file.resolve(): file for file in reversed(below)})
        if not path.exists():
            problems.append(f"{path}: no such file or folder")
        elif not below:
            problems.append(f"{path}: no Python file in this folder")
    if problems:
        raise DetectorError("; ".join(problems))
    if not files:
        raise DetectorError("nothing to examine: no path was given")
    return sorted(files.values())


def _python_files(path: Path, seen: set[Path]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    real = path.resolve()
    if real in seen:  # a symbolic link that leads back up
        return
    seen.add(real)
    for child in sorted(path.iterdir()):
        if child.is_dir() and not _is_left_out(child):
            yield from _python_files(child, seen)
        elif child.suffix == ".py" and not child.is_dir():
            yield child


def _is_left_out(folder: Path) -> bool:
    return (
        folder.name.startswith(".")
        or folder.name == "__pycache__"
        or (folder / "pyvenv.cfg").is_file()
    )


def read(path: Path) -> Source | Finding:
    """Return the parsed file, or the finding that says why it cannot be judged.

    The encoding is the one the file declares (PEP 263), UTF-8 otherwise.
    """
    name = path.as_posix()
    try:
        return parse(path.read_bytes(), name)
    except OSError as error:
        return Finding(name, 1, 1, "unreadable", f"cannot be read: {error.strerror or error}")
    except SyntaxError as error:
        place = (error.lineno or 1, error.offset or 1)
        return Finding(name, *place, "syntax-error", f"is not valid Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        return Finding(name, 1, 1, "syntax-error", f"cannot be parsed: {error}")


def parse(data: bytes, name: str = "<text>") -> Source:
    """Parse the bytes of a file; raise SyntaxError, ValueError or RecursionError if that fails."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a foreign file is not our business
        tree = ast.parse(data, filename=name)
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    lines = tuple(data.decode(encoding).split("\n"))
    return Source(name, lines, tree, tuple(ast.walk(tree)), _comments(data))


def _comments(data: bytes) -> dict[int, tuple[int, str]]:
    tokens = tokenize.tokenize(io.BytesIO(data).readline)
    return {
        token.start[0]: (token.start[1] + 1, token.string)
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def load(paths: Iterable[str | Path]) -> tuple[list[Source], list[Finding]]:
    """Return the parsed files under *paths*, and a finding for each that cannot be judged.

    Raises DetectorError where there is nothing to examine.
    """
    read_files = [read(path) for path in discover(paths)]
    sources = [source for source in read_files if isinstance(source, Source)]
    return sources, [broken for broken in read_files if isinstance(broken, Finding)]


def examine_all(
    sources: Sequence[Source],
    broken: Sequence[Finding],
    examine: Callable[[Source], Iterable[Finding]],
) -> Scan:
    """Return what *examine* finds in each of *sources*, beside *broken*, in order of place."""
    findings = [*broken]
    for source in sources:
        findings += _examined(source, examine)
    return Scan(
        files_examined=len(sources) + len(broken),
        functions_examined=sum(len(source.functions()) for source in sources),
        findings=tuple(sorted(findings)),
    )


def _examined(source: Source, examine: Callable[[Source], Iterable[Finding]]) -> Sequence[Finding]:
    try:
        return list(examine(source))
    except RecursionError:
        return [source.at(1, 1, "too-deep", "is nested too deeply to be judged")]
