"""Say which engine is driven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rustybt


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return where the engine's package lies, and *arguments* as they arrived."""
    return {"package": rustybt.__file__, "arguments": dict(arguments)}
