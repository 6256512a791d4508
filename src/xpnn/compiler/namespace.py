"""The functions of the Array API standard for traced arrays."""

from typing import Any

import numpy as np

from .._typing import Array
from ..exceptions import ArgumentError, TraceError
from . import arrays
from .arrays import TracedArray, record, recorder_of
from .program import ENTRYWISE, REDUCTIONS

bool = np.dtype(np.bool_)  # noqa: A001
int32, int64, uint32, uint64 = map(np.dtype, ("int32", "int64", "uint32", "uint64"))
float32, float64 = np.dtype("float32"), np.dtype("float64")
e, inf, nan, pi, newaxis = np.e, np.inf, np.nan, np.pi, None
isdtype, finfo, iinfo = np.isdtype, np.finfo, np.iinfo
permute_dims, matmul = arrays.permute_dims, arrays.matmul


def __getattr__(name: str) -> Any:
    if name in ENTRYWISE:
        return lambda *args: arrays.entrywise(name, *args)
    if name in REDUCTIONS:
        return lambda x, *, axis=None, keepdims=False: arrays.reduction(name, x, axis, keepdims)
    raise AttributeError(f"xpnn.compiler has no {name!r}")


def mean(x: Array, /, *, axis: Any = None, keepdims: Any = False) -> Array:
    """Compute the mean over axes."""
    total = arrays.reduction("sum", x, axis, keepdims)
    ones = full_like(x, 1.0)
    return arrays.entrywise("divide", total, arrays.reduction("sum", ones, axis, keepdims))


def astype(x: Array, dtype: Any, /, *, copy: Any = True, device: Any = None) -> Array:
    """Cast to a dtype."""
    name = str(np.dtype(dtype))
    return record("astype", (x,), x.shape, name, dtype=name)


def reshape(x: Array, /, shape: Any, *, copy: Any = None) -> Array:
    """Give the same entries another shape."""
    return arrays.reshape(x, shape)


def broadcast_to(x: Array, /, shape: Any) -> Array:
    """Repeat an array along axes of size 1."""
    return arrays.view("broadcast_to", x, tuple(shape), shape=tuple(shape))


def matrix_transpose(x: Array, /) -> Array:
    """Transpose the matrices of a stack."""
    return x.mT


def expand_dims(x: Array, /, *, axis: int = 0) -> Array:
    """Insert an axis of size 1."""
    axis %= x.ndim + 1
    return arrays.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))


def squeeze(x: Array, /, axis: Any) -> Array:
    """Remove axes of size 1."""
    axes = arrays.axes_of(axis, x.ndim)
    return arrays.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def concat(arrays: Any, /, *, axis: int = 0) -> Array:
    """Join arrays along an axis."""
    first, *others = arrays
    axis %= first.ndim
    before, after = first.shape[:axis], first.shape[axis + 1 :]
    for a in others:
        if (a.shape[:axis], a.shape[axis + 1 :]) != (before, after):
            raise ArgumentError(
                f"concat: expected arrays that differ along axis {axis} only, found shapes "
                f"{[a.shape for a in arrays]}."
            )
    sizes = [a.shape[axis] for a in arrays]
    if not all(isinstance(n, int) for n in sizes):
        raise TraceError(f"concat: expected sizes that are numbers, found {sizes}.")
    dtype = str(np.result_type(*(a.dtype for a in arrays)))
    return record("concat", arrays, (*before, sum(sizes), *after), dtype, axis=axis)


def take(x: Array, indices: Array, /, *, axis: int = 0) -> Array:
    """Pick entries along an axis by an array of integers."""
    axis %= x.ndim
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return record("take", (x, indices), shape, str(x.dtype), axis=axis)


def full(shape: Any, value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of one number."""
    number = np.asarray(value, dtype=dtype)
    return broadcast_to(asarray(number), (shape,) if isinstance(shape, int) else shape)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of zeros."""
    return full(shape, 0.0, dtype=dtype)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of ones."""
    return full(shape, 1.0, dtype=dtype)


def full_like(x: Array, /, value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of one number, of the shape of another array."""
    return full(x.shape, value, dtype=dtype or x.dtype)


def zeros_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of zeros, of the shape of another."""
    return full_like(x, 0, dtype=dtype)


def ones_like(x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
    """Make an array of ones, of the shape of another."""
    return full_like(x, 1, dtype=dtype)


def asarray(x: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Array:
    """Take an array or a number into the program."""
    if isinstance(x, TracedArray):
        return x if dtype in (None, x.dtype) and not copy else astype(x, dtype or x.dtype)
    recorder = recorder_of()
    return TracedArray(recorder.constant(np.asarray(x, dtype=dtype)), recorder)
