"""What the practice exchange keeps in a file, so that it goes on where it was.

Whatever a request changed is in the file before it is answered; a killed process loses nothing
that was acknowledged (a power failure may lose the last moments: this is for practice).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.records import Balance, FeeIn, OrderRecord, TradeRecord, Trading
from rustybt.exchange.signing import ApiKey
from rustybt.exchange.state import AccountState, TapeState, VenueState
from rustybt.malformed import MALFORMED
from rustybt.model.instrument import Instrument

if TYPE_CHECKING:

    from rustybt.exchange.records import Report
    from rustybt.exchange.venue import PracticeVenue
    from rustybt.model.bar import Bar

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS venue (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tapes (symbol TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS balances (account TEXT, asset TEXT, free TEXT NOT NULL,
    locked TEXT NOT NULL, PRIMARY KEY (account, asset)) STRICT;
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS trades (id INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""
_WAIT: Final = 5.0


class _About(Struct, kw_only=True):
    """What is known of the venue besides orders, trades, balances and bars."""

    instruments: list[Instrument]
    trading: dict[str, Trading]
    fee_in: dict[str, FeeIn]


_encode = msgspec.json.Encoder(decimal_format="string").encode


class Store:
    """A SQLite file with the state of a venue; it is told of changes and keeps them at once.

    Who else writes to the file is waited for, at most *wait* seconds.
    Raise :class:`ExchangeError` if the file cannot be used or belongs to something else.
    """

    def __init__(self, path: Path | str, *, wait: float = _WAIT) -> None:
        self._path = path
        try:
            if isinstance(path, Path):
                path.touch(mode=0o600)  # the key is in it
            self._database = sqlite3.connect(
                path, timeout=wait, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None
        self._orders: dict[int, OrderRecord] = {}
        self._trades: dict[int, TradeRecord] = {}
        self._balances: dict[tuple[str, str], Balance] = {}
        self._bars: dict[str, Bar] = {}
        self._is_changed = False
        self._last_ids = (0, 0)

    def _unusable(self, error: Exception) -> ExchangeError:
        return ExchangeError(
            f"the state in {self._path} cannot be used: {error}",
            remedy="name a file that a practice exchange wrote, or a new one",
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def load(self) -> VenueState | None:
        """Return the state in the file, ``None`` for a new one. Each symbol has one bar at most."""
        try:
            row = self._database.execute("SELECT value FROM venue WHERE name = 'about'").fetchone()
            return None if row is None else self._read(msgspec.json.decode(row[0], type=_About))
        except (sqlite3.Error, *MALFORMED) as error:
            raise self._unusable(error) from None

    def _read(self, about: _About) -> VenueState:
        """Return the state that goes with *about*."""
        run = self._database.execute
        (last,) = run("SELECT value FROM venue WHERE name = 'last ids'").fetchone()
        last_order_id, last_trade_id = msgspec.json.decode(last, type=tuple[int, int])
        accounts = {name: AccountState(fee_in=fee) for name, fee in about.fee_in.items()}
        for account, asset, free, locked in run("SELECT * FROM balances ORDER BY 1, 2"):
            balance = msgspec.convert({"free": free, "locked": locked}, Balance)
            accounts[account].balances[asset] = balance
        for (value,) in run("SELECT value FROM orders ORDER BY id"):
            order = msgspec.json.decode(value, type=OrderRecord)
            accounts[order.account].orders.append(order)
        for (value,) in run("SELECT value FROM trades ORDER BY id"):
            trade = msgspec.json.decode(value, type=TradeRecord)
            accounts[trade.account].trades.append(trade)
        return VenueState(
            instruments=about.instruments,
            trading=about.trading,
            tapes={
                symbol: msgspec.json.decode(value, type=TapeState)
                for symbol, value in run("SELECT symbol, value FROM tapes ORDER BY symbol")
            },
            accounts=accounts,
            last_order_id=last_order_id,
            last_trade_id=last_trade_id,
        )

    def key(self, default: ApiKey) -> ApiKey:
        """Return the key that opens the account in this file: the first one that it was given."""
        run = self._database.execute
        run("INSERT OR IGNORE INTO venue VALUES ('key', ?)", (_encode(default),))
        (kept,) = run("SELECT value FROM venue WHERE name = 'key'").fetchone()
        return msgspec.json.decode(kept, type=ApiKey)

    # Changes

    def on_report(self, report: Report) -> None:
        """Note what happened to an order."""
        self._orders[report.order.order_id] = report.order
        if report.trade is not None:
            self._trades[report.trade.trade_id] = report.trade
        for asset, balance in report.balances.items():
            self._balances[report.account, asset] = balance

    def on_bar(self, bar: Bar) -> None:
        """Note how far the market came."""
        self._bars[bar.symbol] = bar

    def save(self, venue: PracticeVenue) -> None:
        """Write all of *venue*."""
        for account, kept in venue.accounts.items():
            self._orders.update(kept.orders)
            for asset, balance in kept.wallet.all().items():
                self._balances[account, asset] = balance
            for trades in kept.trades.values():
                self._trades.update({trade.trade_id: trade for trade in trades})
        self._bars.update({bar.symbol: bar for tape in venue.tapes.values() if (bar := tape.last)})
        self.changed()
        self.commit(venue)

    def changed(self) -> None:
        """Note that instruments, trading or fees changed."""
        self._is_changed = True

    def commit(self, venue: PracticeVenue) -> None:
        """Write what was noted, all of it or nothing."""
        last_ids = (venue.last_order_id, venue.last_trade_id)
        noted = (self._orders, self._trades, self._balances, self._bars)
        if not any(noted) and not self._is_changed and last_ids == self._last_ids:
            return
        run = self._database.execute
        try:
            run("BEGIN IMMEDIATE")
            with self._database:  # commits, or rolls back
                self._write(venue)
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        self._is_changed, self._last_ids = False, last_ids
        for each in noted:
            each.clear()

    def _write(self, venue: PracticeVenue) -> None:
        many = self._database.executemany
        many(
            "INSERT OR REPLACE INTO orders VALUES (?, ?)",
            ((number, _encode(order)) for number, order in self._orders.items()),
        )
        many(
            "INSERT OR REPLACE INTO trades VALUES (?, ?)",
            ((number, _encode(trade)) for number, trade in self._trades.items()),
        )
        many(
            "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?)",
            (
                (account, asset, f"{each.free}", f"{each.locked}")
                for (account, asset), each in self._balances.items()
            ),
        )
        many(
            "INSERT OR REPLACE INTO tapes VALUES (?, ?)",
            (
                (symbol, _encode(TapeState(shown=venue.tapes[symbol].shown, bars=[bar])))
                for symbol, bar in self._bars.items()
            ),
        )
        many(
            "INSERT OR REPLACE INTO venue VALUES ('last ids', ?)",
            [(_encode((venue.last_order_id, venue.last_trade_id)),)],
        )
        if self._is_changed:
            many("INSERT OR REPLACE INTO venue VALUES ('about', ?)", [(_encode(_about(venue)),)])


def _about(venue: PracticeVenue) -> _About:
    """Return what is known of *venue* besides orders, trades, balances and bars."""
    return _About(
        instruments=list(venue.instruments.values()),
        trading=venue.trading,
        fee_in={name: account.fee_in for name, account in venue.accounts.items()},
    )
