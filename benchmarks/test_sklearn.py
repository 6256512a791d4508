"""xpnn's `MLPClassifier` against scikit-learn's: the time of `fit`, and the peak of the memory.

    OMP_NUM_THREADS=1 taskset -c 0 pytest benchmarks/test_sklearn.py --benchmark-only

On one core, because XLA has no setting for one thread. Same data, hyperparameters and
random draws, so that both walk the same way. Ratios above 1 are in favour of xpnn.
"""

import multiprocessing
import re
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

from xpnn.estimators import MLPClassifier

CLASSIFIERS = {"sklearn": SklearnMLPClassifier, "xpnn": partial(MLPClassifier, backend="numpy")}
ROUNDS = 21


def digits():
    X, y = load_digits(return_X_y=True)
    return np.asarray(X / 16.0, dtype=np.float32), y


def wide():
    rng = np.random.default_rng(0)
    return rng.standard_normal((4_000, 784), dtype=np.float32), rng.integers(0, 10, 4_000)


WORKLOADS = {
    "digits, 64-64-32-10": (digits, (64, 32), 50),
    "random, 784-256-128-10": (wide, (256, 128), 3),
}


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [200, 32])
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_time_of_fit(benchmark, time_in_pairs, backend, workload, batch_size, solver):
    if backend == "jax":
        pytest.importorskip("jax")
    data, hidden, epochs = WORKLOADS[workload]
    X, y = data()
    settings = {
        "hidden_layer_sizes": hidden,
        "solver": solver,
        "batch_size": batch_size,
        "random_state": 0,
        **exactly(epochs),
    }

    def theirs():
        return fitted(SklearnMLPClassifier(**settings), X, y)

    def ours():
        return fitted(MLPClassifier(**settings, backend=backend), X, y)

    # float32: rounding grows from epoch to epoch
    np.testing.assert_allclose(ours().loss_curve_[:3], theirs().loss_curve_[:3], rtol=1e-3)
    benchmark.group = f"{workload}, batch {batch_size}, {solver}"
    seconds = time_in_pairs(theirs, ours, rounds=ROUNDS, warmup_rounds=1)
    if seconds is not None:
        benchmark.extra_info.update(
            backend=backend,
            sklearn_median_s=median(seconds[0]),
            xpnn_median_s=median(seconds[1]),
            speedup=median(a / b for a, b in zip(*seconds, strict=True)),
        )


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc"
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_peak_memory(benchmark, dtype):
    benchmark.group = f"60,000 × 784, {dtype}, 784-100-10, batch 200, adam"

    def peaks():
        return [in_own_process(peak_memory, name, dtype) for name in CLASSIFIERS]

    sklearn, xpnn = benchmark.pedantic(peaks)
    assert 0 < xpnn <= sklearn
    benchmark.extra_info.update(backend="numpy", sklearn_peak_bytes=sklearn, xpnn_peak_bytes=xpnn)


def exactly(epochs):
    """Return the settings with which neither library stops before so many epochs."""
    return {"max_iter": epochs, "tol": 0.0, "n_iter_no_change": epochs}


def fitted(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    assert model.n_iter_ == model.max_iter
    return model


def in_own_process(function, *arguments):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def peak_memory(library, dtype):
    """Return by how many bytes this process grows, at most, as it fits and predicts."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60_000, 784), dtype=dtype)
    y = rng.integers(0, 10, len(X))
    model = CLASSIFIERS[library]((100,), random_state=0, **exactly(2))
    fitted(model, X[:400], y[:400]).predict(X[:400])  # what is loaded once does not count
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    fitted(model, X, y).predict(X)
    return resident("VmHWM") - before


def resident(field):
    """Return the memory of this process in bytes: VmRSS now, VmHWM at its peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024
