"""One step of training: gather the mini-batch, forward, cost, backward, update.

This is the unit that a compiling backend compiles. Everything that changes from one
step to the next comes in as an argument: the indices of the mini-batch, each
example's share of its cost, the learning rate and what follows from it.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from .._backends.base import Backend, Carry, Run
from .._typing import Array
from ..core.optimizers import Optimizer, Update
from ..core.parameters import Layer, Params, count, pairs, ravel, unravel
from ..core.propagation import Objective
from ..distributed.processes import ALONE, Communicator
from ..exceptions import unknown_name
from ..network import Network
from . import objective

ENGINES = ("off", "numpy")
"""What XPNN_ENGINE may be: the core step by step, or a program of calls of NumPy."""

CostAndGradients: TypeAlias = Callable[..., tuple[Array, Params]]


@lru_cache(maxsize=64)
def cutting(sizes: tuple[int, ...], backend: Backend) -> Callable[[Array], Params]:
    """Return `unravel` for layers of these sizes; compiled where that is done."""

    def cut(theta: Array) -> Params:
        return unravel(theta, sizes, backend.xp)

    return backend.compile_like_steps(cut)


@lru_cache(maxsize=64)
def joining(backend: Backend) -> Callable[[Params], Array]:
    """Return `ravel`; compiled where that is done."""

    def join(params: Params) -> Array:
        return ravel(params, backend.xp)

    return backend.compile_like_steps(join)


def make_run(
    net: Network,
    optimizer: Optimizer,
    backend: Backend,
    X: Array,
    *,
    gather: bool,
    weighted: bool,
    l2: bool,
    comm: Communicator = ALONE,
) -> Run:
    """Return a run for data like X: of a program if XPNN_ENGINE says so, else of `run_by_steps`.

    It serves one training at a time.
    """
    engine = os.environ.get("XPNN_ENGINE", "off")
    if engine not in ENGINES:
        raise unknown_name("XPNN_ENGINE", engine, ENGINES)
    kind = {"gather": gather, "weighted": weighted, "l2": l2}
    dense = backend.name == "numpy" and isinstance(X, np.ndarray)
    if engine == "numpy" and dense and comm.size == 1:
        from .program import compiled_steps, compiles  # the compiler is loaded if asked for

        if compiles(net, optimizer):
            return compiled_steps(net, optimizer, backend.dtype_name, **kind)
    return run_by_steps(net, optimizer.update, backend, **kind, comm=comm)


@lru_cache(maxsize=64)
def run_by_steps(
    net: Network,
    update: Update,
    backend: Backend,
    *,
    gather: bool,
    weighted: bool,
    l2: bool,
    comm: Communicator = ALONE,
) -> Run:
    """Return run(carry, data, arrays, widths, numbers) -> carry, costs; kept for another training.

    carry
        (θ, *state of the optimiser), vectors.
    data
        With ``gather`` X and Y as rows, shapes (m, n_x) and (m, n_y), from which
        contiguous rows are gathered and then transposed. Without, X and Y as columns; or where
        steps are compiled as rows, which XLA multiplies in half the time. Then the shares
        follow if ``weighted``.
    arrays
        With ``gather`` the indices, shape (k, batch), and if ``weighted`` the shares,
        shape (k, 1, batch).
    widths
        How many entries of its row are a step's own: the last mini-batch may be smaller.
    numbers
        share, decay, and the scalars of the optimiser, for each of the k steps.

    Of several processes each step sums the gradient, of which each has a part.
    """
    xp = backend.xp
    activations, loss = backend.fuse_layers(net.activations, net.loss)

    def cost_and_gradients(
        params: Params, data: tuple[Array, ...], arrays: tuple[Array, ...], share: Any, decay: Any
    ) -> tuple[Array, Params]:
        if gather:
            X = backend.take_rows(data[0], arrays[0]).T
            Y = backend.take_rows(data[1], arrays[0]).T
            share = arrays[1] if weighted else share
        else:
            X, Y = (a.T for a in data[:2]) if backend.compiled else data[:2]
            share = data[2] if weighted else share
        made_of = Objective(activations, loss, share, decay if l2 else None)
        return objective.cost_and_gradients(params, X, Y, made_of, xp)

    fused = backend.fuse(update)
    if comm.size > 1:
        return _reduced_run(net, fused, backend, cost_and_gradients, comm)
    make = _run_by_layer if count(net.sizes) >= backend.by_layer_from else _run_of_vectors
    return make(net, fused, backend, cost_and_gradients)


def _run_of_vectors(
    net: Network, update: Update, backend: Backend, cost_and_gradients: CostAndGradients
) -> Run:
    """Return the run in which each step updates θ as a whole.

    The layers are windows of θ, made once a run: an update in place shows in them. The last
    gradients are kept until a step has made the next: freed any earlier, their pages go back
    to the system, and half the time goes into fetching them again (784-256-128-10, NumPy).
    """
    xp = backend.xp

    def with_layers(carry: Carry) -> Carry:
        theta, *state = carry
        return (theta, unravel(theta, net.sizes, xp), [], *state)

    def without_layers(carry: Carry) -> Carry:
        theta, _, _, *state = carry
        return (theta, *state)

    def step(carry: Carry, data: Any, arrays: Any, numbers: Any) -> tuple[Carry, Array]:
        theta, params, kept, *state = carry
        share, decay, *scalars = numbers
        J, grads = cost_and_gradients(params, data, arrays, share, decay)
        g = ravel(grads, xp)
        kept[:] = (grads, g)
        moved, new_state = update(theta, g, tuple(state), tuple(scalars), xp)
        if moved is not theta:
            params = unravel(moved, net.sizes, xp)
        return (moved, params, kept, *new_state), J

    return backend.scan(step, with_layers, without_layers)


def _run_by_layer(
    net: Network, update: Update, backend: Backend, cost_and_gradients: CostAndGradients
) -> Run:
    """Return the run in which each step updates every W[l] and b[l] by itself.

    XLA would copy each W out of θ and each dW into g in every step. On NumPy, gathering a gradient
    that is larger than the cache takes as long as the update itself. The carry is one tuple
    (parameter, *state) for each W[l] and b[l].
    """
    xp = backend.xp

    def split(vectors: Carry) -> Carry:
        trees = (unravel(vector, net.sizes, xp) for vector in vectors)
        return tuple(zip(*([a for layer in tree for a in layer] for tree in trees), strict=True))

    def join(carry: Carry) -> Carry:
        columns = zip(*carry, strict=True)
        return tuple(ravel(pairs(column), xp) for column in columns)

    def step(carry: Carry, data: Any, arrays: Any, numbers: Any) -> tuple[Carry, Array]:
        share, decay, *scalars = numbers
        params = pairs([parameter for parameter, *_ in carry])
        J, grads = cost_and_gradients(params, data, arrays, share, decay)
        gradients = (g for dW_db in grads for g in dW_db)
        new = []
        for (parameter, *state), g in zip(carry, gradients, strict=True):
            moved, new_state = update(parameter, g, tuple(state), tuple(scalars), xp)
            new.append((moved, *new_state))
        return tuple(new), J

    return backend.scan(step, split, join)


def _reduced_run(
    net: Network,
    update: Update,
    backend: Backend,
    cost_and_gradients: CostAndGradients,
    comm: Communicator,
) -> Run:
    """Return the run in which each step sums one vector over all processes: dJ/dθ, J and a 0."""
    xp, allreduce = backend.xp, backend.make_allreduce(comm)

    def gradient(theta: Array, data: Any, arrays: Any, share: Any, decay: Any) -> Array:
        J, grads = cost_and_gradients(unravel(theta, net.sizes, xp), data, arrays, share, decay)
        J = xp.reshape(J, (1, 1))
        return ravel((*grads, Layer(J, xp.zeros_like(J))), xp)  # in one copy

    def move(theta: Array, g: Array, state: Any, scalars: Any) -> tuple[Array, Any]:
        return update(theta, g, state, scalars, xp)

    gradient = backend.compile_like_steps(gradient)
    move = backend.compile_like_steps(move)

    def step(carry: Carry, data: Any, arrays: Any, numbers: Any) -> tuple[Carry, Array]:
        theta, *state = carry
        share, decay, *scalars = numbers
        try:
            g = gradient(theta, data, arrays, share, decay)
        except BaseException as error:  # noqa: BLE001  which the sum raises on all
            comm.defer(error)
            g = xp.zeros(theta.shape[0] + 2, dtype=backend.dtype, device=backend.device)
        g = allreduce(g)
        theta, state = move(theta, g[:-2], tuple(state), tuple(scalars))
        return (theta, *state), xp.asarray(g[-2], copy=True)  # a window would keep all of g

    return Backend.scan(backend, step)  # whose steps are Python's, also where others are compiled
