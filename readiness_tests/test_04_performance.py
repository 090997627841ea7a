"""Section 4: what the deployment's host has, and how the engine fits it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from pytest_rustybt_ready import Evidence, at_least, at_most, ready
from readiness_tests.controls import set_setting
from readiness_tests.engine import EngineUnderTest
from readiness_tests.host import CONTROL_GROUPS, DISK, GB, Host
from readiness_tests.line import NearVenue, ask, remote_venues
from readiness_tests.reckoning import Account, Books, Comparison, Trading
from readiness_tests.subjects import Deployment

# -- 4.2.1 the host --------------------------------------------------------------------------


@ready.performance("4.2.1.1")
def test_the_host_has_enough_cores(host: Host, evidence: Evidence) -> None:
    """The process may use enough processors, limits of a container applied."""
    evidence.meets("cores", observed=host.cores())


@test_the_host_has_enough_cores.fails_when
def there_is_a_single_core(host: Host) -> None:
    """The machine has one processor."""
    (host.root / "proc/self/status").write_text("Cpus_allowed_list:\t0\n", "utf-8")


@test_the_host_has_enough_cores.fails_when
def a_container_gives_less_than_two_cores(host: Host) -> None:
    """There are four processors, and one and a half may be used."""
    (host.root / CONTROL_GROUPS / "cpu.max").write_text("150000 100000\n", "utf-8")


@ready.performance("4.2.1.2")
def test_the_host_has_enough_memory(host: Host, evidence: Evidence) -> None:
    """The process may use enough memory, limits of a container applied."""
    evidence.record("bytes", host.memory())
    evidence.meets("memory", observed=Decimal(host.memory()) / GB)


@test_the_host_has_enough_memory.fails_when
def there_is_less_memory(host: Host) -> None:
    """The machine has 4 GB."""
    (host.root / "proc/meminfo").write_text("MemTotal:        3906250 kB\n", "utf-8")


@test_the_host_has_enough_memory.fails_when
def a_container_gives_less_memory(host: Host) -> None:
    """There are 16 GB, and the service may use a little less than 8."""
    limit = host.root / CONTROL_GROUPS / "rustybt.service/memory.max"
    limit.write_text(f"{8 * GB - 1}\n", "utf-8")


@ready.performance("4.2.1.3")
def test_the_home_is_on_a_large_solid_state_disk(
    host: Host, deployment: Deployment, evidence: Evidence
) -> None:
    """The file system of the home is large enough, and its disk does not rotate."""
    home = deployment.root.resolve()
    rotates = host.rotates(home)
    evidence.record("bytes", host.capacity(home))
    evidence.meets("disk", observed=Decimal(host.capacity(home)) / GB)
    if rotates is None:
        evidence.unproven(
            "the kernel does not know whether the disk below the home rotates",
            remedy="look it up where the disk is, and sign the item",
        )
    sort = "rotating" if rotates else "solid-state"
    evidence.expect("disk below the home", "solid-state", observed=sort)


@test_the_home_is_on_a_large_solid_state_disk.fails_when
def the_disk_is_too_small(host: Host) -> None:
    """The file system has a little less than 50 GB."""
    (host.root / "capacity").write_text(f"{50 * GB - 1}", "ascii")


@test_the_home_is_on_a_large_solid_state_disk.fails_when
def the_disk_rotates(host: Host) -> None:
    """The disk has platters."""
    (host.root / DISK / "queue/rotational").write_text("1\n", "ascii")


@pytest.fixture
def near_venue(proving: bool, deployment: Deployment) -> Iterator[NearVenue | None]:
    """Let the sandbox of a proof take its data from a venue on this machine; return that venue."""
    if not proving:
        yield None
        return
    set_setting(deployment, "DATA_SOURCE", "ccxt:binance")
    venue = NearVenue()
    yield venue
    venue.close()


@ready.performance("4.2.1.4")
def test_the_line_is_quick_enough(
    deployment: Deployment, near_venue: NearVenue | None, evidence: Evidence
) -> None:
    """What the broker and the data source answer arrives at a sufficient rate."""
    venues = remote_venues(deployment.settings)
    if not venues:
        evidence.unproven(
            "neither broker nor data source is beyond this machine",
            remedy="measure on a deployment with a venue as BROKER, or as DATA_SOURCE=ccxt:...",
        )
    answers = [ask(venue, near_venue.options if near_venue else {}) for venue in venues]
    for answer in answers:
        came = answer.problem or f"{answer.size} bytes in {answer.seconds:.3f} s"
        evidence.record(f"answer of {answer.venue}", came)
    rates = [answer.rate for answer in answers if not answer.problem]
    assert rates, f"none of {', '.join(venues)} can be reached"
    evidence.meets("bandwidth", observed=f"{min(rates):.3f}")


@test_the_line_is_quick_enough.fails_when
def the_line_is_slow(near_venue: NearVenue) -> None:
    """Half a kilobyte takes half a second."""
    near_venue.symbols, near_venue.delay = 1, 0.5


@test_the_line_is_quick_enough.fails_when
def nothing_can_be_reached(near_venue: NearVenue) -> None:
    """Nobody listens at the venue's address."""
    near_venue.close()


