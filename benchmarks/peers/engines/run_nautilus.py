"""nautilus_trader: its low-level backtest engine with bars; orders trade at the signal's close."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from harness import Job, Outcome, measure


def load(job: Job) -> Any:
    """Return the engine with instruments, bars and the strategy."""
    import pandas as pd
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, RiskEngineConfig
    from nautilus_trader.indicators import SimpleMovingAverage
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
    from nautilus_trader.model.instruments import Equity
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.trading.strategy import Strategy

    spacing = "1-MINUTE" if job.step == 60 else "1-DAY"
    quantity = Quantity.from_int(job.quantity)

    class Crossover(Strategy):  # type: ignore[misc]  # the library says no types
        def on_start(self) -> None:
            self.known: dict[Any, list[Any]] = {}
            for kind in kinds:
                fast, slow = SimpleMovingAverage(job.fast), SimpleMovingAverage(job.slow)
                self.register_indicator_for_bars(kind, fast)
                self.register_indicator_for_bars(kind, slow)
                self.known[kind] = [fast, slow, 0, False]
                self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            known = self.known[bar.bar_type]
            fast, slow, before, held = known
            if not slow.initialized:
                return
            side = (fast.value > slow.value) - (fast.value < slow.value)
            known[2] = side
            if side * before == -1 and (side > 0) is not held:
                known[3] = not held
                order = self.order_factory.market(
                    bar.bar_type.instrument_id,
                    OrderSide.BUY if side > 0 else OrderSide.SELL,
                    quantity,
                )
                self.submit_order(order)

    # Its limits on the rate of orders would refuse some in silence.
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True), risk_engine=RiskEngineConfig(bypass=True)
        )
    )
    venue = Venue("SIM")
    engine.add_venue(
        venue=venue,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(job.cash, USD)],
    )
    index = pd.to_datetime(job.start + job.step * pd.RangeIndex(job.bars), unit="s", utc=True)
    kinds = []
    for number, symbol in enumerate(job.symbols):
        instrument = Equity(
            instrument_id=InstrumentId(Symbol(symbol), venue),
            raw_symbol=Symbol(symbol),
            currency=USD,
            price_precision=0,
            price_increment=Price.from_str("1"),
            lot_size=Quantity.from_int(1),
            ts_event=0,
            ts_init=0,
            maker_fee=Decimal(job.bps) / 10_000,
            taker_fee=Decimal(job.bps) / 10_000,
        )
        engine.add_instrument(instrument)
        kind = BarType.from_str(f"{instrument.id}-{spacing}-LAST-EXTERNAL")
        frame = pd.DataFrame(
            {
                name: job.column(number, name).astype(float)
                for name in ("open", "high", "low", "close", "volume")
            },
            index=index,
        )
        engine.add_data(BarDataWrangler(kind, instrument).process(frame))
        kinds.append(kind)
    engine.add_strategy(Crossover())
    return engine, venue, USD


def run(job: Job, native: Any) -> Outcome:
    """Run from its bars to cash and positions."""
    engine, venue, currency = native
    engine.run()
    cash = engine.cache.account_for_venue(venue).balance_total(currency).as_decimal()
    closes = {symbol: int(job.column(n, "close")[-1]) for n, symbol in enumerate(job.symbols)}
    for position in engine.cache.positions_open():
        held = position.signed_decimal_qty()
        cash += held * closes[position.instrument_id.symbol.value]
    fills = sum(order.is_closed for order in engine.cache.orders())
    return Outcome(str(cash), fills)


if __name__ == "__main__":
    measure(load, run, package="nautilus_trader")
