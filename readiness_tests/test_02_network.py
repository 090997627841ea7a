"""2.3.1 to 2.3.4: what the host lets in, what listens there, and how SSH lets people in."""

from __future__ import annotations

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.firewall import Opening, undeclared
from readiness_tests.machine import (
    BROKEN,
    RULES,
    SOCKETS,
    SSHD_SAYS,
    DescribedMachine,
    Machine,
    UnknownError,
)
from readiness_tests.subjects import Deployment
from rustybt.settings.values import is_loopback

ANSWERS_OF_DHCP = ("68/udp", "546/udp")
SSH_PORT = "22"


@ready.security("2.3.1")
def test_what_is_not_allowed_is_refused(machine: Machine, evidence: Evidence) -> None:
    """In the rules in force, for both families of addresses, what comes in is denied by default."""
    try:
        found = machine.inbound()
    except UnknownError as error:
        evidence.unproven(str(error), remedy=error.remedy)
    for family, inbound in found.items():
        evidence.record(f"{family}: filters", [each.name for each in inbound.filters])
        evidence.expect(f"{family}: denied by default", True, observed=inbound.denies)


@test_what_is_not_allowed_is_refused.fails_when
def everything_is_allowed_in(machine: DescribedMachine) -> None:
    """The policy of the chain is to accept."""
    machine.say(RULES, ":INPUT DROP", ":INPUT ACCEPT")


@test_what_is_not_allowed_is_refused.fails_when
def a_rule_lets_everything_in(machine: DescribedMachine) -> None:
    """What would be denied is allowed by the last rule."""
    machine.say(RULES, "COMMIT", "-A INPUT -j ACCEPT\nCOMMIT")


@test_what_is_not_allowed_is_refused.fails_when
def the_rules_are_not_in_force(machine: DescribedMachine) -> None:
    """There are rules in a file, and none in the kernel."""
    (machine.folder / RULES).write_text("", "utf-8")


@ready.security("2.3.2")
def test_only_declared_ports_are_open(
    machine: Machine, deployment: Deployment, evidence: Evidence
) -> None:
    """What listens beyond loopback and what the filters let in: SSH, the API, what is declared."""
    try:
        listeners, inbound = machine.listeners(), machine.inbound()
    except UnknownError as error:
        evidence.unproven(str(error), remedy=error.remedy)
    declared = _declared(deployment, machine)
    let_in = {str(each) for found in inbound.values() for each in found.openings}
    evidence.record("declared", declared)
    evidence.record("listening", sorted({each.port for each in listeners}))
    evidence.record("let in", sorted(let_in))
    open_ports = [
        Opening(each.port.partition("/")[2], each.port.partition("/")[0]) for each in listeners
    ]
    openings = [each for found in inbound.values() for each in found.openings]
    beyond = undeclared([*open_ports, *openings], [*declared, *ANSWERS_OF_DHCP])
    evidence.record("undeclared", sorted(set(beyond)))
    evidence.meets("undeclared_ports", observed=len(set(beyond)))


def _declared(deployment: Deployment, machine: Machine) -> list[str]:
    """Return the ports that may be open, such as ``22/tcp``."""
    settings = deployment.settings
    ports = [*settings.open_ports, f"{_ssh_port(machine)}/tcp"]
    if settings.api_enabled and not is_loopback(settings.api_host):
        ports.append(f"{settings.api_port}/tcp")
    return ports


def _ssh_port(machine: Machine) -> str:
    """Return the port of SSH, the usual one where nobody tells."""
    try:
        return (machine.sshd() or {}).get("port", SSH_PORT)
    except (UnknownError, ValueError):
        return SSH_PORT


@test_only_declared_ports_are_open.fails_when
def an_undeclared_service_listens(machine: DescribedMachine) -> None:
    """A database listens on all addresses."""
    path = machine.folder / SOCKETS
    path.write_text(path.read_text("utf-8") + "tcp LISTEN 0 9 0.0.0.0:5432 0.0.0.0:*\n", "utf-8")


@test_only_declared_ports_are_open.fails_when
def the_firewall_lets_an_undeclared_port_in(machine: DescribedMachine) -> None:
    """A port is open at which nothing listens yet."""
    machine.say(RULES, "COMMIT", "-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\nCOMMIT")


@ready.security("2.3.3")
def test_ssh_accepts_public_keys(machine: Machine, evidence: Evidence) -> None:
    """Public keys are accepted, in the configuration in force."""
    said = _sshd(machine, evidence).get("pubkeyauthentication")
    evidence.expect("pubkeyauthentication", "yes", observed=said)


@test_ssh_accepts_public_keys.fails_when
def public_keys_are_off(machine: DescribedMachine) -> None:
    """The server takes no public keys."""
    machine.say(SSHD_SAYS, "pubkeyauthentication yes", "pubkeyauthentication no")


@test_ssh_accepts_public_keys.fails_when
def the_configuration_does_not_load(machine: DescribedMachine) -> None:
    """There is a word in it that the server does not know."""
    path = machine.folder / SSHD_SAYS
    path.write_text(f"{BROKEN}/etc/ssh/sshd_config line 1: Bad configuration option", "utf-8")


@ready.security("2.3.4")
def test_ssh_accepts_no_passwords(machine: Machine, evidence: Evidence) -> None:
    """Nobody gets in by a password, typed in whichever way, root not at all by one."""
    said = _sshd(machine, evidence)
    for name in ("passwordauthentication", "kbdinteractiveauthentication"):
        evidence.expect(name, "no", observed=said.get(name))
    root = said.get("permitrootlogin")
    evidence.record("permitrootlogin", root)
    keys_only = {"no", "prohibit-password", "without-password", "forced-commands-only"}
    evidence.expect("root gets in by a password", False, observed=root not in keys_only)


@test_ssh_accepts_no_passwords.fails_when
def passwords_are_accepted(machine: DescribedMachine) -> None:
    """The server asks for a password."""
    machine.say(SSHD_SAYS, "passwordauthentication no", "passwordauthentication yes")


@test_ssh_accepts_no_passwords.fails_when
def passwords_are_asked_for_by_keyboard(machine: DescribedMachine) -> None:
    """The server lets the system ask."""
    machine.say(SSHD_SAYS, "kbdinteractiveauthentication no", "kbdinteractiveauthentication yes")


@test_ssh_accepts_no_passwords.fails_when
def root_may_use_a_password(machine: DescribedMachine) -> None:
    """Root logs in as anybody does."""
    machine.say(SSHD_SAYS, "permitrootlogin prohibit-password", "permitrootlogin yes")


def _sshd(machine: Machine, evidence: Evidence) -> dict[str, str]:
    """Return sshd's configuration in force."""
    problem, found = "none", None
    try:
        found = machine.sshd()
    except UnknownError as error:
        evidence.unproven(str(error), remedy=error.remedy)
    except ValueError as error:
        problem = str(error)
    evidence.expect("problem of sshd's configuration", "none", observed=problem)
    if found is None:
        evidence.unproven("there is no sshd on this machine", remedy="judge the production host")
    return found
