"""What the abstraction costs: `xpnn.fit` against the same training written by hand.

    OMP_NUM_THREADS=1 taskset -c 0 pytest benchmarks/test_step.py --benchmark-only

On one core, because XLA has no setting for one thread. Pairs are interleaved: before
each timed round of `xpnn.fit`, one round by hand is timed, and ``extra_info`` of each
benchmark holds the median of both and their ratio.
"""

from statistics import median

import by_hand
import numpy as np
import pytest

import xpnn
from xpnn.bench import WORKLOADS

OPTIMIZERS = {
    "gradient_descent": xpnn.optimizers.gradient_descent(0.01),
    "adam": xpnn.optimizers.adam(0.001),
}
ROUNDS = 21


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize("name", ["numpy", "jax"])
def test_fit_against_by_hand(benchmark, time_in_pairs, name, workload, optimizer):
    if name == "jax":
        pytest.importorskip("jax")
    adam, rate = optimizer == "adam", OPTIMIZERS[optimizer].learning_rate
    net = workload.net
    with xpnn.use_backend("numpy"):
        start = net.init(rng=0)
    X, Y = workload.rows()
    with xpnn.use_backend(name) as backend:
        params = net.init(rng=0)
        X_device, Y_device = backend.asarray(X), backend.asarray(Y)
        columns = X_device.T, Y_device.T

    def ours():
        _, history = xpnn.fit(
            net,
            params,
            *columns,
            optimizer=OPTIMIZERS[optimizer],
            epochs=workload.epochs,
            batch_size=workload.batch_size,
            rng=0,
            progress=False,
        )
        return history.cost

    jax_fit = by_hand.jax_fit(workload.hidden, adam, rate) if name == "jax" else None

    def theirs():
        W = [np.array(layer.W) for layer in start]
        b = [np.array(layer.b) for layer in start]
        if jax_fit is None:
            arguments = (workload.hidden, adam, rate, workload.epochs, workload.batch_size, 0)
            return by_hand.numpy_fit(W, b, X, Y, *arguments)
        return jax_fit(W, b, X_device, Y_device, workload.epochs, workload.batch_size, 0)

    # JAX by hand keeps one cost a step; every epoch has the same number of equal steps
    costs = np.reshape(theirs(), (workload.epochs, -1)).mean(axis=1)
    # Adam divides by √s: rounding of gradients near 0 grows from epoch to epoch in float32
    np.testing.assert_allclose(ours()[:3], costs[:3], rtol=1e-3)

    benchmark.group = f"{workload.name}, {optimizer}"
    seconds = time_in_pairs(theirs, ours, rounds=ROUNDS, warmup_rounds=2)
    if seconds is not None:
        hand, fit = map(median, seconds)
        benchmark.extra_info.update(
            backend=name, by_hand_median_s=hand, fit_median_s=fit, ratio=round(fit / hand, 3)
        )
