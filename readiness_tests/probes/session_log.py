"""Run a whole session at a practice exchange with secrets in every slot; look at what it left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from readiness_tests.sinks import HttpSink
from rustybt.adapters.venue.exchange import Access
from rustybt.data.practice import PRACTICE_START
from rustybt.deployment import create_home, open_vault
from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.replay import practice_bars
from rustybt.exchange.serving import ACCOUNT
from rustybt.exchange.signing import ApiKey
from rustybt.exchange.store import Store
from rustybt.settings import Settings, load_settings
from rustybt.strategy import Strategy
from rustybt.system import live_session
from rustybt.system.logs import known_secrets, session_log
from rustybt.system.practice import PracticeThread, practising

SYMBOL = "ELM/USDT"
DAYS = 37
PAUSE_S = 0.05
REST_S = 0.3
SECONDS_OF_A_DAY = 86_400
ANSWER_S = 30.0
HOME = Path("home")
SIGNATURE = token_hex(32)
SIGNED = re.compile(rb"signature(?:=|%3D)[0-9A-Za-z]")
SLOTS = (
    *("the key of the account", "the secret of the account", "a key in the vault"),
    *("a secret in .env", "the token of the API", "the password of a channel"),
    "a nested value",
)
CANARIES = {slot: token_hex(20) for slot in SLOTS}


class Trader(Strategy):
    """Orders something at each of its first bars."""

    def on_start(self) -> None:
        """Begin to count."""
        self.seen = 0

    def on_bar(self, bar: Any) -> None:
        """Order."""
        self.seen += 1
        if self.seen <= 4:
            self.buy(bar.symbol, 1)


def main(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lines of the log, what else was printed, and where a secret was found.

    With *everywhere* alerts are sent, too, and the API is asked.
    """
    everywhere = arguments["everywhere"]
    settings_of = _made()
    with HttpSink() as sink:
        settings = settings_of(sink if everywhere else None)
        with _printing_to(Path("printed")):
            _run(settings)
            if everywhere:
                _say_much(settings)
        answers = dict(_answers(settings)) if everywhere else {}
        told = "\n".join([*sink.titles(), *sink.texts()]).encode()
    printed = Path("printed").read_bytes()
    logs = {path.name: path.read_bytes() for path in sorted(settings.log_dir.iterdir())}
    places = {"printed": printed, "alerts": told, **answers, **logs, **dict(_state())}
    text = b"".join(logs.values()).decode("utf-8", "replace")
    return {
        "lines": text.splitlines(),
        "printed": printed.decode("utf-8", "replace").splitlines(),
        "writers": sorted({type(session_log(settings, "s", _now).log).__module__}),
        "alerts": len(sink.texts()),
        "answers": {name: len(text) for name, text in answers.items()},
        "places": sorted(places),
        "leaks": list(_leaks(places, settings)),
    }


def _made() -> Any:
    """Make a deployment with secrets wherever one may be; return what reads its settings."""
    create_home(HOME, "dev", _now)
    vault = open_vault(load_settings(HOME, {}), _now)
    vault.put("kraken", "api_key", CANARIES["a key in the vault"])
    with (HOME / ".env").open("a", encoding="utf-8") as file:
        file.write(f"BITGET_API_SECRET={CANARIES['a secret in .env']}\n")
    token = CANARIES["the token of the API"]

    def settings_of(sink: HttpSink | None) -> Settings:
        environ = {"API_ENABLED": "true", "API_AUTH_TOKEN": token}
        if sink is None:
            return load_settings(HOME, environ)
        password = CANARIES["the password of a channel"]
        url = sink.url.replace("json://", f"json://user:{password}@")
        document = {
            "channels": {"sink": {"url": url, "contact": "sink"}},
            "rules": {"all": {"kinds": KINDS}},
        }
        (HOME / "config" / "alerts.yaml").write_text(json.dumps(document), "utf-8")
        return load_settings(HOME, environ)

    return settings_of


KINDS = ["rejection", "lost_order", "strategy_error", "breaker", "connection_lost", "discrepancy"]


