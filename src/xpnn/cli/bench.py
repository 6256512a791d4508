"""``xpnn bench``: how fast the backends are on this machine."""

import argparse
import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from .. import bench, demos
from .._backends.base import Backend
from .._backends.selection import resolve
from .._backends.status import usable_specs
from ..bench.sizes import OPERATIONS
from ..plot._canvas import pyplot
from ..table import Table
from .outputs import check_writable
from .streams import say

Times: TypeAlias = dict[str, dict[str, list[float]]]  # seconds by operation, backend and size
Training: TypeAlias = dict[str, dict[str, bench.Throughput]]  # by workload and backend
REFERENCE = "numpy:cpu"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.description = (
        "Time loops against vectorised calls, calls of growing size, and how many examples a "
        "second a network is trained on with Adam, on every backend that works here."
    )
    parser.add_argument("--backend", help="time this one only")
    parser.add_argument(
        "--report",
        metavar="DIR",
        type=Path,
        help="write what is found into this folder: Markdown, JSON and a plot",
    )


def run(arguments: argparse.Namespace) -> None:
    """Time, print tables, and write the report if asked to."""
    if arguments.report:
        pyplot().switch_backend("Agg")  # say now if it is missing
        stem = arguments.report / f"bench-{bench.report_name()}"
        arguments.report.mkdir(parents=True, exist_ok=True)
        check_writable("--report", Path(f"{stem}.md"))
    # what JAX would multiply with fewer digits on a GPU, the other libraries do not
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
    specs = usable_specs() if arguments.backend is None else [arguments.backend]
    backends = [resolve(spec, "float32") for spec in specs]
    tables = _show("Explicit loops and vectorised calls", demos.vectorization().tables[0])
    times = {
        operation: {backend.spec: bench.times_by_size(operation, backend) for backend in backends}
        for operation in OPERATIONS
    }
    for operation, by_backend in times.items():
        tables |= _show(f"{operation} of n numbers, µs", _sizes_table(by_backend))
    won = list(_crossings(times))
    say(*won, "")
    training = _training(backends)
    tables |= _show(
        "Training, examples a second (share of it that is matrix products)",
        _training_table(training),
    )
    described = bench.conditions()
    say(*described)
    if arguments.report:
        data = {"sizes": bench.SIZES, "seconds": times, "training": training}
        figures = {"sizes": bench.plot_sizes(times)}
        path = bench.write_report(stem, "xpnn bench", described + won, tables, figures, data)
        say(f"report in {path}")


def _show(heading: str, table: Table) -> dict[str, Table]:
    say(heading, "", table, "")
    return {heading: table}


def _sizes_table(by_backend: dict[str, list[float]]) -> Table:
    rows = [
        (f"{n:,}", *("-" if seconds is None else _microseconds(seconds) for seconds in times))
        for n, times in zip(bench.SIZES, zip_longest(*by_backend.values()), strict=False)
    ]
    return Table(("n", *by_backend), rows)


def _microseconds(seconds: float) -> str:
    us = 1e6 * seconds
    return f"{us:,.0f}" if us >= 100.0 else f"{us:.2g}"


def _crossings(times: Times) -> Iterator[str]:
    """Say for each GPU from which size on it is faster than NumPy."""
    for operation, by_backend in times.items():
        for spec, seconds in by_backend.items():
            if _on_cpu(spec) or REFERENCE not in by_backend:
                continue
            n = bench.crossover(bench.SIZES, seconds, by_backend[REFERENCE])
            wins = "does not win" if n is None else f"wins above n ≈ {n:,.0f}"
            yield f"{operation}: on this machine the GPU ({spec}) {wins} against {REFERENCE}."


def _training(backends: list[Backend]) -> Training:
    return {
        workload.name: {
            backend.spec: bench.throughput(workload, backend)
            for backend in backends
            if not (workload.gpu_only and _on_cpu(backend.spec))
        }
        for workload in bench.WORKLOADS
    }


def _training_table(training: Training) -> Table:
    specs = max(training.values(), key=len)
    rows = [
        (name, *(_cell(found[spec]) if spec in found else "-" for spec in specs))
        for name, found in training.items()
        if found
    ]
    return Table(("network", *specs), rows)


def _cell(found: bench.Throughput) -> str:
    return f"{found.examples_per_second:,.0f} ({found.share_of_floor:.0%})"


def _on_cpu(spec: str) -> bool:
    return spec.partition(":")[2].lower().startswith("cpu")
