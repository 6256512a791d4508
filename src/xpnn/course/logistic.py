"""Logistic regression, a network without a hidden layer: a = σ(wᵀx + b)."""

from math import exp, log1p
from typing import Any

from .._backends.base import Backend
from .._typing import Array
from ..core import propagation
from ..core.parameters import Layer, Params
from ..core.propagation import Objective
from ..exceptions import ArgumentTypeError
from ..network import Network
from ..training.objective import cost_and_gradients
from ..validation.arrays import check_columns, check_finite, check_shape
from ..validation.columns import check_training_set
from ..validation.targets import check_binary
from ._arrays import accuracy, initial_parameters, on_one_backend
from ._training import descend

__all__ = ["initialize_with_zeros", "propagate", "loop_propagate", "optimize", "predict", "model"]


def initialize_with_zeros(dim: int) -> tuple[Array, float]:
    """w = 0, b = 0: without a hidden layer there is no symmetry to break.

    Parameters
    ----------
    dim : int
        n_x, the number of features.

    Returns
    -------
    w : array, shape (dim, 1)
    b : float

    Examples
    --------
    >>> from xpnn.course.logistic import initialize_with_zeros
    >>> initialize_with_zeros(2)
    (array([[0.],
           [0.]]), 0.0)
    """
    return _zeros(dim)


def _zeros(dim: int, X: Any = None) -> tuple[Array, float]:
    return initial_parameters((dim, 1), "zeros", 0, X)["W1"].T, 0.0


def propagate(w: Any, b: float, X: Any, Y: Any) -> tuple[dict[str, Any], float]:
    """Propagate forward to the cost, and backward to its derivatives.

    A = σ(wᵀX + b),  J = −1/m Σ (y log a + (1−y) log(1−a)),
    dw = 1/m X (A−Y)ᵀ,  db = 1/m Σ (a−y).

    Parameters
    ----------
    w : array_like, shape (n_x, 1)
    b : float
    X : array_like, shape (n_x, m)
    Y : array_like, shape (1, m)

    Returns
    -------
    grads : dict
        ``"dw"``, shape (n_x, 1), and ``"db"``, a float.
    cost : float

    Examples
    --------
    >>> from xpnn.course.logistic import propagate
    >>> grads, cost = propagate([[1.0], [2.0]], 2.0, [[1.0, 2.0], [3.0, 4.0]], [[1, 0]])
    >>> round(cost, 4), round(grads["db"], 4), grads["dw"].shape
    (6.0001, 0.4999, (2, 1))
    """
    with on_one_backend(w=w, X=X, Y=Y) as (backend, w, X, Y):
        params, net = _layer(w, b, backend), _network(w, X, Y, backend=backend)
        return _propagated(params, X, Y, net, backend)


def _propagated(
    params: Params, X: Array, Y: Array, net: Network, backend: Backend
) -> tuple[dict[str, Any], float]:
    """Return what `propagate` does, of checked arguments."""
    objective = Objective(net.activations, net.loss, 1.0 / X.shape[1])
    J, ((dW, db),) = cost_and_gradients(params, X, Y, objective, backend.xp)
    return {"dw": dW.T, "db": backend.number(db[0, 0])}, backend.number(J)


def loop_propagate(w: Any, b: float, X: Any, Y: Any) -> tuple[dict[str, Any], float]:
    """Compute what `propagate` does by two explicit loops, over examples and over features.

    Parameters
    ----------
    w : array_like, shape (n_x, 1)
    b : float
    X : array_like, shape (n_x, m)
    Y : array_like, shape (1, m)

    Returns
    -------
    grads : dict
        ``"dw"``, shape (n_x, 1), and ``"db"``, a float.
    cost : float

    Examples
    --------
    >>> from xpnn.course.logistic import loop_propagate
    >>> grads, cost = loop_propagate([[1.0], [2.0]], 2.0, [[1.0, 2.0], [3.0, 4.0]], [[1, 0]])
    >>> round(cost, 4), round(grads["db"], 4), grads["dw"].shape
    (6.0001, 0.4999, (2, 1))
    """
    with on_one_backend(w=w, X=X, Y=Y) as (backend, w, X, Y):
        _network(w, X, Y, backend=backend)
        w, X, Y = (backend.to_numpy(array) for array in (w, X, Y))  # noqa: PLW2901
    n_x, m = X.shape
    b = _number(b)
    J, dw, db = 0.0, [0.0] * n_x, 0.0
    for i in range(m):
        z = b
        for j in range(n_x):
            z += w[j, 0] * X[j, i]
        a = 1.0 / (1.0 + exp(min(-z, 700.0)))  # beyond, Python's own exp is an error
        # −(y log a + (1−y) log(1−a)), from z, so that an a of 0 or 1 gives no log 0
        J += max(z, 0.0) - Y[0, i] * z + log1p(exp(-abs(z)))
        dz = a - Y[0, i]
        for j in range(n_x):
            dw[j] += X[j, i] * dz
        db += dz
    dw = [dw_j / m for dw_j in dw]
    return {"dw": backend.asarray(dw)[:, None], "db": float(db / m)}, float(J / m)