def _run(settings: Settings) -> None:
    """Trade while some requests to the exchange fail."""
    account = Path("exchange.db")
    key = ApiKey(ACCOUNT, CANARIES["the key of the account"], CANARIES["the secret of the account"])
    store = Store(account)
    store.key(key)
    store.close()
    bars = practice_bars(PRACTICE_START + timedelta(days=DAYS), [SYMBOL])
    with practising(bars, state=account) as exchange:
        for fault in _faults():
            exchange.exchange.faults.add(fault)
        session = live_session(
            settings,
            Trader(),
            source=b"",
            access=Access("practice", "binance", exchange.exchange.ccxt_config()),
            symbols=[SYMBOL],
            interval=timedelta(days=1),
            mode="paper",
            reconcile_every=timedelta(seconds=0.3),
            query_after=timedelta(seconds=0.1),
            query_threshold=timedelta(seconds=0.3),
        )
        try:
            asyncio.run(_follow(session, exchange))
        finally:
            session.close()


def _faults() -> Iterator[Fault]:
    """Yield what goes wrong: refusals that quote what was sent, and lost answers."""
    quoted = f"bad: signature={SIGNATURE} key {CANARIES['the key of the account']}"
    order: dict[str, Any] = {"method": "POST", "endpoint": "order"}
    yield Fault(kind=FaultKind.ERROR, status=400, code=-1013, message=quoted, nth=2, **order)
    yield Fault(kind=FaultKind.DROP_REPLY, nth=3, **order)
    yield Fault(kind=FaultKind.DROP_REPLY, method="GET", endpoint="order")
    yield Fault(kind=FaultKind.DROP_REQUEST, method="GET", endpoint="openOrders", nth=2)
    yield Fault(kind=FaultKind.GARBAGE_REPLY, method="GET", endpoint="account", nth=3)


async def _follow(session: Any, exchange: PracticeThread) -> None:
    """Run the session over the bars of the exchange."""
    loop = asyncio.get_running_loop()

    def over() -> None:
        session.runner.operate("stop", "readiness", "the data ended")

    speed = SECONDS_OF_A_DAY / PAUSE_S
    exchange.replay(speed, lambda: loop.call_soon_threadsafe(loop.call_later, REST_S, over))
    await session.run_async(enabled_by="readiness", reason="a check")


def _say_much(settings: Settings) -> None:
    """Write into the log what some library might: secrets deep inside, a signed address raised."""
    log = session_log(settings, "deep", _now, known_secrets(settings, _now))
    known, named = CANARIES["a key in the vault"], CANARIES["a nested value"]
    log.say("info", "nested", deep=[{"a": ({"b": [f"x{known}y"]}, {"api_secret": named})}])
    try:
        raise OSError(f"GET https://venue/api?timestamp=1&signature={SIGNATURE}")
    except OSError as error:
        log.say("error", "failed", exc_info=error)
    log.close()


def _answers(settings: Settings) -> Iterator[tuple[str, bytes]]:
    """Yield what the API answers, by address."""
    from rustybt.api.serving import listener, make_server, url_of

    with listener(settings, "127.0.0.1", 0) as listening:
        server = make_server(settings, _now)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            for path in ("/health", "/status", "/metrics", "/openapi.json"):
                yield path, _asked(url_of(listening) + path)
        finally:
            server.should_exit = True
            thread.join()


def _asked(url: str) -> bytes:
    """Return an answer of whatever code."""
    headers = {"Authorization": f"Bearer {CANARIES['the token of the API']}"}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=ANSWER_S) as reply:  # noqa: S310 - as above
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return bytes(error.read())


def _state() -> Iterator[tuple[str, bytes]]:
    """Yield what lies in the folder of the journal, the vault and the keys apart."""
    for path in sorted((HOME / "state").rglob("*")):
        if path.is_file() and path.name != "vault.json" and "key" not in path.name:
            yield f"state/{path.relative_to(HOME / 'state')}", path.read_bytes()


def _leaks(places: Mapping[str, bytes], settings: Settings) -> Iterator[str]:
    """Yield where a secret or a signature stands in clear."""
    keys = [each.get_secret_value() for each in settings.encryption_keys()]
    wanted = CANARIES | {"the encryption key": keys[0]}
    for place, content in places.items():
        for name, secret in wanted.items():
            if secret.encode() in content:
                yield f"{place}: {name}"
        if SIGNATURE.encode() in content or SIGNED.search(content):
            yield f"{place}: a signature"


@contextlib.contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Let whatever is printed go into a file."""
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            _restore(kept)


def _restore(kept: Iterable[int]) -> None:
    """Let standard output and errors go where they went."""
    for number, descriptor in zip((1, 2), kept, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
