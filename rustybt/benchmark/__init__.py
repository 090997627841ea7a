"""How fast the engine is: suites, rounds that take turns, and records that say where they ran."""

from rustybt.benchmark.errors import BenchmarkError
from rustybt.benchmark.host import Host, this_host

__all__ = ["BenchmarkError", "Host", "this_host"]
