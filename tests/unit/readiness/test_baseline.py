"""What check 4.1.5 compares: ratios of now with those on record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from readiness_tests.baseline import FILE, slowdown, stored


def test_a_slowdown_is_that_of_the_median() -> None:
    """One slow round is none; a quicker path has a negative one."""
    assert slowdown([2.0, 2.4, 90.0], 2.0) == pytest.approx(20)
    assert slowdown([1.0, 1.0, 1.0], 2.0) == pytest.approx(-50)


def test_ratios_are_kept_by_release(tmp_path: Path) -> None:
    """Without a file there are none; what is there is by release of Python."""
    assert stored(tmp_path) == {}
    (tmp_path / FILE).write_text(json.dumps({"ratios": {"3.11": {"a path": 1.5}}}), "utf-8")
    assert stored(tmp_path) == {"3.11": {"a path": 1.5}}
