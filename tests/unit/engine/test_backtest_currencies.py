"""Instruments in several currencies: what is owed in each, and all of it in one."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import polars as pl
import pytest

from rustybt.accounting import equity
from rustybt.engine import Backtest, BacktestError, HoldingCosts, RateError, Result
from rustybt.engine.foreign import ForeignResult
from rustybt.execution import BasisPointCommission, FillPolicy
from rustybt.model import Instrument, InstrumentKind
from rustybt.risk import RiskLimits
from rustybt.strategy import Signals, Strategy, StrategyBar, TargetKind

D = Decimal
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def bars(*prices: str, start: datetime = START) -> pl.DataFrame:
    """Return daily bars, each at one price."""
    numbers = {name: list(prices) for name in ("open", "high", "low", "close")}
    times = [start + DAY * day for day in range(len(prices))]
    return pl.DataFrame({"timestamp": times, **numbers, "volume": ["9"] * len(prices)})


def instrument(
    symbol: str, quote: str, kind: InstrumentKind = InstrumentKind.EQUITY, **margins: str
) -> Instrument:
    """Return a share (or something else) in whole units."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote=quote,
        tick=D("0.01"),
        lot=D(1),
        kind=kind,
        **{name: D(value) for name, value in margins.items()},
    )


SHARES = {"US": instrument("US", "USD"), "DE": instrument("DE", "EUR")}
DATA = {"US": bars("100", "100", "110", "120"), "DE": bars("50", "50", "55", "60")}
EUR = {"EUR": bars("1.10", "1.20", "1.30", "1.25")}


class Hold(Strategy):
    """Ten of each from the first bar on."""

    def on_bar(self, bar: StrategyBar) -> None:
        if bar.row < 2:
            self.buy(bar.symbol, 10)


def run(strategy: type[Strategy] = Hold, **options: object) -> Result:
    given = {"instruments": SHARES, "rates": EUR, "cash": 10_000, **options}
    return Backtest(strategy, DATA, **given).run()  # type: ignore[arg-type]  # options of any kind


def test_each_trade_is_paid_in_its_currency() -> None:
    """Euros are owed for what costs euros; equity is what all is worth at each close."""
    result = run()

    assert isinstance(result, ForeignResult)
    assert result.currency == "USD"
    assert result.balances == {"EUR": D(-500), "USD": D(9000)}
    assert result.cash == 9000 - 500 * D("1.25")
    # At the close of the second bar both are worth what they cost; then what they gained counts.
    expected = [
        D(10_000),
        D(10_000),
        10_000 + 100 + 50 * D("1.30"),
        10_000 + 200 + 100 * D("1.25"),
    ]
    assert [result.equity_at(point) for point in range(4)] == expected
    assert result.final_equity == expected[-1]
    assert result.curve.equity.tolist() == pytest.approx([float(each) for each in expected])
    assert result.curve.gross.tolist() == pytest.approx([0, 1600, 1815, 1950])
    assert result.profit == 325
    assert result.summary()["balances"] == {"EUR": "-500", "USD": "9000"}
    rates = {"EUR": D("1.25")}
    prices = {"US": D(120), "DE": D(60)}
    assert equity(result.ledger, prices, currency="USD", rates=rates) == result.final_equity


def test_fees_and_round_trips_count_at_the_rate_of_their_time() -> None:
    """A fee in euros is worth what euros were worth; so is what a round trip earned."""

    class InAndOut(Strategy):
        """One round trip."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.symbol == "DE" and bar.row in (0, 4):
                self.order("DE", 10 if bar.row == 0 else -10)

    result = run(InAndOut, commission=BasisPointCommission(D(100)))

    # Bought at 50 when a euro was 1.10 (known at the open of the second bar), sold at 60.
    assert result.fees == 5 * D("1.10") + 6 * D("1.30")
    (trade,) = result.trades
    assert trade.net == 89
    assert result.performance is not None
    assert result.performance.trades == 1
    assert result.final_equity == 10_000 + 89 * D("1.25")


def test_sizes_are_in_the_currency_of_the_symbol() -> None:
    """Half of 10000 dollars is 4545 euros at 1.10: 90 shares at 50, and 50 of 100 dollars."""

    class Half(Strategy):
        """Half of equity in each."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row < 2:
                self.order_target_percent(bar.symbol, "0.5")

        def signals(self) -> Signals:
            return Signals(pl.lit(0.5), TargetKind.PERCENT)

    for path in ("callback", "signals"):
        result = run(Half, path=path)
        sizes = {fill.symbol: fill.quantity for fill in result.fills}
        assert sizes == {"DE": D(90), "US": D(50)}, path


