# mypy: disable-error-code="has-type"
"""The functions of the namespace, one line each: a name, and its derivative by each argument.

A derivative is a function of dy = ∂J/∂y, of y, and of the arguments of y = f(…); it
returns ∂J/∂argument, before broadcasting is undone. It is itself written in functions of
this module, so that it can be differentiated again.

Where a function has a kink, the table picks one side: relu's derivative at 0, by
``maximum(Z, 0.0)``, is 0, and that of leaky relu, by ``maximum(0.01 * Z, Z)``, is 1.
"""

import builtins
import operator
from collections.abc import Callable
from math import e, inf, nan, pi, prod
from typing import Any

from .._typing import Array
from .node import DERIVATIVES, FORWARD, Node, apply, compute, namespace, plain, shape

__all__ = [
    "e",
    "inf",
    "nan",
    "pi",
    "abs",
    "add",
    "argmax",
    "argmin",
    "astype",
    "atan",
    "broadcast_to",
    "ceil",
    "concat",
    "cos",
    "cosh",
    "divide",
    "exp",
    "expand_dims",
    "expm1",
    "floor",
    "full_like",
    "isfinite",
    "isnan",
    "log",
    "log1p",
    "logaddexp",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "multiply",
    "negative",
    "ones_like",
    "permute_dims",
    "pow",
    "reshape",
    "round",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "squeeze",
    "subtract",
    "sum",
    "take",
    "tanh",
    "where",
    "zeros_like",
]


def function(name: str, *derivatives: Any, forward: Any = None) -> Callable[..., Any]:
    """Enter a function in the table, and return it; ``forward`` if it is not ``xp.name``."""
    DERIVATIVES[name] = derivatives
    if forward is not None:
        FORWARD[name] = forward

    def recorded(*args: Any, **options: Any) -> Any:
        return apply(name, *args, **options)

    return standard(name, recorded, "a node of the graph if an argument is one")


