"""One trade of ours, as the venue reported it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from rustybt.model.checks import Problems
from rustybt.model.instrument import Side
from rustybt.model.money import ZERO


class Liquidity(StrEnum):
    """Whether our order rested in the book or took from it."""

    MAKER = "maker"
    TAKER = "taker"


class Fill(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One trade: *quantity* units at *price*.

    *trade_id* is the venue's, unique per symbol; it is what duplicates are known by. *fee* is what
    was charged, in *fee_currency* (``None``: the instrument's quote currency); a rebate is
    negative. Raise :class:`~rustybt.model.errors.InvalidValueError` naming all problems.
    """

    trade_id: str
    client_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time: datetime
    fee: Decimal = ZERO
    fee_currency: str | None = None
    liquidity: Liquidity | None = None
    venue_id: str | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        problems.text("trade_id", self.trade_id)
        problems.text("client_id", self.client_id)
        problems.text("symbol", self.symbol)
        problems.member("side", self.side, Side)
        problems.positive("quantity", self.quantity)
        problems.number("price", self.price)
        problems.time("time", self.time)
        problems.number("fee", self.fee)
        if self.fee_currency is not None:
            problems.text("fee_currency", self.fee_currency)
        if self.liquidity is not None:
            problems.member("liquidity", self.liquidity, Liquidity)
        problems.refuse("fill", self.trade_id)

    @property
    def signed_quantity(self) -> Decimal:
        """The change of the position: positive for a buy, negative for a sale."""
        return self.quantity if self.side is Side.BUY else self.quantity.copy_negate()

    def same_trade(self, other: Fill) -> bool:
        """Tell whether *other* reports the same trade.

        Reports of one trade over a stream and over REST may differ in time, fee and ids; what was
        bought or sold at which price may not.
        """
        return (
            self.symbol == other.symbol
            and self.side is other.side
            and self.quantity == other.quantity
            and self.price == other.price
        )
