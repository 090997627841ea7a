"""What goes wrong on demand between a client and the practice exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest
from yarl import URL

from rustybt.exchange.faults import Fault, FaultKind
from rustybt.exchange.limits import RateLimits
from rustybt.exchange.records import Status, milliseconds
from rustybt.exchange.serving import Exchange, running_exchange
from rustybt.exchange.signing import sign

ELM = "ELMUSDT"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
BUY = {
    "symbol": ELM,
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "80",
}


class Client:
    """A client that signs what it sends, at a time of its own."""

    def __init__(self, exchange: Exchange, http: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.http = http
        self.time = NOON
        self.headers: dict[str, str] = {}

    async def ask(self, method: str, endpoint: str, **params: Any) -> tuple[int, Any]:
        """Return status and document of the answer to a signed request."""
        query = urlencode({**params, "timestamp": milliseconds(self.time)})
        signed = f"{query}&signature={sign(self.exchange.secret, query)}"
        url = URL(f"{self.exchange.url}/api/v3/{endpoint}?{signed}", encoded=True)
        headers = {"X-MBX-APIKEY": self.exchange.api_key}
        async with self.http.request(method, url, headers=headers) as reply:
            self.headers = dict(reply.headers)
            return reply.status, msgspec.json.decode(await reply.read())

    async def admin(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        """Return status and document of the answer of an admin endpoint."""
        url = f"{self.exchange.url}/practice/{path}"
        headers = {"X-Practice-Token": self.exchange.token}
        body = b"" if document is None else msgspec.json.encode(document)
        async with self.http.request(method, url, headers=headers, data=body) as reply:
            return reply.status, await reply.json()

    async def users(self) -> aiohttp.ClientWebSocketResponse:
        """Return a connection that hears of the account."""
        socket = await self.http.ws_connect(f"{self.exchange.ws_url}/ws-api/v3")
        params = {"apiKey": self.exchange.api_key, "timestamp": milliseconds(self.time)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        signature = sign(self.exchange.secret, payload)
        await socket.send_json(
            {
                "id": "1",
                "method": "userDataStream.subscribe.signature",
                "params": {**params, "signature": signature},
            }
        )
        assert (await socket.receive_json())["status"] == 200
        return socket

    @property
    def orders(self) -> list[Any]:
        """The orders that the venue has."""
        return list(self.exchange.venue.accounts[self.exchange.account].orders.values())


def with_client(work: Callable[[Client], Awaitable[None]], **terms: Any) -> None:
    """Run *work* with a client of an exchange whose clock stands at noon."""

    async def run() -> None:
        async with (
            running_exchange(clock=lambda: NOON, **terms) as exchange,
            aiohttp.ClientSession() as http,
        ):
            await asyncio.wait_for(work(Client(exchange, http)), 60)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "orders"),
    [
        (FaultKind.DROP_REQUEST, 0),
        (FaultKind.DROP_REPLY, 1),
        (FaultKind.CUT_REPLY, 1),
    ],
)
def test_a_connection_closes_before_or_after_the_order_was_taken(
    kind: FaultKind, orders: int
) -> None:
    """The client sees the same; the venue has the order, or has not."""

    async def work(client: Client) -> None:
        number = client.exchange.faults.add(Fault(kind=kind, method="POST", endpoint="order"))
        with pytest.raises(aiohttp.ClientError):
            await client.ask("POST", "order", **BUY)
        assert len(client.orders) == orders
        assert client.exchange.faults.hits(number) == 1
        assert (await client.ask("POST", "order", **BUY))[0] == 200
        assert len(client.orders) == orders + 1

    with_client(work)


@pytest.mark.parametrize(
    ("fault", "status", "code", "orders"),
    [
        (Fault(kind=FaultKind.ERROR, status=503), 503, -1000, 0),
        (Fault(kind=FaultKind.ERROR, code=-1001, applied=True), 500, -1001, 1),
        (Fault(kind=FaultKind.UNKNOWN_OUTCOME), 504, -1007, 1),
        (Fault(kind=FaultKind.UNKNOWN_OUTCOME, applied=False), 504, -1007, 0),
        (Fault(kind=FaultKind.RATE_LIMIT, retry_after=7), 429, -1003, 0),
        (Fault(kind=FaultKind.BAN, retry_after=7), 418, -1003, 0),
        (Fault(kind=FaultKind.NOT_FOUND), 400, -2013, 0),
    ],
)
def test_an_error_is_answered_whether_the_order_was_taken_or_not(
    fault: Fault, status: int, code: int, orders: int
) -> None:
    """Status, code and what the venue did are as the fault says."""

    async def work(client: Client) -> None:
        client.exchange.faults.add(fault)
        seen, document = await client.ask("POST", "order", **BUY)
        assert (seen, document["code"], len(client.orders)) == (status, code, orders)
        assert client.headers.get("Retry-After") == ("7" if status in (418, 429) else None)

    with_client(work)


def test_an_answer_can_be_garbage() -> None:
    """What comes is no JSON although the order was taken."""

    async def work(client: Client) -> None:
        client.exchange.faults.add(Fault(kind=FaultKind.GARBAGE_REPLY))
        with pytest.raises(msgspec.DecodeError):
            await client.ask("POST", "order", **BUY)
        assert len(client.orders) == 1

    with_client(work)


def test_a_delayed_answer_is_overtaken_by_the_trade() -> None:
    """The user stream reports the order, and its end, before the reply to its request comes."""

    async def work(client: Client) -> None:
        users = await client.users()
        client.exchange.faults.add(
            Fault(kind=FaultKind.DELAY_REPLY, method="POST", endpoint="order", delay=3600)
        )
        reply = asyncio.ensure_future(client.ask("POST", "order", **BUY))
        event = (await users.receive_json())["event"]
        assert (event["e"], event["x"]) == ("executionReport", "NEW")
        assert not reply.done()
        reply.cancel()
        assert len(client.orders) == 1

    with_client(work)


def test_a_delayed_request_is_not_there_yet() -> None:
    """It arrives when its time is over."""

    async def work(client: Client) -> None:
        client.exchange.faults.add(Fault(kind=FaultKind.DELAY_REQUEST, delay=0.001))
        assert (await client.ask("POST", "order", **BUY))[0] == 200
        assert len(client.orders) == 1

    with_client(work)


def test_a_skewed_clock_refuses_until_the_client_asks_for_the_time() -> None:
    """-1021 goes away once the client goes by the venue's time."""

    async def work(client: Client) -> None:
        client.exchange.faults.add(Fault(kind=FaultKind.CLOCK_SKEW, delay=30))
        assert (await client.ask("GET", "account"))[1]["code"] == -1021
        _, document = await client.ask("GET", "time")
        assert document["serverTime"] == milliseconds(NOON + timedelta(seconds=30))
        client.time = NOON + timedelta(seconds=30)
        assert (await client.ask("GET", "account"))[0] == 200
        client.time = NOON + timedelta(seconds=32)
        assert "ahead" in (await client.ask("GET", "account"))[1]["msg"]
        client.time = client.exchange.server.market_time()
        assert (await client.ask("GET", "account"))[0] == 200

    with_client(work)


