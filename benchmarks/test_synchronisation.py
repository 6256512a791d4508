"""How often the host waits for the device in an epoch of `xpnn.fit`: not once a step.

`xpnn.audit` counts, on a processor what would be a wait on a GPU; PyTorch counts its own on one.
"""

import pytest
from conftest import SPECS, fits
from workers import UnavailableError

from xpnn.bench import WORKLOADS


@pytest.mark.parametrize("spec", SPECS[1:])  # NumPy has nothing to wait for
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_waits(request, benchmark, worker, workload, spec):
    if not fits(workload, spec):
        pytest.skip("too large for a processor")
    benchmark.group = f"{workload.name}, waits"
    try:
        counted = benchmark.pedantic(
            worker(f"xpnn {spec}").call, args=("peers.ours:waits", workload, spec)
        )
    except UnavailableError as reason:
        request.config.reasons[str(reason)] += 1
        pytest.skip(str(reason))
    assert counted["a callback"] == 1.0  # the costs, all at once
    assert counted["nothing"] <= 1.0
    benchmark.extra_info.update(
        table="waits",
        backend=spec,
        workload=workload.name,
        steps=workload.m // workload.batch,
        waits=counted,
    )
