"""What a backtest found."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from rustybt.accounting.ledger import Ledger
from rustybt.accounting.performance import (
    equity_drawdown,
    exposure,
    exposure_time,
    returns_of,
    summarise,
)
from rustybt.accounting.trades import round_trips
from rustybt.engine import frames
from rustybt.engine.curve import equity_curve, periods_per_year
from rustybt.engine.fills import Fills
from rustybt.model.event import CashMoved
from rustybt.model.money import ZERO, add, divide, product, subtract, total
from rustybt.strategy.bar import instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from rustybt.accounting.performance import Drawdown, Performance
    from rustybt.accounting.trades import RoundTrip
    from rustybt.engine.curve import Curve
    from rustybt.engine.desk import Desk
    from rustybt.engine.margin import MarginCall
    from rustybt.engine.tape import Floats
    from rustybt.engine.wishes import Refusal
    from rustybt.model.event import BookEntry
    from rustybt.model.fill import Fill
    from rustybt.strategy.parameters import Parameter
    from rustybt.strategy.state import State

DEPOSIT = "initial deposit"


class Result:
    """The outcome of one backtest: exact money, and statistics in floats.

    *path* says how it was run (``callback`` or ``signals``), *notes* what was put right in the
    data, *state* what the strategy kept. What is costly is worked out when it is asked for.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        strategy: str,
        parameters: Mapping[str, Parameter],
        path: str,
        initial_cash: Decimal,
        state: State,
        periods: float | None = None,
    ) -> None:
        self._desk = desk
        self._tape = desk.tape
        self.strategy = strategy
        self.parameters = dict(parameters)
        self.path = path
        self.initial_cash = initial_cash
        self.currency = desk.account.instruments[0].quote
        self.state = state
        self.symbols = self._tape.symbols
        self.notes = (*self._tape.notes, *desk.notes)
        self.refusals: Sequence[Refusal] = tuple(desk.refusals)
        self.open_orders = desk.open_orders()
        self._periods = periods

    # Money, exact

    @cached_property
    def cash(self) -> Decimal:
        """Cash at the end. What contracts (futures, perpetuals) cost was not paid."""
        if any(instrument.is_margined for instrument in self._desk.account.instruments):
            return self.ledger.cash(self.currency)
        return self._desk.account.cash

    @cached_property
    def positions(self) -> dict[str, Decimal]:
        """Units held at the end, by symbol; flat ones are left out."""
        held = zip(self.symbols, self._desk.account.positions, strict=True)
        return {symbol: units for symbol, units in held if units}

    @cached_property
    def final_equity(self) -> Decimal:
        """Cash and the value of all positions at the last close of each symbol."""
        account = self._desk.account
        held = dict(enumerate(account.positions))
        return self._worth(account.cash, held, self._tape.height)

    @cached_property
    def fees(self) -> Decimal:
        """All fees paid."""
        log = self._desk.account.log
        if not log.entries:
            return total(log.fees)
        return total(fee for number, fee in enumerate(log.fees) if number not in log.entries)

    @cached_property
    def profit(self) -> Decimal:
        """What was earned, fees included."""
        return add(self.final_equity, self.initial_cash.copy_negate())

    @cached_property
    def fills(self) -> Fills:
        """All fills, in order."""
        return Fills(self._desk.account.log, self.symbols)

    @cached_property
    def facts(self) -> tuple[Fill | BookEntry, ...]:
        """All fills, dividends, splits and charges, in order."""
        return tuple(self._desk.account.log.facts(self.symbols))

    @cached_property
    def entries(self) -> tuple[BookEntry, ...]:
        """All dividends, splits and charges, in order."""
        return tuple(self._desk.account.log.entries.values())

    @property
    def margin_calls(self) -> tuple[MarginCall, ...]:
        """The margin calls that were acted on, in order."""
        holding = self._desk.holding
        return tuple(holding.margin.calls) if holding and holding.margin else ()

    @cached_property
    def ledger(self) -> Ledger:
        """The books that all fills make."""
        ledger = Ledger(self._desk.account.instruments)
        ledger.book(
            CashMoved(
                time=self.start, entry_id=DEPOSIT, currency=self.currency, amount=self.initial_cash
            )
        )
        for fact in self.facts:
            ledger.record(fact)
        return ledger

    @cached_property
    def trades(self) -> tuple[RoundTrip, ...]:
        """Round trips from flat to flat, by closing time; open positions are not in it."""
        return tuple(round_trips(self.facts, self._desk.account.instruments))

    # Over time, in floats

    @cached_property
    def periods(self) -> float:
        """How many instants with bars make a year."""
        return self._periods or periods_per_year(self._tape.times)

    @property
    def start(self) -> datetime:
        """When the first bar began."""
        return instant(int(self._tape.times[0]))

    @property
    def end(self) -> datetime:
        """When the last bar was over."""
        return instant(int(self._tape.times[-1])) + self._tape.interval

    @property
    def bars(self) -> int:
        """How many bars there were, over all symbols."""
        return self._tape.height

    @cached_property
    def curve(self) -> Curve:
        """Equity, cash and gross exposure at the close of every instant with bars."""
        return equity_curve(self._tape, self._desk.account, float(self.initial_cash))

    @cached_property
    def returns(self) -> Floats:
        """Simple returns per instant with bars, the first from the initial cash."""
        return returns_of(np.concatenate(([float(self.initial_cash)], self.curve.equity)))

    @cached_property
    def ruined(self) -> datetime | None:
        """When equity first fell to or below zero; ``None`` if it never did."""
        down = np.flatnonzero(self.curve.equity <= 0)
        return instant(int(self._tape.times[down[0]])) if down.size else None

    @cached_property
    def drawdown(self) -> Drawdown | None:
        """The deepest drawdown of equity, points counted by slices from the first bar's close.

        Where it lies is found in floats, how deep it is worked out from the exact equity there.
        """
        found = None if self.ruined else equity_drawdown(self.curve.equity)
        if found is None:
            return None
        peak, trough = self.equity_at(found.peak), self.equity_at(found.trough)
        return replace(found, depth=float(divide(subtract(trough, peak), peak)))

    def equity_at(self, point: int) -> Decimal:
        """Return the exact equity at the close of the slice number *point*."""
        log = self._desk.account.log
        end = int(self._tape.slices[point + 1])
        count = bisect_left(log.rows, end)
        held: dict[int, Decimal] = {}
        for symbol, quantity in zip(log.symbols[:count], log.quantities, strict=False):
            held[symbol] = add(held.get(symbol, ZERO), quantity)
        return self._worth(log.cash[count - 1] if count else self.initial_cash, held, end)

    def _worth(self, cash: Decimal, held: Mapping[int, Decimal], end: int) -> Decimal:
        """Return *cash* and the value of what is *held* at the last closes before the row *end*."""
        tape, multipliers = self._tape, self._desk.account.multipliers
        for symbol, units in held.items():
            if units:
                cash = add(cash, product(units, tape.last(symbol, end), multipliers[symbol]))
        return cash

    @cached_property
    def performance(self) -> Performance | None:
        """All statistics; ``None`` if the account was ruined: ratios have no meaning then."""
        if self.ruined:
            return None
        profits = [trade.net for trade in self.trades]
        return summarise(self.returns, profits, periods=self.periods)

    # Tables, files, text

    @cached_property
    def equity_frame(self) -> pl.DataFrame:
        """``timestamp``, ``equity``, ``cash``, ``gross_exposure``, ``drawdown``."""
        return frames.equity_frame(self._tape.times, self.curve)

    @cached_property
    def fills_frame(self) -> pl.DataFrame:
        """One row per fill, numbers exact."""
        return frames.fills_frame(self._desk.account.log, self.symbols)

    @cached_property
    def trades_frame(self) -> pl.DataFrame:
        """One row per round trip, numbers exact."""
        return frames.trades_frame(self.trades)

    @cached_property
    def entries_frame(self) -> pl.DataFrame:
        """One row per dividend, split and charge: what it gave or took, exact."""
        return frames.entries_frame(self._desk.account.log, self.symbols)

    def to_parquet(self, folder: Path) -> tuple[Path, ...]:
        """Write ``fills``, ``trades`` and ``equity`` as Parquet into *folder*; return the files.

        The folder is made if need be; each file is whole or absent. Raise ``OSError`` if the disk
        refuses.
        """
        tables = {
            "fills": self.fills_frame,
            "trades": self.trades_frame,
            "equity": self.equity_frame,
        }
        if self.entries:
            tables["entries"] = self.entries_frame
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(
            frames.write_parquet(frame, folder / f"{name}.parquet")
            for name, frame in tables.items()
        )

    def to_html(self, path: Path) -> Path:
        """Write the tear sheet, one file without scripts or network, and return its path."""
        from rustybt.engine.tearsheet import tear_sheet
        from rustybt.files import write_atomic

        write_atomic(path, tear_sheet(self).encode(), mode=0o644)
        return path

    def summary(self) -> dict[str, object]:
        """Return the figures that matter, ready for JSON; exact ones as text."""
        performance = self.performance
        statistics = {} if performance is None else frames.as_dict(performance)
        statistics["max_drawdown"] = None if self.ruined else self._depth()
        return {
            "strategy": self.strategy,
            "parameters": {name: frames.plain(value) for name, value in self.parameters.items()},
            "path": self.path,
            "symbols": len(self.symbols),
            "bars": self.bars,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "currency": self.currency,
            "initial_cash": frames.digits(self.initial_cash),
            "final_equity": frames.digits(self.final_equity),
            "cash": frames.digits(self.cash),
            "profit": frames.digits(self.profit),
            "fees": frames.digits(self.fees),
            "fills": len(self._desk.account.log) - len(self.entries),
            "refused": len(self.refusals),
            "open_orders": len(self.open_orders),
            "positions": {symbol: frames.digits(units) for symbol, units in self.positions.items()},
            "periods_per_year": self.periods,
            "ruined": self.ruined and self.ruined.isoformat(),
            "exposure_time": exposure_time(self.curve.gross),
            "mean_exposure": exposure(self.curve.gross, self.curve.equity),
            **self._held(),
            **statistics,
            "notes": list(self.notes),
        }

    def _held(self) -> dict[str, object]:
        """Return what holding positions brought and cost, if the backtest looked after that."""
        if self._desk.holding is None:
            return {}
        account = self.ledger.account(self.currency)
        return {
            "income": frames.digits(account.income),
            "charges": frames.digits(account.charges),
            "margin_calls": len(self.margin_calls),
        }

    def _depth(self) -> float:
        """Return the depth of the deepest drawdown, 0 if there was none."""
        return 0.0 if self.drawdown is None else self.drawdown.depth
