"""Settings are read from defaults, `.env` and the environment, and judged all at once."""

import os
import pickle
import secrets
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from rustybt.errors import HomeError, SettingsError, SettingsProblem
from rustybt.settings import Settings, load_settings, required_fields

KEY = Fernet.generate_key().decode()
OTHER_KEY = Fernet.generate_key().decode()


def load(home: Path, text: str | bytes, **environ: str) -> Settings:
    data = text.encode() if isinstance(text, str) else text
    (home / ".env").write_bytes(data)
    return load_settings(home, environ)


def problems(home: Path, text: str | bytes, **environ: str) -> tuple[SettingsProblem, ...]:
    with pytest.raises(SettingsError) as caught:
        load(home, text, **environ)
    return caught.value.problems


def test_an_empty_file_gives_the_safe_defaults(tmp_path: Path) -> None:
    """Whoever sets nothing trades on the practice exchange within tight limits."""
    settings = load(tmp_path, "")
    assert settings.environment == "dev"
    assert settings.broker == "practice"
    assert settings.max_position_size == Decimal("0.10")
    assert settings.max_daily_loss == Decimal("0.05")
    assert settings.max_leverage == 1
    assert settings.api_enabled is False
    assert settings.encryption_keys() == ()


def test_every_key_is_taken_as_its_type(tmp_path: Path) -> None:
    """Each documented key can be set and arrives as an exact, typed value."""
    settings = load(
        tmp_path,
        f"""\
        RUSTYBT_ENV=Production
        RUSTYBT_ENCRYPTION_KEY={KEY},{OTHER_KEY}
        BROKER=Binance
        MAX_POSITION_SIZE=0.123456789012
        MAX_DAILY_LOSS=0.01
        MAX_LEVERAGE=1.5
        MAX_OPEN_POSITIONS=7
        TRADING_CALENDAR=NYSE
        TIMEZONE=America/New_York
        MARKET_OPEN=09:30
        MARKET_CLOSE=16:00
        LOG_LEVEL=warning
        LOG_FORMAT=console
        LOG_DIR=/var/log/rustybt
        LOG_RETENTION_DAYS=120
        API_ENABLED=true
        API_HOST=::1
        API_PORT=9000
        API_AUTH_TOKEN={"t" * 32}
        OPEN_PORTS=443/tcp, 8000-8010/udp
        DATA_CACHE_SIZE_MB=0
        NUM_WORKERS=4
        DB_URL=postgresql://user:pass@db.example/trading # pragma: allowlist secret
        DB_POOL_SIZE=8
        BACKUP_DIR=elsewhere
        OFFSITE_URL=s3://bucket/folder
        KUCOIN_PASSWORD=pw
        """,
    )
    assert settings.environment == "production"
    assert [key.get_secret_value() for key in settings.encryption_keys()] == [KEY, OTHER_KEY]
    assert settings.broker == "binance"
    assert settings.max_position_size == Decimal("0.123456789012")
    assert settings.max_leverage == Decimal("1.5")
    assert settings.max_open_positions == 7
    assert settings.trading_calendar == "NYSE"
    assert settings.timezone == "America/New_York"
    assert (settings.market_open, settings.market_close) == (time(9, 30), time(16))
    assert (settings.log_level, settings.log_format) == ("WARNING", "console")
    assert settings.log_dir == Path("/var/log/rustybt")
    assert settings.log_retention_days == 120
    assert (settings.api_enabled, settings.api_host, settings.api_port) == (True, "::1", 9000)
    assert settings.api_auth_token is not None
    assert settings.open_ports == ("443/tcp", "8000-8010/udp")
    assert settings.data_cache_size_mb == 0
    assert (settings.num_workers, settings.db_pool_size) == (4, 8)
    assert settings.db_url.get_secret_value().endswith("@db.example/trading")
    assert settings.backup_dir == tmp_path / "elsewhere"
    assert settings.offsite_url is not None
    assert settings.offsite_url.get_secret_value() == "s3://bucket/folder"
    password = settings.venue("kucoin").password
    assert password is not None
    assert password.get_secret_value() == "pw"


def test_the_environment_overrides_the_file_and_ignores_strangers(tmp_path: Path) -> None:
    """Known keys of the environment win; PATH and another program's keys do not matter."""
    settings = load(
        tmp_path, "MAX_LEVERAGE=1\nBROKER=binance\n", MAX_LEVERAGE="2", PATH="/bin", FOO="x"
    )
    assert settings.max_leverage == 2
    sources = {one.key: one.source for one in settings.sources}
    assert sources["MAX_LEVERAGE"] == "environment"
    assert sources["BROKER"] == ".env:2"
    assert sources["LOG_LEVEL"] == "default"


