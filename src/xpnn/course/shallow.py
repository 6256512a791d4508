"""One hidden layer of tanh units and a sigmoid output.

Z1 = W1 X + b1,  A1 = tanh(Z1),  Z2 = W2 A1 + b2,  A2 = σ(Z2)
"""

from collections.abc import Mapping
from typing import Any

from .._typing import Array, Rng
from ..core import propagation
from ..core.activations import ACTIVATIONS
from ..core.parameters import Layer, Params, by_name, pairs
from ..core.propagation import Cache, Objective
from ..exceptions import ArgumentError
from ..network import Network
from ..validation.arrays import check_columns, check_shape
from ..validation.columns import check_layers, check_training_set
from ..validation.targets import check_binary
from . import deep
from ._arrays import CROSS_ENTROPY, by_layer, entries, initial_parameters, on_one_backend
from ._training import descend
from .deep import initialize_parameters

__all__ = [
    "layer_sizes",
    "initialize_parameters",
    "forward_propagation",
    "compute_cost",
    "backward_propagation",
    "update_parameters",
    "nn_model",
    "predict",
]

ACTIVATIONS_OF_LAYERS = (ACTIVATIONS["tanh"], ACTIVATIONS["sigmoid"])


def layer_sizes(X: Any, Y: Any) -> tuple[int, int, int]:
    """Return (n_x, n_h, n_y), with the notes' n_h = 4.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
    Y : array_like, shape (n_y, m)

    Examples
    --------
    >>> from xpnn.course.shallow import layer_sizes
    >>> layer_sizes([[0.0, 1.0], [2.0, 3.0]], [[0, 1]])
    (2, 4, 1)
    """
    with on_one_backend(X=X, Y=Y) as (_, X, Y):
        check_columns("X", X)
        check_columns("Y", Y)
        return X.shape[0], 4, Y.shape[0]


def forward_propagation(X: Any, parameters: Mapping[str, Any]) -> tuple[Array, dict[str, Array]]:
    """Z1 = W1 X + b1,  A1 = tanh(Z1),  Z2 = W2 A1 + b2,  A2 = σ(Z2).

    Parameters
    ----------
    X : array_like, shape (n_x, m)
    parameters : dict
        ``W1``, ``b1``, ``W2``, ``b2``.

    Returns
    -------
    A2 : array, shape (n_y, m)
    cache : dict
        ``Z1`` and ``A1``, shape (n_h, m); ``Z2`` and ``A2``, shape (n_y, m).

    Examples
    --------
    >>> from xpnn.course.shallow import forward_propagation, initialize_parameters
    >>> A2, cache = forward_propagation([[0.0], [0.0]], initialize_parameters(2, 4, 1, rng=2))
    >>> A2, sorted(cache)
    (array([[0.5]]), ['A1', 'A2', 'Z1', 'Z2'])
    """
    with on_one_backend(X=X, **by_layer(parameters)) as (backend, X, *arrays):
        layers = pairs(arrays)
        _check_two(layers)
        check_layers(layers, X, backend)
        A2, (first, second) = propagation.forward(layers, X, ACTIVATIONS_OF_LAYERS, backend.xp)
        return A2, {"Z1": first.Z, "A1": first.A, "Z2": second.Z, "A2": second.A}


def compute_cost(A2: Any, Y: Any, parameters: Any = None) -> float:
    """J = −1/m Σ (y log a + (1−y) log(1−a)).

    Parameters
    ----------
    A2 : array_like, shape (n_y, m)
    Y : array_like, shape (n_y, m)
    parameters : dict, optional
        Not used; the notes pass it.

    Examples
    --------
    >>> from xpnn.course.shallow import compute_cost
    >>> round(compute_cost([[0.5, 0.9]], [[0, 1]]), 4)
    0.3993
    """
    return deep.compute_cost(A2, Y)


