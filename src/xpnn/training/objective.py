"""The objective of a training: the cost J and its gradient, for layers or as functions of θ."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from .._backends.base import Backend
from .._typing import Array, Namespace
from ..core import propagation
from ..core.parameters import Params, ravel, unravel
from ..core.propagation import Objective
from ..network import Network


def cost(params: Params, X: Array, Y: Array, objective: Objective, xp: Namespace) -> Array:
    """Return J, a 0-d array; X and Y have shapes (n_x, m) and (n_y, m)."""
    _, caches = propagation.forward(params, X, objective.activations, xp)
    return propagation.cost(params, caches, Y, objective, xp)


def cost_and_gradients(
    params: Params, X: Array, Y: Array, objective: Objective, xp: Namespace
) -> tuple[Array, Params]:
    """Return J, and its gradients as a tuple of `Layer`."""
    _, caches = propagation.forward(params, X, objective.activations, xp)
    J = propagation.cost(params, caches, Y, objective, xp)
    return J, propagation.backward(params, caches, Y, objective, xp)


@lru_cache(maxsize=64)
def of_theta(net: Network, backend: Backend, *, rows: bool) -> Callable[..., tuple[Array, Array]]:
    """Return the function (θ, X, Y, share, decay) -> J, dJ/dθ; compiled once where that is done.

    One example is one row of X and Y, or one column.
    """
    xp = backend.xp
    activations, loss = backend.fuse_layers(net.activations, net.loss)

    def cost_and_gradient(
        theta: Array, X: Array, Y: Array, share: Any, decay: Any
    ) -> tuple[Array, Array]:
        objective = Objective(activations, loss, share, decay)
        if rows:
            X, Y = X.T, Y.T
        J, grads = cost_and_gradients(unravel(theta, net.sizes, xp), X, Y, objective, xp)
        return J, ravel(grads, xp)

    return backend.compile_like_steps(cost_and_gradient)
