"""The speed to reach: the ratios that are aimed at, beside what was measured."""

from typing import NamedTuple

from xpnn._table import Table
from xpnn.bench import WORKLOADS

PLANAR, CATS, B32, _, B128, WIDE, _ = (workload.name for workload in WORKLOADS)
CPU = (PLANAR, CATS, B32, B128, WIDE)
TITLE = "What is aimed at: ratio of times, above 1 xpnn is faster; in bold what falls short"

SHARES = "Time of the matrix products alone, by the same library, over that of the training"


class Target(NamedTuple):
    """A ratio to reach, and where it is found in the data of a report."""

    against: str
    on: str
    where: str
    wanted: float | dict
    found: dict
    """What a row of the data must hold; of two optimizers, one ratio each"""


def aims():
    """Yield what is aimed at with one thread a side on a processor."""
    for where, wanted in ((PLANAR, 0.9), (B128, 1.0)):
        yield of_network("NumPy by hand", "numpy:cpu", where, wanted)
        yield of_network("NumPy by hand", "numpy:cpu without Numba", where, wanted)
    for where, wanted in ((PLANAR, 3.5), (B32, 3.2), (B128, 2.0), (CATS, 1.5), (WIDE, 1.5)):
        yield of_network("PyTorch", "numpy:cpu", where, wanted)
    yield of_network("PyTorch, fused Adam", "numpy:cpu", B128, 1.5)
    for peer, wanted in (("JAX by hand, jit of a step", 1.0), ("JAX by hand, lax.scan", 0.9)):
        for where in CPU:
            yield of_network(peer, "jax:cpu", where, wanted)
    for where, wanted in ((B128, 0.8), (WIDE, 0.95)):
        found = {"table": "throughput", "backend": "numpy:cpu", "workload": where}
        yield Target("its own matrix products", "numpy:cpu", where, wanted, found)
    digits, images = "digits, 64-64-32-10", "60,000 × 784, 784-256-128-10"
    for on, where, batch, wanted in (
        *(("numpy", digits, batch, 2.2) for batch in (200, 32)),
        *(("jax", digits, batch, 4.0) for batch in (200, 32)),
        ("numpy", images, 200, {"sgd": 1.3, "adam": 1.75}),
    ):
        found = {"table": "sklearn", "xpnn on": on, "data": where, "batch": batch}
        yield Target("scikit-learn", on, f"{where}, batch {batch}", wanted, found)


def of_network(peer, on, where, wanted):
    return Target(peer, on, where, wanted, {"peer": peer, "xpnn on": on, "workload": where})


def targets(data):
    """Return {heading: table}, or {} if nothing of it was measured."""
    rows = []
    for target in aims():
        measured = {
            row["optimizer"]: row["ratio"]
            for row in data
            if all(row.get(key) == value for key, value in target.found.items())
        }
        if measured:
            rows.append(
                (
                    target.against,
                    target.on,
                    target.where,
                    wanted_of(target),
                    shown(target, measured, "gradient descent", "sgd"),
                    shown(target, measured, "Adam", "adam"),
                )
            )
    header = ("against", "xpnn on", "network", "at least", "gradient descent", "Adam")
    return {TITLE: Table(header, rows)} if rows else {}


def floors(data):
    """Return {heading: table}: how much of its own products' time PyTorch takes, or {}.

    The two times were taken in turn with other sides.
    """
    floor, ours = (
        {
            (row["workload"], row["optimizer"]): row[value]
            for row in data
            if row.get("table") == "throughput" and row["backend"] == backend
        }
        for backend, value in (("torch:cpu", "their_seconds"), ("numpy:cpu", "ratio"))
    )
    theirs = {
        (row["workload"], row["optimizer"]): row["their_seconds"]
        for row in data
        if row.get("peer") == "PyTorch" and row["xpnn on"] == "numpy:cpu"
    }
    rows = [
        (*case, f"{floor[case] / theirs[case]:.2f}", f"{ours[case]:.2f}")
        for case in theirs
        if case in floor and case in ours
    ]
    header = ("network", "optimizer", "PyTorch", "xpnn on numpy:cpu")
    return {SHARES: Table(header, rows)} if rows else {}


def wanted_of(target):
    wanted = target.wanted
    return " / ".join(map(str, wanted.values() if isinstance(wanted, dict) else [wanted]))


def shown(target, measured, *names):
    """Return the ratio of an optimizer; in bold if, as shown, it is less than wanted."""
    name = next((name for name in names if name in measured), None)
    if name is None:
        return "–"
    wanted = target.wanted[name] if isinstance(target.wanted, dict) else target.wanted
    ratio = round(measured[name], 2)
    return f"{ratio:.2f}" if ratio >= wanted else f"**{ratio:.2f}**"
