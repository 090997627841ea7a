"""JSON and msgpack are exact in both directions."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from rustybt.model import (
    CashMoved,
    Event,
    Fill,
    InvalidValueError,
    Order,
    OrderFilled,
    OrderState,
    OrderType,
    Side,
)
from rustybt.model.codec import from_json, from_msgpack, to_json, to_msgpack

D = Decimal
NOW = datetime(2024, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
FILL = Fill("t1", "o1", "X", Side.SELL, D("1E-12"), D("100.10"), NOW, fee=D("-0.00"))
ORDER = Order(
    client_id="o1",
    symbol="X",
    side=Side.SELL,
    type=OrderType.MARKET,
    quantity=D("2E-12"),
    created=NOW,
    state=OrderState.PARTIALLY_FILLED,
    fills=(FILL,),
    filled=D("1E-12"),
)
RAW: dict[str, Any] = {
    "type": "cash_moved",
    "time": "2024-03-01T12:30:15.123456Z",
    "entry_id": "e",
    "currency": "USD",
    "amount": "100.10",
}


def test_decimals_travel_as_the_text_they_are() -> None:
    """Trailing zeros, exponents and the sign of zero survive."""
    data = json.loads(to_json(FILL))
    assert (data["quantity"], data["price"], data["fee"]) == ("1E-12", "100.10", "-0.00")
    back = from_json(to_json(FILL), Fill)
    assert [str(back.quantity), str(back.price), str(back.fee)] == ["1E-12", "100.10", "-0.00"]


@pytest.mark.parametrize("value", [FILL, ORDER])
def test_what_comes_back_is_what_was_written(value: Fill | Order) -> None:
    """Both formats give the same value, and the same bytes again."""
    assert from_json(to_json(value), type(value)) == value
    assert from_msgpack(to_msgpack(value), type(value)) == value
    assert to_json(from_msgpack(to_msgpack(value), type(value))) == to_json(value)
    assert to_msgpack(from_json(to_json(value), type(value))) == to_msgpack(value)


def test_an_event_comes_back_as_its_own_class() -> None:
    """The tag tells the class when any event is expected."""
    event = OrderFilled(time=NOW, fill=FILL)
    assert from_json(to_json(event), Event) == event
    assert from_msgpack(to_msgpack(event), Event) == event
    assert json.loads(to_json(event))["type"] == "order_filled"


@pytest.mark.parametrize("amount", [1.5, 1e300])
def test_a_float_in_place_of_a_decimal_is_refused(amount: float) -> None:
    """A number with a point may have been through a float; only text is believed."""
    raw = {**RAW, "amount": amount}
    with pytest.raises(InvalidValueError, match="is a float; decimals must be text") as caught:
        from_json(json.dumps(raw), CashMoved)
    assert caught.value.what == "JSON of CashMoved"
    with pytest.raises(InvalidValueError, match="is a float; decimals must be text") as caught:
        from_msgpack(msgspec.msgpack.encode(raw), CashMoved)
    assert caught.value.what == "msgpack of CashMoved"
    assert repr(amount) in str(caught.value)


def test_a_float_deep_inside_is_refused() -> None:
    """Lists and maps are looked through."""
    raw = json.loads(to_json(ORDER))
    raw["fills"][0]["price"] = 1.5
    with pytest.raises(InvalidValueError, match=r"1\.5 is a float"):
        from_json(json.dumps(raw), Order)
    with pytest.raises(InvalidValueError, match=r"1\.5 is a float"):
        from_msgpack(msgspec.msgpack.encode(raw), Order)


def test_a_whole_number_is_exact() -> None:
    """JSON integers cannot have lost anything."""
    assert from_json(json.dumps({**RAW, "amount": 100}), CashMoved).amount == 100


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "truncated"),
        (b"", "truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff", "malformed|[Ii]nvalid"),
        (json.dumps({**RAW, "extra": 1}).encode(), "unknown field `extra`"),
        (json.dumps({**RAW, "type": "nonsense"}).encode(), "Invalid value 'nonsense'"),
        (json.dumps({**RAW, "time": "yesterday"}).encode(), "RFC3339"),
        (json.dumps({k: v for k, v in RAW.items() if k != "amount"}).encode(), "`amount`"),
        (b"[" * 100_000, "(?i)recursion"),
    ],
)
def test_malformed_json_is_one_clear_error(data: bytes, expected: str) -> None:
    """Whatever is wrong with the bytes, the error is ours and says what."""
    with pytest.raises(InvalidValueError, match=expected) as caught:
        from_json(data, CashMoved)
    assert caught.value.what == "JSON of CashMoved"


@pytest.mark.parametrize("data", [b"", b"\xc1", to_msgpack(FILL)[:-1], msgspec.msgpack.encode([])])
def test_malformed_msgpack_is_one_clear_error(data: bytes) -> None:
    """Truncated and foreign bytes are refused in the same way."""
    with pytest.raises(InvalidValueError) as caught:
        from_msgpack(data, Fill)
    assert caught.value.what == "msgpack of Fill"
    assert caught.value.problems != ("",)


def test_values_that_cannot_be_are_refused_when_read() -> None:
    """Reading checks like building does, and says the same."""
    with pytest.raises(InvalidValueError) as caught:
        from_json(json.dumps({**RAW, "amount": "NaN", "currency": ""}), Event)
    assert caught.value.what == "event 'CashMoved'"
    assert len(caught.value.problems) == 2


def test_a_union_is_named_by_its_members() -> None:
    """An error about any event says that an event was expected."""
    with pytest.raises(InvalidValueError) as caught:
        from_json(b"{}", Event)
    assert "CashMoved" in caught.value.what


def test_errors_survive_pickling() -> None:
    """Worker processes send them home whole."""
    error = InvalidValueError("order 'o1'", ["one", "two"])
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - bytes made on the line itself
    assert (back.what, back.problems) == ("order 'o1'", ("one", "two"))
    assert str(back) == "order 'o1' is not valid: one; two"
