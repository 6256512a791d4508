"""xpnn's `MLPClassifier` against scikit-learn's: the time of `fit`, and the peak of the memory.

Same data, hyperparameters and random draws, so that both walk the same way.
"""

import pytest
from conftest import costs_agree
from memory import PEAK_IS_READ, in_own_process
from peers.classifiers import DATA
from workers import Side


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [200, 32])
@pytest.mark.parametrize("data", DATA)
def test_time_of_fit(benchmark, compare, data, batch_size, solver, backend):
    if data.startswith("60,000") and batch_size != 200:
        pytest.skip("takes minutes")
    benchmark.group = f"{data}, batch {batch_size}, {solver}"
    compare(
        Side("scikit-learn", "peers.classifiers:fitting", ("sklearn", data, batch_size, solver)),
        Side(f"xpnn {backend}", "peers.classifiers:fitting", (backend, data, batch_size, solver)),
        check=costs_agree,
        table="sklearn",
        workload=benchmark.group,
        data=data,
        batch=batch_size,
        optimizer=solver,
        **{"xpnn on": backend},
    )


@PEAK_IS_READ
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_peak_memory(benchmark, dtype):
    def peaks():
        sides = ("sklearn", "numpy")
        return [in_own_process("memory:of_classifier", side, dtype) for side in sides]

    theirs, ours = benchmark.pedantic(peaks)
    assert 0 < ours <= theirs
    benchmark.extra_info.update(
        table="memory",
        workload=f"60,000 × 784, {dtype}, 784-100-10, batch 200, adam, on NumPy",
        their_bytes=theirs,
        our_bytes=ours,
    )
