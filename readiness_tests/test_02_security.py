"""Section 2: security, judged on the source checkout and on a deployment's home."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography.fernet import Fernet

from pytest_rustybt_ready import Evidence, ready
from pytest_rustybt_ready import checkout as tree
from readiness_tests import sandbox, secret_scan
from readiness_tests.engine import EngineUnderTest
from readiness_tests.subjects import (
    USES_A_DATABASE,
    Checkout,
    Deployment,
    mode_of,
    owner_of,
    run_rustybt,
    service_user,
    utc_now,
)
from readiness_tests.vulnerabilities import CANARY, ServiceError, audit
from rustybt.errors import RustyBTError

LOCKS = "requirements/*.txt"


# -- 2.1 security audit ----------------------------------------------------------------------


@ready.security("2.1.1")
def test_static_scan_is_clean(checkout: Checkout, evidence: Evidence) -> None:
    """The static security scan finds nothing serious; what is less serious is listed."""
    done = checkout.tool("bandit", "-r", "rustybt", "-f", "json", "-q")
    report = json.loads(done.stdout)
    by_severity = {level: _bandit(report, level) for level in ("HIGH", "MEDIUM")}
    evidence.record("lines scanned", report["metrics"]["_totals"]["loc"])
    evidence.record("could not be scanned", [error["filename"] for error in report["errors"]])
    evidence.record("medium, not suppressed", by_severity["MEDIUM"])
    evidence.record("suppressed, with reasons", _suppressions(checkout))
    evidence.record("high", by_severity["HIGH"])
    assert report["metrics"]["_totals"]["loc"] > 0, "no line was scanned"
    assert not report["errors"], "some files could not be scanned"
    evidence.meets("high_findings", observed=len(by_severity["HIGH"]))


@test_static_scan_is_clean.fails_when
def a_shell_is_started(checkout: Checkout) -> None:
    """A command goes through a shell."""
    call = "subprocess.run(word, " + "shell" + "=True, check=True)"
    checkout.write(
        "rustybt/shell.py",
        f'"""Shell."""\n\nimport subprocess\n\n\ndef run(word: str) -> None:\n    {call}\n',
    )


@ready.security("2.1.2")
def test_no_locked_dependency_is_vulnerable(checkout: Checkout, evidence: Evidence) -> None:
    """No locked dependency has a known vulnerability, says a service that knows the canary."""
    locks = sorted(checkout.root.glob(LOCKS))
    evidence.record("lock files", [lock.name for lock in locks])
    assert locks, f"there is no lock file {LOCKS}"
    try:
        answer = audit(checkout, locks)
    except ServiceError as error:
        evidence.unproven(
            f"no vulnerability service can be believed: {error}",
            remedy="reach PyPI, or name a mirror or a dated local database in "
            "READY_VULNERABILITY_SERVICE",
        )
    dated = answer.dated or utc_now()
    evidence.record("canary reported", CANARY)
    evidence.record("service", answer.source)
    evidence.record("dated", dated.isoformat(), at=dated)
    evidence.record("dependencies audited", answer.dependencies)
    evidence.record("vulnerable", answer.found)
    if answer.unknown:
        evidence.unproven(f"not known to {answer.source}: {', '.join(answer.unknown)}")
    _require_fresh(dated, evidence)
    assert answer.dependencies > 0, "no dependency was audited"
    evidence.meets("vulnerabilities", observed=len(answer.found), at=dated)


@test_no_locked_dependency_is_vulnerable.fails_when
def a_vulnerable_version_is_locked(checkout: Checkout) -> None:
    """A release with known vulnerabilities is locked."""
    checkout.write("requirements/lock.txt", f"{CANARY}\n")


@ready.security("2.1.3")
def test_no_secret_in_the_code(checkout: Checkout, evidence: Evidence) -> None:
    """No file of the tree holds a secret that an audit has not called harmless."""
    leaks = secret_scan.scan_files(checkout)
    evidence.record("files scanned", leaks.scanned)
    evidence.record("found", leaks.found)
    evidence.expect("baseline entries that nobody audited", [], observed=list(leaks.unaudited))
    assert leaks.scanned > 0, "no file was scanned"
    evidence.meets("secrets", observed=len(leaks.found))


@test_no_secret_in_the_code.fails_when
def a_key_is_written_in_the_code(checkout: Checkout) -> None:
    """A module holds an access key."""
    checkout.write("rustybt/keys.py", f'"""Keys."""\n\nACCESS = "{secret_scan.planted_key()}"\n')


@ready.security("2.1.4")
def test_queries_cannot_be_built_from_input(checkout: Checkout, evidence: Evidence) -> None:
    """No query is put together from strings, and no module uses a database unattacked."""
    sources = checkout.sources(*checkout.product)
    bandit = checkout.tool("bandit", "-r", *checkout.product, "-t", "B608", "-f", "json", "-q")
    ruff = checkout.tool(
        "ruff", "check", "--no-cache", "--select=S608", "--output-format=json", *checkout.product
    )
    found = [
        f"{r['filename']}:{r['line_number']} B608" for r in json.loads(bandit.stdout)["results"]
    ]
    found += [f"{r['filename']}:{r['location']['row']} S608" for r in json.loads(ruff.stdout)]
    evidence.record("files examined", len(sources))
    evidence.record("found", found)
    assert sources, "no file was examined"
    evidence.meets("findings", observed=len(found))
    engine = checkout.root / "rustybt"  # the next check attacks its modules
    users = [
        str(path)
        for path in sources
        if not path.is_relative_to(engine) and USES_A_DATABASE.search(path.read_text("utf-8"))
    ]
    evidence.expect("modules that use a database, not attacked", [], observed=users)


@test_queries_cannot_be_built_from_input.fails_when
def a_query_is_built_from_text(checkout: Checkout) -> None:
    """A query contains what the caller gave."""
    query = 'f"SELECT' + " * FROM orders WHERE symbol = '{symbol}'\""
    checkout.write(
        "rustybt/query.py",
        '"""Query."""\n\n\ndef query(symbol: str) -> str:\n'
        f'    """Return it."""\n    return {query}\n',
    )


@test_queries_cannot_be_built_from_input.fails_when
def a_module_uses_a_database_unattacked(checkout: Checkout) -> None:
    """A module beside the engine talks to a database, and nothing sends hostile text to it."""
    checkout.write(
        "pytest_rustybt_ready/rows.py",
        '"""Rows."""\n\nimport sqlite3\n\nDRIVER = sqlite3.apilevel\n',
    )


# -- 2.2 credentials -------------------------------------------------------------------------


@ready.security("2.2.1")
def test_keys_are_strong_and_open_the_vault(
    deployment: Deployment, evidence: Evidence, tmp_path: Path
) -> None:
    """New keys are valid, different, private, shown to nobody; the deployment's opens its vault."""
    keys, printed = [], ""
    for name in ("first.key", "second.key"):
        path = tmp_path / name
        done = run_rustybt("keygen", "--output", str(path))
        evidence.expect(f"keygen for {name}: exit code", 0, observed=done.returncode)
        evidence.expect(f"mode of {name}", "0600", observed=mode_of(path))
        keys.append(path.read_text("ascii").strip())
        printed += done.stdout + done.stderr
    lengths = [len(Fernet(key)._signing_key) for key in keys]  # noqa: SLF001 - the key's own size
    evidence.expect("bytes of signing key", [16, 16], observed=lengths)
    evidence.expect("different keys", 2, observed=len(set(keys)))
    evidence.expect("keys printed", 0, observed=sum(key in printed for key in keys))
    evidence.expect("the deployment's key opens its vault", "yes", observed=_opens(deployment))


