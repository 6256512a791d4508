"""Activations A = g(Z), each beside its derivative g′(Z).

Where none stands beside it, the computation graph finds it (`Activation.backward`).
``ACTIVATIONS`` maps a name to an `Activation`; `activation` looks one up.
Where g′ is simplest in terms of A = g(Z), it is written in terms of A.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .. import graph
from .._typing import Array, Namespace
from ..exceptions import function_name, unknown_name
from ..validation.functions import check_function

G: TypeAlias = Callable[[Array, Namespace], Array]
GPrime: TypeAlias = Callable[[Array, Array, Namespace], Array]


@dataclass(frozen=True)
class Activation:
    """A function g, with its derivative if that is written by hand.

    Parameters
    ----------
    value : callable (Z, xp) -> A
        The function g. Z and A have shape (n[l], m). ``xp`` is the namespace whose functions it
        calls, as in ``xp.exp(Z)``. It must not change Z: no ``Z *= 2``.
    derivative : callable (Z, A, xp) -> array, shape (n[l], m), optional
        g′(Z), elementwise. Without it (as for softmax, which is not elementwise)
        `xpnn.graph` differentiates g.
    name : str, optional
        The name of the function ``value`` unless given. `Network.predict` and `Network.score`
        read an output named ``sigmoid`` or ``softmax`` as a probability.

    Raises
    ------
    ArgumentTypeError
        If ``value`` or ``derivative`` is not a function.

    Examples
    --------
    SiLU, z σ(z), trained with no derivative but the graph's:

    >>> import xpnn
    >>> silu = xpnn.Activation(lambda Z, xp: Z / (1.0 + xp.exp(-Z)), name="silu")
    >>> net = xpnn.Network([2, 3, 1], hidden=silu, output="sigmoid")
    >>> report = xpnn.gradient_check(net, net.init(rng=0), [[0.1, 0.8], [0.5, -0.2]], [[0, 1]])
    >>> report.difference < 1e-7
    True
    """

    value: G
    derivative: GPrime | None = None
    name: str = ""

    def __post_init__(self) -> None:
        check_function("value", self.value, "(Z, xp) -> A")
        if self.derivative is not None:
            check_function("derivative", self.derivative, "(Z, A, xp) -> array")
        if not self.name:
            object.__setattr__(self, "name", function_name(self.value))

    def forward(self, Z: Array, b: Array, xp: Namespace) -> tuple[Array, Array]:
        """Z ← Z + b,  A = g(Z); both of shape (n[l], m), b of shape (n[l], 1).

        Consumes Z: it may be overwritten.
        """
        Z += b
        return Z, self.value(Z, xp)

    def backward(self, dA: Array, Z: Array, A: Array, xp: Namespace) -> Array:
        """dZ = dA * g′(Z), shape (n[l], m); by the graph if g has no derivative of its own.

        Consumes dA: it may be overwritten.
        """
        if self.derivative is None:
            return graph.pullback(lambda Z: self.value(Z, graph), Z, dA)
        dA *= self.derivative(Z, A, xp)
        return dA


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
    "softmax": Activation(softmax, name="softmax"),
}


def activation(name: str) -> Activation:
    """Look an activation up by its name."""
    try:
        return ACTIVATIONS[name]
    except (KeyError, TypeError):
        raise unknown_name("activation", name, ACTIVATIONS) from None
