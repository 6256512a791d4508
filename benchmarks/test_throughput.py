"""Examples a second, and how much of a training's time its matrix products need, alone.

Of `fit` on each backend, and of PyTorch as people write it.
"""

import pytest
from conftest import SPECS, fits
from workers import Side

from xpnn.bench import OPTIMIZERS, WORKLOADS

PYTORCH = {"PyTorch on torch:cpu": "cpu", "PyTorch on torch:cuda": "cuda"}


@pytest.mark.parametrize("backend", [*SPECS, *PYTORCH])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_throughput(benchmark, compare, workload, optimizer, backend):
    if not fits(workload, backend):
        pytest.skip("too large for a processor")
    benchmark.group = f"{workload.name}, {optimizer}"
    if backend in PYTORCH:
        device = PYTORCH[backend]
        spec = f"torch:{device}"
        side = Side(f"PyTorch {device}", "peers.pytorch:eager", (workload, optimizer, device))
    else:
        spec = backend
        side = Side(f"xpnn {spec}", "peers.ours:fit", (workload, optimizer, spec))
    compare(
        Side(f"floor {spec}", "peers.ours:floor", (workload, spec)),
        side,
        table="throughput",
        backend=backend,
        workload=workload.name,
        optimizer=optimizer,
        examples=workload.epochs * workload.m,
    )
