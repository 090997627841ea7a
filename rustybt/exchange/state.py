"""Everything that the practice exchange knows, as one plain value that can be written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.records import Balance, FeeIn, OrderRecord, TradeRecord, Trading
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument

if TYPE_CHECKING:
    from collections.abc import Iterator


class Counter:
    """Ids that count up from 1; *last* is the one handed out last."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last += 1
        return str(self.last)


class AccountState(Struct, kw_only=True):
    """What one account has and did, orders and trades in the order in which they came."""

    fee_in: FeeIn = FeeIn.QUOTE
    balances: dict[str, Balance] = {}
    orders: list[OrderRecord] = []
    trades: list[TradeRecord] = []


class TapeState(Struct, kw_only=True):
    """The bars of a symbol that were shown and are kept, and how many were shown in all."""

    shown: int = 0
    bars: list[Bar] = []


class VenueState(Struct, kw_only=True):
    """The whole venue."""

    instruments: list[Instrument]
    trading: dict[str, Trading] = {}
    tapes: dict[str, TapeState] = {}
    accounts: dict[str, AccountState] = {}
    last_order_id: int = 0
    last_trade_id: int = 0


_encode = msgspec.json.Encoder(decimal_format="string", order="deterministic").encode
_decode = msgspec.json.Decoder(VenueState).decode


def dumped(state: VenueState) -> bytes:
    """Return *state* as JSON: the same bytes for the same state."""
    return _encode(state)


def loaded(data: bytes) -> VenueState:
    """Return the state in *data*; raise :class:`ExchangeError` if it is none."""
    try:
        return _decode(data)
    except msgspec.MsgspecError as error:
        raise ExchangeError(f"this is no state of a practice exchange: {error}") from None
