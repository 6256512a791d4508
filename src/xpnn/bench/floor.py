"""The floor under the time of training: its matrix products, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._backends.base import Backend, Carry
from .._typing import Array
from ..training.trainer import largest_product
from .workloads import Workload


def matmul_floor(workload: Workload, backend: Backend) -> Callable[[], None]:
    """Return a function that makes the matrix products of a run of `fit`, and waits for them.

    In each step W[l] A[l-1] and dZ[l] A[l-1]ᵀ of every layer and W[l]ᵀ dZ[l] of every layer but
    the first. The operands lie ready; so does the room for the products, except where the steps
    are compiled into one program, which has its own.

    Parameters
    ----------
    workload : Workload
    backend : Backend

    Examples
    --------
    >>> import xpnn
    >>> from xpnn.bench import WORKLOADS, matmul_floor
    >>> run = matmul_floor(WORKLOADS[0], xpnn.get_backend())
    >>> run()
    """
    make = _compiled if backend.compiled else _plain
    multiply = make(workload, backend)
    largest = largest_product(workload.net, workload.batch)

    def run() -> None:
        with backend.threads_for(largest):  # as many as `fit` gives them
            products = multiply()  # some backends wait for the arrays that there are
        backend.synchronize()
        del products

    return run


def _operands(workload: Workload, backend: Backend) -> tuple[list[Array], ...]:
    """Return each W[l], A[l-1] and dZ[l], standard normal."""
    rng = np.random.default_rng(0)

    def normal(rows: int, columns: int) -> Array:
        return backend.asarray(rng.standard_normal((rows, columns), dtype=np.float32))

    n, m = workload.sizes, workload.batch
    layers = range(1, len(n))
    return (
        [normal(n[l], n[l - 1]) for l in layers],
        [normal(m, n[0]).T, *(normal(n[l], m) for l in layers[:-1])],  # X is given as rows
        [normal(n[l], m) for l in layers],
    )


def _factors(W: list[Array], A: list[Array], dZ: list[Array]) -> list[tuple[Array, Array]]:
    """Return the two factors of each product of a step."""
    forward = list(zip(W, A, strict=True))
    dW = [(error, before.T) for error, before in zip(dZ, A, strict=True)]
    dA = [(weights.T, error) for weights, error in zip(W[1:], dZ[1:], strict=True)]
    return forward + dW + dA


def _plain(workload: Workload, backend: Backend) -> Callable[[], object]:
    factors = _factors(*_operands(workload, backend))
    products = [a @ b for a, b in factors]
    matmul = backend.xp.matmul
    try:
        matmul(*factors[0], out=products[0])
    except TypeError:  # the standard has no out=
        rooms: list[dict[str, Array]] = [{} for _ in factors]
    else:
        rooms = [{"out": product} for product in products]
    calls = list(zip(factors, rooms, strict=True))

    def multiply() -> object:
        for _ in range(workload.steps):
            for two, room in calls:
                matmul(*two, **room)
        return products

    return multiply


def _compiled(workload: Workload, backend: Backend) -> Callable[[], object]:
    """Compile all steps into one program, as `fit` does.

    A product that stays the same would be made once. So a step takes its W[1] by its number out of
    two, and every later factor is a product of this step: A[l] = W[l] A[l-1], dZ[L] = A[L] and
    dZ[l-1] = W[l]ᵀ dZ[l]. The carry holds each dW[l], so that none is left out. X is
    transposed in the step, as `fit` does.
    """
    xp, (W, (X, *_), _) = backend.xp, _operands(workload, backend)
    W = [w / w.shape[1] ** 0.5 for w in W]  # the products neither grow nor vanish
    data = (X.T, xp.stack([W[0], -W[0]]), *W[1:])

    def step(carry: Carry, data: Any, arrays: Any, numbers: Any) -> tuple[Carry, Array]:
        (which,), (X, pair, *later) = arrays, data
        W = [pair[which[0], ...], *later]
        A = [X.T]
        for w in W:
            A.append(w @ A[-1])
        error, dW = A.pop(), []
        for w, before in reversed(list(zip(W, A, strict=True))):
            dW.append(error @ before.T)
            error = error if len(dW) == len(W) else w.T @ error
        return tuple(dW), numbers[0]

    run = backend.scan(step)
    which = np.arange(workload.steps)[:, None] % 2
    zeros = np.zeros((workload.steps, 1))
    start = tuple(reversed([xp.zeros_like(w) for w in W]))

    def multiply() -> object:
        return run(start, data, (which,), [1] * workload.steps, zeros)

    return multiply
