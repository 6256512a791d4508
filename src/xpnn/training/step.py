"""One step of training: gather the mini-batch, forward, cost, backward, update.

This is the unit that a compiling backend compiles. Everything that changes from one
step to the next comes in as an argument: the indices of the mini-batch, each
example's share of its cost, the learning rate and what follows from it.
"""

from functools import lru_cache
from typing import Any

from .._typing import Array
from ..backends.base import Backend, Carry, Run, Step
from ..core import propagation
from ..core.optimizers import Update
from ..core.parameters import from_vector, to_vector
from ..network import Network


@lru_cache(maxsize=64)
def make_run(
    net: Network, update: Update, backend: Backend, *, gather: bool, weighted: bool, l2: bool
) -> Run:
    """Return a run of steps, `Backend.scan` of `make_step`, kept for the next training."""
    return backend.scan(make_step(net, update, backend, gather=gather, weighted=weighted, l2=l2))


def make_step(
    net: Network, update: Update, backend: Backend, *, gather: bool, weighted: bool, l2: bool
) -> Step:
    """Return step(carry, data, arrays, numbers) -> carry, J.

    carry
        (θ, *state of the optimiser), overwritten.
    data
        With ``gather`` X and Y as rows, shapes (m, n_x) and (m, n_y), from which
        contiguous rows are gathered and then transposed; without, X and Y as columns.
        If ``weighted`` without ``gather``, the shares follow.
    arrays
        With ``gather`` the indices, shape (batch,), and if ``weighted`` the shares,
        shape (1, batch).
    numbers
        share, decay, and the scalars of the optimiser.
    """
    xp = backend.xp

    def step(
        carry: Carry, data: tuple[Array, ...], arrays: tuple[Array, ...], numbers: Any
    ) -> tuple[Carry, Array]:
        theta, *state = carry
        share, decay, *scalars = numbers
        if gather:
            X = xp.take(data[0], arrays[0], axis=0).T
            Y = xp.take(data[1], arrays[0], axis=0).T
            share = arrays[1] if weighted else share
        else:
            X, Y, *shares = data
            share = shares[0] if weighted else share
        decay = decay if l2 else None

        params = from_vector(theta, net.sizes, xp)
        _, caches = propagation.forward(params, X, net.activations, xp)
        J = propagation.cost(params, caches, Y, share, decay, net.activations, net.loss, xp)
        grads = propagation.backward(params, caches, Y, share, decay, net.activations, net.loss, xp)
        g = to_vector(grads, xp)
        theta, new_state = update(theta, g, tuple(state), tuple(scalars), xp)
        return (theta, *new_state), J

    return step
