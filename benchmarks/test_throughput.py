"""How many examples a second `fit` trains on, and how much of its time its matrix products need."""

import pytest
from workers import Side

from xpnn.bench import OPTIMIZERS, WORKLOADS

SPECS = ("numpy:cpu", "torch:cpu", "jax:cpu", "cupy:cuda:0", "torch:cuda", "jax:gpu")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_throughput(benchmark, compare, workload, optimizer, spec):
    if workload.gpu_only and spec.endswith(":cpu"):
        pytest.skip("too large for a processor")
    benchmark.group = f"{workload.name}, {optimizer}"
    compare(
        Side(f"floor {spec}", "peers.ours:floor", (workload, spec)),
        Side(f"xpnn {spec}", "peers.ours:fit", (workload, optimizer, spec)),
        table="throughput",
        backend=spec,
        workload=workload.name,
        optimizer=optimizer,
        examples=workload.epochs * workload.m,
    )
