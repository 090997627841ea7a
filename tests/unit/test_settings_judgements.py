"""Valid but unusual settings are remarked upon."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from rustybt.settings import Judgement, judge, load_settings

KEY = Fernet.generate_key().decode()


def remarks(home: Path, text: str, key: str = KEY) -> dict[str, Judgement]:
    (home / ".env").write_text(f"RUSTYBT_ENCRYPTION_KEY={key}\n{text}\n")
    return {remark.key: remark for remark in judge(load_settings(home, {}))}


def test_the_defaults_are_unremarkable(tmp_path: Path) -> None:
    """A deployment that changes nothing has nothing to explain."""
    assert remarks(tmp_path, "") == {}


@pytest.mark.parametrize(
    ("usual", "unusual"),
    [
        ("MAX_POSITION_SIZE=0.10", "MAX_POSITION_SIZE=0.11"),
        ("MAX_DAILY_LOSS=0.05", "MAX_DAILY_LOSS=0.0501"),
        ("MAX_LEVERAGE=2", "MAX_LEVERAGE=2.1"),
        ("LOG_RETENTION_DAYS=90", "LOG_RETENTION_DAYS=89"),
        ("DB_POOL_SIZE=2\nNUM_WORKERS=2", "DB_POOL_SIZE=2\nNUM_WORKERS=3"),
        ("API_AUTH_TOKEN=", "API_AUTH_TOKEN=\nAPI_ENABLED=true"),
        ("API_HOST=0.0.0.0", f"API_HOST=0.0.0.0\nAPI_ENABLED=true\nAPI_AUTH_TOKEN={'t' * 32}"),
        ("LOG_LEVEL=DEBUG", "LOG_LEVEL=DEBUG\nRUSTYBT_ENV=production"),
        (
            "LOG_FORMAT=console",
            "LOG_FORMAT=console\nRUSTYBT_ENV=production",  # pragma: allowlist secret
        ),  # pragma: allowlist secret
        ("BROKER=practice", "BROKER=practice\nRUSTYBT_ENV=production"),  # pragma: allowlist secret
    ],
)
def test_each_unusual_value_is_a_warning(tmp_path: Path, usual: str, unusual: str) -> None:
    """The limit itself is fine, the step beyond it is named."""
    key = usual.partition("=")[0]
    assert key not in remarks(tmp_path, usual)
    assert remarks(tmp_path, unusual)[key].level == "warning"


def test_a_missing_key_is_a_problem_and_a_second_one_a_warning(tmp_path: Path) -> None:
    """Without a key nothing opens; with two a rotation was left half done."""
    assert remarks(tmp_path, "", key="")["RUSTYBT_ENCRYPTION_KEY"].level == "problem"
    two = f"{KEY},{Fernet.generate_key().decode()}"
    assert remarks(tmp_path, "", key=two)["RUSTYBT_ENCRYPTION_KEY"].level == "warning"


@pytest.mark.parametrize(("env", "level"), [("dev", "warning"), ("production", "problem")])
def test_credentials_in_clear_are_remarked_upon(tmp_path: Path, env: str, level: str) -> None:
    """In production they are a problem, elsewhere a warning."""
    found = remarks(tmp_path, f"RUSTYBT_ENV={env}\nKRAKEN_API_KEY=abc\nKRAKEN_TESTNET=true")
    assert found["KRAKEN_API_KEY"].level == level
    assert "KRAKEN_TESTNET" not in found
