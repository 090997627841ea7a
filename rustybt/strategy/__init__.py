"""Users' strategies: the class they derive from, indicators, signals, and loading from files.

:mod:`rustybt.strategy.expressions` needs polars and is imported by its own name.
"""

from rustybt.strategy.bar import StrategyBar, instant
from rustybt.strategy.base import Number, Strategy
from rustybt.strategy.errors import StrategyError, StrategyFailedError, StrategyLoadError
from rustybt.strategy.indicators import (
    ATR,
    EMA,
    RSI,
    SMA,
    TOLERANCE,
    Band,
    Bollinger,
    Crossing,
    RollingMax,
    RollingMin,
    Wilder,
    compare,
)
from rustybt.strategy.loader import load_strategy
from rustybt.strategy.parameters import Parameter
from rustybt.strategy.signals import Signals, TargetKind
from rustybt.strategy.state import dump_state, load_state
from rustybt.strategy.ticket import Terms, Trader

__all__ = [
    "ATR",
    "EMA",
    "RSI",
    "SMA",
    "TOLERANCE",
    "Band",
    "Bollinger",
    "Crossing",
    "Number",
    "Parameter",
    "RollingMax",
    "RollingMin",
    "Signals",
    "Strategy",
    "StrategyBar",
    "StrategyError",
    "StrategyFailedError",
    "StrategyLoadError",
    "TargetKind",
    "Terms",
    "Trader",
    "Wilder",
    "compare",
    "dump_state",
    "instant",
    "load_state",
    "load_strategy",
]