def test_only_the_brokers_credentials_come_from_the_environment(tmp_path: Path) -> None:
    """GEMINI_API_KEY is the exchange's only where the exchange is the broker."""
    environ = {"GEMINI_API_KEY": "abc", "GEMINI_TESTNET": "false"}
    assert load(tmp_path, "", **environ).venues == ()
    gemini = load(tmp_path, "", BROKER="gemini", **environ).venue("gemini")
    assert gemini.testnet is False
    assert set(gemini.plaintext()) == {"api_key"}


def test_testnet_is_assumed_until_real_money_is_asked_for(tmp_path: Path) -> None:
    """Leaving out VENUE_TESTNET means the testnet, in production too."""
    assert load(tmp_path, "RUSTYBT_ENV=production\n").venue("binance").testnet is True
    assert load(tmp_path, "BINANCE_TESTNET=false\n").venue("binance").testnet is False


def test_shell_habits_of_writing_the_file_work(tmp_path: Path) -> None:
    """Comments, inline comments, quotes, `export`, blanks, CRLF and a byte order mark are fine."""
    settings = load(
        tmp_path,
        "\ufeff# comment\r\n\r\nexport LOG_LEVEL = 'ERROR' # why\r\n"
        'TRADING_CALENDAR="NYSE"\r\nMAX_LEVERAGE=2 # twice\r\n',
    )
    assert settings.log_level == "ERROR"
    assert settings.trading_calendar == "NYSE"
    assert settings.max_leverage == 2
    assert dict(settings.origins)["LOG_LEVEL"] == ".env:3"


def test_all_problems_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    """One failure names each bad line of a file, in order, with what would be right."""
    found = problems(
        tmp_path,
        "# head\n\nMAX_LEVERAG=2\nMAX_POSITION_SIZE=1.5\njunk\nLOG_LEVEL=info\nLOG_LEVEL=debug\n"
        "NUM_WORKERS=\nBINANCE_TESTNET=maybe\n"
        "API_PORT=http\nBROKER=nosuch\n",
        MAX_DAILY_LOSS="NaN",
    )
    assert [(problem.source, problem.key) for problem in found] == [
        (".env:3", "MAX_LEVERAG"),
        (".env:4", "MAX_POSITION_SIZE"),
        (".env:5", "(text)"),
        (".env:7", "LOG_LEVEL"),
        (".env:8", "NUM_WORKERS"),
        (".env:9", "BINANCE_TESTNET"),
        (".env:10", "API_PORT"),
        (".env:11", "BROKER"),
        ("environment", "MAX_DAILY_LOSS"),
    ]
    assert found[0].expected == "MAX_LEVERAGE?"
    assert found[3].problem == "is set twice, first on line 6"
    assert all(problem.expected for problem in found)