@test_keys_are_strong_and_open_the_vault.fails_when
def the_deployment_has_a_weak_key(deployment: Deployment) -> None:
    """The deployment's key is the same byte, thirty-two times."""
    _replace_key(deployment, "QUFB" * 10 + "QUE=")


@test_keys_are_strong_and_open_the_vault.fails_when
def the_deployment_has_another_key(deployment: Deployment) -> None:
    """The deployment's key is a good one, but not its vault's."""
    _replace_key(deployment, Fernet.generate_key().decode())


@ready.security("2.2.2")
def test_credentials_are_encrypted_at_rest(
    deployment: Deployment, evidence: Evidence, tmp_path: Path
) -> None:
    """No file of the home shows a stored secret, and a wrong key opens nothing, with a reason."""
    try:
        secrets = deployment.secrets()
    except RustyBTError as error:
        raise AssertionError(f"the vault does not open: {error}") from error
    files = [path for path in sorted(deployment.root.rglob("*")) if path.is_file()]
    shown = [
        f"{path.relative_to(deployment.root)} shows {place}"
        for path in files
        for place, secret in secrets.items()
        if secret.encode() in _content(path)
    ]
    evidence.record("credentials stored", list(secrets))
    evidence.record("files searched", len(files))
    evidence.record("in clear", shown)
    assert secrets, "the vault holds no credential"
    evidence.meets("plaintext", observed=len(shown))
    _expect_wrong_key_refused(deployment, evidence, tmp_path)


