"""Take the statements of a deployment's ``readiness/`` folder, as a run or a command needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pytest_rustybt_ready import checkout
from pytest_rustybt_ready.checklist import Checklist
from pytest_rustybt_ready.statements import Refusal, Sealed, Trust
from pytest_rustybt_ready.statements.examine import (
    EVIDENCE_FOLDER,
    FOLDER,
    Examined,
    Expected,
    examine,
    known_commits,
    read_sealed,
)
from pytest_rustybt_ready.statements.trust import TrustError, read_trust


class Bench(NamedTuple):
    """The checkout that statements are about: its folder, project and commit, and what to do."""

    root: Path
    project: str
    commit: str
    checklist: Checklist


class Gathered(NamedTuple):
    """All that a record keeps of statements."""

    trust: Trust = Trust()
    sealed: tuple[Sealed, ...] = ()
    commits: Mapping[str, datetime] = MappingProxyType({})
    examined: Examined = Examined()


def gather(
    folder: Path,
    bench: Bench,
    at: datetime,
    revocations: Mapping[str, str] = MappingProxyType({}),
) -> Gathered:
    """Read and examine the statements below *folder*, the ``readiness/`` of a deployment.

    Nothing is raised for what is not sound: it is refused, with the reason. *revocations* must
    be there, by digest, with who has seen them.
    """
    sealed, unread = read_sealed(folder / FOLDER)
    try:
        trust = read_trust(folder)
    except TrustError as error:
        lost = tuple(Refusal(file=one.file, reason=str(error)) for one in sealed)
        return Gathered(sealed=sealed, examined=Examined(refused=(*unread, *lost)))
    if not sealed:
        return Gathered(trust, examined=Examined(refused=unread))
    commits = dates(bench.root, {*known_commits(sealed), bench.commit})
    expected = Expected(
        bench.checklist, bench.project, at, commits, folder / EVIDENCE_FOLDER, revocations
    )
    found = examine(sealed, trust, expected)
    return Gathered(trust, sealed, commits, found._replace(refused=(*unread, *found.refused)))


def dates(root: Path, commits: Iterable[str]) -> dict[str, datetime]:
    """Return when those of *commits* were made that the repository knows."""
    found = ((commit, checkout.commit_date(root, commit)) for commit in sorted(commits))
    return {commit: date for commit, date in found if date is not None}
