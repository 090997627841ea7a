"""The summary on the terminal."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready.record import Changes, Record
from pytest_rustybt_ready.report.terminal import MAX_BLOCKERS, summary_lines, write_summary
from pytest_rustybt_ready.values import Outcome, Scope, Stage


def texts(record: Record, encoding: str | None = "utf-8") -> list[str]:
    return [text for text, _ in summary_lines(record, encoding=encoding)]


class Terminal:
    """A terminal that keeps what was written to it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, bool]]] = []

    def write_line(self, line: str, **markup: bool) -> None:
        self.lines.append((line, markup))


def test_a_line_for_each_section(records: Any) -> None:
    """Each section has a line with its status in words, what is satisfied, and what is open."""
    lines = texts(records.make())

    assert lines[:4] == [
        "✓ READY       1 Testing             3/3 satisfied",
        "✗ NOT READY   2 Security & secrets  4/6 satisfied, 1 blocking open",
        "✗ NOT READY   4 Performance         0/1 satisfied, 1 blocking open",
        "○ INCOMPLETE 10 Sign-off            1/3 satisfied, 1 blocking open",
    ]


def test_section_that_cannot_block_yet_is_no_success(records: Any) -> None:
    """A section of later stages says that nothing in it blocks yet."""
    lines = texts(records.make(checklist_file.built_in()))

    assert any(re.search(r"11 .*satisfied, nothing blocks yet$", line) for line in lines)


def test_verdict_comes_last(records: Any) -> None:
    """The last line is the verdict with its stage, in bold and in the colour of the status."""
    text, markup = summary_lines(records.make())[-1]

    assert text.startswith("NOT READY at stage dev: 3 blocking open, 2 of them broken")
    assert markup == {"red": True, "bold": True}


def test_arithmetic_precedes_the_verdict(records: Any) -> None:
    """All dispositions are summed up in the line before."""
    assert texts(records.make())[-2].startswith("13 = 5 passed + 1 signed + 1 waived")


def test_blockers_are_numbered_with_their_remedy(records: Any) -> None:
    """Each blocker has a number, its item, disposition and reason, and how to fix it."""
    lines = texts(records.make())
    start = lines.index("3 blockers:")

    assert lines[start + 1] == "  1. 2.2.2 error: FileNotFoundError: coverage.json"
    assert lines[start + 2] == "     fix: Run it by hand and read what it says."


def test_sub_items_are_named_by_their_item_alone(records: Any) -> None:
    """A failing sub-item is told once, in the reason of its item."""
    lines = [line for line in texts(records.make()) if "4.2.1" in line and ". 4.2.1" in line]

    assert len(lines) == 1
    assert "4.2.1 error: 4.2.1.2: proof failed" in lines[0]


def test_list_of_blockers_is_bounded(records: Any) -> None:
    """Of many blockers the first are listed, and the rest is counted."""
    record = records.make(checklist_file.built_in())

    lines = texts(record)

    listed = [line for line in lines if re.match(r" *\d+\. ", line)]
    announced = next(line for line in lines if line.endswith(" blockers:"))
    rest = next(line for line in lines if "more, see index.html" in line)
    assert len(listed) == MAX_BLOCKERS
    assert int(announced.split()[0]) == MAX_BLOCKERS + int(rest.split()[2])


def test_changes_are_told(records: Any) -> None:
    """Fixed, regressed and newly stale items are listed; no change is said to be none."""
    changes = Changes(previous="x", fixed=("1.1.1",), regressed=("2.2.2",), newly_stale=("2.1.2",))

    assert [line for line in texts(records.make(changes=changes)) if "since" in line] == [
        "fixed since the previous run: 1.1.1",
        "regressed since the previous run: 2.2.2",
        "newly stale since the previous run: 2.1.2",
    ]
    nothing = texts(records.make(changes=Changes(previous="x")))
    assert "no change since the previous run" in nothing
    assert not any("previous run" in line for line in texts(records.make(changes=Changes())))


def test_proofs_are_counted(records: Any) -> None:
    """How many items that ran are proven, which cannot fail, which have no control."""
    lines = texts(records.make())

    assert (
        "proven 7 of 9 automated items that ran; cannot fail: 4.2.1; without a control: 2.2.2"
        in lines
    )


def test_run_without_results_counts_no_proofs(records: Any) -> None:
    """Where nothing ran there is nothing to prove."""
    assert not any("automated" in line for line in texts(records.make(results=(), proofs=())))


