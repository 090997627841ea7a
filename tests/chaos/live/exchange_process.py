"""A practice exchange in a process of its own, whose trades are stamped with the present time.

Run by path with JSON: the seed of the market and how many bars it has. It says how to get in, in a
line of JSON, and serves until it is killed. Bars are shown by the admin endpoint's ``step``.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rustybt.exchange.serving import running_exchange
from rustybt.execution import BasisPointCommission, FillPolicy, MatchingRules
from rustybt.model.bar import Bar

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SYMBOLS = ("ELM/USDT", "OAK/USDT")
CENT = Decimal("0.01")


def market(seed: int, count: int) -> list[Bar]:
    """Return minutes of a market that wanders by chance."""
    chance = random.Random(seed)  # noqa: S311 - repeatable chance, no secret
    bars, prices = [], dict.fromkeys(SYMBOLS, Decimal(100))
    for number in range(count):
        start = START + number * MINUTE
        for symbol, before in prices.items():
            close = max(before + chance.randint(-60, 60) * CENT, Decimal(50))
            high, low = max(before, close) + 20 * CENT, min(before, close) - 20 * CENT
            volume = Decimal(1000)
            bars.append(Bar(symbol, start, start + MINUTE, before, high, low, close, volume))
            prices[symbol] = close
    return bars


async def serve(seed: int, bars: int) -> None:
    """Serve until somebody ends the process."""
    rules = MatchingRules(
        policy=FillPolicy.SAME_CLOSE, commission=BasisPointCommission(Decimal("7.5"))
    )
    async with running_exchange(
        bars=market(seed, bars), rules=rules, stamp="clock", history=5
    ) as exchange:
        said = {
            "url": exchange.url,
            "key": exchange.api_key,
            "secret": exchange.secret,
            "token": exchange.token,
            "account": exchange.account,
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.argv[1])))