def test_the_message_holds_every_problem(tmp_path: Path) -> None:
    """What a user reads is the whole list: source, key, value, problem, expectation."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "MAX_LEVERAGE=21\n")
    message = str(caught.value)
    assert message.startswith("1 problem in the settings:")
    assert ".env:1: MAX_LEVERAGE=21: is out of range (expected a multiple of equity" in message


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("RUSTYBT_ENV=prod", "is not one of the choices"),
        ("RUSTYBT_ENCRYPTION_KEY=short", "is not a Fernet key"),
        ("MAX_POSITION_SIZE=0", "is out of range"),
        ("MAX_POSITION_SIZE=10%", "is not a plain decimal number"),
        ("MAX_DAILY_LOSS=-0.1", "is not a plain decimal number"),
        ("MAX_DAILY_LOSS=1e-2", "is not a plain decimal number"),
        ("MAX_LEVERAGE=Infinity", "is not a plain decimal number"),
        ("MAX_LEVERAGE=٢", "is not a plain decimal number"),
        ("MAX_OPEN_POSITIONS=1_0", "is not a whole number"),
        ("MAX_OPEN_POSITIONS=0", "is out of range"),
        ("TRADING_CALENDAR=N Y", "has characters that no calendar's name has"),
        ("TIMEZONE=Mars/Olympus", "is not a time zone"),
        ("TIMEZONE=../../etc/passwd", "is not a time zone"),
        ("MARKET_OPEN=9:30", "is not a time of day"),
        ("LOG_FORMAT=xml", "is not one of the choices"),
        ("API_ENABLED=perhaps", "is neither true nor false"),
        ("API_HOST=a b", "is neither an address nor a host name"),
        ("API_PORT=65536", "is out of range"),
        ("API_AUTH_TOKEN=short", "is too short"),
        ("OPEN_PORTS=443", "has something else than ports with their protocol"),
        ("OPEN_PORTS=0/tcp", "has something else than ports with their protocol"),
        ("OPEN_PORTS=9-8/tcp", "has something else than ports with their protocol"),
        ("OPEN_PORTS=1-65536/udp", "has something else than ports with their protocol"),
        ("DB_URL=mysql://host/x", "is not the URL of a database"),
        ("DB_URL=sqlite://", "names no database file"),
        ("OFFSITE_URL=ftp://host", "is not the URL of a store"),
    ],
)
def test_values_that_are_refused(tmp_path: Path, line: str, problem: str) -> None:
    """Each key refuses what it cannot mean and says so."""
    found = [one.problem for one in problems(tmp_path, line + "\n") if one.key in line]
    assert found == [problem]


@pytest.mark.parametrize("hours", ["MARKET_OPEN=09:30\n", "MARKET_CLOSE=16:00\n"])
def test_market_hours_come_in_pairs(tmp_path: Path, hours: str) -> None:
    """An opening without a closing time says nothing about when to trade."""
    (found,) = problems(tmp_path, hours)
    assert found.problem == "is set without the other of MARKET_OPEN and MARKET_CLOSE"


def test_a_market_that_closes_when_it_opens_is_refused(tmp_path: Path) -> None:
    """Equal hours could mean never or always."""
    (found,) = problems(tmp_path, "MARKET_OPEN=09:30\nMARKET_CLOSE=09:30\n")
    assert (found.source, found.problem) == (".env:2", "equals MARKET_OPEN")


def test_an_api_that_others_can_reach_needs_a_token(tmp_path: Path) -> None:
    """Beyond loopback the API never runs without authentication."""
    (found,) = problems(tmp_path, "API_ENABLED=true\nAPI_HOST=0.0.0.0\n")
    assert found.key == "API_AUTH_TOKEN"
    token = "x" * 32
    load(tmp_path, f"API_ENABLED=true\nAPI_HOST=0.0.0.0\nAPI_AUTH_TOKEN={token}\n")
    load(tmp_path, "API_ENABLED=true\nAPI_HOST=localhost\n")  # pragma: allowlist secret


def test_an_empty_value_is_no_value_only_where_none_is_allowed(tmp_path: Path) -> None:
    """`OFFSITE_URL=` is a common way to say none; a risk limit cannot be none."""
    settings = load(tmp_path, "OFFSITE_URL=\nBINANCE_API_KEY=\n")
    assert settings.offsite_url is None
    assert settings.venues == ()
    (found,) = problems(tmp_path, "MAX_LEVERAGE=\n")
    assert found.problem == "is empty"


def test_secrets_are_in_no_message_and_no_repr(tmp_path: Path) -> None:
    """A secret in the wrong place or form is not echoed."""
    secret = secrets.token_hex(16)
    text = (
        f"BINANCE_API_KEY={secret}\nBINANCE_API_SECERT={secret}\nLOG_LEVEL={secret}\n"
        f'RUSTYBT_ENCRYPTION_KEY={secret}\nAPI_AUTH_TOKEN="{secret}\n'
        f"{secret}\nDB_URL=mysql://u:{secret}@h/x\n"
    )
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert secret not in str(caught.value)
    assert secret not in repr(caught.value)
    assert caught.value.__context__ is None
    settings = load(tmp_path, f"BINANCE_API_KEY={secret}\nDB_URL=postgresql://u:{secret}@h/x\n")
    assert secret not in repr(settings)
    assert secret not in str(settings.sources)
    assert secret not in settings.model_dump_json()


def test_the_sources_show_urls_without_their_secrets(tmp_path: Path) -> None:
    """Host and path of a URL help an operator; user, password and query are nobody's business."""
    settings = load(
        tmp_path,
        "OFFSITE_URL=s3://key:secret@host/path?token=x\n",  # pragma: allowlist secret
        DB_URL="sqlite:///x",  # pragma: allowlist secret
    )
    shown = {one.key: one.value for one in settings.sources}
    assert shown["OFFSITE_URL"] == "s3://***@host/path?***"
    assert shown["DB_URL"] == f"sqlite:///{tmp_path}/x"
    assert shown["MARKET_OPEN"] == ""


def test_a_url_that_cannot_be_taken_apart_is_masked_whole(tmp_path: Path) -> None:
    """When in doubt, nothing is shown."""
    settings = load(tmp_path, "OFFSITE_URL=s3://[bad\nMARKET_OPEN=01:02\nMARKET_CLOSE=03:04\n")
    shown = {one.key: one.value for one in settings.sources}
    assert shown["OFFSITE_URL"] == "***"
    assert shown["MARKET_OPEN"] == "01:02"


