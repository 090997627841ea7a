"""The machine that the engine runs on, asked by commands: here, or elsewhere over SSH.

``--hosts ssh://user@host`` asks another machine (testinfra's option and back ends). A proof asks a
described one, whose answers are files that a control may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from readiness_tests.firewall import Inbound
from readiness_tests.firewall_rules import inbound

NO_COMMAND = 127
NFT = "nft -j list ruleset"
SAVED = {"ip": "iptables-save", "ip6": "ip6tables-save"}
LISTENERS = "ss -H -l -n -t -u"
SSHD = "sshd -T"
_NOT_TOLD = ("no hostkeys available", "Permission denied", "Missing privilege separation")
_LOOPBACK = re.compile(r"127\.|\[?::1\]?$|\[?::ffff:127\.")


class Answer(NamedTuple):
    """What a command gave."""

    code: int
    output: str
    problem: str = ""


class UnknownError(Exception):
    """The machine does not tell; the message says why, *remedy* what would help."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class Asked(Protocol):
    """Runs a command on some machine."""

    def __call__(self, command: str, /) -> Answer:
        """Return the answer to *command*; its code is 127 if there is no such program."""


class Listener(NamedTuple):
    """A socket that others may reach; *port* is such as ``22/tcp``."""

    address: str
    port: str


@dataclass(frozen=True)
class Machine:
    """A machine that *ask* runs commands on."""

    ask: Asked

    def inbound(self) -> dict[str, Inbound]:
        """Return what its packet filters let in, by ``ip`` and ``ip6``.

        Raise :class:`UnknownError` if nothing is there that could tell, or it may not be asked.
        """
        answers = {command: self.ask(command) for command in (NFT, *SAVED.values())}
        if all(each.code == NO_COMMAND for each in answers.values()):
            raise UnknownError(
                "neither nft nor iptables is there to tell the rules in force",
                "install nftables, and judge as root",
            )
        for command, answer in answers.items():
            if answer.code not in (0, NO_COMMAND):
                raise UnknownError(
                    f"{command.split()[0]} does not tell the rules: {answer.problem.strip()}",
                    "judge as root: only root may read them",
                )
        saved = {family: answers[command].output for family, command in SAVED.items()}
        return inbound(answers[NFT].output, saved)

    def listeners(self) -> list[Listener]:
        """Return what listens beyond loopback; raise :class:`UnknownError` without ``ss``."""
        answer = self.ask(LISTENERS)
        if answer.code != 0:
            raise UnknownError(f"ss lists no sockets: {answer.problem.strip()}", "install iproute2")
        return [found for found in _listening(answer.output) if not _LOOPBACK.match(found.address)]

    def sshd(self) -> dict[str, str] | None:
        """Return sshd's configuration in force, names in small letters; None if there is no sshd.

        Raise :class:`UnknownError` if it may not be read, ValueError if it does not load.
        """
        answer = self.ask(SSHD)
        if answer.code == NO_COMMAND:
            return None
        if answer.code != 0:
            if any(each in answer.problem for each in _NOT_TOLD):
                raise UnknownError(
                    f"sshd does not tell its configuration: {answer.problem.strip()}",
                    "let sshd run, and judge as root: only root may read the host's keys",
                )
            raise ValueError(answer.problem.strip() or f"exit code {answer.code}")
        lines = (line.partition(" ") for line in answer.output.splitlines())
        return {name.lower(): value.strip() for name, _, value in lines}


def _listening(text: str) -> Iterator[Listener]:
    """Yield the sockets that ``ss`` prints: state, queues, local and peer address."""
    for line in text.splitlines():
        protocol, _, _, _, local, *_ = line.split()
        address, _, port = local.rpartition(":")
        yield Listener(address.partition("%")[0], f"{port}/{protocol}")


def machine_at(hosts: str | None, ssh_config: str | None = None) -> Machine:
    """Return the machine that testinfra finds at *hosts*, or this one.

    Raise ValueError if *hosts* are several: a verdict is about one.
    """
    if hosts and "," in hosts:
        raise ValueError(f"--hosts={hosts}: a run judges one host; run it once for each")
    import testinfra  # type: ignore[import-untyped]  # it ships no types

    more = {"ssh_config": ssh_config} if ssh_config else {}
    host: Any = testinfra.get_host(hosts or "local://", **more)

    def ask(command: str) -> Answer:
        # Where administrators' programs are is not on every user's path.
        found = host.run(f"PATH=$PATH:/usr/sbin:/sbin; {command}")
        return Answer(int(found.rc), str(found.stdout), str(found.stderr))

    return Machine(ask)


# -- descriptions, for proofs ----------------------------------------------------------------

RULES = "rules"
SOCKETS = "sockets"
SSHD_SAYS = "sshd"
BROKEN = "error: "
_DESCRIPTION: Mapping[str, str] = {
    RULES: """*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
""",
    SOCKETS: """tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*
tcp LISTEN 0 128 [::]:22 [::]:*
tcp LISTEN 0 128 127.0.0.1:8000 0.0.0.0:*
udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*
""",
    SSHD_SAYS: """port 22
pubkeyauthentication yes
passwordauthentication no
kbdinteractiveauthentication no
permitrootlogin prohibit-password
permitemptypasswords no
""",
}
_ASKED: Mapping[str, str] = {
    SAVED["ip"]: RULES,
    SAVED["ip6"]: RULES,
    LISTENERS: SOCKETS,
    SSHD: SSHD_SAYS,
}


@dataclass(frozen=True)
class DescribedMachine(Machine):
    """A machine that is nothing but the files in *folder*."""

    folder: Path

    def say(self, name: str, old: str, new: str) -> None:
        """Let one of the files say *new* for *old*; raise ValueError unless it says that once."""
        path = self.folder / name
        text = path.read_text("utf-8")
        if text.count(old) != 1:
            raise ValueError(f"{name} does not say {old!r} once")
        path.write_text(text.replace(old, new), "utf-8")


def described_machine(folder: Path) -> DescribedMachine:
    """Return a well-kept machine, described by files in *folder* that may be changed."""
    folder.mkdir()
    for name, text in _DESCRIPTION.items():
        (folder / name).write_text(text, "utf-8")

    def ask(command: str) -> Answer:
        name = _ASKED.get(command)
        if name is None:
            return Answer(NO_COMMAND, "", "not found")
        text = (folder / name).read_text("utf-8")
        return Answer(255, "", text) if text.startswith(BROKEN) else Answer(0, text)

    return DescribedMachine(ask, folder)
