"""``practice-exchange``: a venue on this machine to trade against, with the faults of real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json as json_
import re
import signal
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rustybt.cli.options import JsonOption, wall_clock
from rustybt.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rustybt.exchange.serving import Exchange
    from rustybt.execution.rules import MatchingRules
    from rustybt.model.bar import Bar

_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?)x")

DataOption = Annotated[
    Path | None, typer.Option(help="A CSV or Parquet file of bars [the practice bars].")
]
PairsOption = Annotated[
    str | None, typer.Option(help="Pairs, separated by commas [ELM/USDT,OAK/USDT; or the file's].")
]
SpeedOption = Annotated[
    str | None,
    typer.Option(help="60x shows an hour in a minute, step waits to be told [a bar a second]."),
]
BalanceOption = Annotated[
    list[str] | None, typer.Option(help="What the account has: USDT=100000; may be repeated.")
]
PolicyOption = Annotated[
    str, typer.Option(help="When orders trade: same_close (at once), next_open or intrabar.")
]


def practice_exchange(
    *,
    data: DataOption = None,
    symbols: PairsOption = None,
    speed: SpeedOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 0,
    state: Annotated[Path | None, typer.Option(help="Keep accounts and orders here.")] = None,
    balance: BalanceOption = None,
    fee_bps: Annotated[str, typer.Option(help="Fee in hundredths of a per cent.")] = "10",
    fee_in: Annotated[
        str, typer.Option(help="What fees are taken in: quote or received.")
    ] = "quote",
    policy: PolicyOption = "same_close",
    history: Annotated[int, typer.Option(min=0, help="Bars shown before the start.")] = 30,
    limits: Annotated[
        bool, typer.Option("--limits", help="Limit requests like the real one.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run a practice exchange on this machine until Ctrl-C: the Binance spot dialect, for free."""
    from rustybt.exchange.limits import USUAL_LIMITS
    from rustybt.exchange.records import FeeIn
    from rustybt.exchange.serving import running_exchange
    from rustybt.files import expanded

    bars = _bars(data, symbols)
    pace = _pace(speed, bars)
    exchange = running_exchange(
        bars=bars,
        history=history,
        balances=_balances(balance or ["USDT=100000"]),
        rules=_rules(fee_bps, policy),
        fee_in=FeeIn(_one_of(fee_in, list(FeeIn), "--fee-in")),
        limits=USUAL_LIMITS if limits else None,
        state=None if state is None else expanded(state),
        port=port,
    )
    asyncio.run(_serve(exchange, pace, as_json=json))


def _pace(speed: str | None, bars: Sequence[Bar]) -> float | None:
    """Return how many seconds of the market go by in one of ours, ``None`` for step by step."""
    if speed is None:
        return (bars[0].end - bars[0].start).total_seconds()
    if speed == "step":
        return None
    found = _SPEED.fullmatch(speed)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{speed!r} is neither step nor like 60x", param_hint="--speed")
    return float(found[1])


def _bars(data: Path | None, symbols: str | None) -> list[Bar]:
    """Return the bars to replay."""
    from rustybt.data.practice import PRACTICE_SYMBOLS
    from rustybt.exchange.replay import file_bars, pair, practice_bars
    from rustybt.files import expanded

    names = [name.strip() for name in (symbols or "").split(",") if name.strip()]
    for name in names:
        pair(name)
    if data is not None:
        return file_bars(expanded(data), names)
    return practice_bars(wall_clock().date(), names or PRACTICE_SYMBOLS)


def _balances(texts: Sequence[str]) -> dict[str, Decimal]:
    """Return what the account has of each asset."""
    from rustybt.model.money import decimal

    found: dict[str, Decimal] = {}
    for text in texts:
        asset, _, amount = (part.strip() for part in text.partition("="))
        if not asset or not amount or asset in found:
            raise typer.BadParameter(
                f"{text!r} is not like USDT=100000, once an asset", param_hint="--balance"
            )
        found[asset] = decimal(amount, f"--balance {asset}")
        if found[asset] < 0:
            raise typer.BadParameter(f"{text!r} is below 0", param_hint="--balance")
    return found


def _rules(fee_bps: str, policy: str) -> MatchingRules:
    """Return the rules of the matching."""
    from rustybt.execution.costs import BasisPointCommission
    from rustybt.execution.rules import FillPolicy, MatchingRules
    from rustybt.model.money import decimal

    return MatchingRules(
        policy=FillPolicy(_one_of(policy, list(FillPolicy), "--policy")),
        commission=BasisPointCommission(decimal(fee_bps, "--fee-bps")),
    )


def _one_of(text: str, words: Sequence[str], option: str) -> str:
    """Return *text* if it is one of *words*."""
    if text not in words:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}", param_hint=option)
    return text


async def _serve(
    running: contextlib.AbstractAsyncContextManager[Exchange],
    pace: float | None,
    *,
    as_json: bool,
) -> None:
    """Serve until somebody wants the end of it."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with running as exchange:
        _announce(exchange, as_json=as_json)
        if pace is not None:
            exchange.server.keep_running(asyncio.create_task(exchange.server.run_replay(pace)))
        await ended.wait()


def _announce(exchange: Exchange, *, as_json: bool) -> None:
    """Say where it is and how to get in. Its key opens nothing but practice accounts."""
    known = {
        "url": exchange.url,
        "ws_url": exchange.ws_url,
        "account": exchange.account,
        "key": exchange.api_key,
        "secret": exchange.secret,
        "token": exchange.token,
        "symbols": list(exchange.venue.instruments),
    }
    if as_json:
        say(json_.dumps(known))  # one line: who reads it waits for no end
        return
    say(f"Practice exchange at {exchange.url}  (open it in a browser to watch)")
    say(f"  symbols      {', '.join(exchange.venue.instruments)}")
    say(f"  API key      {exchange.api_key}")
    say(f"  secret       {exchange.secret}")
    say(f"  admin token  {exchange.token}  (header X-Practice-Token)")
    say("  with ccxt    from rustybt.exchange.serving import ccxt_config")
    say("               ccxt.binance(ccxt_config(url, key, secret))")
    say('  one bar      POST /practice/step {"bars": 1}')
    say("Ctrl-C ends it.")
