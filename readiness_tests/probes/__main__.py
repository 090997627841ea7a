"""Run one probe: ``python -P -m readiness_tests.probes NAME``, with the request on standard input.

Whatever the engine prints goes to standard error; standard output holds the answer alone.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

PACKAGE = "rustybt"


def main() -> None:
    """Answer one request; raise whatever the probe raises."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    probe = importlib.import_module(f"readiness_tests.probes.{sys.argv[1]}")
    answer = probe.main(request["arguments"])
    _require_origin(Path(request["root"]))
    with os.fdopen(answer_to, "w", encoding="utf-8") as sink:
        json.dump(answer, sink, default=_as_text)


def _require_origin(root: Path) -> None:
    """Raise ImportError unless every module of the engine was loaded from *root*."""
    loaded = {
        name: Path(module.__file__).resolve()
        for name, module in sys.modules.items()
        if name.split(".")[0] == PACKAGE and module.__file__
    }
    foreign = [f"{name} from {path}" for name, path in loaded.items() if root not in path.parents]
    if foreign or not loaded:
        raise ImportError(f"the engine was to be loaded from {root}: {foreign or 'it was not'}")


def _as_text(value: object) -> str:
    """Return an exact number or a time as text; raise TypeError for anything else."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a probe cannot return {value!r}; expected what JSON holds, or a decimal")


if __name__ == "__main__":
    main()
