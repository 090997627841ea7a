"""Leases: who may act on an account, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, text, update

from rustybt.journal.database import problems_of
from rustybt.journal.errors import JournalError, LeaseHeldError, LeaseLostError
from rustybt.journal.records import micros_of, time_of
from rustybt.journal.tables import LEASES

if TYPE_CHECKING:
    from sqlalchemy import Engine

# One statement in both databases, so that of two who come at once one finds it taken.
_TAKE = text("""
    INSERT INTO journal_lease (name, owner, token, expires) VALUES (:name, :owner, 1, :expires)
    ON CONFLICT (name) DO UPDATE
    SET owner = excluded.owner, token = journal_lease.token + 1, expires = excluded.expires
    WHERE journal_lease.expires <= :now
    RETURNING token
""")
_RELEASED = 0
_RENEW = (
    update(LEASES)
    .where(
        LEASES.c.name == bindparam("which"),
        LEASES.c.token == bindparam("held"),
        LEASES.c.expires > _RELEASED,
    )
    .values(expires=bindparam("until"))
)


@dataclass(slots=True, eq=False)
class Lease:
    """The right of *owner* to act under *name* until *expires*. Made by `acquire`.

    *token* is higher than that of every earlier holder: a journal that is fenced with the lease
    takes nothing from a holder that was overtaken.
    """

    name: str
    owner: str
    token: int
    expires: datetime
    _engine: Engine = field(repr=False)

    @classmethod
    def acquire(
        cls, engine: Engine, name: str, *, owner: str, now: datetime, ttl: timedelta
    ) -> Lease:
        """Take the lease *name* (an account) for *ttl* from *now* (aware) on.

        *owner* is shown to others; make it tell of host and process. Raise ``LeaseHeldError``,
        which names owner and expiry, while it is another's, and `JournalError` if the database
        refuses.
        """
        until = now + _positive(ttl)
        values = {
            "name": name,
            "owner": owner,
            "now": micros_of(now),
            "expires": micros_of(until),
        }
        with problems_of(engine), engine.begin() as connection:
            token = connection.execute(_TAKE, values).scalar()
            if token is None:
                wanted = select(LEASES.c.owner, LEASES.c.expires).where(LEASES.c.name == name)
                held = connection.execute(wanted).one()
                raise LeaseHeldError(
                    f"{name} is held by {held.owner} until {time_of(held.expires).isoformat()}",
                    expected="one engine for each account",
                    remedy="stop that one, or wait: the lease of a dead process expires",
                )
        return cls(name, owner, token, until, engine)

    @staticmethod
    def names(engine: Engine) -> list[str]:
        """Return what leases were ever taken for in the database: its accounts."""
        with problems_of(engine), engine.begin() as connection:
            return [str(name) for name in connection.execute(select(LEASES.c.name)).scalars()]

    def renew(self, now: datetime, ttl: timedelta) -> None:
        """Hold it for *ttl* from *now* on.

        Raise ``LeaseLostError`` if it was released, or is another's by now. One that expired and
        that nobody took is held on to.
        """
        until = now + _positive(ttl)
        if not self._set_expiry(micros_of(until)):
            raise LeaseLostError(
                f"the lease of {self.name} was taken over or released",
                remedy="stop at once: another engine acts on the account",
            )
        self.expires = until

    def release(self) -> None:
        """Let others take it at once; it cannot be renewed any more. Safe to call twice."""
        self._set_expiry(_RELEASED)

    def _set_expiry(self, micros: int) -> bool:
        values = {"which": self.name, "held": self.token, "until": micros}
        with problems_of(self._engine), self._engine.begin() as connection:
            return connection.execute(_RENEW, values).rowcount == 1


def _positive(ttl: timedelta) -> timedelta:
    if ttl <= timedelta():
        raise JournalError(f"a lease of {ttl} is none", expected="some time")
    return ttl
