"""What is counted from the records of a journal: requests, failures, how long orders took."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Final

from rustybt.model.event import BarClosed, OrderFilled, OrderUpdated
from rustybt.model.order_state import OrderState
from rustybt.trading.commands import Cancel, OrderModified, OrdersSubmitted, Query, TakeSnapshot
from rustybt.trading.reports import OrderFound, Request, RequestFailed, SessionStarted

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from rustybt.trading.commands import Recorded
    from rustybt.trading.reports import EngineEvent

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of order latency, in seconds; what took longer is beyond the last."""
_ASKING: Final[dict[type, Request]] = {
    OrderModified: Request.MODIFY,
    Cancel: Request.CANCEL,
    Query: Request.QUERY,
    TakeSnapshot: Request.SNAPSHOT,
}
_UNANSWERED: Final = (OrderState.NEW, OrderState.SUBMITTED)


class Tally:
    """Counts what it is told, from the first record that it gets on.

    *requests* counts what the venue was asked for, *failures* which of it went wrong and how
    (``refused``, ``not_sent``, ``unknown``, ``rejected``). *latencies* counts orders by how many
    seconds lay between the sending and the first word of the venue: one count for each of
    :data:`BUCKETS` and one for beyond, each order in one of them; *waited* is the sum of
    the seconds. *clock* is the kind of the session's clock, *mode* that of its market, *started*
    its begin, *interval* the length of the last bar.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.latencies: list[int] = [0] * (len(BUCKETS) + 1)
        self.waited = 0.0
        self.clock = ""
        self.mode = ""
        self.started: datetime | None = None
        self.interval: timedelta | None = None
        self._sent: dict[str, datetime] = {}

    def copy(self) -> Tally:
        """Return what was counted so far; it does not grow any more."""
        return copy.deepcopy(self)

    def count(self, said: EngineEvent | Recorded | None, time: datetime) -> None:
        """Count what a record of *time* says: what was wanted then, or happened."""
        if isinstance(said, OrdersSubmitted):
            self.requests[Request.SUBMIT] += len(said.orders)
            self._sent |= dict.fromkeys((each.client_id for each in said.orders), time)
        elif (request := _ASKING.get(type(said))) is not None:
            self.requests[request] += 1
        else:
            self._happened(said)

    def _happened(self, event: EngineEvent | Recorded | None) -> None:
        """Count an event; nothing else counts."""
        match event:
            case RequestFailed():
                self.failures[event.request, event.outcome] += 1
                if event.request is Request.SUBMIT and event.client_id is not None:
                    self._sent.pop(event.client_id, None)  # no answer: a latency of nothing
            case OrderUpdated() if event.state not in _UNANSWERED:
                if event.state is OrderState.REJECTED:
                    self.failures[Request.SUBMIT, "rejected"] += 1
                self._answered(event.client_id, event.time)
            case OrderFilled():
                self._answered(event.fill.client_id, event.time)
            case OrderFound():
                self._sent.pop(event.client_id, None)  # it was asked for: not the order's own way
            case BarClosed():
                self.interval = event.bar.end - event.bar.start
            case SessionStarted():
                self.clock, self.mode, self.started = event.clock, event.mode, event.time
                self._sent.clear()

    def _answered(self, client_id: str, time: datetime) -> None:
        """Count the first word about an order."""
        sent = self._sent.pop(client_id, None)
        if sent is None:
            return
        seconds = max((time - sent).total_seconds(), 0.0)
        place = next((at for at, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self.latencies[place] += 1
        self.waited += seconds
