"""What stands in a checkout, with a real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_rustybt_ready import checkout


def run_git(root: Path, *args: str) -> str:
    """Run git in *root* and return what it prints."""
    own = (
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        "-c",
        "init.defaultBranch=main",
    )
    done = subprocess.run(
        ("git", "-C", str(root), *own, *args), check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one commit."""
    root = tmp_path / "repository"
    root.mkdir()
    run_git(root, "init", "-q")
    (root / ".gitignore").write_text("ignored/\n")
    (root / "tracked.py").write_text("x = 1\n")
    (root / "sub").mkdir()
    (root / "sub" / "ö ä.txt").write_text("text\n")
    run_git(root, "add", ".")
    run_git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture(params=["git", "plain"])
def tree(request: pytest.FixtureRequest, repository: Path) -> Path:
    """Return a tree of files, as a repository and as a mere folder."""
    if request.param == "plain":
        (repository / ".git").rename(repository.parent / "elsewhere")
    return repository


def test_the_commit_is_named(repository: Path, tmp_path: Path) -> None:
    """The checked-out commit, from anywhere inside; nothing outside of a repository."""
    head = run_git(repository, "rev-parse", "HEAD")
    assert checkout.commit(repository) == checkout.commit(repository / "sub") == head
    assert checkout.commit(tmp_path) == ""
    assert checkout.commit(tmp_path / "nowhere") == ""
    assert checkout.git(repository, "no-such-command") is None


def test_a_repository_without_commits(tmp_path: Path) -> None:
    """Before the first commit there is none, and what is there is new."""
    run_git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("a")
    assert (checkout.commit(tmp_path), checkout.dirty(tmp_path)) == ("", True)


@pytest.mark.parametrize("change", ["edit", "new", "remove", "mode", "staged"])
def test_changes_make_it_dirty(repository: Path, change: str) -> None:
    """Edited, new, removed and staged files differ from the commit."""
    assert not checkout.dirty(repository)
    tracked = repository / "tracked.py"
    if change == "remove":
        tracked.unlink()
    elif change == "mode":
        tracked.chmod(0o755)
    else:
        path = tracked if change != "new" else repository / "sub" / "new\nname"
        path.write_text("x = 2\n")
    if change == "staged":
        run_git(repository, "add", ".")
    assert checkout.dirty(repository)


def test_own_folders_make_nothing_dirty(repository: Path) -> None:
    """Reports and history of earlier runs are no change, whatever is ignored."""
    (repository / "report").mkdir()
    (repository / "report" / "index.html").write_text("page")
    (repository / "ignored").mkdir()
    (repository / "ignored" / "x").write_text("x")
    assert checkout.dirty(repository)
    assert not checkout.dirty(repository, ignore=[repository / "report"])
    assert not checkout.dirty(repository / "sub", ignore=[repository / "report"])


def test_files_are_those_of_the_tree(tree: Path) -> None:
    """Tracked and new files, sorted; not what is hidden, ignored by git, or left out by name."""
    (tree / "new.py").write_text("new")
    (tree / "report").mkdir()
    (tree / "report" / "x").write_text("x")
    (tree / "link").symlink_to("nowhere")
    (tree / "__pycache__").mkdir()
    names = [str(p.relative_to(tree)) for p in checkout.files(tree, ignore=[tree / "report"])]
    visible = [name for name in names if not name.startswith(".")]
    assert visible == ["link", "new.py", "sub/ö ä.txt", "tracked.py"]


@pytest.mark.parametrize("change", ["content", "name", "mode", "new", "link", "gone"])
def test_the_digest_covers_names_modes_and_contents(tree: Path, change: str) -> None:
    """Any change of the tree changes its digest; looking at it does not, nor where it lies."""
    path = tree / "tracked.py"
    (tree / "link").symlink_to("one")
    before = checkout.tree_digest(tree)
    assert before == checkout.tree_digest(tree)
    if change == "content":
        path.write_text("x = 3\n")
    elif change == "name":
        path.rename(tree / "renamed.py")
    elif change == "mode":
        path.chmod(0o755)
    elif change == "new":
        (tree / "new").touch()
    elif change == "gone":
        path.unlink()
    else:
        (tree / "link").unlink()
        (tree / "link").symlink_to("two")
    assert checkout.tree_digest(tree) != before


def test_the_digest_does_not_depend_on_the_place(tree: Path, tmp_path: Path) -> None:
    """A tree that was moved, or is reached through a link, is the same tree."""
    before = checkout.tree_digest(tree, ignore=[tree / "report"])
    (tree / "report").mkdir()
    (tree / "report" / "x").write_text("x")
    (tmp_path / "link").symlink_to(tree)
    through = tmp_path / "link"
    assert checkout.tree_digest(through, ignore=[through / "report"]) == before
    moved = tree.rename(tmp_path / "moved")
    assert checkout.tree_digest(moved, ignore=[moved / "report"]) == before


def test_what_vanishes_or_cannot_be_read_is_no_error(tmp_path: Path) -> None:
    """A file that goes while one looks, or a folder in its place, counts as what it is."""
    gone, folder = tmp_path / "gone", tmp_path / "folder"
    folder.mkdir()
    assert checkout.files_digest(tmp_path, [gone]) != checkout.files_digest(tmp_path, [folder])


def test_variables_of_a_git_hook_do_not_mislead(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a hook, git's variables name the repository it runs for, not the one asked about."""
    head = run_git(repository, "rev-parse", "HEAD")
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert checkout.commit(repository) == head


def test_without_git_there_is_no_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed, a checkout is a folder of files."""
    monkeypatch.setenv("PATH", os.devnull)
    assert checkout.commit(repository) == ""
    assert not checkout.dirty(repository)
    assert repository / "tracked.py" in checkout.files(repository)
