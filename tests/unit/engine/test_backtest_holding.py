"""What holding costs, and what may be held: borrowing, funding, margin calls."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from rustybt.engine import Backtest, BacktestError, HoldingCosts, MarginPolicy, Result
from rustybt.model import Instrument, InstrumentKind, InvalidValueError
from rustybt.model.event import Charged, ChargeKind
from rustybt.risk import RiskLimits
from rustybt.strategy import Strategy, StrategyBar

D = Decimal
FRIDAY = datetime(2024, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
Script = dict[tuple[str, int], list[tuple[str, dict[str, str]]]]


def bars(
    prices: Sequence[str], days: Sequence[int] = (), *, opens: Sequence[str] = ()
) -> pl.DataFrame:
    """Return bars on some days after a Friday, each at one price unless its open is given."""
    first = opens or prices
    pairs = list(zip(first, prices, strict=True))
    return pl.DataFrame(
        {
            "timestamp": [FRIDAY + DAY * day for day in days or range(len(prices))],
            "open": first,
            "high": [max(pair, key=D) for pair in pairs],
            "low": [min(pair, key=D) for pair in pairs],
            "close": prices,
            "volume": ["100"] * len(prices),
        }
    )


def instrument(symbol: str = "X", initial: str = "1", maintenance: str = "1") -> Instrument:
    """Return a share in whole units with margin rates."""
    return Instrument(
        symbol=symbol,
        base=symbol,
        quote="USD",
        tick=D("0.01"),
        lot=D(1),
        kind=InstrumentKind.EQUITY,
        initial_margin=D(initial),
        maintenance_margin=D(maintenance),
    )


class Scripted(Strategy):
    """Orders by symbol and number of its bar, and notes what it holds."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.count: dict[str, int] = {}
        self.held: list[Decimal] = []

    def on_bar(self, bar: StrategyBar) -> None:
        number = self.count.get(bar.symbol, 0)
        self.count[bar.symbol] = number + 1
        self.held.append(self.position(bar.symbol))
        for quantity, terms in self.script.get((bar.symbol, number), ()):
            self.order(bar.symbol, quantity, **terms)  # type: ignore[arg-type]  # prices, by name


def run(data: pl.DataFrame | dict[str, pl.DataFrame], script: Script, **options: object) -> Result:
    frames = data if isinstance(data, dict) else {"X": data}
    return Backtest(Scripted(script), frames, **options).run()  # type: ignore[arg-type]  # options of any kind


def paid(result: Result) -> list[tuple[datetime, ChargeKind, Decimal]]:
    """Return the charges in order."""
    return [
        (entry.time, entry.kind, entry.amount)
        for entry in result.entries
        if isinstance(entry, Charged)
    ]


def test_borrowing_is_charged_for_every_night() -> None:
    """Short from Saturday to Tuesday: three nights, Friday's too if held over the weekend."""
    data = bars(["100", "100", "110", "120", "100"], [0, 1, 4, 5, 6])
    script: Script = {("X", 0): [("-10", {})], ("X", 3): [("10", {})]}
    result = run(data, script, costs=HoldingCosts(borrow=D("0.0365")))

    # 3.65 % a year is 1/10000 a day: of 1000 over three days 0.30, of 1100 and 1200 each a day.
    assert paid(result) == [
        (FRIDAY + 4 * DAY, ChargeKind.BORROW, D("0.30")),
        (FRIDAY + 5 * DAY, ChargeKind.BORROW, D("0.11")),
        (FRIDAY + 6 * DAY, ChargeKind.BORROW, D("0.12")),
    ]
    assert result.cash == 100_000 - D("0.53")
    assert result.ledger.account("USD").charges == D("0.53")
    assert result.ledger.cash("USD") == result.cash
    assert result.trades[0].charges == D("0.53")
    assert result.fees == 0
    assert result.summary()["charges"] == "0.53"


