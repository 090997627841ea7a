"""The ``.env`` file: what it says, on which line, and how to take lines out of it.

Syntax (comments, quotes, ``export``) is python-dotenv's; values are taken as they stand, without
expansion of ``${...}``. Offsets are kept, so that a rewrite leaves every other byte alone.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from rustybt.errors import SettingsError, SettingsProblem
from rustybt.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from dotenv.parser import Binding

MAX_BYTES = 256 * 1024
MASK = "***"
_BOM = "\ufeff"
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Assignment:
    """One ``KEY=value`` of the file: its first *line* (from 1) and the span of its text."""

    key: str
    value: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The file called *name*: its text, its assignments in order, what could not be read."""

    name: str
    text: str
    assignments: tuple[Assignment, ...]
    problems: tuple[SettingsProblem, ...]

    def without(self, keys: Collection[str]) -> str:
        """Return the text without the assignments of *keys*; all other bytes stay as they are."""
        kept, position = [], 0
        for assignment in self.assignments:
            if assignment.key in keys:
                kept.append(self.text[position : assignment.start])
                position = assignment.end
        return "".join([*kept, self.text[position:]])

    def with_value(self, key: str, value: str) -> str:
        """Return the text with the one plain value of *key* replaced, its line otherwise kept.

        Raises ``ValueError`` if *key* is not assigned or its value does not stand there as it is.
        """
        (old,) = (found for found in self.assignments if found.key == key)
        line = self.text[old.start : old.end]
        head, found, tail = line.partition(old.value)
        if not old.value or not found:
            raise ValueError(f"{self.name}:{old.line}: the value of {key} is not plain")
        return f"{self.text[: old.start]}{head}{value}{tail}{self.text[old.end :]}"

    def lines_containing(self, part: str) -> tuple[int, ...]:
        """Return the numbers (from 1) of the lines where *part* stands, comments included."""
        lines = _LINE_END.split(self.text)
        return tuple(number for number, line in enumerate(lines, start=1) if part in line)


def read_env_file(path: Path) -> EnvFile:
    """Read the ``.env`` at *path*.

    Raises `HomeError` if it is not a regular file of at most 256 KiB and `SettingsError` if it is
    not UTF-8. Lines that make no sense do not raise: they are the result's ``problems``.
    """
    return parse_env(decode(read_bounded(path, MAX_BYTES), path.name), path.name)


def decode(data: bytes, name: str) -> str:
    """Decode the bytes of the file *name*; raise `SettingsError` with the line if not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    # Raised out here, because the decoding error holds the whole text, secrets included.
    problem = SettingsProblem(
        source=f"{name}:{line}",
        key="(text)",
        value="",
        problem="is not UTF-8",
        expected="UTF-8",
    )
    raise SettingsError([problem])


def parse_env(text: str, name: str) -> EnvFile:
    """Parse the *text* of a file called *name*, which stands in the problems' places."""
    assignments: list[Assignment] = []
    problems: list[SettingsProblem] = []
    first_lines: dict[str, int] = {}
    # dotenv counts lines as well, but one too many after a bad line that ends in CRLF.
    line_ends = [found.end() for found in _LINE_END.finditer(text)]
    for binding, start, end in _spans(text):
        line = bisect_right(line_ends, start) + 1
        problem = _problem(binding, name, line, first_lines)
        if problem is not None:
            problems.append(problem)
        elif binding.key is not None:
            first_lines[binding.key] = line
            assignments.append(Assignment(binding.key, binding.value or "", line, start, end))
    return EnvFile(name, text, tuple(assignments), tuple(problems))


def _spans(text: str) -> Iterator[tuple[Binding, int, int]]:
    """Yield each binding with the span of its own text, blank lines before it left out."""
    position = len(_BOM) if text.startswith(_BOM) else 0
    for binding in parse_stream(io.StringIO(text, newline="")):
        original = binding.original.string
        end = position + len(original)
        yield binding, end - len(original.lstrip()), end
        position = end


def _problem(
    binding: Binding, name: str, line: int, first_lines: dict[str, int]
) -> SettingsProblem | None:
    """Return what is wrong with the form of one line, or ``None``."""
    source = f"{name}:{line}"
    if binding.error or (binding.key is not None and binding.value is None):
        return SettingsProblem(
            source=source,
            key="(text)",
            value=MASK,
            problem="cannot be read",
            expected="KEY=value, with quotes closed on the same line",
        )
    if binding.key in first_lines:
        return SettingsProblem(
            source=source,
            key=binding.key,
            value=MASK,
            problem=f"is set twice, first on line {first_lines[binding.key]}",
            expected="each key once",
        )
    if _LINE_END.search(binding.original.string.strip()):
        return SettingsProblem(
            source=source,
            key=binding.key or "",
            value=MASK,
            problem="goes over several lines",
            expected="one line with its quotes closed; \\n in double quotes ends a line",
        )
    return None