def standard(name: str, function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """Give a function the name of the standard's, and a docstring."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Compute the Array API standard's ``{name}``: {what}."
    return function


def reduction(name: str, derivative: Any) -> Callable[..., Any]:
    """Enter a reduction over axes in the table."""

    def forward(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        return getattr(namespace([x]), name)(x, axis=axis, keepdims=keepdims)

    return function(name, derivative, forward=forward)


def flat(name: str) -> Callable[..., Any]:
    """Return a function whose derivative is 0 wherever it has one: it leaves the graph."""

    def computed(*args: Any, **options: Any) -> Any:
        values = tuple(map(plain, args))
        return compute(name, values, options)

    return standard(name, computed, "a plain array, with no derivative")


# ---- derivative 0 or none ---------------------------------------------------

floor, ceil, round = flat("floor"), flat("ceil"), flat("round")
isfinite, isnan = flat("isfinite"), flat("isnan")
argmax, argmin = flat("argmax"), flat("argmin")
zeros_like, ones_like, full_like = flat("zeros_like"), flat("ones_like"), flat("full_like")


def sign(x: Array) -> Array:
    """−1, 0 or 1; of Python numbers too, which have no such function."""
    x = plain(x)
    return namespace([x]).sign(x) if hasattr(x, "shape") else float((x > 0) - (x < 0))


# ---- one argument, elementwise ----------------------------------------------

negative = function("negative", lambda dy, y, x: -dy, forward=operator.neg)
abs = function("abs", lambda dy, y, x: dy * sign(x), forward=operator.abs)
square = function("square", lambda dy, y, x: dy * 2.0 * x)
sqrt = function("sqrt", lambda dy, y, x: 0.5 * dy / y)
exp = function("exp", lambda dy, y, x: dy * y)
expm1 = function("expm1", lambda dy, y, x: dy * (y + 1.0))
log = function("log", lambda dy, y, x: dy / x)
log1p = function("log1p", lambda dy, y, x: dy / (1.0 + x))
sin = function("sin", lambda dy, y, x: dy * cos(x))
cos = function("cos", lambda dy, y, x: -dy * sin(x))
atan = function("atan", lambda dy, y, x: dy / (1.0 + x * x))
sinh = function("sinh", lambda dy, y, x: dy * cosh(x))
cosh = function("cosh", lambda dy, y, x: dy * sinh(x))
tanh = function("tanh", lambda dy, y, x: dy * (1.0 - y * y))
cast = function(
    "astype",
    lambda dy, y, x, dtype: cast(dy, dtype=x.dtype),
    forward=lambda x, dtype: namespace([x]).astype(x, dtype),
)


def astype(x: Array, dtype: Any, /) -> Any:
    """Cast to a dtype; what is no real floating number any more is flat."""
    real = namespace([plain(x)]).isdtype(dtype, "real floating")
    return cast(x if real else plain(x), dtype=dtype)


# ---- two arguments, elementwise ---------------------------------------------

add = function("add", lambda dy, y, a, b: dy, lambda dy, y, a, b: dy, forward=operator.add)
subtract = function(
    "subtract", lambda dy, y, a, b: dy, lambda dy, y, a, b: -dy, forward=operator.sub
)
multiply = function(
    "multiply", lambda dy, y, a, b: dy * b, lambda dy, y, a, b: dy * a, forward=operator.mul
)
divide = function(
    "divide", lambda dy, y, a, b: dy / b, lambda dy, y, a, b: -dy * y / b, forward=operator.truediv
)
pow = function(
    "pow",
    lambda dy, y, a, b: dy * slope_of_power(a, b),
    lambda dy, y, a, b: dy * y * log(a),
    forward=operator.pow,
)
maximum = function(
    "maximum",
    lambda dy, y, a, b: where(plain(a) > plain(b), dy, 0.0),
    lambda dy, y, a, b: where(plain(a) > plain(b), 0.0, dy),
)
minimum = function(
    "minimum",
    lambda dy, y, a, b: where(plain(a) < plain(b), dy, 0.0),
    lambda dy, y, a, b: where(plain(a) < plain(b), 0.0, dy),
)
logaddexp = function(
    "logaddexp", lambda dy, y, a, b: dy * exp(a - y), lambda dy, y, a, b: dy * exp(b - y)
)
where = function(
    "where",
    None,
    lambda dy, y, condition, a, b: where(condition, dy, 0.0),
    lambda dy, y, condition, a, b: where(condition, 0.0, dy),
)

# ---- products, sums, and other shapes ---------------------------------------

matmul = function(
    "matmul",
    lambda dy, y, A, B: by_left(dy, A, B),
    lambda dy, y, A, B: by_right(dy, A, B),
    forward=operator.matmul,
)
sum = reduction("sum", lambda dy, y, x, **axes: spread(dy, x, **axes))
mean = reduction("mean", lambda dy, y, x, **axes: spread(dy, x, **axes) * size_ratio(y, x))
max = reduction("max", lambda dy, y, x, **axes: spread(dy, x, **axes) * reached(y, x, **axes))
min = reduction("min", lambda dy, y, x, **axes: spread(dy, x, **axes) * reached(y, x, **axes))
broadcast_to = function("broadcast_to", lambda dy, y, x, shape: dy)
reshape = function(
    "reshape",
    lambda dy, y, x, shape: reshape(dy, x.shape),
    forward=lambda x, shape: namespace([x]).reshape(x, shape),
)
expand_dims = function("expand_dims", lambda dy, y, x, **axis: reshape(dy, x.shape))
squeeze = function("squeeze", lambda dy, y, x, axis: reshape(dy, x.shape))
permute_dims = function("permute_dims", lambda dy, y, x, axes: permute_dims(dy, inverse(axes)))
matrix_transpose = function("matrix_transpose", lambda dy, y, x: matrix_transpose(dy))
T = function("T", lambda dy, y, x: dy.T, forward=operator.attrgetter("T"))
take = function(
    "take",
    lambda dy, y, x, indices, axis=0: put(dy, zeros_like(x), indices, axis=axis),
    None,
    forward=lambda x, indices, axis=0: namespace([x]).take(x, indices, axis=axis),
)
getitem = function(
    "getitem",
    lambda dy, y, x, key: embed(dy, zeros_like(x), key=key),
    forward=lambda x, key: x[key],
)


def _embed(x: Array, zeros: Array, key: Any) -> Array:
    if isinstance(x, Node):  # differentiated again
        return embed(x, zeros, key=key)
    if key is None or isinstance(key, tuple):  # the standard has no new axes in an assignment
        key = tuple(part for part in key or () if part is not None)
        x = reshape(x, tuple(zeros[key].shape))
    if hasattr(zeros, "at"):  # a library whose arrays never change, such as JAX
        return zeros.at[key].set(x)
    zeros[key] = x
    return zeros


def _put(x: Array, zeros: Array, indices: Array, axis: int) -> Array:
    if isinstance(x, Node):  # differentiated again
        return put(x, zeros, indices, axis=axis)
    before = (slice(None),) * (axis % zeros.ndim)
    if hasattr(zeros, "at"):
        return zeros.at[(*before, indices)].add(x)
    for i in range(indices.shape[0]):  # one at a time: equal indices add up
        zeros[(*before, int(indices[i]), ...)] += x[(*before, i, ...)]
    return zeros


put = function(
    "put",
    lambda dy, y, x, zeros, indices, axis: take(dy, indices, axis=axis),
    None,
    None,
    forward=_put,
)


embed = function("embed", lambda dy, y, x, zeros, key: dy[key], forward=_embed)


# ---- what the derivatives need ----------------------------------------------


def slope_of_power(a: Array, b: Array) -> Array:
    """b a^(b−1), and 0 for the constant a⁰, at a = 0 too."""
    return 0.0 if isinstance(b, int | float) and b == 0 else b * a ** (b - 1)


def by_left(dy: Array, A: Array, B: Array) -> Array:
    """∂J/∂A of y = A B: dy Bᵀ; a vector is a row of A, or a column of B."""
    if B.ndim == 1:
        return expand_dims(dy, axis=-1) * B
    if A.ndim == 1:
        return sum(expand_dims(dy, axis=-2) * B, axis=-1)
    return dy @ matrix_transpose(B)


def by_right(dy: Array, A: Array, B: Array) -> Array:
    """∂J/∂B of y = A B: Aᵀ dy."""
    if B.ndim == 1:
        return expand_dims(dy, axis=-1) * A
    if A.ndim == 1:
        return expand_dims(A, axis=-1) * expand_dims(dy, axis=-2)
    return matrix_transpose(A) @ dy


def spread(d: Array, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """Broadcast what was reduced over some axes back to the shape of ``x``."""
    if not keepdims:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        reduced = {i % x.ndim for i in axes}
        d = reshape(d, tuple(1 if i in reduced else n for i, n in enumerate(x.shape)))
    return broadcast_to(d, tuple(x.shape))


def size_ratio(y: Array, x: Array) -> float:
    """How many entries ``y`` has for one of ``x``."""
    return prod(shape(y)) / prod(shape(x))


def reached(y: Array, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """1 where x is the extreme y, divided among equals; else 0."""
    x = plain(x)
    hits = astype(x == spread(plain(y), x, axis, keepdims), x.dtype)
    return hits / sum(hits, axis=axis, keepdims=True)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the permutation that undoes another."""
    axes = tuple(axis % len(axes) for axis in axes)
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


class _Pieces:
    """The derivative of ``concat`` by each of its arrays: dy, cut where they were joined."""

    def __getitem__(self, i: int) -> Callable[..., Any]:
        def piece(dy: Array, y: Array, *arrays: Array, axis: int = 0) -> Array:
            axis %= y.ndim
            start = builtins.sum(a.shape[axis] for a in arrays[:i])
            cut = slice(start, start + arrays[i].shape[axis])
            return dy[(slice(None),) * axis + (cut, ...)]

        return piece


DERIVATIVES["concat"] = _Pieces()
FORWARD["concat"] = lambda *arrays, axis: namespace(arrays).concat(arrays, axis=axis)


def concat(arrays: Any, /, *, axis: int = 0) -> Any:
    """Join arrays along an axis."""
    return apply("concat", *arrays, axis=axis)
