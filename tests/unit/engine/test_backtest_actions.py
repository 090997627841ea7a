"""Dividends, splits and dated funding: booked at the right instant, by the ledger, to the digit."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rustybt.engine import ActionError, Backtest, Result
from rustybt.engine.sweep import Sweep, SweepError
from rustybt.model import Instrument, InstrumentKind
from rustybt.model.event import DividendPaid, SharesSplit
from rustybt.model.fill import Fill
from rustybt.strategy import Strategy, StrategyBar

D = Decimal
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def frame(closes: Sequence[str], *, start: datetime = START, step: timedelta = DAY) -> pl.DataFrame:
    """Return bars that open at the close before them, exact."""
    opens = [closes[0], *closes[:-1]]
    return pl.DataFrame(
        {
            "timestamp": [start + step * number for number in range(len(closes))],
            "open": opens,
            "high": [max(pair, key=D) for pair in zip(opens, closes, strict=True)],
            "low": [min(pair, key=D) for pair in zip(opens, closes, strict=True)],
            "close": closes,
            "volume": ["1000"] * len(closes),
        }
    )


def flat(price: str, after: str) -> pl.DataFrame:
    """Return three bars at one price, and three at another."""
    return pl.concat([frame([price] * 3), frame([after] * 3, start=START + 3 * DAY)])


def actions(*rows: tuple[str, object, str, str]) -> pl.DataFrame:
    """Return actions: symbol, time, kind, amount."""
    return pl.DataFrame(rows, schema=["symbol", "timestamp", "kind", "amount"], orient="row")


class Scripted(Strategy):
    """Orders by the number of the bar: quantity and terms."""

    def __init__(self, script: dict[int, list[tuple[str, dict[str, object]]]]) -> None:
        super().__init__()
        self.script = script
        self.seen: list[tuple[Decimal, Decimal]] = []
        self.at_fill: list[Decimal] = []

    def on_bar(self, bar: StrategyBar) -> None:
        """Order what is due."""
        self.seen.append((self.position(bar.symbol), self.equity))
        for quantity, terms in self.script.get(bar.row, ()):
            self.order(bar.symbol, quantity, **terms)  # type: ignore[arg-type]  # any terms

    def on_fill(self, fill: Fill) -> None:  # noqa: ARG002 - the hook's signature
        """Note what the account is worth in the middle of things."""
        self.at_fill.append(self.equity)


def run(bars: pl.DataFrame, script: Scripted, table: pl.DataFrame, **options: object) -> Result:
    return Backtest(script, {"X": bars}, actions=table, **options).run()  # type: ignore[arg-type]  # options of any kind


BUY: dict[int, list[tuple[str, dict[str, object]]]] = {0: [("10", {})]}
SELL: dict[int, list[tuple[str, dict[str, object]]]] = {0: [("-10", {})]}


@pytest.mark.parametrize(("script", "amount"), [(BUY, "2.5"), (SELL, "-2.5")])
def test_a_dividend_is_paid_on_what_is_held_before_the_ex_date(
    script: dict[int, list[tuple[str, dict[str, object]]]], amount: str
) -> None:
    """Long positions receive it, short ones pay it; orders of that day come too late."""
    script = {**script, 2: script[0]}  # doubled at the open of the ex-date
    result = run(
        flat("100", "99.75"), Scripted(script), actions(("X", START + 3 * DAY, "dividend", "0.25"))
    )

    assert result.ledger.account("USD").income == D(amount)
    assert result.cash == result.ledger.cash("USD")
    assert result.entries == (
        DividendPaid(time=START + 3 * DAY, entry_id="dividend X 1", symbol="X", per_unit=D("0.25")),
    )
    assert result.final_equity == result.ledger.worth({"X": D("99.75")})["USD"]
    assert [result.equity_at(point) for point in (0, 2, 3, 5)] == [D(100_000)] * 4
    assert result.curve.equity.tolist() == [100_000.0] * 6
    assert result.summary()["income"] == amount.lstrip("+")
    assert result.summary()["fills"] == 2


def test_a_date_is_the_first_bar_of_that_day() -> None:
    """Intraday bars: the dividend is booked before the first bar that begins on the ex-date."""
    opening = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    hours = pl.concat(
        [
            frame(["100"] * 3, start=opening, step=timedelta(hours=1)),
            frame(["99"] * 3, start=opening + DAY, step=timedelta(hours=1)),
        ]
    )
    table = actions(("X", date(2024, 1, 3), "dividend", "1"))
    result = run(hours, Scripted(BUY), table)

    assert result.entries[0].time == opening + DAY
    assert [result.equity_at(point) for point in (2, 3)] == [D(100_000), D(100_000)]
    assert result.entries_frame.to_dicts() == [
        {
            "timestamp": opening + DAY,
            "symbol": "X",
            "kind": "dividend",
            "units": D(0),
            "amount": D(10),
            "cash": D(99_010),
        }
    ]


def test_a_split_changes_units_and_resting_orders() -> None:
    """Two for one: 20 units at half the price; a stop at 90 becomes one of 20 units at 45."""
    script = Scripted({0: [("10", {})], 1: [("-10", {"stop": "90"})]})
    bars = pl.concat([frame(["100"] * 3), frame(["50", "50", "44", "44"], start=START + 3 * DAY)])
    result = run(bars, script, actions(("X", START + 3 * DAY, "split", "2")))

    assert script.seen[2:5] == [(D(10), D(100_000)), (D(20), D(100_000)), (D(20), D(100_000))]
    assert [(fill.quantity, fill.price) for fill in result.fills] == [
        (D(10), D(100)),
        (D(20), D(45)),
    ]
    assert result.entries == (
        SharesSplit(
            time=START + 3 * DAY, entry_id="split X 1", symbol="X", new=2, old=1, price=D(50)
        ),
    )
    assert result.positions == {}
    assert result.cash == D(100_000) - 1000 + 900
    (trade,) = result.trades
    assert (trade.entry_price, trade.exit_price, trade.net) == (D(50), D(45), D(-100))


def test_a_market_order_under_way_is_split_as_well() -> None:
    """Whoever wants out of 10 before a split gets out of 20 after it."""
    script = Scripted({0: [("10", {})], 2: [("-10", {})]})
    result = run(flat("100", "50"), script, actions(("X", START + 3 * DAY, "split", "2:1")))

    assert result.fills[1].quantity == 20
    assert result.cash == 100_000


def test_orders_are_split_where_nothing_is_held() -> None:
    """A limit to buy 10 at 90 waits on as one of 20 at 45; funding of nothing is nothing."""
    script = Scripted({0: [("10", {"limit": "90"})]})
    bars = pl.concat([frame(["100"] * 3), frame(["50", "50", "44"], start=START + 3 * DAY)])
    table = actions(("X", START + 3 * DAY, "split", "2"), ("X", START + 2 * DAY, "funding", "1"))
    result = run(bars, script, table)

    assert [(fill.quantity, fill.price) for fill in result.fills] == [(D(20), D(45))]
    assert result.entries == ()


def test_fractions_are_paid_in_cash() -> None:
    """One for three of 10 shares is 3, and a third of one at the open of the ex-date."""
    share = Instrument(
        symbol="X",
        base="X",
        quote="USD",
        tick=D("0.01"),
        lot=D(1),
        kind=InstrumentKind.EQUITY,
    )
    result = run(
        flat("100", "300"),
        Scripted(BUY),
        actions(("X", START + 3 * DAY, "split", "1/3")),
        instruments={"X": share},
    )

    assert result.positions == {"X": D(3)}
    assert result.cash == D("99100.00")
    assert result.final_equity == 100_000
    assert result.ledger.quantity("X") == 3
    assert result.ledger.cash("USD") == result.cash


def test_actions_of_one_day_come_in_their_order() -> None:
    """A dividend per old share and then a split, or the other way round."""
    when = START + 3 * DAY
    first = actions(("X", when, "dividend", "1"), ("X", when, "split", "2"))
    script = Scripted({0: [("10", {})], 2: [("1", {})]})
    result = run(flat("100", "49.5"), script, first)
    other = run(flat("100", "49.5"), Scripted(BUY), first.reverse())

    assert result.ledger.account("USD").income == 10
    assert other.ledger.account("USD").income == 20
    # In the middle of things nothing is lost: 11 bought at 100, 10 units of cash, 22 at 49.5.
    assert script.at_fill[1] == 100_000


def test_funding_is_paid_on_the_last_close() -> None:
    """Longs pay a positive rate, of the position's value."""
    perpetual = Instrument(
        symbol="X",
        base="X",
        quote="USD",
        tick=D("0.01"),
        lot=D(1),
        kind=InstrumentKind.PERPETUAL,
    )
    table = actions(
        ("X", START + 2 * DAY, "funding", "0.0001"), ("X", START + 3 * DAY, "funding", "-0.0003")
    )
    for script, paid in ((BUY, "-0.2"), (SELL, "0.2")):
        result = run(flat("100", "100"), Scripted(script), table, instruments={"X": perpetual})
        assert result.ledger.account("USD").charges == D(paid)
        assert result.cash == 100_000 - D(paid)
        assert result.ledger.cash("USD") == result.cash


