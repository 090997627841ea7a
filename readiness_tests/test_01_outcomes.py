"""Section 1: what the engine finds follows from what it is given."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_rustybt_ready import Evidence, ready
from readiness_tests.engine import EngineUnderTest

PERFORMANCE = "rustybt/accounting/performance.py"
LEDGER = "rustybt/accounting/ledger.py"


# -- 1.3.5 different inputs give different outputs -------------------------------------------

SEEDS = tuple(range(1, 26))
# Whole numbers, and shares of them: now and then two inputs have the same, but never most of them.
COUNTED = {"win_rate", "exposure_time", "longest_drawdown", "max_drawdown_duration", "trades"}
COUNTED |= {"peak", "trough", "recovery", "duration"}
SOME = 8
# The fields of a summary that have to follow each of its inputs.
OF_TRADES = {"trades", "win_rate", "profit_factor"}
OF_BENCHMARK = {"alpha", "beta", "information_ratio"}
OF_A_YEAR = {"annual_return", "volatility", "sharpe_ratio", "sortino_ratio", "calmar_ratio"}
FOLLOWING = {
    "profits": OF_TRADES,
    "benchmark": OF_BENCHMARK,
    "risk_free": {"sharpe_ratio", "sortino_ratio", "alpha"},
    "cutoff": {"value_at_risk", "conditional_value_at_risk"},
    "periods": OF_A_YEAR | {"alpha", "information_ratio"},
}


@ready.testing("1.3.5")
def test_statistics_follow_their_inputs(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each statistic of performance changes with each of its inputs, one at a time."""
    varied: dict[str, dict[str, list[Any]]] = engine.run("variation", seeds=SEEDS)
    outputs = {
        f"{statistic} by {given}{field and f': {field}'}": values
        for statistic, inputs in varied.items()
        for given, results in inputs.items()
        for field, values in _fields(statistic, given, results)
    }
    unmoved = [name for name, values in outputs.items() if _kinds(values) < _needed(name)]
    evidence.record("statistics", sorted(varied))
    evidence.record("inputs of each, varied alone", len(SEEDS))
    evidence.record("different outputs", {name: _kinds(found) for name, found in outputs.items()})
    assert len(varied) > 1, "no statistic was found"
    evidence.expect("statistics that ignore an input", [], observed=unmoved)


def _fields(statistic: str, given: str, results: list[Any]) -> Iterable[tuple[str, list[Any]]]:
    """Yield the fields of *results* that have to follow the input, with their values."""
    if not isinstance(results[0], dict):
        yield "", results
        return
    following = FOLLOWING.get(given, set(results[0]))
    if statistic == "summarise" and given == "returns":
        following = following - OF_TRADES
    for field in sorted(following):
        yield field, [result[field] for result in results]


def _kinds(values: Iterable[object]) -> int:
    """Return how many different ones there are among *values*."""
    return len({json.dumps(value, sort_keys=True) for value in values})


def _needed(name: str) -> int:
    """Return how many different outputs the inputs must have."""
    statistic, _, field = name.replace(" by ", ": ").partition(": ")
    return SOME if COUNTED & {statistic, field.split(": ")[-1]} else len(SEEDS)


@test_statistics_follow_their_inputs.fails_when
def a_statistic_ignores_its_series(engine: EngineUnderTest) -> None:
    """The volatility is that of one series, whichever it is asked for."""
    engine.edit(
        PERFORMANCE,
        "    observed = _observed(returns)\n    if observed.size < 2:\n",
        "    observed = np.array([0.01, -0.01, 0.02])\n    if observed.size < 2:\n",
    )


@test_statistics_follow_their_inputs.fails_when
def a_statistic_ignores_a_parameter(engine: EngineUnderTest) -> None:
    """The value at risk is that of five per cent, whatever is asked for."""
    engine.edit(PERFORMANCE, "np.percentile(observed, 100 * cutoff)", "np.percentile(observed, 5)")


@test_statistics_follow_their_inputs.fails_when
def a_statistic_of_trades_is_stored(engine: EngineUnderTest) -> None:
    """Half of all trades are won."""
    engine.edit(
        PERFORMANCE, "sum(profit > 0 for profit in profits) / len(profits)", "len(profits[:1]) / 2"
    )


@test_statistics_follow_their_inputs.fails_when
def a_summary_leaves_an_input_behind(engine: EngineUnderTest) -> None:
    """The summary works the ratio out as if money in the bank earned nothing."""
    engine.edit(
        PERFORMANCE,
        "sharpe_ratio(returns, risk_free=risk_free, periods=periods)",
        "sharpe_ratio(returns, periods=periods)",
    )


