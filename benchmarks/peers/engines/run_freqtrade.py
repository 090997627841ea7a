"""freqtrade: its backtesting class on an exchange that is never asked; coins in place of shares.

What is open at the end is sold at the last open, and nothing is bought in the last bar.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Job, Outcome, crossings, measure

NAMES = ("open", "high", "low", "close", "volume")
STAKE = "USDT"


def load(job: Job) -> Any:
    """Return the backtest and the frames."""
    import pandas as pd
    from freqtrade.enums import RunMode
    from freqtrade.exchange import Binance
    from freqtrade.optimize.backtesting import Backtesting

    pairs = [f"{symbol}/{STAKE}" for symbol in job.symbols]
    config = _config(job, pairs, RunMode)
    exchange = Binance(config, validate=False)
    # Its list of markets would be asked for over the network.
    exchange._markets = {pair: _market(pair) for pair in pairs}  # noqa: SLF001 - no other way in
    strategies = job.folder / "strategies"
    strategies.mkdir(parents=True, exist_ok=True)
    (strategies / "crossover.py").write_text(_strategy(job), "utf-8")
    backtest = Backtesting(config, exchange)
    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s", utc=True)
    frames = {}
    for number, pair in enumerate(pairs):
        columns = {name: job.column(number, name).astype(float) for name in NAMES}
        crossed = crossings(job.column(number, "close"), job.fast, job.slow)
        frames[pair] = pd.DataFrame({"date": index, **columns, "crossed": crossed})
    return backtest, frames, index


def run(job: Job, native: Any) -> Outcome:
    """Run from the frames to the final balance."""
    backtest, frames, index = native
    strategy = backtest.strategylist[0]
    backtest._set_strategy(strategy)  # noqa: SLF001 - what its start() calls after reading files
    for frame in frames.values():
        close = frame["close"].to_numpy().astype(np.int64)
        frame["crossed"] = crossings(close, job.fast, job.slow)
    processed = strategy.advise_all_indicators(frames)
    found = backtest.backtest(
        processed=processed,
        start_date=index[0].to_pydatetime(),
        end_date=index[-1].to_pydatetime(),
    )
    return Outcome(float(found["final_balance"]), 2 * len(found["results"]))


def _strategy(job: Job) -> str:
    """Return the strategy's file; it is found by name in a folder."""
    spacing = "1m" if job.step == 60 else "1d"
    return f"""
from freqtrade.strategy import IStrategy


class Crossover(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "{spacing}"
    stoploss = -0.99
    minimal_roi = {{}}
    startup_candle_count = 0
    process_only_new_candles = True
    use_exit_signal = True
    order_types = {{
        "entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False
    }}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = (dataframe["crossed"] > 0).astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe["exit_long"] = (dataframe["crossed"] < 0).astype(int)
        return dataframe

    def custom_stake_amount(self, pair, current_time, current_rate, *arguments, **more):
        return {job.quantity} * current_rate
"""


def _config(job: Job, pairs: list[str], modes: Any) -> Any:
    """Return the settings of a backtest."""
    return {
        "runmode": modes.BACKTEST,
        "strategy": "Crossover",
        "strategy_path": str(job.folder / "strategies"),
        "user_data_dir": job.folder,
        "datadir": job.folder,
        "exportdirectory": job.folder,
        "stake_currency": STAKE,
        "stake_amount": "unlimited",
        "dry_run": True,
        "dry_run_wallet": job.cash,
        "tradable_balance_ratio": 1.0,
        "max_open_trades": len(pairs),
        "fee": job.fee_rate,
        "timeframe": "1m" if job.step == 60 else "1d",
        "trading_mode": "spot",
        "margin_mode": "",
        "exchange": {"name": "binance", "pair_whitelist": pairs, "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList", "allow_inactive": True}],
        "entry_pricing": {"price_side": "other", "use_order_book": False},
        "exit_pricing": {"price_side": "other", "use_order_book": False},
        "dataformat_ohlcv": "feather",
        "dataformat_trades": "feather",
        "internals": {},
        "export": "none",
    }


def _market(pair: str) -> dict[str, Any]:
    """Return an entry of the exchange's list of markets, with fine steps and no limits."""
    base, quote = pair.split("/")
    none = {"min": None, "max": None}
    return {
        "id": base + quote,
        "symbol": pair,
        "base": base,
        "quote": quote,
        "active": True,
        "spot": True,
        "swap": False,
        "future": False,
        "type": "spot",
        "contractSize": None,
        "precision": {"amount": 1e-8, "price": 1e-8},
        "limits": {"amount": none, "price": none, "cost": none, "leverage": none},
        "info": {},
    }


if __name__ == "__main__":
    measure(load, run, package="freqtrade")