def test_what_is_paid_for_borrowing_is_rounded_up_once() -> None:
    """To the cent, or to what the currency has; of 360 days if the desk counts so."""
    data = bars(["100"] * 4)
    script: Script = {("X", 0): [("-1", {})]}
    cents = run(data, script, costs=HoldingCosts(borrow=D("0.01")))
    fine = run(
        data,
        script,
        costs=HoldingCosts(borrow=D("0.01"), cent=D("0.00001"), year=timedelta(days=360)),
    )

    assert [amount for _, _, amount in paid(cents)] == [D("0.01")] * 2
    assert [amount for _, _, amount in paid(fine)] == [D("0.00278")] * 2


def test_rates_are_those_of_the_symbol() -> None:
    """A symbol without a rate costs nothing; long positions borrow nothing."""
    data = {symbol: bars(["100"] * 3) for symbol in "XYZ"}
    script: Script = {(symbol, 0): [("-10", {})] for symbol in "XY"}
    script["Z", 0] = [("10", {})]
    costs = HoldingCosts(borrow={"X": D("0.365"), "Z": D("0.365")})
    result = run(data, script, costs=costs)

    assert [entry.symbol for entry in result.entries if isinstance(entry, Charged)] == ["X"]
    assert result.notes == ()
    other = HoldingCosts(borrow={"X": D(1), "Q": D(1)}, funding={"P": D(1)})
    assert run(data, script, costs=other).notes == (
        "rates of symbols that have no bars were left out: P, Q",
    )


@pytest.mark.parametrize(("quantity", "sign"), [("10", 1), ("-10", -1)])
def test_funding_is_paid_by_longs_and_received_by_shorts(quantity: str, sign: int) -> None:
    """At an annual rate for every night; a negative rate goes the other way."""
    script: Script = {("X", 0): [(quantity, {})]}
    for rate, amount in (("0.0365", "0.10"), ("-0.0365", "-0.10")):
        result = run(bars(["100"] * 3), script, costs=HoldingCosts(funding=D(rate)))
        assert paid(result) == [(FRIDAY + 2 * DAY, ChargeKind.FUNDING, sign * D(amount))]
        assert result.final_equity == 100_000 - sign * D(amount)


def test_within_a_day_nothing_is_charged() -> None:
    """Hours of one day are one day; the first bar after midnight pays."""
    hours = pl.concat([bars(["100"] * 3), bars(["100"] * 2)]).with_columns(
        timestamp=pl.Series([FRIDAY + timedelta(hours=each) for each in (20, 21, 23, 24, 25)])
    )
    result = run(hours, {("X", 0): [("-10", {})]}, costs=HoldingCosts(borrow=D("0.365")))

    assert paid(result) == [(FRIDAY + DAY, ChargeKind.BORROW, D("1.00"))]


def test_costs_that_cannot_be_are_refused() -> None:
    """All problems at once."""
    with pytest.raises(InvalidValueError) as raised:
        HoldingCosts(
            borrow={"X": D("NaN")},
            funding=0.1,  # type: ignore[arg-type]  # a float is what is refused
            year=timedelta(0),
            cent=D(0),
        )
    for name in ("borrow X", "funding", "year", "cent"):
        assert name in str(raised.value)


# Margin


def test_an_order_needs_its_initial_margin() -> None:
    """Twice the equity at half of it down, and not a share more; reducing is always possible."""
    shares = {"X": instrument(initial="0.5", maintenance="0.25")}
    script: Script = {
        ("X", 0): [("2001", {})],
        ("X", 1): [("2000", {})],
        ("X", 3): [("1", {}), ("-2000", {})],
    }
    result = run(bars(["100"] * 6), script, instruments=shares, margin="liquidate")

    assert [(fill.client_id, fill.signed_quantity) for fill in result.fills] == [
        ("O2", D(2000)),
        ("O4", D(-2000)),
    ]
    assert [refusal.client_id for refusal in result.refusals] == ["O1", "O3"]
    assert result.refusals[0].reason == "initial_margin (100050.0 against an equity of 100000)"
    assert result.margin_calls == ()
    assert result.summary()["margin_calls"] == 0


