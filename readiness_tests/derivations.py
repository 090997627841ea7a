"""Whether a derived item really rests on all that it has to: tried out, one open item at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec

from pytest_rustybt_ready import Evidence
from pytest_rustybt_ready.checklist import Checklist, Item
from pytest_rustybt_ready.rules import Facts, Inputs, Rulings
from pytest_rustybt_ready.statements import Statement
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    EvidenceEntry,
    Kind,
    Outcome,
    ProofOutcome,
    ProofResult,
    Scope,
    Stage,
)

AT = datetime(2026, 1, 2, 12, tzinfo=UTC)
COMMIT = "c0ffee"


@dataclass
class Derivations:
    """The derived items of a checklist, which a proof may change."""

    checklist: Checklist

    def expect_all_counted(self, evidence: Evidence, *prefixes: str) -> None:
        """Expect the item under check to stay open as long as one item below *prefixes* is.

        That is tried with each of them that blocks at production: all is satisfied but for it.
        """
        item = self._found(evidence.items[0].id)
        leaves = [i for i in self._below(prefixes) if not self.checklist.children(i)]
        assert leaves, f"no item lies under {', '.join(prefixes)}"
        evidence.record("rests on", list(item.derives))
        evidence.record("left open, one by one", len(leaves))
        evidence.expect("satisfied with all of them", True, observed=self._satisfied(item, None))
        unnoticed = [leaf.id for leaf in leaves if self._satisfied(item, leaf)]
        evidence.expect("satisfied without", [], observed=unnoticed)

    def rest_on(self, item_id: str, *prefixes: str) -> None:
        """Let a derived item rest on other items (controls)."""
        items = tuple(
            msgspec.structs.replace(i, derives=prefixes) if i.id == item_id else i
            for i in self.checklist.items
        )
        self.checklist = msgspec.structs.replace(self.checklist, items=items)

    def _found(self, item_id: str) -> Item:
        return next(item for item in self.checklist.items if item.id == item_id)

    def _below(self, prefixes: Iterable[str]) -> list[Item]:
        below = (item for prefix in prefixes for item in self.checklist.under(prefix))
        return [i for i in below if not i.optional and Stage.PRODUCTION.reaches(i.stage)]

    def _satisfied(self, item: Item, open_: Item | None) -> bool:
        """Tell whether *item* is satisfied where all others are, but for *open_*."""
        done = [i for i in self.checklist.items if i is not open_ and not i.derives]
        inputs = Inputs(
            checklist=self.checklist,
            stage=Stage.PRODUCTION,
            scope=Scope(kind="items", items=(item.id,)),
            commit=COMMIT,
            checks=tuple(_check(i.id) for i in done if i.automated),
            results=tuple(_passed(i.id) for i in done if i.automated),
            proofs=tuple(_proven(i.id) for i in done if i.automated),
            statements=tuple(_signed(i.id, i.role) for i in done if Kind.SIGNED in i.kinds),
        )
        return Rulings(Facts(inputs, AT), {}).of(item).disposition.satisfied


# Made once for each item, though an item is looked at once for each that is left open.
@cache
def _check(item: str) -> CheckInfo:
    return CheckInfo(check=item, section="any", items=(item,), controls=("broken",))


@cache
def _passed(item: str) -> CheckResult:
    seen = EvidenceEntry(kind="record", name="seen", observed="it", at=AT)
    return CheckResult(check=item, outcome=Outcome.PASSED, started=AT, evidence=(seen,))


@cache
def _proven(item: str) -> ProofResult:
    return ProofResult(check=item, control="broken", outcome=ProofOutcome.PROVEN, at=AT)


@cache
def _signed(item: str, role: str) -> Statement:
    return Statement(
        kind="sign-off",
        item=item,
        signer=f"{item}@example.org",
        role=role,
        signed_at=AT,
        expires_at=AT + timedelta(days=1),
        commit=COMMIT,
    )
