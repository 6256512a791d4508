"""Parameters: W[l] and b[l] of each layer, and θ, the one vector that holds them all.

θ lists W[1], b[1], W[2], b[2], …, row by row. Training, optimisers and the
gradient check handle θ; the equations see the layers, which are windows of θ.
Gradients have the same tree: there ``Layer.W`` reads dJ/dW and ``Layer.b`` dJ/db.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, NamedTuple, TypeAlias

from .._typing import Array, Namespace
from ..exceptions import unknown_name


class Layer(NamedTuple):
    """The parameters of one layer, or the derivatives of the cost by them."""

    W: Array
    """shape (n[l], n[l-1])"""
    b: Array
    """shape (n[l], 1)"""


Params: TypeAlias = tuple[Layer, ...]


def count(sizes: tuple[int, ...]) -> int:
    """Number of entries of θ: Σ_l n[l] (n[l-1] + 1)."""
    return sum(n * (n_prev + 1) for n_prev, n in pairwise(sizes))


def ravel(params: Params, xp: Namespace) -> Array:
    """Flatten the layers into θ, shape (count(sizes),): a new array."""
    return xp.concat([part for W, b in params for part in (xp.reshape(W, (-1,)), b[:, 0])])


def pairs(arrays: Sequence[Array]) -> Params:
    """Return W[1], b[1], W[2], b[2], … as layers."""
    return tuple(Layer(W, b) for W, b in zip(arrays[::2], arrays[1::2], strict=True))


def by_name(params: Params, form: str = "{}{}") -> dict[str, Array]:
    """Return the arrays of the layers by name: W1, b1, W2, b2, …, or as ``form`` writes them."""
    return {
        form.format(symbol, l): array
        for l, layer in enumerate(params, 1)
        for symbol, array in zip("Wb", layer, strict=True)
    }


def unravel(theta: Array, sizes: tuple[int, ...], xp: Namespace) -> Params:
    """Cut θ into the layers: views of θ where the library has views."""
    layers = []
    start = 0
    for n_prev, n in pairwise(sizes):
        middle, stop = start + n * n_prev, start + n * (n_prev + 1)
        W = xp.reshape(theta[start:middle], (n, n_prev))
        layers.append(Layer(W, theta[middle:stop, None]))
        start = stop
    return tuple(layers)


def fold_standardization(params: Params, mu: Array, sigma: Array) -> Params:
    """Return parameters that take X as those given take (X − μ)/σ; μ and σ, shape (n_x, 1).

    W′ = W/σ and b′ = b − W′μ in the first layer: exact but for rounding.
    """
    (W, b), *others = params
    W = W / sigma.T
    return Layer(W, b - W @ mu), *others


def entry_name(index: int, sizes: tuple[int, ...]) -> str:
    """Name an entry of θ, like ``W[1][0, 3]`` or ``b[2][0, 0]``."""
    for l, (n_prev, n) in enumerate(pairwise(sizes), 1):
        if index < n * n_prev:
            return f"W[{l}][{index // n_prev}, {index % n_prev}]"
        index -= n * n_prev
        if index < n:
            return f"b[{l}][{index}, 0]"
        index -= n
    raise IndexError(index)


# First values: rng is a NumPy random generator, so that the numbers do not
# depend on the library that will train; each draws W[l], shape (n, n_prev).
INITIALIZERS: dict[str, Callable[[Any, int, int], Any]] = {
    # logistic regression may start here; hidden layers never break their symmetry
    "zeros": lambda rng, n, n_prev: [[0.0] * n_prev] * n,
    # the notes: small enough that sigmoid and tanh are not saturated
    "small": lambda rng, n, n_prev: 0.01 * rng.standard_normal((n, n_prev)),
    # N(0, 1/n_prev): the variance of Z stays that of A_prev (LeCun et al. 1998)
    "lecun": lambda rng, n, n_prev: rng.standard_normal((n, n_prev)) / sqrt(n_prev),
    # N(0, 2/n_prev): the same when relu silences half (He et al. 2015)
    "he": lambda rng, n, n_prev: rng.standard_normal((n, n_prev)) * sqrt(2.0 / n_prev),
    # U(−r, r), r² = 6/(n_prev + n): forward and backward at once (Glorot, Bengio 2010)
    "glorot": lambda rng, n, n_prev: rng.uniform(-1.0, 1.0, (n, n_prev)) * sqrt(6.0 / (n_prev + n)),
    # U(0, 1)
    "uniform": lambda rng, n, n_prev: rng.uniform(0.0, 1.0, (n, n_prev)),
}


def initial_weights(sizes: tuple[int, ...], weights: str, rng: Any) -> list[Any]:
    """Draw W[1], …, W[L] as float64 host arrays (zeros as lists), in this order."""
    try:
        draw = INITIALIZERS[weights]
    except (KeyError, TypeError):
        raise unknown_name("initialiser", weights, INITIALIZERS) from None
    return [draw(rng, n, n_prev) for n_prev, n in pairwise(sizes)]