def test_partial_run_speaks_of_its_part(records: Any) -> None:
    """A run of one section shows that section, and says that the whole was not judged."""
    record = records.make(scope=Scope(kind="sections", sections=("testing",)))

    lines = texts(record)

    assert lines[0].startswith("✓ READY       1 Testing")
    assert not any("Security" in line for line in lines)
    assert "blockers:" not in "".join(lines)
    assert lines[-2:] == [
        "this run judged a part; the whole was not judged",
        "READY at stage dev for 1 section: 1 Testing",
    ]


def test_partial_run_lists_its_own_blockers(records: Any) -> None:
    """Of a run of single items only their blockers are listed, beside what spoils the run."""
    record = records.make(scope=Scope(kind="items", items=("2.2.2",)), broken=("home changed",))

    lines = [line for line in texts(record) if re.match(r" *\d+\. ", line)]

    assert lines == [
        "  1. the run error: home changed",
        "  2. 2.2.2 error: FileNotFoundError: coverage.json",
    ]


def test_failing_support_names_its_section(records: Any) -> None:
    """A supporting check that fails is a blocker of its section."""
    record = records.make()
    last = record.results[-1]
    failing = msgspec.structs.replace(last, outcome=Outcome.FAILED, reason="no such tool")
    judged = records.judge(msgspec.structs.replace(record, results=(*record.results[:-1], failing)))

    lines = texts(judged)
    assert any("testing failed: supporting check" in line for line in lines)
    assert "broken, 1 blocker beside the items" in lines[-1]


def test_interrupted_run_says_so(records: Any) -> None:
    """An interrupted run says that this is what there is."""
    lines = texts(records.make(interrupted=True))

    assert "the run was interrupted: this is what there is" in lines


def test_nothing_open_gives_a_plain_verdict(records: Any) -> None:
    """A verdict without blockers lists none, and says when it first lapses."""
    checklist = records.small()
    items = tuple(item for item in checklist.items if item.id in ("1.1.1", "2.1.2"))
    record = records.make(msgspec.structs.replace(checklist, items=items), statements=())

    lines = texts(record)

    assert lines[-1] == "READY at stage dev: first lapse 2026-04-13"
    assert not any("blocker" in line for line in lines)


def test_stage_is_named(records: Any) -> None:
    """The verdict names the stage it was asked for."""
    assert "at stage production" in texts(records.make(stage=Stage.PRODUCTION))[-1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", None, "no-such-code"])
def test_every_line_fits_the_terminal(records: Any, encoding: str | None) -> None:
    """No line holds a character that the terminal's encoding lacks."""
    record = records.make()
    odd = msgspec.structs.replace(record.results[0], reason="≥ 3 … ü 日本", outcome=Outcome.FAILED)
    judged = records.judge(msgspec.structs.replace(record, results=(odd, *record.results[1:])))

    name = encoding if encoding in ("ascii", "latin-1", "cp437", "utf-8") else "ascii"
    for line in texts(judged, encoding):
        assert line.encode(name)


def test_ascii_keeps_its_meaning(records: Any) -> None:
    """In ASCII the signs become plain ones."""
    lines = texts(records.make(), "ascii")

    assert lines[0].startswith("+ READY")
    assert lines[1].startswith("x NOT READY")
    assert lines[3].startswith("o INCOMPLETE")


def test_terminal_escapes_are_inert(records: Any) -> None:
    """A reason cannot move the cursor, colour the screen or add lines."""
    record = records.make(statements=())
    evil = msgspec.structs.replace(record.results[3], reason="a\x1b[2J\nREADY\r\x9b31m")
    judged = records.judge(
        msgspec.structs.replace(record, results=(*record.results[:3], evil, *record.results[4:]))
    )

    everything = "".join(texts(judged))

    assert "\x1b" not in everything
    assert "\x9b" not in everything
    assert "a\\x1b[2J READY \\x9b31m" in everything
    assert not any("\n" in line for line in texts(judged))


def test_summary_is_written_line_by_line(records: Any) -> None:
    """What is written to a terminal is the summary's lines with their markup."""
    terminal = Terminal()

    write_summary(records.make(), terminal, encoding="utf-8")

    assert terminal.lines == summary_lines(records.make())


def test_default_is_the_encoding_of_standard_output(records: Any) -> None:
    """Without an encoding, that of the process's standard output decides; all lines come out."""
    terminal = Terminal()

    write_summary(records.make(), terminal)

    assert len(terminal.lines) == len(summary_lines(records.make()))
