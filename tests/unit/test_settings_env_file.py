"""The `.env` parser keeps places, so that rewriting touches nothing else."""

import pytest

from rustybt.settings import parse_env


def test_lines_are_those_that_an_editor_shows() -> None:
    """Blank lines, comments and line ends of any kind do not shift the numbers."""
    parsed = parse_env("\n\n# c\nA=1\r\n\r\nB=2\n  \n\tC=3", ".env")
    assert [(found.key, found.line) for found in parsed.assignments] == [
        ("A", 4),
        ("B", 6),
        ("C", 8),
    ]


def test_lines_are_right_after_a_bad_one_in_a_windows_file() -> None:
    """A bad line that ends in CRLF counts once."""
    parsed = parse_env("=\r\nA=1\r\njunk\r\n", ".env")
    assert [found.line for found in parsed.assignments] == [2]
    assert [problem.source for problem in parsed.problems] == [".env:1", ".env:3"]


def test_taking_out_an_assignment_keeps_all_other_bytes() -> None:
    """Comments, blank lines, spacing, line ends and the byte order mark stay."""
    text = "\ufeff# head\r\n\r\nexport A = 'x' # why\r\n\r\n  # kept\nB=2\n\nC=3"
    assert parse_env(text, ".env").without({"A"}) == "\ufeff# head\r\n\r\n\r\n  # kept\nB=2\n\nC=3"
    assert parse_env(text, ".env").without({"C"}) == text.removesuffix("C=3")
    assert parse_env(text, ".env").without({"Z"}) == text


def test_a_value_is_replaced_within_its_line() -> None:
    """Quotes, `export` and inline comments around the value stay."""
    parsed = parse_env("A=1\nexport K='abc'  # mine\nB=2\n", ".env")
    assert parsed.with_value("K", "xyz") == "A=1\nexport K='xyz'  # mine\nB=2\n"


def test_a_value_that_does_not_stand_in_the_text_is_not_replaced() -> None:
    """An escaped value could only be replaced by guessing."""
    with pytest.raises(ValueError, match=r"\.env:1: the value of K is not plain"):
        parse_env('K="a\\"b"\n', ".env").with_value("K", "xyz")


def test_a_value_is_found_in_comments_too() -> None:
    """An outdated secret in a comment is in clear as well."""
    assert parse_env("# old abc\nK=abc\nL=1\n", ".env").lines_containing("abc") == (1, 2)


@pytest.mark.parametrize("line", ["junk", "=x", "A='open", 'A="x" y', "A"])
def test_lines_that_make_no_sense_are_problems(line: str) -> None:
    """They are reported with their number, and the lines after them are still read."""
    parsed = parse_env(f"X=1\n{line}\n", ".env")
    assert [problem.source for problem in parsed.problems] == [".env:2"]
