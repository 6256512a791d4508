"""array-api-compat's NumPy namespace, some functions of which take a faster way through NumPy.

A step of a small network calls these thirty times. To check their arguments in Python costs as much
as the work itself, 3 to 5 µs; and NumPy sums the rows of a matrix, and compares an array with a
number, at a third of the speed of its other loops.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import numpy as compat
from array_api_compat.numpy import *  # noqa: F403

from .._typing import Array

__array_namespace_info__: Any = vars(compat)["__array_namespace_info__"]  # no * takes it along
slow_reshape, slow_astype = vars(compat)["reshape"], vars(compat)["astype"]
SOME, MANY = 128, 2**14  # columns that are worth a row of their own, and that it costs little
SMALL = 2**15  # entries that are worth an array of as many: 128 KiB in float32


def sum(  # noqa: A001
    x: Array, /, *, axis: Any = None, dtype: Any = None, keepdims: Any = False
) -> Array:
    """Compute the Array API standard's ``sum``; over some columns of a matrix by the BLAS.

    Not over many: NumPy sums in pairs, which loses fewer digits.
    """
    if axis == 1 and dtype is None and x.ndim == 2 and x.shape[1] <= MANY and x.dtype.kind == "f":
        sums = x @ _filled(1.0, (x.shape[1], 1), x.dtype)
        return sums if keepdims else sums[:, 0]
    return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)


def max(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:  # noqa: A001
    """Compute the Array API standard's ``max``."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


def maximum(x1: Any, x2: Any, /) -> Array:
    """Compute the Array API standard's ``maximum``; with a number by an array that holds it."""
    if type(x2) is float and x1.ndim == 2 and x1.dtype.kind == "f" and x1.flags.c_contiguous:
        if x1.size <= SMALL:
            x2 = _filled(x2, x1.shape, x1.dtype)
        elif SOME <= x1.shape[1] <= MANY:
            x2 = _filled(x2, x1.shape[1:], x1.dtype)
    return np.maximum(x1, x2)


def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Array:
    """Compute the Array API standard's ``astype``."""
    return x.astype(dtype, copy=copy) if device is None else slow_astype(x, dtype, device=device)


def reshape(x: Array, /, shape: Any, *, copy: bool | None = None) -> Array:
    """Compute the Array API standard's ``reshape``."""
    return x.reshape(shape) if copy is None else slow_reshape(x, shape, copy=copy)


@lru_cache(maxsize=64)
def _filled(value: float, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array that holds one number everywhere, kept for the next call."""
    filled = np.full(shape, value, dtype=dtype)
    filled.flags.writeable = False
    return filled
