"""The same training as on NumPy in float64."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from .._backends.base import Backend
from .._backends.selection import use_backend
from ..core.optimizers import gradient_descent
from ..core.parameters import Layer, ravel
from ..network import Network
from ..training.fit import fit
from .example import NET, SEED, check_complete, trained
from .finding import Finding

EPOCHS = 10
TRAINING = 512  # times ε of the dtype
M, BITS = 16, 4
WEIGHTS = "The first weights are drawn by NumPy and moved: install NumPy and {library} anew."
ORDER = "Rows are gathered by their indices: try another version of {library}, or of the driver."
COURSE = (
    "If a function or the matrix product fails, too, begin there; if not, try another version of "
    "{library}, or of the driver."
)


def training(backend: Backend) -> Iterator[Finding]:
    """Compare a training, step by step, with that on NumPy in float64."""

    def finding(what: str, found: float, allowed: float, remedy: str) -> Finding:
        return Finding(
            f"{what}, {backend.dtype_name}", found, allowed, remedy.format(library=backend.name)
        )

    epsilon = float(np.finfo(backend.dtype_name).eps)
    yield finding("first weights", _first_weights(backend), 0, WEIGHTS)
    yield finding("order of the mini-batches", _order(backend), 0, ORDER)
    costs, theta = _course(backend)
    true_costs, true_theta = _course_on_numpy()
    worst = float(np.max(np.abs(costs / true_costs - 1.0)))
    yield finding(f"costs of {EPOCHS} epochs", worst, TRAINING * epsilon, COURSE)
    distance = float(np.linalg.norm(theta - true_theta) / np.linalg.norm(true_theta))
    yield finding(f"parameters after {EPOCHS} epochs", distance, TRAINING * epsilon, COURSE)


def _first_weights(backend: Backend) -> int:
    """Return how many first weights are not those of NumPy in float64, rounded."""
    found = backend.to_numpy(ravel(NET.init(SEED), backend.xp))
    with use_backend("numpy", "float64") as host:
        right = ravel(NET.init(SEED), host.xp)
    return int(np.sum(found != right.astype(found.dtype)))


def _order(backend: Backend) -> int:
    """Return how many examples a training with mini-batches of 1 takes out of turn.

    Example i has x = 0, and the binary digits of i as its y. With α = ½ the biases go
    half-way to y at each step: read as binary fractions, they end as the digits of the
    examples, the last one first. M steps are exact in float32.
    """
    net = Network([1, BITS], output="identity")
    zeros = (Layer(*(backend.asarray(np.zeros(shape)) for shape in ((BITS, 1), (BITS, 1)))),)
    digits = np.arange(M) >> np.arange(BITS)[:, None] & 1
    ((_, b),), history = fit(
        net,
        zeros,
        np.zeros((1, M)),
        digits,
        optimizer=gradient_descent(0.5),
        epochs=1,
        batch_size=1,
        rng=SEED,
        progress=False,
    )
    check_complete(history)
    fractions = np.rint(backend.to_numpy(b) * 2.0**M).astype(np.int64)  # (BITS, 1)
    met = (1 << np.arange(BITS)) @ (fractions >> np.arange(M) & 1)
    return int(np.sum(met != np.random.default_rng(SEED).permutation(M)))


def _course(backend: Backend) -> tuple[Any, Any]:
    """Return the costs and the parameters of a training, on the host in float64."""
    params, history = trained(EPOCHS)
    theta = backend.to_numpy(ravel(params, backend.xp)).astype(np.float64)
    return np.asarray(history.cost), theta


@cache
def _course_on_numpy() -> tuple[Any, Any]:
    with use_backend("numpy", "float64") as host:
        return _course(host)
