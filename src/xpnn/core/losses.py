"""Losses ℓ(a, y) of one example, each beside the derivative that starts backward propagation.

The cost J of a network is the mean of ℓ over the examples (`propagation.cost`).
Each loss has one *canonical* output activation, for which dℓ/dz = a − y and ℓ is
computed from the logits z, so that no saturated unit gives inf or NaN. With any
other output it is computed from A, and backward propagation goes through dA.

``LOSSES`` maps a name to a `Loss`; `loss` looks one up; ``LOSS_OF_OUTPUT`` says
which loss an output activation has unless told otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .._typing import Array, Namespace
from ..errors import unknown_name

OfTwoArrays: TypeAlias = Callable[[Array, Array, Namespace], Array]


@dataclass(frozen=True)
class Loss:
    """A loss with its derivative.

    Attributes
    ----------
    of_output : callable (A, Y, xp) -> ℓ, shape (n_y, m)
        One term an output unit; the loss of an example is their sum.
    dA : callable (A, Y, xp) -> dℓ/dA, shape (n_y, m)
    of_logits : callable (Z, Y, xp) -> ℓ, shape (n_y, m)
        The same loss from Z for the canonical output.
    canonical : str
        The output activation with dℓ/dZ = A − Y.
    outputs : tuple of str
        Every output activation whose range suits the loss.
    target_range : tuple of float
        Smallest and largest y that make sense.
    name : str
    """

    of_output: OfTwoArrays
    dA: OfTwoArrays
    of_logits: OfTwoArrays
    canonical: str
    outputs: tuple[str, ...]
    target_range: tuple[float, float]
    name: str


def binary_cross_entropy(A: Array, Y: Array, xp: Namespace) -> Array:
    """−(y log a + (1 − y) log(1 − a))."""
    return -(Y * xp.log(A) + (1.0 - Y) * xp.log(1.0 - A))


def binary_cross_entropy_dA(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y/a + (1 − y)/(1 − a)."""
    return (1.0 - Y) / (1.0 - A) - Y / A


def binary_cross_entropy_of_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """log(1 + e^z) − y z, with log(1 + e^z) = max(z, 0) + log(1 + e^−|z|)."""
    return xp.maximum(Z, 0.0) - Y * Z + xp.log1p(xp.exp(-xp.abs(Z)))


def categorical_cross_entropy(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y_k log a_k; 0 where y_k = 0, even if a_k = 0."""
    return -(Y * xp.log(xp.where(Y > 0.0, A, 1.0)))


def categorical_cross_entropy_dA(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y_k / a_k; 0 where y_k = 0."""
    return -(Y / xp.where(Y > 0.0, A, 1.0))


def categorical_cross_entropy_of_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """y_k (log Σ_j e^z_j − z_k), the maximum of z taken out of both."""
    Z = Z - xp.max(Z, axis=0, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(Z), axis=0, keepdims=True))
    return Y * (log_sum - Z)


def squared_error(A: Array, Y: Array, xp: Namespace) -> Array:
    """½ (a − y)²."""
    E = A - Y
    return 0.5 * (E * E)


def squared_error_dA(A: Array, Y: Array, xp: Namespace) -> Array:
    """a − y."""
    return A - Y


def poisson(A: Array, Y: Array, xp: Namespace) -> Array:
    """a − y log a: the negative Poisson log-likelihood up to terms without a."""
    return A - Y * xp.log(xp.where(Y > 0.0, A, 1.0))


def poisson_dA(A: Array, Y: Array, xp: Namespace) -> Array:
    """1 − y/a; 1 where y = 0."""
    return 1.0 - Y / xp.where(Y > 0.0, A, 1.0)


def poisson_of_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """e^z − y z."""
    return xp.exp(Z) - Y * Z


ANY = float("inf")

LOSSES = {
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        binary_cross_entropy_dA,
        binary_cross_entropy_of_logits,
        canonical="sigmoid",
        outputs=("sigmoid",),
        target_range=(0.0, 1.0),
        name="binary_cross_entropy",
    ),
    "categorical_cross_entropy": Loss(
        categorical_cross_entropy,
        categorical_cross_entropy_dA,
        categorical_cross_entropy_of_logits,
        canonical="softmax",
        outputs=("softmax", "sigmoid"),
        target_range=(0.0, 1.0),
        name="categorical_cross_entropy",
    ),
    "squared_error": Loss(
        squared_error,
        squared_error_dA,
        squared_error,
        canonical="identity",
        outputs=("identity", "sigmoid", "tanh", "relu", "leaky_relu", "exp"),
        target_range=(-ANY, ANY),
        name="squared_error",
    ),
    "poisson": Loss(
        poisson,
        poisson_dA,
        poisson_of_logits,
        canonical="exp",
        outputs=("exp", "sigmoid"),
        target_range=(0.0, ANY),
        name="poisson",
    ),
}

LOSS_OF_OUTPUT = {
    "sigmoid": "binary_cross_entropy",
    "softmax": "categorical_cross_entropy",
    "exp": "poisson",
    "identity": "squared_error",
    "tanh": "squared_error",
    "relu": "squared_error",
    "leaky_relu": "squared_error",
}


def loss(name: str) -> Loss:
    """Look a loss up by its name."""
    try:
        return LOSSES[name]
    except (KeyError, TypeError):
        raise unknown_name("cost", name, LOSSES) from None
