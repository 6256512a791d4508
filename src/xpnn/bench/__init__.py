"""What is timed, and under which conditions: for ``xpnn bench`` and for ``benchmarks/``.

`WORKLOADS`    networks with data of their size
`throughput`   how many examples a second `fit` trains on
`conditions`   processor, BLAS, threads, versions
"""

from .conditions import conditions
from .throughput import throughput
from .workloads import WORKLOADS, Workload

__all__ = ["WORKLOADS", "Workload", "conditions", "throughput"]
