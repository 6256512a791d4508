"""`gradient_check`: backward propagation against central differences of the cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..core.parameters import Layer, Params, entry_name, ravel, unravel
from ..core.propagation import Objective
from ..exceptions import ArgumentError, BackendError
from ..network import Network
from ..validation.columns import check_examples, check_params
from ..validation.numbers import real_number
from ..validation.weights import share_and_decay
from .objective import cost, cost_and_gradients


@dataclass(frozen=True)
class GradientCheck:
    """How far backward propagation is from central differences.

    Attributes
    ----------
    difference : float
        ‖g − g̃‖ / (‖g‖ + ‖g̃‖), g by backward propagation and g̃ by central differences.
        Below 1e-7 the gradients are right; above 1e-5 look for an error (or for a relu
        whose kink lies between two evaluations).
    worst : str
        The parameter whose two derivatives differ most, such as ``W[1][0, 3]``.
    analytic, numeric : float
        Its derivative by backward propagation and by central differences.
    """

    difference: float
    worst: str
    analytic: float
    numeric: float


def gradient_check(
    net: Network,
    params: Params,
    X: Any,
    Y: Any,
    l2: float = 0.0,
    sample_weight: Any = None,
    epsilon: float = 1e-5,
) -> GradientCheck:
    """Compare every entry of dJ/dθ with (J(θ + ε) − J(θ − ε)) / 2ε, in float64.

    Parameters
    ----------
    net : Network
    params : tuple of Layer
        Cast to float64; not altered.
    X, Y, l2, sample_weight
        As `Network.cost` takes them.
    epsilon : float
        ε. The cost is evaluated twice for each of the parameters: use small networks.

    Raises
    ------
    BackendError
        If the device has no float64.

    Notes
    -----
    A relu has no derivative where z is exactly 0, as with biases of 0 behind units that are
    all silent. Such entries differ by as much as the derivative itself: give the biases small
    random values to check the gradients.

    Examples
    --------
    >>> import xpnn
    >>> net = xpnn.Network([2, 3, 1], hidden="tanh", output="sigmoid")
    >>> report = xpnn.gradient_check(net, net.init(rng=0), [[0.1, 0.8], [0.5, -0.2]], [[0, 1]])
    >>> report.difference < 1e-7
    True
    """
    layers, backend = check_params(params, net.sizes)
    try:
        wide = type(backend).create(backend.device_name, "float64")
    except BackendError as error:
        raise BackendError(f"gradient_check works in float64. {error}") from error
    xp = wide.xp
    epsilon = real_number("epsilon", epsilon, "a number above 0")
    if not 0.0 < epsilon < float("inf"):
        raise ArgumentError(f"epsilon: expected a finite number above 0, found {epsilon!r}.")
    with wide.current(), wide.no_grad():
        layers = tuple(Layer(*(xp.astype(a, wide.dtype) for a in layer)) for layer in layers)
        X, Y, s = check_examples(net, X, Y, sample_weight, wide)
        share, decay = share_and_decay(X.shape[1], s, l2, wide)
        objective = Objective(net.activations, net.loss, share, decay)
        _, grads = cost_and_gradients(layers, X, Y, objective, xp)
        g = wide.to_numpy(ravel(grads, xp))
        theta = ravel(layers, xp)
        positions = xp.arange(theta.shape[0], device=wide.device)

        def shifted_cost(theta: Array, i: int, shift: float) -> Array:
            theta = xp.where(positions == i, theta + shift, theta)
            return cost(unravel(theta, net.sizes, xp), X, Y, objective, xp)

        J = wide.compile(shifted_cost) if wide.compiled else shifted_cost
        g_tilde = central_differences(
            lambda i, shift: wide.number(J(theta, i, shift)), theta.shape[0], epsilon
        )
    worst = int(np.argmax(np.abs(g - g_tilde)))
    name = entry_name(worst, net.sizes)
    return GradientCheck(
        relative_difference(g, g_tilde), name, float(g[worst]), float(g_tilde[worst])
    )


def central_differences(J: Callable[[int, float], float], n: int, epsilon: float) -> Any:
    """Return (J(i, ε) − J(i, −ε)) / 2ε for i = 0 … n − 1; J(i, ε) has entry i of θ moved by ε."""
    return np.asarray([(J(i, epsilon) - J(i, -epsilon)) / (2.0 * epsilon) for i in range(n)])


def relative_difference(g: Any, g_tilde: Any) -> float:
    """Return ‖g − g̃‖ / (‖g‖ + ‖g̃‖), 0 if both are 0."""
    scale = float(np.linalg.norm(g) + np.linalg.norm(g_tilde))
    return float(np.linalg.norm(g - g_tilde)) / scale if scale else 0.0
