"""A machine is asked for real: its filters in a network of its own, its sshd over SSH."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from readiness_tests.firewall import Opening, undeclared
from readiness_tests.machine import Answer, Machine, UnknownError, machine_at

PATIENCE_S = 30
SEPARATION = Path("/run/sshd")
PORTS = (22, 80, 443, 5432, 8005)
HERE, THERE = "10.77.0.1", "10.77.0.2"
NFTABLES = """
table inet filter {
  chain web {
    tcp dport { 80, 8000-8010 } accept
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iif lo accept
    ct state established,related accept
    tcp dport 22 ct state new accept
    ip saddr 10.77.0.9 tcp dport 5432 accept
    meta l4proto tcp jump web
    meta l4proto tcp reject with tcp reset
    drop
  }
}
"""
IPTABLES = (
    "-P INPUT DROP",
    "-A INPUT -i lo -j ACCEPT",
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "-A INPUT -p tcp -m multiport --dports 80,443 -j ACCEPT",
    "-A INPUT -s 10.77.0.2 -p tcp --dport 5432 -j ACCEPT",
    "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
)
SERVE = """
import socket, sys
open_ones = [socket.create_server(("0.0.0.0", int(port))) for port in sys.argv[1:]]
print("ready", flush=True)
sys.stdin.read()
"""
CONNECT = """
import socket, sys
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=5).close()
        print(port)
    except OSError:
        pass
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="networks of one's own need root")


