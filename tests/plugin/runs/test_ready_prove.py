"""``--ready-prove``: each negative control has to make its check fail with an assertion."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]

CHECK = """
STATE = {{"bad": 0}}

@pytest.fixture
def box():
    STATE["bad"] = 0
    return STATE

@ready.testing("1.1.1")
def test_it(box, evidence{arguments}):
    {body}

@test_it.fails_when
def broken({control_arguments}):
    "It is broken."
    {control}
"""
GOOD = "evidence.expect('bad', 0, observed=box['bad'])"


def prove(
    project: Any,
    body: str = GOOD,
    control: str = "box['bad'] = 1",
    *args: str,
    arguments: str = "",
    control_arguments: str = "box",
) -> Any:
    """Run one check with one control."""
    text = CHECK.format(
        body=body, control=control, arguments=arguments, control_arguments=control_arguments
    )
    project.checks(text)
    return project.run("--ready-item", "1.1.1", *(args or ("--ready-prove",)))


@pytest.mark.parametrize(
    ("body", "control"),
    [
        (GOOD, "box['bad'] = 1"),
        ("evidence.record('x', 1); assert not box['bad'], 'it is bad'", "box['bad'] = 1"),
        ("evidence.record('x', 1); pytest.fail('bad') if box['bad'] else 0", "box['bad'] = 1"),
        (GOOD, "box['bad'] = 1; yield; box['bad'] = 0"),
        ("[evidence.expect('bad', 0, observed=box['bad']) for _ in 'a' if True]", "box['bad'] = 1"),
        (
            "try: evidence.expect('bad', 0, observed=box['bad'])\n    except AssertionError: pass",
            "box['bad'] = 1",
        ),
    ],
    ids=["expect", "assert", "fail", "generator", "nested", "swallowed"],
)
def test_a_check_that_fails_when_broken_is_proven(project: Any, body: str, control: str) -> None:
    """The check passes untouched and fails by an assertion once the control broke the sandbox."""
    run = prove(project, body, control)
    (proof,) = run.record.proofs
    assert (run.code, proof.outcome, proof.claim) == (0, "proven", "It is broken.")
    assert run.record.verdict.of("1.1.1").proof == "proven"
    run.counts(passed=2)


@pytest.mark.parametrize(
    ("body", "control", "said"),
    [
        ("evidence.record('x', 1)", "box['bad'] = 1", "it passed although broken"),
        (GOOD, "...", "it passed although broken"),
        (
            "evidence.record('x', 1 / (1 - box['bad']))",
            "box['bad'] = 1",
            "it broke instead of failing when broken: ZeroDivisionError: division by zero",
        ),
        (GOOD, "raise KeyError('k')", "the control itself broke: KeyError: 'k'"),
        (GOOD, "yield; raise KeyError('k')", "KeyError: 'k'"),
        (
            "evidence.record('x', 1); evidence.unproven('no') if box['bad'] else 0",
            "box['bad'] = 1",
            "it broke instead of failing when broken: unproven: no",
        ),
        (
            "evidence.record('x', 1); pytest.xfail('known') if box['bad'] else 0",
            "box['bad'] = 1",
            "it broke instead of failing when broken: known",
        ),
        (
            "evidence.record('x', 1); pytest.fail('Timeout (>1.0s) from x') if box['bad'] else 0",
            "box['bad'] = 1",
            "it broke instead of failing when broken: Timeout (>1.0s) from x",
        ),
    ],
)
def test_a_check_that_cannot_fail_is_an_error(
    project: Any, body: str, control: str, said: str
) -> None:
    """Passing when broken, or breaking in any other way, is a red proof and blocks the item."""
    run = prove(project, body, control)
    assert (run.code, run.item("1.1.1")) in ((1, "error"), (1, "failed"))
    assert run.record.proofs[0].outcome != "proven"
    assert run.record.proofs[0].detail == said
    assert (
        f"test_it: proof failed: this check cannot fail: {said}" in run.output or "KeyError" in said
    )
    assert run.record.verdict.of("1.1.1").proof == "failed"
    if run.item("1.1.1") == "error":
        assert run.reason("1.1.1") == f"proof failed: this check cannot fail (broken: {said})"


def test_a_check_has_to_pass_untouched(project: Any) -> None:
    """A check that fails on a sandbox as it is shows nothing when it fails on a broken one."""
    run = prove(
        project, "evidence.record('x', 1); assert not proving, 'odd'", arguments=", proving"
    )
    assert (run.code, run.item("1.1.1")) == (1, "error")
    (proof,) = run.record.proofs
    assert proof.detail == "the check does not pass on an untouched sandbox: odd"


def test_untouched_it_runs_once_for_all_of_its_controls(project: Any) -> None:
    """What passes on a sandbox as it is is not tried again for the next control."""
    note = "os.makedirs(f\"runs/{box['bad']}-{len(os.listdir('runs'))}\"); "
    project.root.joinpath("runs").mkdir()
    again = "box['bad'] = 1\n\n@test_it.fails_when\ndef again(box):\n    box['bad'] = 2"
    run = prove(project, "import os; " + note + GOOD, again)
    assert [proof.outcome for proof in run.record.proofs] == ["proven", "proven"]
    runs = sorted(path.name.partition("-")[0] for path in project.root.joinpath("runs").iterdir())
    assert runs == ["0", "0", "1", "2"]


def test_a_control_that_exits_the_check_is_an_error(project: Any) -> None:
    """SystemExit is no assertion either."""
    run = prove(project, "evidence.record('x', 1); exit() if box['bad'] else 0")
    assert (run.code, run.record.proofs[0].outcome) == (1, "error")


@pytest.mark.parametrize(
    ("body", "control"),
    [
        ("evidence.record('x', 1); pytest.exit('stop') if box['bad'] else 0", "box['bad'] = 1"),
        (GOOD, "pytest.exit('stop')"),
    ],
)
def test_a_proof_that_ends_the_run_ends_it(project: Any, body: str, control: str) -> None:
    """pytest.exit is for the whole run, in a proof as well."""
    run = prove(project, body, control)
    assert (run.code, run.status) == (2, "INCOMPLETE")
    assert run.record.proofs == ()


def test_an_async_control_is_an_error(project: Any) -> None:
    """A coroutine that nobody awaits breaks nothing."""
    project.checks("""
        @ready.testing("1.1.1")
        def test_it(evidence):
            evidence.record("x", 1)

        @test_it.fails_when
        async def broken(): ...
        """)
    run = project.run("--ready-prove")
    assert run.record.proofs[0].detail == "the control is async, so it broke nothing"


@pytest.mark.parametrize(
    ("body", "control"),
    [
        ("evidence.unproven('no network')", "box['bad'] = 1"),
        ("pytest.skip('no network')", "box['bad'] = 1"),
        (GOOD, "pytest.skip('no network')"),
    ],
)
def test_a_proof_that_cannot_run_here_is_not_run(project: Any, body: str, control: str) -> None:
    """Where check or control cannot run, nothing is proven and nothing is disproven."""
    run = prove(project, body, control)
    assert run.record.proofs == ()
    assert run.record.verdict.of("1.1.1").proof == "not run"


def test_without_the_option_nothing_is_proven(project: Any) -> None:
    """Controls run only when asked for; until then the item counts as not proven."""
    run = prove(project, GOOD, "box['bad'] = 1", "-m", "readiness")
    run.counts(passed=1)
    assert run.record.verdict.of("1.1.1").proof == "not run"


def test_an_item_without_control_is_listed(project: Any) -> None:
    """A check without a control is proven by nothing; the summary names its item."""
    project.passing("1.1.1")
    run = project.run("--ready-item", "1.1.1", "--ready-prove")
    assert run.record.verdict.of("1.1.1").proof == "no control"
    assert "without a control: 1.1.1" in run.output


def test_proofs_are_kept_until_something_changes(project: Any) -> None:
    """A success is not repeated; a failure is, and is not believed even if it once succeeded."""
    assert prove(project).record.proofs[0].cached is False
    again = prove(project)
    assert again.record.proofs[0].cached is True
    again.counts(passed=1)
    plain = prove(project, GOOD, "box['bad'] = 1", "-m", "readiness")
    assert plain.record.verdict.of("1.1.1").proof == "proven"
    worse = prove(project, "evidence.record('x', 1)")
    assert worse.record.proofs[0].outcome == "cannot fail"
    assert prove(project, "evidence.record('x', 1)").record.proofs[0].outcome == "cannot fail"
    assert prove(project).record.proofs[0].cached is False


@pytest.mark.parametrize("content", ["", "{}", "[1]", "\0", '{"a\\nb": {"check": 1}}'])
def test_a_cache_that_cannot_be_read_costs_time_only(project: Any, content: str) -> None:
    """Proofs are then made again."""
    project.write(".readiness/proofs.json", content)
    assert prove(project).record.proofs[0].cached is False


def test_proofs_know_that_they_are_proofs(project: Any) -> None:
    """The fixture ``proving`` asks for a throwaway sandbox; evidence starts empty."""
    project.checks("""
        @pytest.fixture
        def home(proving, tmp_path):
            path = tmp_path if proving else None
            return path

        @ready.testing("1.1.1")
        def test_it(home, evidence):
            evidence.expect("broken", False, observed=home is not None and (home / "x").exists())
            assert len(evidence.entries) == 1

        @test_it.fails_when
        def broken(home, tmp_path):
            (home / "x").touch()
        """)
    run = project.run("--ready-prove")
    assert run.record.proofs[0].outcome == "proven"


def test_each_case_is_proven_by_its_own_controls(project: Any) -> None:
    """A control may be for one case of a parametrised check; others are for all cases."""
    project.checks("""
        STATE = set()

        @ready.testing("1.1.1")
        @pytest.mark.parametrize("limit", ["size", "loss"])
        def test_it(evidence, limit):
            evidence.expect("ignored", False, observed=limit in STATE)

        @test_it.fails_when
        def all_ignored(limit):
            STATE.add(limit)
            yield
            STATE.clear()

        @test_it.fails_when(case="loss")
        def loss_ignored():
            STATE.add("loss")
            yield
            STATE.clear()
        """)
    run = project.run("--ready-prove")
    found = {(p.check.split("::")[1], p.control) for p in run.record.proofs}
    assert found == {
        ("test_it[size]", "all_ignored"),
        ("test_it[loss]", "all_ignored"),
        ("test_it[loss]", "loss_ignored"),
    }
    assert all(proof.outcome == "proven" for proof in run.record.proofs)
    listed = project.run("--ready-prove", "--collect-only", "-q", "-o", "ready_state=.other").output
    assert "test_checks.py::test_it[loss][fails when loss_ignored]" in listed


def test_methods_and_subtests_are_proven_too(project: Any) -> None:
    """A failed subtest fails its check, in a proof as in a run, and is no failure of the proof."""
    project.checks("""
        STATE = {"bad": 0}

        class TestAll:
            @ready.testing("1.1.1")
            def test_method(self, evidence, subtests):
                evidence.record("x", 1)
                with subtests.test("part"):
                    assert not STATE["bad"]

            @test_method.fails_when
            def broken():
                STATE["bad"] = 1
                yield
                STATE["bad"] = 0
        """)
    run = project.run("--ready-item", "1.1.1", "--ready-prove")
    assert [proof.outcome for proof in run.record.proofs] == ["proven"]
    assert run.code == 0


def test_a_supporting_check_that_cannot_fail_blocks_its_section(project: Any) -> None:
    """What supports a section has to be able to fail, too."""
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.checks("""
        @ready.security
        def test_it(evidence):
            evidence.record("x", 1)

        @test_it.fails_when
        def broken(): ...
        """)
    run = project.run("-m", "readiness", "--ready-prove")
    assert (run.code, run.status) == (1, "NOT READY")
    assert "supporting check readiness_tests/test_checks.py::test_it: proof failed" in run.blockers


def test_deleting_the_assertion_turns_the_proof_red(project: Any) -> None:
    """The point of it all: a check that lost its assertion is found out."""
    assert prove(project).code == 0
    assert prove(project, "evidence.record('bad', box['bad'])").code == 1
