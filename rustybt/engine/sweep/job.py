"""A sweep as it is sent to other processes: everything but the tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rustybt.engine.sweep.shipment import unpack
from rustybt.engine.sweep.workbench import Workbench

if TYPE_CHECKING:
    from rustybt.engine.sweep.shipment import Parcel
    from rustybt.engine.sweep.source import Source
    from rustybt.engine.sweep.task import Options


class Job(NamedTuple):
    """Where the strategy is, the bars, and what else a backtest is told. *token* names it."""

    token: str
    source: Source
    parcels: tuple[Parcel, ...]
    options: Options

    def workbench(self) -> Workbench:
        """Return what runs tasks, in this process."""
        return Workbench(self.source.load(), unpack(self.parcels), self.options)
