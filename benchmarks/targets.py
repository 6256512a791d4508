"""The speed to reach: the ratios that are aimed at, beside what was measured."""

from typing import NamedTuple

from xpnn.bench import WORKLOADS
from xpnn.table import Table

TITLE = (
    "What is aimed at: ratio of times, above 1 xpnn is faster; rounded, and in bold where it then "
    "falls short"
)


class Target(NamedTuple):
    """A ratio to reach."""

    against: str
    on: str
    network: str
    wanted: float | dict
    """of both optimizers, or of each"""
    row: dict
    """what rows of the data hold that have it: one for each optimizer"""


def name_of(*sizes, batch=None):
    """Return the name of the workload with these layers and mini-batches."""
    (found,) = (w.name for w in WORKLOADS if w.sizes == sizes and w.batch_size == batch)
    return found


PLANAR, CATS = name_of(2, 4, 1), name_of(12288, 20, 7, 5, 1)
B32, B128 = name_of(64, 64, 32, 10, batch=32), name_of(784, 256, 128, 10, batch=128)
WIDE = name_of(1024, 1024, 1024, 10, batch=1024)


def aims():
    """Yield what is aimed at."""
    for network, wanted in ((PLANAR, 0.9), (B128, 1.0)):
        yield of_training("NumPy by hand", "numpy:cpu", network, wanted)
        yield of_training("NumPy by hand", "numpy:cpu without Numba", network, wanted)
    for network, wanted in ((PLANAR, 3.5), (B32, 3.2), (B128, 2.0), (CATS, 1.5), (WIDE, 1.5)):
        yield of_training("PyTorch", "numpy:cpu", network, wanted)
    yield of_training("PyTorch, fused Adam", "numpy:cpu", B128, 1.5)
    for peer, wanted in (("JAX by hand, jit of a step", 1.0), ("JAX by hand, lax.scan", 0.9)):
        for network in (PLANAR, CATS, B32, B128, WIDE):
            yield of_training(peer, "jax:cpu", network, wanted)
    for network, wanted in ((B128, 0.8), (WIDE, 0.95)):
        row = {"table": "throughput", "backend": "numpy:cpu", "workload": network}
        yield Target("its own matrix products", "numpy:cpu", network, wanted, row)
    digits, images = "digits, 64-64-32-10", "60,000 × 784, 784-256-128-10"
    for batch in (200, 32):
        yield of_classifier("numpy", digits, batch, 2.2)
        yield of_classifier("jax", digits, batch, 4.0)
    yield of_classifier("numpy", images, 200, {"sgd": 1.3, "adam": 1.75})
    for workload in WORKLOADS:
        yield of_training("PyTorch, GPU", "cupy:cuda:0", workload.name, 1.0)
        yield of_training("CuPy by hand, GPU", "cupy:cuda:0", workload.name, 0.95)


def of_training(peer, on, network, wanted):
    return Target(peer, on, network, wanted, {"peer": peer, "xpnn on": on, "workload": network})


def of_classifier(on, data, batch, wanted):
    row = {"table": "sklearn", "xpnn on": on, "data": data, "batch": batch}
    return Target("scikit-learn", on, f"{data}, batch {batch}", wanted, row)


def targets(data):
    """Return {heading: table}, or {} if nothing of it was measured."""
    rows = [
        (
            target.against,
            target.on,
            target.network,
            " / ".join(map(str, both(target.wanted))),
            shown(target, measured, "gradient descent", "sgd"),
            shown(target, measured, "Adam", "adam"),
        )
        for target in aims()
        if (measured := ratios(target, data))
    ]
    header = ("against", "xpnn on", "network", "at least", "gradient descent", "Adam")
    return {TITLE: Table(header, rows)} if rows else {}


def ratios(target, data):
    """Return what was measured, by optimizer."""
    return {
        row["optimizer"]: row["ratio"]
        for row in data
        if all(row.get(key) == value for key, value in target.row.items())
    }


def both(wanted):
    return wanted.values() if isinstance(wanted, dict) else [wanted]


def shown(target, measured, *names):
    """Return the ratio of an optimizer; in bold if, as shown, it is less than wanted."""
    name = next((name for name in names if name in measured), None)
    if name is None:
        return "–"
    wanted = target.wanted[name] if isinstance(target.wanted, dict) else target.wanted
    ratio = f"{measured[name]:.2f}"
    return ratio if float(ratio) >= wanted else f"**{ratio}**"
