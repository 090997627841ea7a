"""``--ready-stage`` and the ini key: whose items decide."""

from __future__ import annotations

from typing import Any

import pytest

pytest_plugins = ["pytester"]
FAILING = """
@ready.performance("4.2.1")
def test_staging_item(evidence):
    evidence.expect("cores", 2, observed=1)
"""


@pytest.mark.parametrize(
    ("ini", "args", "stage", "code"),
    [
        ("", (), "dev", 0),
        ("ready_stage = staging", (), "staging", 1),
        ("ready_stage = staging", ("--ready-stage", "dev"), "dev", 0),
        ("", ("--ready-stage", "staging"), "staging", 1),
        ("ready_stage = live", ("--ready-stage=production",), "production", 1),
    ],
)
def test_items_of_later_stages_are_shown_and_do_not_decide(
    project: Any, ini: str, args: tuple[str, ...], stage: str, code: int
) -> None:
    """A failing item of a later stage is outstanding; from its own stage on it blocks."""
    project.ini(ini)
    project.passing("1.1.1", "1.1.2", "2.1.1", "2.2.3")
    project.checks(FAILING)
    run = project.run("-m", "readiness", *args)
    assert (str(run.record.run.stage), run.code) == (stage, code)
    assert run.item("4.2.1") == "failed"


def test_an_unknown_stage_is_a_usage_error(project: Any) -> None:
    """A stage that does not exist is refused at once, wherever it is named."""
    project.passing("1.1.1")
    assert project.run("--ready-stage", "prod").code == 4
    project.ini("ready_stage = prod")
    run = project.run()
    assert run.code == 4
    assert "ready_stage = 'prod' in the ini file: expected one of dev, staging" in run.output
    assert not run.judged


def test_production_asks_for_proofs_and_real_records(project: Any) -> None:
    """From production on, unproven checks and practice records satisfy nothing."""
    project.items(
        _1_1_1=("code", "dev", ""),
        _2_1_1=("record", "dev", "max_age_days = 30"),
        _4_2_1=("host", "dev", ""),
    )
    project.write(
        "conftest.py",
        """
        from pytest_rustybt_ready import Subject

        def pytest_ready_subject(config):
            return Subject(name="sandbox", kind="sandbox")
        """,
    )
    project.checks("""
        STATE = {"bad": False}

        def breaks():
            STATE["bad"] = True
            yield
            STATE["bad"] = False

        @ready.testing("1.1.1")
        def test_without_control(evidence):
            evidence.record("x", 1)

        @ready.security("2.1.1")
        def test_record(evidence):
            evidence.expect("bad", False, observed=STATE["bad"])

        @ready.performance("4.2.1")
        def test_host(evidence):
            evidence.expect("bad", False, observed=STATE["bad"])

        test_record.fails_when(breaks)
        test_host.fails_when(breaks)
        """)
    run = project.run("-m", "readiness", "--ready-stage=production")
    assert run.reason("1.1.1").endswith("test_without_control is not proven: no control")
    assert run.reason("2.1.1") == "a practice record never counts at production"
    assert run.reason("4.2.1").endswith("test_host is not proven: not run")
    assert run.code == 6
    run = project.run("-m", "readiness", "--ready-stage=production", "--ready-prove")
    assert [run.item(i) for i in ("1.1.1", "2.1.1", "4.2.1")] == ["unproven", "unproven", "passed"]
    assert project.run("-m", "readiness").code == 0, "at dev, all of this is enough"
