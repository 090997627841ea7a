"""Several processes use one home at the same time."""

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

from rustybt.deployment import create_home, open_vault
from rustybt.settings import load_settings

WRITERS = 4
WRITES = 10
SCRIPT = """
    import sys
    from datetime import UTC, datetime
    from pathlib import Path
    from rustybt.deployment import open_vault
    from rustybt.settings import load_settings

    def clock():
        return datetime(2026, 1, 1, tzinfo=UTC)

    vault = open_vault(load_settings(Path(sys.argv[1]), {}), clock)
    for number in range(int(sys.argv[3])):
        vault.put(f"writer{sys.argv[2]}", f"field{number}", f"{sys.argv[2]} {number}")
        open_vault(load_settings(Path(sys.argv[1]), {}), clock)
"""


def clock() -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC)


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    """Every value of every writer is in the vault, and readers never met half a file."""
    root = create_home(tmp_path / "home", "dev", clock).root
    script = textwrap.dedent(SCRIPT)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(root), str(writer), str(WRITES)],
            env={"PATH": os.environ["PATH"]},
        )
        for writer in range(WRITERS)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * WRITERS
    vault = open_vault(load_settings(root, {}), clock)
    for writer in range(WRITERS):
        for number in range(WRITES):
            stored = vault.get(f"writer{writer}", f"field{number}").get_secret_value()
            assert stored == f"{writer} {number}"
