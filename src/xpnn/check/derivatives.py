"""Backward propagation against central differences, against the graph, and against NumPy."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import graph
from .._backends.base import Backend
from .._backends.selection import use_backend
from .._typing import Array, Namespace
from ..core.activations import ACTIVATIONS, Activation, sigmoid_derivative
from ..core.losses import LOSSES, Loss
from ..core.parameters import Params, ravel
from ..core.propagation import Objective
from ..network import Network
from ..training.gradient_check import gradient_check, relative_difference
from ..training.objective import cost
from .finding import Finding

M = 6
DIFFERENCES, GRAPH = 1e-7, 1e-12
NUMPY = 512  # times ε of float32
REMEDY = (
    "If a function or the matrix product fails, too, begin there. If the same fails on numpy, xpnn "
    "is damaged: install it anew, and report it if it stays. If not, try another version of that "
    "library."
)


def derivatives(backend: Backend) -> Iterator[Finding]:
    """Check the gradient of small networks with every activation and every loss.

    In float32 against NumPy in float64, and in float64 by central differences and by the graph.
    """
    compared = _with_numpy if backend.dtype_name == "float32" else _by_itself
    for name in ACTIVATIONS:
        yield from compared(f"gradient of {name}", [_with_activation(name)], backend)
    for name in LOSSES:
        yield from compared(f"gradient of {name}", _with_loss(name), backend)


def _with_activation(name: str) -> Network:
    """Return a network in which backward propagation needs the derivative of an activation."""
    if name == "softmax":  # its own loss would cancel its derivative
        return Network([3, 3], output=name, loss=Loss(LOSSES["squared_error"].value))
    return Network([3, 4, 3], name, "softmax")


def _with_loss(name: str) -> list[Network]:
    """Return networks with the output for which dℓ/dZ = A − Y, and with one that goes by dA."""
    loss = LOSSES[name]
    by_dA = Activation(_logistic, sigmoid_derivative)
    outputs: tuple[Any, ...] = (loss.canonical, by_dA)
    return [Network([3, 3], output=output, loss=loss) for output in outputs]


def _logistic(Z: Array, xp: Namespace) -> Array:
    """½ (1 + tanh ½z) = σ(z), which no loss knows as its canonical output."""
    return 0.5 + 0.5 * xp.tanh(0.5 * Z)


def _with_numpy(what: str, nets: list[Network], backend: Backend) -> Iterator[Finding]:
    with use_backend("numpy", "float64") as host:
        right = [_cost_and_gradient(net, host) for net in nets]
    found = [_cost_and_gradient(net, backend) for net in nets]
    worst = np.max([relative_difference(*pair) for pair in zip(found, right, strict=True)])
    allowed = NUMPY * float(np.finfo(backend.dtype_name).eps)
    yield Finding(f"{what}, float32", float(worst), allowed, REMEDY)


def _cost_and_gradient(net: Network, backend: Backend) -> Any:
    """Return J and dJ/dθ, one after the other, on the host."""
    params, X, Y = _examples(net, backend)
    J, grads = net.cost(params, X, Y), net.gradients(params, X, Y)
    return np.append(backend.to_numpy(ravel(grads, backend.xp)), backend.number(J))


def _by_itself(what: str, nets: list[Network], backend: Backend) -> Iterator[Finding]:
    by_differences, by_graph = [], []
    for net in nets:
        params, X, Y = _examples(net, backend)
        by_differences.append(gradient_check(net, params, X, Y).difference)
        by_graph.append(_difference_from_graph(net, params, X, Y, backend))
    # NumPy's maximum, unlike Python's, is NaN if one of them is
    yield Finding(f"{what}, by differences", float(np.max(by_differences)), DIFFERENCES, REMEDY)
    yield Finding(f"{what}, by the graph", float(np.max(by_graph)), GRAPH, REMEDY)


def _examples(net: Network, backend: Backend) -> tuple[Params, Array, Array]:
    """Return parameters, X, and targets that suit every loss: columns between 0 and 1, of sum 1."""
    rng = np.random.default_rng(0)
    params = net.init(rng)
    # no unit may stand at a kink, as one of bias 0 may
    params = tuple(layer._replace(b=layer.b + 0.1) for layer in params)
    Y = rng.uniform(0.1, 1.0, (net.sizes[-1], M))
    X = rng.standard_normal((net.sizes[0], M))
    return params, backend.asarray(X), backend.asarray(Y / Y.sum(axis=0))


def _difference_from_graph(
    net: Network, params: Params, X: Array, Y: Array, backend: Backend
) -> float:
    """Return ‖g − g̃‖ / (‖g‖ + ‖g̃‖), g by backward propagation and g̃ by the graph."""

    def J(params: Params, xp: Namespace = graph) -> Array:
        return cost(params, X, Y, Objective(net.activations, net.loss, 1.0 / M), xp)

    with backend.no_grad():
        found = (net.gradients(params, X, Y), graph.grad(J)(params))
        vectors = (backend.to_numpy(ravel(grads, backend.xp)) for grads in found)
        return relative_difference(*vectors)
