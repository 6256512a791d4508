"""How time and peak memory of `xpnn.fit` grow with width, depth, batch and examples.

The slope of a straight line in logarithms: 1 is in proportion, 2 the square, 0 no growth.
"""

from statistics import median

import numpy as np
import pytest
from memory import PEAK_IS_READ, in_own_process, peak_of

from xpnn.backends.selection import resolve
from xpnn.bench import OPTIMIZERS, Workload, seconds, training

ROUNDS = 5


def of(layers=(256, 256), m=2048, batch=128):
    return Workload("growth", (256, *layers, 10), "relu", "softmax", m, batch, 1)


GROWTH = {
    "width of two hidden layers": {n: of(layers=(n, n)) for n in (256, 512, 1024, 2048)},
    "depth, hidden layers of 256": {n: of(layers=(256,) * n) for n in (2, 4, 8, 16)},
    "batch": {n: of(m=4096, batch=n) for n in (64, 256, 1024, 4096)},
    "examples": {n: of(m=n) for n in (2048, 4096, 8192, 16384)},
}


@PEAK_IS_READ
@pytest.mark.parametrize("quantity", GROWTH)
def test_growth(benchmark, quantity):
    workloads = GROWTH[quantity]

    def measure():
        found = [in_own_process("test_growth:measured", w) for w in workloads.values()]
        return zip(*found, strict=True)

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


def measured(workload):
    """Return the median of the times of some epochs, and the peak memory beyond the data."""
    train = training(workload, OPTIMIZERS["Adam"], resolve("numpy", "float32"))
    train()  # what is loaded once does not count
    peak = peak_of(train)
    return median(seconds(train) for _ in range(ROUNDS)), peak


def slope(sizes, values):
    return float(np.polyfit(np.log(list(sizes)), np.log(values), 1)[0])