class Network:
    """A network that ends with its process, in which commands can be run."""

    def __init__(self, pid: int) -> None:
        self.words = ("nsenter", "-t", str(pid), "-n")

    def run(self, *words: str, text: str = "") -> str:
        """Run a command inside; return what it prints, raise if it fails."""
        done = subprocess.run(
            [*self.words, *words], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, command: str) -> Answer:
        """Answer as a machine does."""
        if shutil.which(command.split(maxsplit=1)[0]) is None:
            return Answer(127, "", "not found")
        done = subprocess.run(
            [*self.words, *command.split()], capture_output=True, text=True, check=False
        )
        return Answer(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def network() -> Iterator[tuple[Network, int]]:
    """Make a network; skip where that is not allowed."""
    with subprocess.Popen(["unshare", "-n", "sleep", "600"]) as process:
        try:
            own = Path("/proc/self/ns/net").readlink()
            end = time.monotonic() + PATIENCE_S
            while Path(f"/proc/{process.pid}/ns/net").readlink() == own:
                if process.poll() is not None or time.monotonic() > end:
                    pytest.skip("no network of one's own may be made here")
                time.sleep(0.01)
            yield Network(process.pid), process.pid
        finally:
            process.kill()


@pytest.fixture
def pair() -> Iterator[tuple[Network, Network]]:
    """Return two networks, each an end of the same wire."""
    with network() as (here, _), network() as (there, other):
        here.run(
            "ip", "link", "add", "wire", "type", "veth", "peer", "name", "end", "netns", str(other)
        )
        for place, name, address in ((here, "wire", HERE), (there, "end", THERE)):
            place.run("ip", "address", "add", f"{address}/24", "dev", name)
            place.run("ip", "link", "set", name, "up")
            place.run("ip", "link", "set", "lo", "up")
        yield here, there


def reached(here: Network, there: Network) -> set[int]:
    """Return the ports of *here* that a client *there* comes through to."""
    ports = [str(port) for port in PORTS]
    with subprocess.Popen(
        [*here.words, "python3", "-c", SERVE, *ports],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "ready\n"
        found = there.run("python3", "-c", CONNECT, HERE, *ports)
        serving.communicate()
    return {int(port) for port in found.split()}


def told(machine: Machine) -> set[int]:
    """Return which of the ports the rules let somebody in to, whoever it is."""
    openings = machine.inbound()["ip"].openings
    each = {port: [Opening("tcp", str(port))] for port in PORTS}
    declared = [f"{opening.ports}/{opening.protocol}" for opening in openings]
    declared = [f"{port}/tcp" for text in declared for port in text.partition("/")[0].split(",")]
    return {port for port, opening in each.items() if not undeclared(opening, declared)}


@needs_root
@pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed")
def test_packets_come_through_where_the_rules_of_nftables_say(
    pair: tuple[Network, Network],
) -> None:
    """What is told is what a client sees; what is for another client only is told as open too."""
    here, there = pair
    machine = Machine(here.ask)
    assert reached(here, there) == set(PORTS)
    assert not machine.inbound()["ip"].denies
    here.run("nft", "-f", "-", text=NFTABLES)
    assert machine.inbound()["ip"].denies
    assert machine.inbound()["ip6"].denies
    assert reached(here, there) == {22, 80, 8005}
    assert told(machine) == {22, 80, 8005, 5432}


@needs_root
@pytest.mark.skipif(shutil.which("iptables") is None, reason="iptables is not installed")
def test_packets_come_through_where_the_rules_of_iptables_say(
    pair: tuple[Network, Network],
) -> None:
    """The same with iptables, which says nothing of the other family of addresses."""
    here, there = pair
    for rule in IPTABLES:
        here.run("iptables", *rule.split())
    machine = Machine(here.ask)
    assert machine.inbound()["ip"].denies
    assert not machine.inbound()["ip6"].denies
    assert reached(here, there) == told(machine) == {80, 443, 5432}


@needs_root
def test_sockets_beyond_loopback_are_listed(pair: tuple[Network, Network]) -> None:
    """A socket on loopback is nobody's business."""
    machine = Machine(pair[0].ask)
    assert machine.listeners() == []
    words = [*pair[0].words, "python3", "-c", SERVE, "8080"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == "ready\n"
        assert [each.port for each in machine.listeners()] == ["8080/tcp"]
        serving.communicate()


def test_a_machine_that_does_not_tell_is_not_guessed() -> None:
    """Programs that are not there, or that only root may run."""
    missing = Machine(lambda _: Answer(127, "", "not found"))
    refused = Machine(lambda _: Answer(1, "", "Operation not permitted"))
    assert missing.sshd() is None
    for machine, words in ((missing, "neither nft nor iptables"), (refused, "not permitted")):
        with pytest.raises(UnknownError, match=words):
            machine.inbound()
        with pytest.raises(UnknownError, match="ss lists no sockets"):
            machine.listeners()
    with pytest.raises(ValueError, match="Operation not permitted"):
        refused.sshd()
    private = Machine(lambda _: Answer(1, "", "sshd: no hostkeys available -- exiting."))
    with pytest.raises(UnknownError, match="no hostkeys"):
        private.sshd()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Return the configuration for clients of a private sshd, and its port."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or os.geteuid() != 0:
        pytest.skip("a private sshd needs root and openssh-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("host", "client"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(words, check=True)
    is_new = not SEPARATION.exists()  # where sshd wants its unprivileged part to live
    SEPARATION.mkdir(mode=0o755, exist_ok=True)
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\n"
        f"AuthorizedKeysFile {tmp_path}/client.pub\nStrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUsePAM no\n",
        "utf-8",
    )
    client = tmp_path / "ssh_config"
    client.write_text(
        f"Host *\n  IdentityFile {tmp_path}/client\n  StrictHostKeyChecking no\n"
        f"  UserKnownHostsFile {tmp_path}/known\n  IdentitiesOnly yes\n  LogLevel ERROR\n",
        "utf-8",
    )
    with subprocess.Popen([sshd, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end and process.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                time.sleep(0.05)
            yield client, port
        finally:
            process.terminate()
            if is_new:
                SEPARATION.rmdir()


def test_another_machine_is_asked_over_ssh(server: tuple[Path, int]) -> None:
    """As ``--hosts`` does it; here it is this machine by another way."""
    client, port = server
    machine = machine_at(f"ssh://root@127.0.0.1:{port}", str(client))
    assert f"{port}/tcp" not in {each.port for each in machine.listeners()}
    said = machine.sshd()
    assert said is not None
    assert said["pubkeyauthentication"] == "yes"
    assert machine.ask("no-such-program-anywhere").code == 127


def test_a_run_judges_one_host() -> None:
    """Two hosts have two verdicts."""
    with pytest.raises(ValueError, match="a run judges one host"):
        machine_at("ssh://a,ssh://b")