def test_an_order_fills_while_it_is_being_cancelled() -> None:
    """Before: the cancel finds nothing to cancel. After: it is cancelled, and filled."""

    async def work(client: Client) -> None:
        _, first = await client.ask("POST", "order", **BUY)
        client.exchange.faults.add(Fault(kind=FaultKind.FILL_BEFORE_CANCEL, method="DELETE"))
        known = {"symbol": ELM, "orderId": first["orderId"]}
        assert (await client.ask("DELETE", "order", **known))[1]["code"] == -2011
        assert client.orders[0].status is Status.FILLED
        _, second = await client.ask("POST", "order", **BUY)
        client.exchange.faults.add(Fault(kind=FaultKind.FILL_AFTER_CANCEL, method="DELETE"))
        known["orderId"] = second["orderId"]
        assert (await client.ask("DELETE", "order", **known))[1]["status"] == "CANCELED"
        assert client.orders[1].status is Status.FILLED

    with_client(work)


def test_a_replacement_races_a_fill() -> None:
    """The order fills before it is replaced: nothing is replaced, nothing new is there."""

    async def work(client: Client) -> None:
        _, first = await client.ask("POST", "order", **BUY)
        client.exchange.faults.add(Fault(kind=FaultKind.FILL_BEFORE_CANCEL))
        terms = {
            **BUY,
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelOrderId": first["orderId"],
        }
        status, document = await client.ask("POST", "order/cancelReplace", **terms)
        assert (status, document["code"]) == (400, -2022)
        assert document["data"]["newOrderResult"] == "NOT_ATTEMPTED"
        assert [each.status for each in client.orders] == [Status.FILLED]
        _, second = await client.ask("POST", "order", **BUY)
        client.exchange.faults.add(Fault(kind=FaultKind.FILL_AFTER_CANCEL))
        terms["cancelOrderId"] = second["orderId"]
        status, document = await client.ask("POST", "order/cancelReplace", **terms)
        assert status == 200
        assert [each.status for each in client.orders] == [
            Status.FILLED,
            Status.FILLED,
            Status.NEW,
        ]
        terms |= {"cancelOrderId": document["newOrderResponse"]["orderId"], "quantity": "99999"}
        status, document = await client.ask("POST", "order/cancelReplace", **terms)
        assert (status, document["code"]) == (409, -2021)
        assert document["data"]["cancelResult"] == "SUCCESS"
        terms["cancelReplaceMode"] = "ALLOW_FAILURE"
        assert (await client.ask("POST", "order/cancelReplace", **terms))[0] == 400

    with_client(work)