@test_credentials_are_encrypted_at_rest.fails_when
def a_log_shows_a_credential(deployment: Deployment) -> None:
    """A log line holds a credential in clear."""
    secret = next(iter(deployment.secrets().values()))
    (deployment.home.logs / "engine.log").write_text(f"signed with {secret}\n", "utf-8")


@test_credentials_are_encrypted_at_rest.fails_when
def a_compressed_backup_shows_a_credential(deployment: Deployment) -> None:
    """A backup is compressed, not encrypted."""
    secret = next(iter(deployment.secrets().values()))
    backup = deployment.home.backups / "rustybt_backup_20260101_000000.tar.gz"
    backup.write_bytes(gzip.compress(f"api_secret: {secret}\n".encode()))


@ready.security("2.2.3")
def test_env_file_is_private(deployment: Deployment, evidence: Evidence) -> None:
    """Only the service user can read the deployment's settings."""
    env = deployment.home.env_file
    evidence.expect(".env exists", True, observed=env.is_file())
    evidence.expect("mode of .env", "0600", observed=mode_of(env))
    evidence.expect("owner of .env", service_user(), observed=owner_of(env))


@test_env_file_is_private.fails_when
def everybody_may_read_it(deployment: Deployment) -> None:
    """The file is readable for all."""
    deployment.home.env_file.chmod(0o644)


@test_env_file_is_private.fails_when
def it_is_missing(deployment: Deployment) -> None:
    """There is no such file."""
    deployment.home.env_file.unlink()


@ready.security("2.2.4")
def test_no_credential_was_ever_committed(checkout: Checkout, evidence: Evidence) -> None:
    """Git ignores ``.env``, and no commit of the history holds a credential."""
    ignored = tree.git(checkout.root, "check-ignore", ".env") is not None
    committed = secret_scan.env_files_in_history(checkout.root)
    leaks = secret_scan.scan_history(checkout)
    commits = (tree.git(checkout.root, "rev-list", "--count", "--all") or "0").strip()
    evidence.record("commits searched", commits)
    evidence.record("added lines searched", leaks.scanned)
    evidence.record("found", [*committed, *leaks.found])
    assert leaks.scanned > 0, "there is no history to search"
    evidence.expect(".env is ignored by git", True, observed=ignored)
    evidence.meets("credentials", observed=len(committed) + len(leaks.found))


@test_no_credential_was_ever_committed.fails_when
def a_key_is_committed_and_removed_again(checkout: Checkout) -> None:
    """A commit adds a key, and the next one takes it back."""
    path = checkout.write("notes.txt", f'access_key = "{secret_scan.planted_key()}"\n')
    sandbox.commit_all(checkout.root, "Add notes")
    path.unlink()
    sandbox.commit_all(checkout.root, "Remove notes")


