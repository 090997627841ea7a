"""Secrets in files and history: found, and excused only by an audit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from readiness_tests import secret_scan
from readiness_tests.sandbox import build_checkout, commit_all
from readiness_tests.subjects import Checkout
from readiness_tests.suite import SuiteStore

ROOT = Path(__file__).resolve().parents[2]
PLANTED = secret_scan.planted_key()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a sandbox checkout."""
    return Checkout(build_checkout(ROOT, tmp_path / "checkout"), SuiteStore(tmp_path / "suites"))


def test_a_clean_tree_is_scanned(checkout: Checkout) -> None:
    """A scan says how much it looked at, and finds nothing where nothing is."""
    leaks = secret_scan.scan_files(checkout)
    assert leaks.scanned > 10
    assert leaks.found == ()


def test_a_record_may_name_its_commit(checkout: Checkout) -> None:
    """The commit of a record is no secret; the same letters under another name are one."""
    commit = hashlib.sha256(b"a commit").hexdigest()[:40]
    checkout.write("record.json", f'{{\n  "commit": "{commit}",\n  "secret": "{commit}"\n}}\n')
    found = secret_scan.scan_files(checkout).found
    assert {name.split(" ")[0] for name in found} == {"record.json:3"}


def test_a_planted_key_is_found_and_can_be_excused(checkout: Checkout) -> None:
    """A key in a file is found; an audited baseline entry excuses it, an unaudited one does not."""
    checkout.write("notes.txt", f"access = '{PLANTED}'\n")
    assert secret_scan.scan_files(checkout).found == ("notes.txt:1 AWS Access Key",)
    entry = {
        "type": "AWS Access Key",
        "filename": "notes.txt",
        "line_number": 1,
        "hashed_secret": _digest(),
    }
    _write_baseline(checkout, entry)
    leaks = secret_scan.scan_files(checkout)
    assert leaks.unaudited == ("notes.txt:1",)
    assert leaks.found != ()
    _write_baseline(checkout, entry | {"is_secret": False})
    leaks = secret_scan.scan_files(checkout)
    assert (leaks.found, leaks.unaudited) == ((), ())


def test_a_key_that_was_removed_again_is_found_in_the_history(checkout: Checkout) -> None:
    """Removing a secret in a later commit does not take it out of the history."""
    path = checkout.write("notes.txt", f"access = '{PLANTED}'\n")
    commit_all(checkout.root, "Add")
    path.unlink()
    commit_all(checkout.root, "Remove")
    assert secret_scan.scan_files(checkout).found == ()
    assert len(secret_scan.scan_history(checkout).found) == 1


def test_a_committed_env_file_is_found(checkout: Checkout) -> None:
    """An ``.env`` that any commit added is named, even if it held nothing."""
    checkout.write(".gitignore", "")
    checkout.write("deploy/.env", "A=1\n")
    commit_all(checkout.root, "Add settings")
    found = secret_scan.env_files_in_history(checkout.root)
    assert [name.split()[0] for name in found] == ["deploy/.env"]


def _digest() -> str:
    return hashlib.sha1(PLANTED.encode()).hexdigest()  # noqa: S324 - as detect-secrets names them


def _write_baseline(checkout: Checkout, entry: dict[str, object]) -> None:
    document = {"version": "1.5.0", "results": {"notes.txt": [entry]}}
    checkout.write(secret_scan.BASELINE, json.dumps(document))


def test_files_that_are_not_looked_at_are_noticed(checkout: Checkout) -> None:
    """A planted key must be found in every scan, so that a blind scanner cannot say all is well."""
    checkout.write("setup.cfg", "")
    assert secret_scan.scan_files(checkout).found == ()
    checkout.write(".gitignore", "")
    checkout.write("deep/er/notes.txt", f"access = '{PLANTED}'\n")
    assert secret_scan.scan_files(checkout).found == ("deep/er/notes.txt:1 AWS Access Key",)