def test_events_are_lost_repeated_and_out_of_order() -> None:
    """The user stream is alive and says what it should not."""

    async def work(client: Client) -> None:
        users, faults = await client.users(), client.exchange.faults

        async def events(number: int) -> list[Any]:
            return [(await users.receive_json())["event"] for _ in range(number)]

        number = faults.add(Fault(kind=FaultKind.DROP_EVENT, endpoint="user", count=None))
        await client.ask("POST", "order", **BUY)
        assert faults.hits(number) == 2
        faults.remove(number)
        faults.add(Fault(kind=FaultKind.DUPLICATE_EVENT, endpoint="user"))
        await client.ask("POST", "order", **BUY)
        first, again, position = await events(3)
        assert first == again
        assert (first["e"], position["e"]) == ("executionReport", "outboundAccountPosition")
        faults.add(Fault(kind=FaultKind.REORDER_EVENT, endpoint="user"))
        await client.ask("POST", "order", **BUY)
        assert [each["e"] for each in await events(2)] == [position["e"], first["e"]]
        faults.add(Fault(kind=FaultKind.DELAY_EVENT, endpoint="user", delay=0.001))
        await client.ask("POST", "order", **BUY)
        assert [each["e"] for each in await events(2)] == [position["e"], first["e"]]

    with_client(work)


def test_streams_die_while_orders_are_still_taken() -> None:
    """User streams are cut alone, market streams alone, and at night all of them."""

    async def work(client: Client) -> None:
        users = await client.users()
        market = await client.http.ws_connect(f"{client.exchange.ws_url}/stream/ws/0")
        await market.send_json({"id": 1, "method": "SUBSCRIBE", "params": ["elmusdt@trade"]})
        assert (await market.receive_json()) == {"id": 1, "result": None}
        assert (await client.admin("POST", "cut", {"market": False}))[1] == {"closed": 1}
        assert (await users.receive()).type in (
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSING,
        )
        assert (await client.ask("POST", "order", **BUY))[0] == 200
        assert (await client.admin("POST", "step", {"bars": 1}))[1]["shown"] == 1
        assert (await market.receive_json())["e"] == "trade"
        assert (await client.admin("POST", "cut", {"users": False}))[1] == {"closed": 1}

    with_client(work)