# -- 4.3.2 connections -----------------------------------------------------------------------

DATABASE = "rustybt/journal/database.py"


@ready.performance("4.3.2")
def test_every_worker_gets_a_connection(
    deployment: Deployment, engine: EngineUnderTest, evidence: Evidence
) -> None:
    """As many as there are borrow one at once, and the server would allow more than that."""
    seen = engine.run("pool", home=str(deployment.root.resolve()))
    evidence.record("database", seen["database"])
    evidence.expect("connections in the pool", at_least(seen["workers"]), observed=seen["pool"])
    evidence.expect("lent at once", seen["pool"], observed=seen["lent"])
    evidence.expect("and one that writes", at_most(seen["allowed"]), observed=seen["pool"] + 1)
    evidence.expect("connections wanted", at_least(1), observed=seen["borrowed"])
    evidence.meets("timeouts", observed=seen["timeouts"])


@test_every_worker_gets_a_connection.fails_when
def there_is_one_connection_for_all(deployment: Deployment) -> None:
    """Four workers share one."""
    set_setting(deployment, "NUM_WORKERS", "4")
    set_setting(deployment, "DB_POOL_SIZE", "1")


@test_every_worker_gets_a_connection.fails_when
def the_pool_is_larger_than_the_server_allows(
    deployment: Deployment, engine: EngineUnderTest
) -> None:
    """A process may have 300 files open, and a thousand connections are allowed for."""
    set_setting(deployment, "DB_POOL_SIZE", "1000")
    engine.append(
        DATABASE,
        """
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
        """,
    )


@test_every_worker_gets_a_connection.fails_when
def a_worker_waits_in_vain(deployment: Deployment, engine: EngineUnderTest) -> None:
    """Whatever the settings say, one connection is lent at a time."""
    set_setting(deployment, "NUM_WORKERS", "4")
    engine.edit(DATABASE, '"pool_size": pool,', '"pool_size": 1,')


# -- 4.3.3 workers ---------------------------------------------------------------------------


@ready.performance("4.3.3")
def test_there_are_no_more_workers_than_cores(
    deployment: Deployment, host: Host, evidence: Evidence
) -> None:
    """The settings in force ask for no more workers than there are processors for them."""
    workers, cores = deployment.settings.num_workers, host.cores()
    evidence.record("workers", workers)
    evidence.record("cores", cores)
    evidence.meets("workers_per_core", observed=f"{workers / cores:.4f}")


@test_there_are_no_more_workers_than_cores.fails_when
def there_are_ten_times_as_many_workers(deployment: Deployment, host: Host) -> None:
    """Ten workers share a core."""
    set_setting(deployment, "NUM_WORKERS", str(int(host.cores()) * 10))


@test_there_are_no_more_workers_than_cores.fails_when
def a_container_takes_cores_away(host: Host) -> None:
    """One worker is left with half a processor."""
    (host.root / CONTROL_GROUPS / "cpu.max").write_text("50000 100000\n", "utf-8")


# -- 4.3.5 many positions --------------------------------------------------------------------