def test_without_a_rate_there_is_no_backtest() -> None:
    """No rates, rates that begin too late, rates of something else: an error that says which."""
    late = {"EUR": bars("1.1", "1.1", start=START + DAY)}
    with pytest.raises(BacktestError, match=r"quoted in EUR, USD.*give rates"):
        run(rates=None)
    with pytest.raises(RateError, match="no rate into USD of EUR;"):
        run(rates={})
    with pytest.raises(RateError, match=r"of EUR before 2024-01-03 00:00:00.*ends at 2024-01-02"):
        run(rates=late)
    with pytest.raises(BacktestError, match="quotes name FR, UK"):
        run(quotes={"UK": "GBP", "FR": "EUR", "DE": "EUR"})
    with pytest.raises(RateError, match="rates of USD into itself"):
        run(rates={"USD": EUR["EUR"]})


@pytest.mark.parametrize(
    "frame",
    [
        bars(),
        bars("1.1", "-1"),
        bars("1.1", "0"),
        pl.concat([bars("1.1"), bars("1.2")]),
        bars("1.1").rename({"close": "price"}),
        bars("1.1").with_columns(pl.col("timestamp").cast(pl.String)),
    ],
)
def test_rates_that_cannot_be_are_refused(frame: pl.DataFrame) -> None:
    """None, not above 0, two of one time, no rate, no time."""
    with pytest.raises(RateError, match="rates of EUR"):
        run(rates={"EUR": frame})


def test_rates_may_be_given_by_themselves() -> None:
    """A rate is known from its time on; floats, dates, gaps and repetitions are taken."""
    dates = [date(2024, 1, 1), date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 4), None]
    frame = pl.DataFrame({"timestamp": dates, "rate": [1.1, 1.1, float("nan"), 1.3, 1.5]})
    result = run(rates={"EUR": frame})

    # The last known at the closes: 1.1, 1.1, then 1.3 of the fourth, which its third bar ends at.
    assert [result.equity_at(point) for point in (2, 3)] == [
        10_000 + 100 + 50 * D("1.3"),
        10_000 + 200 + 100 * D("1.3"),
    ]


def test_one_bar_of_a_rate_lasts_a_day() -> None:
    """Its close is known when it ends."""
    assert run(rates={"EUR": bars("2")}).equity_at(2) == 10_000 + 100 + 50 * 2


def test_limits_and_margins_count_in_the_base() -> None:
    """600 euros are 660 dollars: too many for a limit of 650, and for equity at full margin."""

    class Twelve(Strategy):
        """Twelve at 50 euros."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.symbol == "DE" and bar.row == 0:
                self.buy("DE", 12)

    denied = run(Twelve, limits=RiskLimits(max_order_notional=D(650)))
    taken = run(Twelve, limits=RiskLimits(max_order_notional=D(660)))
    short = run(Twelve, margin="liquidate", cash=650)
    enough = run(Twelve, margin="halt", cash=730)

    assert [each.reason.split(" ")[0] for each in denied.refusals] == ["max_order_notional"]
    assert len(taken.fills) == 1
    assert [each.reason.split(" ")[0] for each in short.refusals] == ["initial_margin"]
    assert len(enough.fills) == 1


def test_the_daily_loss_is_measured_in_the_base() -> None:
    """Midnight's equity counts balances and positions at midnight's rates."""
    hour = timedelta(hours=1)
    begin = START + 22 * hour
    times = [begin + hour * number for number in range(6)]
    prices = ["50", "50", "50", "30", "30", "30"]
    data = bars(*prices).with_columns(timestamp=pl.Series(times))

    class Early(Strategy):
        """Buy before midnight, and again when it has fallen."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row in (0, 3):
                self.buy("DE", 100)

    found = []
    for loss in ("0.1", "0.5"):
        result = Backtest(
            Early,
            {"DE": data},
            instruments=SHARES,
            rates={"EUR": pl.DataFrame({"timestamp": [START], "rate": ["1.5"]})},
            limits=RiskLimits(max_daily_loss=D(loss)),
            cash=10_000,
        ).run()
        found.append([each.reason.split(" ")[0] for each in result.refusals])

    assert found == [["max_daily_loss"], []]