def test_listen_keys_are_void_after_the_nightly_reset() -> None:
    """Old-style user streams hear of orders by their key until the venue forgets it."""

    async def work(client: Client) -> None:
        _, made = await client.ask("POST", "userDataStream")
        key = made["listenKey"]
        users = await client.http.ws_connect(f"{client.exchange.ws_url}/stream/ws/{key}")
        await client.ask("POST", "order", **BUY)
        assert (await users.receive_json())["e"] == "executionReport"
        assert (await client.ask("PUT", "userDataStream", listenKey=key))[0] == 200
        assert client.exchange.reset() == 1
        assert (await client.ask("PUT", "userDataStream", listenKey=key))[1]["code"] == -1125
        assert (await client.admin("POST", "reset"))[1] == {"closed": 0}
        assert client.exchange.cut() == 0
        _, made = await client.ask("POST", "userDataStream")
        assert (await client.ask("DELETE", "userDataStream", **made))[0] == 200
        assert (await client.ask("PUT", "userDataStream", **made))[0] == 400

    with_client(work)


def test_candles_can_be_stale_or_not_whole() -> None:
    """Without the newest one, or with one that has just begun."""

    async def work(client: Client) -> None:
        terms = {"symbol": ELM, "interval": "1d", "limit": "2"}
        _, fresh = await client.ask("GET", "klines", **terms)
        client.exchange.faults.add(Fault(kind=FaultKind.STALE_KLINES))
        _, stale = await client.ask("GET", "klines", **terms)
        assert stale[-1] == fresh[-2]
        client.exchange.faults.add(Fault(kind=FaultKind.PARTIAL_CANDLE))
        _, partial = await client.ask("GET", "klines", **terms)
        assert partial[0] == fresh[-1]
        assert partial[-1][1] == partial[-1][4] == fresh[-1][4]
        assert (await client.admin("POST", "candles", {"partial": True}))[0] == 200
        market = await client.http.ws_connect(f"{client.exchange.ws_url}/stream/ws")
        names = ["elmusdt@kline_1d", "elmusdt@bookTicker"]
        await market.send_json({"id": 1, "method": "SUBSCRIBE", "params": names})
        await market.receive_json()
        client.exchange.step()
        events = [await market.receive_json() for _ in range(3)]
        assert [each["k"]["x"] for each in events[:2]] == [True, False]
        assert Decimal(events[2]["b"]) < Decimal(events[0]["k"]["c"])

    with_client(work)


def test_who_asks_too_often_is_told_to_wait_and_then_banned() -> None:
    """429 with the seconds to wait, 418 for who does not listen, and then it is over."""
    seconds = [0.0]
    limits = RateLimits(weight=40, orders=1, patience=1, ban=100)

    async def work(client: Client) -> None:
        client.exchange.server.limit(limits, lambda: seconds[0])
        assert (await client.ask("GET", "account"))[0] == 200
        assert client.headers["X-MBX-USED-WEIGHT-1M"] == "20"
        assert (await client.ask("GET", "account"))[0] == 200
        status, document = await client.ask("GET", "account")
        assert (status, document["code"], client.headers["Retry-After"]) == (429, -1003, "60")
        assert (await client.ask("GET", "account"))[0] == 418
        assert client.headers["Retry-After"] == "100"
        seconds[0] = 99.0
        assert (await client.ask("GET", "account"))[0] == 418
        assert client.headers["Retry-After"] == "1"
        seconds[0] = 120.0
        assert (await client.ask("POST", "order", **BUY))[0] == 200
        assert client.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        assert (await client.ask("POST", "order", **BUY))[0] == 429
        _, info = await client.ask("GET", "exchangeInfo")
        assert {each["limit"] for each in info["rateLimits"]} == {40, 1}

    with_client(work)


