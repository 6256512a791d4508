"""Host data: lists, numbers, frames and arrays of any library, as NumPy arrays."""

from typing import Any

import numpy as np

from ..exceptions import ArgumentTypeError
from .registry import find_backend


def host_array(x: Any) -> Any:
    """Return ``x`` as a NumPy array of real numbers or booleans, in native byte order."""
    if is_masked(x):
        raise ArgumentTypeError(
            "expected an array without a mask, found a masked array, whose mask other libraries "
            "drop silently; fill it first: x.filled(0.0)."
        )
    a = to_host(x)
    check_real(a.dtype, a.dtype.kind in "buif")
    if a.dtype == np.longdouble:  # no other library has it
        with np.errstate(over="ignore"):
            a = a.astype(np.float64)
    return a.astype(a.dtype.newbyteorder("="), copy=False)


def to_host(x: Any) -> Any:
    """Return ``x`` as a NumPy array, whatever its dtype."""
    backend = device_backend(x)
    if backend is not None:
        return backend.to_numpy(x)
    try:
        return np.asarray(x)
    except ValueError as error:  # ragged lists
        raise ArgumentTypeError(f"expected a rectangular array of numbers: {error}") from error


def device_backend(x: Any) -> Any:
    """Return the `Backend` of an array; None for NumPy's and for all other host data."""
    return None if isinstance(x, np.ndarray | np.generic) else find_backend(x)


def is_masked(x: Any) -> bool:
    """Whether ``x`` is a masked array, or a list of them: NumPy would drop their masks."""
    if isinstance(x, list | tuple):
        return any(isinstance(row, np.ma.MaskedArray) for row in x)
    return isinstance(x, np.ma.MaskedArray)


def check_real(dtype: Any, real: bool) -> None:
    """Raise unless a dtype stands for real numbers or booleans."""
    if not real:
        raise ArgumentTypeError(
            f"expected real numbers, found dtype {dtype}; convert them first, "
            "for example with numpy.asarray(x, dtype='float64')."
        )
