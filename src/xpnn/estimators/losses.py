"""The values of losses that scikit-learn reports; the gradients are the core's."""

from functools import lru_cache
from typing import Any

from .._typing import Array, Namespace
from ..core.losses import (
    Loss,
    poisson,
    poisson_derivative,
    poisson_from_logits,
    squared_error_derivative,
)
from ..network import Network


def _mean_squared_error(A: Array, Y: Array, xp: Namespace) -> Array:
    """½ (a − y)² / n_y: the mean over the outputs, though descent follows a − y."""
    E = A - Y
    return (E * E) * (0.5 / Y.shape[0])


def _half_deviance(A: Array, Y: Array, xp: Namespace) -> Array:
    return poisson(A, Y, xp) + _saturated(Y, xp)


def _half_deviance_from_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    return poisson_from_logits(Z, Y, xp) + _saturated(Y, xp)


def _saturated(Y: Array, xp: Namespace) -> Array:
    """y log y − y, which no parameter changes; 0 at y = 0."""
    return xp.log(xp.where(Y > 0.0, Y, 1.0)) * Y - Y


def _clipped(A: Array, xp: Namespace) -> Array:
    """A moved into [ε, 1 − ε], ε the distance of 1 to the next number of its dtype."""
    epsilon = _epsilon(A.dtype, xp)
    return xp.maximum(xp.minimum(A, 1.0 - epsilon), epsilon)


@lru_cache(maxsize=8)
def _epsilon(dtype: Any, xp: Namespace) -> float:
    return float(xp.finfo(dtype).eps)


def _log_loss(A: Array, Y: Array, xp: Namespace) -> Array:
    """−log a_k of the class k of each example, shape (1, m): Y is one-hot."""
    return -xp.log(_clipped(xp.sum(A * Y, axis=0, keepdims=True), xp))


def _binary_log_loss(A: Array, Y: Array, xp: Namespace) -> Array:
    A = _clipped(A, xp)
    return -(xp.log(A) * Y + xp.log(1.0 - A) * (1.0 - Y))


REPORTED = {
    "categorical_cross_entropy": Loss(_log_loss, canonical="softmax"),
    "binary_cross_entropy": Loss(_binary_log_loss, canonical="sigmoid"),
    "squared_error": Loss(
        _mean_squared_error,
        squared_error_derivative,
        _mean_squared_error,
        canonical="identity",
    ),
    "poisson": Loss(
        _half_deviance,
        poisson_derivative,
        _half_deviance_from_logits,
        canonical="exp",
    ),
}
"""The losses whose value scikit-learn reports otherwise; the gradients are the core's."""


def reported(net: Network) -> Network:
    """Return the network with its loss as scikit-learn reports it."""
    loss = REPORTED.get(net.loss.name, net.loss)
    return Network(net.sizes, net.activations[:-1], net.activations[-1], loss)
