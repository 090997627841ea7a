"""The deployment commands, as a user runs them: what they print, change and return."""

import io
import json
import os
import pty
import runpy
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner

from rustybt.cli import exit_code_of, run
from rustybt.cli.app import app
from rustybt.deployment import create_home, home_digest, inspect_home, open_vault
from rustybt.errors import HomeError
from rustybt.home import Home
from rustybt.settings import VENUES, Settings, load_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KNOWN = {key for key in os.environ if key.partition("_")[0].lower() in VENUES} | {
    field.alias for field in Settings.model_fields.values() if field.alias
}


def clock() -> datetime:
    return NOW


@dataclass(frozen=True)
class Result:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.out)
        return document


class Cli:
    """Run commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Result:
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    for key in KNOWN & os.environ.keys():
        monkeypatch.delenv(key)
    return Cli(capsys)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return create_home(tmp_path / "home", "dev", clock)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def append(home: Home, text: str) -> None:
    with home.env_file.open("a") as file:
        file.write(text)


def vault_value(home: Home, name: str, field: str) -> str:
    vault = open_vault(load_settings(home.root, {}), clock)
    return vault.get(name, field).get_secret_value()


def key_of(home: Home) -> str:
    return load_settings(home.root, {}).encryption_keys()[0].get_secret_value()


# init


def test_init_makes_a_home_that_works(cli: Cli, tmp_path: Path) -> None:
    """A fresh home loads, its vault opens, nothing in it is remarkable, all of it is private."""
    home = Home(tmp_path / "new" / "home")
    result = cli("init", home.root)
    assert result.code == 0
    assert str(home.vault_file) in result.out
    settings = load_settings(home.root, {})
    assert inspect_home(settings, clock) == ()
    vault = open_vault(settings, clock)
    assert vault.fields("practice") == ("api_key", "api_secret")
    assert (settings.environment, settings.broker, vault.environment) == ("dev", "practice", "dev")
    assert mode(home.root) == 0o700
    assert {mode(folder) for folder in home.folders} == {0o700}
    assert {mode(home.env_file), mode(home.vault_file)} == {0o600}
    assert [path.name for path in home.root.parent.iterdir()] == ["home"]


def test_init_shows_no_secret(cli: Cli, tmp_path: Path) -> None:
    """Neither the key nor a credential is printed, nor stands in clear but the key in .env."""
    home = Home(tmp_path / "home")
    result = cli("init", home.root, "--env", "production", "--json")
    assert result.json["environment"] == "production"
    secret = vault_value(home, "practice", "api_secret")
    for hidden in (key_of(home), secret):
        assert hidden not in result.out + result.err
    contents = [path.read_text() for path in home.root.rglob("*") if path.is_file()]
    assert all(secret not in text for text in contents)
    assert sum(key_of(home) in text for text in contents) == 1


def test_two_homes_share_nothing(cli: Cli, tmp_path: Path) -> None:
    """Keys and credentials are random."""
    homes = [Home(tmp_path / name) for name in "ab"]
    assert [cli("init", home.root).code for home in homes] == [0, 0]
    assert key_of(homes[0]) != key_of(homes[1])
    assert (
        len(
            {
                vault_value(home, "practice", field)
                for home in homes
                for field in ("api_key", "api_secret")
            }
        )
        == 4
    )


def test_init_takes_an_empty_folder_and_no_other(cli: Cli, home: Home, tmp_path: Path) -> None:
    """Whatever stands in a folder stays as it is."""
    (tmp_path / "empty").mkdir()
    assert cli("init", tmp_path / "empty").code == 0
    (tmp_path / "file").write_text("x")
    before = home_digest(tmp_path)
    for path in (home.root, tmp_path / "file"):
        result = cli("init", path)
        assert result.code == 1
        assert "is in use" in result.err
        assert "Traceback" not in result.err
    assert home_digest(tmp_path) == before


def test_init_below_a_file_is_a_clear_error(cli: Cli, tmp_path: Path) -> None:
    """The reason the disk gave is in the message."""
    (tmp_path / "file").write_text("x")
    result = cli("init", tmp_path / "file" / "home")
    assert result.code == 1
    assert "cannot create the home" in result.err


def test_init_in_the_working_folder_says_to_enter_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The empty folder is replaced, so the shell's own is a ghost."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = cli("init", ".")
    assert result.code == 0
    assert f"cd {tmp_path / 'here'}" in result.out
    assert Home(tmp_path / "here").vault_file.exists()


def test_output_survives_a_poor_terminal_and_an_early_end(tmp_path: Path) -> None:
    """Letters that the terminal lacks are escaped, and `head` may close the pipe."""
    home = tmp_path / "hömé"
    environ = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "rustybt"]
    made = subprocess.run([*command, "init", home], capture_output=True, env=environ)
    assert (made.returncode, made.stderr) == (0, b"")
    assert rb"h\xf6m\xe9" in made.stdout


def test_a_reader_may_go_away(tmp_path: Path) -> None:
    """Nobody reads the pipe any more: the command does its work, and its exit code is its own."""
    home = str(tmp_path / "home")
    words = [["init", home], ["verify-config", "--home", home], ["verify-config", "--home", "/no"]]
    assert [_unread(*arguments)[0] for arguments in words] == [0, 0, 1]
    assert _unread("verify-config", "--json", "--home", home) == (0, b"")
    assert Home(Path(home)).vault_file.parent.is_dir()


def _unread(*arguments: str) -> tuple[int, bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "rustybt", *arguments]
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environ)
    os.close(writer)
    return done.returncode, done.stderr


def test_a_home_can_be_moved(home: Home, tmp_path: Path) -> None:
    """Nothing in it holds its own path: copies for drills and proofs just work."""
    moved = home.root.rename(tmp_path / "elsewhere")
    settings = load_settings(moved, {})
    assert inspect_home(settings, clock) == ()
    assert settings.log_dir == moved / "logs"


# keygen


def test_keygen_makes_a_private_file_each_time_another_key(cli: Cli, tmp_path: Path) -> None:
    """The file is 0600, the key is valid, printed are path and fingerprint only."""
    paths = [tmp_path / "a.key", tmp_path / "b.key"]
    for path in paths:
        result = cli("keygen", "--output", path, "--json")
        assert result.json["path"] == str(path)
        key = path.read_text().strip()
        Fernet(key)
        assert mode(path) == 0o600
        assert key not in result.out + result.err
    assert paths[0].read_text() != paths[1].read_text()


def test_keygen_never_overwrites(cli: Cli, tmp_path: Path) -> None:
    """An existing key stays, since what it encrypts would be lost."""
    path = tmp_path / "a.key"
    assert "fingerprint" in cli("keygen", "--output", path).out
    before = path.read_bytes()
    result = cli("keygen", "--output", path)
    assert result.code == 1
    assert "is left as it is" in result.err
    assert path.read_bytes() == before


def test_keygen_refuses_a_home_that_has_its_key(cli: Cli, home: Home) -> None:
    """A second key would leave two; the message names the line of the first."""
    before = home_digest(home.root)
    result = cli("keygen", "--home", home.root)
    assert result.code == 1
    assert "has its key already, in .env:" in result.err
    assert home_digest(home.root) == before


def test_keygen_gives_a_home_without_key_its_key_file(cli: Cli, home: Home) -> None:
    """The key file is then in force."""
    text = home.env_file.read_text().replace(key_of(home), "")
    home.env_file.write_text(text)
    assert cli("keygen", "--home", home.root).code == 0
    assert mode(home.key_file) == 0o600
    assert key_of(home) == home.key_file.read_text().strip()
    assert cli("keygen", "--home", home.root).code == 1


def test_keygen_needs_a_place(cli: Cli, tmp_path: Path) -> None:
    """No home, no folder: clear errors, and the remedy is named."""
    result = cli("keygen", "--home", tmp_path / "nowhere")
    assert result.code == 1
    assert "--output FILE" in result.err
    result = cli("keygen", "--output", tmp_path / "nowhere" / "x.key")
    assert result.code == 1
    assert "No such file" in result.err


def test_keygen_prints_a_key_only_when_told_to(cli: Cli, tmp_path: Path) -> None:
    """For pipes: the key on stdout and nothing else; no file is written."""
    result = cli("keygen", "--stdout", "--home", tmp_path)
    Fernet(result.out.strip())
    assert result.out.strip() not in result.err
    assert list(tmp_path.iterdir()) == []
    assert cli("keygen", "--stdout", "--output", tmp_path / "x").code == 2


# encrypt-credentials


def test_credentials_move_from_env_file_to_vault(cli: Cli, home: Home) -> None:
    """They are in the vault, out of the file, and every other byte of the file is as before."""
    before = home.env_file.read_bytes()
    append(home, "BINANCE_API_KEY=plain-as-day # mine\n")
    append(home, "export BINANCE_API_SECRET='night'\n")  # pragma: allowlist secret
    result = cli("encrypt-credentials", "--home", home.root)
    assert result.code == 0
    assert "removed from .env: BINANCE_API_KEY, BINANCE_API_SECRET" in result.out
    assert "plain-as-day" not in result.out + result.err
    assert home.env_file.read_bytes() == before
    assert mode(home.env_file) == 0o600
    assert vault_value(home, "binance", "api_key") == "plain-as-day"
    assert vault_value(home, "binance", "api_secret") == "night"


def test_a_repeated_call_finds_nothing_and_fails(cli: Cli, home: Home) -> None:
    """Success is never reported where there was nothing to do."""
    before = home_digest(home.root)
    result = cli("encrypt-credentials", "--home", home.root)
    assert result.code == 1
    assert "there is nothing to encrypt" in result.err
    assert home_digest(home.root) == before


def test_credentials_of_the_environment_are_stored_and_named(
    cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process cannot unset its parent's variables; it says which to unset."""
    monkeypatch.setenv("KRAKEN_API_KEY", "plain-as-day")
    assert cli("encrypt-credentials", "--home", home.root).code == 1
    result = cli("encrypt-credentials", "--home", home.root, "--broker", "Kraken", "--json")
    assert result.json["still_in_environment"] == ["KRAKEN_API_KEY"]
    assert vault_value(home, "kraken", "api_key") == "plain-as-day"
    text = cli("encrypt-credentials", "--home", home.root, "--broker", "kraken").out
    assert "still in the environment, unset them: KRAKEN_API_KEY" in text