POSITIONS = 160
CYCLES = 5
MIDNIGHT = datetime(2026, 5, 4, tzinfo=UTC)
"""A Monday."""
LEDGER = "rustybt/accounting/ledger.py"


@ready.performance("4.3.5")
def test_the_books_of_a_large_portfolio_are_exact(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """Many positions are opened, marked and closed in the ledger; each agrees with fractions."""
    steps = _portfolio()
    (seen,) = engine.run("ledger", runs=[{"steps": steps}])
    ours, compared, seconds, most = Books(), Comparison(), [], 0
    for number, (step, theirs) in enumerate(zip(steps, seen, strict=True)):
        ours.take(step)
        for name, expected in ours.figures(step).items():
            compared.hold(f"step {number}: {name}", theirs[name], expected)
        if "prices" in step:
            seconds.append(round(theirs["seconds"], 6))
            most = max(most, len(theirs["positions"]))
            _compare_each(f"valuation {len(seconds)}", ours, step["prices"], theirs, compared)
    evidence.record("seconds of each valuation", seconds)
    evidence.record("figures compared", compared.figures)
    evidence.meets("positions", observed=most)
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


def _portfolio() -> list[dict[str, Any]]:
    """Return the steps: money, positions long and short, valuations, and all of them closed."""
    chance = random.Random(435)  # noqa: S311 - the same every time, on purpose
    symbols = [f"S{number:03}" for number in range(POSITIONS)]
    steps: list[dict[str, Any]] = [{"deposit": "987654321.12"}]
    held = {symbol: _quantity(chance) for symbol in symbols}
    steps += [_fill(symbol, quantity, chance) for symbol, quantity in held.items()]
    steps += [{"prices": {s: _price(chance) for s in symbols}} for _ in range(CYCLES)]
    parts = {symbol: (quantity / 2).quantize(EIGHT) for symbol, quantity in held.items()}
    # Closed in two parts: the cost of the second has to be what the first one left.
    for share in (parts, {symbol: held[symbol] - parts[symbol] for symbol in symbols}):
        steps += [_fill(symbol, -quantity, chance) for symbol, quantity in share.items()]
        steps += [{"prices": {symbol: _price(chance) for symbol in symbols}}]
    return steps


EIGHT = Decimal("0.00000001")


def _quantity(chance: random.Random) -> Decimal:
    """Return a quantity of eight decimals, long or short."""
    units = Decimal(chance.randint(1, 10**12)) * EIGHT
    return units if chance.random() < 0.6 else -units


def _price(chance: random.Random) -> str:
    """Return a price of a few cents or many thousands, with six decimals."""
    return str(Decimal(chance.randint(10**4, 10 ** chance.randint(6, 11))) / 10**6)


def _fill(symbol: str, quantity: Decimal, chance: random.Random) -> dict[str, str]:
    fee = Decimal(chance.randint(0, 10**6)) * EIGHT
    return {
        "symbol": symbol,
        "quantity": f"{quantity:f}",
        "price": _price(chance),
        "fee": f"{fee:f}",
    }


def _compare_each(
    where: str,
    ours: Books,
    prices: Mapping[str, str],
    theirs: Mapping[str, Any],
    compared: Comparison,
) -> None:
    """Compare each position's profit, realised and not."""
    for symbol, price in prices.items():
        holding = ours.holdings[symbol]
        open_profit = holding.quantity * Fraction(price) - holding.cost if holding.lots else None
        compared.hold(
            f"{where}: unrealised of {symbol}", theirs["positions"].get(symbol), open_profit
        )
        compared.hold(f"{where}: realised of {symbol}", theirs["earned"][symbol], holding.realised)


@test_the_books_of_a_large_portfolio_are_exact.fails_when
def the_ledger_calculates_with_floats(engine: EngineUnderTest) -> None:
    """What a trade comes to is a float on its way into the books."""
    engine.edit(
        LEDGER,
        "amount = multiply(quantity, unit_price)",
        "amount = type(quantity)(repr(float(quantity) * float(unit_price)))",
    )


@test_the_books_of_a_large_portfolio_are_exact.fails_when
def a_position_is_left_out_of_the_valuation(engine: EngineUnderTest) -> None:
    """The last position is forgotten when everything is added up."""
    engine.edit(
        "rustybt/accounting/portfolio.py",
        "for symbol, position in positions.items():",
        "for symbol, position in list(positions.items())[:-1]:",
    )


@test_the_books_of_a_large_portfolio_are_exact.fails_when
def the_rest_of_a_position_costs_an_average_of_cents(engine: EngineUnderTest) -> None:
    """What is left of a position costs its quantity at the average price, in whole cents."""
    engine.edit(
        "rustybt/accounting/lots.py",
        "return divide(multiply(self.basis, self.quantity), self.per)",
        "return multiply(round(divide(self.basis, self.per), 2), self.quantity)",
    )


@ready.performance("4.3.5")
def test_a_backtest_of_a_large_portfolio_is_exact(
    engine: EngineUnderTest, evidence: Evidence
) -> None:
    """A strategy opens, holds and closes many positions: worth and cash agree at every bar."""
    chance = random.Random(4350)  # noqa: S311 - the same every time, on purpose
    bars = {f"S{number:03}": _bars(chance) for number in range(POSITIONS)}
    orders = {symbol: _in_and_out(chance) for symbol in bars}
    trading = Trading(orders=orders, cash="50000000", commission="3")
    told = {symbol: {str(n): _said(q) for n, q in each.items()} for symbol, each in orders.items()}
    run = {"bars": bars, "told": told, "cash": trading.cash, "commission": trading.commission}
    (seen,) = engine.run("backtest", runs=[run])
    ours, compared = Account(bars, trading), Comparison()
    for number, expected in enumerate(ours.equity):
        compared.hold(f"value after bar {number}", seen["equity"][number], expected)
    for name, figure in (("cash", ours.cash), ("fees", ours.fees)):
        compared.hold(name, seen[name], figure)
    compared.hold("profit", seen["profit"], ours.equity[-1] - ours.start)
    evidence.record("fills", len(seen["fills"]))
    evidence.expect("positions at the end", {}, observed=seen["positions"])
    evidence.meets("positions", observed=len({fill[1] for fill in seen["fills"]}))
    evidence.expect("first figure that differs", "none", observed=compared.first)
    evidence.meets("difference", observed=compared.difference)


def _bars(chance: random.Random) -> list[list[str]]:
    """Return eight days of a random walk in cents."""
    rows, price = [], chance.randint(500, 50_000)
    for number in range(8):
        opened, price = price, max(100, price + chance.randint(-90, 95))
        extremes = (max(opened, price) + 7, min(opened, price) - 7)
        prices = [f"{Decimal(cents) / 100}" for cents in (opened, *extremes, price)]
        rows.append([(MIDNIGHT + timedelta(days=number)).isoformat(), *prices, "5000000"])
    return rows


def _in_and_out(chance: random.Random) -> dict[int, str]:
    """Return an order that opens a position and one, some days later, that closes it."""
    quantity = Decimal(chance.randint(1, 90_000)) / 1000
    opening, closing = (quantity, -quantity) if chance.random() < 0.6 else (-quantity, quantity)
    return {chance.randint(0, 2): str(opening), chance.randint(4, 6): str(closing)}


def _said(quantity: str) -> list[str]:
    return ["sell", quantity[1:]] if quantity.startswith("-") else ["buy", quantity]


@test_a_backtest_of_a_large_portfolio_is_exact.fails_when
def the_account_calculates_with_floats(engine: EngineUnderTest) -> None:
    """Cash is a float on its way through the account."""
    engine.edit(
        "rustybt/engine/account.py",
        "        self.positions[symbol] = add(self.positions[symbol], quantity)\n",
        "        self.cash = cash = type(cash)(repr(float(cash)))\n"
        "        self.positions[symbol] = add(self.positions[symbol], quantity)\n",
    )


@test_a_backtest_of_a_large_portfolio_is_exact.fails_when
def only_a_hundred_positions_are_valued(engine: EngineUnderTest) -> None:
    """Equity is that of the first hundred positions."""
    engine.edit(
        "rustybt/engine/result.py",
        "for symbol, units in held.items():",
        "for symbol, units in list(held.items())[:100]:",
    )
