"""First steps: elementary functions, and explicit loops beside their vectorised twins.

The loops run in Python on the host, element by element, as the notes first write them;
their twins are one call of the array library.
"""

import math
from sys import float_info
from typing import Any

import numpy as np

from .._typing import Array
from ..core import activations
from ..core.activations import G
from ..exceptions import ArgumentError
from ..validation.arrays import check_shape
from ._arrays import on_one_backend, on_one_device

__all__ = [
    "sigmoid",
    "sigmoid_derivative",
    "relu",
    "tanh",
    "softmax",
    "image2vector",
    "normalize_rows",
    "percentages",
    "L1",
    "L2",
    "loop_dot",
    "dot",
    "loop_outer",
    "outer",
    "loop_multiply",
    "multiply",
    "loop_matvec",
    "matvec",
    "loop_exp",
    "exp",
]

OTHER = "the other argument"

LARGEST = math.log(float_info.max)  # beyond, Python's own exp is an error

# ---- elementary functions ---------------------------------------------------


def sigmoid(z: Any) -> Array:
    """σ(z) = 1 / (1 + e^−z).

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    array, the shape of z

    Examples
    --------
    >>> from xpnn.course.basics import sigmoid
    >>> sigmoid([-1.0, 0.0, 1.0])
    array([0.26894142, 0.5       , 0.73105858])
    """
    return _g(activations.sigmoid, z)


def sigmoid_derivative(z: Any) -> Array:
    """σ′(z) = a (1 − a), a = σ(z).

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    array, the shape of z

    Examples
    --------
    >>> from xpnn.course.basics import sigmoid_derivative
    >>> sigmoid_derivative([0.0, 2.0])
    array([0.25      , 0.10499359])
    """
    with on_one_backend(z=z) as (backend, z):
        return activations.sigmoid_derivative(z, activations.sigmoid(z, backend.xp), backend.xp)


def relu(z: Any) -> Array:
    """max(0, z).

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    array, the shape of z

    Examples
    --------
    >>> from xpnn.course.basics import relu
    >>> relu([-1.0, 2.0])
    array([0., 2.])
    """
    return _g(activations.relu, z)


def tanh(z: Any) -> Array:
    """tanh z = (e^z − e^−z) / (e^z + e^−z).

    Parameters
    ----------
    z : array_like, any shape

    Returns
    -------
    array, the shape of z

    Examples
    --------
    >>> from xpnn.course.basics import tanh
    >>> tanh([0.0, 1.0])
    array([0.        , 0.76159416])
    """
    return _g(activations.tanh, z)


def softmax(x: Any) -> Array:
    """e^x_j / Σ_k e^x_k over each row.

    Parameters
    ----------
    x : array_like, shape (n, k)

    Returns
    -------
    array, shape (n, k)
        Rows that sum to 1.

    Examples
    --------
    >>> from xpnn.course.basics import softmax
    >>> softmax([[0.0, 0.0], [1.0, -1.0]])
    array([[0.5       , 0.5       ],
           [0.88079708, 0.11920292]])
    """
    with on_one_backend(x=x) as (backend, x):
        _check_dimensions("x", x, 2)
        return activations.softmax(x.T, backend.xp).T


def _g(g: G, z: Any) -> Array:
    with on_one_backend(z=z) as (backend, z):
        return g(z, backend.xp)


# ---- arrays of examples -----------------------------------------------------


def image2vector(image: Any) -> Array:
    """Flatten an image, or each image of a batch, into a column.

    Parameters
    ----------
    image : array_like, shape (h, w, c) or (m, h, w, c)

    Returns
    -------
    array, shape (h·w·c, 1) or (h·w·c, m)
        Of the dtype of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from xpnn.course.basics import image2vector
    >>> image2vector(np.zeros((64, 64, 3))).shape, image2vector(np.zeros((5, 64, 64, 3))).shape
    ((12288, 1), (12288, 5))
    """
    with on_one_device(image=image) as (backend, image):
        if image.ndim not in (3, 4) or 0 in image.shape:
            raise ArgumentError(
                "image: expected shape (h, w, c), or (m, h, w, c) for several, none of them 0, "
                f"found {tuple(image.shape)}; a grey image of shape (h, w) needs a channel: "
                "image.reshape(h, w, 1)."
            )
        m = image.shape[0] if image.ndim == 4 else 1
        return backend.xp.reshape(image, (m, -1)).T