def test_charges_and_dividends_are_in_the_currency_too() -> None:
    """A euro share pays euros; a short in euros owes them."""
    actions = pl.DataFrame(
        {
            "symbol": ["DE", "US"],
            "timestamp": [START + 2 * DAY] * 2,
            "kind": ["dividend"] * 2,
            "amount": ["1", "2"],
        }
    )
    result = run(actions=actions, costs=HoldingCosts(funding=D("0.365")), margin="liquidate")

    # Ten euros and twenty dollars; two nights at a thousandth: 0.50 and 0.55, 1.00 and 1.10.
    assert isinstance(result, ForeignResult)
    assert result.balances == {"EUR": D("-491.05"), "USD": D("9017.90")}
    assert Decimal(str(result.summary()["income"])) == 20 + 10 * D("1.25")
    assert Decimal(str(result.summary()["charges"])) == D("2.10") + D("1.05") * D("1.25")
    assert result.final_equity == result.equity_at(3)


def test_contracts_in_another_currency_bind_no_cash() -> None:
    """What a future cost was not paid: the balance has only what it gained."""
    future = instrument("DE", "EUR", InstrumentKind.FUTURE)
    result = run(instruments={**SHARES, "DE": future})

    assert isinstance(result, ForeignResult)
    assert result.balances["EUR"] == 0
    assert result.final_equity == 10_000 + 200 + 100 * D("1.25")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("policy", [FillPolicy.NEXT_OPEN, FillPolicy.SAME_CLOSE])
def test_equity_is_what_the_ledger_says(seed: int, policy: FillPolicy) -> None:
    """After any trades: at the last prices and rates, exactly; and the curve agrees."""
    random = Random(seed)  # noqa: S311 - no secret is drawn
    symbols = ["DE", "FR", "JP", "US"]
    quotes = {"DE": "EUR", "FR": "EUR", "JP": "JPY", "US": "USD"}

    def prices(low: int, high: int) -> list[str]:
        return [str(D(random.randint(low, high)) / 100) for _ in range(12)]

    class Scripted(Strategy):
        """Trade at random."""

        def on_bar(self, bar: StrategyBar) -> None:
            if random.random() < 0.5:
                self.order(bar.symbol, random.randint(-9, 9))

    data = {symbol: bars(*prices(100, 9000)) for symbol in symbols}
    rates = {"EUR": bars(*prices(80, 150)), "JPY": bars(*prices(1, 3))}
    result = Backtest(
        Scripted,
        data,
        instruments={symbol: instrument(symbol, quotes[symbol]) for symbol in symbols},
        rates=rates,
        fill=policy,
        commission=BasisPointCommission(D(7)),
    ).run()

    last = {symbol: D(frame["close"][-1]) for symbol, frame in data.items()}
    known = {currency: D(frame["close"][-1]) for currency, frame in rates.items()}
    assert result.fills
    assert result.final_equity == equity(result.ledger, last, currency="USD", rates=known)
    exact = [float(result.equity_at(point)) for point in range(12)]
    assert result.curve.equity.tolist() == pytest.approx(exact)
