"""Sign with ``ssh-keygen -Y sign``, and read signatures back with ``ssh-keygen -Y verify``.

Keys in files, in an agent and on hardware all work, since OpenSSH does the work. The namespaces
keep signatures apart: one made over a run's results is none for a statement, and neither is one
made for git or for a file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pytest_rustybt_ready.errors import ReadyError
from pytest_rustybt_ready.statements import Trust

STATEMENTS = "statement@rustybt-ready"
RESULTS = "results@rustybt-ready"
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAGIC = b"SSHSIG"
LONGEST = 60.0  # seconds that reading one signature may take; signing may wait for a person


class SignatureError(ReadyError):
    """A signature does not hold, or cannot be made; the message says why."""


class Seal(NamedTuple):
    """What an SSH signature says of itself: the key's fingerprint, and the namespace."""

    key: str
    namespace: str


def seal_of(armoured: str) -> Seal:
    """Read an armoured SSH signature; raise SignatureError if it is none."""
    lines = [line.strip() for line in armoured.strip().splitlines()]
    if len(lines) < 3 or lines[0] != BEGIN or lines[-1] != END:
        raise SignatureError("its signature is not an SSH signature")
    try:
        blob = base64.b64decode("".join(lines[1:-1]), validate=True)
        return _read(blob)
    except (binascii.Error, struct.error, UnicodeDecodeError) as error:
        raise SignatureError("its signature is damaged") from error


def _read(blob: bytes) -> Seal:
    """Take key and namespace from *blob*: magic, version, key, namespace (PROTOCOL.sshsig)."""
    if not blob.startswith(MAGIC):
        raise SignatureError("its signature is not an SSH signature")
    key, rest = _string(blob[len(MAGIC) + 4 :])
    namespace, _ = _string(rest)
    return Seal(fingerprint(key), namespace.decode())


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">I", data)
    return data[4 : 4 + length], data[4 + length :]


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a public key's bytes, as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def sign(data: bytes, *, key: Path, namespace: str) -> str:
    """Return the armoured signature over *data*; raise SignatureError if none could be made.

    *key* is a private key, or a public one whose private half an agent or a token holds. What
    ``ssh-keygen`` asks for or complains about goes to the user's terminal.
    """
    command = ("-Y", "sign", "-q", "-f", str(key), "-n", namespace)
    with tempfile.TemporaryDirectory(prefix="rustybt-sign-") as folder:
        signed = Path(folder, "data")
        signed.write_bytes(data)
        done = _ssh_keygen((*command, str(signed)), capture=False)
        made = signed.with_name("data.sig")
        if done.returncode != 0 or not made.is_file():
            raise SignatureError(
                f"{key}: ssh-keygen could not sign with it; name a private key, or the public key "
                "of one that the agent holds, with --key"
            )
        return made.read_text("ascii")


class Keyring:
    """The keys that a deployment trusts, laid out for ``ssh-keygen``."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self.trust = trust
        self._folder = folder
        self._signers = folder / "allowed_signers"
        self._revoked = folder / "revoked_keys"
        self._signature = folder / "signature"
        self._signers.write_text(trust.allowed_signers, "utf-8")
        self._revoked.write_text(trust.revoked_keys, "utf-8")

    def holders(self, key: str) -> dict[str, None]:
        """Return the principals to whom ``allowed_signers`` gives the key with that fingerprint."""
        lines = signer_lines(self.trust.allowed_signers)
        return dict.fromkeys(name for line in lines if line.key == key for name in line.principals)

    def fault_of(
        self, data: bytes, armoured: str, *, signer: str, namespace: str, at: Sequence[datetime]
    ) -> str:
        """Return why *armoured* is no signature of *signer* over *data*, or an empty text.

        The key must be good at each of the instants *at*.
        """
        try:
            seal = seal_of(armoured)
        except SignatureError as error:
            return str(error)
        if seal.namespace != namespace:
            return f"it was signed for {seal.namespace!r}, not for {namespace!r}"
        self._signature.write_text(armoured, "ascii")
        whole = ("-Y", "check-novalidate", "-n", namespace, "-s", str(self._signature))
        if _ssh_keygen(whole, data).returncode != 0:
            return "it was changed: its signature is over other bytes"
        faults = (self._fault_at(data, signer, namespace, instant) for instant in at)
        if any(faults):
            return self._explained(data, seal.key, signer, namespace, at)
        return ""

    def _fault_at(
        self, data: bytes, signer: str, namespace: str, at: datetime, *, revoked: bool = True
    ) -> bool:
        names = ("-n", namespace, "-I", signer, "-f", str(self._signers))
        listed = ("-r", str(self._revoked)) if revoked and self.trust.revoked_keys.strip() else ()
        when = f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%S}"
        signature = ("-s", str(self._signature), "-O", when)
        return bool(_ssh_keygen(("-Y", "verify", *names, *listed, *signature), data).returncode)

    def _explained(
        self, data: bytes, key: str, signer: str, namespace: str, at: Sequence[datetime]
    ) -> str:
        """Say in words what ssh-keygen has refused."""
        holders = self.holders(key)
        if not holders:
            return f"its key {key} is unknown: it is not in allowed_signers"
        if signer not in holders:
            return (
                f"its key {key} is not {signer}'s: allowed_signers gives it to {', '.join(holders)}"
            )
        for instant in at:
            if self._fault_at(data, signer, namespace, instant, revoked=False):
                return (
                    f"its key {key} is expired, not valid yet, or not for {namespace!r}: "
                    f"allowed_signers does not let {signer} use it at {instant:%Y-%m-%d %H:%M} UTC"
                )
        return f"its key {key} is revoked: it is in revoked_keys, or those cannot be read"


@contextmanager
def keyring(trust: Trust) -> Iterator[Keyring]:
    """Lay out *trust* in a private folder for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="rustybt-trust-") as folder:
        yield Keyring(Path(folder), trust)


class SignerLine(NamedTuple):
    """A line of ``allowed_signers``: who, and the fingerprint of the key ("" if unreadable)."""

    principals: tuple[str, ...]
    key: str


def signer_lines(text: str) -> list[SignerLine]:
    """Return the lines of an ``allowed_signers`` file that name somebody."""
    lines = (line.strip() for line in text.splitlines())
    return [_signer_line(line) for line in lines if line and not line.startswith("#")]


def _signer_line(line: str) -> SignerLine:
    names, _, rest = line.partition(" ")
    keys = [word for word in rest.split() if word.startswith("AAAA")]
    try:
        key = fingerprint(base64.b64decode(keys[0], validate=True)) if keys else ""
    except binascii.Error:
        key = ""
    return SignerLine(tuple(names.strip('"').split(",")), key)


def _ssh_keygen(
    arguments: Sequence[str], data: bytes | None = None, *, capture: bool = True
) -> subprocess.CompletedProcess[bytes]:
    # times in allowed_signers are local ones: everywhere the same verdict, so everywhere UTC
    env = os.environ | {"TZ": "UTC", "LC_ALL": "C"}
    timeout = LONGEST if capture else None
    try:
        return subprocess.run(  # noqa: S603 - fixed words and files; the text goes in by stdin
            ("ssh-keygen", *arguments),  # noqa: S607 - the user's own OpenSSH, wherever it lies
            input=data,
            capture_output=capture,
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        raise SignatureError("there is no ssh-keygen here; install OpenSSH 8.9 or newer") from error
    except subprocess.TimeoutExpired as error:
        raise SignatureError(f"ssh-keygen did not end within {LONGEST:.0f} s") from error
