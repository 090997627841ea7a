"""The engines that are compared: which release, by which script, and how each departs from ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from benchmarks.peers.reference import AS_ASKED, Rules

CENT: Final = Decimal("0.01")
"""What floats may be off by after all fills, in dollars; the accounts hold about a million."""
EXACT: Final = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An engine: *packages* to install, the *script* that drives it, how far it may be off.

    *rules* are the ones that it can follow, and *deviation* says in words where they are not the
    ones asked for, or what else to know about its figure. Without packages it is ours.
    """

    name: str
    title: str
    script: str
    packages: tuple[str, ...] = ()
    rules: Rules = field(default=AS_ASKED)
    tolerance: Decimal = CENT
    deviation: str

    @property
    def is_ours(self) -> bool:
        """Whether it is installed from this checkout."""
        return not self.packages


_ZIPLINE: Final = (
    "Its slippage models know closes only: one of ours gives the next open. Minutes without bars"
    " that fill up the last day are walked too; days are seen a session later, and one more session"
    " is walked for that. What is bought in the last bar counts at what was paid, not at the close."
)
_ZIPLINE_RULES: Final = Rules(last_buy_at_cost=True)

_PYARROW: Final = "pyarrow==26.0.1"  # what pandas reads Parquet with

CALLBACK, SIGNALS = "rustybt", "rustybt-signals"

PEERS: Final = (
    Peer(
        name=CALLBACK,
        title="RustyBT, callbacks",
        script="run_rustybt.py",
        tolerance=EXACT,
        deviation="None. Prices are in dollars, money is exact; the equity curve is included.",
    ),
    Peer(
        name=SIGNALS,
        title="RustyBT, signals",
        script="run_rustybt_signals.py",
        tolerance=EXACT,
        deviation="None. The targets are a Polars expression; the equity curve is included.",
    ),
    Peer(
        name="backtesting",
        title="backtesting.py",
        script="run_backtesting.py",
        packages=("backtesting==0.6.6", _PYARROW),
        deviation="Knows one symbol at a time: one run each, with its share of the cash.",
    ),
    Peer(
        name="vectorbt",
        title="vectorbt",
        script="run_vectorbt.py",
        packages=("vectorbt==1.2.0", _PYARROW),
        deviation="No events: signals and orders are arrays, orders stand in the next row at its"
        " open. The first run in a process compiles or loads functions, the warm one does not.",
    ),
    Peer(
        name="bt",
        title="bt",
        script="run_bt.py",
        packages=("bt==1.4.1", _PYARROW),
        rules=Rules(mark="open"),
        deviation="Trades and marks at one price per bar, here the open: the end counts at the"
        " last open. Signals are an array; only its walk and books are in Python.",
    ),
    Peer(
        name="backtrader",
        title="backtrader",
        script="run_backtrader.py",
        packages=("backtrader==1.9.78.123", "numpy==2.4.6", "pandas==2.3.3", _PYARROW),
        deviation="Its run copies the feeds into lines first, which cannot be told apart from it.",
    ),
    Peer(
        name="nautilus",
        title="nautilus_trader",
        script="run_nautilus.py",
        packages=("nautilus_trader==1.221.0", _PYARROW),
        rules=Rules(fill="close"),
        deviation="With bars a market order trades at once, at the close of the signal's bar."
        " Its limits on the rate of orders are off; they would refuse some in silence.",
    ),
    Peer(
        name="zipline",
        title="zipline-reloaded",
        script="run_zipline.py",
        packages=("zipline-reloaded==3.2.1", _PYARROW),
        rules=_ZIPLINE_RULES,
        deviation="Driven as its documentation has it: averages of data.history, asked for twice a"
        " bar (its example of two moving averages does so); the other engines' own indicators or"
        f" arrays are used, too. {_ZIPLINE}",
    ),
    Peer(
        name="zipline-own",
        title="zipline-reloaded, own averages",
        script="run_zipline_own.py",
        packages=("zipline-reloaded==3.2.1", _PYARROW),
        rules=_ZIPLINE_RULES,
        deviation="Driven faster than its documentation knows: the strategy keeps sums of the last"
        f" closes in numpy and asks the engine for nothing but the last close. {_ZIPLINE}",
    ),
    Peer(
        name="freqtrade",
        title="freqtrade",
        script="run_freqtrade.py",
        packages=("freqtrade==2026.9", _PYARROW),
        rules=Rules(mark="open", sells_at_end=True),
        deviation="What is open at the end is sold at the last open, and nothing is bought in the"
        " last bar. Orders are stakes, not quantities: a stake of ten times the price. Signals are"
        " an array.",
    ),
)
