"""From an approved order to its fills: the port to a venue, matching, costs, order states."""

from rustybt.execution.broker import Broker, VenueEvent
from rustybt.execution.costs import (
    BasisPointCommission,
    BasisPointSlippage,
    Commission,
    FixedSlippage,
    MakerTakerCommission,
    NoCommission,
    NoSlippage,
    PerShareCommission,
    PerTradeCommission,
    RoundedCommission,
    Slippage,
    SpreadSlippage,
    Taking,
    Tier,
    TieredCommission,
    Traded,
    VolumeShareSlippage,
)
from rustybt.execution.errors import DuplicateOrderError, ExecutionError, UnknownOrderError
from rustybt.execution.market import BarView
from rustybt.execution.matching import Matcher
from rustybt.execution.order_manager import OrderManager
from rustybt.execution.rules import FillPolicy, MatchingRules

__all__ = [
    "BarView",
    "BasisPointCommission",
    "BasisPointSlippage",
    "Broker",
    "Commission",
    "DuplicateOrderError",
    "ExecutionError",
    "FillPolicy",
    "FixedSlippage",
    "MakerTakerCommission",
    "Matcher",
    "MatchingRules",
    "NoCommission",
    "NoSlippage",
    "OrderManager",
    "PerShareCommission",
    "PerTradeCommission",
    "RoundedCommission",
    "Slippage",
    "SpreadSlippage",
    "Taking",
    "Tier",
    "TieredCommission",
    "Traded",
    "UnknownOrderError",
    "VenueEvent",
    "VolumeShareSlippage",
]
