"""Settings are read exactly or refused; rewriting `.env` keeps every other byte."""

import io
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import example, given
from hypothesis import strategies as st

from rustybt.errors import RustyBTError, SettingsError
from rustybt.settings import load_settings, parse_env

# A thousand examples would otherwise spend their time waiting for the disk.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a private folder in it

KEYS = st.sampled_from(["A", "B", "MAX_LEVERAGE", "BINANCE_API_KEY"])
VALUES = st.text("ab01 #'\"=\\$", max_size=8)
LINES = st.one_of(
    st.builds("{}={}".format, KEYS, VALUES),
    st.builds("export {} = '{}' # why".format, KEYS, st.text("ab ", max_size=4)),
    st.text("ab#='\" \\\t", max_size=10),
)
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", "\n  \n"])
TEXTS = st.lists(st.builds("{}{}".format, LINES, ENDS), max_size=8).map("".join)


@given(TEXTS, st.sets(KEYS))
def test_taking_out_keys_takes_out_nothing_else(text: str, keys: set[str]) -> None:
    """What remains is the text without the spans of those keys, and it parses to the rest."""
    parsed = parse_env(text, ".env")
    rest = parsed.without(keys)
    taken = [one for one in parsed.assignments if one.key in keys]
    assert len(rest) == len(text) - sum(one.end - one.start for one in taken)
    assert parsed.without(set()) == text
    if not parsed.problems:
        kept = [(one.key, one.value) for one in parsed.assignments if one.key not in keys]
        left = parse_env(rest, ".env")
        assert [(one.key, one.value) for one in left.assignments] == kept
        assert left.problems == ()


@given(TEXTS)
def test_values_are_those_of_python_dotenv(text: str) -> None:
    """Where nothing is wrong with a file, its values are what dotenv itself reads."""
    parsed = parse_env(text, ".env")
    if not parsed.problems:
        expected = dotenv_values(stream=io.StringIO(text, newline=""), interpolate=False)
        assert {one.key: one.value for one in parsed.assignments} == expected
    lines = text.replace("\r\n", "\n").split("\n")
    for one in parsed.assignments:
        assert one.key.split("\n")[0] in lines[one.line - 1]


@given(st.decimals(min_value=0, max_value=30, allow_nan=False, places=6))
def test_limits_are_exact_and_within_their_range(value: Decimal) -> None:
    """A decimal is taken to the last digit, or refused for being out of range."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        (Path(folder) / ".env").write_text(f"MAX_LEVERAGE={value:f}\n")
        if 0 < value <= 20:
            assert str(load_settings(Path(folder), {}).max_leverage) == f"{value:f}"
        else:
            with pytest.raises(SettingsError, match="MAX_LEVERAGE"):
                load_settings(Path(folder), {})


@given(
    st.sampled_from(
        ["MAX_LEVERAGE", "API_PORT", "TIMEZONE", "API_HOST", "DB_URL", "OFFSITE_URL", "LOG_DIR"]
    ),
    st.one_of(st.text(max_size=30), VALUES, st.binary(max_size=20)),
)
@example("LOG_DIR", "~0")  # once a RuntimeError: nobody has that name
def test_whatever_stands_there_is_taken_or_refused(key: str, value: str | bytes) -> None:
    """No value makes loading fail in any other way than with the project's own errors."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        (Path(folder) / ".env").write_bytes(key.encode() + b"=" + data + b"\n")
        try:
            shown = load_settings(Path(folder), {}).sources
        except RustyBTError:
            return
        assert key in {one.key for one in shown}
