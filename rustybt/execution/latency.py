"""Requests on their way to a simulated venue."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rustybt.execution.rules import MatchingRules


class _Request(NamedTuple):
    """Something asked for at *sent*, to be done at *arrives* and after *bars* more bars."""

    act: Callable[[datetime], None]
    sent: datetime
    arrives: datetime
    bars: int


class Requests:
    """What was asked for and has not arrived, in the order in which it was sent and will arrive."""

    __slots__ = ("_rules", "_waiting")

    def __init__(self, rules: MatchingRules) -> None:
        self._rules = rules
        self._waiting: deque[_Request] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def send(self, act: Callable[[datetime], None], now: datetime) -> None:
        """Let *act* happen, with the time at which it does: at once if nothing takes time."""
        rules = self._rules
        if rules.delays:
            self._waiting.append(_Request(act, now, now + rules.latency, rules.latency_bars))
        else:
            act(now)

    def receive(self, start: datetime) -> None:
        """Do what arrives before a bar or quote that begins at *start*, and count that one."""
        waiting = self._waiting
        while waiting and waiting[0].arrives <= start and not waiting[0].bars:
            waiting.popleft().act(start)
        for index, request in enumerate(waiting):
            if request.bars and request.sent <= start:
                waiting[index] = request._replace(bars=request.bars - 1)
