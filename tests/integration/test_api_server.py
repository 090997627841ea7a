"""The HTTP interface on loopback, beside an engine that runs, and after its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rustybt.api.bodies import LARGEST_BODY
from rustybt.api.errors import ApiError
from rustybt.api.serving import listener, url_of
from rustybt.cli import run
from rustybt.deployment import create_home
from rustybt.model.bar import Bar
from rustybt.model.instrument import Instrument
from rustybt.settings import load_settings
from rustybt.strategy import Strategy
from rustybt.system import Session, paper_session
from rustybt.trading.settings import GuardSettings

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKEN = "a-token-of-thirty-two-characters-"
BTC = Instrument(
    symbol="BTC/USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.001")
)
HALT = {"operator": "ann", "reason": "a test"}


class Resting(Strategy):
    """Keeps a buy order far below the market, and buys one unit on the first bar."""

    def on_bar(self, bar: Any) -> None:
        """Order twice."""
        if not self.state:
            self.state["done"] = True
            self.buy(bar.symbol, 1)
            self.buy(bar.symbol, 1, limit="1")


class Answer:
    """What came back: the code, the headers, the text."""

    def __init__(self, code: int, headers: Any, text: str) -> None:
        self.code, self.headers, self.text = code, headers, text

    @property
    def json(self) -> Any:
        """The document in the text."""
        return json.loads(self.text)

    @property
    def figures(self) -> dict[str, float]:
        """The figures in the text, by name and labels."""
        lines = (line for line in self.text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def get(url: str, token: str | None = None, body: Any = None, **headers: str) -> Answer:
    """Ask a server; POST if there is a *body*."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - the same
            return Answer(reply.status, reply.headers, reply.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a deployment."""
    return create_home(tmp_path / "home", "dev", lambda: START).root


def bars(length: timedelta, *times: datetime) -> list[Bar]:
    """Return bars at 100, then at 101, and so on."""
    return [
        Bar("BTC/USDT", time, time + length, price, price, price, price, Decimal(10))
        for time, price in zip(times, map(Decimal, range(100, 200)), strict=False)
    ]


def session(home: Path, speed: float | None, length: timedelta, *times: datetime) -> Session:
    """Return a paper session that trades at once."""
    return paper_session(
        load_settings(home, {}),
        Resting(),
        source=b"",
        bars=bars(length, *times),
        instruments={"BTC/USDT": BTC},
        cash={"USDT": Decimal(10_000)},
        speed=speed,
        guard=GuardSettings(),
        reconcile_every=timedelta(days=1),
    )


def traded(home: Path) -> None:
    """Let a session trade on three bars, to its end."""
    wired = session(home, None, MINUTE, START, START + MINUTE, START + 2 * MINUTE)
    try:
        assert wired.run(enabled_by="test", reason="a test").code == 0
    finally:
        wired.close()


def clock() -> datetime:
    """Return a time shortly after the bars."""
    return START + 5 * MINUTE


def slow(home: Path) -> Session:
    """Return a session that does not end by itself.

    It is so slow that the feed is fresh for an hour after bars of a tenth of a second.
    """
    endless = START + timedelta(days=36_500)  # nobody will live to see it
    length = timedelta(milliseconds=1)
    return session(home, 0.01, length, START, START + length, endless)


def test_what_a_session_left_is_told_exactly(home: Path, serve: Any) -> None:
    """Money, positions, orders and figures are those of the journal; amounts are exact text."""
    traded(home)
    with serve(home, clock) as url:
        status, metrics = get(f"{url}/status").json, get(f"{url}/metrics")
        health = get(f"{url}/health")
    assert (status["engine"], status["mode"], status["clock"]) == (
        "not running",
        "paper",
        "simulated",
    )
    assert [Decimal(status[name]) for name in ("equity", "daily_pnl")] == [10_001, 1]
    assert isinstance(status["equity"], str)
    assert Decimal(status["cash"]["USDT"]) == 9899
    held = status["positions"]["BTC/USDT"]
    assert [Decimal(held[name]) for name in ("quantity", "average_price", "price")] == [1, 101, 102]
    assert status["orders"] == []
    figures = metrics.figures
    assert metrics.headers["Content-Type"].startswith("text/plain; version=")
    assert figures['rustybt_portfolio_value{currency="USDT"}'] == 10_001
    assert figures['rustybt_daily_pnl{currency="USDT"}'] == 1
    assert (figures["rustybt_positions"], figures["rustybt_open_orders"]) == (1, 0)
    assert (figures["rustybt_breaker_tripped"], figures["rustybt_engine_running"]) == (0, 0)
    assert figures['rustybt_requests_total{request="submit"}'] == 2
    assert figures['rustybt_requests_total{request="cancel"}'] == 1
    assert figures["rustybt_order_latency_seconds_count"] == 2
    assert figures['rustybt_order_latency_seconds_bucket{le="+Inf"}'] == 2
    assert figures["rustybt_error_rate"] == 0
    assert "rustybt_journal_lag_seconds" not in figures
    assert health.code == 503
    assert health.json["components"]["engine"] == {"ok": False, "state": "not running"}
    assert health.json["components"]["journal"] == {"ok": True, "state": "written"}


def test_a_running_engine_is_healthy_until_it_is_halted(
    home: Path, serve: Any, while_it_runs: Any
) -> None:
    """200 while all is well; whoever has the token halts it, and then it is 503."""

    def look() -> list[Answer]:
        with serve(home, clock, API_AUTH_TOKEN=TOKEN) as url:
            well, status = get(f"{url}/health"), get(f"{url}/status", TOKEN)
            metrics = get(f"{url}/metrics", TOKEN)
            denied = get(f"{url}/halt", "x" * 33, HALT)
            halted = get(f"{url}/halt", TOKEN, HALT)
            while not (after := get(f"{url}/status", TOKEN)).json["breaker"]["tripped"]:
                pass
            return [well, status, metrics, denied, halted, after, get(f"{url}/health")]

    well, status, metrics, denied, halted, after, ill = while_it_runs(slow(home), look)
    assert (well.code, well.json["status"]) == (200, "ok")
    assert well.json["components"]["engine"]["state"] == "trading"
    assert (status.json["engine"], status.json["clock"]) == ("running", "scaled")
    assert [(each["symbol"], each["price"]) for each in status.json["orders"]] == [
        ("BTC/USDT", "1.00")
    ]
    assert metrics.figures["rustybt_engine_running"] == 1
    assert metrics.figures["rustybt_journal_lag_seconds"] == 0
    assert metrics.figures['rustybt_component_up{component="feed"}'] == 1
    assert denied.code == 401
    assert halted.json == {"accepted": "halt", **HALT}
    assert "ann" in after.json["breaker"]["cause"]
    assert ill.code == 503
    assert ill.json["components"]["breaker"] == {"ok": False, "state": "tripped"}


def test_with_a_token_only_its_bearer_is_answered(home: Path, serve: Any) -> None:
    """All but health and the page need the token, which is in no answer."""
    with serve(home, clock, API_AUTH_TOKEN=TOKEN) as url:
        for path in ("/status", "/metrics", "/readiness"):
            for token in (None, "", TOKEN[:-1], f"{TOKEN}x", "caf\u00e9"):
                answer = get(f"{url}{path}", token)
                assert answer.code == 401
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert TOKEN not in answer.text
        basic = {"Authorization": f"Basic {TOKEN}"}
        assert get(f"{url}/status", **basic).code == 401
        assert get(f"{url}/status", TOKEN).code == 200
        assert get(f"{url}/health").code == 503


def test_without_a_token_no_web_page_gets_in_and_nobody_halts(home: Path, serve: Any) -> None:
    """A request that names another host is refused, and halting takes a token."""
    with serve(home, clock) as url:
        assert get(f"{url}/status", Host="evil.example").code == 403
        assert get(f"{url}/status", Host="localhost").code == 200
        for odd in (
            "",
            "[",
            "[::1",
            "a:b:c",
            "127.0.0.1@evil.example",
            "me@127.0.0.1",
            "localhost:0",
        ):
            assert get(f"{url}/status", Host=odd).code in (400, 403), odd
        answer = get(f"{url}/halt", body=HALT)
    assert answer.code == 403
    assert "API_AUTH_TOKEN" in answer.json["detail"]


def test_halting_needs_an_engine_a_name_and_a_reason(home: Path, serve: Any) -> None:
    """409 where none runs, 422 for what is no request, without repeating it."""
    with serve(home, clock, API_AUTH_TOKEN=TOKEN) as url:
        assert get(f"{url}/halt", TOKEN, HALT).code == 409
        for wrong in (
            {},
            {**HALT, "reason": " "},
            {**HALT, "more": "canary"},
            [1],
            {**HALT, "operator": 7},
        ):
            answer = get(f"{url}/halt", TOKEN, wrong)
            assert (answer.code, "canary" in answer.text) == (422, False)


def test_the_last_verdict_of_the_home_is_told(home: Path, serve: Any) -> None:
    """404 without one, 500 for a file that is none, else what the record says."""
    record = home / "readiness" / "readiness.json"
    said = {
        "status": "not_ready",
        "scope_status": "not_ready",
        "stage": "staging",
        "at": "2026-03-02T00:00:00Z",
        "valid_until": None,
        "counts": {"met": 3},
    }
    with serve(home, clock) as url:
        assert get(f"{url}/readiness").code == 404
        for broken in (
            b"{",
            b"[]",
            b'{"verdict": 1}',
            b'{"verdict": {}, "digest": "x"}',
            b'{"\xff',
        ):
            record.write_bytes(broken)
            assert get(f"{url}/readiness").code == 500
        record.write_text(json.dumps({"verdict": {**said, "items": []}, "digest": "abc"}), "utf-8")
        assert get(f"{url}/readiness").json == {**said, "digest": "abc"}


def test_no_journal_and_a_broken_one_are_told(home: Path, serve: Any) -> None:
    """The interface answers, says that nothing can be read, and invents no figure."""
    with serve(home, clock) as url:
        status, figures = get(f"{url}/status").json, get(f"{url}/metrics").figures
        assert get(f"{url}/health").json["components"]["journal"]["ok"] is False
        traded(home)
        assert get(f"{url}/status").json["problem"] == ""
        for each in (home / "state").glob("rustybt.db*"):
            each.write_bytes(b"no database")
        assert get(f"{url}/health").json["components"]["journal"]["state"] == "unreadable"
    assert status["problem"]
    assert figures["rustybt_journal_readable"] == 0
    assert not any(name.startswith("rustybt_portfolio_value") for name in figures)


def test_only_loopback_is_served_without_a_token(home: Path) -> None:
    """Listening elsewhere is refused before a port is opened; so is a port that is taken."""
    settings = load_settings(home, {"API_ENABLED": "true"})
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.com"):  # noqa: S104 - refused
        with pytest.raises(ApiError, match="API_AUTH_TOKEN"):
            listener(settings, host, 0)
    with listener(settings, "127.0.0.1", 0) as taken, pytest.raises(ApiError, match="API_PORT"):
        listener(settings, "127.0.0.1", taken.getsockname()[1])
    guarded = load_settings(home, {"API_ENABLED": "true", "API_AUTH_TOKEN": TOKEN})
    with listener(guarded, "0.0.0.0", 0) as listening:  # noqa: S104 - it has a token
        assert url_of(listening).startswith("http://0.0.0.0:")


def test_the_command_serves_until_it_is_interrupted(home: Path) -> None:
    """It says where it listens, answers there, and ends in good order."""
    command = [sys.executable, "-m", "rustybt", "serve-api", "--home", str(home), "--port", "0"]
    environ = {**os.environ, "API_ENABLED": "true"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("listening at ").strip()
        answer = get(f"{url}/health")
        process.send_signal(signal.SIGINT)
    assert answer.code == 503
    assert process.returncode in (0, -signal.SIGINT, 130)


def test_the_command_refuses_what_is_off_or_open(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API is off unless the deployment says so, and needs a token beyond this machine."""
    assert run(["serve-api", "--home", str(home)]) == 1
    assert "API_ENABLED" in capsys.readouterr().err
    monkeypatch.setenv("API_ENABLED", "true")
    assert run(["serve-api", "--home", str(home), "--host", "0.0.0.0"]) == 1  # noqa: S104 - refused
    assert "API_AUTH_TOKEN" in capsys.readouterr().err


def test_another_journal_in_the_place_of_the_old_one_is_read_anew(home: Path, serve: Any) -> None:
    """What a restored home says counts, not what was read before."""
    traded(home)
    with serve(home, clock) as url:
        first = get(f"{url}/status").json
        again = get(f"{url}/metrics").figures
        for each in (home / "state").iterdir():
            each.unlink()
        traded(home)
        other, figures = get(f"{url}/status").json, get(f"{url}/metrics").figures
    assert (other["session"], other["problem"]) == (1, first["problem"])
    assert figures == again


def test_an_engine_that_hangs_is_silent(home: Path, serve: Any) -> None:
    """It listens, and what it says is no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        folder = os.open(home / "state", os.O_RDONLY | os.O_DIRECTORY)
        try:
            hanging.bind(f"/proc/self/fd/{folder}/control.sock")
        finally:
            os.close(folder)
        hanging.listen()
        with serve(home, clock, API_AUTH_TOKEN=TOKEN) as url:
            engine = get(f"{url}/health").json["components"]["engine"]
    assert engine == {"ok": False, "state": "silent"}


def test_a_large_body_is_refused_before_it_is_gathered(home: Path, serve: Any) -> None:
    """Also one that comes in parts and does not say how long it is, whoever sends it."""
    with serve(home, lambda: START, API_AUTH_TOKEN=TOKEN) as url:
        assert get(f"{url}/halt", None, "x" * LARGEST_BODY).code == 413
        place = url.removeprefix("http://")
        with contextlib.closing(http.client.HTTPConnection(place, timeout=60)) as talk:
            parts = (b"x" * LARGEST_BODY for _ in range(2))
            talk.request("POST", "/halt", parts, encode_chunked=True)
            assert talk.getresponse().status == 413
        assert get(f"{url}/halt", None, {}).code in (401, 422)
