"""The ini keys that have no option of their own."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]


def test_a_wrong_checklist_is_refused_with_all_its_problems(project: Any) -> None:
    """A checklist that cannot be used is a usage error that lists everything wrong with it."""
    project.passing("1.1.1")
    project.write("checklist.toml", 'title = "t"\nversion = "1"\nodd = 1\n[section.testing]\n')
    run = project.run()
    assert run.code == 4
    assert "unknown key 'odd'" in run.output
    assert "[section.testing]: 'number' is missing" in run.output
    assert "Traceback" not in run.output


def test_a_checklist_that_is_missing_is_refused(project: Any) -> None:
    """The file that the ini key names has to be there, even in an ordinary run: it names marks."""
    project.write("pytest.ini", "[pytest]\nready_checklist = nowhere.toml\n")
    run = project.run("--strict-markers")
    assert run.code == 4
    assert "nowhere.toml: 1 problem:\n  - cannot be read" in run.output


def test_without_a_checklist_the_built_in_one_is_used(project: Any) -> None:
    """The package's own 175 items are the default."""
    project.write("pytest.ini", "[pytest]\n")
    project.passing("1.1.1")
    run = project.run("--ready-item", "1.1.1")
    assert run.code == 0
    assert sum(run.record.verdict.counts.values()) == 175


def test_history_and_proofs_are_kept_where_told(project: Any) -> None:
    """``ready_state`` names the folder of history and proofs; the tree's digest leaves it out."""
    project.ini("ready_state = kept/state")
    project.passing("1.1.1")
    trees = {project.run().record.subject.tree for _ in range(2)}
    assert (project.root / "kept/state/history.jsonl").read_text().count("\n") == 2
    assert len(trees) == 1


def test_checks_may_live_elsewhere(project: Any) -> None:
    """``ready_paths`` names the folders that an ordinary run leaves alone."""
    project.ini("ready_paths = qa/ready", "testpaths = qa")
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3", name="qa/ready/test_all.py")
    project.write("qa/test_plain.py", "def test_plain(): ...\n")
    run = project.run("--strict-markers")
    run.counts(passed=1)
    assert not run.judged
    assert project.run("qa/ready").code == 0


@pytest.mark.parametrize("change", ["product", "helper", "check", "conftest", "nothing"])
def test_proofs_rest_on_what_is_named(project: Any, change: str) -> None:
    """A proof is made again when its check, its folder or ``ready_proof_inputs`` changes."""
    project.ini("ready_proof_inputs = product.py")
    files = {
        "product": project.write("product.py", "LIMIT = 1\n"),
        "helper": project.write("readiness_tests/helper.txt", "one\n"),
        "conftest": project.write("conftest.py", "X = 1\n"),
        "nothing": project.write("unrelated.py", "X = 1\n"),
        "check": project.checks("""
            STATE = {"bad": 0}

            @ready.testing("1.1.1")
            def test_it(evidence):
                evidence.expect("bad", 0, observed=STATE["bad"])

            @test_it.fails_when
            def broken(request):
                STATE["bad"] = 1
                yield
                STATE["bad"] = 0
            """),
    }
    assert project.run("-m", "readiness", "--ready-prove").record.proofs[0].cached is False
    files[change].write_text(files[change].read_text() + "\n# changed\n")
    (proof,) = project.run("-m", "readiness", "--ready-prove").record.proofs
    assert proof.cached is (change == "nothing")
