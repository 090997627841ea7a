"""A small, complete checkout for proofs: same shape and settings as the real one, quick to judge.

Proofs break things, so they never touch the checkout under judgement. A sandbox carries the real
checkout's tool settings, a package with the financial parts, and tests that cover all of it, so
that every check of section 1 and 2 passes on it until a control breaks it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

from readiness_tests.vulnerabilities import CANARY, FOLDER
from rustybt.files import PRIVATE_FOLDER

# Files of the real checkout that hold the settings, and the pages, which the checks are about.
SETTINGS = (".gitignore", "pyproject.toml", "docs/backup.md", "docs/restore.md")

FILES = {
    "README.md": "# Sandbox\n",
    "requirements/lock.txt": "jinja2==3.1.6\n",
    "rustybt/__init__.py": '"""A sandbox."""\n',
    "rustybt/model/__init__.py": '"""Values."""\n',
    "rustybt/model/money.py": '''
        """Exact money."""

        from decimal import Decimal


        def rounded(value: Decimal, step: Decimal) -> Decimal:
            """Return *value* rounded to a multiple of *step*."""
            return (value / step).to_integral_value() * step


        def validate_price(price: Decimal) -> Decimal:
            """Return *price*; raise ValueError unless it is positive."""
            if price <= 0:
                raise ValueError(f"price is {price}, expected more than 0")
            return price
    ''',
    "rustybt/accounting/__init__.py": '"""Accounts."""\n',
    "rustybt/accounting/fees.py": '''
        """Fees."""

        from decimal import Decimal


        def fee(notional: Decimal, rate: Decimal) -> Decimal:
            """Return the fee for *notional* at *rate*, a fraction."""
            return abs(notional) * rate
    ''',
    "rustybt/risk/__init__.py": '"""Limits."""\n',
    "rustybt/risk/limits.py": '''
        """Limits."""

        from decimal import Decimal


        def too_large(notional: Decimal, equity: Decimal, limit: Decimal) -> bool:
            """Tell whether *notional* is more than the fraction *limit* of *equity*."""
            return notional > equity * limit
    ''',
    "rustybt/execution/__init__.py": '"""Execution."""\n',
    "rustybt/execution/matching.py": '''
        """Matching."""

        from decimal import Decimal


        def crosses(limit: Decimal, low: Decimal) -> bool:
            """Tell whether a buy order at *limit* fills in a bar with this *low*."""
            return low <= limit
    ''',
    "tests/unit/test_sandbox_unit.py": """
        from decimal import Decimal

        import pytest

        from rustybt.accounting.fees import fee
        from rustybt.execution.matching import crosses
        from rustybt.model.money import rounded, validate_price
        from rustybt.risk.limits import too_large


        def test_rounded() -> None:
            assert rounded(Decimal("1.26"), Decimal("0.1")) == Decimal("1.3")


        @pytest.mark.parametrize("price", ["0", "-1"])
        def test_validate_price_refuses(price: str) -> None:
            with pytest.raises(ValueError, match="more than 0"):
                validate_price(Decimal(price))


        def test_validate_price_keeps() -> None:
            assert validate_price(Decimal(1)) == 1


        def test_fee() -> None:
            assert fee(Decimal(-1000), Decimal("0.002")) == 2


        def test_too_large() -> None:
            assert too_large(Decimal(11), Decimal(100), Decimal("0.1"))
            assert not too_large(Decimal(10), Decimal(100), Decimal("0.1"))


        def test_crosses() -> None:
            assert crosses(Decimal(10), Decimal(9))
            assert crosses(Decimal(10), Decimal(10))
            assert not crosses(Decimal(10), Decimal(11))
    """,
    "tests/integration/test_sandbox_integration.py": """
        from decimal import Decimal

        from rustybt.accounting.fees import fee
        from rustybt.model.money import rounded


        def test_a_fee_is_rounded_to_cents() -> None:
            exact = fee(Decimal(1000), Decimal("0.001234"))
            assert rounded(exact, Decimal("0.01")) == Decimal("1.23")
    """,
    "tests/property/test_sandbox_property.py": """
        from decimal import Decimal

        from hypothesis import given, settings
        from hypothesis import strategies as st

        from rustybt.accounting.fees import fee


        @settings(max_examples=1000, deadline=None, database=None)
        @given(st.decimals(-(10**6), 10**6, places=4))
        def test_a_fee_is_never_negative(notional: Decimal) -> None:
            assert fee(notional, Decimal("0.001")) >= 0
    """,
}


def build_checkout(real: Path, folder: Path) -> Path:
    """Write a sandbox checkout into *folder*, as a git repository with one commit; return it."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    for name in SETTINGS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real / name, folder / name)
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), "utf-8")
    _write_database(folder / FOLDER)
    git(folder, "init", "-q", "-b", "main")
    commit_all(folder, "Make a sandbox")
    return folder


def _write_database(folder: Path) -> None:
    """Write a small vulnerability database, dated today, that knows the canary."""
    name, version = CANARY.split("==")
    events = [{"introduced": "0"}, {"fixed": "2.10.1"}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": [version],
    }
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    record = {"id": "SANDBOX-1", "modified": today.isoformat(), "affected": [affected]}
    folder.mkdir()
    (folder / "SANDBOX-1.json").write_text(json.dumps(record), "utf-8")


def commit_all(folder: Path, message: str) -> None:
    """Commit everything in *folder* that git does not ignore."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def git(folder: Path, *words: str, committed: str = "") -> str:
    """Run git in *folder*, as an author of its own and without anybody's settings or hooks.

    What it commits is dated *committed*, or now.
    """
    identity = ("-c", "user.name=Sandbox", "-c", "user.email=sandbox@localhost")
    command = ("git", *identity, "-c", "commit.gpgsign=false", "-C", str(folder), *words)
    env = os.environ | ({"GIT_COMMITTER_DATE": committed} if committed else {})
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    return done.stdout
