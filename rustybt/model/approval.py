"""The proof that an order passed the risk manager, for those who make it and those who need it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from rustybt.model.order import Order

ISSUER = "rustybt.risk.manager"
"""The only module that may define what an approval is made of."""


class RiskApproved(ABC):
    """An order that may be sent. Only the risk manager can make one.

    The class is abstract, so calling it is an error to the type checker and at run time, and it
    refuses subclasses outside :data:`ISSUER`. Whatever sends orders takes this type and no other:
    an order that nobody reviewed cannot be sent by mistake.
    """

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ != ISSUER:
            raise TypeError(f"{cls.__qualname__} cannot approve orders: only {ISSUER} may")

    @property
    @abstractmethod
    def order(self) -> Order:
        """The order exactly as it was reviewed."""

    @property
    @abstractmethod
    def approved(self) -> datetime:
        """When it was reviewed, in UTC."""
