"""Whom the line is measured to, and what its rate is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from readiness_tests.line import Answer, remote_venues
from rustybt.settings import load_settings

DATA = {"DATA_SYMBOLS": "BTC/USDT", "DATA_START": "2025-01-01"}


@pytest.mark.parametrize(
    ("settings", "venues"),
    [
        ({}, ()),
        ({"BROKER": "kraken"}, ("kraken",)),
        ({"DATA_SOURCE": "yfinance", **DATA}, ()),
        ({"BROKER": "binance", "DATA_SOURCE": "ccxt:kraken", **DATA}, ("binance", "kraken")),
        ({"BROKER": "kraken", "DATA_SOURCE": "ccxt:kraken", **DATA}, ("kraken",)),
    ],
)
def test_venues_beyond_this_machine(
    tmp_path: Path, settings: dict[str, str], venues: tuple[str, ...]
) -> None:
    """Broker and data source count, each once; practice and files do not."""
    (tmp_path / ".env").write_text("", "utf-8")
    (tmp_path / ".env").chmod(0o600)
    assert remote_venues(load_settings(tmp_path, settings)) == venues


def test_a_rate_is_in_millions_of_bits() -> None:
    """A quarter of a megabyte in two seconds is one Mbit/s; nothing is no rate at all."""
    assert Answer("x", size=250_000, seconds=2.0).rate == Decimal(1)
    assert Answer("x", problem="NetworkError").rate == 0
