"""The venues a deployment can name, and the credentials each of them asks for.

Ids are those of ccxt; ``practice`` is the local practice exchange. A list of our own keeps ccxt,
which takes seconds to import, out of reading the settings.
"""

from __future__ import annotations

PRACTICE = "practice"

_CCXT_IDS = """
    alpaca apex ascendex aster backpack bequant bigone binance binancecoinm binanceus
    binanceusdm bingx bit2c bitbank bitbns bitfinex bitflyer bitget bithumb bitmart bitmex
    bitopro bitrue bitso bitstamp bitteam bittrade bitvavo blockchaincom blofin btcbox
    btcmarkets btcturk btse bullish bybit bydfi cex coinbase coinbaseexchange
    coinbaseinternational coincatch coincheck coinex coinmate coinmetro coinone coinsph coinspot
    cryptocom cryptomus deepcoin defx delta deribit derive digifinex dydx exmo fmfwio foxbit
    gate gateio gemini hashkey hibachi hitbtc hollaex htx huobi hyperliquid independentreserve
    indodax kraken krakenfutures kucoin kucoinfutures latoken lbank luno mercado mexc modetrade
    myokx ndax novadax oceanex okx okxus onetrading oxfun p2b paradex paymium phemex poloniex
    probit timex tokocrypto toobit upbit wavesexchange whitebit woo woofipro xt yobit zaif
    zebpay zonda
"""
VENUES = frozenset({PRACTICE, *_CCXT_IDS.split()})

KEY_AND_SECRET = ("api_key", "api_secret")
_WITH_PASSWORD = (*KEY_AND_SECRET, "password")
_WITH_UID = (*KEY_AND_SECRET, "uid")

_REQUIRED_FIELDS: dict[str, tuple[str, ...]] = {
    "apex": _WITH_PASSWORD,
    "bitget": _WITH_PASSWORD,
    "bitmart": _WITH_UID,
    "blofin": _WITH_PASSWORD,
    "cex": _WITH_UID,
    "coinbaseexchange": _WITH_PASSWORD,
    "coinbaseinternational": _WITH_PASSWORD,
    "coincatch": _WITH_PASSWORD,
    "coinmate": _WITH_UID,
    "deepcoin": _WITH_PASSWORD,
    "derive": ("private_key", "wallet_address"),
    "dydx": ("private_key",),
    "hyperliquid": ("private_key", "wallet_address"),
    "kucoin": _WITH_PASSWORD,
    "kucoinfutures": _WITH_PASSWORD,
    "myokx": _WITH_PASSWORD,
    "ndax": (*_WITH_UID, "login", "password"),
    "okx": _WITH_PASSWORD,
    "okxus": _WITH_PASSWORD,
    "paradex": ("private_key", "wallet_address"),
}


def required_fields(venue: str) -> tuple[str, ...]:
    """Return the credential fields that *venue* needs before it accepts an order."""
    return _REQUIRED_FIELDS.get(venue, KEY_AND_SECRET)
