"""What several negative controls do to the sandboxes that they break."""

from __future__ import annotations

import re
from typing import Any

import yaml

from readiness_tests.subjects import Deployment


def set_setting(deployment: Deployment, key: str, value: str) -> None:
    """Let the ``.env`` of a sandbox say *value* for *key*, whatever it said before."""
    env = deployment.home.env_file
    kept = re.sub(rf"(?m)^{key}=.*\n?", "", env.read_text("utf-8"))
    env.write_text(f"{kept.rstrip()}\n{key}={value}\n", "utf-8")


def set_section(deployment: Deployment, section: str, value: Any) -> None:
    """Replace one section of the alert rules of a sandbox."""
    file = deployment.home.alerts_file
    document = yaml.safe_load(file.read_text("utf-8"))
    file.write_text(yaml.safe_dump(document | {section: value}, sort_keys=False), "utf-8")


def drop_rules(deployment: Deployment, *names: str) -> None:
    """Remove rules of a sandbox; raise KeyError for one that is not there."""
    rules = yaml.safe_load(deployment.home.alerts_file.read_text("utf-8"))["rules"]
    for name in names:
        del rules[name]
    set_section(deployment, "rules", rules)
