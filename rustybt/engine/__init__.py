"""The engine: backtests, and what they are made of. It needs polars and numpy."""

from rustybt.engine.backtest import Backtest
from rustybt.engine.errors import BacktestError, BarDataError
from rustybt.engine.result import Result

__all__ = ["Backtest", "BacktestError", "BarDataError", "Result"]
