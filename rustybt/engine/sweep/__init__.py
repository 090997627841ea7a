"""Many runs of one strategy: parameter grids and walk-forward windows.

:class:`Sweep` runs them, in this process, in several, or on a Dask cluster; :class:`SweepResult`
is what it found. A combination is an ordinary backtest on exact money, on bars that are prepared
once for all.
"""

from rustybt.engine.sweep.errors import SweepError, SweepStateError
from rustybt.engine.sweep.metrics import METRICS
from rustybt.engine.sweep.result import SweepResult
from rustybt.engine.sweep.run import Sweep
from rustybt.engine.sweep.windows import WalkForward

__all__ = ["METRICS", "Sweep", "SweepError", "SweepResult", "SweepStateError", "WalkForward"]
