"""Proofs: a check counts only if it is known to be able to fail.

Each negative control of a check becomes a test of its own. On a throwaway sandbox the check must
first pass untouched, then the control breaks the sandbox, and the check must fail with an
assertion. Passing, or breaking in any other way, is a failed proof.
"""

from __future__ import annotations

import hashlib
import inspect
import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from _pytest.outcomes import OutcomeException

from pytest_rustybt_ready import checkout
from pytest_rustybt_ready.canonical import to_bytes
from pytest_rustybt_ready.evidence import Awaiting, Evidence
from pytest_rustybt_ready.marks import Control
from pytest_rustybt_ready.redaction import clean
from pytest_rustybt_ready.values import ProofOutcome, ProofResult
from pytest_rustybt_ready.verdict import CANNOT_FAIL

FILE = "proofs.json"
# What a proof says by these is that it cannot be run here, or that the whole run is to end.
NOT_HERE = (pytest.skip.Exception, pytest.exit.Exception)
EVIDENCE_KEY = pytest.StashKey[Evidence]()
_PASSED = pytest.StashKey[set[str]]()

CheckCall = Callable[[], None]


class ProofError(Exception):
    """A proof did not succeed; ``outcome`` tells how."""

    def __init__(self, outcome: ProofOutcome, detail: str) -> None:
        super().__init__(f"{CANNOT_FAIL}: {detail}")
        self.outcome = outcome
        self.detail = detail


class ProofItem(pytest.Function):
    """One negative control of one check, run as a test.

    ``parts`` are the failures of its subtests, which do not raise by themselves.
    """

    control: Control
    proves: str
    digest: str
    detail: str = ""
    parts: list[BaseException]

    @classmethod
    def of(cls, check: pytest.Function, control: Control, digest: str) -> ProofItem:
        """Return the proof of *check* by *control*, with the same parameters and fixtures."""
        proof: ProofItem = cls.from_parent(
            check.parent,
            name=f"{check.name}[fails when {control.name}]",
            callspec=getattr(check, "callspec", None),
            fixtureinfo=check._fixtureinfo,  # noqa: SLF001 - the only way to copy a parametrised test
            originalname=check.originalname,
        )
        # pytest 9 makes the id of the function's name alone: the proof would be taken for its check
        if hasattr(proof, "_id"):
            proof._id = proof._id.parse(f"{check.nodeid}[fails when {control.name}]")
        proof.control = control
        proof.proves = check.nodeid
        proof.digest = digest
        proof.parts = []
        return proof

    def runtest(self) -> None:
        """Run the check untouched, then broken; raise ProofError unless only the second fails."""
        self._pass_untouched()
        if EVIDENCE_KEY in self.stash:
            self.stash[EVIDENCE_KEY].clear()
        with self._broken():
            self.detail = _expect_assertion(self._call, self.control)

    def _call(self) -> None:
        """Call the check; a failed subtest fails it."""
        self.parts.clear()
        super().runtest()
        if self.parts:
            raise self.parts[0]
        evidence = self.stash.get(EVIDENCE_KEY, None)
        unmet = [entry.name for entry in evidence.entries if entry.ok is False] if evidence else []
        if unmet:
            raise AssertionError(f"unmet although the test passed: {', '.join(unmet)}")

    def _pass_untouched(self) -> None:
        """Run the check on a sandbox as it is, unless it has passed on one in this process."""
        passed = self.config.stash.setdefault(_PASSED, set())
        if self.proves in passed:
            return
        try:
            self._call()
        except NOT_HERE:
            raise
        except (Exception, OutcomeException) as error:
            detail = f"the check does not pass on an untouched sandbox: {first_line(error)}"
            raise ProofError(ProofOutcome.ERROR, detail) from error
        passed.add(self.proves)

    @contextmanager
    def _broken(self) -> Iterator[None]:
        names = inspect.signature(self.control.function).parameters
        values = {name: self._request.getfixturevalue(name) for name in names}
        undo = self._apply(values)
        try:
            yield
        finally:
            if undo is not None:
                next(undo, None)

    def _apply(self, values: dict[str, Any]) -> Iterator[object] | None:
        """Break the sandbox; a control that yields is resumed afterwards, to clean up."""
        try:
            done = self.control.function(**values)
            if inspect.isgenerator(done):
                next(done)
                return done
        except NOT_HERE:
            raise
        except (Exception, OutcomeException) as error:
            detail = f"the control itself broke: {first_line(error)}"
            raise ProofError(ProofOutcome.ERROR, detail) from error
        if inspect.iscoroutine(done):
            done.close()
            raise ProofError(ProofOutcome.ERROR, "the control is async, so it broke nothing")
        return None

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say a failed proof in a line: where it failed is not in this file."""
        del style  # pytest.Function settles the style itself
        if isinstance(excinfo.value, ProofError):
            return f"{self.proves}: {excinfo.value}"
        return super().repr_failure(excinfo)

    def result(self, error: BaseException | None, at: datetime) -> ProofResult | None:
        """Return how the proof ended, or None if it could not be run here."""
        if isinstance(error, pytest.skip.Exception):
            return None
        outcome, detail = ProofOutcome.PROVEN, self.detail
        if error is not None:
            outcome = error.outcome if isinstance(error, ProofError) else ProofOutcome.ERROR
            detail = error.detail if isinstance(error, ProofError) else first_line(error)
        return ProofResult(
            check=clean(self.proves),
            control=self.control.name,
            outcome=outcome,
            at=at,
            claim=self.control.claim,
            detail=detail,
            digest=self.digest,
        )


class ProofCache:
    """Proofs that succeeded before, kept in a file, by check and control."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._proofs = _read(path)

    def find(self, check: str, control: str, digest: str) -> ProofResult | None:
        """Return the earlier success of the same proof, if nothing it rests on has changed."""
        known = self._proofs.get(_key(check, control))
        if known is None or known.digest != digest or known.outcome is not ProofOutcome.PROVEN:
            return None
        return msgspec.structs.replace(known, cached=True)

    def save(self, proofs: list[ProofResult]) -> None:
        """Add the successes among *proofs* to the file; raise OSError if it cannot be written."""
        lost = {_key(p.check, p.control) for p in proofs if p.outcome is not ProofOutcome.PROVEN}
        fresh = {_key(p.check, p.control): p for p in proofs if not p.cached}
        won = {key: proof for key, proof in fresh.items() if key not in lost}
        if won or lost & self._proofs.keys():
            kept = {key: proof for key, proof in self._proofs.items() if key not in lost}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # a name of its own: another run may be saving at the same time
            new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}")
            new.write_bytes(to_bytes(kept | won))
            new.replace(self.path)


