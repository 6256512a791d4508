"""How the time of `xpnn.fit` and the peak of its arrays grow with width, depth, batch and examples.

The slope of a straight line in logarithms: 1 is in proportion, 2 the square, 0 no growth.
"""

from contextlib import ExitStack, closing
from statistics import median

import numpy as np
import pytest
from workers import Side, Worker

from xpnn.bench import Workload

ROUNDS = 9


def of(layers=(256, 256), m=2048, batch=128):
    return Workload("growth", (256, *layers, 10), "relu", "softmax", m, batch, 1)


GROWTH = {
    "width of two hidden layers": {n: of(layers=(n, n)) for n in (256, 512, 1024, 2048)},
    "depth, hidden layers of 256": {n: of(layers=(256,) * n) for n in (2, 4, 8, 16)},
    "batch": {n: of(m=4096, batch=n) for n in (64, 256, 1024, 4096)},
    "examples": {n: of(m=n) for n in (2048, 4096, 8192, 16384)},
}


@pytest.mark.parametrize("quantity", GROWTH)
def test_growth(benchmark, quantity):
    workloads = GROWTH[quantity]

    def measure():
        with ExitStack() as stack:
            workers = [stack.enter_context(closing(Worker("1"))) for _ in workloads]
            for worker, workload in zip(workers, workloads.values(), strict=True):
                worker.prepare(Side("growth", "peers.ours:fit", (workload, "Adam", "numpy:cpu")))
            rounds = [[worker.run() for worker in workers] for _ in range(ROUNDS)]
            peaks = [worker.call("memory:peak_of_arrays") for worker in workers]
        return [median(times) for times in zip(*rounds, strict=True)], peaks

    times, peaks = benchmark.pedantic(measure)
    benchmark.extra_info.update(
        table="growth",
        quantity=quantity,
        sizes=list(workloads),
        seconds=times,
        bytes=peaks,
        time_slope=slope(workloads, times),
        memory_slope=slope(workloads, peaks),
    )


def slope(sizes, values):
    return float(np.polyfit(np.log(list(sizes)), np.log(values), 1)[0])
