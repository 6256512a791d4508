"""Losses ℓ(a, y) of one example, each beside the derivative that starts backward propagation.

The cost J of a network is the mean of ℓ over the examples (`propagation.cost`).
Each loss has one *canonical* output activation, for which dℓ/dz = a − y and ℓ is
computed from the logits z, so that no saturated unit gives inf or NaN. With any
other output it is computed from A, and backward propagation goes through dA.

``LOSSES`` maps a name to a `Loss`; `loss` looks one up; ``LOSS_OF_OUTPUT`` says
which loss an output activation has unless told otherwise.

In products A and Z stand left of Y: with `xpnn.graph` they are its nodes, and not every
library leaves an operator to what stands on its right.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .._typing import Array, Namespace
from ..exceptions import ArgumentError, function_name, unknown_name
from ..validation.functions import check_function
from .activations import activation

ANY = float("inf")
LossFunction: TypeAlias = Callable[[Array, Array, Namespace], Array]


@dataclass(frozen=True)
class Loss:
    """A loss ℓ, with its derivative if that is written by hand.

    Parameters
    ----------
    value : callable (A, Y, xp) -> ℓ, shape (n_y, m) or (1, m)
        One term an output unit, or one an example; not yet the mean over the examples.
    derivative : callable (A, Y, xp) -> dℓ/dA, shape (n_y, m), optional
        Without it `xpnn.graph` differentiates ``value``.
    from_logits : callable (Z, Y, xp) -> ℓ, shape (n_y, m), optional
        The same loss from Z, the logits of the canonical output.
    canonical : str, optional
        The output activation for which dℓ/dZ = A − Y, if there is one.
    outputs : tuple of str, optional
        Every output activation whose range suits the loss; any, unless given.
    target_range : tuple of float, optional
        Smallest and largest y that make sense.
    name : str, optional
        The name of the function ``value`` unless given.

    Raises
    ------
    ArgumentTypeError
        If ``value``, ``derivative`` or ``from_logits`` is not a function.

    Examples
    --------
    Regression that outliers disturb less, with no derivative but the graph's:

    >>> import xpnn
    >>> def log_cosh(A, Y, xp):
    ...     return xp.logaddexp(A - Y, Y - A)
    >>> net = xpnn.Network([1, 1], output="identity", loss=xpnn.Loss(log_cosh))
    >>> xpnn.gradient_check(net, net.init(rng=0), [[0.5, 1.0]], [[1.0, 9.0]]).difference < 1e-7
    True
    """

    value: LossFunction
    derivative: LossFunction | None = None
    from_logits: LossFunction | None = None
    canonical: str | None = None
    outputs: tuple[str, ...] | None = None
    target_range: tuple[float, float] = (-ANY, ANY)
    name: str = ""

    def __post_init__(self) -> None:
        check_function("value", self.value, "(A, Y, xp) -> ℓ")
        if self.derivative is not None:
            check_function("derivative", self.derivative, "(A, Y, xp) -> dℓ/dA")
        if self.canonical is not None:
            activation(self.canonical)
        if self.from_logits is not None:
            check_function("from_logits", self.from_logits, "(Z, Y, xp) -> ℓ")
            if self.canonical is None:
                raise ArgumentError(
                    "from_logits: expected canonical= with it, the output activation of which Z is "
                    "the argument, such as canonical='sigmoid'."
                )
        set_field = object.__setattr__  # frozen
        if self.outputs is not None:
            set_field(self, "outputs", tuple(self.outputs))
        set_field(self, "target_range", tuple(self.target_range))
        if not self.name:
            set_field(self, "name", function_name(self.value))


def binary_cross_entropy(A: Array, Y: Array, xp: Namespace) -> Array:
    """−(y log a + (1 − y) log(1 − a)); a term whose factor is 0 is 0, even if its log is not."""
    log_A = xp.log(xp.where(Y == 0.0, 1.0, A))
    log_not_A = xp.log(xp.where(Y == 1.0, 1.0, 1.0 - A))
    return -(log_A * Y + log_not_A * (1.0 - Y))


def binary_cross_entropy_derivative(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y/a + (1 − y)/(1 − a); a term whose numerator is 0 is 0."""
    return (1.0 - Y) / xp.where(Y == 1.0, 1.0, 1.0 - A) - Y / xp.where(Y == 0.0, 1.0, A)


def binary_cross_entropy_from_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """log(1 + e^z) − y z, with log(1 + e^z) = max(z, 0) + log(1 + e^−|z|).

    −|z| is written z − 2 max(z, 0): so the derivative at z = 0 is ½ − y whichever side
    automatic differentiation takes of the kink.
    """
    positive = xp.maximum(Z, 0.0)
    return positive - Z * Y + xp.log1p(xp.exp(Z - 2.0 * positive))


def categorical_cross_entropy(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y_k log a_k; 0 where y_k = 0, even if a_k = 0."""
    return -(xp.log(xp.where(Y > 0.0, A, 1.0)) * Y)


def categorical_cross_entropy_derivative(A: Array, Y: Array, xp: Namespace) -> Array:
    """−y_k / a_k; 0 where y_k = 0."""
    return -(Y / xp.where(Y > 0.0, A, 1.0))


def categorical_cross_entropy_from_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """y_k (log Σ_j e^z_j − z_k), the maximum of z taken out of both."""
    Z = Z - xp.max(Z, axis=0, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(Z), axis=0, keepdims=True))
    return (log_sum - Z) * Y


def squared_error(A: Array, Y: Array, xp: Namespace) -> Array:
    """½ (a − y)²."""
    E = A - Y
    return 0.5 * (E * E)


def squared_error_derivative(A: Array, Y: Array, xp: Namespace) -> Array:
    """a − y."""
    return A - Y


def poisson(A: Array, Y: Array, xp: Namespace) -> Array:
    """a − y log a: the negative Poisson log-likelihood up to terms without a."""
    return A - xp.log(xp.where(Y > 0.0, A, 1.0)) * Y


def poisson_derivative(A: Array, Y: Array, xp: Namespace) -> Array:
    """1 − y/a; 1 where y = 0."""
    return 1.0 - Y / xp.where(Y > 0.0, A, 1.0)


def poisson_from_logits(Z: Array, Y: Array, xp: Namespace) -> Array:
    """e^z − y z."""
    return xp.exp(Z) - Z * Y


LOSSES = {
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        binary_cross_entropy_derivative,
        binary_cross_entropy_from_logits,
        canonical="sigmoid",
        outputs=("sigmoid",),
        target_range=(0.0, 1.0),
        name="binary_cross_entropy",
    ),
    "categorical_cross_entropy": Loss(
        categorical_cross_entropy,
        categorical_cross_entropy_derivative,
        categorical_cross_entropy_from_logits,
        canonical="softmax",
        outputs=("softmax", "sigmoid"),
        target_range=(0.0, 1.0),
        name="categorical_cross_entropy",
    ),
    "squared_error": Loss(
        squared_error,
        squared_error_derivative,
        squared_error,
        canonical="identity",
        outputs=("identity", "sigmoid", "tanh", "relu", "leaky_relu", "exp"),
        target_range=(-ANY, ANY),
        name="squared_error",
    ),
    "poisson": Loss(
        poisson,
        poisson_derivative,
        poisson_from_logits,
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
        raise unknown_name("loss", name, LOSSES) from None
