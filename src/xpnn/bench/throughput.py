"""How fast `fit` trains."""

from statistics import median
from time import perf_counter

from ..backends import use_backend
from ..core.optimizers import adam
from ..training.fit import fit
from .workloads import Workload

RUNS = 3


def throughput(workload: Workload, backend: str) -> float:
    """Return how many examples a second `fit` trains on, with Adam, in float32.

    The median of some runs after a first, which compiles; each is over when its costs have been
    read from the device.

    Parameters
    ----------
    workload : Workload
    backend : str
        As `xpnn.set_backend` takes it.
    """
    with use_backend(backend) as chosen, chosen.current():
        params = workload.net.init(rng=0)
        X, Y = (chosen.asarray(rows).T for rows in workload.rows())
        seconds = []
        for _ in range(RUNS + 1):
            began = perf_counter()
            fit(
                workload.net,
                params,
                X,
                Y,
                optimizer=adam(),
                epochs=workload.epochs,
                batch_size=workload.batch_size,
                progress=False,
            )
            seconds.append(perf_counter() - began)
    return workload.epochs * workload.m / median(seconds[1:])