@test_no_credential_was_ever_committed.fails_when
def git_does_not_ignore_env(checkout: Checkout) -> None:
    """Nothing keeps ``.env`` out of the next commit."""
    checkout.write(".gitignore", "__pycache__/\n")


# -- what the checks share -------------------------------------------------------------------


def _bandit(report: dict[str, list[dict[str, object]]], severity: str) -> list[str]:
    return [
        f"{result['filename']}:{result['line_number']} {result['test_id']} {result['issue_text']}"
        for result in report["results"]
        if result["issue_severity"] == severity
    ]


def _suppressions(checkout: Checkout) -> list[str]:
    found = []
    for path in checkout.sources("rustybt"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            if "# nosec" in line:
                found.append(f"{path.relative_to(checkout.root)}:{number} {line.split('#', 1)[1]}")
    return found


def _require_fresh(dated: datetime, evidence: Evidence) -> None:
    limit = evidence.threshold("database_age")
    age = (utc_now() - dated).total_seconds() / 86_400
    if not limit.met_by(f"{age:.2f}"):
        evidence.unproven(f"the vulnerability database is {age:.1f} days old, expected {limit}")
    evidence.expect("database_age", limit, observed=f"{age:.2f}")


def _opens(deployment: Deployment) -> str:
    try:
        return "yes" if deployment.vault.entries() else "it is empty"
    except RustyBTError as error:
        return f"no: {error}"


def _replace_key(deployment: Deployment, key: str) -> None:
    env = deployment.home.env_file
    text = env.read_text("utf-8")
    env.write_text(
        re.sub(r"(?m)^RUSTYBT_ENCRYPTION_KEY=.*$", f"RUSTYBT_ENCRYPTION_KEY={key}", text), "utf-8"
    )


def _content(path: Path) -> bytes:
    """Return a file's content, unpacked if it is compressed."""
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    return b"".join(_unpacked(path))


def _unpacked(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as file:
        while block := file.read(1 << 20):
            yield block


def _expect_wrong_key_refused(deployment: Deployment, evidence: Evidence, tmp_path: Path) -> None:
    """Show on a copy that another key opens nothing and is told why, without a traceback."""
    copy = Deployment(Path(shutil.copytree(deployment.root, tmp_path / "copy", symlinks=True)))
    _replace_key(copy, Fernet.generate_key().decode())
    done = copy.rustybt("credentials", "list")
    evidence.record("what a wrong key is told", done.stderr.strip())
    evidence.expect("exit code with a wrong key", 1, observed=done.returncode)
    evidence.expect("traceback", False, observed="Traceback" in done.stderr)


# -- 2.3 network -----------------------------------------------------------------------------

EXCHANGE = "rustybt/adapters/venue/exchange.py"
IN_CLEAR = ("http://203.0.113.7:8080", "ws://203.0.113.7:8080", "http://venue.invalid")


@ready.security("2.3.5")
def test_nothing_is_traded_in_clear(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Addresses without TLS are refused outside this machine, and so is a certificate of nobody."""
    seen = engine.run("encryption", addresses=list(IN_CLEAR))
    evidence.record("said of addresses without TLS", seen["refused"])
    evidence.expect(
        "addresses that were not refused for it",
        [],
        observed=[name for name, said in seen["refused"].items() if "not encrypted" not in said],
    )
    evidence.record("said of a self-signed server", seen["self_signed"])
    evidence.expect("the self-signed server is refused", True, observed=bool(seen["self_signed"]))
    evidence.expect("requests that it got", 0, observed=seen["answered"])


@test_nothing_is_traded_in_clear.fails_when
def certificates_are_not_verified(engine: EngineUnderTest) -> None:
    """Any certificate will do."""
    engine.edit(EXCHANGE, "    exchange.verify = True\n", "    exchange.verify = False\n")


@test_nothing_is_traded_in_clear.fails_when
def addresses_without_tls_are_accepted(engine: EngineUnderTest) -> None:
    """Nobody looks at the addresses."""
    engine.edit(EXCHANGE, '    refuse_plain(exchange.urls["api"])\n', "")
