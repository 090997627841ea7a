"""The instruments of a venue, from the digits that it writes itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from rustybt.adapters.venue.errors import VenueError
from rustybt.adapters.venue.exchange import close, failures, open_exchange
from rustybt.model.instrument import Instrument, InstrumentKind
from rustybt.model.money import decimal
from rustybt.security.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from rustybt.adapters.venue.exchange import Access

_DECIMAL_PLACES: Final = 2
_TICK_SIZE: Final = 4
_KINDS: Final = {
    "spot": InstrumentKind.SPOT,
    "swap": InstrumentKind.PERPETUAL,
    "future": InstrumentKind.FUTURE,
}


class Markets:
    """The instruments of a venue, by symbol, as it last told them.

    *instruments* are those that can be traded now; *known* ones may be halted or delisted, but
    their orders and trades can still be told of.
    """

    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.known: dict[str, Instrument] = {}

    def read(self, exchange: Any) -> tuple[list[Instrument], list[str]]:
        """Take over the markets that *exchange* (of ccxt) has loaded.

        Return what is new or changed, and the symbols that cannot be traded any more.
        """
        found: dict[str, Instrument] = {}
        for market in exchange.markets.values():
            if market.get("active") is not False and market["type"] in _KINDS:
                with contextlib.suppress(VenueError):
                    instrument = instrument_of(market, exchange.precisionMode)
                    found[instrument.symbol] = instrument
        changed = [each for each in found.values() if self.instruments.get(each.symbol) != each]
        gone = sorted(self.instruments.keys() - found.keys())
        self.instruments.clear()
        self.instruments.update(found)
        self.known.update(found)
        return changed, gone


async def read_instruments(
    access: Access, symbols: Sequence[str] | None = None
) -> dict[str, Instrument]:
    """Return the instruments *symbols* (``None``: all) of a venue, without signing anything.

    Raise :class:`~rustybt.adapters.venue.errors.VenueError` if the venue cannot be asked, and for
    *symbols* that it does not trade, or not as spot.
    """
    exchange = open_exchange(access, ())
    markets = Markets()
    try:
        await exchange.load_markets()
        markets.read(exchange)
    except failures() as error:
        said = Redactor(access.secrets()).text(" ".join(str(error).split()))[:300]
        raise VenueError(f"no markets of {access.name}: {type(error).__name__}: {said}") from None
    finally:
        await close(exchange)
    found = markets.instruments
    missing = [symbol for symbol in symbols or () if symbol not in found]
    if missing:
        raise VenueError(
            f"{access.name} does not trade {', '.join(missing)}",
            expected=f"some of its {len(found)} symbols, such as {', '.join(sorted(found)[:3])}",
        )
    if symbols is None:
        return found
    wanted = {symbol: found[symbol] for symbol in symbols}
    refuse_derivatives(wanted)
    return wanted


def refuse_derivatives(instruments: Mapping[str, Instrument]) -> None:
    """Raise for *instruments*, by symbol, whose positions could not be compared with the venue's.

    A snapshot of an account has its balances; what is held in contracts is in none of them.
    """
    contracts = [symbol for symbol, each in instruments.items() if each.kind != InstrumentKind.SPOT]
    if contracts:
        raise VenueError(
            f"{', '.join(contracts)}: contracts are not traded live, because their positions"
            " could not be reconciled with the venue's",
            expected="symbols of its spot markets, such as BTC/USDT",
            remedy="name other --symbol, or trade them in backtests and on paper",
        )


def instrument_of(market: Mapping[str, Any], mode: int) -> Instrument:
    """Return the instrument of a *market* of ccxt, whose precision is of *mode*.

    The filters that the venue wrote as text go before what ccxt made of them. Raise
    :class:`~rustybt.adapters.venue.errors.VenueError` for a market without a tick or a lot.
    """
    symbol = market["symbol"]
    filters = {each.get("filterType"): each for each in market["info"].get("filters") or ()}
    price, size = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
    limits, precision = market["limits"], market["precision"]
    tick = _text(price.get("tickSize")) or _step(precision.get("price"), mode)
    lot = _text(size.get("stepSize")) or _step(precision.get("amount"), mode)
    if tick is None or lot is None:
        raise VenueError(f"{symbol}: the venue does not say its tick or its lot")
    amounts, costs = limits.get("amount") or {}, limits.get("cost") or {}
    return Instrument(
        symbol=symbol,
        base=market["base"],
        quote=market["quote"],
        tick=tick,
        lot=lot,
        kind=_KINDS.get(market["type"], InstrumentKind.SPOT),
        multiplier=_text(market.get("contractSize")) or decimal(1),
        min_quantity=_text(size.get("minQty")) or _text(amounts.get("min")) or lot,
        max_quantity=_text(size.get("maxQty")) or _text(amounts.get("max")),
        min_notional=_text(notional.get("minNotional")) or _text(costs.get("min")) or decimal(0),
        max_notional=_text(notional.get("maxNotional")) or _text(costs.get("max")),
    )


def _step(value: object, mode: int) -> Decimal | None:
    """Return the step that ccxt's *value* stands for in *mode*."""
    if value is None:
        return None
    if mode == _TICK_SIZE:
        return _text(value)
    if mode == _DECIMAL_PLACES:
        return decimal(1).scaleb(-int(str(value).partition(".")[0]))
    return None  # significant digits: a grid that depends on the price is none


def _text(value: object) -> Decimal | None:
    """Return *value* as the number that it is written as; ``None`` for none, and for 0."""
    if value is None:
        return None
    found = decimal(repr(value) if isinstance(value, float) else str(value))
    return found or None