# What the ledger is given, and the figures that have to follow it.
LEDGER_FIGURES: dict[str, tuple[str, ...]] = {
    "quantity": ("cash", "equity", "realised", "unrealised", "long", "income"),
    "price": ("cash", "equity", "realised", "unrealised"),
    "fee": ("cash", "equity", "fees"),
    "dividend": ("cash", "equity", "income"),
    "charge": ("cash", "equity", "charges"),
    "deposit": ("cash", "equity"),
    "mark": ("equity", "unrealised", "long"),
    "method": ("realised", "unrealised"),
    "multiplier": ("cash", "equity", "realised", "unrealised", "long"),
}


@ready.testing("1.3.5")
def test_books_follow_their_inputs(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Each thing that a ledger is told changes the figures that rest on it, on any books."""
    pairs = [(seed, given) for seed in SEEDS for given in LEDGER_FIGURES]
    runs = [_books(seed, changed) for seed, given in pairs for changed in ("", given)]
    ends = [after[-1] for after in engine.run("ledger", runs=runs)]
    unmoved = [
        f"{figure} by {given} (seed {seed})"
        for (seed, given), before, after in zip(pairs, ends[::2], ends[1::2], strict=True)
        for figure in LEDGER_FIGURES[given]
        if before[figure] == after[figure]
    ]
    evidence.record("books", len(SEEDS))
    evidence.record("figures that follow", LEDGER_FIGURES)
    evidence.expect("different books", len(SEEDS), observed=_kinds(_figures(ends, len(pairs))))
    evidence.expect("figures that ignore what they rest on", [], observed=unmoved)


def _figures(ends: Sequence[Mapping[str, Any]], pairs: int) -> list[dict[str, Any]]:
    """Return the ends of all books as they were made, without the time that they took."""
    step = 2 * pairs // len(SEEDS)
    return [{k: v for k, v in end.items() if k != "seconds"} for end in ends[::step]]


def _books(seed: int, changed: str) -> dict[str, Any]:
    """Return the steps that *seed* makes, with one thing *changed* a little."""
    chance = random.Random(seed)  # noqa: S311 - the same every time, on purpose
    given = {
        "deposit": chance.randint(10**6, 10**7),
        "quantity": chance.randint(500, 900),
        "price": chance.randint(20, 80),
        "fee": chance.randint(1, 9),
        "dividend": chance.randint(1, 3),
        "charge": chance.randint(10, 90),
        "mark": chance.randint(100, 200),
    }
    if changed in given:
        given[changed] += 1
    quantity, price = given["quantity"], given["price"]
    fills = [(100, 11), (200, 13), (-150, 17), (quantity, price)]
    steps: list[dict[str, Any]] = [{"deposit": str(given["deposit"])}]
    steps += [_step(quantity=size, price=paid, fee=given["fee"]) for size, paid in fills]
    steps += [_step(dividend=given["dividend"]), _step(charge=given["charge"])]
    # What a sale of a part earned rests on all that was bought before.
    steps += [_step(quantity=-300, price=price + 5), {"prices": {"X": given["mark"]}}]
    return {
        "steps": steps,
        "method": "fifo" if changed == "method" else "average",
        "kind": "perpetual" if changed == "multiplier" else "equity",
        "multiplier": "2" if changed == "multiplier" else "1",
    }


def _step(**given: int) -> dict[str, str]:
    return {"symbol": "X", **{name: str(value) for name, value in given.items()}}


@test_books_follow_their_inputs.fails_when
def a_ledger_ignores_fees(engine: EngineUnderTest) -> None:
    """Trades cost nothing."""
    engine.edit(LEDGER, "        fee = fill.fee\n", "        fee = ZERO\n")


@test_books_follow_their_inputs.fails_when
def a_ledger_knows_one_way_to_count_costs(engine: EngineUnderTest) -> None:
    """Costs are averaged, whatever was asked for."""
    engine.edit(LEDGER, "averaged=self.method is CostMethod.AVERAGE", "averaged=True")


@test_books_follow_their_inputs.fails_when
def a_valuation_ignores_prices(engine: EngineUnderTest) -> None:
    """Positions are worth what they cost."""
    engine.edit(
        "rustybt/accounting/state.py",
        "return product(self.quantity, price, self.multiplier)",
        "return self.cost",
    )


BACKTEST_SEEDS = SEEDS[:12]
BACKTEST_CHANGES: dict[str, dict[str, str]] = {
    "cash": {"cash": "123456"},
    "commission": {"commission": "15"},
    "slippage": {"slippage": "9"},
    "lot": {"lot": "10"},
    "fill policy": {"fill": "same_close"},
}
CHANGED_SEEDS = BACKTEST_SEEDS[:4]
# What a summary says of a run; each of it rests on the bars.
SUMMARISED = (
    "final_equity",
    "cash",
    "profit",
    "fees",
    "total_return",
    "annual_return",
    "volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "max_drawdown",
    "max_drawdown_duration",
    "longest_drawdown",
    "value_at_risk",
    "conditional_value_at_risk",
    "win_rate",
    "profit_factor",
    "mean_exposure",
)


@ready.testing("1.3.5")
def test_backtests_follow_their_inputs(engine: EngineUnderTest, evidence: Evidence) -> None:
    """Other bars, another rule, other costs: each changes fills or equity."""
    plain = {f"bars {seed}": _backtest(seed) for seed in BACKTEST_SEEDS}
    plain |= {f"column over bars {seed}": _column(seed) for seed in CHANGED_SEEDS}
    changed = {
        f"bars {seed}, other {name}": _backtest(seed) | change
        for seed in CHANGED_SEEDS
        for name, change in BACKTEST_CHANGES.items()
    }
    changed |= {
        f"column over bars {seed}, other {name}": _column(seed) | BACKTEST_CHANGES[name]
        for seed in CHANGED_SEEDS
        for name in ("cash", "commission", "slippage")
    }
    others = {f"bars {seed}, other rule": _backtest(seed, "0.4") for seed in CHANGED_SEEDS}
    again = {f"bars {seed}, again": _backtest(seed) for seed in CHANGED_SEEDS}
    runs = plain | changed | others | again
    seen = engine.run("backtest", runs=list(runs.values()))
    results = {name: [each["fills"], each["equity"]] for name, each in zip(runs, seen, strict=True)}
    summaries = [each["summary"] for name, each in zip(runs, seen, strict=True) if name in plain]
    kinds = {name: _kinds(summary[name] for summary in summaries) for name in SUMMARISED}
    evidence.record("backtests", sorted(results))
    evidence.record("fills", {name: len(fills) for name, (fills, _) in results.items()})
    evidence.expect("backtests without a fill", [], observed=_without_fills(results))
    for name in again:
        same = results[name] == results[name.removesuffix(", again")]
        evidence.expect(f"{name}: the same outcome", True, observed=same)
    distinct = {name: result for name, result in results.items() if name not in again}
    evidence.expect("same outcome of different inputs", [], observed=_repeated(distinct))
    evidence.record("different figures in summaries", kinds)
    frozen = [name for name, count in kinds.items() if count < _needed_among(name, len(plain))]
    evidence.expect("figures that ignore the bars", [], observed=frozen)


def _needed_among(name: str, count: int) -> int:
    """Return how many different ones there must be among *count* figures of that name."""
    return count // 4 if name in COUNTED else count * 3 // 4


def _without_fills(results: Mapping[str, list[Any]]) -> list[str]:
    return [name for name, (fills, _) in results.items() if not fills]


def _repeated(results: Mapping[str, object]) -> list[str]:
    """Name each result that is the same as an earlier one, with that one."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(json.dumps(value), name), name) for name, value in results.items()]
    return [f"{name} gives what {earlier} gives" for earlier, name in pairs if name != earlier]


def _backtest(seed: int, share: str = "0.6") -> dict[str, Any]:
    """Return a backtest over a random walk: *share* of equity is held every other week."""
    chance = random.Random(seed)  # noqa: S311 - the same every time, on purpose
    price, rows = chance.randint(2_000, 9_000), []
    for number in range(40):
        opened, price = price, max(100, price + chance.randint(-90, 95))
        high, low = max(opened, price) + 20, min(opened, price) - 20
        day = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=number)
        prices = (f"{cents / 100}" for cents in (opened, high, low, price))
        rows.append([day.isoformat(), *prices, "1000000"])
    told = {str(n): ["share", share if n % 10 < 5 else "0"] for n in range(0, 40, 5)}
    return {"bars": {"X": rows}, "told": {"X": told}, "commission": "5", "lot": "1"}


