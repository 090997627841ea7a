"""The log: JSON a line, in UTC, and no secret at any depth."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rustybt.monitoring.logfile import LogFile, file_name
from rustybt.monitoring.logging import make_logger

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
SECRET = "canary-4711-of-the-vault"


def logger(folder: Path, level: str = "INFO") -> Any:
    """Return a logger that writes JSON into *folder*."""
    file = LogFile(folder, clock=lambda: NOW, retention=9)
    return make_logger(level=level, clock=lambda: NOW, secrets=[SECRET], file=file)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what is in the file of the day."""
    text = (folder / file_name(NOW.date())).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_an_object_that_says_when_how_grave_and_what(tmp_path: Path) -> None:
    """Time, level and event come first; what is bound stands in each line; numbers stay exact."""
    log = logger(tmp_path).bind(session="S1")
    log.info("order sent", order="O-1", price=Decimal("0.10"), at=NOW)
    log.warning("naïve")

    first, second = lines(tmp_path)
    assert first == {
        "time": "2026-03-01T12:00:00.000005Z",
        "level": "info",
        "event": "order sent",
        "session": "S1",
        "order": "O-1",
        "price": "0.10",
        "at": "2026-03-01T12:00:00.000005Z",
    }
    assert list(first)[:3] == ["time", "level", "event"]
    assert (second["event"], second["session"]) == ("naïve", "S1")


def test_what_is_less_grave_than_the_level_is_not_written(tmp_path: Path) -> None:
    """At WARNING there is no INFO."""
    log = logger(tmp_path, "WARNING")
    for name in ("debug", "info", "warning", "error", "critical"):
        getattr(log, name)(name)

    assert [line["level"] for line in lines(tmp_path)] == ["warning", "error", "critical"]


def test_no_secret_is_written_however_deep(tmp_path: Path) -> None:
    """Neither as a value, nor in a structure, an exception's text or a signed URL."""
    log = logger(tmp_path)
    log.info(SECRET, api_key="abc", deep=[{"a": {"b": (SECRET,)}}])
    try:
        raise RuntimeError(f"GET https://x/api?timestamp=1&signature=deadbeef01 {SECRET}")
    except RuntimeError:
        log.exception("failed")

    text = (tmp_path / file_name(NOW.date())).read_text("utf-8")
    assert SECRET not in text
    assert "deadbeef01" not in text
    assert '"api_key":"***"' in text
    assert "RuntimeError" in lines(tmp_path)[1]["exception"]


def test_what_json_cannot_say_is_said_as_text(tmp_path: Path) -> None:
    """A path, a class: no line is lost for what is in it."""
    logger(tmp_path).info("odd", path=Path("a/b"), kind=Path, number=float("nan"))

    (line,) = lines(tmp_path)
    assert "a/b" in line["path"]
    assert "Path" in line["kind"]
    assert line["number"] is None


def test_people_get_lines_to_read() -> None:
    """The console has the same facts, without colours where nobody sees them."""
    stream = io.StringIO()
    log = make_logger(level="INFO", clock=lambda: NOW, secrets=[SECRET], console=stream)
    log.info("order sent", order="O-1", token=SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("failed")

    text = stream.getvalue()
    assert "order sent" in text
    assert "order=O-1" in text
    assert "ValueError" in text
    assert SECRET not in text
    assert "\x1b" not in text


def test_a_level_that_is_none_is_refused() -> None:
    """The names of the levels are said."""
    with pytest.raises(ValueError, match="'LOUD' is no log level: expected one of DEBUG, INFO"):
        make_logger(level="LOUD", clock=lambda: NOW)
