"""The practice exchange from the command line: what it prints, keeps and refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from rustybt.cli import run
from rustybt.exchange.errors import ExchangeError
from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.serving import ExchangeProcess, practice_process
from rustybt.exchange.signing import sign

BARS = """timestamp,symbol,open,high,low,close,volume
2026-01-05T00:00:00Z,BTC/USDT,100,110,90,105.125,7
2026-01-05T00:01:00Z,BTC/USDT,105.125,120,100,110,7
2026-01-05T00:02:00Z,BTC/USDT,110,120,80,115,7
"""


def ask(exchange: ExchangeProcess, method: str, endpoint: str, **params: str) -> object:
    """Return what the exchange answers to a signed request."""
    query = urlencode({**params, "timestamp": str(time.time_ns() // 1_000_000)})
    signed = f"{query}&signature={sign(exchange.secret, query)}"
    request = Request(  # noqa: S310 - our own server on loopback
        f"{exchange.url}/api/v3/{endpoint}?{signed}",
        method=method,
        headers={"X-MBX-APIKEY": exchange.api_key},
    )
    with urlopen(request) as reply:  # noqa: S310 - as above
        return json.loads(reply.read())


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    """After SIGKILL the same file brings back orders, trades, balances, and the market's place."""
    data, state = tmp_path / "bars.csv", tmp_path / "state.db"
    data.write_text(BARS)
    arguments = ("--data", str(data), "--speed", "step", "--history", "1", "--state", str(state))
    limit = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "1",
        "price": "90",
        "newClientOrderId": "kept",
    }
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    with practice_process(*arguments) as first:
        ask(first, "POST", "order", **market)
        ask(first, "POST", "order", **limit)
        assert first.step() == 1
        before = ask(first, "GET", "account")
        os.kill(first.pid, signal.SIGKILL)
    with practice_process(*arguments) as second:
        assert second.api_key == first.api_key
        after = ask(second, "GET", "account")
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert after["balances"] == before["balances"]
        order = ask(second, "GET", "order", symbol="BTCUSDT", origClientOrderId="kept")
        assert isinstance(order, dict)
        assert order["status"] == "NEW"
        candles = ask(second, "GET", "klines", symbol="BTCUSDT", interval="1m")
        assert isinstance(candles, list)
        assert [each[4] for each in candles] == ["105.125", "110.0"]
        assert second.admin("POST", "step") == {"shown": 1, "left": 0}
        order = ask(second, "GET", "order", symbol="BTCUSDT", origClientOrderId="kept")
        assert isinstance(order, dict)
        assert (order["status"], Decimal(str(order["executedQty"]))) == ("FILLED", Decimal(1))
        trades = ask(second, "GET", "myTrades", symbol="BTCUSDT")
        assert isinstance(trades, list)
        assert [(each["id"], each["isMaker"]) for each in trades] == [(1, False), (2, True)]


def test_it_says_how_to_get_in_and_ends_well_on_ctrl_c() -> None:
    """A person sees address, key and what to do; SIGINT is the normal end."""
    command = [sys.executable, "-m", "rustybt", "practice-exchange", "--symbols", "ELM/USDT"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    text = "".join(lines)
    assert "http://127.0.0.1:" in text
    assert "API key" in text
    assert "ELM/USDT" in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--speed", "fast"), 2, "neither step nor like 60x"),
        (("--speed", "0x"), 2, "neither step nor like 60x"),
        (("--balance", "USDT"), 2, "USDT=100000"),
        (("--balance", "USDT=-1"), 2, "below 0"),
        (("--balance", "USDT=many"), 1, "not a finite number"),
        (("--fee-in", "beads"), 2, "quote, received"),
        (("--policy", "never"), 2, "same_close"),
        (("--symbols", "ELM"), 1, "no pair"),
        (("--data", "nowhere.csv"), 1, "there is no file"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One clear message and an exit code, before anything is served."""
    assert run(["practice-exchange", *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    """It is left as it was, and the message names it; a helper hears the same words."""
    other = tmp_path / "notes.txt"
    other.write_text("these are my notes, not a database of anything" * 20)
    before = other.read_bytes()
    with (
        pytest.raises(ExchangeError, match="cannot be used"),
        practice_process("--state", str(other)),
    ):
        pass
    assert other.read_bytes() == before


def test_the_admin_endpoint_says_what_was_wrong() -> None:
    """Its refusals are errors with its words; other pairs are served; a port is taken once."""
    with practice_process(
        "--symbols", "BTC/USDT,ELM/USDT", "--speed", "step", "--limits"
    ) as exchange:
        assert exchange.ws_url.startswith("ws://127.0.0.1:")
        assert exchange.secret not in repr(exchange)
        with pytest.raises(ExchangeError, match="no fault number 3"):
            exchange.admin("DELETE", "faults/3")
        assert exchange.add_fault(Fault(kind=FaultKind.BAN, endpoint="account")) == 1
        with pytest.raises(HTTPError, match="418"):
            ask(exchange, "GET", "account")
        exchange.add_fault(Fault(kind=FaultKind.BAN, endpoint="account"))
        exchange.clear_faults()
        assert ask(exchange, "GET", "account")
        assert exchange.reset() == exchange.cut() == 0
        state = exchange.admin("GET", "state")
        assert [each["symbol"] for each in state["symbols"]] == ["BTC/USDT", "ELM/USDT"]
        port = exchange.url.rpartition(":")[2]
        with (
            pytest.raises(ExchangeError, match=r"did not start: .*cannot listen"),
            practice_process("--port", port),
        ):
            pass
