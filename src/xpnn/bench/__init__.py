"""What is timed, and under which conditions: for ``xpnn bench`` and for ``benchmarks/``.

`WORKLOADS`     networks with data of their size; each is trained with both `OPTIMIZERS`
`training`      a run of `fit`
`matmul_floor`  the matrix products of that run alone
`throughput`    how many examples a second `fit` trains on, and its share of the floor
`times_by_size` one call against its size; `crossover`: where a GPU begins to win
`conditions`    processor, BLAS, threads, GPU, versions
`write_report`  Markdown, JSON and pictures
"""

from .conditions import conditions
from .floor import matmul_floor
from .plots import plot_sizes
from .report import markdown, report_name, write_report
from .sizes import SIZES, crossover, times_by_size
from .throughput import Throughput, seconds, throughput, training
from .workloads import OPTIMIZERS, WORKLOADS, Workload

__all__ = [
    "OPTIMIZERS",
    "SIZES",
    "WORKLOADS",
    "Throughput",
    "Workload",
    "conditions",
    "crossover",
    "markdown",
    "matmul_floor",
    "plot_sizes",
    "report_name",
    "seconds",
    "throughput",
    "times_by_size",
    "training",
    "write_report",
]
