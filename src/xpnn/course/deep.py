"""L layers: relu in the hidden ones, sigmoid in the last, one step at a time.

    Z[l] = W[l] A[l-1] + b[l],  A[l] = g(Z[l])
    dZ[l] = dA[l] * g′(Z[l]),  dW[l] = 1/m dZ[l] A[l-1]ᵀ,  db[l] = 1/m Σ dZ[l]
    dA[l-1] = W[l]ᵀ dZ[l]

Here as in the notes dZ and dA are derivatives of one example's loss; the mean over the m
examples is taken in dW and db.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .._backends.base import Backend
from .._typing import Array, Rng
from ..core import propagation
from ..core.activations import ACTIVATIONS, Activation
from ..core.activations import activation as look_up
from ..core.optimizers import gradient_descent
from ..core.parameters import Layer, by_name, pairs
from ..exceptions import ArgumentError
from ..network import Network
from ..validation.arrays import check_columns, check_shape
from ..validation.columns import check_layer, check_layers, check_training_set
from ..validation.targets import check_binary
from ._arrays import CROSS_ENTROPY, accuracy, by_layer, initial_parameters, on_one_backend
from ._training import descend, step

__all__ = [
    "initialize_parameters",
    "initialize_parameters_deep",
    "linear_forward",
    "linear_activation_forward",
    "L_model_forward",
    "compute_cost",
    "linear_backward",
    "relu_backward",
    "sigmoid_backward",
    "linear_activation_backward",
    "L_model_backward",
    "update_parameters",
    "two_layer_model",
    "L_layer_model",
    "predict",
]

RELU, SIGMOID = ACTIVATIONS["relu"], ACTIVATIONS["sigmoid"]

# ---- initial parameters -----------------------------------------------------


def initialize_parameters(n_x: int, n_h: int, n_y: int, *, rng: Rng = None) -> dict[str, Array]:
    """W = 0.01 N(0, 1), b = 0, for one hidden layer.

    Parameters
    ----------
    n_x, n_h, n_y : int
        Units of the input, hidden and output layer.
    rng : int, Generator, RandomState or None
        See `xpnn.course`.

    Returns
    -------
    dict
        ``W1`` (n_h, n_x), ``b1`` (n_h, 1), ``W2`` (n_y, n_h), ``b2`` (n_y, 1).

    Examples
    --------
    >>> from xpnn.course.deep import initialize_parameters
    >>> initialize_parameters(3, 2, 1, rng=1)["W2"]
    array([[ 0.01744812, -0.00761207]])
    """
    return initial_parameters((n_x, n_h, n_y), "small", rng)


def initialize_parameters_deep(
    layer_dims: Sequence[int], scale: str | float = "small", *, rng: Rng = None
) -> dict[str, Array]:
    """W[l] = scale · N(0, 1), b[l] = 0.

    Parameters
    ----------
    layer_dims : sequence of int
        n[0], n[1], …, n[L].
    scale : {"small", "sqrt", "he", "zeros"} or float
        0.01, 1/√n[l-1], √(2/n[l-1]), 0, or the factor itself.
    rng : int, Generator, RandomState or None
        See `xpnn.course`.

    Returns
    -------
    dict
        ``W1`` (n[1], n[0]), ``b1`` (n[1], 1), ``W2``, ….

    Examples
    --------
    >>> from xpnn.course.deep import initialize_parameters_deep
    >>> initialize_parameters_deep([3, 1, 2], "he", rng=3)["W1"]
    array([[1.46040903, 0.3564088 , 0.07878985]])
    """
    return initial_parameters(layer_dims, scale, rng)


# ---- forward ----------------------------------------------------------------


def linear_forward(A: Any, W: Any, b: Any) -> tuple[Array, tuple[Array, Array, Array]]:
    """Z = W A + b.

    Parameters
    ----------
    A : array_like, shape (n[l-1], m)
    W : array_like, shape (n[l], n[l-1])
    b : array_like, shape (n[l], 1)

    Returns
    -------
    Z : array, shape (n[l], m)
    cache : tuple (A, W, b)

    Examples
    --------
    >>> from xpnn.course.deep import linear_forward
    >>> linear_forward([[1.0], [2.0]], [[3.0, 4.0]], [[0.5]])[0]
    array([[11.5]])
    """
    _, (linear_cache, Z) = linear_activation_forward(A, W, b, "identity")
    return Z, linear_cache


def linear_activation_forward(
    A_prev: Any, W: Any, b: Any, activation: str
) -> tuple[Array, tuple[tuple[Array, Array, Array], Array]]:
    """Z = W A_prev + b,  A = g(Z).

    Parameters
    ----------
    A_prev : array_like, shape (n[l-1], m)
    W : array_like, shape (n[l], n[l-1])
    b : array_like, shape (n[l], 1)
    activation : {"sigmoid", "relu", "tanh", "leaky_relu", "identity", "softmax"}

    Returns
    -------
    A : array, shape (n[l], m)
    cache : tuple ((A_prev, W, b), Z)

    Examples
    --------
    >>> from xpnn.course.deep import linear_activation_forward
    >>> linear_activation_forward([[1.0], [2.0]], [[3.0, -4.0]], [[0.5]], "relu")[0]
    array([[0.]])
    """
    with on_one_backend(A_prev=A_prev, W=W, b=b) as (backend, A_prev, W, b):
        check_columns("A_prev", A_prev)
        n_prev = A_prev.shape[0]
        check_layer(W, b, n_prev, f"A_prev has {n_prev} rows")
        g = look_up(activation)
        A, (cache,) = propagation.forward((Layer(W, b),), A_prev, (g,), backend.xp)
        return A, ((A_prev, W, b), cache.Z)


def L_model_forward(X: Any, parameters: Mapping[str, Any]) -> tuple[Array, list[Any]]:
    """L − 1 times linear and relu, then linear and sigmoid.

    Parameters
    ----------
    X : array_like, shape (n[0], m)
    parameters : dict
        ``W1``, ``b1``, …, ``WL``, ``bL``.

    Returns
    -------
    AL : array, shape (n[L], m)
    caches : list of ((A_prev, W, b), Z)
        One a layer.

    Examples
    --------
    >>> from xpnn.course.deep import L_model_forward, initialize_parameters_deep
    >>> AL, caches = L_model_forward([[0.0], [0.0]], initialize_parameters_deep([2, 3, 1], rng=1))
    >>> AL, len(caches)
    (array([[0.5]]), 2)
    """
    with on_one_backend(X=X, **by_layer(parameters)) as (backend, X, *arrays):
        layers = pairs(arrays)
        check_layers(layers, X, backend)
        activations = (*(RELU,) * (len(layers) - 1), SIGMOID)
        AL, caches = propagation.forward(layers, X, activations, backend.xp)
        return AL, [
            ((cache.A_prev, W, b), cache.Z) for cache, (W, b) in zip(caches, layers, strict=True)
        ]


def compute_cost(AL: Any, Y: Any) -> float:
    """J = −1/m Σ (y log a + (1−y) log(1−a)).

    Parameters
    ----------
    AL : array_like, shape (n_y, m)
    Y : array_like, shape (n_y, m)

    Examples
    --------
    >>> from xpnn.course.deep import compute_cost
    >>> round(compute_cost([[0.5, 0.9]], [[0, 1]]), 4)
    0.3993
    """
    with on_one_backend(AL=AL, Y=Y) as (backend, AL, Y):
        check_output(AL, Y, backend)
        losses = CROSS_ENTROPY.value(AL, Y, backend.xp)
        return backend.number(backend.xp.sum(losses)) / int(AL.shape[1])


# ---- backward ---------------------------------------------------------------


def linear_backward(dZ: Any, cache: Any) -> tuple[Array, Array, Array]:
    """dA_prev = Wᵀ dZ,  dW = 1/m dZ A_prevᵀ,  db = 1/m Σ dZ.

    Parameters
    ----------
    dZ : array_like, shape (n[l], m)
    cache : tuple (A_prev, W, b)
        b is not used.

    Returns
    -------
    dA_prev : array, shape (n[l-1], m)
    dW : array, shape (n[l], n[l-1])
    db : array, shape (n[l], 1)

    Examples
    --------
    >>> from xpnn.course.deep import linear_backward
    >>> A_prev, W, b = [[1.0, 2.0]], [[3.0]], [[0.0]]
    >>> linear_backward([[1.0, 1.0]], (A_prev, W, b))
    (array([[3., 3.]]), array([[1.5]]), array([[1.]]))
    """
    A_prev, W, _ = _unpacked(cache, "A_prev", "W", "b")
    with on_one_backend(dZ=dZ, A_prev=A_prev, W=W) as (backend, dZ, A_prev, W):
        check_columns("dZ", dZ)
        m = dZ.shape[1]
        check_columns("A_prev", A_prev, m=m)
        check_shape("W", W, (dZ.shape[0], A_prev.shape[0]))
        dW, db = propagation.layer_gradients(dZ / m, A_prev, W, None, backend.xp)
        return propagation.previous_dA(W, dZ), dW, db


def relu_backward(dA: Any, Z: Any) -> Array:
    """dZ = dA where z > 0, else 0.

    Parameters
    ----------
    dA, Z : array_like, shape (n[l], m)

    Returns
    -------
    array, shape (n[l], m)

    Examples
    --------
    >>> from xpnn.course.deep import relu_backward
    >>> relu_backward([[1.0, 2.0]], [[-1.0, 3.0]])
    array([[0., 2.]])
    """
    return _error(dA, Z, RELU)


def sigmoid_backward(dA: Any, Z: Any) -> Array:
    """dZ = dA * a (1 − a),  a = σ(z).

    Parameters
    ----------
    dA, Z : array_like, shape (n[l], m)

    Returns
    -------
    array, shape (n[l], m)

    Examples
    --------
    >>> from xpnn.course.deep import sigmoid_backward
    >>> sigmoid_backward([[1.0, 2.0]], [[0.0, 0.0]])
    array([[0.25, 0.5 ]])
    """
    return _error(dA, Z, SIGMOID)


def linear_activation_backward(dA: Any, cache: Any, activation: str) -> tuple[Array, Array, Array]:
    """dZ = dA * g′(Z), then `linear_backward`.

    Parameters
    ----------
    dA : array_like, shape (n[l], m)
    cache : tuple ((A_prev, W, b), Z)
    activation : {"sigmoid", "relu", "tanh", "leaky_relu", "identity", "softmax"}

    Returns
    -------
    dA_prev : array, shape (n[l-1], m)
    dW : array, shape (n[l], n[l-1])
    db : array, shape (n[l], 1)

    Examples
    --------
    >>> from xpnn.course.deep import linear_activation_backward
    >>> A_prev, W, b, Z = [[1.0]], [[3.0]], [[0.0]], [[3.0]]
    >>> linear_activation_backward([[2.0]], ((A_prev, W, b), Z), "relu")
    (array([[6.]]), array([[2.]]), array([[2.]]))
    """
    linear_cache, Z = _unpacked(cache, "linear_cache", "Z")
    return linear_backward(_error(dA, Z, look_up(activation)), linear_cache)


def L_model_backward(AL: Any, Y: Any, caches: Sequence[Any]) -> dict[str, Array]:
    """Propagate backward from dAL = −Y/AL + (1−Y)/(1−AL).

    AL need not be σ(ZL): dAL is taken from AL, σ′ from ZL.

    Parameters
    ----------
    AL : array_like, shape (n[L], m)
    Y : array_like, shape (n[L], m)
    caches : list of ((A_prev, W, b), Z)
        Of `L_model_forward`.

    Returns
    -------
    dict
        ``dA0``, …, ``dA{L-1}``, ``dW1``, ``db1``, …, ``dWL``, ``dbL``.

    Examples
    --------
    >>> from xpnn.course.deep import *
    >>> X, Y = [[1.0, 2.0]], [[0, 1]]
    >>> AL, caches = L_model_forward(X, initialize_parameters_deep([1, 2, 1], rng=1))
    >>> sorted(L_model_backward(AL, Y, caches))
    ['dA0', 'dA1', 'dW1', 'dW2', 'db1', 'db2']
    """
    with on_one_backend(AL=AL, Y=Y) as (backend, AL, Y):
        check_output(AL, Y, backend)
        dA = propagation.output_dA(AL, Y, CROSS_ENTROPY, backend.xp)
    if not caches:
        raise ArgumentError("caches: expected one cache a layer, of L_model_forward, found none.")
    grads: dict[str, Array] = {}
    g = "sigmoid"
    for l in range(len(caches), 0, -1):
        dA, dW, db = linear_activation_backward(dA, caches[l - 1], g)
        grads |= {f"dA{l - 1}": dA, f"dW{l}": dW, f"db{l}": db}
        g = "relu"
    return grads


def update_parameters(
    parameters: Mapping[str, Any], grads: Mapping[str, Any], learning_rate: float
) -> dict[str, Array]:
    """W[l] ← W[l] − α dW[l],  b[l] ← b[l] − α db[l]; the given parameters stay as they are.

    Parameters
    ----------
    parameters, grads : dict
        ``W1``, ``b1``, …; ``dW1``, ``db1``, ….
    learning_rate : float
        α > 0.

    Examples
    --------
    >>> from xpnn.course.deep import update_parameters
    >>> parameters = {"W1": [[1.0]], "b1": [[0.0]]}
    >>> update_parameters(parameters, {"dW1": [[0.5]], "db1": [[0.25]]}, 2.0)
    {'W1': array([[0.]]), 'b1': array([[-0.5]])}
    """
    return step(gradient_descent(learning_rate), parameters, grads)[0]


# ---- models -----------------------------------------------------------------


def two_layer_model(
    X: Any,
    Y: Any,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    scale: str | float = "small",
    rng: Rng = None,
) -> tuple[dict[str, Array], list[float]]:
    """Train linear, relu, linear, sigmoid: `L_layer_model` for (n_x, n_h, n_y).

    Parameters
    ----------
    X, Y, layers_dims, learning_rate, num_iterations, print_cost, scale, rng
        As `L_layer_model` takes them; three sizes.

    Returns
    -------
    parameters : dict
    costs : list of float

    Examples
    --------
    >>> from xpnn.course.deep import two_layer_model
    >>> parameters, costs = two_layer_model([[-1.0, 1.0]], [[0, 1]], (1, 2, 1), rng=1)
    >>> sorted(parameters), len(costs)
    (['W1', 'W2', 'b1', 'b2'], 31)
    """
    if len(layers_dims) != 3:
        raise ArgumentError(
            f"layers_dims: expected (n_x, n_h, n_y), found {tuple(layers_dims)}; "
            "for more layers call L_layer_model."
        )
    return L_layer_model(
        X, Y, layers_dims, learning_rate, num_iterations, print_cost, scale=scale, rng=rng
    )


def L_layer_model(
    X: Any,
    Y: Any,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    scale: str | float = "sqrt",
    rng: Rng = None,
) -> tuple[dict[str, Array], list[float]]:
    """Draw parameters and train them by gradient descent on all examples.

    Parameters
    ----------
    X : array_like, shape (n[0], m)
    Y : array_like, shape (n[L], m)
    layers_dims : sequence of int
        n[0], n[1], …, n[L].
    learning_rate : float
        α > 0.
    num_iterations : int
    print_cost : bool
        Whether to print each of the costs.
    scale : {"small", "sqrt", "he", "zeros"} or float
        See `initialize_parameters_deep`.
    rng : int, Generator, RandomState or None
        See `xpnn.course`.

    Returns
    -------
    parameters : dict
        ``W1``, ``b1``, …, ``WL``, ``bL``.
    costs : list of float
        Before the update of iterations 0, 100, 200, …, and of the last one.

    Examples
    --------
    >>> from xpnn.course.deep import L_layer_model, predict
    >>> X, Y = [[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], [[0, 1, 1, 0]]
    >>> parameters, costs = L_layer_model(X, Y, (2, 8, 4, 1), 0.5, 500, rng=1)
    >>> len(costs), costs[-1] < 0.1
    (6, True)
    """
    parameters = initial_parameters(layers_dims, scale, rng, X)
    with on_one_backend(**parameters, X=X, Y=Y) as (backend, *arrays, X, Y):
        layers = pairs(arrays)
        check_training_set(X, Y, backend)
        check_columns("X", X, layers_dims[0])
        check_shape("Y", Y, (layers_dims[-1], X.shape[1]))
        net = Network(layers_dims, hidden="relu", output="sigmoid")
        descent = descend(
            net, layers, (X, Y), backend, num_iterations, learning_rate, 100, print_cost
        )
        return by_name(descent.params), list(descent.costs.values())


def predict(X: Any, y: Any, parameters: Mapping[str, Any]) -> Array:
    """1 where AL > 0.5, else 0; prints the share that equals y.

    Parameters
    ----------
    X : array_like, shape (n[0], m)
    y : array_like, shape (n[L], m)
    parameters : dict

    Returns
    -------
    array, shape (n[L], m)
        0 and 1 as floats, as in the notes.

    Examples
    --------
    >>> from xpnn.course.deep import predict
    >>> predict([[-1.0, 1.0]], [[1, 1]], {"W1": [[2.0]], "b1": [[0.0]]})
    Accuracy: 0.5
    array([[0., 1.]])
    """
    AL, _ = L_model_forward(X, parameters)
    with on_one_backend(AL=AL) as (backend, AL):
        predicted = backend.xp.astype(AL > 0.5, AL.dtype)
    print(f"Accuracy: {accuracy(predicted, y)}")
    return predicted


def _error(dA: Any, Z: Any, g: Activation) -> Array:
    """dZ = dA * g′(Z)."""
    with on_one_backend(dA=dA, Z=Z) as (backend, dA, Z):
        check_shape("dA", dA, tuple(Z.shape))
        return g.backward(1.0 * dA, Z, g.value(Z, backend.xp), backend.xp)


def _unpacked(cache: Any, *names: str) -> Any:
    """Return a cache; raise unless it has an entry for each name."""
    found = f"{len(cache)} entries" if isinstance(cache, tuple | list) else type(cache).__name__
    if found != f"{len(names)} entries":
        raise ArgumentError(f"cache: expected a tuple ({', '.join(names)}), found {found}.")
    return cache


def check_output(AL: Array, Y: Array, backend: Backend) -> None:
    """Raise unless AL and Y have equal shapes (n_y, m), and Y is from 0 to 1."""
    check_columns("AL", AL)
    check_columns("Y", Y)
    check_shape("Y", Y, tuple(AL.shape))
    check_binary("Y", Y, backend)
