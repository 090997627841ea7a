"""What several negative controls do to the sandboxes that they break."""

from __future__ import annotations

import re

from readiness_tests.subjects import Deployment


def set_setting(deployment: Deployment, key: str, value: str) -> None:
    """Let the ``.env`` of a sandbox say *value* for *key*, whatever it said before."""
    env = deployment.home.env_file
    kept = re.sub(rf"(?m)^{key}=.*\n?", "", env.read_text("utf-8"))
    env.write_text(f"{kept.rstrip()}\n{key}={value}\n", "utf-8")
