"""Merging: three signed runs and the signatures make one record; forged parts are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pytest_rustybt_ready import cli
from pytest_rustybt_ready import record as records
from pytest_rustybt_ready.errors import RecordError
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.report.html import render_html
from pytest_rustybt_ready.report.terminal import summary_lines
from pytest_rustybt_ready.statements.ssh import sign
from pytest_rustybt_ready.statements.trust import TrustError
from pytest_rustybt_ready.values import (
    CheckInfo,
    CheckResult,
    EvidenceEntry,
    Outcome,
    ProofOutcome,
    ProofResult,
    Provenance,
    RunInfo,
    Scope,
    Stage,
    Subject,
)
from pytest_rustybt_ready.verdict import Inputs, judge
from pytest_rustybt_ready.verify import as_text
from pytest_rustybt_ready.verify.merge import Order, merge
from pytest_rustybt_ready.verify.parts import results_digest

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
HOUR = timedelta(hours=1)
# check: item, and what it says in ci, staging and host
PLAN = {
    "code": ("1.2.1", "passed", "", ""),
    "engine": ("7.2.1", "passed", "", "unproven"),
    "paper": ("7.1.1", "unproven", "passed", "unproven"),
    "firewall": ("2.3.1", "passed", "passed", "failed"),
    "env": ("2.2.3", "passed", "failed", "passed"),
}
PARTS = {"ci": Stage.DEV, "staging": Stage.STAGING, "host": Stage.PRODUCTION}


class Parts:
    """Three parts as their machines would sign them, to be merged or forged."""

    def __init__(self, desk: Any, folder: Path) -> None:
        self.desk, self.folder = desk, folder

    def record(self, name: str, **changes: Any) -> Record:
        """Return the record of a part; *changes* are for its subject, run or results."""
        column = [*PARTS].index(name) + 1
        said = {check: row[column] for check, row in PLAN.items() if row[column]}
        said |= changes.pop("said", {})
        subject = Subject(
            name=name,
            kind="sandbox" if name == "ci" else "deployment",
            commit=self.desk.commit,
            tree="sha256:" + "1" * 64,
            project="venture",
            authors=("grace@example.org",),
            facts={"api_enabled": name != "host", "regulated": True},
        )
        run = RunInfo(
            id=name,
            started=NOW - 3 * HOUR,
            finished=NOW - 2 * HOUR,
            stage=PARTS[name],
            scope=Scope(kind="sections", sections=("testing",)),
        )
        subject = replaced(subject, changes)
        run = replaced(run, changes)
        info = tuple(check_info(check) for check in said)
        seen = tuple(result(check, outcome) for check, outcome in said.items())
        values = {
            "checklist": self.desk.checklist,
            "checks": info,
            "results": seen,
            "proofs": tuple(proof(check) for check in said),
            "broken": (),
            "gaps": (),
        } | changes
        inputs = Inputs(
            stage=run.stage,
            scope=run.scope,
            facts=subject.facts,
            commit="" if subject.dirty else subject.commit,
            authors=subject.authors,
            **{k: v for k, v in values.items() if k not in ("parts", "sealed_statements")},
        )
        verdict = judge(inputs, run.finished)
        return Record(run=run, subject=subject, statements=(), verdict=verdict, **values).sealed()

    def write(self, name: str, key: str = "ada", **changes: Any) -> Path:
        """Write a part with its signature by *key*, or without one."""
        path = self.folder / f"{name}.json"
        path.write_bytes(records.dump(self.record(name, **changes)))
        if key:
            self.seal(path, key)
        return path

    def seal(self, path: Path, key: str, namespace: str = "results@rustybt-ready") -> None:
        """Sign what stands in *path*."""
        seal = sign(path.read_bytes(), key=self.desk.keys[key], namespace=namespace)
        path.with_name(f"{path.name}.sig").write_text(seal)

    def all(self) -> list[Path]:
        """Write the three parts, sound."""
        return [self.write(name) for name in PARTS]

    def merge(self, *parts: Path, at: datetime = NOW) -> Record:
        """Merge *parts*."""
        return merge(Order(parts, self.desk.folder, self.desk.bench.root, at))

    def refused(self, *parts: Path, at: datetime = NOW) -> str:
        """Return why *parts* are not merged."""
        with pytest.raises((RecordError, TrustError)) as caught:
            self.merge(*parts, at=at)
        return str(caught.value)


def replaced(value: Any, changes: dict[str, Any]) -> Any:
    """Return *value* with those of *changes* that are fields of it, which are used up."""
    own = {k: changes.pop(k) for k in tuple(changes) if k in value.__struct_fields__}
    return msgspec.structs.replace(value, **own)


def check_info(check: str) -> CheckInfo:
    """Return a check of PLAN."""
    item = PLAN[check][0]
    section = {"1": "testing", "7": "validation", "2": "security"}[item[0]]
    return CheckInfo(check=check, section=section, items=(item,), controls=("c",))


def result(check: str, outcome: str) -> CheckResult:
    """Return how it ended."""
    entry = EvidenceEntry(
        kind="record", name="x", observed="1", at=NOW - 3 * HOUR, provenance=Provenance.REAL
    )
    return CheckResult(
        check=check, outcome=Outcome(outcome), started=NOW - 3 * HOUR, evidence=(entry,)
    )


def proof(check: str) -> ProofResult:
    """Return its proof."""
    return ProofResult(check=check, control="c", outcome=ProofOutcome.PROVEN, at=NOW - 3 * HOUR)


@pytest.fixture
def parts(desk: Any, tmp_path: Path) -> Parts:
    """Return the maker of parts."""
    return Parts(desk, tmp_path)


def test_each_part_says_what_it_can_see(parts: Parts) -> None:
    """Code from CI, paper trading from staging, the host from the host."""
    merged = parts.merge(*parts.all())
    said = {item: str(merged.verdict.of(item).disposition) for item, *_ in PLAN.values()}
    assert said == {
        "1.2.1": "passed",
        "7.2.1": "passed",
        "7.1.1": "passed",
        "2.3.1": "failed",
        "2.2.3": "passed",
    }
    assert merged.run.stage is Stage.PRODUCTION
    assert merged.subject.name == "host"
    assert [(p.file, p.signer) for p in merged.parts] == [
        (f"{name}.json", "ada@example.org")
        for name in sorted(PARTS, key=lambda n: parts.record(n).digest)
    ]
    assert merged.subject.facts == {"regulated": True}


def test_the_order_of_parts_changes_nothing(parts: Parts) -> None:
    """The same parts in any order give the same bytes."""
    paths = parts.all()
    assert records.dump(parts.merge(*paths)) == records.dump(parts.merge(*paths[::-1]))


def test_refused_statements_show_in_every_report(parts: Parts, desk: Any) -> None:
    """A signature that does not count is named on the page, in the terminal and by verify."""
    path = desk.sign("ada", "2.1.6", "security-reviewer")
    for n in range(25):
        (desk.statements / f"{n}.json").write_text("{}")
    path.with_name(f"{path.name}.sig").unlink()
    merged = parts.merge(*parts.all())
    said = f"{path.name}: it is not signed"
    page = render_html(merged)
    assert "16 more; see readiness.json" in page
    lines = "\n".join(text for text, _ in summary_lines(merged))
    assert "refused: 0.json: it is not a statement" in lines
    assert "and 6 refused statements more" in lines
    assert said in as_text(merged, merged.verdict)
    assert said in merged.verdict.of("2.1.6").reason


def test_a_sandbox_alone_may_speak_of_its_host(parts: Parts) -> None:
    """Without a deployment among the parts a sandbox is what is judged."""
    merged = parts.merge(parts.write("ci"))
    assert merged.verdict.of("2.2.3").disposition == "passed"
    assert merged.run.stage is Stage.DEV


def test_a_part_that_saw_no_signature_gives_way(parts: Parts) -> None:
    """That nothing was signed yet where a part was made is no conflict with where it was."""
    host = parts.write("host", said={"engine": "awaiting"})
    merged = parts.merge(parts.write("ci"), parts.write("staging"), host)
    assert merged.verdict.of("7.2.1").disposition == "passed"


def test_a_revocation_that_a_part_has_seen_is_missed(parts: Parts, desk: Any) -> None:
    """Taken away before anybody signed again, it is in the signed record of the host."""
    desk.sign("ada", "2.1.6", "security-reviewer")
    (statement,) = desk.read().examined.statements
    said = {"action": "revocation", "reason": "wrong", "statement": statement.digest}
    path = desk.sign("eve", "2.1.6", "security-reviewer", **said)
    host = parts.write("host", sealed_statements=desk.read().sealed)
    others = [parts.write("ci"), parts.write("staging")]
    reason = parts.merge(*others, host).verdict.of("2.1.6").reason
    assert "its signature was revoked" in reason
    path.unlink()
    reason = parts.merge(*others, host).verdict.of("2.1.6").reason
    assert "a revocation was taken away" in reason
    assert "named by host.json" in reason


def test_approvals_are_for_the_merged_results(parts: Parts, desk: Any) -> None:
    """Merge, read, sign for what was read, merge again: the approval counts."""
    paths = parts.all()
    seen = results_digest(parts.merge(*paths))
    desk.sign("eve", "10.1.1", "technical-lead", results=seen)
    assert parts.merge(*paths).verdict.of("10.1.1").disposition == "signed"
    again = [*paths[:2], parts.write("host", said={"env": "failed"})]
    assert "signed for other results" in parts.merge(*again).verdict.of("10.1.1").reason


def test_the_commands(parts: Parts, desk: Any, tmp_path: Path, capfd: Any) -> None:
    """sign-results and merge by their commands; what they write is verified offline."""
    paths = [parts.write(name, key="") for name in PARTS]
    for path in paths:
        assert cli.run(["sign-results", str(path), "--key", str(desk.keys["ada"])]) == 0
    desk.sign("ada", "2.1.6", "security-reviewer")
    out = tmp_path / "report"
    where = ["--statements", str(desk.folder), "--checkout", str(desk.bench.root), "-o", str(out)]
    at = ["--at", NOW.isoformat()]
    assert cli.run(["merge", *map(str, paths), *where, *at]) == 1
    assert "NOT READY as of 2026-03-14 09:26 UTC at stage production" in capfd.readouterr().out
    record = out / "readiness.json"
    assert records.load(record).verdict.of("2.1.6").disposition == "signed"
    page = (out / "index.html").read_text()
    assert all(f"<dt>Part {name}.json</dt>" in page for name in PARTS)
    assert "<dt>roles.toml</dt>" in page
    assert cli.run(["verify", str(record), *at]) == 1
    text = capfd.readouterr().out
    assert "signature or waiver ends with the next commit: 2.1.6" in text
    assert "signature or waiver ends 2026-05-13: 2.1.6" in text
    assert "When signatures and waivers end" in page
    assert "1 statement verified, with the keys and roles of" in text
    assert "  allowed_signers sha256:" in text
    assert text.count("by ada@example.org") == 3
    first = record.read_bytes()
    assert cli.run(["merge", *map(str, paths), *where, *at]) == 1
    assert record.read_bytes() == first
    paths[0].write_bytes(b"{}")
    assert cli.run(["merge", *map(str, paths), *where, *at]) == 7
    assert cli.run(["sign-results", str(paths[0]), "--key", str(desk.keys["ada"])]) == 7
    assert cli.run(["sign-results", str(tmp_path / "none.json")]) in (4, 7)


FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "another commit": ({"commit": "0" * 40}, "another commit"),
    "another project": ({"project": "other"}, "another project"),
    "no project": ({"project": ""}, "another project"),
    "another tree": ({"tree": "sha256:" + "2" * 64}, "another tree"),
    "uncommitted changes": ({"dirty": True}, "a tree with changes"),
    "no commit": ({"commit": ""}, "a tree with changes"),
    "a check by that name that claims more": (
        {"checks": (msgspec.structs.replace(check_info("code"), items=("1.2.1", "1.2.2")),)},
        "conflict: code is another check there",
    ),
    "another outcome": ({"said": {"code": "failed"}}, "conflict: code"),
    "an error where another passed": ({"said": {"engine": "error"}}, "conflict: engine"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_or_conflicting_part(parts: Parts, name: str) -> None:
    """Signed by one who may, and yet of something else, or saying the opposite."""
    changes, reason = FOREIGN[name]
    assert reason in parts.refused(parts.write("ci"), parts.write("host", **changes))


def test_another_checklist(parts: Parts, desk: Any) -> None:
    """A part that was judged by a laxer checklist."""
    lax = msgspec.structs.replace(desk.checklist, max_waivers=100)
    reason = parts.refused(parts.write("ci"), parts.write("host", checklist=lax))
    assert "another checklist" in reason


def test_a_merged_record_is_no_part(parts: Parts, desk: Any) -> None:
    """Merging twice would hide what a part could not see."""
    path = parts.folder / "merged.json"
    path.write_bytes(records.dump(parts.merge(parts.write("ci"))))
    parts.seal(path, "ada")
    assert "merged already" in parts.refused(path)


def flip(path: Path) -> None:
    """Turn a failure into a pass, and leave the digest alone."""
    path.write_text(path.read_text().replace('"failed"', '"passed"', 1))


def reseal(path: Path) -> None:
    """Turn a failure into a pass, with the digest and the verdict that then follow."""
    record = records.load(path)
    results = tuple(msgspec.structs.replace(r, outcome=Outcome.PASSED) for r in record.results)
    found = msgspec.structs.replace(record, results=results)
    verdict = judge(found.inputs(), record.verdict.at)
    path.write_bytes(records.dump(msgspec.structs.replace(found, verdict=verdict).sealed()))


def rewritten(path: Path) -> None:
    """Write the same values with other blanks."""
    path.write_text(json.dumps(json.loads(path.read_bytes())))


def folder(path: Path) -> None:
    """Put a folder in the place of a part."""
    path.unlink()
    path.mkdir()


ALTERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed outcome": (flip, "altered since it was written"),
    "a changed outcome, sealed again": (reseal, "its signature is over other bytes"),
    "other blanks": (rewritten, "its signature is over other bytes"),
    "no signature": (lambda p: p.with_name(f"{p.name}.sig").unlink(), "it is not signed"),
    "an empty signature": (
        lambda p: p.with_name(f"{p.name}.sig").write_text(""),
        "not an SSH signature",
    ),
    "no part": (lambda p: p.unlink(), "no such file"),
    "a folder": (folder, "cannot be read"),
    "no record": (lambda p: p.write_text("{}"), "not a readiness record"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_part(parts: Parts, name: str) -> None:
    """A byte changed after the signature, or the signature lost."""
    change, reason = ALTERED[name]
    ci, staging, host = parts.all()
    change(host)
    assert reason in parts.refused(ci, staging, host)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("stranger", "is unknown"),
        ("bob", "bob@example.org does not hold the role 'results-signer'"),
    ],
)
def test_a_part_signed_by_somebody_else(parts: Parts, key: str, reason: str) -> None:
    """Only who holds the role may sign results."""
    assert reason in parts.refused(parts.write("ci", key=key))


def test_a_part_signed_as_a_statement(parts: Parts) -> None:
    """A signature in the namespace of statements is none for results."""
    path = parts.write("ci", key="")
    parts.seal(path, "ada", namespace="statement@rustybt-ready")
    assert "it was signed for 'statement@rustybt-ready'" in parts.refused(path)


def test_the_signature_of_another_part(parts: Parts) -> None:
    """Each part has its own."""
    ci, host = parts.write("ci"), parts.write("host")
    host.with_name("host.json.sig").write_text(ci.with_name("ci.json.sig").read_text())
    assert "its signature is over other bytes" in parts.refused(ci, host)


def test_a_part_named_twice(parts: Parts) -> None:
    """One part under two names is one part."""
    path = parts.write("ci")
    copy = parts.folder / "copy.json"
    copy.write_bytes(path.read_bytes())
    copy.with_name("copy.json.sig").write_text(path.with_name("ci.json.sig").read_text())
    assert "is named twice" in parts.refused(path, copy)


def test_no_part(parts: Parts) -> None:
    """Nothing merged is nothing shown."""
    assert "no part to merge" in parts.refused()


def test_a_revoked_or_expired_key(parts: Parts, desk: Any) -> None:
    """Parts fall with the key that signed them."""
    path = parts.write("ci")
    desk.signers('valid-before="20260314"')
    assert "is expired" in parts.refused(path)
    desk.signers()
    (desk.folder / "revoked_keys").write_text(desk.keys["ada"].with_suffix(".pub").read_text())
    assert "is revoked" in parts.refused(path)


def test_a_part_from_the_future(parts: Parts) -> None:
    """Evidence that is from later than the judgement proves nothing."""
    merged = parts.merge(parts.write("ci"), at=NOW - 12 * HOUR)
    assert merged.verdict.of("1.2.1").disposition == "unproven"


def test_whom_to_trust_is_unclear(parts: Parts, desk: Any) -> None:
    """Where it cannot be told who may sign, nothing is merged."""
    path = parts.write("ci")
    (desk.folder / "roles.toml").write_text("[roles")
    assert "not valid TOML" in parts.refused(path)


def test_a_hole_in_one_part_stays(parts: Parts) -> None:
    """What broke a part, or was left out of it, is not healed by another."""
    host = parts.write("host", broken=("the deployment changed",), gaps=("x was left out",))
    merged = parts.merge(parts.write("ci"), host)
    assert merged.broken == ("host.json: the deployment changed",)
    assert merged.gaps == ("host.json: x was left out",)
    reasons = [b.reason for b in merged.verdict.blockers]
    assert "host.json: the deployment changed" in reasons
