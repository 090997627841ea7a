"""Killed at any instant, a command leaves the old state, the new one, or a step to repeat.

A child process kills itself with SIGKILL just before its N-th file operation, for every N until it
gets through; an audit hook counts the operations. One more test kills at random instants.
"""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
    import os, random, shutil, signal, sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    from pydantic import SecretStr
    from rustybt.credentials import encrypt_credentials, rotate_keys
    from rustybt.deployment import create_home, home_digest, open_vault
    from rustybt.errors import RustyBTError
    from rustybt.settings import load_settings

    SCRATCH = Path(sys.argv[1])
    def clock():
        return datetime(2026, 1, 1, tzinfo=UTC)

    def values(root):
        vault = open_vault(load_settings(root, {}), clock)
        return {(e.name, e.field): vault.get(e.name, e.field).get_secret_value()
                for e in vault.entries()}

    def at_every_operation(template, act, check):
        '''Crash act on a fresh copy of template at each of its operations and check each.'''
        for number in range(1, 500):
            root = SCRATCH / f"copy{number}"
            if template:
                shutil.copytree(template, root)
            done = survives(number, lambda: act(root))
            check(root, done)
            if done:
                print(number - 1)
                return
        raise AssertionError("it never got through")

    template = create_home(SCRATCH / "template", "dev", clock).root
    practice = values(template)
"""

SCRIPTS = {
    "init": """
        def check(root, done):
            assert not root.exists() or values(root).keys() == practice.keys()
            assert root.exists() or not done

        at_every_operation(None, lambda root: create_home(root, "dev", clock), check)
    """,
    "rotate-keys": """
        before = load_settings(template, {}).encryption_keys()

        def check(root, done):
            assert values(root) == practice
            if not done:
                rotate_keys(root, {}, clock)
            settings = load_settings(root, {})
            assert values(root) == practice
            assert len(settings.encryption_keys()) == 1
            assert settings.encryption_keys() != before
            assert not list(root.rglob("*.tmp"))

        at_every_operation(template, lambda root: rotate_keys(root, {}, clock), check)
    """,
    "encrypt-credentials": """
        env = template / ".env"
        clean = env.read_text()
        env.write_text(clean + "BINANCE_API_KEY=plain-as-day\\n")
        wanted = practice | {("binance", "api_key"): "plain-as-day"}

        def check(root, done):
            kept = (root / ".env").read_text()
            assert kept == clean + "BINANCE_API_KEY=plain-as-day\\n" or values(root) == wanted
            try:
                encrypt_credentials(root, {}, clock)
            except RustyBTError as error:
                assert "nothing to encrypt" in str(error)
            assert values(root) == wanted
            assert (root / ".env").read_text() == clean

        at_every_operation(template, lambda root: encrypt_credentials(root, {}, clock), check)
    """,
    "random": """
        root = SCRATCH / "template"
        place = ("kraken", "api_key")
        kills = 0
        while kills < 50:
            child = os.fork()
            if child == 0:
                vault = open_vault(load_settings(root, {}), clock)
                number = 0
                while True:
                    number += 1
                    vault.put_all({place: f"value {number}", ("kraken", "api_secret"): f"{number}"})
            time.sleep(random.uniform(0.002, 0.03))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            kills += 1
            found = values(root)
            assert {key: found[key] for key in practice} == practice
            if place in found:
                assert found[place] == "value " + found["kraken", "api_secret"]
        open_vault(load_settings(root, {}), clock).put("kraken", "uid", "after all")
        assert place in found
        assert not list(root.rglob("*.tmp"))
        print(kills)
    """,
}


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_killed_command_leaves_a_deployment_that_works(
    tmp_path: Path, command: str, dying: str
) -> None:
    """After each kill the home opens with all its credentials, and a second call finishes."""
    script = dying + textwrap.dedent(PRELUDE) + textwrap.dedent(SCRIPTS[command])
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},  # no coverage there: killed, it would leave torn files
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 10, "too few crash points to mean anything"
