"""What the books are worth at given prices, in one currency."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from rustybt.accounting import Ledger, LedgerError, MissingPriceError, Valuation, equity, value
from rustybt.model import (
    CashMoved,
    Charged,
    ChargeKind,
    DividendPaid,
    Fill,
    Instrument,
    InstrumentKind,
    Side,
)

D = Decimal
NOW = datetime(2024, 3, 1, tzinfo=UTC)

SPY = Instrument(
    symbol="SPY", base="SPY", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.EQUITY
)
DAX = replace(
    SPY,
    symbol="DAX",
    base="DAX",
    quote="EUR",
    initial_margin=D("0.5"),
    maintenance_margin=D("0.25"),
)
ES = Instrument(
    symbol="ES",
    base="ES",
    quote="USD",
    tick=D("0.25"),
    lot=D(1),
    kind=InstrumentKind.FUTURE,
    multiplier=D(50),
    initial_margin=D("0.1"),
    maintenance_margin=D("0.08"),
)


def books() -> Ledger:
    """Return books with three positions in two currencies and a bit of everything else."""
    ledger = Ledger([SPY, DAX, ES])
    ledger.book(CashMoved(time=NOW, entry_id="m", currency="USD", amount=D(100_000)))
    fills = [
        Fill("1", "o", "SPY", Side.BUY, D(100), D(400), NOW, fee=D(1)),
        Fill("2", "o", "SPY", Side.SELL, D(20), D(410), NOW, fee=D(2)),
        Fill("3", "o", "DAX", Side.SELL, D(10), D(150), NOW, fee=D("0.5")),
        Fill("4", "o", "ES", Side.BUY, D(1), D(5000), NOW),
    ]
    for fill in fills:
        ledger.apply(fill)
    ledger.book(DividendPaid(time=NOW, entry_id="d", symbol="SPY", per_unit=D("1.5")))
    ledger.book(
        Charged(time=NOW, entry_id="c", kind=ChargeKind.BORROW, currency="EUR", amount=D(3))
    )
    return ledger


PRICES = {"SPY": D(420), "DAX": D(160), "ES": D(5010), "OTHER": D(1)}
RATES = {"EUR": D("1.1"), "JPY": D("0.007")}


def test_every_figure_of_a_mixed_portfolio() -> None:
    """Two currencies, long and short, paid and margined: each figure worked out by hand."""
    assert value(books(), PRICES, currency="USD", rates=RATES) == Valuation(
        currency="USD",
        # Dollars after trades, fees and the dividend; euros after a sale, a fee and a charge.
        cash=D("68317") + D("1496.5") * D("1.1"),
        long=D(80 * 420 + 50 * 5010),
        short=D(-10 * 160) * D("1.1"),
        gross_exposure=D(80 * 420 + 50 * 5010) + D(1600) * D("1.1"),
        # cash, the value of shares, and the gain of the future
        equity=D("69963.15") + D(33600) - D(1760) + D(500),
        realised=D(200),
        unrealised=D(80 * 20) + D(-100) * D("1.1") + D(500),
        fees=D(3) + D("0.5") * D("1.1"),
        income=D(120),
        charges=D("3.3"),
        initial_margin=D(33600) + D(1760) * D("0.5") + D(250500) * D("0.1"),
        maintenance_margin=D(33600) + D(1760) * D("0.25") + D(250500) * D("0.08"),
    )


def test_equity_is_deposits_and_all_that_was_earned() -> None:
    """Deposits, profit, income, less fees and charges: the other way to the same figure."""
    made = value(books(), PRICES, currency="USD", rates=RATES)
    earned = made.realised + made.unrealised + made.income - made.fees - made.charges
    assert made.equity == 100_000 + earned


def test_the_quick_way_to_equity_is_the_same() -> None:
    """Cash and positions per currency, and all of it in one."""
    ledger = books()
    assert ledger.worth(PRICES) == {
        "USD": D(68317) + D(33600) + D(500),
        "EUR": D("1496.5") - D(1600),
    }
    expected = value(ledger, PRICES, currency="USD", rates=RATES).equity
    assert equity(ledger, PRICES, currency="USD", rates=RATES) == expected
    assert equity(Ledger(), {}, currency="USD") == 0


def test_the_quick_way_needs_all_prices_and_rates_too() -> None:
    """What is missing is listed, and rates are checked."""
    with pytest.raises(MissingPriceError) as caught:
        equity(books(), {"SPY": D(1)}, currency="USD", rates=RATES)
    assert str(caught.value) == (
        "a valuation lacks the price of DAX, the price of ES;"
        " expected a price for each open position and a rate for each other currency"
    )
    with pytest.raises(MissingPriceError, match=r"lacks the rate of EUR, the rate of USD;"):
        equity(books(), PRICES, currency="CHF")
    with pytest.raises(LedgerError, match="cannot be 0 for EUR"):
        equity(books(), PRICES, currency="USD", rates={"EUR": D(0)})


def test_the_currency_of_the_valuation_is_free() -> None:
    """In euros everything is worth its dollars over the rate."""
    ledger = Ledger([SPY])
    ledger.apply(Fill("1", "o", "SPY", Side.BUY, D(10), D(400), NOW))
    made = value(ledger, {"SPY": D(420)}, currency="EUR", rates={"USD": D("0.5")})
    assert (made.currency, made.cash, made.long, made.equity) == ("EUR", D(-2000), D(2100), D(100))


def test_an_empty_ledger_is_worth_nothing() -> None:
    """Without cash and positions no price and no rate is needed."""
    made = value(Ledger([SPY]), {}, currency="USD")
    assert set(made.__struct_fields__) - {"currency"} == {
        name for name in made.__struct_fields__ if getattr(made, name) == 0
    }
    assert made.leverage is None


def valuation(**amounts: str) -> Valuation:
    """Return a valuation with some *amounts* and zeros elsewhere."""
    names = [name for name in Valuation.__struct_fields__ if name != "currency"]
    return Valuation(currency="USD", **{name: D(amounts.get(name, 0)) for name in names})


def test_exposure_and_leverage() -> None:
    """Net exposure offsets long and short; leverage is gross exposure over equity."""
    made = valuation(long="300", short="-100", gross_exposure="400", equity="160")
    assert made.net_exposure == 200
    assert made.leverage == D("2.5")


@pytest.mark.parametrize("equity", ["0", "-1"])
def test_without_equity_there_is_no_leverage(equity: str) -> None:
    """Zero or negative equity has no meaningful ratio."""
    assert valuation(gross_exposure="400", equity=equity).leverage is None


def test_margin_that_is_free_and_a_margin_call() -> None:
    """Free margin may be negative; the call comes below maintenance, not at it."""
    made = valuation(equity="100", initial_margin="120", maintenance_margin="100")
    assert made.free_margin == -20
    assert not made.is_margin_call
    assert valuation(equity="99.99", maintenance_margin="100").is_margin_call


def test_a_long_position_at_a_negative_price_is_still_long() -> None:
    """Its value is negative, its size counts for exposure and margin."""
    ledger = Ledger([ES])
    ledger.apply(Fill("1", "o", "ES", Side.BUY, D(1), D(10), NOW))
    made = value(ledger, {"ES": D(-37)}, currency="USD")
    assert (made.long, made.short, made.gross_exposure) == (D(-1850), D(0), D(1850))
    assert made.initial_margin == 185
    assert made.equity == -2350


def test_everything_missing_is_listed_at_once() -> None:
    """A position without a price is never taken to be worth nothing."""
    with pytest.raises(MissingPriceError) as caught:
        value(books(), {"SPY": D(1)}, currency="CHF", rates={"USD": D(1)})
    assert str(caught.value) == (
        "a valuation lacks the price of DAX, the price of ES, the rate of EUR;"
        " expected a price for each open position and a rate for each other currency"
    )


def test_a_closed_position_needs_no_price() -> None:
    """Only what is open is valued."""
    ledger = Ledger([SPY])
    ledger.apply(Fill("1", "o", "SPY", Side.BUY, D(1), D(400), NOW))
    ledger.apply(Fill("2", "o", "SPY", Side.SELL, D(1), D(410), NOW))
    assert value(ledger, {}, currency="USD").equity == 10
    assert equity(ledger, {}, currency="USD") == 10


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"EUR": D(0), "JPY": D(-1)}, "0 for EUR, -1 for JPY"),
        ({"EUR": D("1.1"), "USD": D(2)}, "2 for USD itself"),
    ],
)
def test_rates_that_cannot_be_are_refused(rates: dict[str, Decimal], expected: str) -> None:
    """Currencies are worth something, and each exactly itself."""
    with pytest.raises(LedgerError) as caught:
        value(books(), PRICES, currency="USD", rates=rates)
    assert str(caught.value) == (
        f"exchange rates into USD cannot be {expected};"
        " expected what one unit of each currency is worth, above 0"
    )


def test_the_rate_of_the_currency_itself_may_be_given() -> None:
    """One dollar is worth one dollar, said or not."""
    with_it = value(books(), PRICES, currency="USD", rates={**RATES, "USD": D("1.0")})
    assert with_it == value(books(), PRICES, currency="USD", rates=RATES)