def test_settings_are_frozen_and_pass_between_processes(tmp_path: Path) -> None:
    """Nobody changes a limit in passing, and a worker process gets the same settings."""
    settings = load(tmp_path, "BINANCE_API_KEY=abc\n")
    with pytest.raises(ValidationError):
        settings.max_leverage = Decimal(3)
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - our own bytes
    assert hash(settings) == hash(load_settings(tmp_path, {}))


def test_floats_are_refused_for_limits(tmp_path: Path) -> None:
    """A float has lost its digits before anyone could look at it."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"home": tmp_path, "MAX_LEVERAGE": 1.1})
    with pytest.raises(ValidationError):
        Settings.model_validate({"home": tmp_path, "NUM_WORKERS": True})
    exact = {"home": tmp_path, "MAX_LEVERAGE": Decimal("1.1"), "NUM_WORKERS": 2}
    typed = Settings.model_validate({**exact, "MARKET_OPEN": time(1), "MARKET_CLOSE": time(2)})
    assert (typed.max_leverage, typed.num_workers) == (Decimal("1.1"), 2)


def test_the_key_file_is_used_where_no_line_gives_the_key(tmp_path: Path) -> None:
    """A key may stand in a file of its own; an empty line in `.env` does not hide it."""
    (tmp_path / "encryption.key").write_text(f"{KEY}\n")
    settings = load(tmp_path, "RUSTYBT_ENCRYPTION_KEY=\n")
    assert [key.get_secret_value() for key in settings.encryption_keys()] == [KEY]
    assert dict(settings.origins)["RUSTYBT_ENCRYPTION_KEY"] == "encryption.key"


def test_two_keys_in_two_places_are_refused(tmp_path: Path) -> None:
    """Nobody could tell which of them is in force."""
    (tmp_path / "encryption.key").write_text(f"{KEY}\n")
    (found,) = problems(tmp_path, f"RUSTYBT_ENCRYPTION_KEY={OTHER_KEY}\n")
    assert found.problem == "stands here and in encryption.key too"


def test_a_folder_without_settings_is_no_home(tmp_path: Path) -> None:
    """The error says how to make a home."""
    with pytest.raises(HomeError, match="python -m rustybt init"):
        load_settings(tmp_path, {})


def test_text_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    """A file in another encoding is not guessed at."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, b"LOG_LEVEL=INFO\nBROKER=\xff\n")
    (found,) = caught.value.problems
    assert (found.source, found.problem) == (".env:2", "is not UTF-8")
    assert caught.value.__context__ is None, "the decoding error holds the whole file"


@pytest.mark.parametrize("text", ["A" * 300_000, "LOG_DIR='a\nb'\n", "LOG_DIR=a\x00b\n"])
def test_hostile_text_is_refused(tmp_path: Path, text: str) -> None:
    """Huge files, values over several lines and control characters get one clear error."""
    with pytest.raises((HomeError, SettingsError)):
        load(tmp_path, text)


def test_a_credential_may_have_several_lines(tmp_path: Path) -> None:
    """Some venues give out PEM keys; written with escapes they stand on one line of the file."""
    settings = load(tmp_path, 'COINBASE_API_SECRET="first\\nsecond"\nLOG_DIR=logs\n')
    secret = settings.venue("coinbase").api_secret
    assert secret is not None
    assert secret.get_secret_value() == "first\nsecond"
    (found,) = problems(tmp_path, 'LOG_DIR="first\\nsecond"\n')
    assert found.problem == "holds a line break or another control character"
    (found,) = problems(tmp_path, "", LOG_DIR="a\x1bb")
    assert found.source == "environment"


def test_a_quote_left_open_swallows_no_lines(tmp_path: Path) -> None:
    """Where it would reach a quote further down, the line where it began is named."""
    found = problems(tmp_path, "BINANCE_API_KEY='abc\nMAX_LEVERAGE=2\nLOG_DIR='x'\n")
    assert found[0].source == ".env:1"


def test_a_pipe_in_place_of_the_file_does_not_block(tmp_path: Path) -> None:
    """Reading settings from something that is no file fails at once."""
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(HomeError, match="not a regular file"):
        load_settings(tmp_path, {})


def test_problems_survive_a_process_boundary(tmp_path: Path) -> None:
    """A worker's settings error reaches its parent whole."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, "MAX_LEVERAGE=21\nNO=1\n")
    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert copied.problems == caught.value.problems
    assert str(copied) == str(caught.value)


def test_venues_say_which_fields_they_need() -> None:
    """Most take a key and a secret, some a password, some none of these."""
    assert required_fields("binance") == ("api_key", "api_secret")
    assert required_fields("okx") == ("api_key", "api_secret", "password")
    assert required_fields("hyperliquid") == ("private_key", "wallet_address")