def normalize_rows(x: Any) -> Array:
    """x / ‖x‖, row by row.

    Parameters
    ----------
    x : array_like, shape (n, k)

    Returns
    -------
    array, shape (n, k)
        Rows of length 1; NaN in a row of zeros, which has no direction.

    Examples
    --------
    >>> from xpnn.course.basics import normalize_rows
    >>> normalize_rows([[0.0, 3.0, 4.0]])
    array([[0. , 0.6, 0.8]])
    """
    with on_one_backend(x=x) as (backend, x):
        _check_dimensions("x", x, 2)
        return x / backend.xp.sqrt(backend.xp.sum(x * x, axis=1, keepdims=True))


def percentages(A: Any) -> Array:
    """Return each column as percentages of its sum, by broadcasting (n, k) over (1, k).

    Parameters
    ----------
    A : array_like, shape (n, k)

    Returns
    -------
    array, shape (n, k)
        Columns that sum to 100.

    Examples
    --------
    Calories from carbohydrate, protein and fat in two foods:

    >>> from xpnn.course.basics import percentages
    >>> percentages([[56.0, 0.0], [1.2, 104.0], [1.8, 135.0]]).round(1)
    array([[94.9,  0. ],
           [ 2. , 43.5],
           [ 3.1, 56.5]])
    """
    with on_one_backend(A=A) as (backend, A):
        _check_dimensions("A", A, 2)
        return 100.0 * A / backend.xp.sum(A, axis=0, keepdims=True)


def L1(yhat: Any, y: Any) -> float:
    """``Σ_i |y_i − ŷ_i|``.

    Parameters
    ----------
    yhat, y : array_like, equal shapes

    Examples
    --------
    >>> from xpnn.course.basics import L1
    >>> L1([0.5, 0.25], [1.0, 0.0])
    0.75
    """
    with on_one_backend(yhat=yhat, y=y) as (backend, yhat, y):
        check_shape("y", y, tuple(yhat.shape), OTHER)
        return backend.number(backend.xp.sum(backend.xp.abs(y - yhat)))


def L2(yhat: Any, y: Any) -> float:
    """Σ_i (y_i − ŷ_i)².

    Parameters
    ----------
    yhat, y : array_like, equal shapes

    Examples
    --------
    >>> from xpnn.course.basics import L2
    >>> L2([0.5, 0.25], [1.0, 0.0])
    0.3125
    """
    with on_one_backend(yhat=yhat, y=y) as (backend, yhat, y):
        check_shape("y", y, tuple(yhat.shape), OTHER)
        return backend.number(backend.xp.sum((y - yhat) ** 2))


# ---- explicit loops and their vectorised twins ------------------------------


def loop_dot(a: Any, b: Any) -> float:
    """Σ_i a_i b_i, one term after the other.

    Parameters
    ----------
    a, b : array_like, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import loop_dot
    >>> loop_dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    _, a, b = _for_loops(a=a, b=b)
    _check_vectors(a, b)
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return float(total)


def dot(a: Any, b: Any) -> float:
    """Σ_i a_i b_i, vectorised.

    Parameters
    ----------
    a, b : array_like, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import dot
    >>> dot([1.0, 2.0], [3.0, 4.0])
    11.0
    """
    with on_one_backend(a=a, b=b) as (backend, a, b):
        _check_vectors(a, b)
        return backend.number(a @ b)


def loop_outer(a: Any, b: Any) -> Array:
    """a_i b_j, one entry after the other.

    Parameters
    ----------
    a : array_like, shape (n,)
    b : array_like, shape (k,)

    Returns
    -------
    array, shape (n, k)

    Examples
    --------
    >>> from xpnn.course.basics import loop_outer
    >>> loop_outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    backend, a, b = _for_loops(a=a, b=b)
    _check_dimensions("a", a, 1)
    _check_dimensions("b", b, 1)
    products = [[0.0] * len(b) for _ in range(len(a))]
    for i in range(len(a)):
        for j in range(len(b)):
            products[i][j] = a[i] * b[j]
    return backend.asarray(np.asarray(products).reshape(len(a), len(b)))


