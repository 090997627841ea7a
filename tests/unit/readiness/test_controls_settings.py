"""What negative controls do to sandboxes."""

from __future__ import annotations

from pathlib import Path

from readiness_tests.controls import set_setting
from readiness_tests.subjects import Deployment


def test_a_setting_replaces_what_was_there(tmp_path: Path) -> None:
    """The key stands in the file once, and what is like it stays."""
    (tmp_path / ".env").write_text("NUM_WORKERS=1\nNUM_WORKERS_MORE=2\n# NUM_WORKERS=3\n", "utf-8")
    deployment = Deployment(tmp_path)

    set_setting(deployment, "NUM_WORKERS", "40")
    set_setting(deployment, "BROKER", "kraken")

    lines = (tmp_path / ".env").read_text("utf-8").splitlines()
    assert lines == ["NUM_WORKERS_MORE=2", "# NUM_WORKERS=3", "NUM_WORKERS=40", "BROKER=kraken"]