def test_orders_under_way_count() -> None:
    """Two orders that fit one by one do not fit together, and no bracket without its exits."""
    shares = {"X": instrument()}

    class Pair(Strategy):
        """A limit far away and a bracket."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row == 0:
                self.buy("X", 600, limit="90")
                self.bracket("X", 600, take_profit="120", stop_loss="80")

    result = Backtest(
        Pair, {"X": bars(["100"] * 3)}, instruments=shares, margin=MarginPolicy.LIQUIDATE
    ).run()

    assert len(result.refusals) == 3
    assert result.fills == ()
    assert result.open_orders == ("O1",)


def test_a_margin_call_reduces_all_positions() -> None:
    """At the close below maintenance all are cut to what equity covers, at the next open."""
    shares = {each: instrument(each, "0.5", "0.25") for each in "XY"}
    data = {
        "X": bars(["100", "100", "70", "70", "70", "70"]),
        "Y": bars(["100", "100", "60", "60", "60", "60"]),
    }
    script: Script = {
        ("X", 0): [("1000", {}), ("1", {"limit": "1"})],
        ("Y", 0): [("950", {})],
    }
    result = run(data, script, instruments=shares, margin="liquidate")

    # 30000 and 38000 lost: 32000 are left, 31750 would do.
    assert result.margin_calls == ()

    lower = {**data, "Y": bars(["100", "100", "58", "58", "58", "58"])}
    result = run(lower, script, instruments=shares, margin="liquidate")
    (call,) = result.margin_calls
    assert (call.equity, call.required) == (D(30_100), D(31_275))
    assert call.time == FRIDAY + 3 * DAY
    # Half of 125100 is bound: 30100 / 62550 of each position is kept, in whole shares.
    assert [(fill.symbol, fill.signed_quantity) for fill in result.fills[2:]] == [
        ("X", D(481 - 1000)),
        ("Y", D(457 - 950)),
    ]
    assert {fill.time for fill in result.fills[2:]} == {FRIDAY + 3 * DAY}
    assert result.open_orders == ()
    assert result.final_equity == 30_100


def test_without_equity_everything_goes() -> None:
    """A short that has eaten the account is bought back whole."""
    shares = {"X": instrument(initial="0.5", maintenance="0.3")}
    script: Script = {("X", 0): [("-1000", {})]}
    result = run(
        bars(["100", "100", "210", "210", "210"]), script, instruments=shares, margin="liquidate"
    )

    assert result.positions == {}
    assert result.final_equity == -10_000
    assert result.ruined is not None


def test_a_forced_order_goes_its_way() -> None:
    """While it is under way there is no other in its symbol; a slow market is waited for."""
    from rustybt.execution import MatchingRules

    shares = {"X": instrument(initial="0.5", maintenance="0.25")}
    script: Script = {("X", 0): [("2000", {})]}
    data = bars(["100"] * 2 + ["60"] * 6).with_columns(
        volume=pl.Series(["4000"] * 3 + ["1000"] * 5)
    )
    result = run(
        data,
        script,
        instruments=shares,
        margin="liquidate",
        rules=MatchingRules(volume_share=D("0.5")),
    )

    # 20000 left of 100000; 666 shares are kept, 1334 go at 500 a day.
    assert len(result.margin_calls) == 1
    sold = [fill.signed_quantity for fill in result.fills[1:]]
    assert sold == [-500, -500, -334]
    assert result.positions == {"X": 666}


def test_a_symbol_that_has_ended_cannot_be_sold() -> None:
    """What no longer trades is kept; what trades is cut."""
    shares = {each: instrument(each, "0.5", "0.5") for each in "XY"}
    data = {
        "X": bars(["100", "100", "40"]),
        "Y": bars(["100"] * 6),
    }
    script: Script = {("X", 0): [("1000", {})], ("Y", 0): [("1000", {})]}
    result = run(data, script, instruments=shares, margin="liquidate")

    # 40000 are left of what binds 70000, then 48550, and so on: Y alone has to make up for X.
    assert [(fill.symbol, fill.signed_quantity) for fill in result.fills[2:]] == [
        ("Y", D(571 - 1000)),
        ("Y", D(470 - 571)),
        ("Y", D(432 - 470)),
    ]
    assert result.positions["X"] == 1000


def test_halt_sells_nothing_and_lets_nothing_in() -> None:
    """Orders are cancelled; from then on only those that reduce are taken."""
    shares = {"X": instrument(initial="0.5", maintenance="0.25")}
    script: Script = {
        ("X", 0): [("2000", {}), ("-1", {"limit": "500"})],
        ("X", 3): [("1", {}), ("-100", {})],
        ("X", 5): [("1", {})],
    }
    result = run(
        bars(["100", "100", "60", "60", "60", "200", "200", "30"]),
        script,
        instruments=shares,
        margin=MarginPolicy.HALT,
    )

    assert result.positions == {"X": 1900}
    assert [refusal.reason for refusal in result.refusals] == [
        f"margin call of {FRIDAY + 3 * DAY}: only reducing orders are taken"
    ] * 2
    assert len(result.margin_calls) == 1
    assert result.open_orders == ()


def test_limits_and_margin_both_hold() -> None:
    """The tighter one refuses, by its own name."""
    shares = {"X": instrument(initial="0.5", maintenance="0.25")}
    for quantity, leverage, reason in (
        ("1600", "1.5", "max_leverage"),
        ("2400", "2.5", "initial_margin"),
        ("1400", "1.5", None),
    ):
        result = run(
            bars(["100"] * 3),
            {("X", 0): [(quantity, {})]},
            instruments=shares,
            margin="liquidate",
            limits=RiskLimits(max_leverage=D(leverage)),
        )
        found = [refusal.reason.split(" ")[0] for refusal in result.refusals]
        assert found == ([reason] if reason else [])


def test_what_has_no_price_yet_needs_an_unknown_margin() -> None:
    """An order for a symbol before its first bar is refused; after it, it is taken."""

    class Early(Strategy):
        """One of Y, at once."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.symbol == "X":
                self.buy("Y", 1)

    data = {"X": bars(["100"] * 3), "Y": bars(["100"] * 3, [1, 2, 3])}
    result = Backtest(Early, data, margin="halt").run()

    assert [refusal.reason for refusal in result.refusals] == [
        "initial_margin cannot be checked without the price of every position"
    ]
    assert len(result.fills) == 2


