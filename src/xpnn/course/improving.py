"""What the notes announce as later: L2, mini-batches, momentum, Adam, gradient check."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._backends.host import to_host
from .._typing import Array, Rng
from ..core import optimizers, propagation
from ..core.activations import ACTIVATIONS
from ..core.parameters import Layer, by_name, pairs
from ..core.propagation import Cache, Objective
from ..data.rng import legacy_rng
from ..exceptions import ArgumentError
from ..training.gradient_check import central_differences, relative_difference
from ..validation.arrays import check_columns, check_shape
from ..validation.columns import check_layers
from ..validation.numbers import at_least_0, positive_int, real_number
from ..validation.targets import check_binary
from ._arrays import (
    CROSS_ENTROPY,
    by_layer,
    entries,
    meeting_place,
    on_one_backend,
    on_one_device,
    owners,
    with_dtype,
)
from ._training import step
from .deep import compute_cost

__all__ = [
    "compute_cost_with_regularization",
    "backward_propagation_with_regularization",
    "random_mini_batches",
    "initialize_velocity",
    "update_parameters_with_momentum",
    "initialize_adam",
    "update_parameters_with_adam",
    "gradient_check",
]

# ---- L2 ---------------------------------------------------------------------


def compute_cost_with_regularization(
    AL: Any, Y: Any, parameters: Mapping[str, Any], lambd: float
) -> float:
    """J = −1/m Σ (y log a + (1−y) log(1−a)) + λ/(2m) Σ_l ‖W[l]‖².

    Parameters
    ----------
    AL : array_like, shape (n_y, m)
    Y : array_like, shape (n_y, m)
    parameters : dict
        ``W1``, ``b1``, …; the biases are not penalised.
    lambd : float
        λ ≥ 0.

    Examples
    --------
    >>> from xpnn.course.improving import compute_cost_with_regularization
    >>> J = compute_cost_with_regularization([[0.5]], [[1]], {"W1": [[2.0]], "b1": [[9.0]]}, 0.1)
    >>> round(J, 4)  # log 2 + 0.1/2 · 4
    0.8931
    """
    J = compute_cost(AL, Y)
    with on_one_backend(AL=AL, **by_layer(parameters)) as (backend, AL, *arrays):
        decay = at_least_0("lambd", lambd) / AL.shape[1]
        return J + backend.number(propagation.penalty(pairs(arrays), decay, backend.xp))


def backward_propagation_with_regularization(
    X: Any, Y: Any, cache: Any, lambd: float
) -> dict[str, Array]:
    """Propagate backward through relu layers and a sigmoid, with dW[l] = 1/m dZ A_prevᵀ + λ/m W[l].

    Parameters
    ----------
    X : array_like, shape (n[0], m)
    Y : array_like, shape (n[L], m)
    cache : tuple
        (Z1, A1, W1, b1, Z2, A2, W2, b2, …) of forward propagation.
    lambd : float
        λ ≥ 0.

    Returns
    -------
    dict
        ``dW1``, ``db1``, …, of the shapes of the parameters.

    Examples
    --------
    >>> from xpnn.course.improving import backward_propagation_with_regularization
    >>> Z1, A1, W1, b1 = [[0.0]], [[0.5]], [[3.0]], [[-3.0]]
    >>> backward_propagation_with_regularization([[1.0]], [[1]], (Z1, A1, W1, b1), 0.1)
    {'dW1': array([[-0.2]]), 'db1': array([[-0.5]])}
    """
    if not cache or len(cache) % 4:
        raise ArgumentError(
            "cache: expected a flat tuple (Z1, A1, W1, b1, Z2, A2, W2, b2, …), four a layer, "
            f"found {len(cache)} entries."
        )
    names = [f"{symbol}{i // 4 + 1}" for i, symbol in enumerate("ZAWb" * (len(cache) // 4))]
    with on_one_backend(X=X, Y=Y, **dict(zip(names, cache, strict=True))) as (backend, X, Y, *flat):
        layers = tuple(map(Layer, flat[2::4], flat[3::4]))
        check_layers(layers, X, backend)
        m = X.shape[1]
        caches, A_prev = [], X
        for l, (Z, A, (W, _)) in enumerate(zip(flat[::4], flat[1::4], layers, strict=True), 1):
            check_shape(f"Z{l}", Z, (W.shape[0], m))
            check_shape(f"A{l}", A, (W.shape[0], m))
            caches.append(Cache(A_prev, Z, A))
            A_prev = A
        check_shape("Y", Y, tuple(A_prev.shape))
        check_binary("Y", Y, backend)
        activations = (*(ACTIVATIONS["relu"],) * (len(layers) - 1), ACTIVATIONS["sigmoid"])
        decay = at_least_0("lambd", lambd) / m
        objective = Objective(activations, CROSS_ENTROPY, 1.0 / m, decay)
        grads = propagation.backward(layers, tuple(caches), Y, objective, backend.xp)
        return by_name(grads, "d{}{}")


# ---- mini-batches -----------------------------------------------------------


def random_mini_batches(
    X: Any, Y: Any, mini_batch_size: int = 64, *, rng: Rng = None
) -> list[tuple[Array, Array]]:
    """Shuffle the examples and cut them into mini-batches, the last one smaller.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
    Y : array_like, shape (n_y, m)
    mini_batch_size : int
    rng : int, Generator, RandomState or None
        For one ``permutation(m)``; see `xpnn.course`.

    Returns
    -------
    list of (X, Y)
        Of the dtypes of X and Y.

    Examples
    --------
    >>> from xpnn.course.improving import random_mini_batches
    >>> batches = random_mini_batches([[1, 2, 3, 4, 5]], [[1, 0, 1, 0, 1]], 2, rng=0)
    >>> [(X.tolist(), Y.tolist()) for X, Y in batches]
    [([[3, 1]], [[1, 1]]), ([[2, 4]], [[0, 0]]), ([[5]], [[1]])]
    """
    size = positive_int("mini_batch_size", mini_batch_size)
    with on_one_device(X=X, Y=Y) as (backend, X, Y):
        check_columns("X", X)
        m = X.shape[1]
        check_columns("Y", Y, m=m)
        permutation = backend.asarray(legacy_rng(rng).permutation(m), backend.index_dtype)
        shuffled = [backend.xp.take(a, permutation, axis=1) for a in (X, Y)]
        cuts = [slice(start, min(start + size, m)) for start in range(0, m, size)]
        return [(shuffled[0][:, cut], shuffled[1][:, cut]) for cut in cuts]


# ---- optimisers -------------------------------------------------------------


def initialize_velocity(parameters: Mapping[str, Any]) -> dict[str, Array]:
    """v = 0 for every parameter.

    Parameters
    ----------
    parameters : dict

    Returns
    -------
    dict
        ``dW1``, ``db1``, …, of the shapes of the parameters.

    Examples
    --------
    >>> from xpnn.course.improving import initialize_velocity
    >>> initialize_velocity({"W1": [[1.0, 2.0]], "b1": [[3.0]]})
    {'dW1': array([[0., 0.]]), 'db1': array([[0.]])}
    """
    parameters = by_layer(parameters)
    with on_one_backend(**parameters) as (backend, *arrays):
        zeros = map(backend.xp.zeros_like, arrays)
        return {f"d{name}": v for name, v in zip(parameters, zeros, strict=True)}


def update_parameters_with_momentum(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    beta: float,
    learning_rate: float,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """v ← β v + (1−β) g,  θ ← θ − α v; what is given stays as it is.

    Parameters
    ----------
    parameters, grads, v : dict
        θ, g and v: ``W1``, …; ``dW1``, …; ``dW1``, ….
    beta : float
        β in [0, 1).
    learning_rate : float
        α > 0.

    Returns
    -------
    parameters, v : dict

    Examples
    --------
    >>> from xpnn.course.improving import *
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[0.0]]}
    >>> v = initialize_velocity(parameters)
    >>> update_parameters_with_momentum(parameters, grads, v, beta=0.5, learning_rate=0.1)[0]["W1"]
    array([[0.9]])
    """
    parameters, (v,) = step(optimizers.momentum(learning_rate, beta), parameters, grads, (v,))
    return parameters, v


def initialize_adam(parameters: Mapping[str, Any]) -> tuple[dict[str, Array], dict[str, Array]]:
    """v = 0 and s = 0 for every parameter.

    Parameters
    ----------
    parameters : dict

    Returns
    -------
    v, s : dict
        ``dW1``, ``db1``, …, of the shapes of the parameters.

    Examples
    --------
    >>> from xpnn.course.improving import initialize_adam
    >>> v, s = initialize_adam({"W1": [[1.0, 2.0]], "b1": [[3.0]]})
    >>> s
    {'dW1': array([[0., 0.]]), 'db1': array([[0.]])}
    """
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters: Mapping[str, Any],
    grads: Mapping[str, Any],
    v: Mapping[str, Any],
    s: Mapping[str, Any],
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[dict[str, Array], ...]:
    """v ← β₁ v + (1−β₁) g,  s ← β₂ s + (1−β₂) g²,  θ ← θ − α v̂ / (√ŝ + ε).

    v̂ = v / (1−β₁ᵗ) and ŝ = s / (1−β₂ᵗ) correct the bias of the start. What is given stays
    as it is.

    Parameters
    ----------
    parameters, grads, v, s : dict
        θ, g, v and s.
    t : int
        The number of this step, from 1.
    learning_rate, beta1, beta2, epsilon : float
        α, β₁, β₂ and ε.

    Returns
    -------
    parameters, v, s, v_corrected, s_corrected : dict

    Examples
    --------
    >>> from xpnn.course.improving import *
    >>> parameters, grads = {"W1": [[1.0]], "b1": [[0.0]]}, {"dW1": [[2.0]], "db1": [[0.0]]}
    >>> v, s = initialize_adam(parameters)
    >>> update_parameters_with_adam(parameters, grads, v, s, t=1, learning_rate=0.1)[0]["W1"]
    array([[0.9]])
    """
    adam = optimizers.adam(learning_rate, beta1, beta2, epsilon)
    t = positive_int("t", t)
    parameters, (v, s) = step(adam, parameters, grads, (v, s), t)
    with on_one_backend(**v):
        v_corrected = {name: a / (1.0 - float(beta1) ** t) for name, a in v.items()}
        s_corrected = {name: a / (1.0 - float(beta2) ** t) for name, a in s.items()}
    return parameters, v, s, v_corrected, s_corrected


# ---- gradient check ---------------------------------------------------------


def gradient_check(
    cost: Callable[[Any], Any],
    gradients: Any,
    parameters: Any,
    epsilon: float = 1e-7,
) -> float:
    """‖g − g̃‖ / (‖g‖ + ‖g̃‖) with g̃ = (J(θ + ε) − J(θ − ε)) / 2ε, one entry of θ at a time.

    Parameters
    ----------
    cost : callable (parameters) -> float
        J.
    gradients : float, array, dict, or callable (parameters) -> one of these
        g: a number for a number, an array for an array, ``dW1``, ``db1``, … for
        ``W1``, ``b1``, ….
    parameters : float, array, or dict
        θ; the cost is computed in float64.
    epsilon : float
        ε.

    Returns
    -------
    float
        Below 1e-7 the gradients are right, up to 1e-5 they probably are; above look for an
        error.

    Notes
    -----
    A relu has no derivative where z is exactly 0, as with biases of 0 behind units that are
    all silent: give the biases small random values to check its gradients.

    Examples
    --------
    >>> from xpnn.course.improving import gradient_check
    >>> gradient_check(lambda theta: 2.0 * theta, 2.0, 4.0) < 1e-7
    True
    >>> gradient_check(lambda theta: theta**2, lambda theta: 3.0 * theta, 4.0) > 1e-5  # wrong
    True
    """
    if callable(gradients):
        gradients = gradients(parameters)
    epsilon = real_number("epsilon", epsilon, "a finite number above 0")
    if not 0.0 < epsilon < float("inf"):
        raise ArgumentError(f"epsilon: expected a finite number above 0, found {epsilon!r}.")
    names, parts, slopes = [], [parameters], [gradients]
    if isinstance(parameters, Mapping):
        names, parts = list(parameters), list(parameters.values())
        slopes = list(entries("gradients", gradients, [f"d{name}" for name in names]).values())
    hosts = [np.asarray(to_host(part), dtype=np.float64) for part in parts]
    g = [np.asarray(to_host(slope), dtype=np.float64) for slope in slopes]
    for name, host, slope in zip(names or [""], hosts, g, strict=True):
        check_shape(f"d{name}" if names else "gradients", slope, host.shape)
    found = owners(dict(zip(names or ["parameters"], parts, strict=True)))
    backend = with_dtype(meeting_place(found), "float64")
    theta = _flat(hosts)

    def J(i: int, shift: float) -> float:
        shifted = theta.copy()
        shifted[i] += shift
        pieces = np.split(shifted, np.cumsum([host.size for host in hosts])[:-1])
        arrays = [
            float(piece[0])
            if isinstance(part, int | float)
            else backend.asarray(piece.reshape(host.shape), backend.dtype)
            for piece, host, part in zip(pieces, hosts, parts, strict=True)
        ]
        return float(cost(dict(zip(names, arrays, strict=True)) if names else arrays[0]))

    return relative_difference(_flat(g), central_differences(J, theta.size, epsilon))


def _flat(arrays: list[Any]) -> Any:
    return np.concatenate([a.reshape(-1) for a in arrays])
