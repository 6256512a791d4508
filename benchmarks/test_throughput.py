"""How many examples a second `fit` trains on, and how much of its time its matrix products need."""

import pytest
from conftest import SPECS, compared
from workers import Side

from xpnn.bench import OPTIMIZERS, WORKLOADS


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("workload", "spec"), compared(WORKLOADS, SPECS))
def test_throughput(benchmark, compare, workload, optimizer, spec):
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