def test_the_market_changes_under_the_client() -> None:
    """Filters, halts, fees and trades that nobody asked for, over the admin endpoint."""

    async def work(client: Client) -> None:
        grid = {"symbol": "ELM/USDT", "tick": "0.5", "min_notional": "90"}
        assert (await client.admin("POST", "instrument", grid))[0] == 200
        refused = (await client.ask("POST", "order", **BUY))[1]
        assert refused["msg"] == "Filter failure: NOTIONAL"
        _, order = await client.ask("POST", "order", **{**BUY, "quantity": "2"})
        forced = {
            "account": "main",
            "order_id": order["orderId"],
            "quantity": "2",
            "price": "80",
        }
        assert (await client.admin("POST", "trade", forced))[0] == 200
        assert (await client.admin("POST", "trade", {**forced, "order_id": 9}))[0] == 400
        assert (await client.admin("POST", "fees", {"fee_in": "received"}))[0] == 200
        halt = {"symbol": "ELM/USDT", "trading": "BREAK"}
        assert (await client.admin("POST", "trading", halt))[0] == 200
        assert (await client.ask("POST", "order", **BUY))[1]["msg"] == "Market is closed."
        halt["trading"] = "DELISTED"
        assert (await client.admin("POST", "trading", halt))[0] == 200
        _, info = await client.ask("GET", "exchangeInfo")
        assert [each["symbol"] for each in info["symbols"]] == ["OAKUSDT"]
        for path, document in (
            ("instrument", {"symbol": "ASH/USDT"}),
            ("instrument", {"symbol": "ELM/USDT", "tick": "-1"}),
            ("trading", {"symbol": "ELM/USDT", "trading": "MAYBE"}),
        ):
            status, answer = await client.admin("POST", path, document)
            assert (status, "error" in answer) == (400, True)

    with_client(work)


def test_faults_are_armed_over_the_wire_by_who_has_the_token() -> None:
    """They are listed with their hits, disarmed by number or all together."""

    async def work(client: Client) -> None:
        fault = {"kind": "error", "endpoint": "account", "status": 502, "count": 2}
        assert (await client.admin("POST", "faults", fault))[1] == {"number": 1}
        assert (await client.ask("GET", "account"))[0] == 502
        _, listed = await client.admin("GET", "faults")
        assert [(each["number"], each["hits"]) for each in listed] == [(1, 1)]
        assert (await client.admin("DELETE", "faults/1"))[0] == 200
        assert (await client.admin("DELETE", "faults/1"))[0] == 400
        assert (await client.admin("POST", "faults", {"kind": "nonsense"}))[0] == 400
        assert (await client.admin("POST", "faults", fault))[1] == {"number": 2}
        assert (await client.admin("DELETE", "faults"))[0] == 200
        assert (await client.ask("GET", "account"))[0] == 200
        async with client.http.post(f"{client.exchange.url}/practice/step") as reply:
            assert reply.status == 401

    with_client(work)


