"""The engine: backtests, and what they are made of. It needs polars and numpy."""

from rustybt.engine.backtest import Backtest
from rustybt.engine.errors import ActionError, BacktestError, BarDataError, RateError
from rustybt.engine.margin import MarginPolicy
from rustybt.engine.result import Result
from rustybt.engine.terms import HoldingCosts

__all__ = [
    "ActionError",
    "Backtest",
    "BacktestError",
    "BarDataError",
    "HoldingCosts",
    "MarginPolicy",
    "RateError",
    "Result",
]