def test_what_takes_no_effect_is_noted_or_nothing() -> None:
    """Nothing held, too early, too late, not in the data."""
    table = actions(
        ("X", START, "dividend", "5"),
        ("X", START + DAY, "dividend", "5"),
        ("X", START + 9 * DAY, "dividend", "5"),
        ("X", START + 9 * DAY, "split", "5"),
        ("Z", START, "dividend", "5"),
        ("Y", START, "dividend", "5"),
    )
    result = run(flat("10", "10"), Scripted({4: [("1", {})]}), table)

    assert result.entries == ()
    assert result.final_equity == 100_000
    assert result.notes == (
        "X: 2 corporate actions after its last bar were left out",
        "corporate actions of symbols that have no bars were left out: Y, Z",
    )
    assert result.summary()["charges"] == "0"


def test_a_halted_symbol_is_split_when_it_trades_again() -> None:
    """Others have bars on the ex-date: nothing changes until the symbol's own next bar."""
    other = frame(["10"] * 6)
    bars = flat("100", "50").filter(pl.int_range(6).is_in([0, 1, 2, 5]))

    class Both(Strategy):
        """Ten of X."""

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.symbol == "X" and not self.position("X"):
                self.buy("X", 10)

    result = Backtest(
        Both, {"X": bars, "Y": other}, actions=actions(("X", START + 3 * DAY, "split", "2"))
    ).run()

    assert [result.equity_at(point) for point in range(6)] == [D(100_000)] * 6
    assert result.entries[0].time == START + 5 * DAY


