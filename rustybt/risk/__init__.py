"""Limits on what may be risked: only orders that keep them can be sent."""

from rustybt.risk.breaker import Breaker
from rustybt.risk.limits import Denial, Limit, RiskLimits, TradingHours
from rustybt.risk.manager import RiskManager
from rustybt.risk.portfolio import PortfolioSnapshot

__all__ = [
    "Breaker",
    "Denial",
    "Limit",
    "PortfolioSnapshot",
    "RiskLimits",
    "RiskManager",
    "TradingHours",
]
