"""Judge records again as of any instant, and read histories."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pytest_rustybt_ready.errors import HistoryError, ReadyError
from pytest_rustybt_ready.history import Entry, History
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.text import count, moment, one_line
from pytest_rustybt_ready.report.view import arithmetic, arrange, scope_words
from pytest_rustybt_ready.verdict import Verdict, judge


def instant(text: str) -> datetime:
    """Return the instant that *text* names, in UTC; raise ReadyError if it names none.

    Without a zone it is taken as UTC; a mere date is its midnight.
    """
    try:
        found = datetime.fromisoformat(text)
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ReadyError(
            f"--at {text!r} is not an instant; expected a date such as 2027-01-01 (midnight UTC) "
            "or a time such as 2027-01-01T09:30+02:00"
        ) from error


def rejudge(record: Record, at: datetime) -> Verdict:
    """Judge *record* as of *at*."""
    return judge(record.inputs(), at)


def lapsed(record: Record, verdict: Verdict) -> list[str]:
    """Return the items that were satisfied when the run ended, and are not in *verdict*."""
    before = {item.id: item.disposition.satisfied for item in record.verdict.items}
    return [i.id for i in verdict.items if before[i.id] and not i.disposition.satisfied]


def as_text(record: Record, verdict: Verdict) -> str:
    """Return in words what *verdict* says of *record*."""
    return "\n".join(_lines(record, verdict))


def as_json(record: Record, verdict: Verdict) -> str:
    """Return *verdict* as one JSON document, with what ties it to *record*."""
    document = {
        "record": record.digest,
        "subject": record.subject.name,
        "commit": record.subject.commit,
        "run": record.verdict.at.isoformat(),
        "trust": record.trusted,
        "refused": msgspec.to_builtins(record.refused),
        "run_status": record.verdict.scope_status,
        "scope": scope_words(record.run.scope, record),
        "lapsed": lapsed(record, verdict),
        "verdict": msgspec.to_builtins(verdict),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _lines(record: Record, verdict: Verdict) -> Iterator[str]:
    subject, run = record.subject, record.verdict
    commit = f" at commit {one_line(subject.commit)}" if subject.commit else ""
    dirty = " with uncommitted changes" if subject.dirty else ""
    yield f"sound record {record.digest}"
    yield f"of {one_line(subject.name)}{commit}{dirty}"
    yield f"judged {moment(run.at)} at stage {run.stage}: {run.scope_status}"
    yield f"asked about: {one_line(scope_words(record.run.scope, record))}"
    yield from (one_line(f"part {p.file} {p.digest} by {p.signer}") for p in record.parts)
    yield from _signed(record)
    yield ""
    yield arithmetic(verdict.counts)
    yield from _changes(record, verdict)
    yield from (
        f"{n:>3}. {b.item or b.section or 'the run'} {b.disposition}: {one_line(b.reason)}"
        for n, b in enumerate(verdict.blockers, start=1)
    )
    yield from (f"lapses {moment(lapse.at)}: {', '.join(lapse.items)}" for lapse in verdict.lapses)
    ends = arrange(msgspec.structs.replace(record, verdict=verdict)).signatures
    yield from (f"signature or waiver ends {day}: {', '.join(ids)}" for day, ids in ends)
    if not verdict.lapses:
        yield "nothing that is satisfied and blocks lapses by age"
    yield f"{verdict.scope_status} as of {moment(verdict.at)} at stage {verdict.stage}"


def _signed(record: Record) -> Iterator[str]:
    """Yield how many statements were verified, believing whom, and which were refused."""
    if record.statements:
        yield f"{count(len(record.statements), 'statement')} verified, with the keys and roles of"
        yield from (f"  {name} {digest}" for name, digest in record.trusted.items())
    yield from (f"refused: {one_line(f'{r.file}: {r.reason}')}" for r in record.refused)


def _changes(record: Record, verdict: Verdict) -> Iterator[str]:
    newest = record.inputs().newest(record.verdict.at)
    if verdict.at < newest:
        yield f"what was seen after that, up to {moment(newest)}, counts as unproven"
    gone = lapsed(record, verdict)
    if gone:
        yield f"no longer satisfied, as they were when the run ended: {', '.join(gone)}"


def history_of(file: Path) -> list[Entry]:
    """Return the runs in *file*; raise HistoryError if it is missing, unreadable or broken."""
    if not file.exists():
        raise HistoryError(f"{file}: there is no such file; a readiness run makes one")
    try:
        return History(file).entries()
    except OSError as error:
        raise HistoryError(f"{file}: cannot be read: {error.strerror}") from error


def history_as_text(entries: Sequence[Entry]) -> str:
    """Return one line a run, and how many there are."""
    lines = [
        f"{moment(e.at)}  {e.stage:<10} {e.status:<10} {_sums(e):<20} "
        f"{one_line(e.subject)} {e.commit[:12]}".rstrip()
        for e in entries
    ]
    return "\n".join([*lines, f"{count(len(entries), 'run')}; the chain holds"])


def history_as_json(entries: Sequence[Entry]) -> str:
    """Return the runs as a JSON array."""
    return json.dumps(msgspec.to_builtins(list(entries)), indent=2, ensure_ascii=False)


def _sums(entry: Entry) -> str:
    counts = Counter(disposition.satisfied for disposition in entry.items.values())
    return f"{counts[True]}/{len(entry.items)} satisfied"