def test_all_paths_agree() -> None:
    """Signals and the same targets bar by bar: the same fills, entries and money."""

    class Targets(Strategy):
        """Ten, then none, as a column and as orders."""

        def signals(self) -> pl.Expr:
            day = pl.col("timestamp").dt.day()
            return pl.when(day.is_in([1, 2, 3, 5])).then(10).otherwise(0)

        def on_bar(self, bar: StrategyBar) -> None:
            if bar.row in (0, 3, 4, 5):
                self.order_target(bar.symbol, 10 if bar.time.day in (1, 2, 3, 5) else 0)

    table = actions(
        ("X", START + 2 * DAY, "dividend", "1"),
        ("X", START + 3 * DAY, "split", "2"),
        ("X", START + 5 * DAY, "dividend", "0.5"),
    )
    results = [
        Backtest(Targets, {"X": flat("100", "50")}, actions=table, path=path).run()
        for path in ("callback", "signals")
    ]

    assert results[0].fills
    assert results[0].fills == results[1].fills
    assert results[0].entries == results[1].entries
    assert results[0].final_equity == results[1].final_equity


def test_files_have_the_entries(tmp_path: Path) -> None:
    """Fills and entries are tables of their own, and neither has the other's rows."""
    result = run(
        flat("100", "50"),
        Scripted(BUY),
        actions(("X", START + 2 * DAY, "dividend", "1"), ("X", START + 3 * DAY, "split", "2")),
    )
    files = result.to_parquet(tmp_path)

    assert [file.name for file in files] == [
        "fills.parquet",
        "trades.parquet",
        "equity.parquet",
        "entries.parquet",
    ]
    entries = pl.read_parquet(tmp_path / "entries.parquet")
    assert entries["kind"].to_list() == ["dividend", "split"]
    assert entries["units"].to_list() == [D(0), D(10)]
    assert pl.read_parquet(tmp_path / "fills.parquet").height == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, START, "dividend", "1"), "row 1: there is no symbol"),
        (("X", None, "dividend", "1"), "row 1: X has no timestamp"),
        (("X", START, "bonus", "1"), "row 1: X has the kind 'bonus'"),
        (("X", START, "dividend", None), "row 1: X has no amount"),
        (("X", START, "dividend", "-1"), "row 1: the dividend -1 of X is negative"),
        (("X", START, "dividend", "much"), "'much' is not a finite number"),
        (("X", START, "split", "0"), "row 1: the ratio 0 is not above 0"),
        (("X", START, "split", "1:0"), "row 1: the ratio 1:0 is not above 0"),
        (("X", START, "split", "1:2:3"), "row 1: '1:2:3' is no ratio"),
        (("X", START, "split", "1.23456789"), "finer than 1000000 parts"),
        (("X", START, "split", "two"), "'two' is not a finite number"),
    ],
)
def test_wrong_actions_are_named(row: tuple[object, ...], message: str) -> None:
    """Each with its row; what is right beside it does not help."""
    table = pl.DataFrame(
        [row],
        schema={
            "symbol": pl.String,
            "timestamp": pl.Datetime("us", "UTC"),
            "kind": pl.String,
            "amount": pl.String,
        },
        orient="row",
    )
    with pytest.raises(ActionError, match=message):
        run(flat("1", "1"), Scripted({}), table)