def proof_digest(check: pytest.Function, control: Control, inputs: str) -> str:
    """Return the digest of what a proof rests on.

    That is the file of the check and of the control, the conftests above them, the case, and
    *inputs*, the digest of everything else.
    """
    root = check.config.rootpath
    folders = [f for f in check.path.parents if f.is_relative_to(root)]
    source = inspect.unwrap(control.function).__code__.co_filename
    own = {check.path, Path(source), *(folder / "conftest.py" for folder in folders)}
    files = checkout.files_digest(root, sorted(own))
    parts = (inputs, platform.python_version(), check.nodeid, control.name, files)
    data = chr(0).join(parts).encode("utf-8", "surrogatepass")
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def first_line(error: BaseException) -> str:
    """Return an exception in one line: its type unless it is an assertion, and its message."""
    text = str(getattr(error, "msg", None) or error).strip()
    line = text.splitlines()[0] if text else ""
    if isinstance(error, AssertionError | OutcomeException):
        return line or "assertion failed"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _expect_assertion(check: CheckCall, control: Control) -> str:
    try:
        check()
    except pytest.exit.Exception:
        raise
    except (Exception, OutcomeException) as error:
        if _is_assertion(error):
            return first_line(error)
        detail = f"it broke instead of failing when {control.name}: {first_line(error)}"
        raise ProofError(ProofOutcome.ERROR, detail) from error
    raise ProofError(ProofOutcome.CANNOT_FAIL, f"it passed although {control.name}")


def _is_assertion(error: BaseException) -> bool:
    """Tell whether a check says by *error* that something is not as it should be.

    That a signature is missing it says for certain too.
    """
    if isinstance(error, Awaiting):
        return True
    if isinstance(error, pytest.xfail.Exception):
        return False
    if isinstance(error, pytest.fail.Exception):
        # pytest-timeout ends a test that hangs in this way: that says nothing
        return not str(error.msg).startswith("Timeout (>")
    return isinstance(error, AssertionError)


def _key(check: str, control: str) -> str:
    return f"{check}\n{control}"


def _read(path: Path) -> dict[str, ProofResult]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, ProofResult])
    except (OSError, msgspec.DecodeError):
        return {}  # a cache that cannot be read only costs the time to prove again
