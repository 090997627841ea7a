"""A go-live from end to end: three runs, six people, one merge that becomes READY, and lapses.

The venture here is a project of its own that is held to the built-in checklist. Each of its checks
looks for a file that says that the item holds: what is tried out is not the product, but the way
from checks, proofs, records and signatures to one verdict, by the commands that people use. Its
paper session is a real one, of this engine.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pytest_rustybt_ready import checklist_file
from pytest_rustybt_ready import cli as readiness
from pytest_rustybt_ready import record as records
from pytest_rustybt_ready.checklist import Item
from pytest_rustybt_ready.record import Record
from pytest_rustybt_ready.values import Kind, Stage
from rustybt.cli import run as rustybt
from rustybt.deployment import create_home

CHECKLIST = checklist_file.built_in()
PEOPLE = {
    "ada": ("technical-lead",),
    "bob": ("senior-developer", "results-signer"),
    "cyd": ("qa",),
    "dan": ("risk-manager", "compliance-officer"),
    "eve": ("security-reviewer", "operations"),
    "fay": ("business-owner", "training-lead", "legal"),
}
# a git hook names its own repository in the environment
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
INI = """
[pytest]
addopts = --strict-markers --assert=plain -p pytest_rustybt_ready.plugin -p no:cacheprovider
"""
CONFTEST = '''
import json
import os
import shutil
from pathlib import Path

import pytest

from pytest_rustybt_ready import Provenance, Subject

WHERE, HOME = os.environ["VENTURE_WHERE"], os.environ.get("VENTURE_HOME", "")
SEEN = {"ci": {"code", "engine"}, "staging": {"record"}, "host": {"host"}}[WHERE]
NO = ("api_enabled", "dashboard_configured", "regulated", "has_clients")


def pytest_ready_subject():
    kind = "deployment" if HOME else "checkout"
    return Subject(name=WHERE, kind=kind, home=HOME, facts=dict.fromkeys(NO, False))


@pytest.fixture
def place(pytestconfig, proving, tmp_path):
    """Where it says what holds: in the home or the checkout, or in a copy that may be broken."""
    if not proving:
        return Path(HOME or pytestconfig.rootpath, "holds.txt")
    return Path(shutil.copy(pytestconfig.rootpath / "holds.txt", tmp_path))


@pytest.fixture
def held(place, proving, evidence):
    """Expect that an item holds, where that can be told."""

    def look(item, *kinds):
        if not proving and not SEEN & {*kinds}:
            evidence.unproven(f"{WHERE} cannot tell")
        if not proving and item.startswith("7.1."):
            session = json.loads((place.parent / "journal.jsonl").read_text().splitlines()[0])
            clock = session["payload"]["clock"]
            evidence.provenance = Provenance("real" if clock == "wall" else clock)
        evidence.expect("it holds", True, observed=item in place.read_text().split())

    return look
'''
CHECK = '''
@ready.{section}("{id}")
def test_{name}(held):
    """What {id} asks for holds."""
    held("{id}", *{kinds})


@test_{name}.fails_when
def lose_{name}(place):
    """Nothing says that it holds."""
    place.write_text(place.read_text().replace("{id}\\n", ""))

'''


def items(*kinds: Kind) -> list[Item]:
    """Return the items without parts that block at production and are of one of *kinds*."""
    leaves = (i for i in CHECKLIST.items if not CHECKLIST.children(i))
    due = (i for i in leaves if Stage.PRODUCTION.reaches(i.stage))
    return [i for i in due if {*kinds} & {*i.kinds}]


CHECKED = items(Kind.CODE, Kind.ENGINE, Kind.HOST, Kind.RECORD)
SIGNED = [i for i in items(Kind.SIGNED) if i.applies is None]
DERIVED = items(Kind.DERIVED)


class Venture:
    """The project, its three places, and the people who decide about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "venture"
        self.staging = create_home(folder / "staging", "dev", lambda: datetime.now(UTC)).root
        self.host = folder / "host"
        self.trust = self.host / "readiness"
        self.parts = folder / "parts"
        self.places = {
            "ci": ("dev", None),
            "staging": ("staging", self.staging),
            "host": ("production", self.host),
        }
        for made in (self.root / "readiness_tests", self.trust, self.parts):
            made.mkdir(parents=True)
        self.sources()
        self.hold(self.root, self.staging, self.host)
        self.office()
        self.commit("a release", days=2)

    def sources(self) -> None:
        """Write the project: a check with a control for each item that a check decides."""
        (self.root / "pytest.ini").write_text(INI)
        (self.root / "conftest.py").write_text(CONFTEST)
        (self.root / "pyproject.toml").write_text('[project]\nname = "venture"\n')
        (self.root / ".gitignore").write_text("__pycache__\n.readiness\nreadiness-report\n")
        for section in CHECKLIST.sections:
            own = [i for i in CHECKED if CHECKLIST.section_of(i) is section]
            text = "".join(
                CHECK.format(
                    section=section.key,
                    id=i.id,
                    name=i.id.replace(".", "_"),
                    kinds=[str(k) for k in i.kinds],
                )
                for i in own
            )
            head = "from pytest_rustybt_ready import ready\n\n"
            path = self.root / f"readiness_tests/test_{section.number:02}.py"
            path.write_text(head + text)

    def hold(self, *places: Path) -> None:
        """Say in each of *places* that every item holds."""
        for place in places:
            (place / "holds.txt").write_text("".join(f"{item.id}\n" for item in CHECKED))

    def office(self) -> None:
        """Give each of the people a key, and the host the list of who may sign what."""
        held: dict[str, list[str]] = {}
        signers = []
        for name, roles in PEOPLE.items():
            make_key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f")
            subprocess.run([*make_key, self.folder / name], check=True)
            signers.append(
                f"{name}@example.org {(self.folder / name).with_suffix('.pub').read_text()}"
            )
            for role in roles:
                held.setdefault(role, []).append(f"{name}@example.org")
        lines = [f"{role} = {json.dumps(people)}\n" for role, people in held.items()]
        (self.trust / "allowed_signers").write_text("".join(signers))
        (self.trust / "roles.toml").write_text("[roles]\n" + "".join(lines))

    def commit(self, message: str, days: int) -> None:
        """Commit everything as Grace, so many days ago."""
        who = (
            "-c",
            "user.name=Grace",
            "-c",
            "user.email=grace@example.org",
            "-c",
            "commit.gpgsign=no",
        )
        when = f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"
        env = CLEAN | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        (self.root / "release.txt").write_text(message)
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", message)):
            command = ("git", "-C", str(self.root), *who, *words)
            subprocess.run(command, env=env, check=True, capture_output=True)

    def judge(self, where: str, *options: str) -> int:
        """Run pytest as that place does, and return how it ended."""
        stage, home = self.places[where]
        named = {"VENTURE_WHERE": where, "VENTURE_HOME": str(home or "")}
        named["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # one plugin is enough here, and quicker
        words = ["-m", "pytest", "-q", "-m", "readiness", "--ready-stage", stage]
        report = f"--ready-report={self.parts / where}"
        command = [sys.executable, *words, report, *options]
        done = subprocess.run(command, cwd=self.root, env=CLEAN | named, capture_output=True)
        assert done.returncode in (0, 1, 6), done.stdout.decode() + done.stderr.decode()
        return done.returncode

    def judge_everywhere(self) -> list[int]:
        """Judge in CI, with the proofs, on staging and on the host, as each would: by itself."""
        with ThreadPoolExecutor(len(self.places)) as pool:
            proved = pool.submit(self.judge, "ci", "--ready-prove")
            others = pool.map(self.judge, ["staging", "host"])
            return [proved.result(), *others]

    def merge(self, *places: str) -> tuple[int, Record]:
        """Sign the parts and merge them with what people signed; return exit code and record."""
        parts = [str(self.parts / where / "readiness.json") for where in places or self.places]
        for part in parts:
            assert readiness.run(["sign-results", part, "--key", str(self.folder / "bob")]) == 0
        where = ["--statements", str(self.trust), "--checkout", str(self.root)]
        code = readiness.run(["merge", *parts, *where])
        return code, records.load(Path("readiness-report/readiness.json"))

    def sign(self, commands: Sequence[str]) -> None:
        """Let those who hold the roles run *commands* as the report gives them."""
        for command in commands:
            words = shlex.split(command)
            role = words[words.index("--role") + 1]
            (name,) = [name for name, roles in PEOPLE.items() if role in roles]
            for option, value in pairwise(words):
                if option == "--evidence":
                    Path(value).write_text(f"{value} about {words[2]}")
            words[words.index("EMAIL")] = f"{name}@example.org"
            where = ["--deployment", str(self.host), "--checkout", str(self.root)]
            assert readiness.run([*words[1:], *where, "--key", str(self.folder / name)]) == 0


def trade_on_paper(home: Path) -> None:
    """Let the engine trade bars of the past in *home*, and export the journal of that."""
    bars = ["timestamp,symbol,open,high,low,close,volume"]
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    for n in range(60):
        price = 100 + n % 7
        time = f"{begin + n * timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        bars.append(f"{time},ELM/USDT,{price},{price + 1},{price - 1},{price},50")
    (home / "bars.csv").write_text("\n".join([*bars, ""]))
    strategy = Path(__file__).parents[2] / "examples" / "momentum.py"
    where = ["--home", str(home)]
    given = ["--strategy", str(strategy), "--data", str(home / "bars.csv"), "--broker", "simulated"]
    assert rustybt(["paper-trade", *where, *given, "--json"]) == 0
    assert rustybt(["export-audit", *where, "--out", str(home / "journal.jsonl")]) == 0


def stand_in_for_a_month(home: Path) -> None:
    """Put something in the place of a journal that nobody has waited a month for, and say so."""
    said = {"label": "made by hand for a test", "payload": {"clock": "wall"}}
    (home / "journal.jsonl").write_text(json.dumps(said) + "\n")


def open_items(record: Record) -> dict[str, list[str]]:
    """Return the items that block and are open, by disposition."""
    found: dict[str, list[str]] = {}
    for item in record.verdict.items:
        whole = CHECKLIST.find(item.id)
        assert whole is not None
        if item.blocking and not item.disposition.satisfied and not CHECKLIST.children(whole):
            found.setdefault(str(item.disposition), []).append(item.id)
    return found


def ids(found: Sequence[Item]) -> list[str]:
    """Return the ids of items."""
    return [item.id for item in found]


@pytest.fixture
def venture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Venture:
    """Return a venture on the day before it goes live, with a folder to work in."""
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    return Venture(tmp_path)


def test_a_go_live(venture: Venture, capfd: Any) -> None:
    """Simulated trading is refused, people sign, the merge is READY, and lapses with a commit."""
    trade_on_paper(venture.staging)
    # no part is the whole: each leaves open what can only be seen elsewhere, and fails nothing
    assert venture.judge_everywhere() == [6, 6, 6]
    code, first = venture.merge()
    paper = [i.id for i in CHECKED if i.id.startswith("7.1.")]
    assert code == 6
    assert open_items(first) == {
        "unproven": paper,
        "awaiting": ids(SIGNED),
        "not run": ids(DERIVED),
    }
    reasons = {first.verdict.of(item_id).reason for item_id in paper}
    assert reasons == {"a simulated record never counts at production"}

    stand_in_for_a_month(venture.staging)
    assert venture.judge("staging") == 6
    code, second = venture.merge()
    assert (code, open_items(second)) == (6, {"awaiting": ids(SIGNED), "not run": ids(DERIVED)})

    todo = {b.item: b.remedy for b in second.verdict.blockers if b.disposition == "awaiting"}
    assert list(todo) == ids(SIGNED)
    venture.sign(list(todo.values()))
    capfd.readouterr()
    code, live = venture.merge()
    assert (code, open_items(live), live.verdict.status) == (0, {}, "READY")
    assert "READY as of" in capfd.readouterr().out
    assert {p.signer for p in live.parts} == {"bob@example.org"}
    four = {s.signer for s in live.statements if s.item.startswith("10.1.")}
    assert four == {f"{name}@example.org" for name in ("ada", "bob", "cyd", "eve")}

    record = "readiness-report/readiness.json"
    assert readiness.run(["verify", record]) == 0
    assert live.verdict.valid_until is not None
    assert readiness.run(["verify", record, "--at", live.verdict.valid_until.isoformat()]) == 6

    venture.commit("one more commit", days=1)
    assert venture.judge("host") == 6
    _, next_one = venture.merge("host")
    lapsed = {i.id for i in SIGNED if i.lapses_with_commit}
    awaiting = open_items(next_one)["awaiting"]
    assert set(awaiting) == lapsed
    reasons = {next_one.verdict.of(item_id).reason for item_id in awaiting}
    assert all("its signature was for another commit" in reason for reason in reasons)
    assert {"8.3.1", "9.2.1"} <= {i.id for i in next_one.verdict.items if i.disposition == "signed"}
