"""Proof that test alerts arrived: a code goes out, and comes back from a person.

The record keeps no code, only digests of them: who has not read the message cannot know it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from rustybt.files import PRIVATE_FOLDER, locked, read_bounded, sweep_temporaries, write_atomic
from rustybt.home import Home
from rustybt.monitoring.alerts.errors import AlertsError

if TYPE_CHECKING:
    from pathlib import Path

    from rustybt.monitoring.alerts.rules import Channel

CODE_LIFE: Final = timedelta(days=7)
KEPT: Final = 1000
_LETTERS: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_LENGTH: Final = 10
_MAX_BYTES: Final = 4_000_000


class Receipt(BaseModel):
    """A test alert: to which channel and contact, when sent, when a person returned its code."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    channel: str
    contact: str
    salt: str
    code: str
    address: str
    sent: AwareDatetime
    acknowledged: AwareDatetime | None = None

    def is_about(self, channel: Channel) -> bool:
        """Tell whether it was sent to the address and the contact that *channel* has now."""
        same = _digest(self.salt, channel.url.get_secret_value()) == self.address
        return same and self.contact == channel.contact


_LIST: Final = TypeAdapter(list[Receipt])


class Receipts:
    """The record in the home *root* of test alerts that were sent. Newest last."""

    def __init__(self, root: Path) -> None:
        self._file = Home(root).alerts / "receipts.json"

    def all(self) -> list[Receipt]:
        """Return every receipt; raise :class:`AlertsError` if the record is damaged."""
        if not self._file.exists():
            return []
        try:
            return _LIST.validate_json(read_bounded(self._file, _MAX_BYTES))
        except ValidationError as error:
            raise AlertsError(
                f"{self._file} is damaged",
                remedy="move it away; then send test alerts again and acknowledge them",
            ) from error

    def newest(self, name: str, channel: Channel) -> Receipt | None:
        """Return the newest test sent to the channel *name* as it is now."""
        found = [one for one in self.all() if one.channel == name and one.is_about(channel)]
        return max(found, key=lambda one: one.sent, default=None)

    def acknowledged(self, name: str, channel: Channel) -> Receipt | None:
        """Return the receipt of that channel that a person acknowledged last."""
        found = [
            (one.acknowledged, one)
            for one in self.all()
            if one.channel == name and one.is_about(channel) and one.acknowledged is not None
        ]
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def issue(self, name: str, channel: Channel, now: datetime) -> str:
        """Return a new code for a test of the channel *name*, and keep its digest.

        It is kept before it is sent: whoever gets the message can acknowledge it.
        """
        code = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        salt = secrets.token_hex(16)
        new = Receipt(
            channel=name,
            contact=channel.contact,
            salt=salt,
            code=_digest(salt, code),
            address=_digest(salt, channel.url.get_secret_value()),
            sent=now,
        )
        folder = self._file.parent
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        with locked(folder):
            sweep_temporaries(self._file)
            self._write([*self.all(), new][-KEPT:])
        return code

    def withdraw(self, code: str) -> None:
        """Forget a *code* that could not be sent."""
        with locked(self._file.parent):
            self._write([one for one in self.all() if not _is_of(one, code)])

    def acknowledge(self, code: str, now: datetime) -> Receipt:
        """Record that *code* came back *now*, and return its receipt; again changes nothing.

        Raise :class:`AlertsError` for a code that was not sent, or longer ago than `CODE_LIFE`.
        """
        wanted = code.strip().upper().replace("-", "").replace(" ", "")
        if not self._file.exists():
            raise _unknown()
        with locked(self._file.parent):
            receipts = self.all()
            number = next((n for n, one in enumerate(receipts) if _is_of(one, wanted)), None)
            if number is None:
                raise _unknown()
            found = receipts[number]
            if found.acknowledged is not None:
                return found
            if not found.sent <= now <= found.sent + CODE_LIFE:
                raise AlertsError(
                    f"that code was sent on {found.sent:%Y-%m-%d %H:%M} UTC",
                    expected=f"one that was sent within {CODE_LIFE.days} days",
                    remedy="python -m rustybt test-alerts sends new ones",
                )
            receipts[number] = found.model_copy(update={"acknowledged": now})
            self._write(receipts)
            return receipts[number]

    def _write(self, receipts: list[Receipt]) -> None:
        write_atomic(self._file, _LIST.dump_json(receipts, indent=1))


def _digest(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}:{text}".encode()).hexdigest()


def _is_of(receipt: Receipt, code: str) -> bool:
    return hmac.compare_digest(receipt.code, _digest(receipt.salt, code))


def _unknown() -> AlertsError:
    return AlertsError(
        "no test alert had that code",
        expected="the code that stands in the newest test alert",
        remedy="python -m rustybt test-alerts sends new ones",
    )
