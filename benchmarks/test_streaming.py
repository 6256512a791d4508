"""What it costs `fit` to take mini-batches from a file rather than from the device's memory."""

import pytest
from conftest import SPECS, costs_agree, fits
from workers import Side

from xpnn.bench import WORKLOADS

WIDE = [workload for workload in WORKLOADS if workload.sizes[0] in (784, 1024, 4096)]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("workload", WIDE, ids=lambda workload: workload.name)
def test_streaming(benchmark, compare, workload, spec):
    if not fits(workload, spec):
        pytest.skip("too large for a processor")
    benchmark.group = f"{workload.name}, gradient descent"
    compare(
        Side(f"file {spec}", "peers.ours:fit_file", (workload, "gradient descent", spec)),
        Side(f"xpnn {spec}", "peers.ours:fit", (workload, "gradient descent", spec)),
        check=costs_agree,
        table="streaming",
        backend=spec,
        workload=workload.name,
    )
