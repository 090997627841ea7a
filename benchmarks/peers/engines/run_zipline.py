"""zipline-reloaded as its documentation has it: averages of `data.history`, two calls for each bar.

So does the example of two moving averages that comes with the engine; here the bars' own frequency
is asked for, and all symbols at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import zipline_bundle
from harness import Job, Outcome, measure

TIE = 1e-6
"""Averages of whole cents are this near only if they are equal: daily prices come back inexact."""


def run(job: Job, native: Any) -> Outcome:
    """Run the algorithm over the bundle."""
    from zipline.api import order

    frequency = "1m" if job.step == zipline_bundle.MINUTE else "1d"

    def begin(context: Any) -> None:
        context.asked = context.assets if len(job.symbols) > 1 else context.assets[0]
        context.side = np.zeros(len(job.symbols))
        context.held = np.zeros(len(job.symbols), dtype=bool)

    def handle(context: Any, data: Any, row: int) -> None:
        if row < job.slow - 1:
            return
        fast = data.history(context.asked, "price", job.fast, frequency).mean()
        slow = data.history(context.asked, "price", job.slow, frequency).mean()
        apart = np.atleast_1d(fast - slow)
        side = np.sign(apart) * (np.abs(apart) > TIE)
        turned = (side * context.side == -1) & ((side > 0) != context.held)
        context.side = side
        for number in np.flatnonzero(turned).tolist():
            context.held[number] = not context.held[number]
            signed = job.quantity if context.held[number] else -job.quantity
            order(context.assets[number], signed)

    return zipline_bundle.run(job, native, begin, handle)


if __name__ == "__main__":
    measure(zipline_bundle.load, run, package="zipline-reloaded")