def outer(a: Any, b: Any) -> Array:
    """a_i b_j, vectorised.

    Parameters
    ----------
    a : array_like, shape (n,)
    b : array_like, shape (k,)

    Returns
    -------
    array, shape (n, k)

    Examples
    --------
    >>> from xpnn.course.basics import outer
    >>> outer([1.0, 2.0], [3.0, 4.0])
    array([[3., 4.],
           [6., 8.]])
    """
    with on_one_backend(a=a, b=b) as (_, a, b):
        _check_dimensions("a", a, 1)
        _check_dimensions("b", b, 1)
        return a[:, None] * b[None, :]


def loop_multiply(a: Any, b: Any) -> Array:
    """a_i b_i, one entry after the other.

    Parameters
    ----------
    a, b : array_like, shape (n,)

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import loop_multiply
    >>> loop_multiply([1.0, 2.0], [3.0, 4.0])
    array([3., 8.])
    """
    backend, a, b = _for_loops(a=a, b=b)
    _check_vectors(a, b)
    products = [0.0] * len(a)
    for i in range(len(a)):
        products[i] = a[i] * b[i]
    return backend.asarray(products)


def multiply(a: Any, b: Any) -> Array:
    """a_i b_i, vectorised.

    Parameters
    ----------
    a, b : array_like, shape (n,)

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import multiply
    >>> multiply([1.0, 2.0], [3.0, 4.0])
    array([3., 8.])
    """
    with on_one_backend(a=a, b=b) as (_, a, b):
        _check_vectors(a, b)
        return a * b


def loop_matvec(A: Any, v: Any) -> Array:
    """u_i = Σ_j A_ij v_j, one term after the other.

    Parameters
    ----------
    A : array_like, shape (n, k)
    v : array_like, shape (k,)

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import loop_matvec
    >>> loop_matvec([[1.0, 2.0], [3.0, 4.0]], [10.0, 1.0])
    array([12., 34.])
    """
    backend, A, v = _for_loops(A=A, v=v)
    _check_matvec(A, v)
    u = [0.0] * len(A)
    for i in range(len(A)):
        for j in range(len(v)):
            u[i] += A[i, j] * v[j]
    return backend.asarray(u)


def matvec(A: Any, v: Any) -> Array:
    """u_i = Σ_j A_ij v_j, vectorised: A v.

    Parameters
    ----------
    A : array_like, shape (n, k)
    v : array_like, shape (k,)

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import matvec
    >>> matvec([[1.0, 2.0], [3.0, 4.0]], [10.0, 1.0])
    array([12., 34.])
    """
    with on_one_backend(A=A, v=v) as (_, A, v):
        _check_matvec(A, v)
        return A @ v


def loop_exp(v: Any) -> Array:
    """e^v_i, one entry after the other.

    Parameters
    ----------
    v : array_like, shape (n,)

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from xpnn.course.basics import loop_exp
    >>> loop_exp([0.0, 1.0])
    array([1.        , 2.71828183])
    """
    backend, v = _for_loops(v=v)
    _check_dimensions("v", v, 1)
    u = [0.0] * len(v)
    for i in range(len(v)):
        u[i] = math.exp(v[i]) if v[i] < LARGEST else math.inf
    return backend.asarray(np.asarray(u))


def exp(v: Any) -> Array:
    """e^v_i, vectorised.

    Parameters
    ----------
    v : array_like, any shape

    Returns
    -------
    array, the shape of v

    Examples
    --------
    >>> from xpnn.course.basics import exp
    >>> exp([0.0, 1.0])
    array([1.        , 2.71828183])
    """
    return _g(activations.exponential, v)


def _for_loops(**named: Any) -> tuple[Any, ...]:
    """Return the backend of the arrays, and these on the host, for a loop over their entries."""
    with on_one_backend(**named) as (backend, *arrays):
        return backend, *map(backend.to_numpy, arrays)


def _check_dimensions(name: str, x: Array, ndim: int) -> None:
    if x.ndim != ndim:
        raise ArgumentError(
            f"{name}: expected an array of {ndim} dimensions, found shape {tuple(x.shape)}; "
            f"reshape it with {name}.reshape(...)."
        )


def _check_vectors(a: Array, b: Array) -> None:
    _check_dimensions("a", a, 1)
    check_shape("b", b, tuple(a.shape), OTHER)


def _check_matvec(A: Array, v: Array) -> None:
    _check_dimensions("A", A, 2)
    check_shape("v", v, (A.shape[1],), OTHER)