def _column(seed: int) -> dict[str, Any]:
    """Return a backtest over the same bars of a strategy that says its targets as a column."""
    told = {str(n): ["target", "70" if n % 10 < 5 else "-20"] for n in range(0, 40, 5)}
    return _backtest(seed) | {"told": {"X": told}, "path": "signals", "floats": True}


@test_backtests_follow_their_inputs.fails_when
def a_backtest_returns_a_stored_result(engine: EngineUnderTest) -> None:
    """The first run is kept, and is the result of all later ones."""
    engine.append(
        "rustybt/engine/backtest.py",
        """
        _kept, _right = [], Backtest.run

        def _stored(self):
            _kept.append(_kept[0] if _kept else _right(self))
            return _kept[0]

        Backtest.run = _stored
        """,
    )


@test_backtests_follow_their_inputs.fails_when
def a_figure_of_the_summary_is_stored(engine: EngineUnderTest) -> None:
    """A summary says the same volatility of every run."""
    engine.edit(PERFORMANCE, "volatility=volatility(returns, periods=periods)", "volatility=0.15")


@test_backtests_follow_their_inputs.fails_when
def a_backtest_ignores_what_trading_costs(engine: EngineUnderTest) -> None:
    """Basis points are accepted, and come to nothing."""
    engine.edit("rustybt/execution/costs.py", 'Decimal("0.0001")', "ZERO")
