"""`xpnn.fit` against the same training by hand, and against PyTorch as people write it.

By hand xpnn is compared in the same library: what the abstraction costs. PyTorch is compared with
xpnn on each library. Ratios are the other side's time over that of xpnn.
"""

import pytest
from conftest import costs_agree
from workers import Side

from xpnn.bench import OPTIMIZERS, WORKLOADS

BY_HAND = {
    "NumPy by hand": ("peers.arrays:with_numpy", "numpy:cpu"),
    "CuPy by hand": ("peers.arrays:with_cupy", "cupy:cuda:0"),
    "JAX by hand, jit of a step": ("peers.jax_by_hand:jitted", "jax:cpu", "jax:gpu"),
    "JAX by hand, lax.scan": ("peers.jax_by_hand:scanned", "jax:cpu", "jax:gpu"),
}
ON_CPU, ON_GPU = ("numpy:cpu", "torch:cpu", "jax:cpu"), ("cupy:cuda:0", "torch:cuda", "jax:gpu")
PYTORCH = {
    "PyTorch": "peers.pytorch:eager",
    "PyTorch, fused": "peers.pytorch:fused",
    "torch.compile": "peers.pytorch:compiled",
}
COMPARED = [
    ("abstraction", peer, factory, spec)
    for peer, (factory, *specs) in BY_HAND.items()
    for spec in specs
] + [
    ("peers", peer, factory, spec) for peer, factory in PYTORCH.items() for spec in ON_CPU + ON_GPU
]


@pytest.mark.parametrize(
    ("table", "peer", "factory", "spec"), COMPARED, ids=[f"{c[1]} {c[3]}" for c in COMPARED]
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_fit_against(benchmark, compare, workload, optimizer, table, peer, factory, spec):
    device = device_of(spec, peer)
    if workload.gpu_only and device == "cpu":
        pytest.skip("too large for a processor")
    benchmark.group = f"{workload.name}, {optimizer}"
    compare(
        Side(f"{peer} {device}", factory, (workload, optimizer, device)),
        Side(f"xpnn {spec}", "peers.ours:fit", (workload, optimizer, spec)),
        check=costs_agree,
        table=table,
        peer=peer if device == "cpu" else f"{peer}, GPU",
        workload=workload.name,
        optimizer=optimizer,
        **{"xpnn on": spec},
    )


def device_of(spec, peer):
    """Return how the peer's library names the device: cpu, cuda, or JAX's gpu."""
    if spec.endswith(":cpu"):
        return "cpu"
    return "gpu" if peer.startswith("JAX") else "cuda"
