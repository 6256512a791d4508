"""The same training as `xpnn.fit`, as people write it without xpnn.

Each module has functions of (workload, optimizer, device) that return a function which trains once,
waits for the device and returns the cost of each epoch: from the parameters from which `fit`
starts, on the same data, in the same order of mini-batches. A worker process calls them by name.
"""

import numpy as np

import xpnn
from xpnn._backends import fused
from xpnn.bench import OPTIMIZERS

fused.WORTH_COMPILING = 0  # Numba compiles in the warm-up, not between two rounds

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def learning_rate(optimizer):
    return OPTIMIZERS[optimizer].learning_rate


def start(workload):
    """Return the W and the b, two lists, from which every library starts."""
    with xpnn.use_backend("numpy"):
        params = workload.net.init(rng=0)
    return [layer.W for layer in params], [layer.b for layer in params]


def orders(workload):
    """Yield the order of the examples of each epoch, as `fit` draws it; None for the full batch."""
    rng = np.random.default_rng(0)
    for _ in range(workload.epochs):
        yield None if workload.batch_size is None else rng.permutation(workload.m)


def epoch_means(costs, workload):
    """Return the cost of each epoch from one a step; the steps are of one size."""
    return np.asarray(costs, dtype=np.float64).reshape(workload.epochs, -1).mean(axis=1).tolist()