def test_only_the_named_brokers_credentials_are_touched(cli: Cli, home: Home) -> None:
    """The others stay where they are."""
    append(home, "BINANCE_API_KEY=plain-as-day\nKRAKEN_API_KEY=plain-as-night\n")
    assert cli("encrypt-credentials", "--home", home.root, "--broker", "binance").code == 0
    settings = load_settings(home.root, {})
    assert [venue.name for venue in settings.venues] == ["kraken"]
    result = cli("encrypt-credentials", "--home", home.root, "--broker", "bybit")
    assert result.code == 1
    assert "no credential of bybit" in result.err
    assert cli("encrypt-credentials", "--home", home.root, "--broker", "nope").code == 2


def test_a_copy_in_a_comment_is_reported(cli: Cli, home: Home) -> None:
    """Comments are kept, so one with the secret in it is named, and the command fails."""
    append(home, "# old: plain-as-day\nBINANCE_API_KEY=plain-as-day\n")
    line = home.env_file.read_text().splitlines().index("# old: plain-as-day") + 1
    result = cli("encrypt-credentials", "--home", home.root)
    assert result.code == 1
    assert f"still stands in clear in .env:{line}" in result.err
    assert vault_value(home, "binance", "api_key") == "plain-as-day"


def test_two_values_for_one_credential_are_refused(
    cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of them is meant is the operator's to say; nothing changes."""
    append(home, "PRACTICE_API_KEY=plain-as-day\n")
    monkeypatch.setenv("PRACTICE_API_KEY", "plain-as-night")
    before = home_digest(home.root)
    result = cli("encrypt-credentials", "--home", home.root)
    assert result.code == 1
    assert "PRACTICE_API_KEY=***: differs" in result.err
    assert "plain" not in result.err
    assert home_digest(home.root) == before


def test_an_unusable_vault_leaves_the_env_file_alone(cli: Cli, home: Home) -> None:
    """Nothing is removed that was not stored."""
    append(home, "BINANCE_API_KEY=plain-as-day\n")
    home.vault_file.unlink()
    before = home_digest(home.root)
    result = cli("encrypt-credentials", "--home", home.root)
    assert result.code == 1
    assert "there is no vault" in result.err
    assert home_digest(home.root) == before


def rustybt(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "rustybt", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
    )


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_credentials_from_standard_input(
    cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program can hand them over without a file or an argument list."""
    feed(monkeypatch, b"KRAKEN_API_KEY=plain-as-day\nKRAKEN_API_SECRET=night\n")
    assert cli("encrypt-credentials", "--home", home.root, "--stdin").code == 0
    assert vault_value(home, "kraken", "api_key") == "plain-as-day"
    assert vault_value(home, "kraken", "api_secret") == "night"


def test_credentials_through_a_pipe(home: Home) -> None:
    """The same for a process of its own; nothing is said on stderr."""
    done = rustybt(
        *("encrypt-credentials", "--home", home.root, "--stdin", "--broker", "kraken"),
        stdin=b"KRAKEN_API_KEY=plain-as-day\n",
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert vault_value(home, "kraken", "api_key") == "plain-as-day"


def test_what_is_no_credential_is_refused_from_standard_input(
    cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All wrong lines at once, none of their values shown, nothing stored."""
    before = home_digest(home.root)
    feed(monkeypatch, b"MAX_LEVERAGE=2\nBINANCE_API_KEY=plain\njunk\nKRAKEN_API_KEY=\n")
    result = cli("encrypt-credentials", "--home", home.root, "--stdin", "--broker", "kraken")
    assert result.code == 1
    for part in ("stdin:1", "stdin:2", "stdin:3", "stdin:4", "is not a credential of kraken"):
        assert part in result.err
    assert "plain" not in result.err
    assert home_digest(home.root) == before


def test_endless_input_is_refused(cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not cut off in the middle of a value, nor read to its end."""
    feed(monkeypatch, b"KRAKEN_API_KEY=" + b"x" * 300_000)
    result = cli("encrypt-credentials", "--home", home.root, "--stdin")
    assert result.code == 1
    assert "too large" in result.err


def test_credentials_are_asked_for(home: Home) -> None:
    """With --prompt the configured broker's fields are asked for, or the named one's."""
    typed = CliRunner().invoke(
        app,
        ["encrypt-credentials", "--home", str(home.root), "--prompt", "--broker", "kraken"],
        input="typed-key\ntyped-secret\n",
    )
    assert typed.exit_code == 0
    assert "typed" not in typed.output
    assert vault_value(home, "kraken", "api_secret") == "typed-secret"


def test_credentials_are_asked_for_without_echo(home: Home) -> None:
    """At a terminal the command asks for what the broker needs and shows nothing of it."""
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "rustybt", "encrypt-credentials", "--prompt"],
        env={"PATH": os.environ["PATH"], "RUSTYBT_HOME": str(home.root), "BROKER": "okx"},
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,
    ) as process:
        os.close(child)
        shown = b""
        for field in (b"api_key", b"api_secret", b"password"):
            while b"okx " + field + b": " not in shown:
                shown += os.read(parent, 1024)
            os.write(parent, b"typed-" + field + b"\n")
        assert process.wait(timeout=30) == 0
        shown += os.read(parent, 4096)
    os.close(parent)
    assert b"typed" not in shown
    assert b"in the vault now: OKX_API_KEY" in shown
    assert vault_value(home, "okx", "password") == "typed-password"


# credentials list, rotate-keys


def test_the_list_shows_everything_but_values(cli: Cli, home: Home) -> None:
    """Names, ages and fingerprints; reading changes nothing."""
    before = home_digest(home.root)
    result = cli("credentials", "list", "--home", home.root, "--json")
    listed = result.json["credentials"]
    assert isinstance(listed, list)
    assert [(one["name"], one["field"]) for one in listed] == [
        ("practice", "api_key"),
        ("practice", "api_secret"),
    ]
    assert listed[0]["age_days"] > 0
    assert listed[0]["fingerprint"] != listed[1]["fingerprint"]
    table = cli("credentials", "list", "--home", home.root)
    assert "practice" in table.out
    assert "encrypted under key" in table.out
    for field in ("api_key", "api_secret"):
        assert vault_value(home, "practice", field) not in result.out + table.out
    assert home_digest(home.root) == before


def test_rotation_replaces_the_key_in_its_line(cli: Cli, home: Home) -> None:
    """The vault opens under the new key; the rest of .env is as before; no key is printed."""
    old, text, secret = (
        key_of(home),
        home.env_file.read_text(),
        vault_value(home, "practice", "api_key"),
    )
    result = cli("rotate-keys", "--home", home.root, "--json")
    assert result.json["finished"] is True
    new = key_of(home)
    assert new != old
    assert home.env_file.read_text() == text.replace(old, new)
    assert vault_value(home, "practice", "api_key") == secret
    assert new not in result.out
    assert "holds the new key alone" in cli("rotate-keys", "--home", home.root).out


def test_rotation_of_a_key_file(cli: Cli, home: Home) -> None:
    """The key is replaced where it stands."""
    old = key_of(home)
    home.key_file.write_text(old)
    home.env_file.write_text(home.env_file.read_text().replace(old, ""))
    assert cli("rotate-keys", "--home", home.root).code == 0
    assert home.key_file.read_text().strip() == key_of(home) != old
    assert mode(home.key_file) == 0o600


def test_rotation_of_a_key_that_the_environment_holds(
    cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator adds the new key in front, the vault moves, the operator drops the old one."""
    old, new = key_of(home), Fernet.generate_key().decode()
    home.env_file.write_text(home.env_file.read_text().replace(old, ""))
    monkeypatch.setenv("RUSTYBT_ENCRYPTION_KEY", old)
    result = cli("rotate-keys", "--home", home.root)
    assert result.code == 1
    assert "RUSTYBT_ENCRYPTION_KEY=new,old" in result.err
    monkeypatch.setenv("RUSTYBT_ENCRYPTION_KEY", f"{new},{old}")
    result = cli("rotate-keys", "--home", home.root)
    assert result.code == 0
    assert "now remove the old key" in result.out
    assert cli("rotate-keys", "--home", home.root).code == 0
    monkeypatch.setenv("RUSTYBT_ENCRYPTION_KEY", new)
    assert cli("credentials", "list", "--home", home.root).code == 0


def test_an_interrupted_rotation_is_finished(cli: Cli, home: Home) -> None:
    """Two keys in the file: the vault moves to the first, and the second goes."""
    old, new = key_of(home), Fernet.generate_key().decode()
    home.env_file.write_text(home.env_file.read_text().replace(old, f"{new},{old}"))
    assert cli("verify-config", "--home", home.root).out.count("rotation is not finished") == 1
    assert cli("rotate-keys", "--home", home.root).code == 0
    assert key_of(home) == new
    assert old not in home.env_file.read_text()
    assert vault_value(home, "practice", "api_key")


def test_rotation_with_a_wrong_key_changes_nothing(cli: Cli, home: Home) -> None:
    """A vault that cannot be read is not rotated, and its key line stays."""
    text = home.env_file.read_text()
    home.env_file.write_text(text.replace(key_of(home), Fernet.generate_key().decode()))
    before = home_digest(home.root)
    result = cli("rotate-keys", "--home", home.root)
    assert result.code == 1
    assert "does not open the vault" in result.err
    assert home_digest(home.root) == before


def test_rotation_needs_a_home(cli: Cli, tmp_path: Path) -> None:
    """A missing folder is named."""
    result = cli("rotate-keys", "--home", tmp_path / "nowhere")
    assert result.code == 1
    assert "nowhere" in result.err


# verify-config


def test_a_fresh_home_verifies(cli: Cli, home: Home) -> None:
    """Every setting is shown with its value and source; nothing is changed."""
    before = home_digest(home.root)
    result = cli("verify-config", "--home", home.root)
    assert result.code == 0
    assert "no problems, nothing unusual" in result.out
    assert "MAX_POSITION_SIZE" in result.out
    assert ".env:" in result.out
    assert key_of(home) not in result.out
    assert home_digest(home.root) == before


def test_unusual_risk_is_a_warning(cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is allowed, but said."""
    monkeypatch.setenv("MAX_LEVERAGE", "3")
    result = cli("verify-config", "--home", home.root, "--json")
    assert result.code == 0
    assert result.json["judgements"] == [
        {"key": "MAX_LEVERAGE", "level": "warning", "text": "leverage may exceed 2x"}
    ]
    settings = result.json["settings"]
    assert isinstance(settings, list)
    assert {"key": "MAX_LEVERAGE", "value": "3", "source": "environment"} in settings
    assert "warning: MAX_LEVERAGE" in cli("verify-config", "--home", home.root).out


def test_problems_of_the_settings_fail(cli: Cli, home: Home) -> None:
    """All of them, as text or as JSON."""
    append(home, "NOPE=1\nNUM_WORKERS=0\n")
    result = cli("verify-config", "--home", home.root)
    assert result.code == 1
    assert "2 problems" in result.err
    result = cli("verify-config", "--home", home.root, "--json")
    assert result.code == 1
    assert result.json["ok"] is False
    problems = result.json["problems"]
    assert isinstance(problems, list)
    assert [problem["key"] for problem in problems] == ["NOPE", "NUM_WORKERS"]


def test_problems_of_the_home_fail(cli: Cli, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable by others, missing credentials, a vault that does not open: exit 1."""
    home.env_file.chmod(0o644)
    monkeypatch.setenv("BROKER", "okx")
    monkeypatch.setenv("OKX_API_KEY", "plain")
    result = cli("verify-config", "--home", home.root, "--json")
    assert result.code == 1
    remarks = result.json["judgements"]
    assert isinstance(remarks, list)
    assert [(one["key"], one["level"]) for one in remarks] == [
        ("OKX_API_KEY", "warning"),
        (".env", "problem"),
        ("BROKER", "problem"),
        ("BROKER", "problem"),
    ]
    monkeypatch.setenv("RUSTYBT_ENV", "staging")
    result = cli("verify-config", "--home", home.root)
    assert result.code == 1
    assert "belongs to dev, not to staging" in result.out
    monkeypatch.setenv("RUSTYBT_ENCRYPTION_KEY", "")
    assert "there is no encryption key" in cli("verify-config", "--home", home.root).out


# entry points


def test_create_home_says_why_it_cannot(tmp_path: Path) -> None:
    """The library raises what the command prints."""
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="is in use"):
        create_home(tmp_path / "file", "dev", clock)


def test_help_is_complete_and_imports_nothing_heavy() -> None:
    """`--help` names every command without what makes a start slow."""
    done = rustybt("--help")
    assert done.returncode == 0
    for command in (b"init", b"keygen", b"encrypt-credentials", b"rotate-keys", b"verify-config"):
        assert command in done.stdout
    code = (
        "import sys\n"
        "from rustybt.cli import main\n"
        "sys.argv = ['rustybt', '--help']\n"
        "try:\n    main()\n"
        "finally:\n    print('heavy:', sorted(set(sys.modules) & "
        "{'numpy', 'polars', 'pandas', 'sqlalchemy', 'ccxt', 'aiohttp', 'cryptography'}))"
    )
    words = [sys.executable, "-c", code]
    shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    assert "encrypt-credentials" in shown
    assert shown.splitlines()[-1] == "heavy: []"


def test_the_module_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m rustybt` runs what the console script runs."""
    monkeypatch.setattr(sys, "argv", ["rustybt", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("rustybt", run_name="__main__")
    assert ended.value.code == 0
    assert "keygen" in capsys.readouterr().out


def test_wrong_usage_exits_2(cli: Cli) -> None:
    """Unknown commands and options are told from failures."""
    assert cli("no-such-command").code == 2
    assert cli("init", "--no-such-option").code == 2


def failing(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_errors_become_messages_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """What the disk refuses is told from wrong usage and from a defect of ours."""
    assert exit_code_of(lambda: None) == 0
    assert exit_code_of(failing(SystemExit(2))) == 2
    assert exit_code_of(failing(SystemExit())) == 0
    assert exit_code_of(failing(SystemExit("text"))) == 1
    assert exit_code_of(failing(OSError(5, "I/O error", "disk"))) == 1
    assert capsys.readouterr().err == "rustybt: I/O error: disk\n"
    assert exit_code_of(failing(OSError("https://x/?signature=hidden"))) == 70
    assert "hidden" not in capsys.readouterr().err


def test_a_defect_is_reported_without_its_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong inside may hold a secret; the user gets its kind and how to see more."""
    assert exit_code_of(failing(ValueError("hidden"))) == 70
    shown = capsys.readouterr().err
    assert "internal error: ValueError" in shown
    assert "hidden" not in shown
    monkeypatch.setenv("RUSTYBT_TRACEBACK", "1")
    with pytest.raises(ValueError, match="hidden"):
        exit_code_of(failing(ValueError("hidden")))
