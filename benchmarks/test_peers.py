"""`xpnn.fit` against the same training by hand, and against PyTorch as people write it.

By hand xpnn is compared in the same library: what the abstraction costs. PyTorch is compared with
xpnn on each library. Ratios are the other side's time over that of xpnn.
"""

from itertools import product

import pytest
from conftest import SPECS, costs_agree, fits
from workers import Side

from xpnn.bench import OPTIMIZERS, WORKLOADS

HAND = {
    "NumPy by hand": ("peers.arrays:with_numpy", "numpy:cpu", "numpy:cpu without Numba"),
    "CuPy by hand": ("peers.arrays:with_cupy", "cupy:cuda:0"),
    "JAX by hand, jit of a step": ("peers.jax_by_hand:jitted", "jax:cpu", "jax:gpu"),
    "JAX by hand, lax.scan": ("peers.jax_by_hand:scanned", "jax:cpu", "jax:gpu"),
}
PYTORCH = {
    "PyTorch": ("peers.pytorch:eager", *SPECS),
    "PyTorch, fused Adam": ("peers.pytorch:fused", *SPECS),
    "torch.compile": ("peers.pytorch:compiled", *SPECS),
}


def cases():
    """Yield what is compared; what a worker has prepared is used by the cases that follow."""
    for workload, optimizer in product(WORKLOADS, OPTIMIZERS):
        for table, peers in (("abstraction", HAND), ("peers", PYTORCH)):
            for peer, (factory, *specs) in peers.items():
                for spec in specs:
                    if fits(workload, spec) and (optimizer == "Adam" or "Adam" not in peer):
                        name = f"{workload.name}, {optimizer}, {peer}, {spec}"
                        case = (workload, optimizer, table, peer, factory, spec)
                        yield pytest.param(*case, id=name)


@pytest.mark.parametrize(
    ("workload", "optimizer", "table", "peer", "factory", "spec"), list(cases())
)
def test_fit_against(benchmark, compare, workload, optimizer, table, peer, factory, spec):
    device = device_of(spec, peer)
    backend, _, without = spec.partition(" without ")
    ours = "peers.ours:fit_without_numba" if without else "peers.ours:fit"
    benchmark.group = f"{workload.name}, {optimizer}"
    compare(
        Side(f"{peer} {device}", factory, (workload, optimizer, device)),
        Side(f"xpnn {spec}", ours, (workload, optimizer, backend)),
        check=costs_agree,
        table=table,
        peer=peer if device == "cpu" else f"{peer}, GPU",
        workload=workload.name,
        optimizer=optimizer,
        **{"xpnn on": spec},
    )


def device_of(spec, peer):
    """Return how the peer's library names the device: cpu, cuda, or JAX's gpu."""
    if ":cpu" in spec:
        return "cpu"
    return "gpu" if peer.startswith("JAX") else "cuda"