def backward_propagation(
    parameters: Mapping[str, Any], cache: Mapping[str, Any], X: Any, Y: Any
) -> dict[str, Array]:
    """Propagate backward from dZ2.

    dZ2 = A2 − Y,  dW2 = 1/m dZ2 A1ᵀ,  db2 = 1/m Σ dZ2,
    dZ1 = W2ᵀ dZ2 * (1 − A1²),  dW1 = 1/m dZ1 Xᵀ,  db1 = 1/m Σ dZ1.

    Parameters
    ----------
    parameters : dict
        ``W2`` is used.
    cache : dict
        ``A1`` and ``A2`` are used.
    X : array_like, shape (n_x, m)
    Y : array_like, shape (n_y, m)

    Returns
    -------
    dict
        ``dW1``, ``db1``, ``dW2``, ``db2``, of the shapes of the parameters.

    Examples
    --------
    >>> from xpnn.course.shallow import *
    >>> X, Y, parameters = [[1.0, 2.0]], [[0, 1]], initialize_parameters(1, 2, 1, rng=1)
    >>> A2, cache = forward_propagation(X, parameters)
    >>> backward_propagation(parameters, cache, X, Y)["db2"].round(4)
    array([[-0.]])
    """
    given = entries("parameters", parameters, ["W2"]) | entries("cache", cache, ["A1", "A2"])
    with on_one_backend(X=X, Y=Y, **given) as (backend, X, Y, W2, A1, A2):
        check_columns("X", X)
        m = X.shape[1]
        check_columns("Y", Y, m=m)
        check_binary("Y", Y, backend)
        check_columns("A1", A1, m=m)
        check_shape("A2", A2, tuple(Y.shape))
        check_shape("W2", W2, (Y.shape[0], A1.shape[0]))
        # g' of tanh and of the canonical output need A alone, and no gradient needs W1, b1, b2
        layers = (Layer(None, None), Layer(W2, None))
        caches = (Cache(X, None, A1), Cache(A1, None, A2))
        objective = Objective(ACTIVATIONS_OF_LAYERS, CROSS_ENTROPY, 1.0 / m)
        grads = propagation.backward(layers, caches, Y, objective, backend.xp)
        return by_name(grads, "d{}{}")


def update_parameters(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float = 1.2
) -> dict[str, Array]:
    """W ← W − α dW,  b ← b − α db; the given parameters stay as they are.

    Parameters
    ----------
    parameters, grads : dict
        ``W1``, ``b1``, …; ``dW1``, ``db1``, ….
    learning_rate : float
        α > 0.

    Examples
    --------
    >>> from xpnn.course.shallow import update_parameters
    >>> parameters = {"W1": [[1.0]], "b1": [[0.0]]}
    >>> update_parameters(parameters, {"dW1": [[0.5]], "db1": [[0.25]]})
    {'W1': array([[0.4]]), 'b1': array([[-0.3]])}
    """
    return deep.update_parameters(parameters, grads, learning_rate)


def nn_model(
    X: Any,
    Y: Any,
    n_h: int,
    num_iterations: int = 10000,
    learning_rate: float = 1.2,
    print_cost: bool = False,
    *,
    rng: Rng = None,
) -> dict[str, Array]:
    """Draw parameters and train them by gradient descent on all examples.

    Parameters
    ----------
    X : array_like, shape (n_x, m)
    Y : array_like, shape (n_y, m)
    n_h : int
        Hidden units.
    num_iterations : int
    learning_rate : float
        α > 0.
    print_cost : bool
        Whether to print the cost every 1,000 iterations, and the last.
    rng : int, Generator, RandomState or None
        See `xpnn.course`.

    Returns
    -------
    dict
        ``W1``, ``b1``, ``W2``, ``b2``.

    Examples
    --------
    >>> from xpnn.course.shallow import nn_model, predict
    >>> from xpnn.data import flower
    >>> X, Y = flower()
    >>> parameters = nn_model(X, Y, n_h=4, num_iterations=2000, rng=3)
    >>> float((predict(parameters, X) == Y).mean())
    0.8975
    """
    n_x, _, n_y = layer_sizes(X, Y)
    parameters = initial_parameters((n_x, n_h, n_y), "small", rng, X)
    with on_one_backend(**parameters, X=X, Y=Y) as (backend, *arrays, X, Y):
        check_training_set(X, Y, backend)
        net = Network([n_x, n_h, n_y], hidden="tanh", output="sigmoid")
        descent = descend(
            net, pairs(arrays), (X, Y), backend, num_iterations, learning_rate, 1000, print_cost
        )
        return by_name(descent.params)


def predict(parameters: Mapping[str, Any], X: Any) -> Array:
    """A2 > 0.5.

    Parameters
    ----------
    parameters : dict
    X : array_like, shape (n_x, m)

    Returns
    -------
    array of bool, shape (n_y, m)

    Examples
    --------
    >>> from xpnn.course.shallow import initialize_parameters, predict
    >>> predict(initialize_parameters(2, 4, 1, rng=2), [[1.0, -1.0], [1.0, -1.0]])
    array([[False,  True]])
    """
    A2, _ = forward_propagation(X, parameters)
    with on_one_backend(A2=A2) as (_, A2):
        return A2 > 0.5


def _check_two(layers: Params) -> None:
    if len(layers) != 2:
        raise ArgumentError(
            f"parameters: expected two layers, W1, b1, W2 and b2, found {len(layers)}; "
            "for others see xpnn.course.deep."
        )
