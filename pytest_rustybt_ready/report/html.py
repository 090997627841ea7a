"""The record as one HTML page that needs no network and reads well without scripts.

The page may load nothing: its content security policy names the digests of its own style and
script, so that nothing else runs even if an escape were missed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report import text
from pytest_rustybt_ready.report.view import View, arithmetic, arrange, proven, scope_words
from pytest_rustybt_ready.values import CheckResult, Disposition, EvidenceEntry, Kind, ProofState
from pytest_rustybt_ready.verdict import Status

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_CODE = re.compile(r"`([^`\n]+)`")
MAX_BYTES = 500_000


PROOF_WORDS: Mapping[ProofState, str] = {
    ProofState.PROVEN: "proven: it fails when it should",
    ProofState.FAILED: "proof failed: a control did not make it fail",
    ProofState.NOT_RUN: "not run: it has controls that were not tried",
    ProofState.NO_CONTROL: "none: no control shows that it can fail",
    ProofState.NOT_NEEDED: "not needed",
}


class Room(NamedTuple):
    """How many characters of a text, and how many entries of a list of evidence, are shown."""

    text: int
    entries: int


class Level(NamedTuple):
    """How much room what is open and what is satisfied get; ``text`` limits everything else."""

    open: Room
    satisfied: Room
    text: int


# Tried in turn until the page fits; what is left out stays in readiness.json, and the page says so.
LEVELS = (
    Level(Room(4000, 60), Room(2000, 40), 4000),
    Level(Room(2000, 30), Room(500, 15), 2000),
    Level(Room(800, 15), Room(160, 5), 800),
    Level(Room(300, 5), Room(80, 2), 400),
    Level(Room(120, 1), Room(40, 0), 200),
)


class Segment(NamedTuple):
    """A stretch of a bar that is as long as the number of items it stands for."""

    disposition: Disposition
    start: int
    length: int


def render_html(record: Record) -> str:
    """Return *record* as one page of less than 500 kB, for a checklist of some 200 lines.

    Long texts and lists of evidence are shortened as far as that needs, those of satisfied items
    first. A much longer checklist gives a longer page: no item is ever left out.
    """
    view = arrange(record)
    page = ""
    for level in LEVELS:
        page = _render(view, level)
        if len(page.encode("utf-8")) < MAX_BYTES:
            break
    return page


def headline(view: View) -> str:
    """Say in a sentence how far the run's blocking items are."""
    lines = [line for line in view.lines if line.item.parent is None and line.verdict.in_scope]
    blocking = [line for line in lines if line.verdict.blocking]
    stage = view.record.verdict.stage
    if not blocking:
        return f"Nothing of what was asked about blocks at stage {stage}."
    open_ = [line for line in blocking if line.blocks]
    broken = sum(line.disposition.breaks for line in open_)
    if open_:
        done, rest = len(blocking) - len(open_), len(open_) - broken
        total = text.count(len(blocking), "blocking item")
        said = (
            f"Of {total} at stage {stage}, {done} are satisfied, {broken} broken and {rest} open."
        )
    elif len(blocking) == 1:
        said = f"The one blocking item at stage {stage} is satisfied."
    else:
        said = f"All {len(blocking)} blocking items at stage {stage} are satisfied."
    others = len(view.other_blockers)
    return f"{said} Beside the items, {text.count(others, 'blocker')}." if others else said


def segments(counts: Mapping[str, int]) -> Iterator[Segment]:
    """Yield the stretches of a bar over *counts*, in the order of the dispositions."""
    start = 0
    for disposition in Disposition:
        length = counts[disposition.value]
        if length:
            yield Segment(disposition, start, length)
        start += length


def remarks(entry: EvidenceEntry, result: CheckResult) -> list[str]:
    """Return what sets *entry* apart: provenance and time where they differ, size and digest.

    The result itself says when it ran, and the provenance of its first entry.
    """
    found: list[str] = []
    if entry.provenance != result.evidence[0].provenance:
        found.append(entry.provenance)
    if text.moment(entry.at) != text.moment(result.started):
        found.append(text.moment(entry.at))
    if entry.size is not None:
        found.append(text.size(entry.size))
    if entry.truncated:
        found.append("shortened when it was collected")
    if entry.sha256 is not None:
        found.append(f"sha256 {text.shorten(entry.sha256, 17)}")
    return found


def _render(view: View, level: Level) -> str:
    environment = _environment(level)
    style, script = _asset("style.css"), _asset("script.js")
    return environment.get_template("index.html.j2").render(
        view=view,
        record=view.record,
        verdict=view.record.verdict,
        run=view.record.run,
        subject=view.record.subject,
        proven=proven(view.record),
        headline=headline(view),
        scope=scope_words(view.record.run.scope, view.record),
        style=style,
        script=script,
        policy=_policy(style, script),
    )


@lru_cache(maxsize=len(LEVELS))
def _environment(level: Level) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_rustybt_ready.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        show=lambda value, limit=level.text: _shown(value, limit),
        prose=lambda value, limit=level.text: _prose(_shown(value, limit)),
        moment=text.moment,
        size=text.size,
        count=text.count,
        slug=lambda value: str(value).lower().replace(" ", "-"),
    )
    environment.globals.update(
        arithmetic=arithmetic,
        room_for=lambda line: level.satisfied if line.disposition.satisfied else level.open,
        room=level.open,
        segments=segments,
        remarks=remarks,
        proof_words=PROOF_WORDS,
        percent=text.percent,
        dispositions=tuple(Disposition),
        kinds=tuple(Kind),
        Status=Status,
    )
    return environment


def _shown(value: str, limit: int) -> str:
    """Return *value* made visible, and shortened with a pointer to where the rest is."""
    clean = text.visible(value)
    if len(clean) <= limit:
        return clean
    left = len(clean) - limit
    return f"{clean[:limit]}… ({left} more characters in readiness.json)"


def _prose(value: str) -> Markup:
    """Return *value* as HTML, with `code` between single backticks marked up as such."""
    from markupsafe import Markup

    parts = _CODE.split(value)
    code = Markup("<code>{}</code>")
    return Markup().join(code.format(p) if n % 2 else p for n, p in enumerate(parts))


def _asset(name: str) -> str:
    path = resources.files("pytest_rustybt_ready.report").joinpath("templates", name)
    return path.read_text("utf-8").strip()


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