def test_what_cannot_be_answered_is_refused_with_a_code() -> None:
    """Unknown endpoints, symbols, keys and malformed parameters."""

    async def work(client: Client) -> None:
        async def code(method: str, endpoint: str, **params: Any) -> int:
            return int((await client.ask(method, endpoint, **params))[1]["code"])

        assert await code("GET", "nothing") == -1000
        assert await code("GET", "klines", symbol=ELM) == -1102
        assert await code("GET", "klines", symbol=ELM, interval="2d") == -1120
        assert await code("GET", "depth") == -1102
        assert await code("GET", "depth", symbol="ASHUSDT") == -1121
        assert await code("GET", "order", symbol=ELM, orderId="x") == -1100
        assert await code("GET", "allOrders", symbol=ELM, startTime="9" * 18) == -1100
        assert await code("POST", "order", **{**BUY, "price": "1e999"}) == -1100
        assert await code("POST", "order", **{**BUY, "side": "HOLD"}) == -1117
        assert await code("POST", "order", **{**BUY, "type": "MAGIC"}) == -1116
        assert await code("POST", "order", **{**BUY, "timeInForce": "DAY"}) == -1115
        assert await code("POST", "order", **{**BUY, "type": "MARKET"}) == -1106
        assert await code("POST", "order", **{**BUY, "icebergQty": "1"}) == -1104
        assert await code("GET", "account", recvWindow="70000") == -1131
        url = f"{client.exchange.url}/api/v3/account"
        key = {"X-MBX-APIKEY": client.exchange.api_key}
        for headers, query, expected in (
            ({}, "", -2014),
            ({"X-MBX-APIKEY": "nobody"}, "", -2015),
            (key, "?timestamp=1", -1102),
            (key, "?timestamp=1&signature=00", -1022),
            (key, f"?signature={sign(client.exchange.secret, '')}", -1102),
        ):
            async with client.http.get(url + query, headers=headers) as reply:
                assert (await reply.json())["code"] == expected

    with_client(work)


def test_what_was_signed_is_what_was_sent() -> None:
    """Odd characters are signed as the client wrote them, however they could be written instead."""

    async def work(client: Client) -> None:
        for name in ("a/b,c", "d e+f", "é~'(*)"):
            _, order = await client.ask("POST", "order", **BUY, newClientOrderId=name)
            assert order["clientOrderId"] == name
            _, found = await client.ask("GET", "order", symbol=ELM, origClientOrderId=name)
            assert found["orderId"] == order["orderId"]

    with_client(work)


def test_the_websocket_interface_refuses_like_the_other() -> None:
    """Wrong words, wrong signatures and old timestamps; then it still answers."""

    async def work(client: Client) -> None:
        socket = await client.http.ws_connect(f"{client.exchange.ws_url}/ws-api/v3")

        async def ask(message: Any) -> Any:
            text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
            await socket.send_str(text)
            return await socket.receive_json()

        assert (await ask("{"))["status"] == 400
        assert (await ask({"id": 1, "method": "dance"}))["error"]["code"] == -1000
        subscribe = {"id": 2, "method": "userDataStream.subscribe.signature"}
        assert (await ask(subscribe))["error"]["code"] == -2014
        params = {"apiKey": client.exchange.api_key}
        assert (await ask({**subscribe, "params": params}))["error"]["code"] == -1102
        bad = {**params, "signature": "00"}
        assert (await ask({**subscribe, "params": bad}))["error"]["code"] == -1022
        assert (await ask({"id": 3, "method": "ping"}))["result"] == {}
        time = (await ask({"id": 4, "method": "time"}))["result"]["serverTime"]
        assert time == milliseconds(NOON)
        assert (await ask({"id": 5, "method": "userDataStream.unsubscribe"}))["status"] == 200
        market = await client.http.ws_connect(f"{client.exchange.ws_url}/stream/ws/0")
        for method, names, answer in (
            ("SUBSCRIBE", ["elmusdt@trade"], None),
            ("LIST_SUBSCRIPTIONS", [], ["elmusdt@trade"]),
            ("UNSUBSCRIBE", ["elmusdt@trade"], None),
            ("LIST_SUBSCRIPTIONS", [], []),
        ):
            await market.send_json({"id": 1, "method": method, "params": names})
            assert (await market.receive_json())["result"] == answer
        await market.send_json({"id": 1, "method": "SUBSCRIBE", "params": {"a": [1]}})
        assert (await market.receive_json())["result"] is None
        await market.send_json({"id": 1, "method": "SHOUT"})
        assert (await market.receive_json())["error"]["code"] == 2

    with_client(work)


