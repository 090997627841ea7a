"""Options of all commands that run a strategy over the past: which one, and what it pays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

StrategyOption = Annotated[
    Path, typer.Option("--strategy", help="A Python file with one strategy.", show_default=False)
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The strategy's class, if the file has several.")
]
CashOption = Annotated[str, typer.Option(help="Cash at the beginning.")]
CurrencyOption = Annotated[str, typer.Option(help="What prices are in.")]
CommissionOption = Annotated[
    str, typer.Option("--commission-bps", help="Commission in basis points of notional.")
]
SlippageOption = Annotated[
    str, typer.Option("--slippage-bps", help="Slippage in basis points of price.")
]
FillOption = Annotated[
    str, typer.Option(help="When orders trade: next_open, same_close or intrabar.")
]
LotOption = Annotated[str, typer.Option(help="The smallest step of quantities.")]

CASH, CURRENCY, FREE, FILL, LOT = "100000", "USD", "0", "next_open", "0.00000001"


class Simulation(NamedTuple):
    """What a strategy begins with and what its orders come to, as they were given."""

    cash: str
    currency: str
    commission_bps: str
    slippage_bps: str
    fill: str
    lot: str


def simulated(given: Simulation) -> dict[str, Any]:
    """Return the arguments of a backtest that say all of this."""
    from rustybt.execution import BasisPointCommission, BasisPointSlippage, NoSlippage
    from rustybt.model import decimal

    slippage = decimal(given.slippage_bps, "--slippage-bps")
    return {
        "cash": given.cash,
        "currency": given.currency,
        "lot": given.lot,
        "fill": given.fill,
        "commission": BasisPointCommission(decimal(given.commission_bps, "--commission-bps")),
        "slippage": BasisPointSlippage(slippage) if slippage else NoSlippage(),
    }
