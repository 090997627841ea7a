"""How charts are labelled."""

from __future__ import annotations

import pytest

from rustybt.engine.charts import ticks


@pytest.mark.parametrize(
    ("low", "high", "percent", "expected"),
    [
        (100_000, 104_768, False, ["100,000", "101,000", "102,000", "103,000", "104,000"]),
        (-0.021, 0, True, ["-2.0%", "-1.5%", "-1.0%", "-0.5%", "0.0%"]),
        (99.9, 100.1, False, ["99.90", "99.95", "100.00", "100.05", "100.10"]),
        (1e-12, 3e-12, False, ["1e-12", "1.5e-12", "2e-12", "2.5e-12", "3e-12"]),
        (1e15, 1.2e15, False, ["1e+15", "1.05e+15", "1.1e+15", "1.15e+15", "1.2e+15"]),
    ],
)
def test_ticks_are_written_with_no_digit_too_many(
    low: float, high: float, percent: bool, expected: list[str]
) -> None:
    """Amounts, shares, prices, and numbers that only an exponent keeps short."""
    assert [text for _, text in ticks(low, high, percent=percent)] == expected
