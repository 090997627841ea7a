"""Who may sign what: ``allowed_signers``, ``roles.toml`` and ``revoked_keys`` of a deployment.

``roles.toml``::

    [roles]
    technical-lead = ["ada@example.org"]
    results-signer = ["ci@example.org"]

    [authority]
    waive = ["risk-manager"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pytest_rustybt_ready.errors import ReadyError
from pytest_rustybt_ready.statements import Trust
from pytest_rustybt_ready.statements.ssh import signer_lines

FILES = ("allowed_signers", "roles.toml", "revoked_keys")
RESULTS_ROLE = "results-signer"
WILD = frozenset("*?!")


class TrustError(ReadyError):
    """What says whom to trust cannot be used; the message lists all that is wrong with it."""


class Roles(NamedTuple):
    """Who holds which role, by e-mail address in lower case, and which roles may waive."""

    holders: dict[str, frozenset[str]]
    may_waive: frozenset[str]

    def holds(self, person: str, role: str) -> bool:
        """Tell whether *person* holds *role*."""
        return person.casefold() in self.holders.get(role, frozenset())


def read_trust(folder: Path) -> Trust:
    """Read the three files of *folder*; one that is missing is empty. Raise TrustError."""
    return Trust(**{name.partition(".")[0]: _text(folder / name) for name in FILES})


def roles_of(trust: Trust) -> Roles:
    """Return the roles that *trust* gives; raise TrustError with all that is wrong in it."""
    problems = list(_signer_problems(trust.allowed_signers))
    data = _toml(trust.roles, problems)
    problems += _role_problems(data)
    if problems:
        raise TrustError("whom to trust cannot be told: " + "; ".join(problems))
    holders = {
        role: frozenset(person.casefold() for person in people)
        for role, people in data.get("roles", {}).items()
    }
    return Roles(holders, frozenset(data.get("authority", {}).get("waive", ())))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text (a binary KRL is not read)"
        raise TrustError(f"{path}: cannot be read: {reason}") from error


def _toml(text: str, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(f"roles.toml is not valid TOML: {error}")
        return {}


def _signer_problems(text: str) -> Iterator[str]:
    """Refuse patterns as principals: with one, a single key could sign as anybody."""
    for line in signer_lines(text):
        for name in line.principals:
            if WILD & set(name):
                yield f"allowed_signers: {name!r} is a pattern; name each person by address"


def _role_problems(data: dict[str, Any]) -> Iterator[str]:
    for key in sorted(data.keys() - {"roles", "authority"}):
        yield f"roles.toml: unknown key {key!r}; expected [roles] and [authority]"
    roles, authority = data.get("roles", {}), data.get("authority", {})
    if not isinstance(roles, dict) or not isinstance(authority, dict):
        yield "roles.toml: roles and authority are tables"
        return
    for role, people in roles.items():
        if not _texts(people) or not all(_address(person) for person in people):
            yield f"roles.toml: {role} is {people!r}, expected a list of e-mail addresses"
    for key, named in authority.items():
        if key != "waive" or not _texts(named):
            yield f"roles.toml: authority knows only waive, a list of roles, not {key} = {named!r}"
        elif unknown := sorted(set(named) - set(roles)):
            yield f"roles.toml: waive names {unknown[0]!r}, which is not under [roles]"


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _address(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and host) and not any(c.isspace() or c in '*?!,"@' for c in name + host)