def test_a_cash_account_never_borrows() -> None:
    """Margin rates of 1: whoever spends everything has nothing left for the commission."""
    from rustybt.execution import PerTradeCommission

    result = run(
        bars(["100"] * 5),
        {("X", 0): [("1000", {})]},
        instruments={"X": instrument()},
        margin="liquidate",
        commission=PerTradeCommission(D(5)),
    )

    assert [fill.signed_quantity for fill in result.fills] == [1000, -1]
    assert result.cash == 90


def test_orders_wait_for_nothing_outside_trading_hours() -> None:
    """What is ordered while the market is closed is refused by name; other limits are as before."""

    def weekdays(_symbol: str, at: datetime) -> bool:
        return at.weekday() < 5

    script: Script = {("X", 0): [("1", {})], ("X", 2): [("1", {}), ("200", {})]}
    result = run(
        bars(["100"] * 5),
        script,
        hours=weekdays,
        limits=RiskLimits(max_order_notional=D(1000)),
    )

    # The first bar ends on Saturday, the third on Monday.
    assert [refusal.reason.split(":")[0].split(" ")[0] for refusal in result.refusals] == [
        "trading_hours",
        "max_order_notional",
    ]
    assert len(result.fills) == 1
    assert len(run(bars(["100"] * 5), script, hours=weekdays).refusals) == 1


def test_an_unknown_policy_is_refused() -> None:
    """With the ones that there are."""
    with pytest.raises(BacktestError, match=r"no margin policy 'hope'.*liquidate, halt"):
        run(bars(["1"]), {}, margin="hope")


def test_nothing_given_is_nothing_changed() -> None:
    """Costs of nothing and a margin that is never short leave all as it is without them."""
    script: Script = {("X", 0): [("10", {})], ("X", 2): [("-4", {"stop": "95"})]}
    data = bars(["100", "101", "99", "95", "90"])
    plain = run(data, script)
    watched = run(data, script, costs=HoldingCosts(), margin="halt")

    assert watched.fills == plain.fills
    assert watched.final_equity == plain.final_equity
    assert watched.curve.equity.tolist() == plain.curve.equity.tolist()
    assert "income" not in plain.summary()