def optimize(
    w: Any,
    b: float,
    X: Any,
    Y: Any,
    num_iterations: int = 100,
    learning_rate: float = 0.009,
    print_cost: bool = False,
) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """Repeat w ← w − α dw, b ← b − α db.

    Parameters
    ----------
    w : array_like, shape (n_x, 1)
    b : float
    X : array_like, shape (n_x, m)
    Y : array_like, shape (1, m)
    num_iterations : int
    learning_rate : float
        α > 0.
    print_cost : bool
        Whether to print the cost every 100 iterations, and the last.

    Returns
    -------
    params : dict
        ``"w"``, shape (n_x, 1), and ``"b"``, a float.
    grads : dict
        ``"dw"`` and ``"db"`` from which the last update was made.
    costs : list of float
        Before the update of iterations 0, 100, 200, …

    Examples
    --------
    >>> from xpnn.course.logistic import optimize
    >>> params, grads, costs = optimize([[0.0]], 0.0, [[-1.0, 1.0]], [[0, 1]], 200, 0.1)
    >>> [round(cost, 4) for cost in costs]
    [0.6931, 0.1065]
    """
    with on_one_backend(w=w, X=X, Y=Y) as (backend, w, X, Y):
        params, net = _layer(w, b, backend), _network(w, X, Y, backend=backend)
        descent = descend(
            net, params, (X, Y), backend, num_iterations, learning_rate, 100, print_cost
        )
        grads, _ = _propagated(descent.before_last, X, Y, net, backend)
    costs = [J for iteration, J in descent.costs.items() if iteration % 100 == 0]
    ((W, b_last),) = descent.params
    return {"w": W.T, "b": float(b_last[0, 0])}, grads, costs


def predict(w: Any, b: float, X: Any) -> Array:
    """1 where a = σ(wᵀx + b) > 0.5, else 0.

    Parameters
    ----------
    w : array_like, shape (n_x, 1)
    b : float
    X : array_like, shape (n_x, m)

    Returns
    -------
    array, shape (1, m)
        0 and 1 as floats, as in the notes.

    Examples
    --------
    >>> from xpnn.course.logistic import predict
    >>> predict([[1.0], [2.0]], -1.0, [[1.0, -1.0], [1.0, 0.5]])
    array([[1., 0.]])
    """
    with on_one_backend(w=w, X=X) as (backend, w, X):
        net = _network(w, X, backend=backend)
        A, _ = propagation.forward(_layer(w, b, backend), X, net.activations, backend.xp)
        return backend.xp.astype(A > 0.5, backend.dtype)


def model(
    X_train: Any,
    Y_train: Any,
    X_test: Any,
    Y_test: Any,
    num_iterations: int = 2000,
    learning_rate: float = 0.5,
    print_cost: bool = False,
) -> dict[str, Any]:
    """Train from zeros, and predict both sets.

    Parameters
    ----------
    X_train, X_test : array_like, shapes (n_x, m_train) and (n_x, m_test)
    Y_train, Y_test : array_like, shapes (1, m_train) and (1, m_test)
    num_iterations : int
    learning_rate : float
        α > 0.
    print_cost : bool
        Whether to print the cost every 100 iterations, the last, and the accuracies.

    Returns
    -------
    dict
        ``costs`` (every 100 iterations), ``Y_prediction_test``, ``Y_prediction_train``,
        ``w``, ``b``, ``learning_rate``, ``num_iterations``.

    Examples
    --------
    >>> from xpnn.course.logistic import model
    >>> d = model([[-2.0, -1.0, 1.0, 2.0]], [[0, 0, 1, 1]], [[-3.0, 3.0]], [[0, 1]], 100)
    >>> d["Y_prediction_test"]
    array([[0., 1.]])
    """
    with on_one_backend(X_train=X_train, Y_train=Y_train) as (backend, X, Y):
        check_training_set(X, Y, backend, "_train")
        n_x = X.shape[0]
        check_shape("Y_train", Y, (1, X.shape[1]))
    with on_one_backend(X_test=X_test, Y_test=Y_test) as (backend, X, Y):
        check_training_set(X, Y, backend, "_test")
        check_columns("X_test", X, n_x)
        check_shape("Y_test", Y, (1, X.shape[1]))
    w, b = _zeros(n_x, X_train)
    params, _, costs = optimize(w, b, X_train, Y_train, num_iterations, learning_rate, print_cost)
    w, b = params["w"], params["b"]
    predicted_train, predicted_test = predict(w, b, X_train), predict(w, b, X_test)
    if print_cost:
        print(f"train accuracy: {accuracy(predicted_train, Y_train):.2%}")
        print(f"test accuracy: {accuracy(predicted_test, Y_test):.2%}")
    return {
        "costs": costs,
        "Y_prediction_test": predicted_test,
        "Y_prediction_train": predicted_train,
        **params,
        "learning_rate": learning_rate,
        "num_iterations": num_iterations,
    }


def _layer(w: Array, b: float, backend: Backend) -> Params:
    """Return w and b as a layer of one unit: W = wᵀ, shape (1, n_x), and b, shape (1, 1)."""
    return (Layer(w.T, backend.asarray([[_number(b)]], backend.dtype)),)


def _number(b: Any) -> float:
    try:
        return float(b)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"b: expected a number, found {b!r}.") from None


def _network(w: Array, X: Array, Y: Array | None = None, *, backend: Backend) -> Network:
    """Check shapes and numbers, and return the network: n_x inputs, one sigmoid."""
    n_x = w.shape[0] if w.ndim else 0
    check_shape("w", w, (n_x, 1))
    check_columns("X", X, n_x)
    check_finite("X", X, backend)
    if Y is not None:
        check_columns("Y", Y)
        check_shape("Y", Y, (1, X.shape[1]))
        check_binary("Y", Y, backend)
    return Network([n_x, 1], output="sigmoid")
