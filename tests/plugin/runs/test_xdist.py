"""Under pytest-xdist: the same verdict with any number of workers, dead ones included."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]

CHECKS = """
STATE = {"bad": 0}

@ready.testing("1.1.1")
@pytest.mark.parametrize("n", range(4))
def test_many(evidence, n):
    evidence.record("n", n)

@ready.testing("1.1.2")
@pytest.mark.xdist_group("grouped")
def test_meets(evidence):
    evidence.meets("coverage", observed=STATE["bad"] or 95)

@test_meets.fails_when
def broken():
    STATE["bad"] = 1
    yield
    STATE["bad"] = 0

@ready.security("2.1.1")
def test_fails(evidence):
    evidence.expect("x", 1, observed=2)

@ready.security
def test_supports(evidence):
    evidence.record("x", 1)

@ready.performance("4.2.1")
def test_later(evidence):
    evidence.unproven("no such host")
"""


@pytest.fixture
def spread(project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a project whose runs load xdist, too."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_rustybt_ready.plugin -p xdist")
    return project


def essence(run: Any) -> Any:
    """Return what of a record may not depend on how the tests were spread."""
    record = run.record
    return (
        [(i.id, i.disposition, i.reason, i.proof, i.checks) for i in record.verdict.items],
        [(s.key, s.status) for s in record.verdict.sections],
        [(b.item, b.disposition, b.reason) for b in record.verdict.blockers],
        record.checks,
        [(result.check, result.outcome, result.reason) for result in record.results],
        [(proof.check, proof.control, proof.outcome) for proof in record.proofs],
        record.run.scope,
    )


def test_the_same_verdict_with_any_number_of_workers(spread: Any) -> None:
    """-n 0, 2 and 4, and another way to spread the tests, give the same verdict and exit code."""
    spread.checks(CHECKS)
    spread.passing("2.2.3")
    found = []
    for args in (["-n0"], ["-n2"], ["-n4", "--dist=loadgroup"]):
        run = spread.run(
            "-m", "readiness", "--ready-prove", "-o", "ready_state=.s" + args[0], *args
        )
        assert run.code == 1
        found.append(essence(run))
        run.counts(passed=8, failed=1, skipped=1)
    assert found[0] == found[1]
    # in a group, node ids get the group's name; checks keep theirs
    assert found[0] == found[2]


def test_workers_select_what_their_controller_would(spread: Any) -> None:
    """Workers do not see the command line as it was typed; they are told what was asked for."""
    spread.passing("2.1.1", "2.2.3")
    spread.passing("1.1.1", name="readiness_tests/test_other.py")
    args = ("readiness_tests/test_passing.py", "-k", "test_2_1")
    alone = spread.run(*args, "-n0")
    known = essence(alone)
    together = spread.run(*args, "-n2")
    assert (alone.code, known) == (together.code, essence(together))
    assert known[-1].items == ("2.1.1",)


@pytest.mark.parametrize("restart", [(), ("--max-worker-restart=0",)], ids=["restart", "no more"])
def test_a_worker_that_dies_leaves_its_check_not_run(spread: Any, restart: tuple[str, ...]) -> None:
    """A check whose process dies has no result: not run, and the run is INCOMPLETE."""
    spread.passing("1.1.2", "2.1.1")
    spread.checks(
        """
        @pytest.fixture
        def dies():
            yield
            os._exit(1)

        @ready.testing("1.1.1")
        def test_dies(evidence):
            evidence.record("x", 1)
            os._exit(1)

        @ready.security("2.2.3")
        def test_dies_at_the_end(evidence, dies):
            evidence.record("x", 1)

        @ready.security
        def test_support_dies(evidence):
            evidence.record("x", 1)
            os._exit(1)
        """,
        "readiness_tests/test_zz.py",
    )
    run = spread.run("-m", "readiness", "-n2", *restart)
    assert run.status == "INCOMPLETE"
    assert run.code in (2, 6)
    assert "a worker died while it ran readiness_tests/test_zz.py::test_dies" in run.blockers
    assert (run.item("1.1.1"), run.item("2.2.3")) == ("not run", "not run")
    if not restart:
        assert [run.item(i) for i in ("1.1.2", "2.1.1")] == ["passed", "passed"]
        assert "while it ran readiness_tests/test_zz.py::test_support_dies" in run.blockers


def test_collection_errors_and_gaps_of_workers_arrive(spread: Any) -> None:
    """Wrong claims and modules that are skipped are told as they are without workers."""
    spread.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    spread.checks("@ready.testing('2.1.1')\ndef test_it(evidence): ...\n")
    spread.checks(
        "pytest.skip('no', allow_module_level=True)\n"
        "@ready.testing('1.1.1')\ndef test_it(evidence): ...\n",
        "readiness_tests/test_skipped.py",
    )
    run = spread.run("-m", "readiness", "-n2")
    assert run.code != 0
    assert run.status == "INCOMPLETE"
    assert "item 2.1.1 belongs to section 'security', not to 'testing'" in run.output
    assert "readiness_tests/test_checks.py could not be collected" in run.blockers
    assert "readiness_tests/test_skipped.py was skipped as a whole: no" in run.blockers


def test_secrets_and_subjects_reach_workers(spread: Any) -> None:
    """A worker judges what its controller found, and masks the same secrets."""
    spread.write(
        "conftest.py",
        """
        import os
        from pytest_rustybt_ready import Subject

        def pytest_ready_subject(config):
            assert not hasattr(config, "workerinput"), "once is enough"
            return Subject(name="made by the controller", facts={"vault": True})

        def pytest_ready_secrets(subject):
            assert subject.name == "made by the controller"
            return ["open-sesame"]
        """,
    )
    spread.passing("1.1.1", "1.1.2", "2.1.1")
    spread.checks("""
        from pytest_rustybt_ready.run import subject_of

        @ready.security("2.2.3")
        def test_it(evidence, request):
            evidence.record("subject", subject_of(request.config).name)
            evidence.expect("word", "", observed="open-sesame")
        """)
    run = spread.run("-m", "readiness", "-n2")
    assert run.reason("2.2.3") == "word: expected , observed [redacted]"
    first, _ = next(r for r in run.record.results if r.evidence[0].name == "subject").evidence
    assert first.observed == "made by the controller"
    assert "open-sesame" not in run.output