def test_questions_about_prices_and_the_past_are_answered() -> None:
    """What clients ask besides the usual: averages, test orders, pages and spans of the past."""

    async def work(client: Client) -> None:
        async def said(method: str, endpoint: str, **params: Any) -> Any:
            status, document = await client.ask(method, endpoint, **params)
            assert status == 200, document
            return document

        assert await said("GET", "ping") == {}
        last = (await said("GET", "ticker/price", symbol=ELM))["price"]
        assert (await said("GET", "avgPrice", symbol=ELM))["price"] == last
        assert len(await said("GET", "ticker/24hr")) == 2
        assert len(await said("GET", "trades", symbol=ELM, limit=3)) == 3
        assert await said("POST", "order/test", **BUY) == {}
        assert client.orders == []
        first = await said("POST", "order", **BUY, newOrderRespType="ACK")
        assert sorted(first) == [
            "clientOrderId",
            "orderId",
            "orderListId",
            "symbol",
            "transactTime",
        ]
        client.exchange.step()
        second = await said("POST", "order", **{**BUY, "price": "200"}, newOrderRespType="RESULT")
        assert (second["status"], "fills" in second) == ("FILLED", False)
        ids = {"all": [first["orderId"], second["orderId"]], "late": [second["orderId"]]}

        async def orders(**params: Any) -> list[int]:
            return [
                each["orderId"] for each in await said("GET", "allOrders", symbol=ELM, **params)
            ]

        assert await orders() == ids["all"]
        assert await orders(startTime=first["transactTime"] + 1) == ids["late"]
        assert await orders(endTime=first["transactTime"]) == ids["all"][:1]
        assert await orders(orderId=second["orderId"]) == ids["late"]
        assert await orders(startTime=0, limit=1) == ids["all"][:1]
        for params, number in (
            ({}, 1),
            ({"orderId": first["orderId"]}, 0),
            ({"orderId": second["orderId"]}, 1),
            ({"fromId": 2}, 0),
            ({"endTime": second["transactTime"] - 1}, 0),
        ):
            assert len(await said("GET", "myTrades", symbol=ELM, **params)) == number
        some = await said("GET", "account", omitZeroBalances="true")
        assert [each["asset"] for each in some["balances"]] == ["ELM", "USDT"]

    with_client(work)


def test_a_symbol_without_a_price_says_so() -> None:
    """Before its first bar there are no prices, no book, and nothing to replace."""

    async def work(client: Client) -> None:
        assert (await client.ask("GET", "avgPrice", symbol=ELM))[1]["price"] == "0"
        assert (await client.ask("GET", "depth", symbol=ELM))[1]["bids"] == []
        assert (await client.ask("GET", "ticker/price"))[1] == []
        assert (await client.ask("GET", "ticker/price", symbol=ELM))[1] == []
        assert (await client.ask("GET", "klines", symbol=ELM, interval="1d"))[1] == []
        assert client.exchange.server.market_time() == NOON

    with_client(work, history=0)


def test_orders_can_be_stamped_with_the_clock() -> None:
    """Then trades of a replayed past happen now."""

    async def work(client: Client) -> None:
        _, order = await client.ask("POST", "order", **BUY)
        assert order["transactTime"] == milliseconds(NOON)
        while client.orders[0].is_open and client.exchange.step():
            pass
        trades = (await client.ask("GET", "myTrades", symbol=ELM))[1]
        assert [each["time"] for each in trades] == [milliseconds(NOON)] * len(trades)

    with_client(work, stamp="clock")


def test_a_replay_runs_at_a_pace_of_its_own() -> None:
    """All bars are shown, and then nothing more happens."""

    async def work(client: Client) -> None:
        await client.exchange.server.run_replay(0)
        assert client.exchange.step() == 0

    with_client(work)
