"""Killed at any instant, backup and restore leave the old state or the new one, nothing between.

A child process kills itself with SIGKILL just before its N-th file operation, for numbers N all
over the command and every one of the last; an audit hook counts the operations.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
    import os, shutil, signal, sys
    from datetime import UTC, datetime, timedelta
    from pathlib import Path
    from rustybt.backup.making import look_into, make_backup
    from rustybt.backup.proving import prove_restored
    from rustybt.backup.replicating import Replication
    from rustybt.backup.restoring import restore_backup
    from rustybt.deployment import create_home, home_digest
    from rustybt.journal.places import journal_url
    from rustybt.journal.replication import restore_segments
    from rustybt.journal.store import Journal
    from rustybt.settings import load_settings

    SCRATCH = Path(sys.argv[1])
    SAMPLES, LAST = 12, 8

    def clock():
        return datetime(2026, 1, 1, tzinfo=UTC)

    def later():
        return clock() + timedelta(minutes=1)

    def killed_all_over(prepare, act, look):
        '''Crash act at operations all over it, on a fresh folder each time.'''
        def fresh(number):
            root = SCRATCH / f"copy{number}"
            prepare(root)
            return root
        whole = fresh(0)
        total = counted(0, lambda: act(whole))
        look(whole, True)
        few = range(1, total, max(total // SAMPLES, 1))
        kills = 0
        for number in sorted({*few, *range(max(total - LAST, 1), total + 1)}):
            root = fresh(number)
            done = counted(number, lambda: act(root)) is not None
            look(root, done)
            kills += not done
            shutil.rmtree(root)
        assert kills > LAST, kills
        print(kills)

    def with_records(home, count):
        url = journal_url(load_settings(home, {}))
        with Journal.open(url, session="s", clock=clock) as journal:
            for _ in range(count):
                journal.append("heartbeat", b'{"a":1}')
            journal.commit()
            return journal.committed

    template = create_home(SCRATCH / "template", "dev", clock).root
    with_records(template, 20)
"""

SCRIPTS = {
    "backup": """
        def prepare(root):
            shutil.copytree(template, root)

        def look(root, done):
            found = [path for path in (root / "backups").iterdir() if path.suffix == ".gz"]
            assert found or not done
            keys = load_settings(root, {}).encryption_keys()
            for path in found:
                trial = root / "trial"
                trial.mkdir()
                look_into(path, keys, {}, clock, trial)
                shutil.rmtree(trial)
            make_backup(root, {}, later)
            left = sorted(path.name for path in (root / "backups").iterdir())
            assert left == [path.name for path in found] + ["rustybt_backup_20260101_000100.tar.gz"]

        killed_all_over(prepare, lambda root: make_backup(root, {}, clock), look)
    """,
    "restore": """
        archive = make_backup(template, {}, clock).path

        def prepare(root):
            root.mkdir()
            shutil.copytree(template, root / "home")
            (root / "home" / "config" / "mine").write_text("newer")

        def act(root):
            restore_backup(archive, root / "home", {}, clock)

        def is_whole(home):
            load_settings(home, {})
            return (home / "data" / "practice.csv").exists()

        def look(root, done):
            home = root / "home"
            old = (home / "config" / "mine").exists()
            assert is_whole(home)
            assert not (old and done)
            kept = [path for path in root.iterdir() if ".before-" in path.name]
            assert all(map(is_whole, kept))
            if not old:
                assert prove_restored(home, {}, clock).ok
                assert [(path / "config" / "mine").read_text() for path in kept] == ["newer"]
            restore_backup(archive, home, {}, later)
            assert prove_restored(home, {}, clock).ok
            assert not [path for path in root.iterdir() if path.name.startswith(".")]
            newer = [path for path in root.iterdir() if (path / "config" / "mine").exists()]
            assert len(newer) == 1

        killed_all_over(prepare, act, look)
    """,
    "replicate": """
        def prepare(root):
            shutil.copytree(template, root)
            (root / "copy").mkdir()
            ship(root)
            with_records(root, 5)

        def ship(root):
            found = Replication(root, {}, clock, target=str(root / "copy")).ship()
            assert found.problem is None, found.problem
            return found

        def look(root, done):
            head = restore_segments(str(root / "copy"), f"sqlite:///{root}/between.db")
            assert head.sequence in ((25,) if done else (20, 25))
            assert ship(root).shipped == 25
            head = restore_segments(str(root / "copy"), f"sqlite:///{root}/after.db")
            assert head.sequence == 25

        killed_all_over(prepare, ship, look)
    """,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_killed_all_over(name: str, tmp_path: Path, dying: str) -> None:
    """At no instant does a kill leave half an archive, half a home or half a copy."""
    script = dying + textwrap.dedent(PRELUDE) + textwrap.dedent(SCRIPTS[name])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
