"""What can be wrong with a benchmark.

.. code-block:: text

    RustyBTError
    └── BenchmarkError      it cannot be run, its results are wrong, or a record cannot be used
"""

from __future__ import annotations

from rustybt.errors import RustyBTError


class BenchmarkError(RustyBTError):
    """A benchmark that says nothing: what it measured is not what it was meant to measure."""
