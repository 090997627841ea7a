"""A split changes numbers and no value: a backtest across it is worth the same throughout."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rustybt.accounting import Ledger
from rustybt.engine import Result
from rustybt.engine.backtest import _walk
from rustybt.engine.desk import Desk
from rustybt.engine.holding import attend
from rustybt.engine.intake import take_in
from rustybt.engine.tape import Tape
from rustybt.engine.wishes import FINEST
from rustybt.execution import BasisPointCommission, MatchingRules
from rustybt.model import Instrument, InstrumentKind
from rustybt.model.event import CashMoved
from rustybt.strategy import Strategy, StrategyBar

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 6
CASH = Decimal(100_000)
RATIOS = (Decimal(2), Decimal(5), Decimal("0.5"), Decimal("0.2"), Decimal("2.5"))
seeds = st.integers(0, 2**64 - 1).map(Random)


def prices(random: Random) -> list[tuple[Decimal, ...]]:
    """Return open, high, low and close of some days."""
    days: list[tuple[Decimal, ...]] = []
    for _ in range(DAYS):
        four = sorted(Decimal(random.randint(900, 1100)) / 10 for _ in range(4))
        days.append((four[random.randint(0, 3)], four[3], four[0], four[random.randint(0, 3)]))
    return days


def factors(random: Random) -> tuple[list[Decimal], list[tuple[datetime, str]]]:
    """Return how many units one has become by each day, and the splits that made it so."""
    result, splits = [Decimal(1)], []
    for day in range(1, DAYS):
        factor = result[-1]
        if random.random() < 0.3:
            ratio = random.choice(RATIOS)
            factor *= ratio
            splits.append((START + timedelta(days=day), str(ratio)))
        result.append(factor)
    return result, splits


class Scripted(Strategy):
    """Orders what the script says, in the units and prices of the day."""

    def __init__(self, script: dict[int, dict[str, Decimal]], units: list[Decimal]) -> None:
        super().__init__()
        self.script, self.units = script, units

    def on_bar(self, bar: StrategyBar) -> None:
        """Order; a bracket if the script has its exits."""
        terms = dict(self.script.get(bar.row, ()))
        if not terms:
            return
        factor = self.units[bar.row]
        quantity = terms.pop("quantity") * factor
        at = {name: price / factor for name, price in terms.items()}
        if "stop_loss" in at:
            self.bracket("X", abs(quantity), **at)
        else:
            self.order("X", quantity, **at)  # type: ignore[arg-type]  # prices, by name


def a_script(random: Random) -> dict[int, dict[str, Decimal]]:
    """Return orders of all kinds by day."""
    script: dict[int, dict[str, Decimal]] = {}
    for day in range(DAYS):
        if random.random() < 0.6:
            terms = {"quantity": Decimal(random.choice((-1, 1)) * random.randint(1, 50) * 100)}
            kind = random.choice(("market", "limit", "stop", "trail", "bracket"))
            level = Decimal(random.randint(900, 1100)) / 10
            if kind == "bracket":
                terms |= {"stop_loss": level - 5, "take_profit": level + 5, "limit": level}
            elif kind == "trail":
                terms["trail"] = Decimal(random.randint(10, 100)) / 10
            elif kind != "market":
                terms[kind] = level
            script[day] = terms
    return script


class World:
    """The same market twice: as it is, and with splits."""

    def __init__(self, random: Random) -> None:
        days = prices(random)
        self.units, splits = factors(random)
        self.plain = tape(days, [Decimal(1)] * DAYS)
        self.split = tape(days, self.units)
        schema: dict[str, type[str] | pl.DataType] = {
            "symbol": str,
            "timestamp": pl.Datetime("us", "UTC"),
            "kind": str,
            "amount": str,
        }
        rows = [("X", time, "split", ratio) for time, ratio in splits]
        self.actions = pl.DataFrame(rows, schema=schema, orient="row")


def tape(days: list[tuple[Decimal, ...]], units: list[Decimal]) -> Tape:
    """Return bars with prices per unit of the day."""
    rows = [
        (START + timedelta(days=day), *(str(price / units[day]) for price in four), "1000")
        for day, four in enumerate(days)
    ]
    columns = ["timestamp", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return Tape(take_in({"X": frame}, signed=frozenset()))


WORLDS = [World(Random(seed)) for seed in range(50)]  # noqa: S311 - no secrets
SHARE = Instrument(
    symbol="X",
    base="X",
    quote="USD",
    tick=FINEST,
    lot=Decimal("0.00000001"),
    kind=InstrumentKind.EQUITY,
)
RULES = MatchingRules(commission=BasisPointCommission(Decimal(10)))


def run(tape: Tape, strategy: Scripted, actions: pl.DataFrame | None) -> Result:
    """Walk the bars of *tape*."""
    desk = Desk(tape, {"X": SHARE}, CASH, RULES)
    attend(desk, actions=actions, costs=None, margin=None)
    strategy.bind(desk, ("X",))
    _walk(tape, desk, strategy, None)
    return Result(desk, strategy="", parameters={}, path="", initial_cash=CASH, state={})


@given(st.sampled_from(WORLDS), seeds)
def test_a_split_changes_no_value(world: World, random: Random) -> None:
    """The same orders of the same value, with and without splits between them.

    Equity is the same to the last digit at any close; so are the values of all fills; and
    a ledger that is told the same facts says the same cash and units.
    """
    script = a_script(random)
    plain = run(world.plain, Scripted(script, [Decimal(1)] * DAYS), None)
    split = run(world.split, Scripted(script, world.units), world.actions)

    points = (random.randrange(DAYS), DAYS - 1)
    equity = [[each.equity_at(point) for point in points] for each in (plain, split)]
    assert equity[0] == equity[1]
    values = [
        [(fill.side, fill.quantity * fill.price, fill.fee) for fill in each.fills]
        for each in (plain, split)
    ]
    assert values[0] == values[1]
    ledger = Ledger([SHARE])
    ledger.book(CashMoved(time=START, entry_id="d", currency="USD", amount=CASH))
    for fact in split.facts:
        ledger.record(fact)
    assert ledger.cash("USD") == split.cash
    assert ledger.quantity("X") == split.positions.get("X", 0)
