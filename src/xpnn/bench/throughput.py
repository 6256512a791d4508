"""How fast `fit` trains, and how much of the time is matrix products."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from .._backends import fused
from .._backends.base import Backend
from .._backends.selection import use_backend
from ..core.optimizers import Optimizer
from ..training.fit import fit
from .floor import matmul_floor
from .workloads import OPTIMIZERS, Workload

WARM_UP, RUNS = 3, 5  # JAX compiles `fit` in the first run, and for more epochs at once later


class Throughput(NamedTuple):
    """What `throughput` has measured."""

    examples_per_second: float
    share_of_floor: float
    """The time of the matrix products alone over that of `fit`: at most about 1."""


def training(
    workload: Workload,
    optimizer: Optimizer,
    backend: Backend,
    data: tuple[Any, Any] | None = None,
) -> Callable[[], list[float]]:
    """Return a function that trains, waits for the device, and returns the cost of each epoch.

    Parameters
    ----------
    workload : Workload
    optimizer : Optimizer
    backend : Backend
    data : tuple (X, Y), optional
        Rows that ``fit`` gets as they are; by default those of the workload, on the device.

    Examples
    --------
    >>> import xpnn
    >>> from xpnn.bench import OPTIMIZERS, WORKLOADS, training
    >>> train = training(WORKLOADS[0], OPTIMIZERS["Adam"], xpnn.get_backend())
    >>> len(train())
    1024
    """
    net = workload.net
    with use_backend(backend.spec, backend.dtype_name), backend.current():
        params = net.init(rng=0)
        rows = data or map(backend.asarray, workload.rows())
        X, Y = (a.T for a in rows)  # which JAX copies: columns are what `fit` takes

    def train() -> list[float]:
        _, history = fit(
            net,
            params,
            X,
            Y,
            optimizer=optimizer,
            epochs=workload.epochs,
            batch_size=workload.batch_size,
            progress=False,
        )
        backend.synchronize()
        return history.cost

    return train


def throughput(workload: Workload, backend: Backend) -> Throughput:
    """Return how many examples a second `fit` trains on, with Adam, and its share of the floor.

    Medians of some runs after others that compile; runs of `fit` and of the matrix products alone
    take turns.

    Parameters
    ----------
    workload : Workload
    backend : Backend

    Examples
    --------
    >>> import xpnn
    >>> from xpnn.bench import WORKLOADS, throughput
    >>> throughput(WORKLOADS[0], xpnn.get_backend()).examples_per_second > 0.0
    True
    """
    sides = (training(workload, OPTIMIZERS["Adam"], backend), matmul_floor(workload, backend))
    with fused.compiled_at_once():
        pairs = [[seconds(side) for side in sides] for _ in range(WARM_UP + RUNS)][WARM_UP:]
    fit_seconds = median(fit for fit, _ in pairs)
    of_floor = median(floor / fit for fit, floor in pairs)
    return Throughput(workload.epochs * workload.m / fit_seconds, of_floor)


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes.

    Examples
    --------
    >>> from xpnn.bench import seconds
    >>> seconds(lambda: sum(range(1000))) > 0.0
    True
    """
    began = perf_counter()
    function()
    return perf_counter() - began