def test_wrong_tables_are_refused() -> None:
    """Missing columns, floats, times as text; and the same action twice."""
    good = actions(("X", START, "dividend", "1"))
    cases = {
        "the actions lack kind": good.drop("kind"),
        "the amounts of the actions are floats": good.with_columns(pl.col("amount").cast(float)),
        "timestamp of the actions is of type String": good.with_columns(
            pl.col("timestamp").cast(pl.String)
        ),
        "X has the same dividend of 2024-01-01 .* 2 times": pl.concat([good, good]),
        "6 times; .* and 2 more": pl.concat(
            [pl.concat([actions(("X", START + DAY * n, "dividend", "1"))] * 6) for n in range(7)]
        ),
    }
    for message, table in cases.items():
        with pytest.raises(ActionError, match=message):
            run(flat("1", "1"), Scripted({}), table)


def test_contracts_have_neither_dividends_nor_splits() -> None:
    """Nobody owns what a future is on."""
    future = Instrument(
        symbol="X", base="X", quote="USD", tick=D("0.01"), lot=D(1), kind=InstrumentKind.FUTURE
    )
    with pytest.raises(ActionError, match="a split of X, which is a contract"):
        run(
            flat("10", "10"),
            Scripted({}),
            actions(("X", START + DAY, "split", "2")),
            instruments={"X": future},
        )


def test_integers_and_decimals_are_amounts() -> None:
    """Whatever is exact will do."""
    whole = pl.DataFrame(
        {"symbol": ["X"], "timestamp": [START + DAY * 2], "kind": ["Dividend"], "amount": [1]}
    )
    exact = whole.with_columns(pl.col("amount").cast(pl.Decimal(20, 4)))

    assert run(flat("9", "9"), Scripted(BUY), whole).cash == 99_920
    assert run(flat("9", "9"), Scripted(BUY), exact).cash == 99_920


def test_a_sweep_refuses_what_it_does_not_count() -> None:
    """Rather than rank combinations as if everything were quoted in one currency."""
    with pytest.raises(SweepError, match="a sweep does not take quotes, rates"):
        Sweep(Hold, flat("1", "1"), {"units": [1, 2]}, quotes={}, rates={})  # type: ignore[call-arg]  # what is refused


class Hold(Strategy):
    """So many of it."""

    units = 1

    def on_bar(self, bar: StrategyBar) -> None:
        self.order_target(bar.symbol, self.units)
