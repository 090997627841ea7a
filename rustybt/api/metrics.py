"""The figures in Prometheus's text format.

Values are floating-point numbers there, whatever they were before: for looking at, not for books.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from rustybt.api import figures
from rustybt.api.tally import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from decimal import Decimal

    from prometheus_client.metrics_core import Metric

    from rustybt.api.watch import View


def exposition(view: View) -> bytes:
    """Return all figures as Prometheus reads them, UTF-8."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(view))
    return generate_latest(registry)


class _Figures(Collector):
    """Gives the figures of one view."""

    def __init__(self, view: View) -> None:
        self._view = view

    def collect(self) -> Iterable[Metric]:
        """Give all figures."""
        yield from _money(self._view)
        yield from _states(self._view)
        yield from _times(self._view)
        yield from _counts(self._view)


def _gauge(name: str, text: str, value: float | Decimal) -> Metric:
    """Return a figure that stands alone."""
    return GaugeMetricFamily(f"rustybt_{name}", text, value=float(value))


def _money(view: View) -> Iterator[Metric]:
    """Give what the account is worth; nothing before it is known."""
    if not view.state.opened:
        return
    labels = ["currency"]
    currency = [view.state.currency]
    value = GaugeMetricFamily(
        "rustybt_portfolio_value", "What the account is worth at the last prices.", labels=labels
    )
    value.add_metric(currency, float(figures.equity(view)))
    yield value
    gained = figures.daily_pnl(view)
    if gained is not None:
        result = GaugeMetricFamily(
            "rustybt_daily_pnl", "What it gained since midnight UTC, deposits apart.", labels=labels
        )
        result.add_metric(currency, float(gained))
        yield result


def _states(view: View) -> Iterator[Metric]:
    """Give how things stand."""
    state = view.state
    failed = figures.recent_errors(view)
    held = len(figures.positions(view))
    yield _gauge("positions", "Number of symbols that are held.", held)
    yield _gauge("open_orders", "Number of open orders.", sum(o.is_open for o in state.orders))
    yield _gauge("orders_in_doubt", "Orders whose state is unknown.", len(state.inquiries))
    yield _gauge("breaker_tripped", "1 while new risk is refused.", state.breaker.is_tripped)
    yield _gauge("trading_enabled", "1 while the engine may trade.", state.enabled)
    yield _gauge("engine_running", "1 while the engine answers.", view.is_running)
    yield _gauge("recent_errors", "Failed requests within the guard's window.", failed)
    yield _gauge("error_rate", "Share of the requests so far that failed.", _rate(view))
    health = GaugeMetricFamily("rustybt_component_up", "1 while it is well.", labels=["component"])
    for name, found in figures.components(view).items():
        health.add_metric([name], float(found.ok))
    yield health


def _rate(view: View) -> float:
    """Return which part of the requests failed, 0 without any."""
    asked = sum(view.tally.requests.values())
    return sum(view.tally.failures.values()) / asked if asked else 0.0


def _times(view: View) -> Iterator[Metric]:
    """Give ages and lags, in seconds."""
    ages = GaugeMetricFamily(
        "rustybt_feed_age_seconds",
        "How long nothing was heard of a symbol whose market is open, by the session's clock.",
        labels=["symbol"],
    )
    for symbol, age in figures.feed_ages(view).items():
        ages.add_metric([symbol], age.total_seconds())
    yield ages
    lag = figures.journal_lag(view)
    if lag is not None:
        text = "How far the journal is behind what the engine knows, by the session's clock."
        yield _gauge("journal_lag_seconds", text, lag.total_seconds())
    yield _gauge("journal_readable", "1 while the journal can be read.", not view.problem)
    yield CounterMetricFamily("rustybt_journal_records", "Records so far.", value=view.sequence)


def _counts(view: View) -> Iterator[Metric]:
    """Give what was counted."""
    tally = view.tally
    requests = CounterMetricFamily(
        "rustybt_requests", "What the venue was asked for.", labels=["request"]
    )
    for request, count in sorted(tally.requests.items()):
        requests.add_metric([request], count)
    yield requests
    failures = CounterMetricFamily(
        "rustybt_request_errors",
        "Requests that came to nothing, or nobody knows to what.",
        labels=["request", "outcome"],
    )
    for (request, outcome), count in sorted(tally.failures.items()):
        failures.add_metric([request, outcome], count)
    yield failures
    bounds = [*map(str, BUCKETS), "+Inf"]
    yield HistogramMetricFamily(
        "rustybt_order_latency_seconds",
        "From the sending of an order to the venue's first word about it.",
        buckets=list(zip(bounds, accumulate(map(float, tally.latencies)), strict=True)),
        sum_value=tally.waited,
    )
