"""Records kept by tree: found again, never believed when altered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from readiness_tests.store import TreeStore


def remember(value: int) -> Callable[[int | None, Callable[[int], None]], int]:
    """Return a function that makes *value* where nothing is known."""

    def extend(known: int | None, keep: Callable[[int], None]) -> int:
        if known is not None:
            return known
        keep(value)
        return value

    return extend


def test_a_record_is_made_once(tmp_path: Path) -> None:
    """The second to ask for the same tree gets what the first made."""
    store = TreeStore(tmp_path, int)
    assert store.get("sha256:aa", remember(1)) == 1
    assert store.get("sha256:aa", remember(2)) == 1
    assert store.get("sha256:bb", remember(3)) == 3


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"digest":"sha256:0","record":9}'])
def test_a_damaged_record_is_made_again(tmp_path: Path, damage: bytes) -> None:
    """A record that is cut, foreign or altered is not believed."""
    store = TreeStore(tmp_path, int)
    store.get("sha256:aa", remember(1))
    (tmp_path / "aa.json").write_bytes(damage)
    assert store.get("sha256:aa", remember(2)) == 2


def test_an_altered_number_is_noticed(tmp_path: Path) -> None:
    """Changing the record without its digest makes it worthless."""
    store = TreeStore(tmp_path, int)
    store.get("sha256:aa", remember(1))
    path = tmp_path / "aa.json"
    path.write_bytes(path.read_bytes().replace(b'"record":1', b'"record":7'))
    assert store.get("sha256:aa", remember(2)) == 2


def test_what_was_kept_survives_a_failure(tmp_path: Path) -> None:
    """What was measured before a later step failed is still there for the next attempt."""
    store = TreeStore(tmp_path, int)

    def breaks(known: int | None, keep: Callable[[int], None]) -> int:
        keep(5)
        raise RuntimeError(f"after {known}")

    with pytest.raises(RuntimeError, match="after None"):
        store.get("sha256:aa", breaks)
    assert store.get("sha256:aa", remember(2)) == 5


def test_what_is_there_is_read_while_more_is_made(tmp_path: Path) -> None:
    """Who asks for the record as it is by now does not wait for whoever extends it."""
    store = TreeStore(tmp_path, int)
    assert store.known("sha256:aa") is None

    def extend(known: int | None, keep: Callable[[int], None]) -> int:
        keep(1)
        assert TreeStore(tmp_path, int).known("sha256:aa") == 1
        return 2

    assert store.get("sha256:aa", extend) == 2
    assert store.known("sha256:aa") == 2
