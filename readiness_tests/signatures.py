"""What people signed for a deployment, as the checks of signed items look at it.

The verdict reads the same statements again by itself: a check of a signed item shows that what it
rests on can be refused, and keeps what was seen as evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path

from pytest_rustybt_ready import Evidence, at_least
from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.rules import Facts, Inputs, Rulings
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.statements.examine import Examined
from pytest_rustybt_ready.statements.gather import Bench, gather
from pytest_rustybt_ready.statements.standing import Standing, evidence_asked, sign_command
from pytest_rustybt_ready.values import Scope, Stage


class Signatures:
    """The statements in *folder*, a deployment's ``readiness/``, held to the release at *bench*.

    ``authors`` are those who made that release. What is there is read once.
    """

    def __init__(
        self, folder: Path, bench: Bench, authors: tuple[str, ...], clock: Callable[[], datetime]
    ) -> None:
        self.folder = folder
        self.bench = bench
        self.authors = authors
        self.clock = clock

    @cached_property
    def _kept(self) -> Examined:
        return gather(self.folder, self.bench, self.clock()).examined

    def examined(self) -> Examined:
        """Return the statements that are sound, and those that are refused."""
        return self._kept

    def standing(self, item: Item) -> Standing:
        """Return the signature of *item* in force, or why there is none, as a verdict would."""
        found = self.examined()
        inputs = Inputs(
            checklist=self.bench.checklist,
            stage=Stage.PRODUCTION,
            # which results an approval is for can only be told once all of them are there
            scope=Scope(kind="items", items=(item.id,)),
            commit=self.bench.commit,
            statements=found.statements,
            refused=found.refused,
            authors=self.authors,
        )
        return Rulings(Facts(inputs, self.clock()), {}).standing_of(item)

    def expect_signed(self, evidence: Evidence) -> Statement:
        """Return the signature in force of the item under check, kept as evidence.

        Without one the check ends as awaiting it, with the reason and the command. A signer who
        was asked for a file must have attached one.
        """
        (item,) = evidence.items
        found = self.standing(item)
        if found.best is None:
            evidence.awaiting(found.reason, remedy=sign_command(item))
        held = found.best
        evidence.record("signed by", f"{held.signer} with key {held.key}", at=held.signed_at)
        evidence.expect("in the role", item.role, observed=held.role)
        evidence.record("in force until", found.lapses)
        evidence.record("for the commit", held.commit)
        evidence.record("attached", sorted(held.evidence))
        if evidence_asked(item):
            evidence.expect("files attached", at_least(1), observed=len(held.evidence))
        return held

    def expect_approvals(self, evidence: Evidence) -> None:
        """Expect each of the approvals by four eyes from somebody else, none of them an author.

        Without all of them the check ends as awaiting those that are missing.
        """
        approvals = [item for item in self.bench.checklist.items if item.four_eyes]
        assert approvals, "the checklist asks for no approval by four eyes"
        found = [(item, self.standing(item)) for item in approvals]
        missing = [(item, standing.reason) for item, standing in found if standing.best is None]
        if missing:
            reason = "; ".join(f"{item.id}: {reason}" for item, reason in missing)
            evidence.awaiting(reason, remedy="; ".join(sign_command(item) for item, _ in missing))
        held = [standing.best for _, standing in found if standing.best is not None]
        names, keys = {s.signer.casefold() for s in held}, {s.key for s in held}
        evidence.record("signed by", sorted(names))
        evidence.expect("different people", len(approvals), observed=len(names))
        evidence.expect("different keys", len(approvals), observed=len(keys))
        evidence.expect("authors among them", [], observed=sorted(names.intersection(self.authors)))
