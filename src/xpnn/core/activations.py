"""Activations A = g(Z), each beside its derivative g′(Z).

``ACTIVATIONS`` maps a name to an `Activation`; `activation` looks one up.
Where g′ is simplest in terms of A = g(Z), it is written in terms of A.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .._typing import Array, Namespace
from ..errors import unknown_name

G: TypeAlias = Callable[[Array, Namespace], Array]
GPrime: TypeAlias = Callable[[Array, Array, Namespace], Array]


@dataclass(frozen=True)
class Activation:
    """A function g with its derivative.

    Attributes
    ----------
    g : callable (Z, xp) -> A
        Z and A have shape (n[l], m).
    derivative : callable (Z, A, xp) -> array, shape (n[l], m), or None
        g′(Z), elementwise. None for softmax, whose Jacobian is not elementwise
        and only ever appears inside dZ[L] = A[L] − Y.
    name : str
    """

    g: G
    derivative: GPrime | None
    name: str


def sigmoid(Z: Array, xp: Namespace) -> Array:
    """σ(z) = 1 / (1 + e^−z)."""
    return 1.0 / (1.0 + xp.exp(-Z))


def sigmoid_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """σ′(z) = a (1 − a)."""
    return A * (1.0 - A)


def tanh(Z: Array, xp: Namespace) -> Array:
    """tanh z = (e^z − e^−z) / (e^z + e^−z)."""
    return xp.tanh(Z)


def tanh_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """tanh′(z) = 1 − a²."""
    return 1.0 - A * A


def relu(Z: Array, xp: Namespace) -> Array:
    """max(0, z)."""
    return xp.maximum(Z, 0.0)


def relu_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """1 where z > 0, else 0; 0 at z = 0."""
    return xp.astype(Z > 0.0, Z.dtype)


def leaky_relu(Z: Array, xp: Namespace) -> Array:
    """max(0.01 z, z)."""
    return xp.maximum(0.01 * Z, Z)


def leaky_relu_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """1 where z ≥ 0, else 0.01."""
    return 0.01 + 0.99 * xp.astype(Z >= 0.0, Z.dtype)


def identity(Z: Array, xp: Namespace) -> Array:
    """Z itself: a linear layer."""
    return Z


def identity_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """1."""
    return xp.ones_like(Z)


def exponential(Z: Array, xp: Namespace) -> Array:
    """e^z: the mean of a Poisson distribution."""
    return xp.exp(Z)


def exponential_derivative(Z: Array, A: Array, xp: Namespace) -> Array:
    """e^z = a."""
    return A


def softmax(Z: Array, xp: Namespace) -> Array:
    """t_k / Σ_j t_j over each column, t = e^(z − max z): the maximum cancels, t ≤ 1."""
    t = xp.exp(Z - xp.max(Z, axis=0, keepdims=True))
    return t / xp.sum(t, axis=0, keepdims=True)


ACTIVATIONS = {
    "sigmoid": Activation(sigmoid, sigmoid_derivative, "sigmoid"),
    "tanh": Activation(tanh, tanh_derivative, "tanh"),
    "relu": Activation(relu, relu_derivative, "relu"),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative, "leaky_relu"),
    "identity": Activation(identity, identity_derivative, "identity"),
    "exp": Activation(exponential, exponential_derivative, "exp"),
    "softmax": Activation(softmax, None, "softmax"),
}


def activation(name: str) -> Activation:
    """Look an activation up by its name."""
    try:
        return ACTIVATIONS[name]
    except (KeyError, TypeError):
        raise unknown_name("activation", name, ACTIVATIONS) from None
